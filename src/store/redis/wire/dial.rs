//! Making a connection: TCP, TLS, and the greeting.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, Value};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::link::{Confirm, Fault, Hear, Link};
use crate::telemetry::Metrics;

/// Where a server is. It is never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint(..)")
    }
}

/// How connections are made.
pub(crate) struct Dialer {
    user: String,
    password: Option<String>,
    database: u32,
    tls: Option<TlsConnector>,
    /// For each: to connect, and to be answered.
    timeout: Duration,
    /// Whether calls of scripts may become one.
    joins: bool,
    metrics: Arc<Metrics>,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DialError {
    /// No server listens there, or none that can be reached.
    #[error("Redis cannot be reached")]
    Unreachable,
    /// It is silent.
    #[error("Redis did not answer in time")]
    Silent,
    /// Its certificate is not trusted.
    #[error("Redis's certificate is not signed by an authority that is trusted here")]
    Untrusted,
    /// Its certificate is for another name, or has expired.
    #[error("Redis's certificate is not valid for its host name, or not now")]
    Certificate,
    /// TLS failed in another way.
    #[error("Redis does not speak TLS there")]
    NoTls,
    /// It does not accept the user or the password.
    #[error("Redis refuses the user or the password")]
    Password,
    /// It does not permit a command that the relay needs.
    #[error("Redis does not permit this user a command")]
    Permission,
    /// It is loading its data, for example.
    #[error("Redis is not ready yet")]
    NotReady,
    /// It is not Redis, or older than version 6.
    #[error("what listens there does not speak RESP3")]
    Protocol,
}

impl From<Fault> for DialError {
    fn from(fault: Fault) -> Self {
        use crate::store::StoreError::TimedOut;
        match fault {
            Fault::Unknown(TimedOut) | Fault::Unsent(TimedOut) => Self::Silent,
            _ => Self::Unreachable,
        }
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub(crate) mode: String,
}

impl Dialer {
    /// With a certificate authority (PEM) in place of the system's, if there is TLS.
    ///
    /// # Errors
    /// Where the authority's PEM holds no certificate.
    pub(crate) fn new(
        tls: bool,
        ca_pem: Option<&[u8]>,
        timeout: Duration,
        metrics: Arc<Metrics>,
    ) -> Result<Self, NoCertificate> {
        let tls = if tls { Some(connector(ca_pem)?) } else { None };
        Ok(Self { user: "default".to_owned(), password: None, database: 0, tls, timeout, joins: false, metrics })
    }

    /// As this user.
    pub(crate) fn with_login(mut self, user: Option<&str>, password: Option<&str>, database: u32) -> Self {
        if let Some(user) = user {
            user.clone_into(&mut self.user);
        }
        self.password = password.map(str::to_owned);
        self.database = database;
        self
    }

    /// Whether calls of scripts may become one, as where one server has all keys.
    pub(crate) fn joining(self, joins: bool) -> Self {
        Self { joins, ..self }
    }

    /// Connects. Every wait has the same limit.
    ///
    /// # Errors
    /// Where it does not come to a greeting.
    pub(crate) async fn dial(
        &self,
        to: &Endpoint,
        confirm: Option<Confirm>,
        hear: Option<Arc<dyn Hear>>,
    ) -> Result<(Link, Greeting), DialError> {
        let link = tokio::time::timeout(self.timeout, self.connect(to, confirm, hear)).await;
        let link = link.unwrap_or(Err(DialError::Silent))?;
        let greeting = self.greet(&link).await?;
        self.metrics.store.connections_made.count();
        Ok((link, greeting))
    }

    async fn connect(
        &self,
        to: &Endpoint,
        confirm: Option<Confirm>,
        hear: Option<Arc<dyn Hear>>,
    ) -> Result<Link, DialError> {
        let unreachable = |_| DialError::Unreachable;
        let stream = TcpStream::connect((to.host.as_str(), to.port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let Some(tls) = &self.tls else {
            return Ok(Link::start(stream, self.timeout, self.joins, confirm, hear, &self.metrics.store));
        };
        let name = ServerName::try_from(to.host.clone()).map_err(|_| DialError::Certificate)?;
        let stream = tls.connect(name, stream).await.map_err(|error| tls_error(&error))?;
        Ok(Link::start(stream, self.timeout, self.joins, confirm, hear, &self.metrics.store))
    }

    async fn greet(&self, link: &Link) -> Result<Greeting, DialError> {
        let greeting = greeting(match &self.password {
            Some(password) => link.ask(&["HELLO", "3", "AUTH", &self.user, password, "SETNAME", "sealpost"]).await?,
            None => link.ask(&["HELLO", "3", "SETNAME", "sealpost"]).await?,
        })?;
        if self.database != 0
            && let Value::ServerError(error) = link.ask(&["SELECT", &self.database.to_string()]).await?
        {
            return Err(if error.code() == "NOPERM" { DialError::Permission } else { DialError::Protocol });
        }
        Ok(greeting)
    }
}

/// Reads the answer to `HELLO`.
pub(in super::super) fn greeting(answer: Value) -> Result<Greeting, DialError> {
    if let Value::ServerError(error) = &answer {
        return Err(match error.code() {
            "WRONGPASS" | "NOAUTH" => DialError::Password,
            "NOPERM" => DialError::Permission,
            "LOADING" | "MASTERDOWN" => DialError::NotReady,
            _ => DialError::Protocol,
        });
    }
    let fields = Vec::<(String, Value)>::from_redis_value(answer).map_err(|_| DialError::Protocol)?;
    let mut greeting = Greeting::default();
    for (name, value) in fields {
        let text = || String::from_redis_value_ref(&value).unwrap_or_default();
        match name.as_str() {
            "version" => greeting.version = text(),
            "mode" => greeting.mode = text(),
            _ => {}
        }
    }
    Ok(greeting)
}

/// The authority's file holds no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoCertificate;

fn connector(ca_pem: Option<&[u8]>) -> Result<TlsConnector, NoCertificate> {
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            let certificates: Vec<_> =
                CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| NoCertificate)?;
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err(NoCertificate);
            }
        }
        // Where the system has none, no server is trusted, and connecting says so.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| NoCertificate)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn tls_error(error: &io::Error) -> DialError {
    use rustls::CertificateError;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            DialError::Untrusted
        }
        Some(rustls::Error::InvalidCertificate(_)) => DialError::Certificate,
        Some(_) => DialError::NoTls,
        // A server without TLS hangs up on what it does not understand.
        None if error.kind() == io::ErrorKind::UnexpectedEof => DialError::NoTls,
        None => DialError::Unreachable,
    }
}
