//! Every setting as it is written: in a file, in the environment, or as a flag. Nothing is checked here but its form.
//!
//! A setting `key` of a section `section` is `key` under `[section]` in the file, `SEALPOST_SECTION_KEY` in the
//! environment, and `--section-key` as a flag. Flags win over the environment, the environment over the file, the file
//! over the defaults.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize};

/// All settings; what is `None` was not written anywhere.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who the relay is.
    #[command(flatten)]
    pub relay: RelaySettings,
    /// Where it listens.
    #[command(flatten)]
    pub listen: ListenSettings,
    /// How connections are protected.
    #[command(flatten)]
    pub tls: TlsSettings,
    /// Which pages may call.
    #[command(flatten)]
    pub web: WebSettings,
    /// Where envelopes are kept.
    #[command(flatten)]
    pub store: StoreSettings,
    /// What a mailbox may hold.
    #[command(flatten)]
    pub mailbox: MailboxSettings,
    /// Who may make a mailbox.
    #[command(flatten)]
    pub admission: AdmissionSettings,
    /// What a client may ask for.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// How streams live.
    #[command(flatten)]
    pub streams: StreamSettings,
    /// How the relay leaves.
    #[command(flatten)]
    pub drain: DrainSettings,
    /// What it tells of itself.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// Who the relay is.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Relay")]
pub struct RelaySettings {
    /// The relay's names, as in its invites and certificate; proofs must be made for one of them [default: localhost,127.0.0.1]
    #[arg(
        id = "relay-names",
        long = "relay-names",
        visible_alias = "name",
        env = "SEALPOST_RELAY_NAMES",
        value_name = "NAME",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
}

