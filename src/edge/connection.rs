//! One connection: handshake, then HTTP until it ends.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::debug;

use super::{EdgeConfig, Security};
use crate::telemetry::Metrics;

/// What all connections of a listener share.
pub(super) struct Connections {
    config: EdgeConfig,
    security: Security,
    handshakes: Semaphore,
    http: auto::Builder<TokioExecutor>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl Connections {
    pub(super) fn new(config: EdgeConfig, security: Security, metrics: Arc<Metrics>, stop: CancellationToken) -> Self {
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
        http.http1().timer(TokioTimer::new()).header_read_timeout(config.handshake_timeout);
        let http = if config.http1 { http } else { http.http2_only() };
        Self { handshakes: Semaphore::new(config.max_handshakes), config, security, http, metrics, stop }
    }

    /// Serves a connection to its end.
    pub(super) async fn serve<S, B>(&self, socket: TcpStream, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: hyper::body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match &self.security {
            Security::Plaintext => self.http(socket, service).await,
            Security::Tls(acceptor) => {
                let handshake = async {
                    // It fails only where the semaphore is closed, which ours never is.
                    let _permit = self.handshakes.acquire().await.ok();
                    acceptor.accept(socket).await
                };
                match tokio::time::timeout(self.config.handshake_timeout, handshake).await {
                    Ok(Ok(socket)) => self.http(socket, service).await,
                    Ok(Err(error)) => debug!(kind = %error.kind(), "a TLS handshake failed"),
                    Err(_) => debug!("a TLS handshake took too long"),
                }
            }
        }
    }

    async fn http<S, B, I>(&self, socket: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: hyper::body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.metrics.connections.opened();
        let _closed = Closed(&self.metrics);
        let connection = self.http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
        tokio::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = self.stop.cancelled() => {
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

struct Closed<'a>(&'a Metrics);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.connections.closed();
    }
}
