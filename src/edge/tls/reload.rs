//! The task that looks whether the files of TLS have changed.

use std::sync::Arc;
use std::time::Duration;

use rustls::server::danger::ClientCertVerifier;

use super::TlsError;
use super::certificates::Certificates;
use super::source::Source;
use super::tickets::TicketKeys;
use crate::clock::Clock;
use crate::telemetry::{By, Counter, EdgeMetrics, Metrics, Reload, info, warn};

/// The files are read this often: what is new is in use within a second, also where a look met it half written.
const EVERY: Duration = Duration::from_millis(500);

/// Reads the files of TLS again and again. Handshakes that begin after a change use what is new; connections that there
/// are stay as they are.
pub struct Reloader {
    pub(super) certificates: Source<Certificates>,
    pub(super) ticket_keys: Option<Source<TicketKeys>>,
    pub(super) authority: Option<Source<Arc<dyn ClientCertVerifier>>>,
    pub(super) clock: Clock,
}

impl Reloader {
    /// Runs until it is dropped.
    pub async fn run(mut self, metrics: Arc<Metrics>) {
        let (certificates, clock) = (self.certificates.current(), self.clock.clone());
        let days_left = move || Some(certificates.load().days_left(clock.now()) as f64);
        metrics.edge.certificate_days_left.read_from(days_left);
        loop {
            // Files may be on a disk that does not answer.
            let (reloader, metrics_there) = (self, metrics.clone());
            let looked = tokio::task::spawn_blocking(move || {
                let mut reloader = reloader;
                reloader.look(&metrics_there.edge);
                reloader
            });
            // It fails only where the runtime ends.
            let Ok(reloader) = looked.await else { return };
            self = reloader;
            tokio::time::sleep(EVERY).await;
        }
    }

    fn look(&mut self, metrics: &EdgeMetrics) {
        tell("certificates", self.certificates.look(), &metrics.certificate_reloads);
        if let Some(authority) = &mut self.authority {
            tell("authorities of clients", authority.look(), &metrics.certificate_reloads);
        }
        if let Some(keys) = &mut self.ticket_keys {
            tell("ticket keys", keys.look(), &metrics.ticket_key_reloads);
        }
    }
}

fn tell(what: &'static str, outcome: Option<Result<(), TlsError>>, reloads: &By<Reload, Counter>) {
    match outcome {
        None => {}
        Some(Ok(())) => {
            reloads.count(Reload::Loaded);
            info!("new files of TLS are in use", what = what);
        }
        Some(Err(error)) => {
            reloads.count(Reload::Refused);
            warn!("new files of TLS cannot be used; what was in use stays", what = what, error = error);
        }
    }
}
