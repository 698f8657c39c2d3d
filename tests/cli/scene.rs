//! A directory, a relay in it, and people with profiles.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use sealpost_testkit::eventually;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A working directory with nothing of the developer's own in its environment.
pub(crate) struct Scene {
    directory: TempDir,
    relay: Option<Child>,
    store: String,
    /// The relay's port; kept over a restart.
    pub(crate) port: u16,
    /// Where its operator looks.
    pub(crate) admin: String,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scene {
    /// Without a relay.
    pub(crate) fn bare() -> Self {
        let store = "embedded:sealpost-data".to_owned();
        Self { directory: TempDir::new().unwrap(), relay: None, store, port: 0, admin: String::new() }
    }

    /// With a relay on the embedded store.
    pub(crate) async fn new() -> Self {
        let mut scene = Self::bare();
        scene.start_relay(&[]).await;
        scene
    }

    /// With a relay on this store.
    pub(crate) async fn with_store(url: String) -> Self {
        let mut scene = Self::bare();
        scene.store = url;
        scene.start_relay(&[]).await;
        scene
    }

    /// Starts a relay in the directory, on the port of the one before it if there was one.
    pub(crate) async fn start_relay(&mut self, more: &[&str]) {
        let file = self.path("ready.json");
        let _ = std::fs::remove_file(&file);
        self.relay = Some(self.spawn_relay(more));
        let ready = eventually("the relay is ready", PATIENCE, async || {
            if let Some(status) = self.relay.as_mut()?.try_wait().unwrap() {
                let log = std::fs::read_to_string(self.path("relay.log")).unwrap();
                // Somebody else may have the port for a moment.
                assert!(self.port != 0 && log.contains("already in use"), "the relay ended ({status}):\n{log}");
                self.relay = Some(self.spawn_relay(more));
            }
            std::fs::read_to_string(&file).ok()
        });
        let ready = json(&ready.await);
        let (_, port) = ready["clients"].as_str().unwrap().rsplit_once(':').unwrap();
        self.port = port.parse().unwrap();
        self.admin = ready["admin"].as_str().unwrap().to_owned();
    }

    fn spawn_relay(&self, more: &[&str]) -> Child {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut command = self.command(["serve", "--listen", &listen, "--listen-admin", "127.0.0.1:0"]);
        command.args(["--store", &self.store, "--ready-file", "ready.json"]).args(more);
        command.stderr(std::fs::File::create(self.path("relay.log")).unwrap()).spawn().unwrap()
    }

    /// As a loss of power to its process would end it.
    pub(crate) fn kill_relay(&mut self) {
        if let Some(mut relay) = self.relay.take() {
            relay.kill().unwrap();
            relay.wait().unwrap();
        }
    }

    /// Asks the relay to end.
    pub(crate) fn signal_relay(&self) {
        let asked = Command::new("kill").arg(self.relay.as_ref().unwrap().id().to_string()).status().unwrap();
        assert!(asked.success());
    }

    /// Asks the relay to end, and waits until it has.
    pub(crate) async fn stop_relay(&mut self) -> std::process::ExitStatus {
        self.signal_relay();
        let mut relay = self.relay.take().unwrap();
        eventually("the relay ends", PATIENCE, async || relay.try_wait().unwrap()).await
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The binary, about to run in the directory.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command.current_dir(self.directory.path()).args(arguments).stdin(Stdio::null()).env_clear();
        command.env("HOME", self.directory.path()).env("SEALPOST_HOME", self.path("home"));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    /// The same by one of the people.
    pub(crate) fn run_as(&self, person: &str, arguments: &[&str]) -> Said {
        self.run(arguments.iter().copied().chain(["--profile", person]))
    }

    /// Runs a command that has to succeed; gives its standard output.
    pub(crate) fn ok(&self, person: &str, arguments: &[&str]) -> String {
        self.run_as(person, arguments).succeeded()
    }

    /// Makes a mailbox; gives its address.
    pub(crate) fn appear(&self, person: &str) -> String {
        let made = self.ok(person, &["mailbox", "create", "--json", "--relay", &self.url()]);
        json(&made)["address"].as_str().unwrap().to_owned()
    }

    /// Lets one write to another.
    pub(crate) fn befriend(&self, writer: &str, reader: &str) {
        let link = self.ok(reader, &["invite", "--link"]);
        self.ok(writer, &["contact", "add", reader, link.trim()]);
    }

    /// Everything that waits for one of the people.
    pub(crate) fn receive(&self, person: &str) -> Vec<Value> {
        self.ok(person, &["receive", "--json"]).lines().map(json).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.kill_relay();
    }
}

impl Said {
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "it failed:\n{}{}", self.out, self.err);
        self.out
    }

    /// It ended with this code, and said all of this on standard error.
    pub(crate) fn failed(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in:\n{}", self.err);
        }
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
