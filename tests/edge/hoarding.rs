//! Peers who have the relay hold as much as they can make it hold.

use std::collections::BTreeSet;

use sealpost_client::low_level::v1;
use sealpost_proto::Reason;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use tempfile::TempDir;
use tokio_stream::StreamExt;

use sealpost_testkit::{RedisServer, RedisSettings, eventually};

use crate::PATIENCE;
use crate::attack::{Attack, Bound, Done};
use crate::bystander::Owner;
use crate::frame::*;
use crate::grpc::{Call, message, promise};
use crate::header_block::{RECEIVE, SEND, SEND_STREAM, call};
use crate::peer::{End, Peer};
use crate::relay::{Relay, Start};

/// The streams that a connection may have.
const STREAMS: u32 = 256;
/// The longest message.
const MESSAGE: usize = 4 << 20;
/// What a connection may have unfinished, beyond so much of each message; and what may be on its way to the relay besides.
const UNFINISHED: usize = 8 << 20;
const UNCOUNTED: usize = 64 << 10;
const WINDOW: usize = 2 << 20;
/// Owners who do not read, and the bytes that wait for each of them.
const OWNERS: usize = 8;
const QUEUED: usize = 8 << 20;
const ENVELOPE: usize = 64 << 10;
/// What each costs: the stream itself, what waits to be written, two messages, a read, and an inbox.
const NOT_READ: usize = (32 << 10) + (64 << 10) + 2 * ((128 << 10) + ENVELOPE) + (256 << 10) + (128 << 10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_streams_above_the_limit_are_refused() {
    let attack = Attack::begin("4,000 streams on a connection").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let block = call(RECEIVE);
    let flood = peer.flood(4_000, |number| headers(2 * number + 1, &block)).await;
    // Patience has an end.
    assert_eq!(flood.end, End::GoAway(Code::ENHANCE_YOUR_CALM));
    assert_eq!(flood.answers.get(&RST_STREAM), Some(&1024), "as many are refused");
    let bound = Bound { memory_kib: u64::from(STREAMS) * 32 };
    attack
        .stays_within(
            bound,
            Done { count: flood.sent, of: "streams", outcome: "REFUSED_STREAM, then ENHANCE_YOUR_CALM" },
        )
        .await;
}

/// The length of a message is only a promise: nothing is set aside for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_message_that_is_announced_costs_what_came_of_it() {
    let attack = Attack::begin("4 MiB announced on each of 256 streams").await;
    let mut peer = Peer::connect(&attack.relay).await;
    let request = |stream| [headers(stream, &call(SEND)), frame(DATA, 0, stream, promise(MESSAGE))].concat();
    let flood = peer.flood(STREAMS, |number| request(2 * number + 1)).await;
    assert_eq!(flood.end, End::Works);
    let bound = Bound { memory_kib: u64::from(STREAMS) * 32 };
    attack.stays_within(bound, Done { count: flood.sent, of: "streams", outcome: "waits" }).await;
}

/// Sends a part of a message on each of some streams, and leaves it at that. How many of them the relay ends.
async fn unfinished(what: &'static str, streams: u32, part: usize, memory_kib: usize) -> usize {
    let attack = Attack::begin(what).await;
    let mut peer = Peer::connect(&attack.relay).await;
    let bytes = vec![0; part];
    let mut ended = BTreeSet::new();
    for stream in (0..streams).map(|number| 2 * number + 1) {
        peer.say(&headers(stream, &call(SEND))).await.unwrap();
        peer.say_data(stream, &promise(MESSAGE)).await;
        peer.say_data(stream, &bytes).await;
        let (frames, works) = peer.until_answered().await;
        assert!(works);
        ended.extend(frames.iter().filter(|frame| frame.kind == HEADERS).map(|frame| frame.stream));
    }
    let bound = Bound { memory_kib: memory_kib.try_into().unwrap() };
    let outcome = if ended.is_empty() { "waits" } else { "refuses most" };
    attack.stays_within(bound, Done { count: streams, of: "streams", outcome }).await;
    ended.len()
}

