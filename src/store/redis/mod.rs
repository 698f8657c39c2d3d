//! The store for many relays: Redis 7 or Valkey 8, one server, behind Sentinels, or a Cluster.
//!
//! Everything that must be atomic is a script over one mailbox's keys (`scripts`, `keys`). A command is written
//! (`traffic`), brought to the node that serves its mailbox (`router`) over one of a few connections (`node`, `wire`),
//! a mailbox always over the same one, so that its order is kept; events come back over sharded Pub/Sub (`listener`)
//! to who watches (`wake_path`). Who serves what is kept true by `topology`, which asks by `discovery`.

mod breaker;
mod discovery;
mod events;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod keys;
mod listener;
mod node;
mod options;
mod replies;
mod router;
mod scripts;
mod slots;
mod startup;
mod topology;
mod traffic;
mod url;
mod wake_path;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use redis::Value;
use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence, VoucherId};
use tokio::time::{Instant, timeout_at};

pub use options::RedisOptions;
pub use startup::ConnectError;
pub use url::RedisUrl;
pub use wire::DialError;

use super::{
    Acknowledgement, Append, AppendError, CheckError, Creation, Description, Durability, Grant, Inspection,
    MailboxChange, NewMailbox, NonceMark, QueueLimits, Read, ReadRequest, SessionAcknowledgement, SessionId,
    SessionOutcome, Store, StoreError, StoreFuture, Usage, Wakes, mark,
};
use crate::clock::Clock;
use crate::telemetry::Telemetry;
use discovery::Discovery;
use node::{Node, Shared};
use router::{Answer, Plain, Router};
use scripts::Scripts;
use startup::Promise;
use topology::{Nudge, Topology};
use traffic::{AcknowledgeCommand, AppendCommand, by_mailbox, key_field, oldest};
use url::Place;
use wake_path::Watched;
use wire::{Arguments, Confirm, Dialer, Out};

/// The store for many relays.
pub struct RedisStore {
    router: Router,
    shared: Arc<Shared>,
    limits: QueueLimits,
    clock: Clock,
    timeout: Duration,
}

impl RedisStore {
    /// Finds the servers, checks them, and starts to listen to them.
    ///
    /// # Errors
    /// Where one of them cannot be reached, or would not keep what the options promise.
    pub async fn connect(
        options: RedisOptions,
        clock: Clock,
        wakes: Arc<dyn Wakes>,
        telemetry: Telemetry,
    ) -> Result<Self, ConnectError> {
        let Telemetry { metrics, traces } = telemetry;
        let RedisOptions { url, limits, timeout, .. } = options;
        let ca = options.ca_pem.as_deref();
        let dialer = || Dialer::new(url.tls, ca, timeout, metrics.clone()).map_err(|_| ConnectError::BadCa);
        let sentinels = dialer()?.with_login(options.sentinel_user.as_deref(), options.sentinel_password.as_deref(), 0);
        let nudge = Nudge::default();
        let shared = Arc::new(Shared {
            dialer: dialer()?
                .with_login(url.user.as_deref(), url.password.as_deref(), url.database)
                .joining(!matches!(url.place, Place::Cluster(_))),
            scripts: Scripts::new(&limits),
            connections: options.connections.max(1),
            confirm: match options.durability {
                Durability::Replicas(replicas) => {
                    Some(Confirm { replicas: u32::from(replicas), within: node::confirm_within(timeout) })
                }
                Durability::Memory | Durability::Fsync => None,
            },
            wakes,
            watched: Watched::new(),
            nudge: nudge.clone(),
            metrics: metrics.clone(),
            traces,
        });
        let promise = Promise { durability: options.durability, only_warn: options.only_warn };
        let discovery = Discovery::new(url.place, || sentinels);
        let topology = Topology::start(discovery, promise, shared.clone()).await?;
        let listening =
            join_all(topology.view().nodes().cloned().map(|node| async move { node.listener.listening().await }));
        // Where that takes too long, the relay starts all the same: it is not ready until the wake path works.
        let _ = tokio::time::timeout(timeout, listening).await;
        Ok(Self { router: Router { topology, nudge, timeout }, shared, limits, clock, timeout })
    }

    fn hour(&self) -> Hour {
        self.clock.now().hour()
    }

    /// Entries accepted before this hour have expired.
    fn oldest(&self) -> u32 {
        oldest(self.hour(), &self.limits).0
    }

