//! What one mailbox has under way, and which acknowledgements follow from it: pure bookkeeping.

use std::collections::BTreeMap;

/// The relay takes so many single sequences in one acknowledgement.
const MAX_SINGLES: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Tray {
    items: BTreeMap<u64, Item>,
    due: Due,
    dropped: usize,
}

/// What the relay could be told of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Item {
    state: State,
    bytes: u64,
    /// Delivered by the present stream, which therefore may be told of it.
    on_stream: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The app has it.
    Held,
    /// The app is done with it; the relay does not know yet.
    Acknowledged,
    /// The app let it go; it is to come again.
    Dropped,
}

/// What to tell the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acknowledgement {
    /// All up to and with this; 0: none.
    pub(super) up_to: u64,
    /// And these.
    pub(super) sequences: Vec<u64>,
}

impl Tray {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// A new stream was opened, which delivers everything that is not acknowledged again.
    pub(super) fn new_stream(&mut self) {
        self.items.retain(|_, item| item.state != State::Dropped);
        self.items.values_mut().for_each(|item| item.on_stream = false);
        (self.due, self.dropped) = (Due::default(), 0);
    }

    /// An envelope came. Whether to show it: not if the app still has it, or is done with it.
    pub(super) fn arrived(&mut self, sequence: u64, bytes: u64) -> bool {
        if let Some(item) = self.items.get_mut(&sequence) {
            if item.state == State::Acknowledged && !item.on_stream {
                self.due.add(item.bytes);
            }
            item.on_stream = true;
            return false;
        }
        self.items.insert(sequence, Item { state: State::Held, bytes, on_stream: true });
        true
    }

    /// The app is done with it.
    pub(super) fn acknowledge(&mut self, sequence: u64) {
        let held = self.items.get_mut(&sequence).filter(|item| item.state == State::Held);
        if let Some(item) = held {
            item.state = State::Acknowledged;
            if item.on_stream {
                self.due.add(item.bytes);
            }
        }
    }

    /// The app let it go.
    pub(super) fn let_go(&mut self, sequence: u64) {
        match self.items.get_mut(&sequence) {
            Some(item) if item.on_stream => {
                item.state = State::Dropped;
                self.dropped += 1;
            }
            // The present stream has yet to deliver it, which then shows it.
            _ => drop(self.items.remove(&sequence)),
        }
    }

    /// All that waited has been delivered: what did not come again is known to the relay, or has expired.
    pub(super) fn caught_up(&mut self) {
        self.items.retain(|_, item| item.on_stream || item.state != State::Acknowledged);
    }

    pub(super) fn due(&self) -> Due {
        self.due
    }

    /// How many are to come again.
    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    /// What to tell the relay now; forgets it. To be called until it gives nothing.
    pub(super) fn take(&mut self) -> Option<Acknowledgement> {
        let on_stream = || self.items.iter().filter(|(_, item)| item.on_stream);
        let is_done = |item: &Item| item.state == State::Acknowledged;
        // The relay delivers in order, so whatever it sends of the lower sequences is here.
        let prefix: Vec<u64> =
            on_stream().take_while(|(_, item)| is_done(item)).map(|(sequence, _)| *sequence).collect();
        let sequences: Vec<u64> = on_stream()
            .skip(prefix.len())
            .filter(|(_, item)| is_done(item))
            .map(|(sequence, _)| *sequence)
            .take(MAX_SINGLES)
            .collect();
        for sequence in prefix.iter().chain(&sequences) {
            if let Some(item) = self.items.remove(sequence) {
                self.due.remove(item.bytes);
            }
        }
        let up_to = prefix.last().copied().unwrap_or_default();
        (up_to != 0 || !sequences.is_empty()).then_some(Acknowledgement { up_to, sequences })
    }
}

