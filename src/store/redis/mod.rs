//! The store for many relays: Redis 7 or Valkey 8.
//!
//! Everything that must be atomic is a script over one mailbox's keys (`scripts`); commands go over a few shared
//! connections, a mailbox always over the same one (`lane`), so that its order is kept; events come back over sharded
//! Pub/Sub (`subscriber`). The keys are listed in `keys`.

mod epochs;
mod events;
mod keys;
mod lane;
mod options;
mod replies;
mod scripts;
mod startup;
mod subscriber;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use redis::{Client, Cmd, IntoConnectionInfo, Pipeline, TlsCertificates, Value};
use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence, VoucherId};

pub use options::{RedisOptions, RedisUrl};
pub use startup::ConnectError;

use super::{
    Acknowledgement, Append, AppendError, Creation, Description, Entry, Grant, Inspection, MailboxChange, NewMailbox,
    NonceMark, Opening, QueueLimits, Read, ReadRequest, SessionAcknowledgement, SessionId, SessionOutcome, Store,
    StoreError, StoreFuture, Wakes, mark,
};
use crate::clock::Clock;
use epochs::Epochs;
use lane::Lane;
use scripts::Scripts;
use subscriber::Subscriber;

/// The store for many relays.
pub struct RedisStore {
    lanes: Vec<Lane>,
    scripts: Arc<Scripts>,
    subscriber: Subscriber,
    canaries: AtomicU64,
    limits: QueueLimits,
    clock: Clock,
    timeout: Duration,
}

/// Ids in one XDEL: a script can pass on only so many arguments.
const IDS_A_CALL: usize = 512;

impl RedisStore {
    /// Checks the server, and starts to listen to it.
    ///
    /// # Errors
    /// Where the server cannot be reached, or would not keep what the options promise.
    pub async fn connect(options: RedisOptions, clock: Clock, wakes: Arc<dyn Wakes>) -> Result<Self, ConnectError> {
        let client = client(&options)?;
        startup::check(&client, options.durability, options.timeout).await?;
        let (scripts, epochs) = (Arc::new(Scripts::new()), Arc::new(Epochs::new(options.durability)));
        Ok(Self {
            lanes: (0..options.connections.max(1))
                .map(|_| Lane::new(client.clone(), options.timeout, scripts.clone(), epochs.clone()))
                .collect(),
            scripts,
            subscriber: Subscriber::start(client, options.timeout, wakes).await,
            canaries: AtomicU64::new(0),
            limits: options.limits,
            clock,
            timeout: options.timeout,
        })
    }

    fn lane_number(&self, address: &Address) -> usize {
        let [byte, ..] = address.as_bytes();
        usize::from(*byte) % self.lanes.len()
    }

    fn lane(&self, address: &Address) -> Result<&Lane, StoreError> {
        self.lanes.get(self.lane_number(address)).ok_or(StoreError::Unavailable("there is no connection"))
    }

    fn hour(&self) -> Hour {
        self.clock.now().hour()
    }

    /// Entries accepted before this hour have expired.
    fn oldest(&self) -> u32 {
        self.hour().0.saturating_sub(self.limits.message_ttl_hours)
    }

    /// When a mailbox is reclaimed whose owner is here now, in Unix seconds: the start of an hour, so that the server
    /// does not learn the moment.
    fn reclaimed_at(&self) -> u64 {
        replies::reclaimed(self.hour(), self.limits.idle_ttl_hours).start().as_secs()
    }

    fn append_command(&self, append: &Append) -> Cmd {
        let hour = self.hour();
        let entry = Entry {
            accepted: hour,
            message_id: append.message_id,
            urgency: append.urgency,
            envelope: append.envelope.clone(),
        };
        let mode = match append {
            Append { ephemeral: true, .. } => "e",
            Append { retried: true, .. } => "r",
            _ => "n",
        };
        let queue_expires = Hour(hour.0.saturating_add(self.limits.message_ttl_hours).saturating_add(1));
        let to = &append.to;
        let mut command = self.scripts.append.call(&[&keys::mailbox(to), &keys::queue(to), &keys::channel(to)]);
        command
            .arg(&key_field(&append.key))
            .arg(hour.0)
            .arg(entry.encode().as_ref())
            .arg(append.envelope.size())
            .arg(self.limits.max_messages)
            .arg(self.limits.max_bytes)
            .arg(queue_expires.start().as_secs())
            .arg(mode)
            .arg(self.limits.retry_window)
            .arg(self.oldest());
        command
    }

