//! Messages as gRPC frames them, for peers without a library.

use prost::Message;

/// Flag and length, and a message behind them.
pub(crate) fn message(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let mut framed = promise(bytes.len());
    framed.extend(bytes);
    framed
}

/// Flag and length of a message that need not follow.
pub(crate) fn promise(length: usize) -> Vec<u8> {
    let mut head = vec![0];
    head.extend(u32::try_from(length).unwrap().to_be_bytes());
    head
}
