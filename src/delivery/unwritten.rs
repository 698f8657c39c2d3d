//! Acknowledgements of one stream for which there is no room at the acknowledger.
//!
//! Those of one mailbox become one, so that little is held, and little is left to write, when there is room. And the
//! owner is listened to meanwhile: what it says would otherwise wait in the HTTP/2 library, which keeps the room for it
//! for as long as the connection lives.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::acknowledger::Acknowledger;
use crate::store::{Acknowledgement, StoreFuture};

/// In the order in which they came, but that a mailbox's later ones join its first.
#[derive(Default)]
pub(super) struct Unwritten {
    /// The first, which waits for room.
    first: Option<StoreFuture<'static, ()>>,
    waiting: VecDeque<Acknowledgement>,
    /// Those of `waiting`.
    envelopes: usize,
}

/// Envelopes that they may be of, before the owner is not listened to any more.
const MANY: usize = 512;

impl Unwritten {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.waiting.is_empty()
    }

    /// Whether no more should come.
    pub(super) fn are_many(&self) -> bool {
        self.envelopes >= MANY
    }

    /// Hands one on, or keeps it where there is no room.
    pub(super) fn write(&mut self, acknowledgement: Acknowledgement, acknowledger: &Acknowledger) {
        // Those that wait already go first.
        let refused = match self.is_empty() {
            true => acknowledger.try_put(acknowledgement),
            false => Err(acknowledgement),
        };
        if let Err(refused) = refused {
            self.put(refused);
        }
    }

    /// Waits until the first was handed on; where there is none, for ever.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, acknowledger: &Acknowledger) -> Poll<()> {
        if self.first.is_none() {
            let Some(first) = self.pop() else { return Poll::Pending };
            let acknowledger = acknowledger.clone();
            self.first = Some(Box::pin(async move { acknowledger.put(first).await }));
        }
        if let Some(first) = &mut self.first {
            ready!(first.as_mut().poll(context));
            self.first = None;
        }
        Poll::Ready(())
    }

    /// Hands all on.
    pub(super) async fn write_all(mut self, acknowledger: Acknowledger) {
        while !self.is_empty() {
            poll_fn(|context| self.poll_write(context, &acknowledger)).await;
        }
    }

    fn put(&mut self, acknowledgement: Acknowledgement) {
        self.envelopes += acknowledgement.entries.len();
        let first = acknowledgement.entries.first().map(|(sequence, _)| *sequence);
        let joins = |it: &&mut Acknowledgement| {
            let same = (it.address, it.epoch, it.incarnation)
                == (acknowledgement.address, acknowledgement.epoch, acknowledgement.incarnation);
            // Entries rise.
            same && it.entries.last().map(|(sequence, _)| *sequence) < first
        };
        match self.waiting.iter_mut().find(joins) {
            Some(earlier) => earlier.entries.extend(acknowledgement.entries),
            None => self.waiting.push_back(acknowledgement),
        }
    }

    fn pop(&mut self) -> Option<Acknowledgement> {
        let first = self.waiting.pop_front()?;
        self.envelopes -= first.entries.len();
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use sealpost_core::{Address, Sequence};

    use super::*;
    use crate::store::{Epoch, Incarnation};

    fn of(mailbox: u8, sequences: &[u64]) -> Acknowledgement {
        Acknowledgement {
            address: Address::from_bytes([mailbox; 32]),
            epoch: Epoch::default(),
            incarnation: Incarnation([0; 8]),
            entries: sequences.iter().map(|sequence| (Sequence::new(*sequence).expect("a number"), 1)).collect(),
        }
    }

    fn all(mut unwritten: Unwritten) -> Vec<(u8, Vec<u64>)> {
        let each = |it: Acknowledgement| {
            (it.address.as_bytes()[0], it.entries.iter().map(|(sequence, _)| sequence.get()).collect())
        };
        std::iter::from_fn(|| unwritten.pop()).map(each).collect()
    }

    #[test]
    fn those_of_a_mailbox_become_one_with_rising_entries() {
        let mut unwritten = Unwritten::default();
        for next in [of(1, &[1, 2]), of(2, &[7]), of(1, &[3]), of(2, &[5]), of(2, &[8]), of(1, &[4, 9])] {
            unwritten.put(next);
        }
        assert_eq!(all(unwritten), [(1, vec![1, 2, 3, 4, 9]), (2, vec![7, 8]), (2, vec![5])]);
    }

    #[test]
    fn another_incarnation_of_a_mailbox_is_another_mailbox() {
        let mut unwritten = Unwritten::default();
        unwritten.put(of(1, &[1]));
        unwritten.put(Acknowledgement { incarnation: Incarnation([1; 8]), ..of(1, &[2]) });
        assert_eq!(all(unwritten), [(1, vec![1]), (1, vec![2])]);
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_first_and_none_is_left() {
        let (acknowledger, mut written) = Acknowledger::with_room(1);
        let mut unwritten = Unwritten::default();
        unwritten.write(of(1, &[1]), &acknowledger);
        assert!(unwritten.is_empty(), "there was room");
        unwritten.write(of(2, &[1]), &acknowledger);
        assert!(written.recv().await.is_some());
        unwritten.write(of(3, &[1]), &acknowledger);
        assert!(written.try_recv().is_err(), "another waits already");

        poll_fn(|context| unwritten.poll_write(context, &acknowledger)).await;
        assert!(poll_fn(|context| unwritten.poll_write(context, &acknowledger)).now_or_never().is_none());
        assert!(unwritten.waiting.is_empty() && !unwritten.is_empty(), "the last one is on its way");
        let rest = tokio::spawn(unwritten.write_all(acknowledger));
        let mut mailboxes = Vec::new();
        while let Some(next) = written.recv().await {
            mailboxes.push(next.address.as_bytes()[0]);
        }
        assert_eq!(mailboxes, [2, 3]);
        rest.await.expect("no panic");
    }

    #[test]
    fn there_are_many_until_enough_have_gone() {
        let mut unwritten = Unwritten::default();
        let sequences: Vec<u64> = (1..MANY as u64).collect();
        unwritten.put(of(1, &sequences));
        assert!(!unwritten.are_many());
        unwritten.put(of(2, &[1]));
        assert!(unwritten.are_many());
        unwritten.pop();
        assert!(!unwritten.are_many() && !unwritten.is_empty());
    }
}