    async fn append_batch(&self, batch: Vec<Append>) -> Vec<Result<Sequence, AppendError>> {
        if let [append] = batch.as_slice() {
            let answer = match self.lane(&append.to) {
                Ok(lane) => lane.run_one(self.append_command(append)).await,
                Err(error) => Err(error),
            };
            return vec![answer.map_err(AppendError::from).and_then(replies::appended)];
        }
        let mut results: Vec<_> = batch.iter().map(|_| Err(AppendError::Store(StoreError::TimedOut))).collect();
        let by_lane = self.lanes.iter().enumerate().map(|(number, lane)| {
            let mut pipeline = Pipeline::new();
            let mut places = Vec::new();
            for (place, append) in batch.iter().enumerate().filter(|(_, append)| self.lane_number(&append.to) == number)
            {
                pipeline.add_command(self.append_command(append));
                places.push(place);
            }
            async move {
                let answers = if places.is_empty() { Ok(Vec::new()) } else { lane.run(&pipeline).await };
                (places, answers)
            }
        });
        for (places, answers) in join_all(by_lane).await {
            let mut answers = answers.map(Vec::into_iter);
            for place in places {
                let answer = match &mut answers {
                    Ok(answers) => answers
                        .next()
                        .ok_or(AppendError::Store(StoreError::Corrupt("Redis answers too little")))
                        .and_then(replies::appended),
                    Err(error) => Err(AppendError::Store(*error)),
                };
                if let Some(result) = results.get_mut(place) {
                    *result = answer;
                }
            }
        }
        results
    }

    async fn acknowledge_batch(&self, batch: Vec<Acknowledgement>) -> Result<(), StoreError> {
        let by_lane = self.lanes.iter().enumerate().map(|(number, lane)| {
            let of_lane: Vec<_> = batch.iter().filter(|each| self.lane_number(&each.address) == number).collect();
            self.acknowledge_on(lane, of_lane)
        });
        for outcome in join_all(by_lane).await {
            outcome?;
        }
        Ok(())
    }

    async fn acknowledge_on(&self, lane: &Lane, batch: Vec<&Acknowledgement>) -> Result<(), StoreError> {
        // A lane with nothing to do is not asked for a connection, which it may not have.
        if batch.is_empty() {
            return Ok(());
        }
        let live = lane.connection().await?;
        let mut pipeline = Pipeline::new();
        // Numbers of another epoch may be other envelopes now; those will be delivered again, which is always allowed.
        for acknowledgement in batch.into_iter().filter(|each| each.epoch == live.epoch) {
            for entries in acknowledgement.entries.chunks(IDS_A_CALL) {
                pipeline.add_command(self.acknowledge_command(acknowledgement, entries));
            }
        }
        if !pipeline.is_empty() {
            for answer in lane.run_on(&live, &pipeline).await? {
                replies::integer(answer)?;
            }
        }
        Ok(())
    }

