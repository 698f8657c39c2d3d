//! What accepted means.

use futures_util::future::join_all;
use sealpost::store::{Acknowledgement, Append, AppendError, Entry, Event, Opening, QueueLimits, QueuedEntry, Urgency};
use sealpost_core::Sequence;

use crate::fixture::Fixture;
use crate::scene::{Scene, address, key, message_id, sequence};

pub(crate) async fn p1_accepted_survives_a_restart<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    scene.send(100).await;
    scene.send(200).await;
    scene.fixture.restart().await;
    assert_eq!(scene.send(300).await, 3);
    scene.open(1).await;
    assert_eq!(scene.waiting(1).await, [1, 2, 3]);
    assert_eq!(scene.queued().await, (3, 600));
}

pub(crate) async fn p1_accepted_survives_a_crash<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    let batch = (0..50).map(|_| scene.message(1000)).collect();
    assert!(scene.store().append(batch).await.iter().all(Result::is_ok));
    scene.acknowledge(&[(7, 1000)]).await;
    scene.fixture.crash().await;
    scene.open(1).await;
    assert_eq!(scene.waiting(1).await.len(), 49);
    assert_eq!(scene.send(10).await, 51);
}

pub(crate) async fn p1_what_is_told_can_be_read<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.watch().await;
    scene.open(1).await;
    assert!(matches!(scene.recording().next(&scene.address).await, Event::Opened { .. }));
    for number in 1..=40 {
        let (store, message) = (scene.store(), scene.message(100));
        let sending = tokio::spawn(async move { store.append(vec![message]).await });
        let Event::Stored { sequence, .. } = scene.recording().next(&scene.address).await else {
            panic!("an envelope was stored");
        };
        assert_eq!(sequence.get(), number);
        assert_eq!(scene.waiting(1).await.last(), Some(&number), "it can be read as soon as it is told of");
        sending.await.expect("it is sent");
    }
}

pub(crate) async fn p3_sequences_are_dense_and_in_order_under_concurrency<F: Fixture>() {
    const SENDERS: usize = 32;
    const EACH: usize = 20;
    let scene = Scene::<F>::new().await;
    let senders = (0..SENDERS).map(|_| {
        let messages: Vec<_> = (0..EACH).map(|_| scene.message(64)).collect();
        let store = scene.store();
        tokio::spawn(async move {
            let mut sent = Vec::new();
            for message in messages {
                let envelope = message.envelope.clone();
                let results = store.append(vec![message]).await;
                sent.push((results[0].expect("it is accepted"), envelope));
            }
            assert!(sent.is_sorted_by_key(|(sequence, _)| *sequence), "who sends in order is stored in order");
            sent
        })
    });
    let mut sent: Vec<_> = join_all(senders).await.into_iter().flat_map(|sent| sent.expect("it is sent")).collect();
    sent.sort_by_key(|(sequence, _)| *sequence);
    scene.open(1).await;
    let page = scene.page(1, 0, u32::MAX, u64::MAX).await;
    let read: Vec<_> = page.entries.into_iter().map(|entry| (entry.sequence, entry.entry.envelope)).collect();
    assert_eq!(sent, read, "what was answered is what is stored");
    let numbers: Vec<_> = read.iter().map(|(sequence, _)| sequence.get()).collect();
    assert_eq!(numbers, (1..=(SENDERS * EACH) as u64).collect::<Vec<_>>());
}

pub(crate) async fn p3_a_batch_keeps_its_order<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.make(address(2), key(2)).await;
    let batch: Vec<_> = (0..40)
        .map(|number| match number % 4 {
            0 => Append { to: address(2), key: key(2), ..scene.message(30) },
            1 => Append { key: key(9), ..scene.message(30) },
            _ => scene.message(30),
        })
        .collect();
    let results = scene.store().append(batch.clone()).await;
    let (mut ours, mut theirs) = (0, 0);
    for (append, result) in batch.iter().zip(&results) {
        let expected = if append.key == key(9) {
            Err(AppendError::Refused)
        } else {
            let last = if append.to == scene.address { &mut ours } else { &mut theirs };
            *last += 1;
            Ok(sequence(*last))
        };
        assert_eq!(*result, expected);
    }
    assert_eq!((results.len(), ours, theirs), (40, 20, 10));
    scene.open(1).await;
    let sent: Vec<_> = batch
        .into_iter()
        .filter(|append| append.to == scene.address && append.key == scene.key)
        .map(|a| a.envelope)
        .collect();
    let page = scene.page(1, 0, u32::MAX, u64::MAX).await;
    assert_eq!(page.entries.into_iter().map(|entry| entry.entry.envelope).collect::<Vec<_>>(), sent);
}

