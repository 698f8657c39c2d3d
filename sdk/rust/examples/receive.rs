//! Prints what arrives, and an invite to give to others:
//!
//! ```sh
//! cargo run -p sealpost-client --example receive -- http://127.0.0.1:8443 device.json
//! ```
//!
//! The device is made on the first run and kept in the file; beside it, `device.json.seen` remembers what was printed, so
//! that nothing is printed twice however often this is stopped.

#![allow(clippy::print_stdout, reason = "an example talks to whoever tries it")]

use std::convert::Infallible;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};

use sealpost_client::{Device, Event, FileDedup, ReceiveOptions, Relay, RelayOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, path] = arguments.as_slice() else {
        return Err("usage: receive URL DEVICE-FILE".into());
    };
    let relay = Relay::connect(RelayOptions::from_url(url)?)?;
    let device = open_device(&relay, path).await?;
    let invite = device.invite(relay.host()).ok_or("the device has no delivery key")?;
    println!("Give this to whoever may write: {}", invite.to_link());

    let dedup = FileDedup::open(format!("{path}.seen"))?;
    let mut inbox = relay.receive([device], ReceiveOptions::default().dedup(dedup));
    // Whatever returns `Ok` is acknowledged; the rest comes again.
    let print = async |event: &Event| -> Result<(), Infallible> {
        match event {
            Event::Message(received) => {
                // Escaped, as a stranger's bytes are no business of the terminal's.
                println!("{}", String::from_utf8_lossy(&received.message.body).escape_debug());
            }
            Event::Undecipherable(envelope) => println!("({})", envelope.problem),
            Event::CaughtUp(_) => println!("(that is all so far)"),
            _ => {}
        }
        Ok(())
    };
    Ok(inbox.for_each(print).await?)
}

async fn open_device(relay: &Relay, path: &str) -> Result<Device, Box<dyn Error>> {
    match fs::read_to_string(path) {
        Ok(json) => Ok(Device::from_json(&json)?),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let device = Device::new();
            // Stored first: a mailbox without its key is lost.
            let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
            file.write_all(device.to_json()?.as_bytes())?;
            file.sync_all()?;
            relay.create_mailbox(&device, None).await?;
            Ok(device)
        }
        Err(error) => Err(error.into()),
    }
}
