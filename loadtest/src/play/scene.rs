//! What every play needs: a system that is ready, with mailboxes.

use std::path::PathBuf;
use std::sync::Arc;

use sealpost_client::{RelayOptions, Trust, Voucher};

use super::stage::Stage;
use crate::board::Board;
use crate::driver::Driver as _;
use crate::driver::sealpost::{Fleet, Mailboxes, Relays};
use crate::faults::Faults;
use crate::live::Live;
use crate::problem::Problem;
use crate::report::Environment;
use crate::scenario::{Scenario, Spawn};
use crate::target::Probes;
use crate::target::metrics::Endpoint;
use crate::target::relay::Installation;

/// A scenario, what it is played on, and who watches.
#[derive(Debug)]
pub struct Scene {
    /// The scenario's name.
    pub name: String,
    /// What is played.
    pub scenario: Scenario,
    /// On what.
    pub target: Target,
    /// Who watches.
    pub live: Arc<Live>,
}

/// What is tested.
#[derive(Debug)]
pub enum Target {
    /// Servers that are started for it, with this program as the relay.
    Spawn(PathBuf),
    /// A deployment that is there.
    Deployment(Deployment),
}

/// Relays that run somewhere.
#[derive(Debug)]
pub struct Deployment {
    /// How they are reached.
    pub relays: Vec<RelayOptions>,
    /// Where they say what they use; may be empty.
    pub metrics: Vec<Endpoint>,
    /// One for each mailbox, where the relays ask for them.
    pub vouchers: Vec<Voucher>,
}

/// A system that is ready.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) relays: Arc<Relays>,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) probes: Probes,
    /// What was started for it.
    pub(super) installation: Option<Installation>,
}

impl Ready {
    /// What a report says of the servers.
    pub(super) fn environment(&self) -> Option<Environment> {
        Some(self.installation.as_ref()?.environment())
    }
}

impl Scene {
    /// Starts what is to be started, and makes so many mailboxes.
    pub(super) async fn ready(&self, spawn: &Spawn, mailboxes: usize) -> Result<Ready, Problem> {
        let (installation, relays, probes) = match &self.target {
            Target::Spawn(binary) => {
                self.live.begin("starting the servers");
                let installation = Installation::start(spawn, binary).await?;
                let (relays, probes) = (Relays::new(&installation.options()?)?, installation.watched());
                (Some(installation), relays, Probes::of_processes(probes))
            }
            Target::Deployment(deployment) => {
                (None, Relays::new(&deployment.relays)?, Probes::of_endpoints(deployment.metrics.clone()))
            }
        };
        let mut ready = Ready { mailboxes: Arc::default(), relays, probes, installation };
        ready.mailboxes = self.mailboxes(&ready.relays, mailboxes).await?;
        Ok(ready)
    }

    /// Makes so many mailboxes.
    pub(super) async fn mailboxes(&self, relays: &Arc<Relays>, count: usize) -> Result<Arc<Mailboxes>, Problem> {
        let vouchers = match &self.target {
            Target::Spawn(_) => &[],
            Target::Deployment(deployment) => deployment.vouchers.as_slice(),
        };
        self.live.begin("making mailboxes");
        let progress = |done| self.live.at(done, count);
        Mailboxes::make(relays, count, self.scenario.load.sealed, vouchers, progress).await
    }

    /// Takes new mailboxes in place of the old ones: what was not acknowledged there would come to another board.
    pub(super) async fn fresh(&self, ready: &mut Ready) -> Result<(), Problem> {
        if ready.installation.is_none() {
            ready.mailboxes.delete(&ready.relays).await?;
        }
        ready.mailboxes = self.mailboxes(&ready.relays, ready.mailboxes.len()).await?;
        Ok(())
    }

    /// Opens all mailboxes, starts senders, and begins to watch.
    pub(super) async fn stage(
        &self,
        ready: &Ready,
        scenario: &Scenario,
        faults: Option<Faults>,
    ) -> Result<(Fleet, Stage), Problem> {
        let board = Arc::new(Board::new(ready.mailboxes.len(), faults));
        let mut fleet = Fleet::new(ready.relays.clone(), ready.mailboxes.clone(), scenario)?;
        self.live.begin("opening mailboxes");
        fleet.open(&board).await?;
        let stage = self.curtain(ready, scenario, board, &mut fleet).await?;
        Ok((fleet, stage))
    }

    /// Starts senders, and begins to watch.
    pub(super) async fn curtain(
        &self,
        ready: &Ready,
        scenario: &Scenario,
        board: Arc<Board>,
        fleet: &mut Fleet,
    ) -> Result<Stage, Problem> {
        let queues = fleet.senders(&board).await?;
        let patience = scenario.load.patience.0;
        Stage::new(board, queues, ready.probes.clone(), self.live.clone(), patience).await
    }
}

impl Deployment {
    /// Whether connections are encrypted.
    pub fn uses_tls(&self) -> bool {
        self.relays.iter().all(|options| !matches!(options.trust, Trust::Plaintext))
    }
}

impl Ready {
    /// Leaves a deployment as it was. What was started ends by itself.
    pub(super) async fn clean_up(self) -> Result<(), Problem> {
        match self.installation {
            Some(_) => Ok(()),
            None => self.mailboxes.delete(&self.relays).await,
        }
    }

    /// What was started; each play that asks for it is refused on a deployment before anything begins.
    pub(super) fn installation(&mut self) -> Result<&mut Installation, Problem> {
        self.installation.as_mut().ok_or_else(|| Problem::new("nothing was started"))
    }
}