    /// When a mailbox is reclaimed whose owner is here now, in Unix seconds: the start of an hour, so that the server
    /// does not learn the moment.
    fn reclaimed_at(&self) -> u64 {
        replies::reclaimed(self.hour(), self.limits.idle_ttl_hours).start().as_secs()
    }

    async fn run(&self, command: Plain) -> Result<Value, StoreError> {
        self.router.run(&command).await.map(Answer::value)
    }

    async fn append_batch(&self, batch: Vec<Append>) -> Vec<Result<Sequence, AppendError>> {
        let (hour, scripts) = (self.hour(), &self.shared.scripts);
        if let [_] = batch.as_slice() {
            let command = AppendCommand { scripts, hour, batch: &batch, members: &[0] };
            let answer = self.router.run(&command).await.map(Answer::value);
            return vec![answer.map_err(AppendError::from).and_then(replies::appended)];
        }
        let (places, ranges) = by_mailbox(&batch);
        let commands: Vec<_> = ranges
            .into_iter()
            .filter_map(|range| Some(AppendCommand { scripts, hour, batch: &batch, members: places.get(range)? }))
            .collect();
        let mut results: Vec<_> = batch.iter().map(|_| Err(AppendError::Store(StoreError::TimedOut))).collect();
        for (command, answer) in commands.iter().zip(self.router.run_all(&commands).await) {
            let answers = replies::appended_together(answer.map(Answer::value), command.members.len());
            for (place, answer) in command.members.iter().zip(answers) {
                if let Some(result) = results.get_mut(*place) {
                    *result = answer;
                }
            }
        }
        results
    }

    async fn acknowledge_batch(&self, batch: &[Acknowledgement]) -> Result<(), StoreError> {
        let mut sorted: Vec<&Acknowledgement> = batch.iter().collect();
        let key = |it: &Acknowledgement| (it.address, it.epoch, it.incarnation.0);
        sorted.sort_unstable_by_key(|it| key(it));
        let commands: Vec<_> = sorted
            .chunk_by(|one, other| key(one) == key(other))
            .map(|members| AcknowledgeCommand { scripts: &self.shared.scripts, members })
            .collect();
        for answer in self.router.run_all(&commands).await {
            match answer? {
                Answer::Said(value, _) => drop(replies::integer(value)?),
                Answer::Restarted => {}
            }
        }
        Ok(())
    }

    async fn acknowledge_for_session(&self, request: SessionAcknowledgement) -> Result<SessionOutcome, StoreError> {
        let address = &request.address;
        loop {
            let command = self.script(address, Keys::MailboxAndQueue, |out, keys| {
                let arguments = 2 + request.sequences.len();
                let out = self.shared.scripts.acknowledge_by_session.call(out, keys, arguments);
                out.arg(mark::of_session(&request.session)).number(request.up_to.get());
                for sequence in &request.sequences {
                    out.number(sequence.get());
                }
            });
            match replies::integer(self.run(command.repeatable()).await?)? {
                0 => return Ok(SessionOutcome::SessionEnded),
                1 => return Ok(SessionOutcome::Acknowledged),
                // It does a bounded piece at a time, for other mailboxes' sake.
                _ => {}
            }
        }
    }

    async fn inspect_entries(&self, address: Address, entries: u32) -> Result<Option<Inspection>, StoreError> {
        let command = self.script(&address, Keys::All, |out, keys| {
            self.shared.scripts.describe.call(out, keys, 2).number(self.oldest()).number(entries);
        });
        replies::inspected(self.run(command.repeatable()).await?, self.limits.idle_ttl_hours)
    }

