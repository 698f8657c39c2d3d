//! Connections to the relay. Each link is a connection of its own, and never shared between the anonymous service and
//! the owner's: the relay could tell by a shared one who sends.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::codegen::http::uri::Authority;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::tls::{self, Tls};
use crate::{OptionsError, RelayOptions, Trust};

/// Twice what a mailbox stream may have under way by default.
const CONNECTION_WINDOW: u32 = 2 << 20;
const STREAM_WINDOW: u32 = 1 << 20;
/// More eager ones make proxies and phone networks cut connections.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(45);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How to connect.
pub(crate) struct Dialer {
    endpoint: Endpoint,
    address: Arc<str>,
    tls: Option<Tls>,
}

/// A connection that is made when it is needed, and again when it broke.
pub(crate) struct Link {
    dialer: Arc<Dialer>,
    current: Mutex<Option<Channel>>,
}

impl Dialer {
    pub(crate) fn new(options: &RelayOptions) -> Result<Self, OptionsError> {
        let authority = format!("{}:{}", bracketed(options), options.host.port());
        let address = options.connect_to.clone().unwrap_or_else(|| authority.clone());
        if !address.parse::<Authority>().is_ok_and(|address| address.port_u16().is_some()) {
            return Err(OptionsError::ConnectTo);
        }
        let scheme = if matches!(options.trust, Trust::Plaintext) { "http" } else { "https" };
        let origin: Uri = format!("{scheme}://{authority}").parse().map_err(|_| OptionsError::Url)?;
        // TLS is the connector's business, so tonic is told of plaintext, and of the scheme to put into requests.
        let endpoint = Endpoint::from_shared(format!("http://{authority}"))
            .map_err(|_| OptionsError::Url)?
            .origin(origin)
            .connect_timeout(options.timeouts.connect)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Ok(Self { endpoint, address: address.into(), tls: tls::tls(options)? })
    }

    /// A fresh connection, made on first use. Needs a tokio runtime.
    pub(crate) fn dial(&self) -> Channel {
        let (address, tls) = (self.address.clone(), self.tls.clone());
        self.endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
            let (address, tls) = (address.clone(), tls.clone());
            async move { connect(&address, tls).await.map(TokioIo::new) }
        }))
    }
}

impl Link {
    pub(crate) fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, current: Mutex::new(None) }
    }

    pub(crate) fn channel(&self) -> Channel {
        self.current().get_or_insert_with(|| self.dialer.dial()).clone()
    }

    /// Gives the connection up for new calls: it may be dead, with keepalive not having noticed yet.
    pub(crate) fn renew(&self) {
        *self.current() = None;
    }

    fn current(&self) -> MutexGuard<'_, Option<Channel>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

async fn connect(address: &str, tls: Option<Tls>) -> io::Result<Box<dyn Transport>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    match tls {
        None => Ok(Box::new(stream)),
        Some(Tls { connector, name }) => Ok(Box::new(connector.connect(name, stream).await?)),
    }
}

fn bracketed(options: &RelayOptions) -> String {
    let host = options.host.host();
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
