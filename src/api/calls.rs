//! What goes for every call: that it is one of gRPC, how many at once, how long one may take, what may come of it
//! unfinished, and a reason for each failure (P12).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use sealpost_proto::status::Failure;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tower::Service;

use super::arriving::Arriving;
use super::{body, content_type, failure, typed};
use crate::budget::Unfinished;
use crate::telemetry::{Limit, Metrics};

/// A service that answers no more calls at once than it may, each in time, and says of every failure why.
///
/// A call counts until its answer begins. What a stream costs after that is bounded by what it may have unacknowledged.
#[derive(Debug, Clone)]
pub struct Calls<S> {
    service: S,
    room: Arc<Semaphore>,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

impl<S> Calls<S> {
    /// So many at once, each of which may take so long.
    pub(super) fn new(service: S, most: usize, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self { service, room: Arc::new(Semaphore::new(most)), timeout, metrics }
    }
}

impl<S, B> Service<Request<B>> for Calls<S>
where
    S: Service<Request<Arriving<B>>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if !content_type::is_grpc(request.headers()) {
            return Box::pin(async { Ok(content_type::unsupported()) });
        }
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            self.metrics.edge.shed.count(Limit::Calls);
            return Box::pin(async { Ok(refusal(failure::overloaded())) });
        };
        let compressed = typed::is_compressed(&request);
        let unfinished = request.extensions_mut().remove::<Unfinished>().map(|it| it.0);
        let (timeout, metrics) = (self.timeout, self.metrics.clone());
        let response = self.service.call(request.map(|body| Arriving::new(body, unfinished, timeout, metrics)));
        Box::pin(async move {
            let answered = tokio::time::timeout(timeout, response).await;
            drop(permit);
            let Ok(response) = answered else {
                return Ok(refusal(failure::timed_out("the call took too long")));
            };
            let mut response = response?;
            typed::give_reason(&mut response, compressed);
            body::unpack(&mut response);
            Ok(response)
        })
    }
}

/// The answer to who asks faster than is granted, and when to ask again.
pub fn too_many_requests<R: Default>(wait: Duration) -> Response<R> {
    refusal(failure::too_fast(wait))
}

fn refusal<R: Default>(failure: Failure) -> Response<R> {
    failure.into_status().into_http()
}