    /// A call of a script for a mailbox.
    fn script(&self, address: &Address, keys: Keys, write: impl FnOnce(&mut Out<'_>, &[&[u8]])) -> Plain {
        let (mailbox, queue, card) = (keys::mailbox(address), keys::queue(address), keys::card(address));
        Plain::new(address, |out| match keys {
            Keys::MailboxAndQueue => write(out, &[&mailbox, &queue]),
            Keys::MailboxAndCard => write(out, &[&mailbox, &card]),
            Keys::All => write(out, &[&mailbox, &queue, &card]),
        })
    }

    /// Whether each node answers, and what is published there arrives.
    async fn canaries(&self) -> Result<(), CheckError> {
        let view = self.router.topology.view().clone();
        if !view.is_whole() {
            return Err(StoreError::Unavailable("a part of the Redis Cluster is served by nobody").into());
        }
        for outcome in join_all(view.nodes().map(|node| self.canary(node))).await {
            outcome?;
        }
        Ok(())
    }

    async fn canary(&self, node: &Node) -> Result<(), CheckError> {
        let deadline = Instant::now() + self.timeout;
        let ping = done(node, |out| {
            out.command(1).arg("PING");
        });
        timeout_at(deadline, ping).await.unwrap_or(Err(StoreError::TimedOut))?;
        let heard = async {
            node.listener.listening().await;
            let (channel, number) = node.listener.canary();
            let publish = done(node, |out| {
                out.command(3).arg("SPUBLISH").arg(&channel).arg(number.to_be_bytes());
            });
            publish.await?;
            node.listener.heard(number).await;
            Ok(())
        };
        let silent = StoreError::Unavailable("what is published does not arrive");
        timeout_at(deadline, heard).await.unwrap_or(Err(silent)).map_err(CheckError::WakePath)
    }
}

/// A short command that belongs to no mailbox.
async fn done(node: &Node, write: impl FnOnce(&mut Out<'_>)) -> Result<(), StoreError> {
    let answers = node.call(0, false, 64, None, write).await.map_err(|fault| fault.error())?;
    match answers.first().and_then(node::server_error) {
        Some(error) => Err(node::refusal(error)),
        None => Ok(()),
    }
}

/// Which keys of a mailbox a script touches.
#[derive(Clone, Copy)]
enum Keys {
    MailboxAndQueue,
    MailboxAndCard,
    All,
}

impl Store for RedisStore {
    fn create(&self, mailbox: NewMailbox) -> StoreFuture<'_, Result<Creation, StoreError>> {
        Box::pin(async move {
            let command = self.script(&mailbox.address, Keys::All, |out, keys| {
                let out = self.shared.scripts.create.call(out, keys, 4 + 2 * mailbox.grants.len());
                out.number(self.hour().0).number(self.reclaimed_at()).arg(&mailbox.card).arg(mailbox.incarnation.0);
                add_grants(out, &mailbox.grants);
            });
            match replies::integer(self.run(command.confirmed()).await?)? {
                1 => Ok(Creation::Created),
                _ => Ok(Creation::Exists),
            }
        })
    }

    fn update(&self, address: Address, change: MailboxChange) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let command = self.script(&address, Keys::MailboxAndCard, |out, keys| {
                let grants = change.grants.as_deref().unwrap_or_default();
                let out = self.shared.scripts.update.call(out, keys, 5 + 2 * grants.len());
                out.number(self.hour().0)
                    .number(self.reclaimed_at())
                    .number(u8::from(change.grants.is_some()))
                    .number(u8::from(change.card.is_some()))
                    .arg(change.card.as_deref().unwrap_or_default());
                add_grants(out, grants);
            });
            Ok(replies::integer(self.run(command.repeatable().confirmed()).await?)? == 1)
        })
    }

    fn delete(&self, address: Address) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let command = self.script(&address, Keys::All, |out, keys| {
                self.shared.scripts.delete.call(out, keys, 0);
            });
            Ok(replies::integer(self.run(command.confirmed()).await?)? == 1)
        })
    }

    fn describe(&self, address: Address) -> StoreFuture<'_, Result<Option<Description>, StoreError>> {
        Box::pin(async move { Ok(self.inspect_entries(address, 0).await?.map(|inspection| inspection.description)) })
    }

    fn inspect(&self, address: Address, max_entries: u32) -> StoreFuture<'_, Result<Option<Inspection>, StoreError>> {
        Box::pin(self.inspect_entries(address, max_entries))
    }

    fn card(&self, address: Address, key: DeliveryKeyHash) -> StoreFuture<'_, Result<Option<Bytes>, StoreError>> {
        Box::pin(async move {
            let command = self.script(&address, Keys::MailboxAndCard, |out, keys| {
                self.shared.scripts.card.call(out, keys, 2).arg(key_field(&key)).number(self.hour().0);
            });
            replies::card(self.run(command.repeatable()).await?)
        })
    }

    fn append(&self, batch: Vec<Append>) -> StoreFuture<'_, Vec<Result<Sequence, AppendError>>> {
        Box::pin(self.append_batch(batch))
    }

    fn watch(&self, address: Address) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(self.shared.watched.watch(address))
    }

    fn unwatch(&self, address: Address) {
        self.shared.watched.unwatch(address);
    }

    fn open(
        &self,
        address: Address,
        session: SessionId,
    ) -> StoreFuture<'_, Result<Option<super::Opening>, StoreError>> {
        Box::pin(async move {
            let command = self.script(&address, Keys::All, |out, keys| {
                let out = self.shared.scripts.open.call(out, keys, 3);
                out.arg(mark::of_session(&session)).number(self.hour().0).number(self.reclaimed_at());
            });
            match self.router.run(&command.repeatable()).await? {
                Answer::Said(value, epoch) => replies::opened(value, epoch),
                Answer::Restarted => Ok(None),
            }
        })
    }

    fn read(&self, request: ReadRequest) -> StoreFuture<'_, Result<Read, StoreError>> {
        Box::pin(async move {
            let address = &request.address;
            let command = self.script(address, Keys::MailboxAndQueue, |out, keys| {
                let out = self.shared.scripts.read.call(out, keys, 5);
                out.arg(mark::of_session(&request.session))
                    .number(request.after.get())
                    .number(request.max_messages)
                    .number(request.max_bytes)
                    .number(self.oldest());
            });
            let node = self.router.topology.view().shard(|| keys::slot(address)).map(|shard| shard.node.clone());
            let _turn = match &node {
                // It is never closed.
                Some(node) => node.reads.acquire().await.ok(),
                None => None,
            };
            match self.router.run(&command.repeatable().in_epoch(request.epoch)).await? {
                Answer::Said(value, _) => replies::read(value),
                Answer::Restarted => Ok(Read::Restarted),
            }
        })
    }

    fn acknowledge<'a>(&'a self, batch: &'a [Acknowledgement]) -> StoreFuture<'a, Result<(), StoreError>> {
        Box::pin(self.acknowledge_batch(batch))
    }

    fn acknowledge_by_session(
        &self,
        acknowledgement: SessionAcknowledgement,
    ) -> StoreFuture<'_, Result<SessionOutcome, StoreError>> {
        Box::pin(self.acknowledge_for_session(acknowledgement))
    }

    fn remember_nonce(&self, mark: NonceMark) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let key = keys::nonces(&mark);
            // A proof is good for a minute around its own time; by then that is over in any case.
            let ends = Hour(mark.hour.0.saturating_add(2)).start().as_secs();
            let command = Plain::of_key(&key, |out| {
                self.shared.scripts.remember_nonce.call(out, &[key.as_bytes()], 2).arg(mark.hash).number(ends);
            });
            Ok(replies::integer(self.run(command).await?)? == 1)
        })
    }

    fn redeem_voucher(
        &self,
        voucher: VoucherId,
        expires: Hour,
        mailbox: Address,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let mark = mark::of_voucher(&voucher, &mailbox);
            let key = keys::voucher(&voucher);
            let command = Plain::of_key(&key, |out| {
                let ends = Hour(expires.0.saturating_add(2)).start().as_secs();
                out.command(7).arg("SET").arg(&key).arg(mark).arg("NX").arg("GET").arg("EXAT").number(ends);
            });
            match self.run(command.repeatable().confirmed()).await? {
                Value::Nil => Ok(true),
                spent => Ok(replies::bytes(spent)?.as_ref() == mark),
            }
        })
    }

    fn check(&self) -> StoreFuture<'_, Result<(), CheckError>> {
        Box::pin(self.canaries())
    }

    fn usage(&self) -> StoreFuture<'_, Result<Usage, StoreError>> {
        Box::pin(async move {
            let view = self.router.topology.view().clone();
            let mut all = Usage { bytes: 0, limit: Some(0) };
            for usage in join_all(view.nodes().map(|node| node.usage())).await {
                let Usage { bytes, limit } = usage?;
                all.bytes = all.bytes.saturating_add(bytes);
                all.limit = all.limit.zip(limit).map(|(all, one)| all.saturating_add(one));
            }
            Ok(all)
        })
    }
}

fn add_grants(out: &mut Arguments, grants: &[Grant]) {
    for grant in grants {
        out.arg(key_field(&grant.key)).number(grant.expires.map_or(0, |hour| hour.0));
    }
}
