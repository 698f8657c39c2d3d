//! A relay as a process of the built binary, on a store of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sealpost_client::low_level::{Channel, Dialer};
use sealpost_client::{RelayOptions, Trust};
use sealpost_testkit::eventually;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;
use crate::usage::{self, Usage};

/// Its name, for which proofs are made.
pub(crate) const NAME: &str = "relay.test";

/// A relay. It is killed when this is dropped.
pub(crate) struct Relay {
    directory: TempDir,
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    tls: bool,
}

/// How one is started.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Start<'a> {
    /// By TLS, with a certificate made for it.
    pub(crate) tls: bool,
    /// No more descriptors than these.
    pub(crate) descriptors: Option<usize>,
    /// On this store, as durable as that, and not an embedded one of its own.
    pub(crate) store: Option<(&'a str, &'a str)>,
    /// More arguments.
    pub(crate) arguments: &'a [&'a str],
}

impl Relay {
    /// One that speaks plaintext.
    pub(crate) async fn plaintext() -> Self {
        Self::start(Start::default()).await
    }

    /// One that speaks TLS.
    pub(crate) async fn tls() -> Self {
        Self::start(Start { tls: true, ..Start::default() }).await
    }

    pub(crate) async fn start(start: Start<'_>) -> Self {
        let directory = TempDir::new().unwrap();
        let ready_file = directory.path().join("ready.json");
        let mut child = launch(&directory, start);
        let ready = eventually("the relay is ready", PATIENCE, async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the relay ended ({status}):\n{}", std::fs::read_to_string(log(&directory)).unwrap());
            }
            serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(&ready_file).ok()?).ok()
        });
        let ready = ready.await;
        let address = |of: &str| ready[of].as_str().unwrap().parse().unwrap();
        Self { address: address("clients"), admin: address("admin"), directory, child, tls: start.tls }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its operator asks for a path of the admin listener, with a method and a body.
    pub(crate) async fn operator(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.admin).await.unwrap();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\ncontent-length: {}", body.len());
        socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// What one of its metrics shows.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.operator("GET", "/metrics", "").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    /// The authority that signed its certificate, if it has one.
    pub(crate) fn authority(&self) -> Option<PathBuf> {
        self.tls.then(|| self.directory.path().join("tls/ca.pem"))
    }

    /// A connection of one's own to it, of a client that keeps to the rules, made when it is first used.
    pub(crate) fn channel(&self) -> Channel {
        let trust = match self.authority() {
            Some(file) => Trust::Authorities(std::fs::read(file).unwrap()),
            None => Trust::Plaintext,
        };
        let options = RelayOptions::new(format!("{NAME}:{}", self.address.port()).parse().unwrap());
        let options = options.trust(trust).connect_to(self.address.to_string());
        Dialer::new(&options).unwrap().dial()
    }

    pub(crate) fn usage(&self) -> Usage {
        usage::usage(self.child.id())
    }

    pub(crate) fn forget_peak(&self) {
        usage::forget_peak(self.child.id());
    }

    pub(crate) fn descriptors(&self) -> usize {
        usage::descriptors(self.child.id())
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(log(&self.directory)).unwrap()
    }
}

fn launch(directory: &TempDir, start: Start<'_>) -> Child {
    let limit = start.descriptors.map_or(String::new(), |limit| format!("ulimit -n {limit}; "));
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limit}exec \"$@\""), "sh", env!("CARGO_BIN_EXE_sealpost"), "serve"]);
    command.args(["--relay-names", NAME, "--listen", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0"]);
    // All attackers come from here.
    command.args(["--listen-max-connections-per-peer", "0"]);
    let (store, durability) = start.store.unwrap_or(("embedded:store", "memory"));
    command.args(["--store", store, "--store-durability", durability, "--ready-file", "ready.json"]);
    command.args(["--tls-mode", if start.tls { "development" } else { "plaintext" }, "--tls-directory", "tls"]);
    command
        .args(start.arguments)
        .env_clear()
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log(directory)).unwrap())
        .spawn()
        .unwrap()
}

fn log(directory: &TempDir) -> PathBuf {
    directory.path().join("relay.log")
}

impl Drop for Relay {
    fn drop(&mut self) {
        // One that ended by itself is as dead.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
