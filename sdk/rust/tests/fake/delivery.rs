//! The anonymous service.

use std::time::Duration;

use sealpost_client::{Address, DeliveryKey, Reason};
use sealpost_proto::status::Failure;
use sealpost_proto::v1::delivery_service_server::DeliveryService;
use sealpost_proto::v1::{self, SendStreamRequest, SendStreamResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Fake, lost, take};

#[tonic::async_trait]
impl DeliveryService for Fake {
    type SendStreamStream = ReceiverStream<Result<SendStreamResponse, Status>>;

    async fn send(&self, request: Request<v1::SendRequest>) -> Result<Response<v1::SendResponse>, Status> {
        self.state().senders.extend(request.remote_addr());
        if take(&mut self.state().faults.hanging) {
            return std::future::pending().await;
        }
        self.accept(&request.into_inner()).map_err(Failure::into_status)?;
        if take(&mut self.state().faults.lost_answers) {
            return Err(lost());
        }
        Ok(Response::new(v1::SendResponse {}))
    }

    async fn send_stream(
        &self,
        request: Request<Streaming<SendStreamRequest>>,
    ) -> Result<Response<Self::SendStreamStream>, Status> {
        self.state().senders.extend(request.remote_addr());
        let mut requests = request.into_inner();
        let (answers, stream) = mpsc::channel(16);
        let fake = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(SendStreamRequest { sends })) = requests.message().await {
                let cut = take(&mut fake.state().faults.cut_batches).then_some(sends.len() / 2);
                let mut results = Vec::new();
                for v1::TaggedSend { tag, send } in sends.into_iter().take(cut.unwrap_or(usize::MAX)) {
                    let refusal = fake.accept(&send.unwrap()).err().map(|failure| v1::Refusal {
                        reason: failure.reason.into(),
                        retry_after_ms: failure.retry_after.map_or(0, |after| after.as_millis().try_into().unwrap()),
                        message: failure.message,
                    });
                    results.push(v1::SendResult { tag, refusal });
                }
                let answer = if cut.is_some() { Err(lost()) } else { Ok(SendStreamResponse { results }) };
                let ends = answer.is_err();
                if answers.send(answer).await.is_err() || ends {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn fetch_card(
        &self,
        request: Request<v1::FetchCardRequest>,
    ) -> Result<Response<v1::FetchCardResponse>, Status> {
        self.state().senders.extend(request.remote_addr());
        let v1::FetchCardRequest { address, delivery_key } = request.into_inner();
        let address = self.admit(&address, &delivery_key).map_err(Failure::into_status)?;
        let card = self.state().mailboxes[&address].card.clone();
        Ok(Response::new(v1::FetchCardResponse { card }))
    }
}

impl Fake {
    fn accept(&self, send: &v1::SendRequest) -> Result<(), Failure> {
        self.state().attempts.push(send.attempt);
        let address = self.admit(&send.to, &send.delivery_key)?;
        let mut state = self.state();
        if take(&mut state.faults.full) {
            return Err(Failure::new(Reason::MailboxFull, "").retry_after(Duration::from_millis(5)));
        }
        if send.ephemeral {
            state.ephemeral += 1;
        } else {
            let mailbox = state.mailboxes.get_mut(&address).unwrap();
            if send.attempt == 0 || !mailbox.ids.contains(&send.message_id) {
                mailbox.push(send.envelope.clone());
                mailbox.ids.push(send.message_id.clone());
            }
        }
        drop(state);
        self.wake();
        Ok(())
    }

    fn admit(&self, address: &[u8], delivery_key: &[u8]) -> Result<Address, Failure> {
        let address = Address::try_from(address).unwrap();
        let hash = DeliveryKey::try_from(delivery_key).unwrap().hash(&address);
        let state = self.state();
        let mailbox = state.mailboxes.get(&address);
        let knows = |grant: &v1::DeliveryKeyGrant| *grant.hash == *hash.as_bytes();
        match mailbox {
            Some(mailbox) if mailbox.grants.iter().any(knows) => Ok(address),
            _ => Err(Failure::new(Reason::DeliveryRefused, "")),
        }
    }
}
