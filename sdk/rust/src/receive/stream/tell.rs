//! What the relay is told.

use std::collections::HashSet;
use std::time::Duration;

use sealpost_core::Operation;
use sealpost_proto::v1::receive_request::Kind as Request;
use sealpost_proto::v1::receive_response::Kind as Response;
use sealpost_proto::v1::{self, ReceiveRequest, ReceiveResponse};
use tokio::time::timeout;
use tonic::Streaming;

use super::super::session::Command;
use super::super::tray::Due;
use super::Stream;
use crate::retry::from_now;

/// How long a relay has to take the last acknowledgements.
const FAREWELL: Duration = Duration::from_secs(2);

impl Stream<'_> {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Add(owner) => {
                let address = owner.address();
                let is_open = self.numbers.contains_key(&address);
                let is_known = self.session.owners.contains_key(&address);
                if !(is_open && is_known) {
                    let proof = self.session.relay.inner.prover.prove(&owner, Operation::OpenMailbox);
                    self.tell(Request::Add(v1::Add { proof: Some(proof) }));
                    self.asked = self.asked.saturating_add(1);
                }
                self.session.owners.insert(address, *owner);
            }
            Command::Remove(address) => {
                self.flush();
                let number = self.numbers.get(&address).copied();
                if let Some(mailbox) = number {
                    self.tell(Request::Remove(v1::Remove { mailbox }));
                }
                self.session.forget(&address);
            }
        }
    }

    /// Sees what the app has acknowledged or dropped.
    pub(super) fn settle(&mut self) {
        let Due { messages, bytes } = self.session.board.due();
        let options = self.session.options;
        let is_pressing =
            messages * 2 >= u64::from(options.max_outstanding_messages) || bytes * 2 >= options.max_outstanding_bytes;
        if messages > 0 && is_pressing {
            self.flush();
        } else if messages > 0 {
            self.flush_at.get_or_insert_with(|| from_now(options.acknowledge_delay));
        }
        if self.session.board.has_dropped() {
            self.reopen_at.get_or_insert_with(|| from_now(options.redeliver_after));
        }
    }

    /// Tells the relay what is acknowledged.
    pub(super) fn flush(&mut self) {
        self.flush_at = None;
        // What is taken from the board must go out, so there has to be room for it first.
        while let Ok(room) = self.requests.try_reserve() {
            let Some(ack) = self.next_ack() else { return };
            room.send(ack);
        }
        self.flush_at = Some(from_now(self.session.options.acknowledge_delay));
    }

    /// Sends the last acknowledgements and closes the mailboxes. As the relay does things in order, its word that they
    /// are closed says that the acknowledgements are taken, too.
    pub(super) async fn say_farewell(self, mut responses: Streaming<ReceiveResponse>) {
        let mut open: HashSet<u32> = self.mailboxes.keys().copied().collect();
        let say = async {
            while let Some(ack) = self.next_ack() {
                let _ = self.requests.send(ack).await;
            }
            for mailbox in self.mailboxes.keys().copied() {
                let remove = Request::Remove(v1::Remove { mailbox });
                let _ = self.requests.send(ReceiveRequest { kind: Some(remove) }).await;
            }
        };
        let hear = async {
            while let Ok(Some(response)) = responses.message().await {
                if let Some(Response::MailboxClosed(v1::MailboxClosed { mailbox, .. })) = response.kind {
                    open.remove(&mailbox);
                }
                if open.is_empty() {
                    return;
                }
            }
        };
        let _ = timeout(FAREWELL, async { tokio::join!(say, hear) }).await;
    }

    fn next_ack(&self) -> Option<ReceiveRequest> {
        loop {
            let (address, told) = self.session.board.take()?;
            let number = self.numbers.get(&address).copied();
            if let Some(mailbox) = number {
                let ack = v1::Ack { mailbox, up_to: told.up_to, sequences: told.sequences };
                return Some(ReceiveRequest { kind: Some(Request::Ack(ack)) });
            }
        }
    }

    pub(super) fn tell(&self, request: Request) {
        // If there is no room, the relay reads nothing, and will find the stream silent.
        let _ = self.requests.try_send(ReceiveRequest { kind: Some(request) });
    }
}
