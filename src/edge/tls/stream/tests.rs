use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::collection::vec;
use proptest::prelude::*;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, Error, InvalidMessage, RootCertStore, SupportedProtocolVersion};
use sealpost_testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Client;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::edge::handshakes::Handshakes;

/// What each write to a socket was.
type Writes = Arc<Mutex<Vec<Vec<u8>>>>;
type Versions = &'static [&'static SupportedProtocolVersion];

const PATIENCE: Duration = Duration::from_secs(20);
const ONLY_13: Versions = &[&TLS13];
const ONLY_12: Versions = &[&TLS12];
const BOTH: Versions = &[&TLS13, &TLS12];

/// Configurations of a client and a server that know each other.
fn configs(client: Versions, server: Versions) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let pair = rcgen::generate_simple_self_signed(["relay.test".to_owned()]).unwrap();
    let certificate = pair.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(pair.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(default_provider());
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(client)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(server)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    (Arc::new(client), Arc::new(server))
}

async fn connect<S: AsyncRead + AsyncWrite + Unpin>(socket: S, config: Arc<ClientConfig>) -> io::Result<Client<S>> {
    TlsConnector::from(config).connect(ServerName::try_from("relay.test").unwrap(), socket).await
}

/// Both ends of a connection, after the handshake.
async fn connected<S: AsyncRead + AsyncWrite + Unpin>(
    versions: Versions,
    ours: S,
    theirs: DuplexStream,
) -> (TlsStream<S>, Client<DuplexStream>) {
    let (client, server) = configs(versions, BOTH);
    let seat = seat();
    let (server, client) = tokio::join!(TlsStream::accept(ours, server, &seat), connect(theirs, client));
    (server.expect("the client is welcome"), client.expect("the server is the right one"))
}

/// The same, and what the server writes to its socket.
async fn observed() -> (TlsStream<Socket>, Client<DuplexStream>, Writes) {
    let (ours, theirs) = duplex(100_000);
    let socket = Socket::in_pieces(ours, vec![usize::MAX]);
    let writes = socket.writes.clone();
    let (server, client) = connected(ONLY_13, socket, theirs).await;
    writes.lock().clear();
    (server, client, writes)
}

/// Handshakes of which one may work out keys.
fn one_at_a_time() -> Arc<Handshakes> {
    Arc::new(Handshakes::with_turns(10, 1))
}

fn seat() -> Seat {
    one_at_a_time().begin(&CancellationToken::new())
}

fn some_bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

/// Sends bytes one way, in writes of some size, and returns what was read in reads of some size.
async fn carry(
    from: &mut (impl AsyncWrite + Unpin),
    to: &mut (impl AsyncRead + Unpin),
    bytes: &[u8],
    size: usize,
) -> Vec<u8> {
    let write = async {
        for part in bytes.chunks(size) {
            from.write_all(part).await.expect("it is open");
        }
        from.flush().await.expect("it is open");
    };
    let read = async {
        let mut all = Vec::new();
        let mut part = vec![0; size];
        while all.len() < bytes.len() {
            match to.read(&mut part).await.expect("it is open") {
                0 => break,
                length => all.extend_from_slice(&part[..length]),
            }
        }
        all
    };
    tokio::join!(write, read).1
}

#[tokio::test]
async fn what_is_written_is_read_and_then_nothing_is_held() {
    for versions in [ONLY_13, ONLY_12] {
        let (ours, theirs) = duplex(100_000);
        let (mut server, mut client) = connected(versions, ours, theirs).await;
        assert_eq!(client.get_ref().1.protocol_version(), Some(versions[0].version));
        assert_eq!(server.records.held(), 0, "after the handshake");
        let bytes = some_bytes(50_000);
        for size in [1000, 16 * 1024, 50_000] {
            assert!(carry(&mut client, &mut server, &bytes, size).await == bytes, "{size}");
            assert!(carry(&mut server, &mut client, &bytes, size).await == bytes, "{size}");
            assert_eq!(server.records.held(), 0, "{size}");
        }
    }
}