/// Where it listens.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Listen")]
pub struct ListenSettings {
    /// Where clients connect [default: 127.0.0.1:8443]
    #[arg(
        id = "listen-address",
        long = "listen-address",
        visible_alias = "listen",
        env = "SEALPOST_LISTEN_ADDRESS",
        value_name = "ADDRESS:PORT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where health and metrics are served, in plaintext unless tls.admin says otherwise: not for the Internet [default: 127.0.0.1:8081]
    #[arg(id = "listen-admin", long = "listen-admin", env = "SEALPOST_LISTEN_ADMIN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// Client connections at once [default: 100000]
    #[arg(
        id = "listen-max-connections",
        long = "listen-max-connections",
        env = "SEALPOST_LISTEN_MAX_CONNECTIONS",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<usize>,
    /// Client connections at once from one IPv4 address or IPv6 /64; 0: any number [default: 10000]
    #[arg(
        id = "listen-max-connections-per-peer",
        long = "listen-max-connections-per-peer",
        env = "SEALPOST_LISTEN_MAX_CONNECTIONS_PER_PEER",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections_per_peer: Option<usize>,
    /// Whether a load balancer begins each connection with a PROXY protocol header (version 2) [default: false]
    #[arg(id = "listen-proxy-protocol", long = "listen-proxy-protocol", env = "SEALPOST_LISTEN_PROXY_PROTOCOL", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<bool>,
    /// TLS handshakes at once; above that whose client has been silent for longest gives way, after a second [default: 4096]
    #[arg(
        id = "listen-max-handshakes",
        long = "listen-max-handshakes",
        env = "SEALPOST_LISTEN_MAX_HANDSHAKES",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_handshakes: Option<usize>,
    /// Milliseconds that a handshake may take [default: 10000]
    #[arg(
        id = "listen-handshake-timeout-ms",
        long = "listen-handshake-timeout-ms",
        env = "SEALPOST_LISTEN_HANDSHAKE_TIMEOUT_MS",
        value_name = "MS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_timeout_ms: Option<u64>,
    /// Milliseconds after which a connection without a request is closed [default: 30000]
    #[arg(
        id = "listen-first-request-timeout-ms",
        long = "listen-first-request-timeout-ms",
        env = "SEALPOST_LISTEN_FIRST_REQUEST_TIMEOUT_MS",
        value_name = "MS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_request_timeout_ms: Option<u64>,
    /// Seconds after which a connection takes no more requests, give or take a half; 0: for ever [default: 7200]
    #[arg(
        id = "listen-max-connection-life-secs",
        long = "listen-max-connection-life-secs",
        env = "SEALPOST_LISTEN_MAX_CONNECTION_LIFE_SECS",
        value_name = "SECS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connection_life_secs: Option<u64>,
    /// Calls and streams at once on one connection [default: 256]
    #[arg(
        id = "listen-max-streams",
        long = "listen-max-streams",
        env = "SEALPOST_LISTEN_MAX_STREAMS",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<u32>,
    /// Requests a second on one connection; 0: any number [default: 5000]
    #[arg(
        id = "listen-max-requests-per-second",
        long = "listen-max-requests-per-second",
        env = "SEALPOST_LISTEN_MAX_REQUESTS_PER_SECOND",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests_per_second: Option<u32>,
    /// Bytes a second from one connection; 0: any number [default: 67108864]
    #[arg(
        id = "listen-max-bytes-per-second",
        long = "listen-max-bytes-per-second",
        env = "SEALPOST_LISTEN_MAX_BYTES_PER_SECOND",
        value_name = "BYTES"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes_per_second: Option<u32>,
    /// Bytes of messages on one connection that have not come whole, beyond 64 KiB of each [default: 8388608, or
    /// limits.max_message_bytes if that is more]
    #[arg(
        id = "listen-max-unfinished-bytes",
        long = "listen-max-unfinished-bytes",
        env = "SEALPOST_LISTEN_MAX_UNFINISHED_BYTES",
        value_name = "BYTES"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unfinished_bytes: Option<usize>,
    /// Bytes of headers of one request [default: 16384]
    #[arg(
        id = "listen-max-header-bytes",
        long = "listen-max-header-bytes",
        env = "SEALPOST_LISTEN_MAX_HEADER_BYTES",
        value_name = "BYTES"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_header_bytes: Option<u32>,
    /// Bytes that wait to be written to one stream [default: 65536]
    #[arg(
        id = "listen-max-send-buffer-bytes",
        long = "listen-max-send-buffer-bytes",
        env = "SEALPOST_LISTEN_MAX_SEND_BUFFER_BYTES",
        value_name = "BYTES"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_send_buffer_bytes: Option<usize>,
    /// Milliseconds after which an idle connection is asked for a sign of life [default: 45000]
    #[arg(
        id = "listen-keepalive-interval-ms",
        long = "listen-keepalive-interval-ms",
        env = "SEALPOST_LISTEN_KEEPALIVE_INTERVAL_MS",
        value_name = "MS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive_interval_ms: Option<u64>,
    /// Milliseconds that it has for it [default: 20000]
    #[arg(
        id = "listen-keepalive-timeout-ms",
        long = "listen-keepalive-timeout-ms",
        env = "SEALPOST_LISTEN_KEEPALIVE_TIMEOUT_MS",
        value_name = "MS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive_timeout_ms: Option<u64>,
    /// Whether gRPC reflection is served, for tools such as grpcurl [default: false]
    #[arg(id = "listen-reflection", long = "listen-reflection", env = "SEALPOST_LISTEN_REFLECTION", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reflection: Option<bool>,
}