    fn acknowledge_command(&self, acknowledgement: &Acknowledgement, entries: &[(Sequence, u32)]) -> Cmd {
        let address = &acknowledgement.address;
        let mut command = self.scripts.acknowledge.call(&[&keys::mailbox(address), &keys::queue(address)]);
        command.arg(&acknowledgement.incarnation.0);
        let mut sizes: Vec<u32> = entries.iter().map(|(_, size)| *size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        for size in sizes {
            let of_size = || entries.iter().filter(|(_, other)| *other == size);
            command.arg(size).arg(of_size().count());
            for (sequence, _) in of_size() {
                command.arg(format!("0-{}", sequence.get()));
            }
        }
        command
    }

    async fn acknowledge_for_session(&self, request: SessionAcknowledgement) -> Result<SessionOutcome, StoreError> {
        let address = &request.address;
        let keys = [&keys::mailbox(address)[..], &keys::queue(address), &keys::channel(address)];
        loop {
            let mut command = self.scripts.acknowledge_by_session.call(&keys);
            command.arg(&mark::of_session(&request.session)).arg(request.up_to.get());
            for sequence in &request.sequences {
                command.arg(sequence.get());
            }
            match replies::integer(self.lane(address)?.run_one(command).await?)? {
                0 => return Ok(SessionOutcome::SessionEnded),
                1 => return Ok(SessionOutcome::Acknowledged),
                // It does a bounded piece at a time, for other mailboxes' sake.
                _ => {}
            }
        }
    }

    async fn inspect_entries(&self, address: Address, entries: u32) -> Result<Option<Inspection>, StoreError> {
        let keys = [&keys::mailbox(&address)[..], &keys::queue(&address), &keys::card(&address)];
        let mut command = self.scripts.describe.call(&keys);
        command.arg(self.oldest()).arg(entries);
        replies::inspected(self.lane(&address)?.run_one(command).await?, self.limits.idle_ttl_hours)
    }

    async fn canary(&self) -> Result<(), StoreError> {
        let number = self.canaries.fetch_add(1, Ordering::Relaxed) + 1;
        let lane = self.lanes.first().ok_or(StoreError::Unavailable("there is no connection"))?;
        let silent = StoreError::Unavailable("what is published does not arrive");
        let heard = async {
            lane.run_one(self.subscriber.canary(number)).await?;
            self.subscriber.canary_heard(number).await;
            Ok(())
        };
        tokio::time::timeout(self.timeout, heard).await.unwrap_or(Err(silent))
    }
}

impl Store for RedisStore {
    fn create(&self, mailbox: NewMailbox) -> StoreFuture<'_, Result<Creation, StoreError>> {
        Box::pin(async move {
            let address = &mailbox.address;
            let keys = [&keys::mailbox(address)[..], &keys::queue(address), &keys::card(address)];
            let mut command = self.scripts.create.call(&keys);
            command.arg(self.hour().0).arg(self.reclaimed_at()).arg(mailbox.card.as_ref()).arg(&mailbox.incarnation.0);
            add_grants(&mut command, &mailbox.grants);
            match replies::integer(self.lane(address)?.run_one(command).await?)? {
                1 => Ok(Creation::Created),
                _ => Ok(Creation::Exists),
            }
        })
    }

