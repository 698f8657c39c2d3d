//! `MailboxService`: for a mailbox's owner.

use std::sync::Arc;

use sealpost_core::Operation;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::mailbox_service_server::MailboxService;
use tonic::{Request, Response, Status, Streaming};

use super::measured::{Measured, traceparent};
use super::proofs::Proofs;
use super::{ApiConfig, body, failure, parse, receive};
use crate::delivery::Services;
use crate::store::{
    Creation, Incarnation, MailboxChange, NewMailbox, SessionAcknowledgement, SessionId, SessionOutcome,
};
use crate::telemetry::Procedure;

/// The service.
pub(super) struct Mailboxes {
    config: Arc<ApiConfig>,
    services: Arc<Services>,
    proofs: Proofs,
}

impl Mailboxes {
    pub(super) fn new(config: Arc<ApiConfig>, services: Arc<Services>, proofs: Proofs) -> Self {
        Self { config, services, proofs }
    }

    async fn create(&self, request: v1::CreateMailboxRequest) -> Result<v1::CreateMailboxResponse, Failure> {
        let grants = parse::grants(&self.config, &request.delivery_keys)?;
        let card = parse::card(&self.config, &request.card)?;
        let address = self.proofs.verify(request.proof.as_ref(), Operation::CreateMailbox).await?;
        let store = self.services.store.as_ref();
        let now = self.services.clock.now();
        self.config.admission.admit(&request.voucher, address, &self.config.names, now, store).await?;
        match store.create(NewMailbox { address, incarnation: Incarnation(rand::random()), grants, card }).await {
            Ok(Creation::Created) => Ok(v1::CreateMailboxResponse {}),
            Ok(Creation::Exists) => {
                Err(Failure::new(Reason::MailboxExists, "there is a mailbox of this address; it was not changed"))
            }
            Err(error) => Err(failure::of_store(error)),
        }
    }

    async fn update(&self, request: v1::UpdateMailboxRequest) -> Result<v1::UpdateMailboxResponse, Failure> {
        let grants = request.delivery_keys.map(|keys| parse::grants(&self.config, &keys.grants)).transpose()?;
        let card = request.card.map(|card| parse::card(&self.config, &card)).transpose()?;
        let address = self.proofs.verify(request.proof.as_ref(), Operation::UpdateMailbox).await?;
        match self.services.store.update(address, MailboxChange { grants, card }).await {
            Ok(true) => Ok(v1::UpdateMailboxResponse {}),
            Ok(false) => Err(failure::unknown_mailbox()),
            Err(error) => Err(failure::of_store(error)),
        }
    }

    async fn delete(&self, request: v1::DeleteMailboxRequest) -> Result<v1::DeleteMailboxResponse, Failure> {
        let address = self.proofs.verify(request.proof.as_ref(), Operation::DeleteMailbox).await?;
        match self.services.store.delete(address).await {
            Ok(true) => Ok(v1::DeleteMailboxResponse {}),
            Ok(false) => Err(failure::unknown_mailbox()),
            Err(error) => Err(failure::of_store(error)),
        }
    }

    async fn describe(&self, request: v1::DescribeMailboxRequest) -> Result<v1::DescribeMailboxResponse, Failure> {
        let address = self.proofs.verify(request.proof.as_ref(), Operation::DescribeMailbox).await?;
        let description = self.services.store.describe(address).await.map_err(failure::of_store)?;
        let description = description.ok_or_else(failure::unknown_mailbox)?;
        Ok(v1::DescribeMailboxResponse {
            delivery_keys: description
                .grants
                .iter()
                .map(|grant| v1::DeliveryKeyGrant {
                    hash: grant.key.as_bytes().to_vec().into(),
                    expires_hour: grant.expires.map_or(0, |hour| hour.0),
                })
                .collect(),
            card: description.card,
            last_sequence: description.last.get(),
            queued_messages: description.queued_messages,
            queued_bytes: description.queued_bytes,
            generation: description.generation.0,
            last_seen_hour: description.last_seen.0,
            reclaimed_hour: description.reclaimed.0,
        })
    }

