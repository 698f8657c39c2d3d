//! Sends one line of text to somebody who gave you an invite:
//!
//! ```sh
//! cargo run -p sealpost-client --example send -- \
//!     http://127.0.0.1:8443 'sealpost://127.0.0.1:8443/sp1…#key' 'Hello!'
//! ```
//!
//! The sender is made up for the occasion and introduces itself inside the message, so the recipient can answer as long
//! as somebody keeps the device; a real app stores it (see the `receive` example).

#![allow(clippy::print_stdout, reason = "an example talks to whoever tries it")]

use std::error::Error;

use sealpost_client::{Device, Invite, Relay, RelayOptions, SendOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, invite, text] = arguments.as_slice() else {
        return Err("usage: send URL INVITE TEXT".into());
    };
    let relay = Relay::connect(RelayOptions::from_url(url)?)?;

    // Fetches the recipient's card and checks that it is of the address in the invite.
    let contact = relay.accept(&invite.parse::<Invite>()?).await?;

    // Sealed once, sent until the relay has stored it.
    let options = SendOptions::default().introduce(true);
    relay.send(&Device::new(), &contact, text.as_str(), &options).await?;
    println!("The relay has it.");
    Ok(())
}
