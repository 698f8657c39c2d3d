//! Receiving: exactly once, in order, over everything that may happen to a stream.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic"
)]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::Fake;
use sealpost_client::{
    ConnectionState, Contact, Dedup, Device, Error, Event, FileDedup, Inbox, MemoryContacts, MemoryDedup, MessageKey,
    Origin, Problem, RawEvent, Reason, ReceiveOptions, Received, SendOptions, SenderOptions, StreamOptions,
};

/// Two devices that know each other.
struct Pair {
    fake: Fake,
    alice: Device,
    bob: Device,
    contacts: Arc<MemoryContacts>,
}

impl Pair {
    async fn new() -> Self {
        let fake = Fake::start().await;
        let (alice, bob) = (fake.device().await, fake.device().await);
        let contacts = Arc::new(MemoryContacts::new());
        contacts.add_card(alice.card().clone());
        Self { fake, alice, bob, contacts }
    }

    async fn send(&self, text: &str) {
        self.send_with(text, SendOptions::default()).await;
    }

    async fn send_with(&self, text: &str, options: SendOptions) {
        let relay = self.fake.relay();
        let contact = relay.accept(&self.bob.invite(&self.fake.host()).unwrap()).await.unwrap();
        relay.send(&self.alice, &contact, text, &options).await.unwrap();
    }

    fn options(&self) -> ReceiveOptions {
        ReceiveOptions::default().contacts(self.contacts.clone())
    }

    fn inbox(&self) -> Inbox {
        self.fake.relay().receive([self.bob.clone()], self.options())
    }

    async fn until_empty(&self) {
        let address = self.bob.address();
        self.fake.until(|state| state.mailboxes[&address].queue.is_empty()).await;
    }
}

async fn next(inbox: &mut Inbox) -> Event {
    let next = tokio::time::timeout(Duration::from_secs(10), inbox.next()).await;
    next.expect("an event comes in time").expect("the inbox is open")
}

