//! Protobuf over tonic, with small buffers and typed errors.

use std::marker::PhantomData;

use bytes::Buf;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::status::{self, Failure};
use crate::{Reason, parts};

/// Encodes `T`, decodes `U`.
///
/// Buffers start small, because an idle stream keeps them: tonic's own start at 8 KiB in each direction.
/// They grow with what is sent; messages that are ready together still share a write.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

const BUFFER_BYTES: usize = 64;
const YIELD_BYTES: usize = 32 * 1024;

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = MessageEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        MessageEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder(PhantomData)
    }
}

/// The encoding half of [`Codec`].
#[derive(Debug)]
pub struct MessageEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for MessageEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // A buffer that grows as it is written ends up to twice as long.
        buffer.reserve(message.encoded_len());
        // It fails only where the buffer is short, and this one grows.
        message.encode(buffer).map_err(|_| status::of(Reason::Internal, "the answer could not be encoded"))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

/// The decoding half of [`Codec`].
#[derive(Debug)]
pub struct MessageDecoder<U>(PhantomData<U>);

impl<U: Message + Default + 'static> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        decode(buffer).map(Some)
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

/// Reads a message from a buffer in one piece, as every buffer of tonic is.
///
/// # Errors
/// [`Reason::MalformedMessage`]; and [`Reason::LimitExceeded`] where it has many parts that say next to nothing.
pub fn decode<U: Message + Default + 'static>(buffer: &mut impl Buf) -> Result<U, Status> {
    if let Err(most) = parts::check::<U>(buffer.chunk()) {
        let failure = Failure::new(Reason::LimitExceeded, "the message has many parts that say next to nothing")
            .with("limit", "parts of a message of this length")
            .with("maximum", most.to_string());
        return Err(failure.into_status());
    }
    U::decode(buffer)
        .map_err(|_| status::of(Reason::MalformedMessage, "the bytes are no message of the type that belongs here"))
}
