//! Bringing commands to the node that serves their mailbox, and bringing them again where that is safe.
//!
//! What a server refuses because it is moving a slot, failing over or loading, it has not done: it is asked again, or
//! who serves the mailbox now. What may have happened is asked again only if that does no harm; an append then looks
//! for itself first. All of it ends after one time-out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{ServerErrorKind, Value};
use sealpost_core::Address;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::events::RunTag;
use super::keys;
use super::node::{Node, refusal};
use super::replies;
use super::topology::{Nudge, Topology};
use super::wire::{Endpoint, Fault, Out, Outbox};
use crate::jitter::around;
use crate::store::{Epoch, StoreError};
use crate::telemetry::TraceParent;

/// A command for one slot.
pub(super) trait Command: Sync {
    /// The slot of its keys.
    fn slot(&self) -> u16;

    /// Commands of the same hash keep their order.
    fn hash(&self) -> u8;

    /// Bytes, about.
    fn size(&self) -> usize;

    /// Writes it, as one command for that run of a server; `again` if it may have been done before.
    fn write(&self, run: RunTag, again: bool, out: &mut Out<'_>);

    /// Whether it may be asked again when it may have been done.
    fn is_repeatable(&self) -> bool;

    /// Whether replicas must confirm it, where they must confirm anything.
    fn is_confirmed(&self) -> bool;

    /// The epoch in which alone it means anything.
    fn epoch(&self) -> Option<Epoch> {
        None
    }

    /// What its way is added to, if it is traced.
    fn trace(&self) -> Option<&TraceParent> {
        None
    }
}

/// What came of a command.
#[derive(Debug)]
pub(super) enum Answer {
    /// This, in that epoch.
    Said(Value, Epoch),
    /// Its epoch is over.
    Restarted,
}

impl Answer {
    /// Of a command without an epoch.
    pub(super) fn value(self) -> Value {
        match self {
            Self::Said(value, _) => value,
            Self::Restarted => Value::Nil,
        }
    }
}

/// Brings commands to where they belong.
pub(super) struct Router {
    pub(super) topology: Topology,
    pub(super) nudge: Nudge,
    pub(super) timeout: Duration,
}

/// Tries of one command.
const TRIES: u32 = 32;
/// The first pause between two; doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What to do about an outcome.
enum Verdict {
    Done(Value),
    Failed(StoreError),
    Again(Again),
}

/// How to try again.
#[derive(Debug, Clone, Default)]
struct Again {
    /// It may have been done.
    maybe_done: bool,
    /// Somebody else may serve it by now.
    look: bool,
    /// This one has it, says the one that is about to lose it.
    ask: Option<Endpoint>,
}

impl Router {
    /// Runs one command.
    pub(super) async fn run(&self, command: &impl Command) -> Result<Answer, StoreError> {
        let deadline = Instant::now() + self.timeout;
        let mut state = Again::default();
        let mut last = NOBODY;
        for tries in 1..=TRIES {
            let target = {
                let view = self.topology.view();
                let shard = view.shard(|| command.slot());
                if let (Some(shard), Some(epoch)) = (shard, command.epoch())
                    && shard.epoch != epoch
                {
                    return Ok(Answer::Restarted);
                }
                let asked = state.ask.take().and_then(|at| view.node_at(&at));
                shard.map(|shard| (asked.unwrap_or(&shard.node).clone(), asked.is_some(), shard.epoch))
            };
            let again = match target {
                None => Again { look: true, ..state },
                Some((node, asking, epoch)) => {
                    let call =
                        node.call(command.hash(), command.is_confirmed(), command.size(), command.trace(), |out| {
                            if asking {
                                out.words(&["ASKING"]);
                            }
                            command.write(node.tag(), state.maybe_done, out);
                        });
                    let outcome = call.await.map(|mut answers| answers.pop().unwrap_or(Value::Nil));
                    match judge(outcome, command.is_repeatable(), &mut last) {
                        Verdict::Done(value) => return Ok(Answer::Said(value, epoch)),
                        Verdict::Failed(error) => return Err(error),
                        Verdict::Again(again) => again,
                    }
                }
            };
            state = Again { maybe_done: again.maybe_done || state.maybe_done, ..again };
            if !self.wait(tries, &state, deadline).await {
                break;
            }
        }
        Err(last)
    }

