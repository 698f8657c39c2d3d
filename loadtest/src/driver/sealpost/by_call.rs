//! A sender that makes a call for each message, on one connection, without waiting for the calls before.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sealpost_client::Error;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use tokio::sync::mpsc;

use super::by_stream::{Post, Sent};
use super::fate;
use crate::board::Order;
use crate::ledger::Answer;

/// The longest that a call may take: as the SDK's clients wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends what is ordered, until there are no more orders and all are answered.
pub(super) async fn run(post: Post, mut orders: mpsc::UnboundedReceiver<Order>) {
    let post = Arc::new(post);
    let mut calls = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = calls.next() => {}
            order = orders.recv() => match order {
                Some(order) => calls.push(send(post.clone(), order)),
                None => break,
            },
        }
    }
    while calls.next().await.is_some() {}
}

async fn send(post: Arc<Post>, order: Order) {
    let mut sent = Sent { posted: post.board.post(order), attempt: 0 };
    while let Err((number, error)) = call(&post, &sent).await {
        post.board.error(&fate::name(&error));
        if fate::is_of_the_connection(&error) {
            post.line.renew(number);
        }
        let Some(pause) = post.failed(&sent, fate::of_error(&error)) else { return };
        tokio::time::sleep(pause).await;
        sent.attempt += 1;
    }
}

/// One try; its failure with the connection's number.
async fn call(post: &Post, sent: &Sent) -> Result<(), (usize, Error)> {
    let Some(request) = post.request(sent, &mut BytesMut::new()) else { return Ok(()) };
    let connection = post.line.connection();
    let mut service = DeliveryServiceClient::new(connection.channel);
    let outcome = match tokio::time::timeout(PATIENCE, service.send(request)).await {
        Ok(answer) => answer.map(drop).map_err(Error::from),
        Err(_) => Err(Error::TimedOut),
    };
    outcome.map_err(|error| (connection.number, error))?;
    post.board.answer(&sent.posted, Answer::Accepted);
    Ok(())
}
