//! One connection: who it is, handshake, then HTTP until it ends.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::debug;

use super::guard::{Asked, Guard, Refuse};
use super::handshakes::{Handshakes, Seat};
use super::peers::{Counted, Peers};
use super::throttle::Throttle;
use super::tls::TlsStream;
use super::{EdgeConfig, Security, proxy};
use crate::jitter::around;
use crate::telemetry::{Greeting, Metrics};

/// A client's socket, with TLS or without: one type, so that what stands on it is there once.
type ClientSocket = Either<TcpStream, TlsStream<TcpStream>>;

/// A connection that may speak HTTP, counted among those of its peer; or why it may not.
type Greeted = Result<(Counted, ClientSocket), Greeting>;

/// What all connections of a listener share.
pub(super) struct Connections<B> {
    config: EdgeConfig,
    security: Security,
    pub(super) handshakes: Arc<Handshakes>,
    peers: Arc<Peers>,
    http: auto::Builder<TokioExecutor>,
    refuse: Refuse<B>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl<B> Connections<B>
where
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(
        config: EdgeConfig,
        security: Security,
        refuse: Refuse<B>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.max_streams)
            .initial_stream_window_size(config.stream_window)
            .initial_connection_window_size(config.connection_window)
            .max_send_buf_size(config.max_send_buffer)
            .max_header_list_size(config.max_header_bytes)
            .keep_alive_interval(config.keepalive_interval)
            .keep_alive_timeout(config.keepalive_timeout);
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(config.handshake_timeout)
            // The library takes no less.
            .max_buf_size(config.max_send_buffer.max(8 * 1024));
        let http = if config.http1 { http } else { http.http2_only() };
        let handshakes = Arc::new(Handshakes::new(config.max_handshakes));
        let peers = Arc::new(Peers::new(config.max_connections_per_peer));
        Self { handshakes, peers, config, security, http, refuse, metrics, stop }
    }

    /// Serves a connection from its greeting to its end.
    // As little as can be is held across a wait: most connections wait most of the time.
    pub(super) async fn serve<S>(&self, greeting: Pin<Box<impl Future<Output = Greeted>>>, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        let greeted = greeting.await;
        self.metrics.greetings.count(greeted.as_ref().map_or_else(|failed| *failed, |_| Greeting::Done));
        match greeted {
            Ok((_counted, socket)) => self.http(socket, service).await,
            Err(why) => debug!(?why, "a connection did not begin"),
        }
    }

    /// Finds out who a connection is, and shakes hands.
    pub(super) async fn greet(self: Arc<Self>, socket: TcpStream, from: IpAddr, seat: Seat) -> Greeted {
        tokio::select! {
            greeted = tokio::time::timeout(self.config.handshake_timeout, self.shake(socket, from, &seat)) => {
                greeted.unwrap_or(Err(Greeting::TookTooLong))
            }
            () = seat.gives_way() => Err(Greeting::TookTooLong),
        }
    }

    async fn shake(&self, mut socket: TcpStream, from: IpAddr, seat: &Seat) -> Greeted {
        let peer = match self.config.proxy_protocol {
            false => from,
            true => proxy::read_header(&mut socket).await.map_err(|_| Greeting::Failed)?.unwrap_or(from),
        };
        let counted = self.peers.admit(peer).ok_or(Greeting::TooManyOfPeer)?;
        let socket = match &self.security {
            Security::Plaintext => Either::Left(socket),
            Security::Tls(config) => {
                let accepted = TlsStream::accept(socket, config.clone(), seat);
                Either::Right(accepted.await.map_err(|_| Greeting::Failed)?)
            }
        };
        Ok((counted, socket))
    }

    fn http<S>(&self, socket: ClientSocket, service: S) -> impl Future<Output = ()>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        self.metrics.connections.opened();
        let closed = Closed(&self.metrics);
        let asked = Asked::new(self.config.max_requests_per_second, self.config.max_unfinished_bytes);
        let service = TowerToHyperService::new(Guard::new(service, asked.clone(), self.refuse));
        let socket = TokioIo::new(Throttle::new(socket, self.config.max_bytes_per_second));
        let mut connection = Box::pin(self.http.serve_connection(socket, service));
        async move {
            let _closed = closed;
            let outcome = tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = self.lives(&asked) => {
                    // Who has not asked for anything would not answer either.
                    if !asked.anything() {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if outcome.is_err() {
                // The library's error may name the peer.
                debug!("a connection broke");
            }
        }
    }

    /// Waits until a connection is to end: it asks for nothing, it has lived long enough, or the relay leaves.
    async fn lives(&self, asked: &Asked) {
        let lives = async {
            tokio::time::sleep(self.config.first_request_timeout).await;
            if asked.anything() {
                match self.config.max_life {
                    Some(life) => tokio::time::sleep(around(life)).await,
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = lives => {}
            () = self.stop.cancelled() => {}
        }
    }
}

struct Closed<'a>(&'a Metrics);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.connections.closed();
    }
}