    /// Runs many, each in its place in `commands`; those of the same slot and hash in their order.
    pub(super) async fn run_all<C: Command>(&self, commands: &[C]) -> Vec<Result<Answer, StoreError>> {
        if let [only] = commands {
            return vec![self.run(only).await];
        }
        let deadline = Instant::now() + self.timeout;
        let mut results: Vec<Result<Answer, StoreError>> = commands.iter().map(|_| Err(NOBODY)).collect();
        let mut todo: Vec<(usize, Again)> = (0..commands.len()).map(|place| (place, Again::default())).collect();
        for tries in 1..=TRIES {
            let mut again = Vec::new();
            let groups = self.groups(commands, todo, &mut results, &mut again);
            let calls = groups.iter().map(|group| {
                // The way of what goes together is shown once.
                let trace = group.members.iter().find_map(|(place, _)| commands.get(*place)?.trace());
                group.node.call(group.hash, group.confirmed, group.size, trace, |out| {
                    for (place, state) in &group.members {
                        if let Some(command) = commands.get(*place) {
                            if group.asking {
                                out.words(&["ASKING"]);
                            }
                            command.write(group.node.tag(), state.maybe_done, out);
                        }
                    }
                })
            });
            let outcomes = match calls.len() {
                0 => Vec::new(),
                _ => join_all(calls).await,
            };
            for (group, outcome) in groups.into_iter().zip(outcomes) {
                let each = if group.asking { 2 } else { 1 };
                let mut answers = outcome.map(Vec::into_iter);
                for (place, state) in group.members {
                    let (Some(command), Some(result)) = (commands.get(place), results.get_mut(place)) else { continue };
                    let outcome = match &mut answers {
                        Ok(answers) => Ok(answers.nth(each - 1).unwrap_or(Value::Nil)),
                        Err(fault) => Err(*fault),
                    };
                    let mut last = NOBODY;
                    match judge(outcome, command.is_repeatable(), &mut last) {
                        Verdict::Done(value) => *result = Ok(Answer::Said(value, group.epoch)),
                        Verdict::Failed(error) => *result = Err(error),
                        Verdict::Again(next) => {
                            *result = Err(last);
                            again.push((place, Again { maybe_done: next.maybe_done || state.maybe_done, ..next }));
                        }
                    }
                }
            }
            // What keeps an order has one group, and so it is still in order here, or nearly: places say it exactly.
            again.sort_unstable_by_key(|(place, _)| *place);
            todo = again;
            let combined = todo.iter().fold(None, |all: Option<Again>, (_, each)| {
                Some(Again { look: each.look || all.is_some_and(|all| all.look), ..each.clone() })
            });
            match combined {
                Some(combined) if self.wait(tries, &combined, deadline).await => {}
                _ => break,
            }
        }
        results
    }

    /// Sorts commands by the connection over which they go.
    fn groups<C: Command>(
        &self,
        commands: &[C],
        todo: Vec<(usize, Again)>,
        results: &mut [Result<Answer, StoreError>],
        again: &mut Vec<(usize, Again)>,
    ) -> Vec<Group> {
        let view = self.topology.view();
        let mut groups: Vec<Group> = Vec::new();
        for (place, mut state) in todo {
            let Some(command) = commands.get(place) else { continue };
            let Some(shard) = view.shard(|| command.slot()) else {
                again.push((place, Again { look: true, ..state }));
                continue;
            };
            if command.epoch().is_some_and(|epoch| epoch != shard.epoch) {
                if let Some(result) = results.get_mut(place) {
                    *result = Ok(Answer::Restarted);
                }
                continue;
            }
            let asked = state.ask.take().and_then(|at| view.node_at(&at));
            let (node, asking) = (asked.unwrap_or(&shard.node), asked.is_some());
            let (hash, confirmed) = (node.lane(command.hash()), command.is_confirmed());
            let found = groups.iter_mut().find(|group| {
                group.node.id == node.id
                    && group.hash == hash
                    && group.asking == asking
                    && group.confirmed == confirmed
                    && group.epoch == shard.epoch
            });
            match found {
                Some(group) => {
                    group.size += command.size();
                    group.members.push((place, state));
                }
                None => groups.push(Group {
                    node: node.clone(),
                    hash,
                    asking,
                    confirmed,
                    epoch: shard.epoch,
                    size: command.size(),
                    members: vec![(place, state)],
                }),
            }
        }
        groups
    }