/// How connections are protected.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "TLS")]
pub struct TlsSettings {
    /// What protects connections [default: files if tls.certificate is set; else development on a loopback address]
    #[arg(id = "tls-mode", long = "tls-mode", env = "SEALPOST_TLS_MODE", value_enum, value_name = "MODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<TlsMode>,
    /// Certificate chains, PEM files; the first is for clients that ask for a name that none is for
    #[arg(
        id = "tls-certificate",
        long = "tls-certificate",
        env = "SEALPOST_TLS_CERTIFICATE",
        value_name = "FILE",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "one_or_more")]
    pub certificate: Option<Vec<PathBuf>>,
    /// The certificates' private keys, PEM files, in the same order
    #[arg(id = "tls-key", long = "tls-key", env = "SEALPOST_TLS_KEY", value_name = "FILE", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "one_or_more")]
    pub key: Option<Vec<PathBuf>>,
    /// The oldest TLS that clients may speak [default: 1.3]
    #[arg(
        id = "tls-min-version",
        long = "tls-min-version",
        env = "SEALPOST_TLS_MIN_VERSION",
        value_enum,
        value_name = "VERSION"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_version: Option<TlsVersion>,
    /// A file with the keys of session tickets, which relays share so that a session of one is resumed at another; the
    /// first key seals [default: keys of this process]
    #[arg(
        id = "tls-ticket-keys-file",
        long = "tls-ticket-keys-file",
        env = "SEALPOST_TLS_TICKET_KEYS_FILE",
        value_name = "FILE"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket_keys_file: Option<PathBuf>,
    /// What protects listen.admin [default: off]
    #[arg(id = "tls-admin", long = "tls-admin", env = "SEALPOST_TLS_ADMIN", value_enum, value_name = "MODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminTlsMode>,
    /// The authority of the certificates that clients of listen.admin need, a PEM file
    #[arg(
        id = "tls-admin-client-ca",
        long = "tls-admin-client-ca",
        env = "SEALPOST_TLS_ADMIN_CLIENT_CA",
        value_name = "FILE"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_client_ca: Option<PathBuf>,
    /// Where a development certificate is kept [default: sealpost-data/tls]
    #[arg(id = "tls-directory", long = "tls-directory", env = "SEALPOST_TLS_DIRECTORY", value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
}

/// What protects connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// A certificate and a key from files.
    Files,
    /// A certificate made here, for trying things out; clients trust its ca.pem.
    Development,
    /// Nothing: a proxy or a mesh in front does it.
    Plaintext,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum TlsVersion {
    /// For clients that know nothing newer.
    #[value(name = "1.2")]
    #[serde(rename = "1.2")]
    V1_2,
    /// With nothing left of what was weak.
    #[value(name = "1.3")]
    #[serde(rename = "1.3")]
    V1_3,
}

/// What protects the admin listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminTlsMode {
    /// Nothing.
    Off,
    /// TLS with the relay's certificates.
    Server,
    /// The same, and clients need a certificate of tls.admin_client_ca.
    Mutual,
}

/// A list may be written as the one thing that it holds.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a path, or a list of paths")]
    enum Paths {
        One(PathBuf),
        More(Vec<PathBuf>),
    }
    Ok(Some(match Paths::deserialize(deserializer)? {
        Paths::One(path) => vec![path],
        Paths::More(paths) => paths,
    }))
}

/// Which pages may call, in browsers.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Web")]
pub struct WebSettings {
    /// The origins whose pages may call from a browser, by gRPC-Web, as in https://app.example.org [default: none]
    #[arg(
        id = "web-origins",
        long = "web-origins",
        env = "SEALPOST_WEB_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<String>>,
}

