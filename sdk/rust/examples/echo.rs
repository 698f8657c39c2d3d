//! Two devices in one process: one sends, the other answers with the same text.
//!
//! ```sh
//! cargo run -p sealpost-client --example echo -- http://127.0.0.1:8443 'Hello, echo!'
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to whoever tries it")]

use std::error::Error;

use sealpost_client::{
    Contact, Device, Draft, Event, Inbox, ReceiveOptions, Received, Relay, RelayOptions, SendOptions, UnixTime,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, text] = arguments.as_slice() else {
        return Err("usage: echo URL TEXT".into());
    };
    let (relay, alice, echo) = (Relay::connect(RelayOptions::from_url(url)?)?, Device::new(), Device::new());
    relay.create_mailbox(&alice, None).await?;
    relay.create_mailbox(&echo, None).await?;

    // Alice has the echo's invite, and introduces herself: the echo has never heard of her.
    let contact = relay.accept(&echo.invite(relay.host()).ok_or("no delivery key")?).await?;
    let introduce = SendOptions::default().introduce(true);
    relay.send(&alice, &contact, text.as_str(), &introduce).await?;

    let mut inbox = relay.receive([echo.clone()], ReceiveOptions::default());
    let question = message(&mut inbox).await?;
    let introduction = question.introduction().ok_or("a message without an introduction")?;
    let caller = Contact::from_introduction(introduction, now()?)?;
    let answer = Draft::new("text/plain", question.message.body.clone());
    relay.send(&echo, &caller, answer, &introduce).await?;
    question.acknowledge().await?;
    inbox.close().await;

    let mut inbox = relay.receive([alice.clone()], ReceiveOptions::default());
    let answer = message(&mut inbox).await?;
    println!("{}", String::from_utf8_lossy(&answer.message.body).escape_debug());
    answer.acknowledge().await?;
    inbox.close().await;

    relay.delete_mailbox(&alice).await?;
    relay.delete_mailbox(&echo).await?;
    Ok(())
}

async fn message(inbox: &mut Inbox) -> Result<Received, Box<dyn Error>> {
    while let Some(event) = inbox.next().await {
        if let Event::Message(received) = event {
            return Ok(*received);
        }
    }
    Err("the inbox has ended".into())
}

fn now() -> Result<UnixTime, Box<dyn Error>> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(UnixTime(since.as_secs()))
}
