//! The commands of the hot path, written without a copy: appends and acknowledgements, merged by mailbox.

use std::ops::Range;

use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence};

use super::events::RunTag;
use super::keys;
use super::router::Command;
use super::scripts::Scripts;
use super::wire::Out;
use crate::store::{Acknowledgement, Append, Entry, Epoch, QueueLimits};
use crate::telemetry::TraceParent;

/// The envelopes of a batch that are for one mailbox, as one command: they are queued together and in their order, or
/// none is.
pub(super) struct AppendCommand<'a> {
    pub(super) scripts: &'a Scripts,
    pub(super) hour: Hour,
    pub(super) batch: &'a [Append],
    /// Places in the batch.
    pub(super) members: &'a [usize],
}

/// What a call of a script takes besides its envelopes, in bytes, about.
const OVERHEAD: usize = 320;
/// What each envelope takes besides itself.
const ENTRY: usize = 96;

impl AppendCommand<'_> {
    fn appends(&self) -> impl Iterator<Item = &Append> {
        self.members.iter().filter_map(|place| self.batch.get(*place))
    }

    fn address(&self) -> Address {
        self.appends().next().map_or(Address::from_bytes([0; 32]), |append| append.to)
    }
}

impl Command for AppendCommand<'_> {
    fn slot(&self) -> u16 {
        keys::slot(&self.address())
    }

    fn hash(&self) -> u8 {
        let [hash, ..] = *self.address().as_bytes();
        hash
    }

    fn size(&self) -> usize {
        OVERHEAD + self.appends().map(|append| append.envelope.size() + ENTRY).sum::<usize>()
    }

    fn write(&self, run: RunTag, again: bool, out: &mut Out<'_>) {
        let address = self.address();
        let keys = [&keys::mailbox(&address)[..], &keys::queue(&address)];
        let mut hour = itoa::Buffer::new();
        let beginning = [hour.format(self.hour.0).as_bytes(), &run];
        let out = self.scripts.append.join(out, &beginning, &keys, 1 + 3 * self.members.len());
        out.number(self.members.len() as u64);
        for append in self.appends() {
            let mode = match append {
                Append { ephemeral: true, .. } => "e",
                Append { retried: true, .. } => "r",
                _ if again => "r",
                _ => "n",
            };
            let header = Entry::header_of(self.hour, append.message_id, append.urgency);
            out.arg(key_field(&append.key));
            append.journey.encode(|journey| out.parts(&[mode.as_bytes(), journey]));
            out.parts(&[&header, append.envelope.bytes()]);
        }
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn is_confirmed(&self) -> bool {
        true
    }

    fn trace(&self) -> Option<&TraceParent> {
        self.appends().find_map(|append| append.journey.trace.as_deref())
    }
}

/// What a batch acknowledges in one mailbox.
pub(super) struct AcknowledgeCommand<'a> {
    pub(super) scripts: &'a Scripts,
    /// Of one mailbox, incarnation and epoch.
    pub(super) members: &'a [&'a Acknowledgement],
}

/// Ids in one XDEL: a script can pass on only so many arguments.
const IDS_A_CALL: usize = 512;

impl AcknowledgeCommand<'_> {
    fn first(&self) -> Option<&Acknowledgement> {
        self.members.first().copied()
    }

    fn entries(&self) -> impl Iterator<Item = &(Sequence, u32)> {
        self.members.iter().flat_map(|member| &member.entries)
    }
}

impl Command for AcknowledgeCommand<'_> {
    fn slot(&self) -> u16 {
        self.first().map_or(0, |first| keys::slot(&first.address))
    }

    fn hash(&self) -> u8 {
        self.first().map_or(0, |first| {
            let [hash, ..] = *first.address.as_bytes();
            hash
        })
    }

    fn size(&self) -> usize {
        OVERHEAD + self.entries().count() * 32
    }

    fn write(&self, _run: RunTag, _again: bool, out: &mut Out<'_>) {
        let Some(first) = self.first() else { return };
        let keys = [&keys::mailbox(&first.address)[..], &keys::queue(&first.address)];
        let mut entries: Vec<(Sequence, u32)> = self.entries().copied().collect();
        entries.sort_unstable_by_key(|(sequence, size)| (*size, *sequence));
        let groups = || entries.chunk_by(|one, other| one.1 == other.1).flat_map(|alike| alike.chunks(IDS_A_CALL));
        let out = self.scripts.acknowledge.join(out, &[], &keys, 2 + groups().count() * 2 + entries.len());
        out.arg(first.incarnation.0).number(groups().count() as u64);
        for group in groups() {
            if let Some((_, size)) = group.first() {
                out.number(*size).number(group.len() as u64);
                for (sequence, _) in group {
                    out.entry_id(sequence.get());
                }
            }
        }
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn is_confirmed(&self) -> bool {
        false
    }

    // Numbers of another epoch may be other envelopes now; those will be delivered again, which is always allowed.
    fn epoch(&self) -> Option<Epoch> {
        self.first().map(|first| first.epoch)
    }
}

/// Entries accepted before this hour have expired.
pub(super) fn oldest(hour: Hour, limits: &QueueLimits) -> Hour {
    Hour(hour.0.saturating_sub(limits.message_ttl_hours))
}

/// The hash's field of a delivery key.
pub(super) fn key_field(key: &DeliveryKeyHash) -> [u8; 33] {
    let mut field = [b'k'; 33];
    let [_, hash @ ..] = &mut field;
    hash.copy_from_slice(key.as_bytes());
    field
}

/// Sorts places of a batch so that those of one mailbox stand together, in their order; gives the ranges.
pub(super) fn by_mailbox(batch: &[Append]) -> (Vec<usize>, Vec<Range<usize>>) {
    let to = |place: &usize| batch.get(*place).map(|append| append.to);
    let mut places: Vec<usize> = (0..batch.len()).collect();
    places.sort_by_key(to);
    let mut ranges = Vec::with_capacity(places.len());
    for group in places.chunk_by(|one, other| to(one) == to(other)) {
        let start = ranges.last().map_or(0, |last: &Range<usize>| last.end);
        ranges.push(start..start + group.len());
    }
    (places, ranges)
}