/// Where envelopes are kept.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Store")]
pub struct StoreSettings {
    /// embedded:DIRECTORY for one relay; redis://…, redis+sentinel://… or redis+cluster://… for many, rediss for TLS
    /// [default: embedded:sealpost-data]
    #[arg(
        id = "store-url",
        long = "store-url",
        visible_alias = "store",
        env = "SEALPOST_STORE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What has happened to an envelope when it is accepted: memory, fsync, or replicas:N for Redis [default: fsync for
    /// embedded, memory for Redis]
    #[arg(id = "store-durability", long = "store-durability", env = "SEALPOST_STORE_DURABILITY", value_name = "LEVEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<DurabilitySetting>,
    /// What to do where Redis's settings do not keep that [default: refuse]
    #[arg(
        id = "store-durability-check",
        long = "store-durability-check",
        env = "SEALPOST_STORE_DURABILITY_CHECK",
        value_enum,
        value_name = "ACTION"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability_check: Option<DurabilityCheck>,
    /// A file with Redis's password, in place of one in the URL
    #[arg(
        id = "store-password-file",
        long = "store-password-file",
        env = "SEALPOST_STORE_PASSWORD_FILE",
        value_name = "FILE"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The user of the Sentinels as whom the relay asks them [default: default]
    #[arg(
        id = "store-sentinel-user",
        long = "store-sentinel-user",
        env = "SEALPOST_STORE_SENTINEL_USER",
        value_name = "USER"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_user: Option<String>,
    /// A file with the Sentinels' password, if they have one
    #[arg(
        id = "store-sentinel-password-file",
        long = "store-sentinel-password-file",
        env = "SEALPOST_STORE_SENTINEL_PASSWORD_FILE",
        value_name = "FILE"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_password_file: Option<PathBuf>,
    /// The certificate authority of a rediss:// server, a PEM file [default: the system's]
    #[arg(id = "store-ca", long = "store-ca", env = "SEALPOST_STORE_CA", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Connections to each Redis server for commands [default: 2]
    #[arg(
        id = "store-connections",
        long = "store-connections",
        env = "SEALPOST_STORE_CONNECTIONS",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<usize>,
    /// The longest wait for Redis, in milliseconds [default: 2000]
    #[arg(id = "store-timeout-ms", long = "store-timeout-ms", env = "SEALPOST_STORE_TIMEOUT_MS", value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// What has happened to an envelope when it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DurabilitySetting {
    /// It is in the store's memory.
    Memory,
    /// It is on the store's disk.
    Fsync,
    /// So many replicas of Redis have it too.
    Replicas(u8),
}

impl FromStr for DurabilitySetting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "memory" => Ok(Self::Memory),
            "fsync" => Ok(Self::Fsync),
            _ => text
                .strip_prefix("replicas:")
                .and_then(|text| text.parse().ok().filter(|count: &u8| *count > 0 && text == count.to_string()))
                .map(Self::Replicas)
                .ok_or("it is memory, fsync, or replicas:N with N from 1 to 255"),
        }
    }
}

impl TryFrom<String> for DurabilitySetting {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DurabilitySetting> for String {
    fn from(setting: DurabilitySetting) -> Self {
        match setting {
            DurabilitySetting::Memory => "memory".to_owned(),
            DurabilitySetting::Fsync => "fsync".to_owned(),
            DurabilitySetting::Replicas(count) => format!("replicas:{count}"),
        }
    }
}

/// What to do where the store's own settings do not keep what is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityCheck {
    /// Do not start.
    Refuse,
    /// Say so in the log, and go on.
    Warn,
}

/// What a mailbox may hold.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Mailboxes")]
pub struct MailboxSettings {
    /// Envelopes that wait in one mailbox [default: 10000]
    #[arg(
        id = "mailbox-max-messages",
        long = "mailbox-max-messages",
        env = "SEALPOST_MAILBOX_MAX_MESSAGES",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages: Option<u64>,
    /// Bytes that wait in one mailbox [default: 67108864]
    #[arg(
        id = "mailbox-max-bytes",
        long = "mailbox-max-bytes",
        env = "SEALPOST_MAILBOX_MAX_BYTES",
        value_name = "BYTES"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// An envelope that nobody took expires after so many hours [default: 720]
    #[arg(
        id = "mailbox-message-ttl-hours",
        long = "mailbox-message-ttl-hours",
        env = "SEALPOST_MAILBOX_MESSAGE_TTL_HOURS",
        value_name = "HOURS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_ttl_hours: Option<u32>,
    /// A mailbox whose owner does not come is reclaimed after so many hours [default: 8760]
    #[arg(
        id = "mailbox-idle-ttl-hours",
        long = "mailbox-idle-ttl-hours",
        env = "SEALPOST_MAILBOX_IDLE_TTL_HOURS",
        value_name = "HOURS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ttl_hours: Option<u32>,
    /// Delivery keys of one mailbox [default: 16]
    #[arg(
        id = "mailbox-max-delivery-keys",
        long = "mailbox-max-delivery-keys",
        env = "SEALPOST_MAILBOX_MAX_DELIVERY_KEYS",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delivery_keys: Option<usize>,
    /// Bytes of a card [default: 4096]
    #[arg(
        id = "mailbox-max-card-bytes",
        long = "mailbox-max-card-bytes",
        env = "SEALPOST_MAILBOX_MAX_CARD_BYTES",
        value_name = "BYTES"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_card_bytes: Option<usize>,
}

