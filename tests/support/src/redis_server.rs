//! A real Redis (or Valkey) on a free port, in a directory of its own.

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

use crate::eventually;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often another free port is tried when somebody was faster.
const PORTS: usize = 10;

/// What the server keeps on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOnly {
    /// Nothing.
    No,
    /// Everything, within a second.
    EverySec,
    /// Everything, before it answers.
    Always,
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// What it keeps.
    pub append_only: AppendOnly,
    /// More settings, as pairs of name and value.
    pub more: Vec<(String, String)>,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self { append_only: AppendOnly::No, more: Vec::new() }
    }
}

/// A running server; it ends, and its files go, when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    settings: RedisSettings,
    port: u16,
    directory: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server with these settings, and waits until it answers.
    ///
    /// # Panics
    /// When there is no `redis-server`, or when it does not start.
    pub async fn spawn(settings: RedisSettings) -> Self {
        let directory = TempDir::with_prefix("sealpost-redis-").expect("a directory for temporary files");
        let mut server = Self { settings, port: 0, directory, child: None };
        for _ in 0..PORTS {
            server.port = free_port();
            if server.start().await {
                return server;
            }
        }
        panic!("redis-server did not start; it said:\n{}", server.log());
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process, to measure it.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it as a loss of power to its process would: nothing more is written.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that ended by itself is as dead.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port and with the same files; kills it first if it still runs.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.kill();
        assert!(self.start().await, "redis-server did not start again; it said:\n{}", self.log());
    }

    /// Stops it from doing anything, with its connections open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether it answers; false if it ended instead.
    async fn start(&mut self) -> bool {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let errors = log.try_clone().expect("a log file");
        let mut command = Command::new(program());
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.arg("--dir").arg(self.directory.path());
        command.args(match self.settings.append_only {
            AppendOnly::No => ["--appendonly", "no", "--appendfsync", "no"],
            AppendOnly::EverySec => ["--appendonly", "yes", "--appendfsync", "everysec"],
            AppendOnly::Always => ["--appendonly", "yes", "--appendfsync", "always"],
        });
        for (name, value) in &self.settings.more {
            command.arg(format!("--{name}")).arg(value);
        }
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        self.child = Some(child.unwrap_or_else(|error| {
            let program = program();
            panic!(
                "{program:?} cannot be started ({error}). These tests need a real server: install it \
                 (apt install redis-server, brew install redis), or name one in SEALPOST_REDIS_SERVER"
            )
        }));
        let (port, id) = (self.port, self.process_id());
        let started = eventually("redis-server answers PING", PATIENCE, async || match self.ended() {
            Some(_) => Some(false),
            None => (answers(port).await == id).then_some(true),
        });
        started.await
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("the server runs"), signal).expect("the server can be signalled");
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> OsString {
    std::env::var_os("SEALPOST_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound port").port()
}

/// The process that answers at this port, if its server is ready: somebody else may have taken a port that was free.
async fn answers(port: u16) -> Option<u32> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let mut stream = BufStream::new(stream);
    stream.write_all(b"PING\r\nINFO server\r\n").await.ok()?;
    stream.flush().await.ok()?;
    let mut lines = stream.lines();
    if lines.next_line().await.ok()?? != "+PONG" {
        return None;
    }
    loop {
        if let Some(id) = lines.next_line().await.ok()??.strip_prefix("process_id:") {
            return id.parse().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_answers_can_be_killed_and_comes_back_on_the_same_port() {
        let mut server =
            RedisServer::spawn(RedisSettings { append_only: AppendOnly::Always, ..Default::default() }).await;
        let port = server.port();
        assert_eq!(answers(port).await, server.process_id());
        server.kill();
        assert_eq!(answers(port).await, None);
        server.restart().await;
        assert_eq!(server.port(), port);
        assert_eq!(answers(port).await, server.process_id());
    }

    #[tokio::test]
    async fn a_paused_server_is_silent_until_it_goes_on() {
        let server = RedisServer::spawn(RedisSettings::default()).await;
        server.pause();
        let silent = tokio::time::timeout(Duration::from_millis(100), answers(server.port())).await;
        server.resume();
        assert!(silent.is_err());
        eventually("it answers again", PATIENCE, async || answers(server.port()).await).await;
    }
}