    async fn acknowledge_one(&self, request: v1::AcknowledgeRequest) -> Result<v1::AcknowledgeResponse, Failure> {
        let address = parse::address("address", &request.address)?;
        let session = request.session.as_ref().try_into().map(SessionId);
        let acknowledgement = SessionAcknowledgement {
            address,
            session: session.map_err(|_| Failure::field("session", "a session is 16 bytes"))?,
            up_to: parse::up_to(request.up_to),
            sequences: parse::sequences(&self.config, &request.sequences)?,
        };
        match self.services.store.acknowledge_by_session(acknowledgement).await {
            Ok(SessionOutcome::Acknowledged) => Ok(v1::AcknowledgeResponse {}),
            Ok(SessionOutcome::SessionEnded) => Err(Failure::new(
                Reason::SessionEnded,
                "this is not the mailbox's session: it was opened anew, or deleted",
            )),
            Err(error) => Err(failure::of_store(error)),
        }
    }

    /// Answers one call.
    async fn answer<Q, T, F: Future<Output = Result<T, Failure>>>(
        &self,
        procedure: Procedure,
        request: Request<Q>,
        answer: impl FnOnce(Q) -> F,
    ) -> Result<Response<T>, Status> {
        let measured = Measured::begin(&self.services, procedure, traceparent(request.metadata()));
        measured.end(answer(request.into_inner()).await).map(Response::new)
    }

    /// Answers a call with a stream, once that is open.
    async fn stream<Q, F: Future<Output = Result<receive::Responses, Failure>>>(
        &self,
        procedure: Procedure,
        request: Request<Q>,
        open: impl FnOnce(Q) -> F,
    ) -> Result<Response<body::Nothing<v1::ReceiveResponse>>, Status> {
        let measured = Measured::begin(&self.services, procedure, traceparent(request.metadata()));
        measured.end(open(request.into_inner()).await).map(body::answer)
    }
}

#[tonic::async_trait]
impl MailboxService for Mailboxes {
    async fn create_mailbox(
        &self,
        request: Request<v1::CreateMailboxRequest>,
    ) -> Result<Response<v1::CreateMailboxResponse>, Status> {
        self.answer(Procedure::CreateMailbox, request, |request| self.create(request)).await
    }

    async fn update_mailbox(
        &self,
        request: Request<v1::UpdateMailboxRequest>,
    ) -> Result<Response<v1::UpdateMailboxResponse>, Status> {
        self.answer(Procedure::UpdateMailbox, request, |request| self.update(request)).await
    }

    async fn delete_mailbox(
        &self,
        request: Request<v1::DeleteMailboxRequest>,
    ) -> Result<Response<v1::DeleteMailboxResponse>, Status> {
        self.answer(Procedure::DeleteMailbox, request, |request| self.delete(request)).await
    }

    async fn describe_mailbox(
        &self,
        request: Request<v1::DescribeMailboxRequest>,
    ) -> Result<Response<v1::DescribeMailboxResponse>, Status> {
        self.answer(Procedure::DescribeMailbox, request, |request| self.describe(request)).await
    }

    type ReceiveStream = body::Nothing<v1::ReceiveResponse>;

    async fn receive(
        &self,
        request: Request<Streaming<v1::ReceiveRequest>>,
    ) -> Result<Response<Self::ReceiveStream>, Status> {
        let open = |requests| receive::receive(&self.config, &self.services, &self.proofs, requests);
        self.stream(Procedure::Receive, request, open).await
    }

    type SubscribeStream = Self::ReceiveStream;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let open = |request| receive::subscribe(&self.config, &self.services, &self.proofs, request);
        self.stream(Procedure::Subscribe, request, open).await
    }

    async fn acknowledge(
        &self,
        request: Request<v1::AcknowledgeRequest>,
    ) -> Result<Response<v1::AcknowledgeResponse>, Status> {
        self.answer(Procedure::Acknowledge, request, |request| self.acknowledge_one(request)).await
    }
}
