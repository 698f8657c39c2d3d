//! The wire contract of Sealpost, compiled from `sealpost/v1/*.proto`: read those first, they are written for you.
//!
//! [`v1`] holds the messages with tonic's clients and servers, [`Reason`] says of each failure what it means,
//! [`status`] turns it into a gRPC status and back.

pub mod codec;
mod parts;
mod reason;
pub mod status;

/// Version 1 of the contract.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::restriction, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("sealpost.v1");
}

pub use v1::Reason;

/// The contract as an encoded `google.protobuf.FileDescriptorSet`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