#[tokio::test]
async fn a_byte_at_a_time_is_enough() {
    for versions in [ONLY_13, ONLY_12] {
        let (ours, theirs) = duplex(100_000);
        let (mut server, mut client) = connected(versions, Socket::in_pieces(ours, vec![1]), theirs).await;
        let bytes = some_bytes(300);
        assert!(carry(&mut client, &mut server, &bytes, 1).await == bytes);
        assert!(carry(&mut server, &mut client, &bytes, 1).await == bytes);
        assert_eq!(server.records.held(), 0);
    }
}

#[tokio::test]
async fn a_lot_goes_both_ways_at_once() {
    for versions in [ONLY_13, ONLY_12] {
        let (ours, theirs) = duplex(5000);
        let (server, client) = connected(versions, ours, theirs).await;
        let (mut server_reads, mut server_writes) = tokio::io::split(server);
        let (mut client_reads, mut client_writes) = tokio::io::split(client);
        let bytes = some_bytes(1024 * 1024);
        let (up, down) = tokio::time::timeout(PATIENCE, async {
            tokio::join!(
                carry(&mut client_writes, &mut server_reads, &bytes, 100_000),
                carry(&mut server_writes, &mut client_reads, &bytes, 100_000)
            )
        })
        .await
        .expect("neither waits for the other");
        assert!(up == bytes && down == bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_may_come_and_go_in_any_pieces(
        sizes in vec(0..3000_usize, 1..40),
        up in vec(0..20_000_usize, 0..5),
        down in vec(0..100_000_usize, 0..5),
        read in 1..20_000_usize,
        tls12: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (ours, theirs) = duplex(10_000);
            let versions = if tls12 { ONLY_12 } else { ONLY_13 };
            let (mut server, mut client) = connected(versions, Socket::in_pieces(ours, [&sizes[..], &[5000]].concat()), theirs).await;
            for length in up {
                let bytes = some_bytes(length);
                prop_assert!(carry(&mut client, &mut server, &bytes, read).await == bytes);
            }
            for length in down {
                let bytes = some_bytes(length);
                prop_assert!(carry(&mut server, &mut client, &bytes, read).await == bytes);
            }
            prop_assert_eq!(server.records.held(), 0);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_a_peer_does_not_read_is_bounded() {
    let (ours, theirs) = duplex(20_000);
    let (mut server, mut client) = connected(ONLY_13, ours, theirs).await;
    let bytes = some_bytes(1024 * 1024);
    let mut taken = 0;
    loop {
        let next = poll_fn(|context| Poll::Ready(Pin::new(&mut server).poll_write(context, &bytes[taken..])));
        match next.await {
            Poll::Ready(length) => taken += length.expect("it is open"),
            Poll::Pending => break,
        }
    }
    // What the socket holds, and one write that it did not take.
    assert!((1..=20_000 + MOST_SEALED).contains(&taken), "{taken}");
    assert!(server.records.held() <= 2 * SEALED_ROOM, "{}", server.records.held());

    let read = async {
        let mut all = vec![0; bytes.len()];
        client.read_exact(&mut all).await.expect("it all comes");
        all
    };
    let write = async {
        server.write_all(&bytes[taken..]).await.expect("it goes on");
        server.flush().await.expect("it goes on");
    };
    assert!(tokio::join!(read, write).0 == bytes);
    assert_eq!(server.records.held(), 0);
}

#[tokio::test]
async fn what_a_reader_has_no_room_for_is_bounded_and_waits() {
    let (ours, theirs) = duplex(200_000);
    let (mut server, mut client) = connected(ONLY_13, ours, theirs).await;
    let bytes = some_bytes(100_000);
    client.write_all(&bytes).await.expect("the socket takes it");
    client.flush().await.expect("the socket takes it");
    let mut all = vec![0; bytes.len()];
    server.read_exact(&mut all[..1]).await.expect("it is there");
    // Of one read, plaintext and the beginning of a record: more is left to the kernel.
    assert!((1..=4 * LONGEST_RECORD).contains(&server.records.held()), "{}", server.records.held());
    // Writing does not disturb it.
    server.write_all(b"meanwhile").await.expect("it is open");
    server.flush().await.expect("it is open");
    server.read_exact(&mut all[1..]).await.expect("it is there");
    assert!(all == bytes);
    assert_eq!(server.records.held(), 0);
    let mut meanwhile = [0; 9];
    client.read_exact(&mut meanwhile).await.expect("it came");
    assert_eq!(&meanwhile, b"meanwhile");
}

#[tokio::test]
async fn small_pieces_are_one_record_and_one_write() {
    let (mut server, mut client, writes) = observed().await;
    assert!(server.is_write_vectored());
    let pieces = [&b"one"[..], b"", b"two", b"three"].map(io::IoSlice::new);
    assert_eq!(server.write_vectored(&pieces).await.expect("it is open"), 11);
    server.flush().await.expect("it is open");
    let written = all_of(&writes);
    assert_eq!(written.len(), 1, "one write");
    assert_eq!(records(&written[0]).len(), 1, "one record");
    let mut read = [0; 11];
    client.read_exact(&mut read).await.expect("it came");
    assert_eq!(&read, b"onetwothree");

    // Of too many, as many as go into one write.
    let pieces = vec![7; 30_000];
    let pieces: Vec<_> = std::iter::repeat_n(io::IoSlice::new(&pieces), 4).collect();
    assert_eq!(server.write_vectored(&pieces).await.expect("it is open"), MOST_SEALED);
    let written = all_of(&writes);
    assert_eq!((written.len(), records(&written[0]).len()), (1, 4), "four full records in one write");
}

#[tokio::test]
async fn new_keys_are_answered_with_new_keys() {
    let (mut server, mut client, writes) = observed().await;
    for round in 0..3_u8 {
        client.get_mut().1.refresh_traffic_keys().expect("the handshake is over");
        assert_eq!(carry(&mut client, &mut server, &[round; 100], 100).await, [round; 100]);
        writes.lock().clear();
        assert_eq!(carry(&mut server, &mut client, &[round; 100], 100).await, [round; 100]);
        let written = all_of(&writes);
        assert_eq!(records(&written[0]).len(), 2, "the answer goes before what is written under it");
        assert_eq!(carry(&mut server, &mut client, &[round; 100], 100).await, [round; 100]);
        assert_eq!(records(&all_of(&writes)[0]).len(), 1);
        assert_eq!(server.records.held(), 0);
    }
}

#[tokio::test]
async fn an_end_is_told_both_ways() {
    for versions in [ONLY_13, ONLY_12] {
        let (ours, theirs) = duplex(100_000);
        let (mut server, mut client) = connected(versions, ours, theirs).await;
        client.write_all(b"last").await.expect("it is open");
        client.shutdown().await.expect("it is open");
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.expect("it ends as it should");
        assert_eq!(read, b"last");
        assert_eq!(server.read(&mut [0; 8]).await.expect("it has ended"), 0, "for good");

        server.write_all(b"after it").await.expect("this way is open");
        server.shutdown().await.expect("this way is open");
        server.shutdown().await.expect("it is shut already");
        assert_eq!(server.write(b"more").await.map_err(|why| why.kind()), Err(io::ErrorKind::BrokenPipe));
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.expect("it ends as it should");
        assert_eq!(read, b"after it");
        assert_eq!(server.records.held(), 0);
    }
}

#[tokio::test]
async fn what_comes_after_the_end_is_nobodys_word() {
    for versions in [ONLY_13, ONLY_12] {
        let (ours, theirs) = duplex(100_000);
        let (mut server, mut client) = connected(versions, ours, theirs).await;
        client.write_all(b"last").await.expect("it is open");
        client.get_mut().1.send_close_notify();
        client.flush().await.expect("it is open");
        client.get_mut().0.write_all(&forged()).await.expect("it goes");
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.expect("it has ended");
        assert_eq!(read, b"last");
        assert_eq!(server.records.held(), 0);
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_off_has_not_ended() {
    let (ours, theirs) = duplex(100_000);
    let (mut server, mut client) = connected(ONLY_13, ours, theirs).await;
    client.write_all(b"some").await.expect("it is open");
    client.flush().await.expect("it is open");
    client.get_mut().0.write_all(&[0x17, 3, 3, 0, 100, 1, 2]).await.expect("half a record goes");
    drop(client);
    let mut read = Vec::new();
    let failed = server.read_to_end(&mut read).await.expect_err("there could have been more");
    assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(read, b"some");

    let (ours, theirs) = duplex(100_000);
    drop(theirs);
    let (_, config) = configs(BOTH, BOTH);
    let failed = TlsStream::accept(ours, config, &seat()).await.err().expect("nobody is there");
    assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_is_no_tls_is_answered_with_an_alert_and_ends_it() {
    for (bytes, alert) in
        [(forged(), AlertDescription::BadRecordMac), (b"GET / HTTP/1.1\r\n".to_vec(), AlertDescription::DecodeError)]
    {
        let (ours, theirs) = duplex(100_000);
        let (mut server, mut client) = connected(ONLY_13, ours, theirs).await;
        client.write_all(b"good").await.expect("it is open");
        client.flush().await.expect("it is open");
        client.get_mut().0.write_all(&bytes).await.expect("it goes");
        let mut read = Vec::new();
        let failed = server.read_to_end(&mut read).await.expect_err("it is no TLS");
        assert_eq!((failed.kind(), &read[..]), (io::ErrorKind::InvalidData, &b"good"[..]));
        let alerted = tokio::time::timeout(PATIENCE, client.read(&mut [0; 8])).await.expect("reading told it");
        assert_eq!(told(alerted), Some(Error::AlertReceived(alert)));
        for failed in [server.read(&mut [0; 8]).await, server.write(b"more").await] {
            assert_eq!(failed.map_err(|why| why.kind()), Err(io::ErrorKind::InvalidData), "for good");
        }
        assert_eq!(server.flush().await.map_err(|why| why.kind()), Err(io::ErrorKind::InvalidData));
        server.shutdown().await.expect("it can be shut");
    }
}

#[tokio::test]
async fn a_handshake_that_fails_says_why() {
    let (ours, theirs) = duplex(100_000);
    let (client, server) = configs(ONLY_12, ONLY_13);
    let handshakes = one_at_a_time();
    let seat = handshakes.begin(&CancellationToken::new());
    let (server, client) = tokio::join!(TlsStream::accept(ours, server, &seat), connect(theirs, client));
    assert_eq!(server.err().map(|why| why.kind()), Some(io::ErrorKind::InvalidData));
    assert_eq!(told(client), Some(Error::AlertReceived(AlertDescription::ProtocolVersion)));
    assert_eq!(handshakes.free_turns(), 1);
}

#[tokio::test]
async fn who_begins_with_something_else_gets_an_alert() {
    let (ours, mut theirs) = duplex(100_000);
    let (_, config) = configs(BOTH, BOTH);
    theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it goes");
    let failed = TlsStream::accept(ours, config, &seat()).await.err().expect("it is no handshake");
    assert_eq!(failed.kind(), io::ErrorKind::InvalidData);
    let mut answer = Vec::new();
    theirs.read_to_end(&mut answer).await.expect("it ends");
    assert_eq!(answer.first(), Some(&0x15), "an alert: {answer:?}");
}

#[tokio::test]
async fn a_message_of_a_handshake_has_a_longest_size() {
    let no_hello = InvalidMessage::IllegalEmptyList("CipherSuites");
    for (header, expected) in [
        // It ends where the fifth record does.
        ([1, 0, 0xea, 0x5c], Error::InvalidMessage(no_hello)),
        // With what its records add, more than may be kept.
        ([1, 0, 0xff, 0xff], Error::PeerSentOversizedRecord),
        ([1, 1, 0, 0], Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge)),
    ] {
        let (ours, mut theirs) = duplex(100_000);
        let (_, config) = configs(BOTH, BOTH);
        let mut hello = vec![0; 70_000];
        hello[..header.len()].copy_from_slice(&header);
        for part in hello.chunks(12_000) {
            theirs.write_all(&fragment(part)).await.expect("it goes");
        }
        let accepted = TlsStream::accept(ours, config, &seat()).await;
        assert_eq!(told(accepted), Some(expected), "{header:?}");
    }
}

#[tokio::test]
async fn who_waits_for_its_peer_takes_no_turn() {
    let (client, server) = configs(BOTH, BOTH);
    let handshakes = one_at_a_time();
    let begin = || handshakes.begin(&CancellationToken::new());
    // Somebody says half of a hello, and then nothing.
    let (ours, mut slow) = duplex(100_000);
    let waiting = tokio::spawn({
        let (server, seat) = (server.clone(), begin());
        async move { TlsStream::accept(ours, server, &seat).await.err() }
    });
    let (mut hello, theirs) = duplex(100_000);
    let sending = tokio::spawn(connect(theirs, client.clone()));
    let mut half = [0; 100];
    hello.read_exact(&mut half).await.expect("it says hello");
    slow.write_all(&half).await.expect("it goes");
    // Somebody else says all of it, and then nothing.
    let (ours, mut silent) = duplex(100_000);
    let answering = tokio::spawn({
        let (server, seat) = (server.clone(), begin());
        async move { TlsStream::accept(ours, server, &seat).await.err() }
    });
    let mut rest = vec![0; 100_000];
    let length = hello.read(&mut rest).await.expect("the rest of it");
    silent.write_all(&[&half[..], &rest[..length]].concat()).await.expect("it goes");
    silent.read_exact(&mut half).await.expect("it is answered");

    eventually("the turn is free", PATIENCE, async || (handshakes.free_turns() == 1).then_some(())).await;
    let (ours, theirs) = duplex(100_000);
    let seat = begin();
    let (server, client) = tokio::join!(TlsStream::accept(ours, server, &seat), connect(theirs, client));
    assert!(server.is_ok() && client.is_ok());
    assert!(!waiting.is_finished() && !answering.is_finished());

    // And who has to wait for a turn gets it.
    let (client, server) = configs(BOTH, BOTH);
    let (another, seat) = (begin(), begin());
    let turn = another.turn().await;
    let (ours, theirs) = duplex(100_000);
    let mut handshake =
        std::pin::pin!(async { tokio::join!(TlsStream::accept(ours, server, &seat), connect(theirs, client)) });
    for _ in 0..10 {
        let polled = poll_fn(|context| Poll::Ready(handshake.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "keys are worked out by another");
        tokio::task::yield_now().await;
    }
    drop(turn);
    let (server, client) = handshake.await;
    assert!(server.is_ok() && client.is_ok());
    sending.abort();
}

/// Why a client gave up.
fn told<T>(outcome: io::Result<T>) -> Option<Error> {
    outcome.err()?.into_inner()?.downcast::<Error>().ok().map(|why| *why)
}

/// A record that looks like data and is sealed by nobody.
fn forged() -> Vec<u8> {
    [&[0x17, 3, 3, 0, 64][..], &[9; 64]].concat()
}

/// A record with a part of a handshake's message.
fn fragment(part: &[u8]) -> Vec<u8> {
    let length = u16::try_from(part.len()).unwrap().to_be_bytes();
    [&[0x16, 3, 1][..], &length, part].concat()
}

/// The records that bytes consist of.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = 5 + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let (record, rest) = bytes.split_at(length);
        found.push(record);
        bytes = rest;
    }
    found
}

fn all_of(writes: &Writes) -> Vec<Vec<u8>> {
    std::mem::take(&mut *writes.lock())
}

/// A socket that reads and writes no more at once than it is told, in turn; with 0, it has to be asked again.
struct Socket {
    inner: DuplexStream,
    sizes: VecDeque<usize>,
    writes: Writes,
}

impl Socket {
    fn in_pieces(inner: DuplexStream, sizes: Vec<usize>) -> Self {
        Self { inner, sizes: sizes.into(), writes: Arc::default() }
    }

    fn next_size(&mut self, context: &Context<'_>) -> Poll<usize> {
        self.sizes.rotate_left(1);
        match self.sizes[0] {
            0 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            size => Poll::Ready(size),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = ready!(self.next_size(context)).min(buffer.remaining());
        let mut part = vec![0; size];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut part))?;
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let size = ready!(self.next_size(context)).min(bytes.len());
        let length = ready!(Pin::new(&mut self.inner).poll_write(context, &bytes[..size]))?;
        self.writes.lock().push(bytes[..length].to_vec());
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
