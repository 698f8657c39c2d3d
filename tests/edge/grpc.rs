//! Messages as gRPC frames them, for peers without a library; and calls whose body is said byte by byte, for those with one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use prost::Message;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

use crate::PATIENCE;

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

/// A call on a connection that others may use too. Dropping it takes the call back.
pub(crate) struct Call {
    body: UnboundedSender<Bytes>,
    answer: JoinHandle<Status>,
}

impl Call {
    pub(crate) fn begin(channel: &Channel, path: &str) -> Self {
        let (body, said) = unbounded_channel();
        let request = http::Request::post(format!("http://relay.test{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(tonic::body::Body::new(Said(said)))
            .unwrap();
        let mut channel = channel.clone();
        let answer = tokio::spawn(async move {
            let response = channel.ready().await.expect("a connection").call(request).await.expect("an answer");
            if let Some(status) = Status::from_header_map(response.headers()) {
                return status;
            }
            let mut body = response.into_body();
            while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                if let Some(trailers) = frame.expect("it is not cut").trailers_ref() {
                    return Status::from_header_map(trailers).expect("a status");
                }
            }
            panic!("it ended without a status")
        });
        Self { body, answer }
    }

    /// The next bytes of its body.
    pub(crate) fn say(&self, bytes: Vec<u8>) {
        // Where the call is over already, its answer shows.
        let _ = self.body.send(bytes.into());
    }

    pub(crate) fn is_over(&self) -> bool {
        self.answer.is_finished()
    }

    /// Why the relay refused it. There is a time to come back.
    pub(crate) async fn refusal(mut self) -> Reason {
        let status = tokio::time::timeout(PATIENCE, &mut self.answer).await.expect("it is answered").unwrap();
        let failure = Failure::from_status(&status).expect("a reason");
        assert!(failure.retry_after.is_some(), "{failure:?}");
        failure.reason
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.answer.abort();
    }
}

/// A body that is what was said, and does not end.
struct Said(UnboundedReceiver<Bytes>);

impl Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|said| said.map(|bytes| Ok(Frame::data(bytes))))
    }
}