    /// Waits before the next try; false if there is no time for one.
    async fn wait(&self, tries: u32, again: &Again, deadline: Instant) -> bool {
        let pause = (PAUSE * 2u32.pow(tries.min(8) - 1)).min(LONGEST_PAUSE);
        if tries >= TRIES || Instant::now() + pause >= deadline {
            return false;
        }
        if let Some(at) = &again.ask {
            if self.topology.view().node_at(at).is_some() {
                return true;
            }
            self.nudge.hint(at);
        }
        if again.look {
            self.nudge.refreshed().await;
        }
        // The first look is enough of a pause; who still finds trouble then gives it time.
        if tries > 1 || !again.look {
            tokio::time::sleep(around(pause)).await;
        }
        Instant::now() < deadline
    }
}

/// Commands that go out together.
struct Group {
    node: Arc<Node>,
    hash: u8,
    asking: bool,
    confirmed: bool,
    epoch: Epoch,
    size: usize,
    members: Vec<(usize, Again)>,
}

const NOBODY: StoreError = StoreError::Unavailable("no Redis server serves the mailbox");

fn judge(outcome: Result<Value, Fault>, repeatable: bool, last: &mut StoreError) -> Verdict {
    let error = match outcome {
        Ok(Value::ServerError(error)) => error,
        Ok(value) => return Verdict::Done(value),
        Err(Fault::Unsent(error)) if error == Breaker::OPEN => return Verdict::Failed(error),
        Err(Fault::Unsent(error)) => {
            *last = error;
            return Verdict::Again(Again { look: true, ..Again::default() });
        }
        Err(Fault::Unknown(error)) if repeatable && error != StoreError::TimedOut => {
            *last = error;
            return Verdict::Again(Again { look: true, maybe_done: true, ask: None });
        }
        Err(Fault::Unknown(error) | Fault::Unconfirmed(error)) => return Verdict::Failed(error),
    };
    *last = refusal(&error);
    let look = match error.kind() {
        Some(ServerErrorKind::Ask) => {
            return Verdict::Again(Again { ask: redirected(error.details()), look: true, ..Again::default() });
        }
        Some(ServerErrorKind::TryAgain | ServerErrorKind::BusyLoading | ServerErrorKind::NoScript) => false,
        Some(
            ServerErrorKind::Moved
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => true,
        _ => return Verdict::Failed(*last),
    };
    Verdict::Again(Again { look, ..Again::default() })
}

/// Where `ASK slot host:port` points.
pub(super) fn redirected(details: Option<&str>) -> Option<Endpoint> {
    let (host, port) = details?.split_whitespace().nth(1)?.rsplit_once(':')?;
    Some(Endpoint { host: host.to_owned(), port: replies::decimal(port.as_bytes()).ok()? })
}

/// A command that is written once and has no haste.
pub(super) struct Plain {
    slot: u16,
    hash: u8,
    bytes: Vec<u8>,
    repeatable: bool,
    confirmed: bool,
    epoch: Option<Epoch>,
}

impl Plain {
    /// About a mailbox.
    pub(super) fn new(address: &Address, write: impl FnOnce(&mut Out<'_>)) -> Self {
        let [hash, ..] = address.as_bytes();
        Self::at(keys::slot(address), *hash, write)
    }

    /// About a key of another kind.
    pub(super) fn of_key(key: &str, write: impl FnOnce(&mut Out<'_>)) -> Self {
        let slot = keys::slot_of(key);
        let [_, hash] = slot.to_be_bytes();
        Self::at(slot, hash, write)
    }

    fn at(slot: u16, hash: u8, write: impl FnOnce(&mut Out<'_>)) -> Self {
        let mut outbox = Outbox::default();
        write(&mut Out::new(&mut outbox));
        Self { slot, hash, bytes: outbox.into_bytes(), repeatable: false, confirmed: false, epoch: None }
    }

    /// It may be asked twice.
    pub(super) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// Replicas must have it.
    pub(super) fn confirmed(self) -> Self {
        Self { confirmed: true, ..self }
    }

    /// It means nothing in another epoch.
    pub(super) fn in_epoch(self, epoch: Epoch) -> Self {
        Self { epoch: Some(epoch), ..self }
    }
}

impl Command for Plain {
    fn slot(&self) -> u16 {
        self.slot
    }

    fn hash(&self) -> u8 {
        self.hash
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn write(&self, _run: RunTag, _again: bool, out: &mut Out<'_>) {
        out.written(&self.bytes);
    }

    fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }
}