async fn message(inbox: &mut Inbox) -> Box<Received> {
    loop {
        match next(inbox).await {
            Event::Message(received) => return received,
            Event::CaughtUp(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn text(received: &Received) -> String {
    String::from_utf8(received.message.body.clone()).unwrap()
}

async fn closed(inbox: &Inbox) -> Option<Error> {
    let mut state = inbox.state();
    let closed = tokio::time::timeout(Duration::from_secs(10), state.wait_for(ConnectionState::is_closed));
    match &*closed.await.unwrap().unwrap() {
        ConnectionState::Closed { error } => error.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn p2_messages_come_in_order_and_are_forgotten_once_acknowledged() {
    let pair = Pair::new().await;
    for number in 0..5 {
        pair.send(&number.to_string()).await;
    }
    let mut inbox = pair.inbox();
    for number in 0..5 {
        let received = message(&mut inbox).await;
        assert_eq!(text(&received), number.to_string());
        assert_eq!(received.from, Origin::Contact(pair.alice.address()));
        received.acknowledge().await.unwrap();
    }
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(mailbox) if mailbox == pair.bob.address()));
    pair.until_empty().await;
    pair.send("later").await;
    assert_eq!(text(&*message(&mut inbox).await), "later");
}

#[tokio::test]
async fn p4_an_empty_mailbox_is_caught_up() {
    let pair = Pair::new().await;
    let mut inbox = pair.inbox();
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
    assert!(inbox.state().borrow().is_live());
}

#[tokio::test]
async fn an_app_hears_of_no_mailbox_but_its_own() {
    let pair = Pair::new().await;
    pair.fake.faults(|faults| faults.others_opened = 1);
    let mut inbox = pair.inbox();
    for pings in 1..=2 {
        pair.fake.ping();
        pair.fake.until(|state| state.pongs == pings).await;
    }
    // By now it has heard that the other mailbox is caught up.
    pair.fake.end_streams(None, 0);
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(mailbox) if mailbox == pair.bob.address()));
    assert_eq!(pair.fake.state().opens, 2);
}

#[tokio::test]
async fn a_relay_that_opens_more_than_was_asked_for_is_left() {
    let pair = Pair::new().await;
    pair.fake.faults(|faults| faults.more_opened = 1);
    let mut inbox = pair.inbox();
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
    assert_eq!(pair.fake.state().opens, 2);
}

#[tokio::test]
async fn acknowledgements_travel_together() {
    let pair = Pair::new().await;
    for _ in 0..20 {
        pair.send("x").await;
    }
    let mut inbox = pair.inbox();
    for _ in 0..20 {
        message(&mut inbox).await.acknowledge().await.unwrap();
    }
    pair.until_empty().await;
    let acks = pair.fake.state().acks.clone();
    assert_eq!(acks.last().unwrap().up_to, 20);
    assert!(acks.len() < 20, "{} acknowledgements", acks.len());
}

#[tokio::test]
async fn acknowledgements_go_at_once_when_half_of_the_credit_is_used() {
    let pair = Pair::new().await;
    for _ in 0..6 {
        pair.send("x").await;
    }
    // The delay alone would take longer than the test waits.
    let stream = StreamOptions::default().max_outstanding(2, 1 << 20).acknowledge_delay(Duration::from_secs(3600));
    let mut inbox = pair.fake.relay().receive([pair.bob.clone()], pair.options().stream(stream));
    for _ in 0..6 {
        message(&mut inbox).await.acknowledge().await.unwrap();
    }
    pair.until_empty().await;
}

#[tokio::test]
async fn acknowledgements_are_flushed_when_the_inbox_closes() {
    let pair = Pair::new().await;
    pair.send("x").await;
    let stream = StreamOptions::default().acknowledge_delay(Duration::from_secs(3600));
    let mut inbox = pair.fake.relay().receive([pair.bob.clone()], pair.options().stream(stream));
    message(&mut inbox).await.acknowledge().await.unwrap();
    let state = inbox.state();
    inbox.close().await;
    assert!(matches!(&*state.borrow(), ConnectionState::Closed { error: None }));
    pair.until_empty().await;
}

#[tokio::test]
async fn p2_a_reconnect_shows_nothing_twice() {
    let pair = Pair::new().await;
    pair.send("held").await;
    pair.send("next").await;
    let mut inbox = pair.inbox();
    let held = message(&mut inbox).await;
    // The stream dies while the app works on the first message and has not seen the second.
    pair.fake.end_streams(None, 0);
    pair.fake.until(|state| state.opens == 2).await;
    let second = message(&mut inbox).await;
    assert_eq!(text(&second), "next");
    held.acknowledge().await.unwrap();
    second.acknowledge().await.unwrap();
    pair.until_empty().await;
}

#[tokio::test]
async fn p2_a_message_stored_twice_is_shown_once() {
    let pair = Pair::new().await;
    pair.send("once").await;
    pair.fake.duplicate_last(&pair.bob.address());
    let mut inbox = pair.inbox();
    let received = message(&mut inbox).await;
    // The copy comes while the first is in the app's hands …
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
    received.acknowledge().await.unwrap();
    pair.until_empty().await;
}

#[tokio::test]
async fn p2_a_message_that_was_handled_is_not_shown_after_a_restart() {
    let pair = Pair::new().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    pair.send("once").await;
    let envelope = pair.fake.state().mailboxes[&pair.bob.address()].queue[&1].clone();
    {
        let dedup = FileDedup::open(&seen).unwrap();
        let mut inbox = pair.fake.relay().receive([pair.bob.clone()], pair.options().dedup(dedup));
        message(&mut inbox).await.acknowledge().await.unwrap();
        inbox.close().await;
    }
    pair.fake.queue(&pair.bob.address(), &envelope);
    let dedup = FileDedup::open(&seen).unwrap();
    let mut inbox = pair.fake.relay().receive([pair.bob.clone()], pair.options().dedup(dedup));
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
    pair.until_empty().await;
}

#[tokio::test]
async fn p2_a_dropped_message_comes_again() {
    let pair = Pair::new().await;
    pair.send("again").await;
    let stream = StreamOptions::default().redeliver_after(Duration::from_millis(10));
    let mut inbox = pair.fake.relay().receive([pair.bob.clone()], pair.options().stream(stream));
    drop(message(&mut inbox).await);
    let received = message(&mut inbox).await;
    assert_eq!(text(&received), "again");
    received.acknowledge().await.unwrap();
    pair.until_empty().await;
}

#[tokio::test]
async fn p5_a_displaced_inbox_ends_for_good() {
    let pair = Pair::new().await;
    let mut old = pair.inbox();
    assert!(matches!(next(&mut old).await, Event::CaughtUp(_)));
    let mut new = pair.inbox();
    assert!(matches!(next(&mut new).await, Event::CaughtUp(_)));
    assert!(old.next().await.is_none());
    assert_eq!(closed(&old).await.unwrap().reason(), Some(Reason::Displaced));
    assert_eq!(pair.fake.state().opens, 2);
    assert!(new.state().borrow().is_live());
}

#[tokio::test]
async fn an_inbox_of_an_unknown_mailbox_ends_for_good() {
    let fake = Fake::start().await;
    let mut inbox = fake.relay().receive([Device::new()], ReceiveOptions::default());
    assert!(inbox.next().await.is_none());
    assert_eq!(closed(&inbox).await.unwrap().reason(), Some(Reason::MailboxUnknown));
}

#[tokio::test]
async fn p11_a_draining_relay_is_left_for_the_time_it_says() {
    let pair = Pair::new().await;
    let mut inbox = pair.inbox();
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
    pair.fake.end_streams(Some(Reason::Draining), 20);
    let mut state = inbox.state();
    let retrying = state.wait_for(|state| matches!(state, ConnectionState::Retrying { .. })).await.unwrap().clone();
    let ConnectionState::Retrying { after, error } = retrying else { panic!("{retrying:?}") };
    assert!(after >= Duration::from_millis(20));
    assert_eq!(error.reason(), Some(Reason::Draining));
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
}

#[tokio::test]
async fn a_silent_stream_is_given_up() {
    let pair = Pair::new().await;
    pair.fake.faults(|faults| faults.silent_streams = 1);
    pair.send("hello?").await;
    let mut inbox = pair.inbox();
    assert_eq!(text(&*message(&mut inbox).await), "hello?");
    assert_eq!(pair.fake.state().opens, 2);
}

#[tokio::test]
async fn pings_are_answered() {
    let pair = Pair::new().await;
    let mut inbox = pair.inbox();
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
    pair.fake.ping();
    pair.fake.until(|state| state.pongs == 1).await;
}

#[tokio::test]
async fn a_wrong_clock_does_not_keep_an_inbox_out() {
    let pair = Pair::new().await;
    pair.fake.faults(|faults| faults.clock_ahead_secs = -7200);
    let mut inbox = pair.inbox();
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
}

#[tokio::test]
async fn an_envelope_that_cannot_be_opened_does_not_stop_the_others() {
    let pair = Pair::new().await;
    pair.fake.queue(&pair.bob.address(), &[7; 1024]);
    pair.send("good").await;
    let mut inbox = pair.inbox();
    let Event::Undecipherable(bad) = next(&mut inbox).await else { panic!("it cannot be opened") };
    assert!(matches!(bad.problem, Problem::Open(_)));
    assert_eq!(text(&*message(&mut inbox).await), "good");
    bad.acknowledge().unwrap();
    pair.fake.until(|state| state.mailboxes[&pair.bob.address()].queue.len() == 1).await;
}

#[tokio::test]
async fn a_stranger_is_known_by_the_introduction() {
    let pair = Pair::new().await;
    pair.contacts.remove(&pair.alice.address());
    pair.send("who?").await;
    pair.send_with("it's me", SendOptions::default().introduce(true)).await;
    let mut inbox = pair.inbox();
    let Event::Undecipherable(unknown) = next(&mut inbox).await else { panic!("the sender is not known") };
    assert_eq!(unknown.problem, Problem::UnknownSender);
    assert!(unknown.claimed_sender == Some(pair.alice.address()));
    let received = message(&mut inbox).await;
    let Origin::Stranger(introduction) = &received.from else { panic!("no contact yet") };
    let contact = Contact::from_introduction(introduction, pair.alice.card().issued()).unwrap();
    assert!(contact.address == pair.alice.address());
    // The way back works.
    pair.fake.relay().send(&pair.bob, &contact, "hello", &SendOptions::default()).await.unwrap();
    assert_eq!(pair.fake.queued(&pair.alice.address()), 1);
}

#[tokio::test]
async fn an_ephemeral_message_needs_no_acknowledgement() {
    let pair = Pair::new().await;
    pair.send_with("typing", SendOptions::default().ephemeral(true)).await;
    assert_eq!(pair.fake.state().ephemeral, 1);
    assert_eq!(pair.fake.queued(&pair.bob.address()), 0);
}

#[tokio::test]
async fn several_mailboxes_share_a_stream() {
    let pair = Pair::new().await;
    let carol = pair.fake.device().await;
    let mut inbox = pair.inbox();
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
    inbox.add(carol.clone()).await.unwrap();
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(mailbox) if mailbox == carol.address()));
    assert_eq!(pair.fake.state().opens, 1);

    inbox.remove(carol.address()).await.unwrap();
    pair.send("to bob").await;
    assert_eq!(text(&*message(&mut inbox).await), "to bob");
    pair.fake.relay().delete_mailbox(&carol).await.unwrap();
    inbox.add(pair.fake.device().await).await.unwrap();
    assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
}

