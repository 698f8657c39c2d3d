//! Accepts connections, no more than are granted, until told to stop.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::connection::Connections;
use super::guard::Refuse;
use super::{EdgeConfig, Security};
use crate::telemetry::{Counter, Metrics, warn_rarely};

/// A listener at work.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    abort: CancellationToken,
    connections: TaskTracker,
}

/// The pause after a failed accept: descriptors do not come back at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves connections of a bound listener; `refuse` answers who asks faster than is granted.
///
/// # Errors
/// Where the listener does not know its own address.
pub fn listen<S, B>(
    listener: TcpListener,
    config: EdgeConfig,
    security: Security,
    service: S,
    refuse: Refuse<B>,
    metrics: Arc<Metrics>,
) -> io::Result<Listening>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let address = listener.local_addr()?;
    let security = if config.http1 { security.with_http1() } else { security };
    let (stop, abort, tracker) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let permits = Arc::new(Semaphore::new(config.max_connections));
    let connections = Arc::new(Connections::new(config, security, refuse, metrics.clone(), stop.clone()));

    let (tasks, aborted, stopped) = (tracker.clone(), abort.clone(), stop.clone());
    tracker.spawn(async move {
        loop {
            // The permit comes first: who is over the limit waits in the kernel, at no cost to us.
            let permit = tokio::select! {
                permit = permits.clone().acquire_owned() => permit,
                () = stopped.cancelled() => return,
            };
            let Ok(permit) = permit else { return };
            let (socket, from) = tokio::select! {
                accepted = async {
                    connections.handshakes.room().await;
                    accept(&listener, &metrics.edge.accept_failures).await
                } => accepted,
                () = stopped.cancelled() => return,
            };
            let seat = connections.handshakes.begin(&stopped);
            let (connections, service, aborted) = (connections.clone(), service.clone(), aborted.clone());
            let greeting = Box::pin(connections.clone().greet(socket, from, seat));
            tasks.spawn(async move {
                tokio::select! {
                    () = connections.serve(greeting, service) => {}
                    () = aborted.cancelled() => {}
                }
                drop(permit);
            });
        }
    });
    Ok(Listening { address, stop, abort, connections: tracker })
}

impl Listening {
    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, ends handshakes that are under way, and tells every connection to finish (GOAWAY).
    pub fn stop(&self) {
        self.stop.cancel();
        self.connections.close();
    }

    /// Waits, after [`stop`](Listening::stop), until every connection has finished; those that have not by the deadline
    /// are cut. Returns how many those were.
    pub async fn finished(&self, deadline: tokio::time::Instant) -> usize {
        if tokio::time::timeout_at(deadline, self.connections.wait()).await.is_ok() {
            return 0;
        }
        let left = self.connections.len();
        self.abort.cancel();
        self.connections.wait().await;
        left
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abort.cancel();
    }
}

async fn accept(listener: &TcpListener, failures: &Counter) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((socket, from)) => {
                // Small messages must not wait for one another. It fails only for a socket that is dead already.
                let _ = socket.set_nodelay(true);
                return (socket, from.ip());
            }
            // The peer went away while it waited.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                failures.count();
                warn_rarely!(
                    "no connection can be accepted for now (are file descriptors exhausted?)",
                    kind = error.kind()
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
