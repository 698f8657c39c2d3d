//! What faces the network: listeners, TLS, and the loop that accepts connections. It knows nothing of mailboxes.
//!
//! tonic's own loop bakes the certificate in, never times a handshake out, spins when descriptors run out, and cannot
//! be told how much to buffer; so this one is ours, and tonic's routes are a service like any other.

mod accept;
mod certificate;
mod connection;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod guard;
mod handshakes;
mod peers;
mod proxy;
mod throttle;
mod tls;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

pub use accept::{Listening, listen};
pub use certificate::{DevelopmentCertificate, development_certificate};
pub use guard::Refuse;
pub use tls::{AdminTls, CertificateFiles, Reloader, Security, Tls, TlsConfig, TlsError};

/// What one listener grants its peers.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// Connections at once. Above that, new ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64; `None`: any number. More are closed.
    pub max_connections_per_peer: Option<NonZeroUsize>,
    /// Whether each connection begins with a PROXY protocol header, version 2, which says where it comes from.
    pub proxy_protocol: bool,
    /// Handshakes under way at once. Above that, whose peer has been silent for longest gives way, after a second.
    pub max_handshakes: usize,
    /// The longest handshake, PROXY header and TLS.
    pub handshake_timeout: Duration,
    /// A connection that has made no request after so long is closed.
    pub first_request_timeout: Duration,
    /// A connection takes no more requests after so long, give or take a half (GOAWAY); `None`: for ever. Its streams
    /// go on to their own ends.
    pub max_life: Option<Duration>,
    /// Requests a second on one connection, and in a burst; `None`: any number. More are refused.
    pub max_requests_per_second: Option<NonZeroU32>,
    /// Bytes a second from one connection, and in a burst; `None`: any number. More wait in the kernel.
    pub max_bytes_per_second: Option<NonZeroU32>,
    /// Bytes of messages on one connection that have not come whole; the service counts them.
    pub max_unfinished_bytes: usize,
    /// Streams at once on one connection.
    pub max_streams: u32,
    /// HTTP/2 flow-control window of a stream, in bytes.
    pub stream_window: u32,
    /// HTTP/2 flow-control window of a connection, in bytes.
    pub connection_window: u32,
    /// Bytes that may wait to be written to one stream.
    pub max_send_buffer: usize,
    /// Bytes of headers of one request.
    pub max_header_bytes: u32,
    /// An idle connection is asked for a sign of life this often…
    pub keepalive_interval: Duration,
    /// … and closed if none comes for so long.
    pub keepalive_timeout: Duration,
    /// Whether HTTP/1.1 is spoken too: for probes and metrics, and for browsers; gRPC needs HTTP/2.
    pub http1: bool,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            max_connections: 100_000,
            max_connections_per_peer: NonZeroUsize::new(10_000),
            proxy_protocol: false,
            max_handshakes: 4096,
            handshake_timeout: Duration::from_secs(10),
            first_request_timeout: Duration::from_secs(30),
            max_life: Some(Duration::from_secs(7200)),
            max_requests_per_second: NonZeroU32::new(5000),
            max_bytes_per_second: NonZeroU32::new(64 * 1024 * 1024),
            max_unfinished_bytes: 8 * 1024 * 1024,
            max_streams: 256,
            stream_window: 1024 * 1024,
            connection_window: 2 * 1024 * 1024,
            max_send_buffer: 64 * 1024,
            max_header_bytes: 16 * 1024,
            // More eager than this drops phones on bad networks; see docs/decisions.
            keepalive_interval: Duration::from_secs(45),
            keepalive_timeout: Duration::from_secs(20),
            http1: false,
        }
    }
}