/// Who may make a mailbox.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Admission")]
pub struct AdmissionSettings {
    /// Who may make a mailbox [default: open]
    #[arg(
        id = "admission-mode",
        long = "admission-mode",
        env = "SEALPOST_ADMISSION_MODE",
        value_enum,
        value_name = "MODE"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<AdmissionMode>,
    /// The public keys that vouchers may be signed with, in hex, as `sealpost voucher keygen` prints them
    #[arg(
        id = "admission-operator-keys",
        long = "admission-operator-keys",
        env = "SEALPOST_ADMISSION_OPERATOR_KEYS",
        value_name = "HEX",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_keys: Option<Vec<String>>,
}

/// Who may make a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdmissionMode {
    /// Anybody.
    Open,
    /// Whoever has a voucher of the operator.
    Voucher,
}

/// What a client may ask for.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// The sizes of envelopes, in bytes [default: 1024,2048,4096,16384,65536]
    #[arg(
        id = "limits-envelope-sizes",
        long = "limits-envelope-sizes",
        env = "SEALPOST_LIMITS_ENVELOPE_SIZES",
        value_name = "BYTES",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_sizes: Option<Vec<usize>>,
    /// Bytes of one request message [default: 4194304]
    #[arg(
        id = "limits-max-message-bytes",
        long = "limits-max-message-bytes",
        env = "SEALPOST_LIMITS_MAX_MESSAGE_BYTES",
        value_name = "BYTES"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_message_bytes: Option<usize>,
    /// Sends or sequences of one request message [default: 1024]
    #[arg(id = "limits-max-batch", long = "limits-max-batch", env = "SEALPOST_LIMITS_MAX_BATCH", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch: Option<usize>,
    /// Unacknowledged envelopes of one stream [default: 10000]
    #[arg(
        id = "limits-max-outstanding-messages",
        long = "limits-max-outstanding-messages",
        env = "SEALPOST_LIMITS_MAX_OUTSTANDING_MESSAGES",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_outstanding_messages: Option<u32>,
    /// Bytes of unacknowledged envelopes of one stream [default: 16777216]
    #[arg(
        id = "limits-max-outstanding-bytes",
        long = "limits-max-outstanding-bytes",
        env = "SEALPOST_LIMITS_MAX_OUTSTANDING_BYTES",
        value_name = "BYTES"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_outstanding_bytes: Option<u64>,
    /// Mailboxes of one stream [default: 1000]
    #[arg(
        id = "limits-max-mailboxes",
        long = "limits-max-mailboxes",
        env = "SEALPOST_LIMITS_MAX_MAILBOXES",
        value_name = "COUNT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_mailboxes: Option<usize>,
    /// Calls at once whose answer has not begun; more are refused [default: 10000]
    #[arg(id = "limits-max-calls", long = "limits-max-calls", env = "SEALPOST_LIMITS_MAX_CALLS", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<usize>,
    /// Milliseconds until a call's answer must have begun [default: 30000]
    #[arg(
        id = "limits-call-timeout-ms",
        long = "limits-call-timeout-ms",
        env = "SEALPOST_LIMITS_CALL_TIMEOUT_MS",
        value_name = "MS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_timeout_ms: Option<u64>,
    /// Seconds that a proof's time may be off [default: 60]
    #[arg(
        id = "limits-proof-tolerance-secs",
        long = "limits-proof-tolerance-secs",
        env = "SEALPOST_LIMITS_PROOF_TOLERANCE_SECS",
        value_name = "SECS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_tolerance_secs: Option<u64>,
}

