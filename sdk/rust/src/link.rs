//! Connections to the relay. Each link is a connection of its own, and never shared between the anonymous service and
//! the owner's: the relay could tell by a shared one who sends.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
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

/// Makes connections to one relay, each on its own.
pub struct Dialer {
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
    /// Prepares for a relay; nothing is connected yet.
    ///
    /// # Errors
    /// Options that contradict themselves, or no certificate authorities.
    pub fn new(options: &RelayOptions) -> Result<Self, OptionsError> {
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

    /// A fresh connection, made on first use, and again after it broke. Needs a tokio runtime.
    pub fn dial(&self) -> Channel {
        self.dial_from(None)
    }

    /// As [`dial`](Dialer::dial), from this address of the machine: one address has some 28,000 ports to a relay.
    pub fn dial_from(&self, local: Option<IpAddr>) -> Channel {
        let (address, tls) = (self.address.clone(), self.tls.clone());
        self.endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
            let (address, tls) = (address.clone(), tls.clone());
            async move { connect(&address, local, tls).await.map(TokioIo::new) }
        }))
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer(..)")
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

async fn connect(address: &str, local: Option<IpAddr>, tls: Option<Tls>) -> io::Result<Box<dyn Transport>> {
    let stream = match local {
        None => TcpStream::connect(address).await?,
        Some(local) => connect_from(local, address).await?,
    };
    stream.set_nodelay(true)?;
    match tls {
        None => Ok(Box::new(stream)),
        Some(Tls { connector, name }) => Ok(Box::new(connector.connect(name, stream).await?)),
    }
}

async fn connect_from(local: IpAddr, address: &str) -> io::Result<TcpStream> {
    let mut remotes = lookup_host(address).await?.filter(|remote| remote.is_ipv4() == local.is_ipv4());
    let remote = remotes.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(remote).await
}

fn bracketed(options: &RelayOptions) -> String {
    let host = options.host.host();
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
