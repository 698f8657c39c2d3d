//! `DeliveryService`: puts envelopes into mailboxes, anonymously.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::delivery_service_server::DeliveryService;
use tonic::{Request, Response, Status, Streaming};

use super::{ApiConfig, anonymous, failure, parse, send_stream};
use crate::delivery::Services;
use crate::store::AppendError;
use crate::telemetry::{Outcome, Procedure};

/// The service.
pub(super) struct Delivery {
    config: Arc<ApiConfig>,
    services: Arc<Services>,
}

impl Delivery {
    pub(super) fn new(config: Arc<ApiConfig>, services: Arc<Services>) -> Self {
        Self { config, services }
    }

    async fn send_one(&self, request: v1::SendRequest) -> Result<(), Failure> {
        let sends = &self.services.metrics.sends;
        let append = parse::send(&self.config, request).inspect_err(|_| sends.count(Outcome::Invalid))?;
        let missing = AppendError::Store(crate::store::StoreError::Corrupt("the store gave no result"));
        let result = self.services.store.append(vec![append]).await.pop().unwrap_or(Err(missing));
        sends.count(result.as_ref().map_or_else(failure::outcome, |_| Outcome::Accepted));
        result.map(|_| ()).map_err(failure::of_append)
    }

    async fn card(&self, request: &v1::FetchCardRequest) -> Result<v1::FetchCardResponse, Failure> {
        let address = parse::address("address", &request.address)?;
        let key = parse::delivery_key(&address, &request.delivery_key)?;
        match self.services.store.card(address, key).await {
            Ok(Some(card)) => Ok(v1::FetchCardResponse { card }),
            Ok(None) => Err(failure::of_append(AppendError::Refused)),
            Err(error) => Err(failure::of_store(error)),
        }
    }

    fn anonymous<T>(&self, procedure: Procedure, request: &Request<T>) -> Result<(), Status> {
        anonymous::check(request.metadata()).map_err(|failure| self.fail(procedure, failure))
    }

    fn fail(&self, procedure: Procedure, failure: Failure) -> Status {
        self.services.metrics.failures.count(procedure, failure.reason.name());
        failure.into_status()
    }
}

#[tonic::async_trait]
impl DeliveryService for Delivery {
    #[tracing::instrument(name = "Send", level = "info", skip_all)]
    async fn send(&self, request: Request<v1::SendRequest>) -> Result<Response<v1::SendResponse>, Status> {
        self.anonymous(Procedure::Send, &request)?;
        let sent = self.send_one(request.into_inner()).await;
        sent.map(|()| Response::new(v1::SendResponse {})).map_err(|failure| self.fail(Procedure::Send, failure))
    }

    type SendStreamStream = Pin<Box<dyn Stream<Item = Result<v1::SendStreamResponse, Status>> + Send>>;

    async fn send_stream(
        &self,
        request: Request<Streaming<v1::SendStreamRequest>>,
    ) -> Result<Response<Self::SendStreamStream>, Status> {
        self.anonymous(Procedure::SendStream, &request)?;
        let results = send_stream::results(self.config.clone(), self.services.clone(), request.into_inner());
        Ok(Response::new(Box::pin(results)))
    }

    #[tracing::instrument(name = "FetchCard", level = "info", skip_all)]
    async fn fetch_card(
        &self,
        request: Request<v1::FetchCardRequest>,
    ) -> Result<Response<v1::FetchCardResponse>, Status> {
        self.anonymous(Procedure::FetchCard, &request)?;
        let card = self.card(request.get_ref()).await;
        card.map(Response::new).map_err(|failure| self.fail(Procedure::FetchCard, failure))
    }
}