/// How streams live.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Streams")]
pub struct StreamSettings {
    /// Milliseconds between pings [default: 20000]
    #[arg(
        id = "streams-ping-interval-ms",
        long = "streams-ping-interval-ms",
        env = "SEALPOST_STREAMS_PING_INTERVAL_MS",
        value_name = "MS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_interval_ms: Option<u64>,
    /// Seconds that a stream lives, give or take a tenth, so that new relays fill up; 0: for ever [default: 3600]
    #[arg(
        id = "streams-max-life-secs",
        long = "streams-max-life-secs",
        env = "SEALPOST_STREAMS_MAX_LIFE_SECS",
        value_name = "SECS"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_life_secs: Option<u64>,
}

/// How the relay leaves.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Leaving")]
pub struct DrainSettings {
    /// Milliseconds for which the relay, no longer ready, goes on serving, so that load balancers notice [default: 0]
    #[arg(id = "drain-notice-ms", long = "drain-notice-ms", env = "SEALPOST_DRAIN_NOTICE_MS", value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_ms: Option<u64>,
    /// Milliseconds over which streams are ended [default: 5000]
    #[arg(id = "drain-spread-ms", long = "drain-spread-ms", env = "SEALPOST_DRAIN_SPREAD_MS", value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread_ms: Option<u64>,
    /// Milliseconds after that within which everything ends, or is cut [default: 20000]
    #[arg(id = "drain-deadline-ms", long = "drain-deadline-ms", env = "SEALPOST_DRAIN_DEADLINE_MS", value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// What the relay tells of itself.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetrySettings {
    /// What is logged, as in info or info,sealpost::delivery=debug [default: info]
    #[arg(
        id = "telemetry-log",
        long = "telemetry-log",
        visible_alias = "log",
        env = "SEALPOST_TELEMETRY_LOG",
        value_name = "FILTER"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// How log lines look [default: human]
    #[arg(
        id = "telemetry-log-format",
        long = "telemetry-log-format",
        env = "SEALPOST_TELEMETRY_LOG_FORMAT",
        value_enum,
        value_name = "FORMAT"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormatSetting>,
    /// Where traces and metrics go by OTLP over gRPC, as in http://collector:4317 [default: nowhere]
    #[arg(
        id = "telemetry-otlp-endpoint",
        long = "telemetry-otlp-endpoint",
        env = "SEALPOST_TELEMETRY_OTLP_ENDPOINT",
        value_name = "URL"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// The share of requests that is traced, 0 to 1 [default: 0.01]
    #[arg(
        id = "telemetry-trace-ratio",
        long = "telemetry-trace-ratio",
        env = "SEALPOST_TELEMETRY_TRACE_RATIO",
        value_name = "RATIO"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_ratio: Option<f64>,
    /// Go on with traces that clients say they are in (`traceparent`); for tests: clients are told apart by it [default: false]
    #[arg(
        id = "telemetry-trace-context",
        long = "telemetry-trace-context",
        env = "SEALPOST_TELEMETRY_TRACE_CONTEXT",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_context: Option<bool>,
    /// Push metrics to the same endpoint, every minute, besides serving them [default: false]
    #[arg(
        id = "telemetry-otlp-metrics",
        long = "telemetry-otlp-metrics",
        env = "SEALPOST_TELEMETRY_OTLP_METRICS",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_metrics: Option<bool>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormatSetting {
    /// For people.
    Human,
    /// For programs.
    Json,
}
