//! The anonymous service refuses whoever says who they are (P7).

use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use tonic::metadata::MetadataMap;

/// Headers by which a client would give its user away.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// Refuses a call that carries credentials: a client that sends them does so by mistake, and must learn of it.
pub(super) fn check(headers: &MetadataMap) -> Result<(), Failure> {
    if CREDENTIALS.iter().any(|name| headers.contains_key(*name)) {
        return Err(Failure::new(
            Reason::CredentialsRefused,
            "this service is anonymous: call it without credentials, on a connection of its own",
        ));
    }
    Ok(())
}
