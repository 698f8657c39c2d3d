//! The body of an answer that streams: messages, encoded as they come, into a buffer that leaves with them.
//!
//! The framework's own body keeps the buffer of the largest message for as long as the stream lives: after a burst, some
//! hundred KiB for each owner. So a stream to an owner has this body. It passes the generated service as an extension of
//! its answer, and takes the place of that one's empty body afterwards.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{Empty, Stream, empty};
use http::{HeaderMap, Response};
use hyper::body::Frame;
use parking_lot::Mutex;
use prost::Message;
use sealpost_proto::{Reason, status};
use tonic::body::Body;
use tonic::{Code, Status};

use super::framing::PREFIX;

/// What the generated service streams instead.
pub(super) type Nothing<M> = Empty<Result<M, Status>>;

/// An answer with this body, for the generated service to pass on.
pub(super) fn answer<M: Message + 'static>(messages: Messages<M>) -> tonic::Response<Nothing<M>> {
    let mut answer = tonic::Response::new(empty());
    answer.extensions_mut().insert(Carried(Arc::new(Mutex::new(Some(Body::new(messages))))));
    answer
}

/// Gives an answer the body that it carries, if it carries one.
pub(super) fn unpack(answer: &mut Response<Body>) {
    let carried = answer.extensions_mut().remove::<Carried>();
    if let Some(body) = carried.and_then(|carried| carried.0.lock().take()) {
        *answer.body_mut() = body;
    }
}

/// An extension must be one that can be shared.
#[derive(Clone)]
struct Carried(Arc<Mutex<Option<Body>>>);

/// Messages and the status after them, as gRPC has them over HTTP/2.
pub(super) struct Messages<M> {
    source: Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>,
    end: End,
}

enum End {
    NotYet,
    /// It is known, and has not been said.
    With(Status),
    Said,
}

/// Messages that are ready together leave together, up to so many bytes.
const ENOUGH: usize = 32 * 1024;

impl<M: Message> Messages<M> {
    pub(super) fn new(source: impl Stream<Item = Result<M, Status>> + Send + 'static) -> Self {
        Self { source: Box::pin(source), end: End::NotYet }
    }

    /// All that is ready.
    fn gather(&mut self, context: &mut Context<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let End::NotYet = self.end
            && bytes.len() < ENOUGH
            && let Poll::Ready(next) = self.source.as_mut().poll_next(context)
        {
            match next.transpose() {
                Ok(Some(message)) => {
                    if append(&mut bytes, &message).is_none() {
                        self.end = End::With(status::of(Reason::Internal, "the answer could not be encoded"));
                    }
                }
                Ok(None) => self.end = End::With(Status::new(Code::Ok, "")),
                Err(status) => self.end = End::With(status),
            }
        }
        bytes
    }
}

/// `None` for a message that is too long to have a length.
fn append(bytes: &mut Vec<u8>, message: &impl Message) -> Option<()> {
    let length = message.encoded_len();
    let prefix = u32::try_from(length).ok()?.to_be_bytes();
    bytes.reserve_exact(usize::from(PREFIX) + length);
    bytes.push(0);
    bytes.extend_from_slice(&prefix);
    message.encode(bytes).ok()
}

impl<M: Message> hyper::body::Body for Messages<M> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let bytes = self.gather(context);
        if !bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
        }
        match std::mem::replace(&mut self.end, End::Said) {
            End::NotYet => {
                self.end = End::NotYet;
                Poll::Pending
            }
            End::With(status) => {
                let mut trailers = HeaderMap::with_capacity(4);
                Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
            }
            End::Said => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, End::Said)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream};
    use hyper::body::Body as _;
    use sealpost_proto::v1;

    use super::*;

    async fn frame(body: &mut (impl hyper::body::Body<Data = Bytes, Error = Status> + Unpin)) -> Option<Frame<Bytes>> {
        std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context))
            .await
            .map(|frame| frame.expect("a frame"))
    }

    async fn data(body: &mut (impl hyper::body::Body<Data = Bytes, Error = Status> + Unpin)) -> Bytes {
        frame(body).await.expect("no end").into_data().expect("data")
    }

    async fn status(body: &mut (impl hyper::body::Body<Data = Bytes, Error = Status> + Unpin)) -> Status {
        let trailers = frame(body).await.expect("no end").into_trailers().expect("trailers");
        Status::from_header_map(&trailers).expect("a status")
    }

    fn caught_up(mailbox: u32) -> Result<v1::CaughtUp, Status> {
        Ok(v1::CaughtUp { mailbox })
    }

    #[tokio::test]
    async fn what_is_ready_together_leaves_together_and_then_the_status() {
        let ready = stream::iter([caught_up(1), caught_up(300), Err(Status::internal("no more"))]);
        let mut body = Messages::new(ready.chain(stream::repeat_with(|| panic!("the stream has ended"))));
        let data = data(&mut body).await;
        assert_eq!(&data[..], [0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 3, 8, 172, 2]);
        let status = status(&mut body).await;
        assert_eq!((status.code(), status.message()), (Code::Internal, "no more"));
        assert!(body.is_end_stream());
        assert!(frame(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn it_waits_for_messages_and_ends_well() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut body = Messages::new(tokio_stream::wrappers::UnboundedReceiverStream::new(receiver));
        assert!(frame(&mut body).now_or_never().is_none());
        sender.send(caught_up(1)).expect("it is there");
        let data = data(&mut body).await;
        assert_eq!(data.len(), 7);
        drop(sender);
        assert_eq!(status(&mut body).await.code(), Code::Ok);
    }

    #[tokio::test]
    async fn no_frame_grows_without_end() {
        let large = || v1::Delivery { mailbox: 0, sequence: 1, envelope: vec![7; 20_000].into() };
        let mut body = Messages::new(stream::repeat_with(move || Ok(large())));
        for _ in 0..3 {
            let data = data(&mut body).await;
            assert!((ENOUGH..ENOUGH + 20_100).contains(&data.len()), "{}", data.len());
        }
    }
}
