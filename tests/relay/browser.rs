//! A browser, as far as the relay sees one: gRPC-Web by hand, over either version of HTTP.

use std::net::SocketAddr;

use axum::body::{Body, BodyDataStream};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status};

use crate::cluster::PATIENCE;

/// A page of an origin, on a connection of its own. Over HTTP/1.1 it has one call at a time.
pub(crate) struct Browser {
    requests: Requests,
    host: String,
    origin: &'static str,
    _connection: AbortOnDropHandle<()>,
}

enum Requests {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Browser {
    pub(crate) async fn new(relay: SocketAddr, version: Version, origin: &'static str) -> Self {
        let io = TokioIo::new(TcpStream::connect(relay).await.unwrap());
        let (requests, connection) = if version == Version::HTTP_2 {
            let (requests, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            (Requests::Http2(requests), tokio::spawn(async { drop(connection.await) }))
        } else {
            let (requests, connection) = http1::handshake(io).await.unwrap();
            (Requests::Http1(requests), tokio::spawn(async { drop(connection.await) }))
        };
        Self { requests, host: relay.to_string(), origin, _connection: AbortOnDropHandle::new(connection) }
    }

    /// Asks whether the page may call this procedure.
    pub(crate) async fn preflight(&mut self, procedure: &str) -> Response<Incoming> {
        let asks = [
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,grpc-timeout,x-grpc-web,x-user-agent"),
        ];
        self.ask(Method::OPTIONS, procedure, &asks, Body::empty()).await.expect("an answer")
    }

    /// Calls a procedure.
    pub(crate) async fn call(&mut self, procedure: &str, message: &impl Message) -> Answer {
        self.try_call(procedure, message).await.expect("an answer")
    }

    pub(crate) async fn try_call(&mut self, procedure: &str, message: &impl Message) -> hyper::Result<Answer> {
        self.call_as("application/grpc-web+proto", procedure, message).await
    }

    /// The same with another type of content.
    pub(crate) async fn call_as(
        &mut self,
        kind: &'static str,
        procedure: &str,
        message: &impl Message,
    ) -> hyper::Result<Answer> {
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
        message.encode(&mut frame).unwrap();
        let is_text = kind.contains("-text");
        let body = if is_text { STANDARD.encode(frame).into_bytes() } else { frame };
        let headers = [("content-type", kind), ("accept", kind), ("x-grpc-web", "1")];
        let response = self.ask(Method::POST, procedure, &headers, Body::from(body)).await?;
        let (head, body) = response.into_parts();
        let body = Body::new(body).into_data_stream();
        let (text, received) = (is_text.then(BytesMut::new), BytesMut::new());
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, text, received })
    }

    async fn ask(
        &mut self,
        method: Method,
        procedure: &str,
        headers: &[(&'static str, &'static str)],
        body: Body,
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        for (name, value) in headers.iter().chain(&[("origin", self.origin)]) {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        let path = format!("/sealpost.v1.{procedure}");
        let answer = async {
            match &mut self.requests {
                Requests::Http1(requests) => {
                    *request.uri_mut() = path.parse().unwrap();
                    request.headers_mut().insert("host", self.host.parse().unwrap());
                    requests.ready().await?;
                    requests.send_request(request).await
                }
                Requests::Http2(requests) => {
                    *request.uri_mut() = format!("http://{}{path}", self.host).parse().unwrap();
                    requests.send_request(request).await
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("in time")
    }
}

/// What a call is answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: BodyDataStream,
    /// What is not decoded yet of an answer in base64.
    text: Option<BytesMut>,
    received: BytesMut,
}

impl Answer {
    /// The next message, or how the call ended.
    pub(crate) async fn next<M: Message + Default>(&mut self) -> Result<M, Status> {
        if let Some(status) = Status::from_header_map(&self.headers)
            && status.code() != Code::Ok
        {
            return Err(status);
        }
        let (kind, frame) = tokio::time::timeout(PATIENCE, self.frame()).await.expect("in time");
        match kind {
            0 => Ok(M::decode(frame).unwrap()),
            0x80 => Err(Status::from_header_map(&trailers(&frame)).expect("a status")),
            other => panic!("a frame of the kind {other}"),
        }
    }

    /// The only message of a call that goes well.
    pub(crate) async fn only<M: Message + Default>(mut self) -> Result<M, Status> {
        let message = self.next().await?;
        let end = self.next::<M>().await.err().expect("the end");
        if end.code() == Code::Ok { Ok(message) } else { Err(end) }
    }

    async fn frame(&mut self) -> (u8, Bytes) {
        loop {
            if let Some((head, rest)) = self.received.split_first_chunk::<5>() {
                let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
                if rest.len() >= length {
                    let kind = head[0];
                    self.received.advance(5);
                    return (kind, self.received.split_to(length).freeze());
                }
            }
            let more = self.body.next().await.expect("the body ends with trailers").expect("a whole body");
            let Some(text) = &mut self.text else {
                self.received.extend_from_slice(&more);
                continue;
            };
            text.extend_from_slice(&more);
            // Each piece that the relay wrote ends with padding of its own.
            while text.len() >= 4 {
                self.received.extend(STANDARD.decode(text.split_to(4)).unwrap());
            }
        }
    }
}

fn trailers(frame: &[u8]) -> HeaderMap {
    let lines = std::str::from_utf8(frame).unwrap().split_terminator("\r\n");
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.parse::<HeaderName>().unwrap(), value.trim().parse::<HeaderValue>().unwrap())
    };
    lines.map(pair).collect()
}
