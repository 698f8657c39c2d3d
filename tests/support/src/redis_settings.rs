//! How a server is started, and its configuration file.

use std::path::{Path, PathBuf};

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

/// The files of a server that speaks TLS, all PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Its certificate.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// The authority that it trusts. Clients need no certificate, unless `tls-auth-clients` is set.
    pub ca: PathBuf,
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// What it keeps.
    pub append_only: AppendOnly,
    /// What everybody has to give as the user `default`. It goes into files and URLs as it is: letters and digits.
    pub password: Option<String>,
    /// It speaks TLS, with clients and other servers; on a second port, as the kit itself does not. Valkey as `scripts/install-tools` brings it cannot.
    pub tls: Option<TlsFiles>,
    /// More settings as lines of a configuration file, as pairs of name and value. They count more than those of the kit.
    /// `("user", "relay on >secret ~* &* +@all")` makes a user.
    pub more: Vec<(String, String)>,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self { append_only: AppendOnly::No, password: None, tls: None, more: Vec::new() }
    }
}

impl RedisSettings {
    /// The same with one more setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.more.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What a server is in its topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It holds data, alone or under Sentinel.
    Data,
    /// It holds a part of a Cluster's data.
    Cluster,
    /// It watches others.
    Sentinel,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// For clients.
    pub(crate) plain: u16,
    /// For clients with TLS.
    pub(crate) tls: Option<u16>,
    /// For the other nodes of a Cluster.
    pub(crate) bus: Option<u16>,
}

impl Ports {
    /// What servers tell each other, and clients that speak as they do.
    pub(crate) fn told(self) -> u16 {
        self.tls.unwrap_or(self.plain)
    }
}

/// The beginning of a URL, up to the hosts: `rediss+cluster://:password@`.
pub(crate) fn url_of(topology: &str, settings: &RedisSettings) -> String {
    let scheme = if settings.tls.is_some() { "rediss" } else { "redis" };
    let password = settings.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
    format!("{scheme}{topology}://{password}")
}

/// The text of a configuration file.
pub(crate) fn configuration(role: Role, settings: &RedisSettings, ports: Ports, directory: &Path) -> String {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("port {}", ports.plain),
        format!("dir \"{}\"", directory.display()),
        "save \"\"".to_owned(),
    ];
    if role != Role::Sentinel {
        lines.extend(match settings.append_only {
            AppendOnly::No => ["appendonly no".to_owned(), "appendfsync no".to_owned()],
            AppendOnly::EverySec => ["appendonly yes".to_owned(), "appendfsync everysec".to_owned()],
            AppendOnly::Always => ["appendonly yes".to_owned(), "appendfsync always".to_owned()],
        });
        // A replica need not wait for others to be copied to together with it.
        lines.push("repl-diskless-sync-delay 0".to_owned());
        // So often that a replica's position is soon not 0, which is what it says before it has copied anything.
        lines.push("repl-ping-replica-period 1".to_owned());
        if let Some(password) = &settings.password {
            lines.extend([format!("requirepass {password}"), format!("masterauth {password}")]);
        }
    }
    if let (Some(port), Some(tls)) = (ports.tls, &settings.tls) {
        lines.extend([
            format!("tls-port {port}"),
            format!("tls-cert-file \"{}\"", tls.certificate.display()),
            format!("tls-key-file \"{}\"", tls.key.display()),
            format!("tls-ca-cert-file \"{}\"", tls.ca.display()),
            "tls-auth-clients no".to_owned(),
            // Servers speak TLS with each other too, and tell clients of each other's TLS ports.
            "tls-replication yes".to_owned(),
        ]);
    }
    if let Some(port) = ports.bus {
        lines.extend(["cluster-enabled yes".to_owned(), format!("cluster-port {port}")]);
        if ports.tls.is_some() {
            lines.push("tls-cluster yes".to_owned());
        }
    }
    lines.extend(settings.more.iter().map(|(name, value)| match value.as_str() {
        "" => format!("{name} \"\""),
        value => format!("{name} {value}"),
    }));
    lines.join("\n") + "\n"
}