/// A store may do together what is asked at the same time, but does it for each, and answers each.
pub(crate) async fn p3_what_many_ask_at_once_is_done_and_answered_for_each<F: Fixture>() {
    const MAILBOXES: std::ops::Range<u8> = 100..140;
    let mut scene = Scene::<F>::new().await;
    let store = scene.store();
    let mut asked = Vec::new();
    for mailbox in MAILBOXES {
        scene.make(address(mailbox), key(mailbox)).await;
        let plain = || Append { to: address(mailbox), key: key(mailbox), ..scene.message(20 + usize::from(mailbox)) };
        let sent = |number| Ok(sequence(number));
        asked.push(match mailbox % 6 {
            0 => vec![(plain(), sent(1))],
            1 => vec![(plain(), sent(1)), (plain(), sent(2)), (plain(), sent(3))],
            2 => vec![(Append { key: key(1), ..plain() }, Err(AppendError::Refused))],
            3 => vec![(Append { ephemeral: true, ..plain() }, Ok(Sequence::NONE)), (plain(), sent(1))],
            4 => vec![(Append { to: address(9), ..plain() }, Err(AppendError::Refused)), (plain(), sent(1))],
            _ => {
                let before = plain();
                assert_eq!(scene.try_send(before.clone()).await, sent(1));
                vec![(Append { retried: true, ..before }, sent(1)), (Append { retried: true, ..plain() }, sent(2))]
            }
        });
    }
    let calls = asked.iter().map(|batch| store.append(batch.iter().map(|(append, _)| append.clone()).collect()));
    for (batch, answers) in asked.iter().zip(join_all(calls).await) {
        assert_eq!(answers, batch.iter().map(|(_, answer)| *answer).collect::<Vec<_>>());
    }

    let mut acknowledgements = Vec::new();
    for (mailbox, batch) in MAILBOXES.zip(&asked) {
        (scene.address, scene.key) = (address(mailbox), key(mailbox));
        let Opening { epoch, incarnation, .. } = scene.open(1).await;
        let expected: Vec<_> = batch
            .iter()
            .filter_map(|(append, answer)| {
                Some((answer.ok().filter(|it| *it != Sequence::NONE)?, append.envelope.clone()))
            })
            .collect();
        let read = scene.page(1, 0, u32::MAX, u64::MAX).await.entries;
        assert_eq!(read.into_iter().map(|it| (it.sequence, it.entry.envelope)).collect::<Vec<_>>(), expected);
        // All but the first.
        let entries = expected.iter().skip(1).map(|(sequence, _)| (*sequence, 20 + u32::from(mailbox))).collect();
        acknowledgements.push(Acknowledgement { address: scene.address, epoch, incarnation, entries });
    }
    let (one, other) = acknowledgements.split_at(acknowledgements.len() / 2);
    for outcome in join_all([store.acknowledge(one), store.acknowledge(other)]).await {
        assert_eq!(outcome, Ok(()));
    }
    for (mailbox, batch) in MAILBOXES.zip(&asked) {
        (scene.address, scene.key) = (address(mailbox), key(mailbox));
        let left = u64::from(batch.iter().any(|(_, answer)| *answer == Ok(sequence(1))));
        assert_eq!(scene.queued().await, (left, left * (20 + u64::from(mailbox))));
    }
}

pub(crate) async fn p6_a_mailbox_full_of_messages_refuses_and_keeps_all<F: Fixture>() {
    let scene = Scene::<F>::with(QueueLimits { max_messages: 3, ..QueueLimits::default() }).await;
    for _ in 0..3 {
        scene.send(10).await;
    }
    for _ in 0..2 {
        assert_eq!(scene.try_send(scene.message(10)).await, Err(AppendError::Full));
    }
    scene.open(1).await;
    assert_eq!(scene.waiting(1).await, [1, 2, 3]);
    assert_eq!(scene.describe().await.last, sequence(3), "a refused envelope takes no number");
}