impl Due {
    fn add(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ack(up_to: u64, sequences: &[u64]) -> Option<Acknowledgement> {
        Some(Acknowledgement { up_to, sequences: sequences.to_vec() })
    }

    #[test]
    fn what_is_contiguous_is_acknowledged_by_one_number() {
        let mut tray = Tray::default();
        (1..=5).for_each(|sequence| assert!(tray.arrived(sequence, 1024)));
        [3, 1, 2, 5].into_iter().for_each(|sequence| tray.acknowledge(sequence));
        assert_eq!(tray.due(), Due { messages: 4, bytes: 4096 });
        assert_eq!(tray.take(), ack(3, &[5]));
        assert_eq!(tray.take(), None);
        tray.acknowledge(4);
        assert_eq!(tray.take(), ack(4, &[]));
        assert!(tray.is_empty());
    }

    #[test]
    fn p2_an_acknowledgement_waits_for_the_stream_that_delivers_again() {
        let mut tray = Tray::default();
        tray.arrived(7, 1);
        tray.new_stream();
        tray.acknowledge(7);
        assert_eq!(tray.take(), None);
        assert!(!tray.arrived(7, 1));
        assert_eq!(tray.take(), ack(7, &[]));
    }

    #[test]
    fn p2_what_was_let_go_is_shown_again() {
        let mut tray = Tray::default();
        tray.arrived(1, 1);
        tray.let_go(1);
        assert!(tray.dropped() == 1);
        tray.new_stream();
        assert!(tray.dropped() == 0);
        assert!(tray.arrived(1, 1));
        tray.new_stream();
        tray.let_go(1);
        assert!(tray.arrived(1, 1));
    }

    #[test]
    fn what_the_relay_knows_is_forgotten_once_caught_up() {
        let mut tray = Tray::default();
        tray.arrived(1, 1);
        tray.new_stream();
        tray.acknowledge(1);
        tray.caught_up();
        assert!(tray.is_empty());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Arrive(u64),
        Acknowledge(u64),
        LetGo(u64),
        Take,
        NewStream,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_u64..4).prop_map(Step::Arrive),
            4 => (0_u64..24).prop_map(Step::Acknowledge),
            1 => (0_u64..24).prop_map(Step::LetGo),
            2 => Just(Step::Take),
            1 => Just(Step::NewStream),
        ]
    }

    proptest! {
        /// Against a relay that keeps the rules: nothing is acknowledged that the app did not acknowledge, nothing that the
        /// stream did not deliver, and in the end everything that was acknowledged is.
        #[test]
        fn p2_acknowledgements_say_exactly_what_the_app_said(steps in proptest::collection::vec(step(), 0..120)) {
            let mut tray = Tray::default();
            let mut queued: BTreeSet<u64> = BTreeSet::new();
            let mut delivered: BTreeSet<u64> = BTreeSet::new();
            let mut held: Vec<u64> = Vec::new();
            let mut done: BTreeSet<u64> = BTreeSet::new();
            let mut last = 0;
            let apply = |tray: &mut Tray, queued: &mut BTreeSet<u64>, delivered: &BTreeSet<u64>, done: &BTreeSet<u64>| {
                while let Some(told) = tray.take() {
                    let covered = delivered.iter().copied().filter(|sequence| *sequence <= told.up_to);
                    for sequence in covered.chain(told.sequences.iter().copied()) {
                        prop_assert!(delivered.contains(&sequence), "not delivered on this stream");
                        prop_assert!(done.contains(&sequence), "the app did not say so");
                        queued.remove(&sequence);
                    }
                }
                Ok(())
            };
            for step in steps.into_iter().chain([Step::NewStream, Step::Take]) {
                match step {
                    Step::Arrive(gap) => {
                        last += gap;
                        queued.insert(last);
                        delivered.insert(last);
                        prop_assert!(tray.arrived(last, 1));
                        held.push(last);
                    }
                    Step::Acknowledge(index) if !held.is_empty() => {
                        let sequence = held.swap_remove(usize::try_from(index).unwrap() % held.len());
                        tray.acknowledge(sequence);
                        done.insert(sequence);
                    }
                    Step::LetGo(index) if !held.is_empty() => {
                        let sequence = held.swap_remove(usize::try_from(index).unwrap() % held.len());
                        tray.let_go(sequence);
                    }
                    Step::Take => apply(&mut tray, &mut queued, &delivered, &done)?,
                    Step::NewStream => {
                        tray.new_stream();
                        delivered.clear();
                        for sequence in &queued {
                            delivered.insert(*sequence);
                            let shown = tray.arrived(*sequence, 1);
                            prop_assert_eq!(shown, !held.contains(sequence) && !done.contains(sequence));
                            if shown {
                                held.push(*sequence);
                            }
                        }
                        tray.caught_up();
                    }
                    Step::Acknowledge(_) | Step::LetGo(_) => {}
                }
            }
            prop_assert_eq!(tray.due(), Due::default());
            prop_assert!(queued.is_disjoint(&done));
            prop_assert_eq!(tray.items.len(), held.len());
        }
    }
}
