//! Gives a reason to the failures that the framework makes by itself (P12): an unknown method, a message that is too
//! long or no message at all.

use http::{HeaderValue, Request, Response};
use tonic::{Code, Status};

use super::failure;

/// Whether a request says that it is compressed.
pub(super) fn is_compressed<B>(request: &Request<B>) -> bool {
    request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity")
}

/// Gives a response a reason if it is a failure without one. A failure before the first message stands in the headers.
pub(super) fn give_reason<R>(response: &mut Response<R>, compressed: bool) {
    if response.headers().get(Status::GRPC_STATUS).is_some_and(is_failure)
        && let Some(status) = Status::from_header_map(response.headers())
        && failure::is_untyped(&status)
    {
        let failure = match status.code() {
            // The framework calls that unimplemented too.
            Code::Unimplemented if compressed => failure::compressed(),
            _ => failure::of_framework(&status),
        };
        // Writing a status into headers fails only for a message that no header can hold, and ours are ASCII.
        let _ = failure.into_status().add_header(response.headers_mut());
    }
}

fn is_failure(status: &HeaderValue) -> bool {
    status.as_bytes() != b"0"
}
