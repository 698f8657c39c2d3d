//! A real Redis (or Valkey) on a free port, in a directory of its own.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::eventually;
use crate::redis_settings::{Ports, RedisSettings, Role, configuration, url_of};
use crate::resp::{Connection, Reply};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often other free ports are tried when somebody was faster.
const ATTEMPTS: usize = 10;

/// Connections that can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Those that have subscribed.
    Pubsub,
    /// Those that give commands.
    Normal,
}

/// A running server; it ends, and its files go, when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    role: Role,
    settings: RedisSettings,
    ports: Ports,
    directory: TempDir,
    child: Option<Child>,
    paused: AtomicBool,
}

impl RedisServer {
    /// Starts a server with these settings, and waits until it answers.
    ///
    /// # Panics
    /// When there is no `redis-server`, or when it does not start.
    pub async fn spawn(settings: RedisSettings) -> Self {
        Self::spawn_as(Role::Data, settings).await
    }

    pub(crate) async fn spawn_as(role: Role, settings: RedisSettings) -> Self {
        let directory = TempDir::with_prefix("sealpost-redis-").expect("a directory for temporary files");
        let ports = free_ports(role, &settings);
        let mut server = Self { role, settings, ports, directory, child: None, paused: AtomicBool::new(false) };
        for _ in 0..ATTEMPTS {
            server.configure();
            if server.start().await {
                return server;
            }
            server.ports = free_ports(role, &server.settings);
        }
        panic!("redis-server did not start; it said:\n{}", server.log());
    }

    /// Where it listens, as a URL with its password; with TLS if it speaks that.
    pub fn url(&self) -> String {
        format!("{}127.0.0.1:{}", url_of("", &self.settings), self.ports.told())
    }

    /// Where its files are.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Where it listens, without TLS.
    pub fn port(&self) -> u16 {
        self.ports.plain
    }

    /// Where it listens with TLS, if it speaks that.
    pub fn tls_port(&self) -> Option<u16> {
        self.ports.tls
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    /// Its process, to measure it.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it was neither killed nor paused.
    pub fn runs(&self) -> bool {
        self.child.is_some() && !self.paused.load(Ordering::Relaxed)
    }

    /// Gives it a command, over a connection of its own. What it refuses is an error with its words.
    pub async fn command(&self, words: &[impl AsRef<[u8]>]) -> io::Result<Reply> {
        within_patience(async { self.connect().await?.command(words).await }).await
    }

    /// Gives it many commands at once; fails if one of them does.
    pub(crate) async fn pipeline(&self, commands: &[Vec<String>]) -> io::Result<()> {
        within_patience(async { self.connect().await?.pipeline(commands).await }).await
    }

    async fn connect(&self) -> io::Result<Connection> {
        Connection::open(self.ports.plain, self.settings.password.as_deref()).await
    }

    /// Changes a setting until it ends.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn config_set(&self, name: &str, value: &str) {
        self.command(&["CONFIG", "SET", name, value]).await.expect("the setting is changed");
    }

    /// Cuts all connections of this kind, and says how many there were.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn cut(&self, kind: Cut) -> i64 {
        let kind = match kind {
            Cut::Pubsub => "pubsub",
            Cut::Normal => "normal",
        };
        let killed = self.command(&["CLIENT", "KILL", "TYPE", kind]).await.expect("connections are cut");
        killed.integer().expect("a number of connections")
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

    /// Kills it and removes what it has stored. It starts again empty, with the role that it had.
    ///
    /// # Panics
    /// When its files cannot be removed.
    pub fn kill_and_forget(&mut self) {
        self.kill();
        for entry in std::fs::read_dir(self.directory.path()).expect("its directory") {
            let path = entry.expect("its directory").path();
            if path.is_dir() {
                std::fs::remove_dir_all(&path).expect("its log of commands is removed");
            } else if path.extension().is_some_and(|extension| extension == "rdb") {
                std::fs::remove_file(&path).expect("its snapshot is removed");
            }
        }
    }