/// What came is held, and little besides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_unfinished_messages_cost_what_came_of_them() {
    let sent = 16 * 512;
    assert_eq!(unfinished("512 KiB of 4 MiB on each of 16 streams", 16, 512 << 10, sent + sent / 2).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_unfinished_messages_of_one_connection_are_bounded() {
    let (streams, part) = (64, 900 << 10);
    let most = UNFINISHED + streams * UNCOUNTED + WINDOW;
    let ended = unfinished("900 KiB of 4 MiB on each of 64 streams", 64, part, most / 1024 * 5 / 4).await;
    assert!(ended > streams / 2, "{ended} were refused");
}

/// Whoever shares a connection with a peer who hoards gets usual envelopes through, and larger messages when there is room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_who_leaves_messages_unfinished_keeps_nobody_of_the_connection_out() {
    let relay = Relay::plaintext().await;
    let owner = Owner::with_mailbox(&relay).await;
    let channel = relay.channel();
    let mut sender = DeliveryServiceClient::new(channel.clone());
    let hoard = |_| {
        let call = Call::begin(&channel, SEND_STREAM);
        call.say([promise(MESSAGE), vec![0; MESSAGE - 1]].concat());
        call
    };
    let (mut hoarders, mut refused): (Vec<_>, Vec<Call>) = ((0..4).map(hoard).collect(), Vec::new());
    eventually("there is no room for all of them", PATIENCE, async || {
        let over = hoarders.extract_if(.., |call| call.is_over());
        refused.extend(over);
        (!refused.is_empty()).then_some(())
    })
    .await;
    for call in refused {
        assert_eq!(call.refusal().await, Reason::Overloaded);
    }
    assert!(!hoarders.is_empty());
    sender.send(owner.letter(64 << 10)).await.expect("it is accepted");

    drop(hoarders);
    let sends = (0..32).map(|tag| v1::TaggedSend { tag, send: Some(owner.letter(64 << 10)) }).collect();
    let request = v1::SendStreamRequest { sends };
    eventually("a long message comes through", PATIENCE, async || {
        let answers = sender.send_stream(tokio_stream::iter([request.clone()])).await.expect("it opens").into_inner();
        let results = answers.collect::<Result<Vec<_>, _>>().await.ok()?;
        results.iter().flat_map(|answer| &answer.results).all(|result| result.refusal.is_none()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_message_that_never_comes_whole_ends_its_stream_in_time() {
    let relay = Relay::start(Start { arguments: &["--limits-call-timeout-ms", "300"], ..Start::default() }).await;
    let owner = Owner::with_mailbox(&relay).await;
    let channel = relay.channel();
    let sending = Call::begin(&channel, SEND_STREAM);
    sending.say(promise(1000));
    let receiving = Call::begin(&channel, RECEIVE);
    receiving.say(message(&owner.open(10, 1 << 20)));
    receiving.say(promise(1000)[..1].to_vec());
    for call in [sending, receiving] {
        assert_eq!(call.refusal().await, Reason::TimedOut);
    }
}

/// Makes mailboxes in which [`QUEUED`] bytes wait, by a relay that then goes.
async fn mailboxes_that_wait(store: (&str, &str)) -> Vec<Owner> {
    let relay = Relay::start(Start { store: Some(store), ..Start::default() }).await;
    let mut senders = DeliveryServiceClient::new(relay.channel());
    let mut owners = Vec::new();
    for _ in 0..OWNERS {
        let owner = Owner::with_mailbox(&relay).await;
        let sends: Vec<_> = (0..)
            .take(QUEUED / ENVELOPE)
            .map(|tag| v1::TaggedSend { tag, send: Some(owner.letter(ENVELOPE)) })
            .collect();
        let requests: Vec<_> = sends.chunks(16).map(|sends| v1::SendStreamRequest { sends: sends.to_vec() }).collect();
        let answers = senders.send_stream(tokio_stream::iter(requests)).await.expect("it opens").into_inner();
        let results = answers.collect::<Result<Vec<_>, _>>().await.expect("all are answered");
        let accepted = results.iter().flat_map(|answer| &answer.results).filter(|result| result.refusal.is_none());
        assert_eq!(accepted.count(), QUEUED / ENVELOPE);
        owners.push(owner);
    }
    owners
}

/// Owners who open all their windows and read nothing cost no more than docs/capacity.md says, and so much for the store.
async fn owners_who_do_not_read(what: &'static str, store: (&str, &str), for_store: usize) {
    let owners = mailboxes_that_wait(store).await;
    let attack = Attack::on(what, Start { store: Some(store), ..Start::default() }).await;
    let mut peer = Peer::connect_with(&attack.relay, &[(INITIAL_WINDOW_SIZE, MAX_WINDOW)]).await;
    peer.say(&window_update(0, MAX_WINDOW - 65_535)).await.unwrap();
    for (owner, stream) in owners.iter().zip((1..).step_by(2)) {
        let open = frame(DATA, 0, stream, message(&owner.open(10_000, 16 << 20)));
        peer.say(&[headers(stream, &call(RECEIVE)), open].concat()).await.unwrap();
    }
    attack.meanwhile(30).await;
    let bound = Bound { memory_kib: ((OWNERS * NOT_READ + for_store) / 1024).try_into().unwrap() };
    let count = u32::try_from(OWNERS).unwrap();
    attack.stays_within(bound, Done { count, of: "streams", outcome: "waits" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_an_owner_who_does_not_read_costs_a_buffer_not_the_credit() {
    let directory = TempDir::new().unwrap();
    let store = format!("embedded:{}", directory.path().join("store").display());
    // What was read stays in its cache.
    let cache = OWNERS * QUEUED;
    owners_who_do_not_read("8 owners who do not read 8 MiB each", (&store, "fsync"), cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_an_owner_who_does_not_read_costs_a_buffer_over_redis_too() {
    let redis = RedisServer::spawn(RedisSettings::default()).await;
    // Answers on their way.
    let answers = 4 << 20;
    owners_who_do_not_read("8 owners who do not read 8 MiB each, over Redis", (&redis.url(), "memory"), answers).await;
}
