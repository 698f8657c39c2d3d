//! What a peer must not say (RFC 9113), and what it hears then, over TCP and over TLS.
//!
//! Where hyper answers otherwise than the RFC asks, the case says so, and docs/conformance.md does too: but for one case, which is passed
//! over, it is the connection that ends then, with another code.

use crate::frame::*;
use crate::header_block::{RECEIVE, SEND, block, call, call_with, field};
use crate::peer::Peer;
use crate::relay::Relay;

/// One thing that is said on a connection after its handshake.
struct Case {
    what: &'static str,
    said: Vec<u8>,
    /// What the RFC asks for.
    must: Must,
    /// What comes in its place, where that is something else.
    comes: Option<Must>,
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// The connection ends with this code.
    GoAway(Code),
    /// Stream 1 ends with this code, and the connection goes on.
    Reset(Code),
    /// Nothing.
    Pass,
}

use Must::{GoAway, Pass, Reset};

fn case(what: &'static str, said: impl Into<Vec<u8>>, must: Must) -> Case {
    Case { what, said: said.into(), must, comes: None }
}

impl Case {
    /// hyper ends the connection with the code for errors that have no other.
    fn but_protocol_error(self) -> Self {
        Self { comes: Some(GoAway(Code::PROTOCOL_ERROR)), ..self }
    }

    /// hyper does not mind.
    fn but_passes(self) -> Self {
        Self { comes: Some(Pass), ..self }
    }
}