pub(crate) async fn p6_a_mailbox_full_of_bytes_refuses_and_keeps_all<F: Fixture>() {
    let scene = Scene::<F>::with(QueueLimits { max_bytes: 1000, ..QueueLimits::default() }).await;
    scene.send(600).await;
    assert_eq!(scene.try_send(scene.message(401)).await, Err(AppendError::Full));
    assert_eq!(scene.send(400).await, 2);
    assert_eq!(scene.try_send(scene.message(8)).await, Err(AppendError::Full));
    scene.open(1).await;
    assert_eq!(scene.waiting(1).await, [1, 2]);
}

pub(crate) async fn p6_acknowledging_makes_room<F: Fixture>() {
    let limits = QueueLimits { max_messages: 2, max_bytes: 100, ..QueueLimits::default() };
    let scene = Scene::<F>::with(limits).await;
    for number in (1..9).step_by(2) {
        assert_eq!(scene.send(40).await, number);
        assert_eq!(scene.send(60).await, number + 1);
        assert_eq!(scene.try_send(scene.message(8)).await, Err(AppendError::Full));
        scene.acknowledge(&[(number, 40), (number + 1, 60)]).await;
    }
}

pub(crate) async fn p8_an_unknown_mailbox_and_a_wrong_key_get_the_same_answer<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for ephemeral in [false, true] {
        for retried in [false, true] {
            let message = Append { ephemeral, retried, ..scene.message(10) };
            let wrong = Append { key: key(9), ..message.clone() };
            let unknown = Append { to: address(9), ..message.clone() };
            assert_eq!(scene.try_send(wrong).await, Err(AppendError::Refused));
            assert_eq!(scene.try_send(unknown).await, Err(AppendError::Refused));
        }
    }
    assert_eq!(scene.store().card(scene.address, key(9)).await, Ok(None));
    assert_eq!(scene.store().card(address(9), scene.key).await, Ok(None));
    assert_eq!(scene.queued().await, (0, 0));
    assert_eq!(scene.store().describe(address(9)).await, Ok(None));
}

pub(crate) async fn a_sequence_is_not_given_again_after_draining<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for number in 1..=5 {
        assert_eq!(scene.send(10).await, number);
        scene.acknowledge(&[(number, 10)]).await;
        assert_eq!(scene.queued().await, (0, 0));
    }
}

pub(crate) async fn a_sequence_is_not_given_again_after_draining_and_a_restart<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.send(10).await;
    scene.acknowledge(&[(1, 10), (2, 10)]).await;
    scene.fixture.crash().await;
    assert_eq!(scene.open(1).await.last, sequence(2));
    assert_eq!(scene.send(10).await, 3);
}

pub(crate) async fn an_ephemeral_envelope_is_told_of_and_never_stored<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.watch().await;
    let typing = Append { ephemeral: true, ..scene.message(10) };
    assert_eq!(scene.try_send(typing.clone()).await, Ok(Sequence::NONE));
    let Append { envelope, journey, .. } = typing;
    assert_eq!(scene.told().await, [Event::Ephemeral { envelope, journey }]);
    assert_eq!(scene.queued().await, (0, 0));
    assert_eq!(scene.open(1).await.last, Sequence::NONE);
    assert_eq!(scene.waiting(1).await, [0; 0]);
    assert_eq!(scene.send(10).await, 1);
}

pub(crate) async fn an_ephemeral_envelope_needs_a_key_and_no_room<F: Fixture>() {
    let scene = Scene::<F>::with(QueueLimits { max_messages: 1, ..QueueLimits::default() }).await;
    scene.send(10).await;
    let typing = Append { ephemeral: true, ..scene.message(10) };
    assert_eq!(scene.try_send(typing.clone()).await, Ok(Sequence::NONE));
    assert_eq!(scene.try_send(Append { key: key(9), ..typing }).await, Err(AppendError::Refused));
}

pub(crate) async fn an_empty_batch_is_nothing<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    assert_eq!(scene.store().append(Vec::new()).await, []);
}

pub(crate) async fn everything_about_an_entry_is_kept<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let mut expected = Vec::new();
    for (number, urgency) in [Urgency::Low, Urgency::Normal, Urgency::High].into_iter().enumerate() {
        let message = Append { urgency, message_id: message_id(77), ..scene.message(40 + number) };
        let entry =
            Entry { accepted: scene.hour(), message_id: message_id(77), urgency, envelope: message.envelope.clone() };
        expected.push(QueuedEntry { sequence: scene.try_send(message).await.expect("it is accepted"), entry });
        scene.pass_hours(1);
    }
    scene.open(1).await;
    assert_eq!(scene.page(1, 0, u32::MAX, u64::MAX).await.entries, expected);
}
