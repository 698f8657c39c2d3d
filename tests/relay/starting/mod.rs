//! How a relay starts over Redis; and where it does not, that it says which setting to change and how, and gives away
//! neither a password nor an address.

mod durability;
mod kinds;
mod login;
mod permissions;
mod silence;
mod tls;

use sealpost::config::{Config, Settings};
use sealpost::server::{Relay, StartError};

/// A password that must not be repeated.
const SECRET: &str = "sesame";

/// Starts a relay over this store, with some settings changed.
async fn start(url: &str, change: impl FnOnce(&mut Settings)) -> Result<Relay, StartError> {
    let mut settings = crate::cluster::settings(url.to_owned());
    settings.store.timeout_ms = None;
    change(&mut settings);
    Relay::start(Config::load(None, &settings).expect("nothing is wrong with the settings themselves")).await
}

/// Starts a relay that must refuse, and holds its words to what they must contain.
async fn refuses(url: &str, change: impl FnOnce(&mut Settings), words: &[&str]) {
    let Err(error) = start(url, change).await else { panic!("it starts, and should say {words:?}") };
    let said = error.to_string();
    for word in words {
        assert!(said.contains(word), "{word:?} is missing from: {said}");
    }
    let port = url.rsplit(':').next().unwrap_or_default().split('/').next().unwrap_or_default();
    for secret in [SECRET, "127.0.0.1", port] {
        assert!(!said.contains(secret), "{secret:?} is given away by: {said}");
    }
}

fn as_it_is(_: &mut Settings) {}
