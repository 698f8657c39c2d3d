//! One connection: who it is, handshake, then HTTP until it ends.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::guard::{Asked, Guard, Refuse};
use super::handshakes::{Handshakes, Seat};
use super::peers::{Counted, Peers};
use super::throttle::Throttle;
use super::tls::TlsStream;
use super::{EdgeConfig, Security, proxy};
use crate::jitter::around;
use crate::telemetry::{ConnectionEnd, EdgeMetrics, Greeting, Held, Limit, Metrics};

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
        // What goes wrong with a single connection is counted, and never logged: it is its peer's affair.
        match greeting.await {
            Ok((_counted, socket)) => self.http(socket, service).await,
            Err(why) => self.metrics.edge.greetings.count(why),
        }
    }

    /// Finds out who a connection is, and shakes hands.
    pub(super) async fn greet(self: Arc<Self>, socket: TcpStream, from: IpAddr, seat: Seat) -> Greeted {
        let began = Instant::now();
        let greeted = tokio::select! {
            greeted = tokio::time::timeout(self.config.handshake_timeout, self.shake(socket, from, &seat)) => {
                greeted.unwrap_or(Err(Greeting::TookTooLong))
            }
            () = seat.gives_way() => Err(if self.stop.is_cancelled() { Greeting::Left } else { Greeting::GaveWay }),
        };
        let metrics = &self.metrics.edge;
        match &greeted {
            Ok((_, socket)) => {
                metrics.greetings.count(Greeting::Done);
                metrics.greeting_time.took(began.elapsed());
                if let Either::Right(tls) = socket {
                    metrics.key_exchanges.count(tls.key_exchange());
                    metrics.sessions.count(tls.session());
                }
            }
            Err(Greeting::GaveWay) => metrics.shed.count(Limit::Handshakes),
            Err(Greeting::TooManyOfPeer) => metrics.shed.count(Limit::ConnectionsPerPeer),
            Err(_) => {}
        }
        greeted
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
        let mut open = Open::begin(&self.metrics.edge);
        let asked = Asked::new(self.config.max_requests_per_second, self.config.max_unfinished_bytes);
        let service = TowerToHyperService::new(Guard::new(service, asked.clone(), self.refuse, self.metrics.clone()));
        let socket = TokioIo::new(Throttle::new(socket, self.config.max_bytes_per_second));
        let mut connection = Box::pin(self.http.serve_connection(socket, service));
        async move {
            let outcome = tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = self.lives(&asked) => {
                    // Who has not asked for anything would not answer either.
                    if !asked.anything() {
                        open.ended(ConnectionEnd::NoRequest);
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            open.ended(if outcome.is_ok() { ConnectionEnd::Finished } else { ConnectionEnd::Broken });
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

/// A connection that is counted, until this is dropped.
struct Open<'a> {
    metrics: &'a EdgeMetrics,
    end: ConnectionEnd,
    _held: Held,
}

impl<'a> Open<'a> {
    /// Where nobody says how it ended, it was cut.
    fn begin(metrics: &'a EdgeMetrics) -> Self {
        Self { metrics, end: ConnectionEnd::Cut, _held: metrics.connections.hold() }
    }

    fn ended(&mut self, end: ConnectionEnd) {
        self.end = end;
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.metrics.connection_ends.count(self.end);
    }
}
