//! TLS by rustls and aws-lc-rs: X25519MLKEM768 for every client that puts it first, HTTP/2 by ALPN.
//!
//! The configurations of rustls are made once, at the start. What may change while the relay runs (certificates, ticket
//! keys, the authority of the admin listener's clients) lies behind them, and the [`Reloader`] replaces it.

mod authority;
mod certificates;
mod expiry;
mod records;
mod reload;
mod source;
mod stream;
mod tickets;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, ProducesTickets};
use rustls::version::{TLS12, TLS13};
use thiserror::Error;

use self::authority::ByAuthority;
use self::certificates::ByName;
pub use self::reload::Reloader;
pub(super) use self::stream::TlsStream;
use self::tickets::SharedTickets;
use crate::clock::Clock;
use crate::telemetry::Loggable;

/// How a listener's connections are protected.
#[derive(Clone)]
pub enum Security {
    /// By TLS.
    Tls(Arc<ServerConfig>),
    /// Not at all: for a mesh or a proxy that does it, and for loopback.
    Plaintext,
}

/// How TLS is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The names by which clients reach the relay.
    pub names: Vec<String>,
    /// Whether TLS 1.2 is spoken too.
    pub tls12: bool,
    /// The file with the keys of session tickets that relays share.
    pub ticket_keys: Option<PathBuf>,
    /// What protects the admin listener.
    pub admin: AdminTls,
}

/// What protects the admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminTls {
    /// Nothing.
    Off,
    /// TLS with the relay's certificates.
    Server,
    /// The same, and clients need a certificate of an authority.
    Mutual {
        /// The PEM file of the authority.
        client_ca: PathBuf,
    },
}

/// Where a certificate chain and its private key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// TLS for both listeners.
pub struct Tls {
    /// For clients.
    pub clients: Security,
    /// For health and metrics.
    pub admin: Security,
    /// To be run for as long as the two are used.
    pub reloader: Reloader,
}

/// Why TLS cannot be served. No text holds anything of a file.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {what} that can be used: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The two do not belong together, or are of a kind that TLS does not know.
    #[error(
        "the certificate {} and the key {} cannot be used together: {why}",
        certificate.display(),
        key.display()
    )]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        why: rustls::Error,
    },
    /// The certificate's time is over.
    #[error("the certificate {} has expired. Renew it; or set this machine's clock, if that is wrong", path.display())]
    Expired {
        /// Its file.
        path: PathBuf,
    },
    /// The library cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Library(rustls::Error),
}

impl Loggable for TlsError {}

/// Tickets sent after a full handshake. One is enough for a client that has one connection, which is given another with
/// each resumption; every further one is written and sealed for nothing.
const TICKETS: usize = 1;

impl Tls {
    /// Reads all files.
    ///
    /// # Errors
    /// Where one cannot be used.
    pub fn load(files: Vec<CertificateFiles>, config: TlsConfig, clock: Clock) -> Result<Self, TlsError> {
        let certificates = certificates::source(files, config.names, clock.clone())?;
        let by_name = Arc::new(ByName(certificates.current()));
        let ticket_keys = config.ticket_keys.map(tickets::source).transpose()?;
        let tickets: Arc<dyn ProducesTickets> = match &ticket_keys {
            Some(keys) => Arc::new(SharedTickets(keys.current())),
            // Keys of this process alone, made anew every six hours.
            None => aws_lc_rs::Ticketer::new().map_err(TlsError::Library)?,
        };
        let mut clients = server(config.tls12, Arc::new(NoClientAuth), by_name.clone())?;
        clients.ticketer = tickets;
        clients.send_tls13_tickets = TICKETS;

        let authority = match &config.admin {
            AdminTls::Mutual { client_ca } => Some(authority::source(client_ca.clone())?),
            AdminTls::Server | AdminTls::Off => None,
        };
        let verifier: Arc<dyn ClientCertVerifier> = match &authority {
            Some(authority) => Arc::new(ByAuthority(authority.current())),
            None => Arc::new(NoClientAuth),
        };
        let mut admin = server(config.tls12, verifier, by_name)?;
        // Scrapes and probes are few, and a ticket would outlive the trust in a client's certificate.
        admin.send_tls13_tickets = 0;

        Ok(Self {
            clients: Security::by(clients),
            admin: if config.admin == AdminTls::Off { Security::Plaintext } else { Security::by(admin) },
            reloader: Reloader { certificates, ticket_keys, authority, clock },
        })
    }
}

fn server(tls12: bool, verifier: Arc<dyn ClientCertVerifier>, by_name: Arc<ByName>) -> Result<ServerConfig, TlsError> {
    let versions: &[_] = if tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .map_err(TlsError::Library)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(by_name);
    config.alpn_protocols = vec![b"h2".to_vec()];
    // What is resumed is in the ticket: the relay remembers nothing.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

impl Security {
    /// Offers HTTP/1.1 too.
    pub(super) fn with_http1(self) -> Self {
        match self {
            Self::Tls(config) => {
                let mut config = ServerConfig::clone(&config);
                config.alpn_protocols.push(b"http/1.1".to_vec());
                Self::by(config)
            }
            Self::Plaintext => Self::Plaintext,
        }
    }

    fn by(config: ServerConfig) -> Self {
        Self::Tls(Arc::new(config))
    }
}

impl TlsError {
    /// Some of the library's messages show a line of the file, which may be a key.
    fn pem(path: &Path, what: &'static str, error: &pem::Error) -> Self {
        let why = match error {
            pem::Error::NoItemsFound => "there is none in it",
            _ => "it is no PEM, or not whole",
        };
        Self::content(path, what, why)
    }

    fn content(path: &Path, what: &'static str, why: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), what, why: why.into() }
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "Tls",
            Self::Plaintext => "Plaintext",
        })
    }
}