#[tokio::test]
async fn one_mailbox_that_ends_leaves_the_others_open() {
    let pair = Pair::new().await;
    let carol = pair.fake.device().await;
    let mut inbox = pair.fake.relay().receive([pair.bob.clone(), carol.clone()], pair.options());
    for _ in 0..2 {
        assert!(matches!(next(&mut inbox).await, Event::CaughtUp(_)));
    }
    pair.fake.relay().delete_mailbox(&carol).await.unwrap();
    let ended = next(&mut inbox).await;
    assert!(
        matches!(ended, Event::MailboxClosed { mailbox, reason: Reason::MailboxDeleted } if mailbox == carol.address())
    );
    pair.send("still here").await;
    assert_eq!(text(&*message(&mut inbox).await), "still here");
}

#[tokio::test]
async fn one_mailbox_that_is_unknown_leaves_the_others_open() {
    let pair = Pair::new().await;
    let strangers = [Device::new(), Device::new()];
    let devices = strangers.iter().cloned().chain([pair.bob.clone()]);
    let mut inbox = pair.fake.relay().receive(devices, pair.options());
    for _ in &strangers {
        let ended = next(&mut inbox).await;
        assert!(matches!(ended, Event::MailboxClosed { reason: Reason::MailboxUnknown, .. }));
    }
    pair.send("still here").await;
    assert_eq!(text(&*message(&mut inbox).await), "still here");
}

