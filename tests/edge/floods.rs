//! Many small frames that cost their sender next to nothing.

use sealpost_testkit::eventually;

use crate::PATIENCE;
use crate::attack::{Attack, Bound, Done};
use crate::frame::*;
use crate::grpc::promise;
use crate::header_block::{RECEIVE, SEND, call};
use crate::peer::{End, Flood, Peer};

/// A connection's own buffers, and what the allocator keeps.
const CONNECTION: Bound = Bound { memory_kib: 4 * 1024 };

const CALM: End = End::GoAway(Code::ENHANCE_YOUR_CALM);

/// The frames are answered or passed over, one after another.
async fn passes(what: &'static str, times: u32, frame: &[u8]) -> Flood {
    let attack = Attack::begin(what).await;
    let mut peer = Peer::connect(&attack.relay).await;
    let flood = peer.flood(times, |_| frame.to_vec()).await;
    assert_eq!((flood.end, flood.sent), (End::Works, times));
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "frames", outcome: "goes on" }).await;
    flood
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_are_answered_one_by_one() {
    let flood = passes("PING", 20_000, &frame(PING, 0, 0, [7; 8])).await;
    assert_eq!(flood.answers.get(&PING), Some(&20_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_acknowledged_one_by_one() {
    let flood = passes("SETTINGS", 20_000, &settings(&[(INITIAL_WINDOW_SIZE, 1 << 20)])).await;
    assert_eq!(flood.answers.get(&SETTINGS), Some(&20_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn priorities_are_passed_over() {
    passes("PRIORITY", 20_000, &frame(PRIORITY, 0, 1, [0, 0, 0, 0, 7])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_unknown_kinds_are_passed_over() {
    passes("unknown kinds", 20_000, &frame(0xfe, 0, 1, [0; 8])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_streams_that_have_ended_are_passed_over() {
    let attack = Attack::begin("RST_STREAM, late").await;
    let mut peer = Peer::connect(&attack.relay).await;
    peer.say(&[headers(1, &call(RECEIVE)), reset(1, Code::CANCEL)].concat()).await.unwrap();
    let flood = peer.flood(20_000, |_| reset(1, Code::CANCEL)).await;
    assert_eq!((flood.end, flood.sent), (End::Works, 20_000));
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "frames", outcome: "goes on" }).await;
}

/// Who does not read the answers is not read any more either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_of_a_peer_who_does_not_read_are_not_hoarded() {
    let attack = Attack::begin("PING, answers unread").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let pings = frame(PING, 0, 0, [7; 8]).repeat(1000);
    let said = peer.say_until_stuck(&pings, async || attack.meanwhile(20).await).await;
    attack.stays_within(CONNECTION, Done { count: said * 1000, of: "frames", outcome: "stops reading" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_data_is_cut() {
    let attack = Attack::begin("DATA, empty").await;
    let mut peer = Peer::connect(&attack.relay).await;
    peer.say(&headers(1, &call(RECEIVE))).await.unwrap();
    let flood = peer.flood(2_000, |_| frame(DATA, 0, 1, [])).await;
    assert_eq!(flood.end, CALM);
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "frames", outcome: "ENHANCE_YOUR_CALM" }).await;
}

/// A message may come in as many pieces as its sender likes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_one_byte_costs_what_it_brings() {
    let attack = Attack::begin("DATA, one byte each").await;
    let mut peer = Peer::connect(&attack.relay).await;
    peer.say(&[headers(1, &call(SEND)), frame(DATA, 0, 1, promise(4 << 20))].concat()).await.unwrap();
    let flood = peer.flood(20_000, |_| frame(DATA, 0, 1, [0])).await;
    let outcome = match flood.end {
        End::Works => "goes on",
        end => {
            assert_eq!(end, CALM);
            "ENHANCE_YOUR_CALM"
        }
    };
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "frames", outcome }).await;
}

/// CVE-2023-44487: requests that are taken back before they were looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_are_cut() {
    let attack = Attack::begin("rapid reset").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let block = call(SEND);
    let flood = peer
        .flood(10_000, |number| {
            let stream = 2 * number + 1;
            [headers(stream, &block), reset(stream, Code::CANCEL)].concat()
        })
        .await;
    assert_eq!(flood.end, CALM);
    attack.stays_within(CONNECTION, Done { count: flood.sent, of: "requests", outcome: "ENHANCE_YOUR_CALM" }).await;
}

/// The same, but each request was looked at: then it costs what a request costs, and no more is kept of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_requests_under_way_leave_nothing_behind() {
    let attack = Attack::begin("reset of requests under way").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let block = call(RECEIVE);
    let (rounds, at_once) = (20, 200);
    // Each request that was looked at has a task; a few are others'.
    let tasks = async || attack.relay.metric("sealpost_runtime_tasks").await;
    let (idle, few) = (tasks().await, 10.0);
    for round in 0..rounds {
        let streams = || (0..at_once).map(|number| 2 * (round * at_once + number) + 1);
        let requests: Vec<u8> = streams().flat_map(|stream| headers(stream, &block)).collect();
        peer.say(&requests).await.unwrap();
        let all = idle + f64::from(at_once) - few;
        eventually("each is looked at", PATIENCE, async || (tasks().await >= all).then_some(())).await;
        let resets: Vec<u8> = streams().flat_map(|stream| reset(stream, Code::CANCEL)).collect();
        peer.say(&resets).await.unwrap();
        assert!(peer.until_answered().await.1, "round {round}");
        eventually("nothing is left of them", PATIENCE, async || (tasks().await <= idle + few).then_some(())).await;
    }
    let done = Done { count: rounds * at_once, of: "requests", outcome: "goes on" };
    attack.stays_within(Bound { memory_kib: 16 * 1024 }, done).await;
}

/// CVE-2025-8671: the peer has the relay reset its streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_that_the_relay_is_made_to_send_are_cut() {
    let attack = Attack::begin("made to reset").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let block = call(RECEIVE);
    let flood = peer
        .flood(4_000, |number| {
            let stream = 2 * number + 1;
            [headers(stream, &block), window_update(stream, MAX_WINDOW)].concat()
        })
        .await;
    assert_eq!(flood.end, CALM);
    let done = Done { count: flood.sent, of: "requests", outcome: "ENHANCE_YOUR_CALM" };
    attack.stays_within(Bound { memory_kib: 16 * 1024 }, done).await;
}
