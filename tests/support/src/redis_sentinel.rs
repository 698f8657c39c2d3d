//! A primary with two replicas, watched by three Sentinels.

use std::time::Duration;

use crate::redis_server::streams_to;
use crate::redis_settings::{Role, url_of};
use crate::{RedisServer, RedisSettings, Reply, eventually};

/// How long a failover, or a return to order, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the primary is called.
const SERVICE: &str = "sealpost";
/// How many Sentinels have to find a primary dead.
const QUORUM: usize = 2;

/// Three servers, of which one is the primary, and three Sentinels. Indices are those of the servers, 0 to 2, and of
/// the Sentinels, 0 to 2; server 0 is the first primary.
#[derive(Debug)]
pub struct RedisSentinel {
    settings: RedisSettings,
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// Starts all with these settings, and waits until a failover could happen at once.
    ///
    /// # Panics
    /// When they do not start or do not find each other.
    pub async fn spawn(settings: RedisSettings) -> Self {
        let mut servers = vec![RedisServer::spawn(settings.clone()).await];
        let primary = servers[0].ports().told();
        for _ in 1..3 {
            let replica = settings.clone().with("replicaof", &format!("127.0.0.1 {primary}"));
            servers.push(RedisServer::spawn(replica).await);
        }
        let mut watch = RedisSettings { tls: settings.tls.clone(), ..RedisSettings::default() }
            .with("sentinel", &format!("monitor {SERVICE} 127.0.0.1 {primary} {QUORUM}"))
            .with("sentinel", &format!("down-after-milliseconds {SERVICE} 1000"))
            .with("sentinel", &format!("failover-timeout {SERVICE} 5000"))
            .with("sentinel", &format!("parallel-syncs {SERVICE} 1"));
        if let Some(password) = &settings.password {
            watch = watch.with("sentinel", &format!("auth-pass {SERVICE} {password}"));
        }
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let sentinel = RedisServer::spawn_as(Role::Sentinel, watch.clone()).await;
            hurry(&sentinel).await;
            sentinels.push(sentinel);
        }
        let sentinel = Self { settings, servers, sentinels };
        sentinel.await_whole().await;
        sentinel
    }

    /// The Sentinels, as a URL, with the password of the servers.
    pub fn url(&self) -> String {
        let told = |sentinel: &RedisServer| format!("127.0.0.1:{}", sentinel.ports().told());
        let sentinels: Vec<_> = self.sentinels.iter().map(told).collect();
        format!("{}{}/{SERVICE}", url_of("+sentinel", &self.settings), sentinels.join(","))
    }

    /// A server.
    pub fn server(&self, index: usize) -> &RedisServer {
        &self.servers[index]
    }

    /// A Sentinel.
    pub fn sentinel(&self, index: usize) -> &RedisServer {
        &self.sentinels[index]
    }

    /// The server that all Sentinels that run name as the primary now; waits until they agree.
    ///
    /// # Panics
    /// When they do not agree.
    pub async fn primary(&self) -> usize {
        eventually("the Sentinels agree on a primary", PATIENCE, async || self.named().await).await
    }

    /// Kills a server as a loss of power would.
    pub fn kill(&mut self, index: usize) {
        self.servers[index].kill();
    }

    /// Starts a server again, with the role that it had at last: a primary is one until the Sentinels tell it of another.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self, index: usize) {
        self.servers[index].restart().await;
    }

    /// Stops a server from doing anything, with its connections open.
    pub fn pause(&self, index: usize) {
        self.servers[index].pause();
    }

    /// Lets a server go on.
    pub fn resume(&self, index: usize) {
        self.servers[index].resume();
    }

    /// Kills a Sentinel.
    pub fn kill_sentinel(&mut self, index: usize) {
        self.sentinels[index].kill();
    }

    /// Starts a Sentinel again, with what it knew.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart_sentinel(&mut self, index: usize) {
        self.sentinels[index].restart().await;
        hurry(&self.sentinels[index]).await;
    }

    /// Waits until all Sentinels that run name another primary than this one, and it is one. Gives its index.
    ///
    /// # Panics
    /// When there is no other one.
    pub async fn await_failover(&self, from: usize) -> usize {
        eventually("another server is the primary", PATIENCE, async || {
            let primary = self.named().await.filter(|primary| *primary != from)?;
            self.role(primary).await.is_some_and(|role| role[0] == "master").then_some(primary)
        })
        .await
    }

    /// Waits until everything runs, all Sentinels agree on the primary, and both other servers follow it.
    ///
    /// # Panics
    /// When that does not come, for example because something was killed and not started again.
    pub async fn await_whole(&self) {
        eventually("everything runs and agrees", PATIENCE, async || self.whole().await).await;
    }

    /// Lets a replica lose everything and copy it all from the primary. Returns when it has, with its index.
    ///
    /// # Panics
    /// When it does not.
    pub async fn resync_replica(&mut self) -> usize {
        let primary = self.primary().await;
        let replica = (primary + 1) % self.servers.len();
        let before = self.full_syncs(primary).await;
        self.servers[replica].kill_and_forget();
        self.servers[replica].restart().await;
        eventually("the replica has copied everything", PATIENCE, async || {
            (self.follows(replica, primary).await? && self.full_syncs(primary).await > before).then_some(())
        })
        .await;
        replica
    }

    async fn whole(&self) -> Option<()> {
        let primary = self.named().await?;
        for index in 0..self.servers.len() {
            if index == primary {
                let role = self.servers[primary].command(&["ROLE"]).await.ok()?;
                (streams_to(&role) == Some(self.servers.len() - 1)).then_some(())?;
            } else {
                self.follows(index, primary).await?.then_some(())?;
            }
        }
        for sentinel in &self.sentinels {
            sentinel.command(&["SENTINEL", "CKQUORUM", SERVICE]).await.ok()?;
            let seen = sentinel.command(&["SENTINEL", "MASTER", SERVICE]).await.ok()?;
            let value = |name| field(&seen, name);
            let primary_is_well = value("flags")? == "master" && value("num-other-sentinels")? == "2";
            let replicas = sentinel.command(&["SENTINEL", "REPLICAS", SERVICE]).await.ok()?;
            let port = self.servers[primary].ports().told().to_string();
            let well = replicas.items().iter().filter(|replica| {
                let value = |name| field(replica, name);
                value("flags").as_deref() == Some("slave")
                    && value("master-link-status").as_deref() == Some("ok")
                    && value("master-port").as_ref() == Some(&port)
            });
            (primary_is_well && well.count() == self.servers.len() - 1).then_some(())?;
        }
        Some(())
    }

    /// The primary that all Sentinels that run name, if they agree and decide together.
    async fn named(&self) -> Option<usize> {
        let mut ports = Vec::new();
        for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.runs()) {
            let address = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]).await.ok()?;
            ports.push(address.items().get(1)?.text());
        }
        ports.dedup();
        let [port] = ports.as_slice() else { return None };
        self.servers.iter().position(|server| server.ports().told().to_string() == *port)
    }

    async fn follows(&self, replica: usize, primary: usize) -> Option<bool> {
        let role = self.role(replica).await?;
        let port = self.servers[primary].ports().told().to_string();
        Some(role[0] == "slave" && role.get(2) == Some(&port) && role.get(3).is_some_and(|link| link == "connected"))
    }

    async fn role(&self, index: usize) -> Option<Vec<String>> {
        let server = self.servers.get(index).filter(|server| server.runs())?;
        let role: Vec<_> = server.command(&["ROLE"]).await.ok()?.items().iter().map(Reply::text).collect();
        (!role.is_empty()).then_some(role)
    }

    async fn full_syncs(&self, index: usize) -> u64 {
        let info = self.servers[index].command(&["INFO", "stats"]).await.expect("the server answers").text();
        let number = info.lines().find_map(|line| line.strip_prefix("sync_full:"));
        number.and_then(|number| number.parse().ok()).expect("a number of copies")
    }
}

/// Lets a Sentinel look and tell more often than it does by itself, and not go blind for half a minute when the machine
/// is slow. It forgets this when it ends.
///
/// With a second between two pings, a second of silence says nothing: one that was just promoted is found dead. And with
/// five pings within the second in which it asks replicas how they are, it finds none fit to be promoted. How often it
/// asks others whether they find the primary dead stays as it is: all would run for election at once, and none win.
async fn hurry(sentinel: &RedisServer) {
    let periods = [("ping", "500"), ("info", "1000"), ("publish", "500"), ("tilt", "1000")];
    for (name, milliseconds) in periods {
        let told = sentinel.command(&["SENTINEL", "DEBUG", &format!("{name}-period"), milliseconds]).await;
        told.expect("Sentinel hurries");
    }
    sentinel.command(&["SENTINEL", "DEBUG", "tilt-trigger", "20000"]).await.expect("Sentinel has patience");
}

/// A value in a list of names and values.
fn field(list: &Reply, name: &str) -> Option<String> {
    list.items().chunks_exact(2).find(|pair| pair[0].text() == name).map(|pair| pair[1].text())
}