/// Holds a relay to all of these, each on a connection of its own.
async fn hold(cases: &[Case]) {
    let mut wrong = String::new();
    for (over, relay) in [("TCP", Relay::plaintext().await), ("TLS", Relay::tls().await)] {
        for case in cases {
            let (comes, came) = (case.comes.unwrap_or(case.must), say(&relay, case).await);
            if came != Ok(comes) {
                wrong += &format!("\n{} over {over}: {comes:?} must come, and {came:?} did", case.what);
            }
        }
        // And nobody else was harmed.
        assert!(Peer::connect(&relay).await.until_answered().await.1);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What comes of it; `Err`: that the connection was closed without a word.
async fn say(relay: &Relay, case: &Case) -> Result<Must, &'static str> {
    let mut peer = Peer::connect(relay).await;
    peer.say(&case.said).await.expect("it listens");
    let (frames, goes_on) = peer.until_answered().await;
    if let Some(away) = frames.iter().rev().find(|frame| frame.kind == GOAWAY) {
        peer.until_closed().await;
        return Ok(GoAway(away.code().expect("a code")));
    }
    let reset = frames.iter().find(|frame| frame.kind == RST_STREAM && frame.stream == 1);
    match reset {
        _ if !goes_on => Err("closed without a word"),
        Some(reset) => Ok(Reset(reset.code().expect("a code"))),
        None => Ok(Pass),
    }
}

/// A request on stream 1 that stays open: the stream of an owner who has not said yet what to open.
fn open() -> Vec<u8> {
    headers(1, &call(RECEIVE))
}

/// A request on stream 1 whose body is over.
fn ended() -> Vec<u8> {
    headers_only(1, &call(RECEIVE))
}

fn after(before: impl AsRef<[u8]>, then: impl AsRef<[u8]>) -> Vec<u8> {
    [before.as_ref(), then.as_ref()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_3_4_a_connection_begins_with_the_preface() {
    for relay in [Relay::plaintext().await, Relay::tls().await] {
        for begin in [&b"GET / HTTP/1.1\r\nhost: relay.test\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", &[0; 24]]
        {
            let mut peer = Peer::dial(&relay).await;
            peer.say(begin).await.unwrap();
            // The relay's own settings may come, and no answer: section 3.4 lets GOAWAY be omitted.
            for frame in peer.until_closed().await {
                assert!(matches!(frame.kind, SETTINGS | WINDOW_UPDATE | GOAWAY), "{frame:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_4_frames() {
    let too_long = vec![0; MAX_PAYLOAD + 1];
    hold(&[
        case("a frame of an unknown kind", frame(0xfe, 0xff, 0, [0; 8]), Pass),
        case("flags that there are not", frame(PING, 0xfe, 0, [0; 8]), Pass),
        case("a reserved bit", frame(PING, 0, 0x8000_0000, [0; 8]), Pass),
        case("DATA longer than allowed", after(open(), frame(DATA, 0, 1, &*too_long)), GoAway(Code::FRAME_SIZE_ERROR)),
        case("HEADERS longer than allowed", frame(HEADERS, END_HEADERS, 1, &*too_long), GoAway(Code::FRAME_SIZE_ERROR)),
        case("SETTINGS longer than allowed", frame(SETTINGS, 0, 0, vec![0; 16_386]), GoAway(Code::FRAME_SIZE_ERROR)),
        case("a length of 16 MiB", head(0xff_ffff, DATA, 0, 1), GoAway(Code::FRAME_SIZE_ERROR)),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_4_3_header_blocks() {
    let broken =
        |what, block: &[u8]| case(what, headers(1, block), GoAway(Code::COMPRESSION_ERROR)).but_protocol_error();
    hold(&[
        broken("index 0", &[0x80]),
        broken("an index beyond the table", &[0xff, 0x00]),
        broken("an integer that never ends", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        broken("a string that is cut off", &[0x00, 0x05, b'a']),
        broken("a Huffman code with bad padding", &[0x00, 0x81, 0x00, 0x01, b'v']),
        broken("a table larger than allowed", &[0x3f, 0xe1, 0xff, 0x03]),
        broken("a change of the table behind a field", &after(call(RECEIVE), [0x20])),
        broken("random bytes", &[0xbe, 0xef, 0xfa, 0xce, 0x7f, 0x00, 0xd0, 0x0d]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_5_streams() {
    let headers_on = |stream| headers(stream, &call(RECEIVE));
    hold(&[
        case("HEADERS on an even stream", headers_on(2), GoAway(Code::PROTOCOL_ERROR)),
        case("HEADERS on an older stream", after(headers_on(5), headers_on(3)), GoAway(Code::PROTOCOL_ERROR)),
        case(
            "HEADERS on a stream that was reset",
            [open(), reset(1, Code::CANCEL), headers_on(1)].concat(),
            GoAway(Code::STREAM_CLOSED),
        )
        .but_protocol_error(),
        case("HEADERS on a stream that has ended", after(ended(), ended()), GoAway(Code::STREAM_CLOSED))
            .but_protocol_error(),
        case("DATA on a stream that has ended", after(ended(), frame(DATA, 0, 1, [0])), GoAway(Code::STREAM_CLOSED))
            .but_protocol_error(),
        case(
            "DATA on a stream that was reset",
            [open(), reset(1, Code::CANCEL), frame(DATA, 0, 1, [0])].concat(),
            Reset(Code::STREAM_CLOSED),
        ),
        case("DATA on an idle stream", frame(DATA, 0, 1, [0]), GoAway(Code::PROTOCOL_ERROR)),
        case("RST_STREAM on an idle stream", reset(1, Code::CANCEL), GoAway(Code::PROTOCOL_ERROR)),
        case("WINDOW_UPDATE on an idle stream", window_update(1, 1), GoAway(Code::PROTOCOL_ERROR)),
        case(
            "WINDOW_UPDATE on a stream that was reset",
            [open(), reset(1, Code::CANCEL), window_update(1, 1)].concat(),
            Pass,
        ),
        case("PRIORITY on an idle stream", frame(PRIORITY, 0, 1, [0, 0, 0, 0, 7]), Pass),
        case("a stream that depends on itself", frame(PRIORITY, 0, 1, [0, 0, 0, 1, 7]), Reset(Code::PROTOCOL_ERROR)),
        case(
            "HEADERS that depend on their own stream",
            frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, after(vec![0, 0, 0, 1, 7], call(RECEIVE))),
            Reset(Code::PROTOCOL_ERROR),
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_6_1_to_6_4_data_headers_priority_and_resets() {
    hold(&[
        case("DATA on stream 0", frame(DATA, 0, 0, [0]), GoAway(Code::PROTOCOL_ERROR)),
        case(
            "DATA with more padding than bytes",
            after(open(), frame(DATA, PADDED, 1, [9, 0])),
            GoAway(Code::PROTOCOL_ERROR),
        ),
        case(
            "DATA without the length of its padding",
            after(open(), frame(DATA, PADDED, 1, [])),
            GoAway(Code::FRAME_SIZE_ERROR),
        )
        .but_protocol_error(),
        case("DATA of padding only", after(open(), frame(DATA, PADDED, 1, [3, 0, 0, 0])), Pass),
        case("HEADERS on stream 0", headers(0, &call(RECEIVE)), GoAway(Code::PROTOCOL_ERROR)),
        case(
            "HEADERS with more padding than bytes",
            frame(HEADERS, END_HEADERS | PADDED, 1, [9, 0x83]),
            GoAway(Code::PROTOCOL_ERROR),
        ),
        case("PRIORITY on stream 0", frame(PRIORITY, 0, 0, [0, 0, 0, 1, 7]), GoAway(Code::PROTOCOL_ERROR)),
        case("PRIORITY of four bytes", after(open(), frame(PRIORITY, 0, 1, [0; 4])), Reset(Code::FRAME_SIZE_ERROR))
            .but_protocol_error(),
        case("RST_STREAM on stream 0", reset(0, Code::CANCEL), GoAway(Code::PROTOCOL_ERROR)),
        case(
            "RST_STREAM of three bytes",
            after(open(), frame(RST_STREAM, 0, 1, [0; 3])),
            GoAway(Code::FRAME_SIZE_ERROR),
        )
        .but_protocol_error(),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_6_5_settings() {
    hold(&[
        case("SETTINGS on a stream", frame(SETTINGS, 0, 1, []), GoAway(Code::PROTOCOL_ERROR)),
        case("SETTINGS of seven bytes", frame(SETTINGS, 0, 0, [0; 7]), GoAway(Code::FRAME_SIZE_ERROR))
            .but_protocol_error(),
        case(
            "an acknowledgement with values",
            frame(SETTINGS, ACK, 0, [0, 1, 0, 0, 0, 0]),
            GoAway(Code::FRAME_SIZE_ERROR),
        )
        .but_protocol_error(),
        case("an acknowledgement of nothing", frame(SETTINGS, ACK, 0, []), GoAway(Code::PROTOCOL_ERROR)),
        case("a setting that there is not", settings(&[(0xffff, 7)]), Pass),
        case("push: 2", settings(&[(ENABLE_PUSH, 2)]), GoAway(Code::PROTOCOL_ERROR)),
        case("a window of 2 GiB", settings(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW + 1)]), GoAway(Code::FLOW_CONTROL_ERROR))
            .but_protocol_error(),
        case("frames of less than 16 KiB", settings(&[(MAX_FRAME_SIZE, 16_383)]), GoAway(Code::PROTOCOL_ERROR)),
        case("frames of 16 MiB", settings(&[(MAX_FRAME_SIZE, 1 << 24)]), GoAway(Code::PROTOCOL_ERROR)),
        case(
            "a window that makes an open stream's overflow",
            [open(), window_update(1, MAX_WINDOW - 65_535), settings(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW)])].concat(),
            GoAway(Code::FLOW_CONTROL_ERROR),
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_6_6_to_6_8_pushes_pings_and_farewells() {
    hold(&[
        case(
            "PUSH_PROMISE of a client",
            after(open(), frame(PUSH_PROMISE, END_HEADERS, 1, after(vec![0, 0, 0, 2], call(SEND)))),
            GoAway(Code::PROTOCOL_ERROR),
        ),
        case("PING on a stream", frame(PING, 0, 1, [0; 8]), GoAway(Code::PROTOCOL_ERROR)),
        case("PING of seven bytes", frame(PING, 0, 0, [0; 7]), GoAway(Code::FRAME_SIZE_ERROR)).but_protocol_error(),
        case("an answer to a ping that was never sent", frame(PING, ACK, 0, [0; 8]), Pass),
        case("GOAWAY on a stream", frame(GOAWAY, 0, 1, [0; 8]), GoAway(Code::PROTOCOL_ERROR)),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_6_9_windows() {
    hold(&[
        case("WINDOW_UPDATE of 0", window_update(0, 0), GoAway(Code::PROTOCOL_ERROR)),
        case("WINDOW_UPDATE of 0 on a stream", after(open(), window_update(1, 0)), Reset(Code::PROTOCOL_ERROR))
            .but_protocol_error(),
        case("WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, [0; 3]), GoAway(Code::FRAME_SIZE_ERROR))
            .but_protocol_error(),
        case("a connection's window of 2 GiB", window_update(0, MAX_WINDOW), GoAway(Code::FLOW_CONTROL_ERROR)),
        case(
            "a stream's window of 2 GiB",
            after(open(), window_update(1, MAX_WINDOW)),
            Reset(Code::FLOW_CONTROL_ERROR),
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_6_10_continuations() {
    let whole = call(RECEIVE);
    let (begin, rest) = whole.split_at(10);
    let unfinished = || frame(HEADERS, 0, 1, begin);
    let goes_on = |stream| frame(CONTINUATION, END_HEADERS, stream, rest);
    hold(&[
        case("HEADERS that go on as they should", after(unfinished(), goes_on(1)), Pass),
        case("CONTINUATION of nothing", goes_on(1), GoAway(Code::PROTOCOL_ERROR)),
        case("CONTINUATION of HEADERS that were whole", after(open(), goes_on(1)), GoAway(Code::PROTOCOL_ERROR)),
        case("CONTINUATION on another stream", after(unfinished(), goes_on(3)), GoAway(Code::PROTOCOL_ERROR)),
        case("CONTINUATION on stream 0", after(unfinished(), goes_on(0)), GoAway(Code::PROTOCOL_ERROR)),
        case(
            "a ping between HEADERS and CONTINUATION",
            after(unfinished(), frame(PING, 0, 0, [0; 8])),
            GoAway(Code::PROTOCOL_ERROR),
        ),
        case(
            "DATA between HEADERS and CONTINUATION",
            after(unfinished(), frame(DATA, 0, 1, [0])),
            GoAway(Code::PROTOCOL_ERROR),
        ),
        case(
            "a frame of an unknown kind between them",
            after(unfinished(), frame(0xfe, 0, 0, [0])),
            GoAway(Code::PROTOCOL_ERROR),
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn section_8_requests() {
    let refused = |what, block: Vec<u8>| case(what, headers(1, &block), Reset(Code::PROTOCOL_ERROR));
    let rest = [(":scheme", "http"), (":path", SEND), (":authority", "relay.test")];
    let with = |more: &[(&str, &str)]| block(&[&[(":method", "POST")], &rest[..], more].concat());
    let length = |length| call_with(SEND, &[("content-length", length)]);
    hold(&[
        refused("an upper-case name", with(&[("Grpc-Timeout", "1S")])).but_protocol_error(),
        refused("connection: keep-alive", with(&[("connection", "keep-alive")])),
        refused("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        refused("te: gzip", with(&[("te", "gzip")])),
        refused("a pseudo-header behind others", after(field("a", b"b"), with(&[]))),
        refused("a pseudo-header that there is not", with(&[(":mood", "bad")])).but_protocol_error(),
        refused("a pseudo-header of answers", with(&[(":status", "200")])),
        refused("two paths", with(&[(":path", SEND)])),
        refused("no method", block(&rest)),
        refused("no path", block(&[(":method", "POST"), (":scheme", "http"), (":authority", "relay.test")])),
        refused("an empty path", block(&[(":method", "POST"), (":scheme", "http"), (":path", "")])),
        refused("a line break in a value", with(&[("a", "b\r\nc: d")])).but_protocol_error(),
        refused("two lengths", call_with(SEND, &[("content-length", "1"), ("content-length", "2")])),
        case(
            "less than the length",
            after(headers(1, &length("9")), frame(DATA, END_STREAM, 1, [0])),
            Reset(Code::PROTOCOL_ERROR),
        ),
        case(
            "more than the length",
            after(headers(1, &length("1")), frame(DATA, 0, 1, [0; 2])),
            Reset(Code::PROTOCOL_ERROR),
        ),
        case("HEADERS in the middle", after(open(), headers(1, &field("a", b"b"))), Reset(Code::PROTOCOL_ERROR)),
        case(
            "a pseudo-header in trailers",
            after(open(), headers_only(1, &block(&[(":path", "/")]))),
            Reset(Code::PROTOCOL_ERROR),
        )
        .but_passes(),
    ])
    .await;
}