    /// Stops it from doing anything, with its connections open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
        self.paused.store(false, Ordering::Relaxed);
    }

    fn configure(&self) {
        let text = configuration(self.role, &self.settings, self.ports, self.directory.path());
        std::fs::write(self.configuration_path(), text).expect("a configuration file");
    }

    /// Whether it answers; false if it ended instead.
    async fn start(&mut self) -> bool {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let errors = log.try_clone().expect("a log file");
        let mut command = Command::new(program());
        // A file, as Sentinel and the servers that it commands write down in it what they became.
        command.arg(self.configuration_path());
        if self.role == Role::Sentinel {
            command.arg("--sentinel");
        }
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        self.child = Some(child.unwrap_or_else(|error| {
            let program = program();
            panic!(
                "{program:?} cannot be started ({error}). These tests need a real server: install it \
                 (apt install redis-server, brew install redis), or name one in SEALPOST_REDIS_SERVER"
            )
        }));
        self.paused.store(false, Ordering::Relaxed);
        let id = self.process_id();
        let started = eventually("redis-server answers PING", PATIENCE, async || match self.ended() {
            Some(_) => Some(false),
            None => (self.answers().await == id).then_some(true),
        });
        started.await
    }

    /// The process that answers at its port, if it is ready: somebody else may have taken a port that was free.
    async fn answers(&self) -> Option<u32> {
        let mut connection = self.connect().await.ok()?;
        connection.command(&["PING"]).await.ok()?;
        let info = connection.command(&["INFO", "server"]).await.ok()?.text();
        info.lines().find_map(|line| line.strip_prefix("process_id:"))?.parse().ok()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("the server runs"), signal).expect("the server can be signalled");
    }

    fn configuration_path(&self) -> PathBuf {
        self.directory.path().join("conf")
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

/// How many replicas of a primary get what is written at once, of its answer to `ROLE`. It lists them with their
/// positions as soon as it has sent its copy, but sends more only when they have told theirs.
pub(crate) fn streams_to(role: &Reply) -> Option<usize> {
    let [kind, _, replicas] = role.items() else { return None };
    let position = |replica: &Reply| replica.items().get(2).map(Reply::text);
    let started = |replica: &&Reply| position(replica).is_some_and(|position| position != "0");
    (kind.text() == "master").then(|| replicas.items().iter().filter(started).count())
}

async fn within_patience<T>(answer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn program() -> OsString {
    std::env::var_os("SEALPOST_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

fn free_ports(role: Role, settings: &RedisSettings) -> Ports {
    Ports {
        plain: free_port(),
        tls: settings.tls.is_some().then(free_port),
        bus: (role == Role::Cluster).then(free_port),
    }
}

/// A port that nobody has, below those that the system gives to clients: a client that calls a killed server in vain
/// must not get the server's port for itself.
fn free_port() -> u16 {
    let random =
        || 20_000 + u16::try_from(RandomState::new().build_hasher().finish() % 12_000).expect("a small number");
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(random).take(1000).find(free).expect("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AppendOnly;

    #[tokio::test]
    async fn it_answers_can_be_killed_and_comes_back_on_the_same_port() {
        let mut server =
            RedisServer::spawn(RedisSettings { append_only: AppendOnly::Always, ..Default::default() }).await;
        let port = server.port();
        assert_eq!(server.answers().await, server.process_id());
        server.command(&["SET", "key", "value"]).await.unwrap();
        server.kill();
        assert_eq!(server.answers().await, None);
        server.restart().await;
        assert_eq!(server.port(), port);
        assert_eq!(server.answers().await, server.process_id());
        assert_eq!(server.command(&["GET", "key"]).await.unwrap().text(), "value");
        server.kill_and_forget();
        server.restart().await;
        assert_eq!(server.command(&["GET", "key"]).await.unwrap(), Reply::Nil);
    }

    #[tokio::test]
    async fn a_paused_server_is_silent_until_it_goes_on() {
        let server = RedisServer::spawn(RedisSettings::default()).await;
        server.pause();
        let silent = tokio::time::timeout(Duration::from_millis(100), server.answers()).await;
        server.resume();
        assert!(silent.is_err());
        eventually("it answers again", PATIENCE, async || server.answers().await).await;
    }

    #[tokio::test]
    async fn it_asks_for_the_password_and_knows_the_users_that_it_was_given() {
        let settings = RedisSettings { password: Some("sesame".to_owned()), ..RedisSettings::default() };
        let server = RedisServer::spawn(settings.with("user", "relay on >secret ~* &* +@all")).await;
        assert_eq!(server.url(), format!("redis://:sesame@127.0.0.1:{}", server.port()));
        let wrong = Connection::open(server.port(), Some("wrong")).await.err().unwrap();
        assert!(wrong.to_string().starts_with("WRONGPASS"), "{wrong}");
        let mut stranger = Connection::open(server.port(), None).await.unwrap();
        assert!(stranger.command(&["PING"]).await.unwrap_err().to_string().starts_with("NOAUTH"));
        stranger.command(&["AUTH", "relay", "secret"]).await.unwrap();
        assert_eq!(stranger.command(&["ACL", "WHOAMI"]).await.unwrap().text(), "relay");
    }

    #[tokio::test]
    async fn only_connections_of_the_named_kind_are_cut() {
        let server = RedisServer::spawn(RedisSettings::default()).await;
        server.config_set("maxclients", "100").await;
        let mut listening = server.connect().await.unwrap();
        let mut talking = server.connect().await.unwrap();
        listening.command(&["SUBSCRIBE", "news"]).await.unwrap();
        talking.command(&["PING"]).await.unwrap();
        assert_eq!(server.cut(Cut::Pubsub).await, 1);
        talking.command(&["PING"]).await.unwrap();
        assert_eq!(server.cut(Cut::Normal).await, 1);
        assert!(talking.command(&["PING"]).await.is_err());
    }
}
