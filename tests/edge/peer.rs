//! A raw connection: says what it is told to, and hears everything.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::PATIENCE;
use crate::frame::{
    ACK, Code, DATA, Frame, GOAWAY, MAX_PAYLOAD, PING, PREFACE, SETTINGS, WINDOW_UPDATE, frame, settings,
};
use crate::relay::{NAME, Relay};

/// TCP, or TLS over it.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection.
pub(crate) struct Peer {
    hearing: Hearing,
    saying: WriteHalf<Box<dyn Wire>>,
}

/// The half that hears.
struct Hearing {
    wire: ReadHalf<Box<dyn Wire>>,
    heard: Vec<u8>,
    /// The bytes of DATA that may be said.
    window: i64,
}

/// What became of a flood.
#[derive(Debug)]
pub(crate) struct Flood {
    /// How much of it was written.
    pub(crate) sent: u32,
    /// The frames that came back, by kind.
    pub(crate) answers: BTreeMap<u8, u32>,
    /// How it ended.
    pub(crate) end: End,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It works.
    Works,
    /// The relay said why it ends.
    GoAway(Code),
    /// It is gone, without a word that was heard.
    Cut,
}

/// Asks whether everything before it was read.
const MARK: &[u8; 8] = b"all read";

impl Peer {
    /// A connection on which nothing was said yet.
    pub(crate) async fn dial(relay: &Relay) -> Self {
        Self::dial_at(relay.address(), relay.authority().as_deref()).await
    }

    /// The same to a relay elsewhere; with an authority, by TLS.
    pub(crate) async fn dial_at(address: SocketAddr, authority: Option<&Path>) -> Self {
        let socket = TcpStream::connect(address).await.expect("it takes connections");
        socket.set_nodelay(true).unwrap();
        let wire: Box<dyn Wire> = match authority {
            None => Box::new(socket),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
                let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
                config.alpn_protocols = vec![b"h2".to_vec()];
                let name = ServerName::try_from(NAME).unwrap();
                Box::new(TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a handshake"))
            }
        };
        let (hearing, saying) = tokio::io::split(wire);
        // A connection begins with this window, whatever is set (RFC 9113, section 6.9.2).
        Self { hearing: Hearing { wire: hearing, heard: Vec::new(), window: 65_535 }, saying }
    }

    /// A connection on which requests may follow.
    pub(crate) async fn connect(relay: &Relay) -> Self {
        Self::connect_with(relay, &[]).await
    }

    /// The same, with settings of ours.
    pub(crate) async fn connect_with(relay: &Relay, ours: &[(u16, u32)]) -> Self {
        let mut peer = Self::dial(relay).await;
        peer.shake_hands(ours).await;
        peer
    }

    /// The preface and the exchange of settings.
    pub(crate) async fn shake_hands(&mut self, ours: &[(u16, u32)]) {
        self.say(&[&PREFACE[..], &settings(ours), &frame(SETTINGS, ACK, 0, [])].concat()).await.expect("it listens");
        let acknowledged = self.until(|frame| frame.is(SETTINGS, ACK).then_some(())).await;
        acknowledged.expect("a connection that works");
    }

    /// Writes bytes. It fails where the relay has closed.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let saying = async {
            self.saying.write_all(bytes).await?;
            self.saying.flush().await
        };
        tokio::time::timeout(PATIENCE, saying).await.expect("it is read in time")
    }

    /// DATA, as the connection's window allows. The stream's is left to the caller.
    pub(crate) async fn say_data(&mut self, stream: u32, bytes: &[u8]) {
        for part in bytes.chunks(MAX_PAYLOAD) {
            let size = i64::try_from(part.len()).unwrap();
            while self.hearing.window < size {
                self.next().await.expect("a window");
            }
            self.hearing.window -= size;
            self.say(&frame(DATA, 0, stream, part)).await.expect("it listens");
        }
    }

    /// Says something again and again, hearing nothing, until it is not read any more.
    pub(crate) async fn say_until_stuck(&mut self, bytes: &[u8], stuck: impl AsyncFn()) -> u32 {
        let mut said = 0;
        loop {
            tokio::select! {
                biased;
                written = self.saying.write_all(bytes) => written.expect("it stays open"),
                () = stuck() => return said,
            }
            said += 1;
        }
    }

    /// The next frame; `None`: closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        self.hearing.next().await
    }

    /// The first frame of some kind; `None`: closed before.
    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(&Frame) -> Option<T>) -> Option<T> {
        loop {
            let frame = self.next().await?;
            if let Some(found) = wanted(&frame) {
                return Some(found);
            }
        }
    }

    /// Everything that comes until it is closed.
    pub(crate) async fn until_closed(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// Everything that comes of what was said up to now; whether the connection works after that.
    ///
    /// A ping may be answered before what came ahead of it. By the answer to a second one, all of that has been written.
    pub(crate) async fn until_answered(&mut self) -> (Vec<Frame>, bool) {
        let mut frames = Vec::new();
        for _ in 0..2 {
            // Where it is closed already, that shows.
            let _ = self.say(&frame(PING, 0, 0, *MARK)).await;
            loop {
                match self.next().await {
                    None => return (frames, false),
                    Some(frame) if frame.is(PING, ACK) && frame.payload == MARK => break,
                    Some(frame) => frames.push(frame),
                }
            }
        }
        (frames, true)
    }

    /// Says something so many times, as fast as it is read, hearing what comes meanwhile.
    pub(crate) async fn flood(&mut self, times: u32, mut what: impl FnMut(u32) -> Vec<u8>) -> Flood {
        let Self { hearing, saying } = self;
        let writing = async {
            let mut sent = 0;
            while sent < times {
                let many = (times - sent).min(64);
                let bytes: Vec<u8> = (sent..sent + many).flat_map(&mut what).collect();
                if saying.write_all(&bytes).await.is_err() {
                    return sent;
                }
                sent += many;
            }
            // Where it is closed already, that shows.
            let _ = saying.write_all(&frame(PING, 0, 0, *MARK)).await;
            let _ = saying.flush().await;
            sent
        };
        let listening = async {
            let mut answers = BTreeMap::new();
            let mut end = End::Cut;
            while let Some(frame) = hearing.next().await {
                if frame.is(PING, ACK) && frame.payload == MARK {
                    end = End::Works;
                    break;
                }
                if frame.kind == GOAWAY {
                    end = End::GoAway(frame.code().expect("a code"));
                }
                *answers.entry(frame.kind).or_default() += 1;
            }
            (answers, end)
        };
        let both = async { tokio::join!(writing, listening) };
        let (sent, (answers, end)) = tokio::time::timeout(PATIENCE, both).await.expect("it is read in time");
        Flood { sent, answers, end }
    }
}

impl Hearing {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, length)) = Frame::read(&self.heard) {
                self.heard.drain(..length);
                if frame.kind == WINDOW_UPDATE && frame.stream == 0 {
                    self.window += i64::from(u32::from_be_bytes(frame.payload[..4].try_into().unwrap()));
                }
                return Some(frame);
            }
            let read = tokio::time::timeout(PATIENCE, self.wire.read_buf(&mut self.heard)).await;
            // A connection that is reset is as closed.
            if read.expect("a word in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}
