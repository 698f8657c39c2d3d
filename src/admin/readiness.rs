//! Whether a relay is fit for traffic, and if not, why.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::store::{CheckError, Store, StoreError};
use crate::telemetry::{info, warn};

/// What makes a relay fit for traffic. Clones are one.
#[derive(Debug, Clone)]
pub struct Readiness(watch::Sender<State>);

/// What is known at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// The store's last answer; none before the first.
    store: Option<Result<(), CheckError>>,
    started: bool,
    leaving: bool,
}

/// Something that must hold.
pub(super) struct Condition {
    pub(super) name: &'static str,
    pub(super) holds: Result<(), String>,
}

/// The store is asked this often whether it works…
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// … and does not, if it has said nothing for so long.
const CHECK_WITHIN: Duration = Duration::from_secs(10);

impl Readiness {
    /// Of a relay that has not started.
    pub fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Asks the store again and again. The start is complete when it has once said that it works.
    pub async fn follow(self, store: Arc<dyn Store>) {
        loop {
            let check = tokio::time::timeout(CHECK_WITHIN, store.check());
            self.store_says(check.await.unwrap_or(Err(CheckError::Store(StoreError::TimedOut))));
            // It is counted; whether the store works was asked before.
            let _ = tokio::time::timeout(CHECK_WITHIN, store.usage()).await;
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }

    /// From now on it is not ready, whatever its store says.
    pub fn leave(&self) {
        self.0.send_modify(|state| state.leaving = true);
    }

    fn store_says(&self, answer: Result<(), CheckError>) {
        let mut before = State::default();
        self.0.send_modify(|state| {
            before = *state;
            state.store = Some(answer);
            state.started |= answer.is_ok();
        });
        if before.store.map(|before| before.is_ok()) == Some(answer.is_ok()) {
            return;
        }
        match answer {
            Ok(()) if before.started => info!("the store works again: ready"),
            Ok(()) => {}
            Err(error) => warn!("not ready", error = error),
        }
    }

    /// Whether it is fit for traffic now.
    pub fn is_ready(&self) -> bool {
        self.now().is_ready()
    }

    pub(super) fn now(&self) -> State {
        *self.0.borrow()
    }

    pub(super) fn changes(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    pub(super) fn is_ready(&self) -> bool {
        self.store.is_some_and(|store| store.is_ok()) && !self.leaving
    }

    pub(super) fn has_started(&self) -> bool {
        self.started
    }

    /// All conditions, in the order in which they come to hold.
    pub(super) fn conditions(&self) -> [Condition; 4] {
        let unknown = || Err("not known while the store does not answer".to_owned());
        let (store, wake_path) = match self.store {
            None => (Err("not asked yet".to_owned()), unknown()),
            Some(Ok(())) => (Ok(()), Ok(())),
            Some(Err(CheckError::Store(error))) => (Err(error.to_string()), unknown()),
            Some(Err(CheckError::WakePath(error))) => (Ok(()), Err(error.to_string())),
        };
        let holds = |condition: bool, problem: &str| condition.then_some(()).ok_or_else(|| problem.to_owned());
        [
            Condition { name: "started", holds: holds(self.started, "the relay is starting") },
            Condition { name: "store", holds: store },
            Condition { name: "wake path", holds: wake_path },
            Condition { name: "staying", holds: holds(!self.leaving, "the relay is leaving") },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(state: State) -> Vec<&'static str> {
        state.conditions().into_iter().filter(|it| it.holds.is_err()).map(|it| it.name).collect()
    }

    #[test]
    fn it_is_ready_exactly_while_every_condition_holds() {
        let readiness = Readiness::new();
        let broken = StoreError::TimedOut;
        let expect = |names: &[&str]| {
            assert_eq!(failing(readiness.now()), names);
            assert_eq!(readiness.now().is_ready(), names.is_empty());
        };
        expect(&["started", "store", "wake path"]);
        readiness.store_says(Err(CheckError::WakePath(broken)));
        expect(&["started", "wake path"]);
        readiness.store_says(Ok(()));
        expect(&[]);
        readiness.store_says(Err(CheckError::Store(broken)));
        expect(&["store", "wake path"]);
        readiness.store_says(Ok(()));
        expect(&[]);
        readiness.leave();
        expect(&["staying"]);
        readiness.store_says(Ok(()));
        expect(&["staying"]);
    }
}
