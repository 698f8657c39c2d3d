//! What a request says that its body is: gRPC, and no more is read of one that is anything else.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};

/// Whether it is native gRPC: `application/grpc`, or that with a format of messages or a parameter. `application/grpc-web`
/// is something else.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.as_bytes().strip_prefix(b"application/grpc"));
    kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// The answer to what is not gRPC: one of HTTP, for its sender would not understand a gRPC status. So says "gRPC over
/// HTTP/2".
pub(super) fn unsupported<R: Default>() -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_grpc_and_what_is_not() {
        let is_grpc = |kind| is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]));
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc+json", "application/grpc; v=1"] {
            assert!(is_grpc(kind), "{kind}");
        }
        for kind in ["", "text/plain", "application/json", "application/grpc-web", "application/grpc-web+proto"] {
            assert!(!is_grpc(kind), "{kind}");
        }
        assert!(!super::is_grpc(&HeaderMap::new()));
    }
}
