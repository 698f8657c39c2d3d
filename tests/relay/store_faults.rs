//! The store goes away and comes back.

use std::time::Duration;

use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::cluster::{Cluster, PATIENCE};
use crate::owner::Owner;
use crate::stream::Stream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_what_was_accepted_outlives_the_store_and_the_relay_recovers() {
    let mut cluster = Cluster::redis(2).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let mut stream = Stream::open(&mut cluster.owners(1).await, &owner).await;
    stream.until_caught_up().await;
    owner.is_sent(&mut senders, 1..=10).await;
    assert_eq!(stream.take(10).await.len(), 10);

    cluster.redis.as_mut().unwrap().kill();
    let status = senders.send(owner.send(11)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    let failure = Failure::from_status(&status).unwrap();
    assert_eq!(failure.reason, Reason::StoreUnavailable);
    assert!(failure.retry_after.is_some_and(|after| !after.is_zero()));

    cluster.redis.as_mut().unwrap().restart().await;
    sealpost_testkit::eventually("sends are accepted again", PATIENCE, async || {
        senders.send(owner.send(11)).await.ok()
    })
    .await;
    // The stream that was open all the while goes on: it missed nothing and repeats nothing.
    assert_eq!(stream.take(1).await, [(0, 11, 11)]);
    // And what was sent before is still there for a new one.
    let mut again = opened(&cluster, &owner).await;
    assert_eq!(again.until_caught_up().await, (1..=11).map(|number| (0, number, number)).collect::<Vec<_>>());
}

/// Opens a mailbox as a client does: where the relay's wake path is not back yet, again after a while.
async fn opened(cluster: &Cluster, owner: &Owner) -> Stream {
    let mut owners = cluster.owners(0).await;
    sealpost_testkit::eventually("the mailbox opens", PATIENCE, async || {
        match Stream::open_with(&mut owners, &[owner], 0, 0).await {
            Ok(stream) => Some(stream),
            Err(status) => {
                assert_eq!(Failure::from_status(&status).unwrap().reason, Reason::StoreUnavailable);
                None
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_true_to_the_store() {
    let mut cluster = Cluster::redis(1).await;
    let admin = format!("http://{}", cluster.relay(0).admin_address());
    let channel = tonic::transport::Endpoint::from_shared(admin).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let mut becomes = async |wanted: i32| {
        sealpost_testkit::eventually("health follows the store", PATIENCE, async || {
            let status = health.check(HealthCheckRequest::default()).await.ok()?.into_inner().status;
            (status == wanted).then_some(())
        })
        .await;
    };
    becomes(1).await;
    cluster.redis.as_mut().unwrap().kill();
    becomes(2).await;
    cluster.redis.as_mut().unwrap().restart().await;
    becomes(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_stream_goes_on_after_the_wake_path_alone_was_cut() {
    let cluster = Cluster::redis(1).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let mut stream = Stream::open(&mut cluster.owners(0).await, &owner).await;
    stream.until_caught_up().await;
    let redis = redis::Client::open(cluster.redis.as_ref().unwrap().url()).unwrap();
    let mut operator = redis.get_multiplexed_async_connection().await.unwrap();
    for round in 1..=10 {
        let killed: i64 =
            redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query_async(&mut operator).await.unwrap();
        senders.send(owner.send(round)).await.unwrap();
        assert_eq!(stream.take(1).await, [(0, round, round)]);
        if killed == 0 {
            // It was not yet listening again: then nothing was cut in this round.
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_silent_costs_a_bounded_wait() {
    let cluster = Cluster::redis_with(1, |settings| settings.store.timeout_ms = Some(2000)).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    cluster.redis.as_ref().unwrap().pause();
    let answer = tokio::time::timeout(Duration::from_secs(10), senders.send(owner.send(1))).await;
    let status = answer.expect("an answer although the store is silent").unwrap_err();
    assert_eq!(Failure::from_status(&status).unwrap().reason, Reason::StoreUnavailable);
    cluster.redis.as_ref().unwrap().resume();
    sealpost_testkit::eventually("sends are accepted again", PATIENCE, async || senders.send(owner.send(2)).await.ok())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_a_store_that_went_back_to_older_data_ends_streams_that_may_come_again() {
    // Nothing is on its disk but what is saved by hand.
    let mut cluster = Cluster::redis_in_memory().await;
    let mut redis = cluster.redis.take().expect("there is one");
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let mut stream = Stream::open(&mut cluster.owners(0).await, &owner).await;
    senders.send(owner.send(1)).await.unwrap();
    assert_eq!(stream.take(1).await, [(0, 1, 1)]);

    let client = ::redis::Client::open(redis.url()).unwrap();
    let mut operator = client.get_multiplexed_async_connection().await.unwrap();
    ::redis::cmd("SAVE").exec_async(&mut operator).await.unwrap();
    owner.is_sent(&mut senders, 2..=5).await;
    assert_eq!(stream.take(4).await.len(), 4);
    stream.acknowledge(1);

    redis.kill();
    redis.restart().await;
    // It knows only the first; the numbers from 2 on are given again.
    for number in 6..=8 {
        sealpost_testkit::eventually("sends are accepted again", PATIENCE, async || {
            senders.send(owner.send(number)).await.ok()
        })
        .await;
    }
    // What the old stream acknowledges now are other envelopes than it means.
    stream.say(sealpost_proto::v1::receive_request::Kind::Ack(sealpost_proto::v1::Ack {
        mailbox: 0,
        up_to: 5,
        sequences: vec![],
    }));
    let closing = stream.closing().await;
    assert_eq!(Reason::try_from(closing.reason), Ok(Reason::StoreUnavailable));
    assert!(closing.retry_after_ms > 0, "it may come again");

    let mut again = opened(&cluster, &owner).await;
    let delivered = again.until_caught_up().await;
    let new: Vec<_> = delivered.iter().filter(|(_, _, number)| *number >= 6).copied().collect();
    assert_eq!(new, [(0, 2, 6), (0, 3, 7), (0, 4, 8)], "in order, and none missing");
}
