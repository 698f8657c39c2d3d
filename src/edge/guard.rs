//! What one connection asks for, counted: the service as it sees it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::Either;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{Request, Response};
use tower::Service;

use crate::budget::{Budget, Unfinished};
use crate::telemetry::{Limit, Metrics};

/// What is answered to a request that comes too soon; the time says when it would not be.
pub type Refuse<B> = fn(Duration) -> Response<B>;

/// What one connection has asked for so far.
#[derive(Debug)]
pub(super) struct Asked {
    anything: AtomicBool,
    requests: Option<DefaultDirectRateLimiter>,
    unfinished: Unfinished,
}

/// A service for one connection, which passes on no more requests than it is granted.
pub(super) struct Guard<S, B> {
    service: S,
    asked: Arc<Asked>,
    refuse: Refuse<B>,
    metrics: Arc<Metrics>,
}

impl Asked {
    /// Nothing yet. Grants so many requests a second, and as many in a burst (`None`: any number), and so many bytes of
    /// messages that have not come whole.
    pub(super) fn new(requests_per_second: Option<NonZeroU32>, unfinished_bytes: usize) -> Arc<Self> {
        let requests = requests_per_second.map(|requests| RateLimiter::direct(Quota::per_second(requests)));
        Arc::new(Self {
            anything: AtomicBool::new(false),
            requests,
            unfinished: Unfinished(Arc::new(Budget::new(unfinished_bytes))),
        })
    }

    /// Whether there was a request.
    pub(super) fn anything(&self) -> bool {
        self.anything.load(Ordering::Relaxed)
    }

    fn one(&self) -> Result<(), Duration> {
        if !self.anything() {
            self.anything.store(true, Ordering::Relaxed);
        }
        match self.requests.as_ref().map(|requests| requests.check()) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(too_soon)) => Err(too_soon.wait_time_from(DefaultClock::default().now())),
        }
    }
}

impl<S, B> Guard<S, B> {
    pub(super) fn new(service: S, asked: Arc<Asked>, refuse: Refuse<B>, metrics: Arc<Metrics>) -> Self {
        Self { service, asked, refuse, metrics }
    }
}

impl<S: Clone, B> Clone for Guard<S, B> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            asked: self.asked.clone(),
            refuse: self.refuse,
            metrics: self.metrics.clone(),
        }
    }
}

impl<S, Q, B> Service<Request<Q>> for Guard<S, B>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<B>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        match self.asked.one() {
            Ok(()) => {
                // The service knows what a message is.
                request.extensions_mut().insert(self.asked.unfinished.clone());
                Either::Left(self.service.call(request))
            }
            Err(wait) => {
                self.metrics.edge.shed.count(Limit::RequestsPerSecond);
                Either::Right(ready(Ok((self.refuse)(wait))))
            }
        }
    }
}
