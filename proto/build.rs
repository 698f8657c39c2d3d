//! Compiles the contract with protox, so that no protoc is needed.

use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 4] = [
    "sealpost/v1/delivery_service.proto",
    "sealpost/v1/mailbox_service.proto",
    "sealpost/v1/proof.proto",
    "sealpost/v1/reason.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), prost_types_encode(&descriptors))?;

    tonic_prost_build::configure()
        // Envelopes are never copied: they stay slices of the buffer they came in.
        .bytes(".")
        .codec_path("crate::codec::Codec")
        // A transport is the business of whoever uses a client.
        .build_transport(false)
        .build_client(cfg!(feature = "client"))
        .build_server(cfg!(feature = "server"))
        .compile_fds(descriptors)?;
    Ok(())
}

fn prost_types_encode(descriptors: &prost_types::FileDescriptorSet) -> Vec<u8> {
    prost::Message::encode_to_vec(descriptors)
}
