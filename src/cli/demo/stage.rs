//! Where the demo happens: the relay with its files.

use std::sync::Arc;
use std::time::Duration;

use sealpost_client::{Address, RelayOptions, Trust};
use tempfile::TempDir;

use super::super::output::Failure;
use super::super::teller::Teller;
use super::cast::Person;
use crate::config::{Config, Settings, StoreConfig, TlsMode};
use crate::server::Relay;
use crate::store::{Inspection, Store};

/// A relay with its temporary files.
pub(super) struct Stage {
    relay: Relay,
    pub(super) directory: TempDir,
    pub(super) options: RelayOptions,
    /// To be deleted at the end.
    pub(super) cast: Vec<Person>,
    pub(super) teller: Teller,
}

impl Stage {
    pub(super) async fn set(store: Option<&str>, is_heard: bool) -> Result<Self, Failure> {
        let mut teller = Teller::new(is_heard);
        teller.heading("Sealpost demo: a relay in this process, and two devices that write to each other through it.");
        let directory = TempDir::with_prefix("sealpost-demo-")
            .map_err(|error| Failure::new(format!("there is no room for temporary files: {error}")))?;
        let config = config(&directory, store)?;
        let kept = match &config.store {
            StoreConfig::Embedded { .. } => "an embedded store",
            StoreConfig::Redis(_) => "Redis",
        };
        let relay = Relay::start(config).await?;
        let port = relay.address().port();
        let ca = std::fs::read(directory.path().join("tls/ca.pem"))
            .map_err(|error| Failure::new(format!("the development certificate cannot be read: {error}")))?;
        let options = RelayOptions::from_url(&format!("https://localhost:{port}"))
            .map_err(|error| Failure::new(error.to_string()))?
            .connect_to(format!("127.0.0.1:{port}"))
            .trust(Trust::Authorities(ca));
        teller.step(format!("A relay listens on localhost:{port} with TLS 1.3 and {kept}."));
        Ok(Self { relay, directory, options, cast: Vec::new(), teller })
    }

    /// All that the relay's store holds on a mailbox.
    pub(super) async fn inspect(&self, mailbox: Address) -> Result<Inspection, Failure> {
        let held = self.store().inspect(mailbox, 10).await.map_err(|error| Failure::new(error.to_string()))?;
        held.ok_or_else(|| Failure::new("the store holds no such mailbox"))
    }

    /// Waits until nothing is queued in a mailbox.
    pub(super) async fn until_empty(&self, mailbox: Address) -> Result<(), Failure> {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while self.inspect(mailbox).await?.description.queued_messages > 0 {
            look.tick().await;
        }
        Ok(())
    }

    /// Takes everything away.
    pub(super) async fn clear(self) {
        for person in self.cast {
            // One that was never made is not there either; a temporary directory goes as a whole.
            let _ = self.relay.store().delete(person.device.address()).await;
        }
        self.relay.drain().await;
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.relay.store()
    }
}

fn config(directory: &TempDir, store: Option<&str>) -> Result<Config, Failure> {
    let mut settings = Settings::default();
    settings.listen.address = Some("127.0.0.1:0".to_owned());
    settings.listen.admin = Some("127.0.0.1:0".to_owned());
    settings.tls.mode = Some(TlsMode::Development);
    settings.tls.directory = Some(directory.path().join("tls"));
    let embedded = || format!("embedded:{}", directory.path().join("store").display());
    settings.store.url = Some(store.map_or_else(embedded, ToOwned::to_owned));
    // Nobody is connected any more when it leaves.
    settings.drain.spread_ms = Some(0);
    settings.drain.deadline_ms = Some(1_000);
    Ok(Config::load(None, &settings)?)
}
