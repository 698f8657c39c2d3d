//! Headers without end, and headers that grow when they are read.

use crate::attack::{Attack, Bound, Done};
use crate::frame::*;
use crate::header_block::{NEWEST_OF_THE_TABLE, RECEIVE, call, field, indexed_field};
use crate::peer::{End, Peer};

const CONNECTION: Bound = Bound { memory_kib: 4 * 1024 };

const CALM: End = End::GoAway(Code::ENHANCE_YOUR_CALM);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_go_on_and_on_are_cut() {
    let attack = Attack::begin("CONTINUATION").await;
    let mut peer = Peer::connect(&attack.relay).await;
    peer.say(&frame(HEADERS, 0, 1, call(RECEIVE))).await.unwrap();
    let flood = peer.flood(2_000, |_| frame(CONTINUATION, 0, 1, field("a", b"b"))).await;
    assert_eq!(flood.end, CALM);
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "frames", outcome: "ENHANCE_YOUR_CALM" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_continuations_are_cut() {
    let attack = Attack::begin("CONTINUATION, empty").await;
    let mut peer = Peer::connect(&attack.relay).await;
    peer.say(&frame(HEADERS, 0, 1, call(RECEIVE))).await.unwrap();
    let flood = peer.flood(2_000, |_| frame(CONTINUATION, 0, 1, [])).await;
    assert_eq!(flood.end, CALM);
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "frames", outcome: "ENHANCE_YOUR_CALM" }).await;
}

/// A list somewhat too long is refused, with 431, and the connection goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_list_is_refused_and_costs_its_stream_only() {
    let attack = Attack::begin("a header list of 24 KiB").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let block = [call(RECEIVE), field("a", &[b'b'; 12 << 10]), field("c", &[b'd'; 12 << 10])].concat();
    let (begin, rest) = block.split_at(MAX_PAYLOAD);
    let requests = 200;
    for number in 0..requests {
        let stream = 2 * number + 1;
        peer.say(&[frame(HEADERS, 0, stream, begin), frame(CONTINUATION, END_HEADERS, stream, rest)].concat())
            .await
            .unwrap();
        let answer = peer.until(|frame| (frame.kind == HEADERS).then(|| frame.clone())).await.expect("an answer");
        assert_eq!((answer.stream, answer.flags), (stream, END_HEADERS | END_STREAM));
    }
    assert!(peer.until_answered().await.1);
    attack.stays_within(CONNECTION, Done { count: requests, of: "requests", outcome: "431, goes on" }).await;
}

/// One byte in the block is 4 KiB in the list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_grows_when_it_is_read_is_cut() {
    let attack = Attack::begin("a header list of 16 KiB that is read as 50 MiB").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let mut block = [call(RECEIVE), indexed_field("a", &[b'b'; 3900])].concat();
    block.resize(MAX_PAYLOAD, NEWEST_OF_THE_TABLE);
    let flood = peer.flood(100, |number| headers(2 * number + 1, &block)).await;
    assert_eq!(flood.end, CALM);
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "requests", outcome: "ENHANCE_YOUR_CALM" }).await;
}

/// A peer may offer a table of 4 GiB for the relay's own headers; the relay need not use it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_table_is_not_filled() {
    let attack = Attack::begin("a header table of 4 GiB").await;
    let mut peer = Peer::connect_with(&attack.relay, &[(HEADER_TABLE_SIZE, u32::MAX)]).await;
    // Each is refused, in words that no table has yet.
    let requests = 500;
    let flood = peer.flood(requests, |number| headers_only(2 * number + 1, &call(&format!("/nobody/{number}")))).await;
    assert_eq!(flood.end, End::Works);
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "requests", outcome: "goes on" }).await;
}

/// As many fields as a list may have, on as many streams as a connection may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_fields_on_many_streams_cost_a_known_amount() {
    let attack = Attack::begin("400 fields on each of 256 streams").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let mut block = call(RECEIVE);
    block.extend((0..400).flat_map(|number| field(&format!("a{number:03}"), b"b")));
    let flood = peer.flood(256, |number| headers(2 * number + 1, &block)).await;
    assert_eq!(flood.end, End::Works);
    // Six times what the list may be by the RFC's count.
    let bound = Bound { memory_kib: 256 * 96 };
    attack.stays_within(bound, Done { count: flood.sent, of: "streams", outcome: "goes on" }).await;
}
