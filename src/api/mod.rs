//! The gRPC services: bytes in, domain types out, errors mapped once.
//!
//! One file for each service; `parse` turns fields into types, `failure` turns what goes wrong into what the client
//! is told. Nothing behind this module sees a protobuf message.

mod admission;
mod anonymous;
mod arriving;
mod body;
mod calls;
mod config;
mod content_type;
mod delivery_service;
mod failure;
mod framing;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod mailbox_service;
mod measured;
mod parse;
mod proofs;
mod receive;
mod send_stream;
mod typed;
mod web;

use std::sync::Arc;

use sealpost_proto::v1::delivery_service_server::DeliveryServiceServer;
use sealpost_proto::v1::mailbox_service_server::MailboxServiceServer;

pub use admission::Admission;
pub use arriving::Arriving;
pub use calls::{Calls, too_many_requests};
pub use config::ApiConfig;
pub use web::{ForBrowsers, Origin, OriginError};

use crate::delivery::Services;
use delivery_service::Delivery;
use mailbox_service::Mailboxes;
use proofs::Proofs;

/// Both services, ready to be served.
pub type Routes = Calls<tonic::service::Routes>;

/// Both services, and reflection if the configuration asks for it.
pub fn routes(config: ApiConfig, services: Arc<Services>) -> Routes {
    let metrics = services.metrics.clone();
    let config = Arc::new(config);
    let proofs = Proofs::new(config.clone(), services.store.clone(), services.clock.clone());
    let delivery = DeliveryServiceServer::new(Delivery::new(config.clone(), services.clone()))
        .max_decoding_message_size(config.max_message_bytes);
    let mailboxes = MailboxServiceServer::new(Mailboxes::new(config.clone(), services, proofs))
        .max_decoding_message_size(config.max_message_bytes);
    let mut routes = tonic::service::Routes::new(delivery).add_service(mailboxes);
    if config.reflection
        && let Ok(reflection) = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(sealpost_proto::DESCRIPTORS)
            .build_v1()
    {
        routes = routes.add_service(reflection);
    }
    Calls::new(routes.prepare(), config.max_calls, config.call_timeout, metrics)
}