#[tokio::test]
async fn p7_nothing_is_sent_where_the_owner_is_known() {
    let (fake, bob) = (Fake::start().await, Device::new());
    let relay = fake.relay();
    relay.create_mailbox(&bob, None).await.unwrap();
    let mut inbox = relay.receive([bob.clone()], ReceiveOptions::default());
    let contact = relay.accept(&bob.invite(&fake.host()).unwrap()).await.unwrap();
    let options = SendOptions::default().introduce(true);
    relay.send(&bob, &contact, "note to self", &options).await.unwrap();
    let sender = relay.sender(SenderOptions::default());
    sender.send(&bob, &contact, "and another", &options).await.unwrap().await.unwrap();
    message(&mut inbox).await;
    let state = fake.state();
    // Unary calls and the stream, each on one of its own.
    assert_eq!((state.senders.len(), state.owners.len()), (2, 2));
    assert!(state.senders.is_disjoint(&state.owners));
}

#[tokio::test]
async fn a_handler_decides_what_is_acknowledged() {
    let pair = Pair::new().await;
    for word in ["bad", "good", "stop"] {
        pair.send(word).await;
    }
    let stream = StreamOptions::default().redeliver_after(Duration::from_millis(10));
    let mut inbox = pair.fake.relay().receive([pair.bob.clone()], pair.options().stream(stream));
    let mut seen = Vec::new();
    let mut failures = 1;
    let handled = inbox.for_each(async |event: &Event| {
        let Event::Message(received) = event else { return Ok(()) };
        seen.push(text(received));
        if text(received) == "bad" && failures > 0 {
            failures -= 1;
            return Err(());
        }
        Ok(())
    });
    tokio::select! {
        ended = handled => panic!("{ended:?}"),
        () = pair.until_empty() => {}
    }
    assert_eq!(seen, ["bad", "good", "stop", "bad"]);
}

#[tokio::test]
async fn p2_nothing_is_acknowledged_that_could_not_be_remembered() {
    struct FullDisk;
    impl Dedup for FullDisk {
        fn contains(&self, _: &MessageKey) -> std::io::Result<bool> {
            Ok(false)
        }
        fn record(&self, _: &MessageKey) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }
    let pair = Pair::new().await;
    pair.send("x").await;
    let mut inbox = pair.fake.relay().receive([pair.bob.clone()], pair.options().dedup(FullDisk));
    let failed = message(&mut inbox).await.acknowledge().await;
    assert!(matches!(failed, Err(Error::Dedup(std::io::ErrorKind::StorageFull))));
    inbox.close().await;
    assert_eq!(pair.fake.queued(&pair.bob.address()), 1);
    let mut inbox = pair.fake.relay().receive([pair.bob.clone()], pair.options().dedup(MemoryDedup::default()));
    message(&mut inbox).await;
}

#[tokio::test]
async fn envelopes_can_be_received_unopened() {
    let pair = Pair::new().await;
    pair.fake.queue(&pair.bob.address(), &[7; 1024]);
    let mut raw = pair.fake.relay().receive_raw([pair.bob.identity().clone()], StreamOptions::default());
    let Some(RawEvent::Delivery(delivery)) = raw.next().await else { panic!("an envelope") };
    assert_eq!(&*delivery.envelope, &[7; 1024]);
    delivery.acknowledge().unwrap();
    raw.close().await;
    assert_eq!(pair.fake.queued(&pair.bob.address()), 0);
}
