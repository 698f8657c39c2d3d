//! The owner's service.

use sealpost_client::Reason;
use sealpost_core::Operation;
use sealpost_proto::status;
use sealpost_proto::v1::mailbox_service_server::MailboxService;
use sealpost_proto::v1::{self, ReceiveRequest, ReceiveResponse};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Fake, Mailbox, lost, take};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl MailboxService for Fake {
    type ReceiveStream = ReceiverStream<Result<ReceiveResponse, Status>>;
    type SubscribeStream = ReceiverStream<Result<ReceiveResponse, Status>>;

    async fn create_mailbox(&self, request: Request<v1::CreateMailboxRequest>) -> Answer<v1::CreateMailboxResponse> {
        self.state().owners.extend(request.remote_addr());
        let v1::CreateMailboxRequest { proof, delivery_keys, card, .. } = request.into_inner();
        let address = self.prove(proof, Operation::CreateMailbox)?;
        let mut state = self.state();
        if state.mailboxes.contains_key(&address) {
            return Err(status::of(Reason::MailboxExists, ""));
        }
        state.mailboxes.insert(address, Mailbox { grants: delivery_keys, card, ..Mailbox::default() });
        if take(&mut state.faults.lost_answers) {
            return Err(lost());
        }
        Ok(Response::new(v1::CreateMailboxResponse {}))
    }

    async fn update_mailbox(&self, request: Request<v1::UpdateMailboxRequest>) -> Answer<v1::UpdateMailboxResponse> {
        let v1::UpdateMailboxRequest { proof, delivery_keys, card } = request.into_inner();
        let address = self.prove(proof, Operation::UpdateMailbox)?;
        let mut state = self.state();
        let mailbox = state.mailboxes.get_mut(&address).ok_or_else(|| status::of(Reason::MailboxUnknown, ""))?;
        mailbox.grants = delivery_keys.map_or(std::mem::take(&mut mailbox.grants), |keys| keys.grants);
        mailbox.card = card.unwrap_or_else(|| mailbox.card.clone());
        Ok(Response::new(v1::UpdateMailboxResponse {}))
    }

    async fn delete_mailbox(&self, request: Request<v1::DeleteMailboxRequest>) -> Answer<v1::DeleteMailboxResponse> {
        let address = self.prove(request.into_inner().proof, Operation::DeleteMailbox)?;
        let mut state = self.state();
        state.mailboxes.remove(&address).ok_or_else(|| status::of(Reason::MailboxUnknown, ""))?;
        if take(&mut state.faults.lost_answers) {
            return Err(lost());
        }
        drop(state);
        self.wake();
        Ok(Response::new(v1::DeleteMailboxResponse {}))
    }

    async fn describe_mailbox(
        &self,
        request: Request<v1::DescribeMailboxRequest>,
    ) -> Answer<v1::DescribeMailboxResponse> {
        let address = self.prove(request.into_inner().proof, Operation::DescribeMailbox)?;
        let state = self.state();
        let mailbox = state.mailboxes.get(&address).ok_or_else(|| status::of(Reason::MailboxUnknown, ""))?;
        Ok(Response::new(v1::DescribeMailboxResponse {
            delivery_keys: mailbox.grants.clone(),
            card: mailbox.card.clone(),
            last_sequence: mailbox.last,
            queued_messages: mailbox.queue.len() as u64,
            queued_bytes: mailbox.queue.values().map(|envelope| envelope.len() as u64).sum(),
            generation: mailbox.generation,
            ..Default::default()
        }))
    }

    async fn receive(&self, request: Request<Streaming<ReceiveRequest>>) -> Answer<Self::ReceiveStream> {
        self.state().owners.extend(request.remote_addr());
        self.open_stream(request.into_inner()).await
    }

    async fn subscribe(&self, _: Request<v1::SubscribeRequest>) -> Answer<Self::SubscribeStream> {
        Err(status::of(Reason::MethodUnknown, ""))
    }

    async fn acknowledge(&self, _: Request<v1::AcknowledgeRequest>) -> Answer<v1::AcknowledgeResponse> {
        Err(status::of(Reason::MethodUnknown, ""))
    }
}
