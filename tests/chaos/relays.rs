//! Relays as processes of the built binary, over one store.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sealpost_testkit::eventually;
use tonic::transport::{Channel, Endpoint};

use crate::PATIENCE;

/// The relays' name, for which proofs are made.
pub(crate) const NAME: &str = "relay.test";
/// How many there are.
pub(crate) const RELAYS: usize = 2;
/// How often a stream gets a ping; three times as long without a word, and it is dead.
pub(crate) const PING_MS: u64 = 1000;

/// One relay, on a port that it keeps when it is started again. It is killed when this is dropped.
pub(crate) struct Relay {
    number: usize,
    store: Vec<String>,
    directory: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Relay {
    /// Starts one; `store` is what it is told of the store, its log goes to `directory`.
    pub(crate) async fn spawn(number: usize, store: &[&str], directory: &Path) -> Self {
        let store = store.iter().map(ToString::to_string).collect();
        let mut relay = Self { number, store, directory: directory.to_owned(), port: 0, child: None };
        relay.start().await;
        relay
    }

    /// Starts it, again if need be, and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        let file = self.directory.join(format!("relay-{}.ready", self.number));
        let _ = std::fs::remove_file(&file);
        self.child = Some(self.launch(&file));
        let ready = eventually("the relay is ready", PATIENCE, async || {
            if let Some(status) = self.child.as_mut()?.try_wait().unwrap() {
                let log = std::fs::read_to_string(self.log()).unwrap();
                // Somebody else may have the port for a moment.
                let taken = self.port != 0 && log.lines().next_back()?.contains("already in use");
                assert!(taken, "relay {} ended ({status}):\n{log}", self.number);
                self.child = Some(self.launch(&file));
            }
            serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(&file).ok()?).ok()
        });
        let ready = ready.await;
        let (_, port) = ready["clients"].as_str().unwrap().rsplit_once(':').unwrap();
        self.port = port.parse().unwrap();
    }

    /// As a loss of power to its process would end it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to leave, and waits until it has.
    pub(crate) async fn leave(&mut self) {
        let mut child = self.child.take().unwrap();
        let asked = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let left = eventually("the relay leaves", PATIENCE, async || child.try_wait().unwrap()).await;
        assert!(left.success(), "relay {} left with {left}; its log is {}", self.number, self.log().display());
    }

    /// A connection of one's own to it, made when it is first used, and again when it broke.
    pub(crate) fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", self.port)).unwrap();
        endpoint.connect_timeout(PATIENCE).connect_lazy()
    }

    fn launch(&self, ready_file: &Path) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command.args(["serve", "--tls-mode", "plaintext", "--relay-names", NAME]);
        command.args(["--listen", &format!("127.0.0.1:{}", self.port), "--listen-admin", "127.0.0.1:0"]);
        command.args(["--streams-ping-interval-ms", &PING_MS.to_string()]);
        command.args(["--drain-spread-ms", "500", "--drain-deadline-ms", "5000"]);
        command.args(&self.store).arg("--ready-file").arg(ready_file);
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        command
            .env_clear()
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn log(&self) -> PathBuf {
        self.directory.join(format!("relay-{}.log", self.number))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // One that ended by itself is as dead.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