    fn update(&self, address: Address, change: MailboxChange) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut command = self.scripts.update.call(&[&keys::mailbox(&address), &keys::card(&address)]);
            command
                .arg(self.hour().0)
                .arg(self.reclaimed_at())
                .arg(u8::from(change.grants.is_some()))
                .arg(u8::from(change.card.is_some()))
                .arg(change.card.as_deref().unwrap_or_default());
            add_grants(&mut command, change.grants.as_deref().unwrap_or_default());
            Ok(replies::integer(self.lane(&address)?.run_one(command).await?)? == 1)
        })
    }

    fn delete(&self, address: Address) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let keys =
                [&keys::mailbox(&address)[..], &keys::queue(&address), &keys::card(&address), &keys::channel(&address)];
            Ok(replies::integer(self.lane(&address)?.run_one(self.scripts.delete.call(&keys)).await?)? == 1)
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
            let mut command = self.scripts.card.call(&[&keys::mailbox(&address), &keys::card(&address)]);
            command.arg(&key_field(&key)).arg(self.hour().0);
            replies::card(self.lane(&address)?.run_one(command).await?)
        })
    }

    fn append(&self, batch: Vec<Append>) -> StoreFuture<'_, Vec<Result<Sequence, AppendError>>> {
        Box::pin(self.append_batch(batch))
    }

    fn watch(&self, address: Address) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(self.subscriber.watch(address))
    }

    fn unwatch(&self, address: Address) {
        self.subscriber.unwatch(address);
    }

    fn open(&self, address: Address, session: SessionId) -> StoreFuture<'_, Result<Option<Opening>, StoreError>> {
        Box::pin(async move {
            let keys =
                [&keys::mailbox(&address)[..], &keys::card(&address), &keys::channel(&address), &keys::queue(&address)];
            let mut command = self.scripts.open.call(&keys);
            command.arg(&mark::of_session(&session)).arg(self.hour().0).arg(self.reclaimed_at());
            let lane = self.lane(&address)?;
            let live = lane.connection().await?;
            replies::opened(lane.run_one_on(&live, command).await?, live.epoch)
        })
    }

    fn read(&self, request: ReadRequest) -> StoreFuture<'_, Result<Read, StoreError>> {
        Box::pin(async move {
            let address = &request.address;
            let lane = self.lane(address)?;
            let live = lane.connection().await?;
            if live.epoch != request.epoch {
                return Ok(Read::Restarted);
            }
            let mut command = self.scripts.read.call(&[&keys::mailbox(address), &keys::queue(address)]);
            command
                .arg(&mark::of_session(&request.session))
                .arg(request.after.get())
                .arg(request.max_messages)
                .arg(request.max_bytes)
                .arg(self.oldest());
            replies::read(lane.run_one_on(&live, command).await?)
        })
    }

    fn acknowledge(&self, batch: Vec<Acknowledgement>) -> StoreFuture<'_, Result<(), StoreError>> {
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
            let [shard, ..] = mark.hash;
            let lane = self.lanes.get(usize::from(shard) % self.lanes.len());
            let lane = lane.ok_or(StoreError::Unavailable("there is no connection"))?;
            let mut pipeline = Pipeline::with_capacity(2);
            pipeline.cmd("SADD").arg(&key).arg(&mark.hash);
            // A proof is good for a minute around its own time; by then that is over in any case.
            pipeline.cmd("EXPIREAT").arg(&key).arg(Hour(mark.hour.0.saturating_add(2)).start().as_secs());
            let mut answers = lane.run(&pipeline).await?.into_iter();
            Ok(replies::integer(answers.next().unwrap_or(Value::Nil))? == 1)
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
            let mut command = redis::cmd("SET");
            command
                .arg(keys::voucher(&voucher))
                .arg(&mark)
                .arg("NX")
                .arg("GET")
                .arg("EXAT")
                .arg(Hour(expires.0.saturating_add(2)).start().as_secs());
            match self.lane(&mailbox)?.run_one(command).await? {
                Value::Nil => Ok(true),
                spent => Ok(replies::bytes(spent)?.as_ref() == mark),
            }
        })
    }

    fn check(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(self.canary())
    }
}

fn client(options: &RedisOptions) -> Result<Client, ConnectError> {
    let unusable = |_| ConnectError::Unreachable(StoreError::Unavailable("the URL cannot be used"));
    let info = options.url.as_str().into_connection_info().map_err(unusable)?;
    let mut settings = info.redis_settings().clone().set_protocol(redis::ProtocolVersion::RESP3);
    if let Some(password) = options.url.password() {
        settings = settings.set_password(password);
    }
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
    match &options.ca_pem {
        None => Client::open(info).map_err(unusable),
        Some(pem) => {
            let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
            Client::build_with_tls(info, certificates).map_err(|_| ConnectError::BadCa)
        }
    }
}

fn add_grants(command: &mut Cmd, grants: &[Grant]) {
    for grant in grants {
        command.arg(&key_field(&grant.key)).arg(grant.expires.map_or(0, |hour| hour.0));
    }
}

fn key_field(key: &DeliveryKeyHash) -> [u8; 33] {
    let mut field = [b'k'; 33];
    let [_, hash @ ..] = &mut field;
    hash.copy_from_slice(key.as_bytes());
    field
}
