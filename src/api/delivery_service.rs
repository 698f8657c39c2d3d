//! `DeliveryService`: puts envelopes into mailboxes, anonymously.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::delivery_service_server::DeliveryService;
use tonic::{Request, Response, Status, Streaming};

use super::measured::{Measured, traceparent};
use super::{ApiConfig, anonymous, failure, parse, send_stream};
use crate::delivery::Services;
use crate::store::{AppendError, Journey, StoreError};
use crate::telemetry::{Outcome, Procedure, TraceParent};

/// The service.
pub(super) struct Delivery {
    config: Arc<ApiConfig>,
    services: Arc<Services>,
}

impl Delivery {
    pub(super) fn new(config: Arc<ApiConfig>, services: Arc<Services>) -> Self {
        Self { config, services }
    }

    async fn send_one(
        &self,
        request: v1::SendRequest,
        trace: Option<TraceParent>,
    ) -> Result<v1::SendResponse, Failure> {
        let metrics = &self.services.metrics.api;
        let journey = Journey::begin(self.services.clock.now_millis(), trace);
        let append =
            parse::send(&self.config, request, journey).inspect_err(|_| metrics.sends.count(Outcome::Invalid))?;
        let size = append.envelope.size();
        let missing = AppendError::Store(StoreError::Corrupt("the store gave no result"));
        let result = self.services.store.append(vec![append]).await.pop().unwrap_or(Err(missing));
        failure::count(metrics, &result, size);
        result.map(|_| v1::SendResponse {}).map_err(failure::of_append)
    }

    async fn card(&self, request: v1::FetchCardRequest) -> Result<v1::FetchCardResponse, Failure> {
        let address = parse::address("address", &request.address)?;
        let key = parse::delivery_key(&address, &request.delivery_key)?;
        match self.services.store.card(address, key).await {
            Ok(Some(card)) => Ok(v1::FetchCardResponse { card }),
            Ok(None) => Err(failure::of_append(AppendError::Refused)),
            Err(error) => Err(failure::of_store(error)),
        }
    }

    /// Answers one call, if it is anonymous.
    async fn answer<Q, T, F: Future<Output = Result<T, Failure>>>(
        &self,
        procedure: Procedure,
        request: Request<Q>,
        answer: impl FnOnce(Q, Option<TraceParent>) -> F,
    ) -> Result<Response<T>, Status> {
        let measured = Measured::begin(&self.services, procedure, traceparent(request.metadata()));
        let outcome = match anonymous::check(request.metadata()) {
            Ok(()) => answer(request.into_inner(), measured.context()).await,
            Err(failure) => Err(failure),
        };
        measured.end(outcome).map(Response::new)
    }
}

#[tonic::async_trait]
impl DeliveryService for Delivery {
    async fn send(&self, request: Request<v1::SendRequest>) -> Result<Response<v1::SendResponse>, Status> {
        self.answer(Procedure::Send, request, |request, trace| self.send_one(request, trace)).await
    }

    type SendStreamStream = Pin<Box<dyn Stream<Item = Result<v1::SendStreamResponse, Status>> + Send>>;

    async fn send_stream(
        &self,
        request: Request<Streaming<v1::SendStreamRequest>>,
    ) -> Result<Response<Self::SendStreamStream>, Status> {
        if let Err(failure) = anonymous::check(request.metadata()) {
            return Measured::begin(&self.services, Procedure::SendStream, None).end(Err(failure));
        }
        let results = send_stream::results(self.config.clone(), self.services.clone(), request);
        Ok(Response::new(Box::pin(results)))
    }

    async fn fetch_card(
        &self,
        request: Request<v1::FetchCardRequest>,
    ) -> Result<Response<v1::FetchCardResponse>, Status> {
        self.answer(Procedure::FetchCard, request, |request, _| self.card(request)).await
    }
}
