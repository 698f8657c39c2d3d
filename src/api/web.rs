//! Browsers: the services by gRPC-Web, for pages of the origins that the operator names, and of no others (CORS).
//!
//! Native calls pass by all of this but one look at their headers, and where no origin is named nothing of it is there.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use sealpost_core::RelayHost;
use thiserror::Error;
use tonic::body::Body;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};
use tower_http::cors::{AllowOrigin, Cors, CorsLayer};

use super::{Routes, content_type};

/// Where a page comes from: `scheme://host` or `scheme://host:port`, exactly as a browser says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// A text that no browser gives as an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "is no origin such as https://app.example.org: a scheme and a host in lower case, a port only if it is unusual"
)]
pub struct OriginError;

/// The headers by which gRPC says how a call ended; a page sees them only if it is told that it may.
const RESULTS: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];
/// The headers that gRPC-Web clients send.
const ASKED: [HeaderName; 4] = [
    CONTENT_TYPE,
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("grpc-timeout"),
];
/// How long a browser may remember what a page is allowed; none does for longer.
const REMEMBERED: Duration = Duration::from_secs(2 * 60 * 60);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, host) = text.split_once("://").ok_or(OriginError)?;
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(lower) {
            return Err(OriginError);
        }
        host.parse::<RelayHost>().map_err(|_| OriginError)?;
        // Browsers leave these out.
        if (scheme == "https" && host.ends_with(":443")) || (scheme == "http" && host.ends_with(":80")) {
            return Err(OriginError);
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| OriginError)
    }
}

/// The services, for browsers too. It is cloned for each call.
#[derive(Clone)]
pub struct ForBrowsers {
    native: Routes,
    web: Arc<Web>,
}

struct Web {
    service: Cors<GrpcWebService<Routes>>,
    origins: Vec<Origin>,
}

impl ForBrowsers {
    /// Lets pages of these origins call the services.
    pub fn new(native: Routes, origins: Vec<Origin>) -> Self {
        let cors = CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())))
            .allow_methods([Method::POST])
            .allow_headers(ASKED)
            .expose_headers(RESULTS)
            .max_age(REMEMBERED);
        let service = cors.layer(GrpcWebLayer::new().layer(native.clone()));
        Self { native, web: Arc::new(Web { service, origins }) }
    }
}

impl Web {
    /// Whether a page may call; a client that is no browser names none.
    fn admits(&self, request: &Request<Incoming>) -> bool {
        let mut named = request.headers().get_all(ORIGIN).iter();
        named.all(|origin| self.origins.iter().any(|known| known.0 == origin))
    }
}

/// Whether it is native gRPC. No page elsewhere can say so: its browser asks first whether it may, and is told no.
fn is_native(request: &Request<Incoming>) -> bool {
    request.version() == Version::HTTP_2 && content_type::is_grpc(request.headers())
}

impl Service<Request<Incoming>> for ForBrowsers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Routes as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The services are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if is_native(&request) {
            return self.native.call(request);
        }
        if self.web.admits(&request) {
            return Box::pin(self.web.service.clone().call(request));
        }
        // A browser would not show the answer to the page; but by then it would have happened.
        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = StatusCode::FORBIDDEN;
        Box::pin(std::future::ready(Ok(refused)))
    }
}

impl fmt::Debug for ForBrowsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForBrowsers").field("origins", &self.web.origins).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_says_and_nothing_else() {
        for good in [
            "https://app.example.org",
            "https://app.example.org:8443",
            "http://localhost:3000",
            "http://127.0.0.1:5173",
            "http://[::1]:5173",
            "chrome-extension://abcdefghijklmnop",
            "capacitor://localhost",
        ] {
            assert_eq!(good.parse::<Origin>().map(|origin| origin.0), Ok(HeaderValue::from_static(good)));
        }
        for bad in [
            "",
            "*",
            "null",
            "app.example.org",
            "https://",
            "https://*",
            "https://*.example.org",
            "https://app.example.org/",
            "https://app.example.org/page",
            "https://App.example.org",
            "HTTPS://app.example.org",
            "https://user@app.example.org",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "https://app.example.org:0",
            " https://app.example.org",
        ] {
            assert_eq!(bad.parse::<Origin>(), Err(OriginError), "{bad}");
        }
    }
}
