//! Settings into a [`Config`], with every mistake found at once.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealpost_core::{Audience, IdentityPublicKey};

use super::{
    AdminTlsMode, AdmissionMode, CertificateSource, Config, DrainConfig, DurabilityCheck, DurabilitySetting,
    ListenSettings, LogFormatSetting, Problem, SecurityConfig, Settings, StoreConfig, TelemetrySettings, TlsMode,
    TlsSettings, TlsVersion,
};
use crate::api::{Admission, ApiConfig, Origin};
use crate::delivery::FeedConfig;
use crate::edge::{AdminTls, CertificateFiles, EdgeConfig, TlsConfig};
use crate::file;
use crate::store::embedded::EmbeddedOptions;
use crate::store::redis::{RedisOptions, RedisUrl};
use crate::store::{Durability, LARGEST_ENVELOPE, QueueLimits};
use crate::telemetry::{LogConfig, LogFormat, NoLevels, OtlpConfig, TraceConfig};

/// Bytes a second with which a connection still works.
const SMALLEST_GRANT: u32 = 64 * 1024;

/// Checks all of them.
pub(super) fn config(settings: Settings) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker::default();
    let config = checker.config(settings);
    match config {
        Some(config) if checker.problems.is_empty() => Ok(config),
        _ => Err(checker.problems),
    }
}

#[derive(Default)]
struct Checker {
    problems: Vec<Problem>,
}

const DATA: &str = "sealpost-data";
/// A handshake looks through them all.
const MAX_CERTIFICATES: usize = 64;
/// One protobuf message with one envelope is this much longer than the envelope, at most.
const FRAMING: usize = 256;

impl Checker {
    /// `None` only where a problem was noted.
    fn config(&mut self, settings: Settings) -> Option<Config> {
        let Settings { relay, listen, tls, web, store, mailbox, admission, limits, streams, drain, telemetry } =
            settings;
        let default_names = || vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let name_texts = relay.names.unwrap_or_else(default_names);
        let names = self.names(&name_texts);
        let address = self.address("listen.address", listen.address.as_deref().unwrap_or("127.0.0.1:8443"));
        let admin = self.address("listen.admin", listen.admin.as_deref().unwrap_or("127.0.0.1:8081"));
        if let (Some(address), Some(admin)) = (address, admin)
            && address == admin
            && address.port() != 0
        {
            self.problem("listen.admin", "is the same as listen.address; give it a port of its own");
        }
        let security = self.security(tls, address, name_texts);

        let defaults = QueueLimits::default();
        let queue = QueueLimits {
            max_messages: self.positive("mailbox.max_messages", mailbox.max_messages, defaults.max_messages),
            max_bytes: self.positive("mailbox.max_bytes", mailbox.max_bytes, defaults.max_bytes),
            message_ttl_hours: self.positive(
                "mailbox.message_ttl_hours",
                mailbox.message_ttl_hours,
                defaults.message_ttl_hours,
            ),
            idle_ttl_hours: self.positive("mailbox.idle_ttl_hours", mailbox.idle_ttl_hours, defaults.idle_ttl_hours),
            ..defaults
        };
        if queue.idle_ttl_hours < queue.message_ttl_hours {
            self.problem(
                "mailbox.idle_ttl_hours",
                "is less than mailbox.message_ttl_hours, so mailboxes would go before their envelopes; raise it",
            );
        }

        let api_defaults = ApiConfig::new(names);
        let ping_interval_ms = self.positive("streams.ping_interval_ms", streams.ping_interval_ms, 20_000);
        let api = ApiConfig {
            proof_tolerance_secs: self.within(
                "limits.proof_tolerance_secs",
                limits.proof_tolerance_secs,
                api_defaults.proof_tolerance_secs,
                // Used proofs are remembered for at least an hour.
                1..=1800,
            ),
            admission: self.admission(admission.mode, admission.operator_keys),
            envelope_sizes: self.sizes(limits.envelope_sizes, api_defaults.envelope_sizes),
            max_message_bytes: self.positive(
                "limits.max_message_bytes",
                limits.max_message_bytes,
                api_defaults.max_message_bytes,
            ),
            max_batch: self.positive("limits.max_batch", limits.max_batch, api_defaults.max_batch),
            max_card_bytes: mailbox.max_card_bytes.unwrap_or(api_defaults.max_card_bytes),
            max_delivery_keys: self.within(
                "mailbox.max_delivery_keys",
                mailbox.max_delivery_keys,
                api_defaults.max_delivery_keys,
                1..=1000,
            ),
            max_outstanding_messages: self.positive(
                "limits.max_outstanding_messages",
                limits.max_outstanding_messages,
                api_defaults.max_outstanding_messages,
            ),
            max_outstanding_bytes: self.positive(
                "limits.max_outstanding_bytes",
                limits.max_outstanding_bytes,
                api_defaults.max_outstanding_bytes,
            ),
            max_calls: self.positive("limits.max_calls", limits.max_calls, api_defaults.max_calls),
            call_timeout: self.millis("limits.call_timeout_ms", limits.call_timeout_ms, api_defaults.call_timeout),
            reflection: listen.reflection.unwrap_or(false),
            ..api_defaults
        };
        let largest = api.largest_envelope();
        if api.max_message_bytes < largest.saturating_add(FRAMING) {
            self.problem("limits.max_message_bytes", "is too small for a request with the largest envelope; raise it");
        }
        if queue.max_bytes < largest as u64 {
            self.problem("mailbox.max_bytes", "is less than the largest of limits.envelope_sizes; raise it");
        }

        let feed = FeedConfig {
            ping_interval: Duration::from_millis(ping_interval_ms),
            max_life: Some(streams.max_life_secs.unwrap_or(3600)).filter(|secs| *secs > 0).map(Duration::from_secs),
            max_mailboxes: self.positive("limits.max_mailboxes", limits.max_mailboxes, 1000),
        };
        let drain = DrainConfig {
            notice: Duration::from_millis(drain.notice_ms.unwrap_or(0)),
            spread: Duration::from_millis(drain.spread_ms.unwrap_or(5_000)),
            deadline: Duration::from_millis(drain.deadline_ms.unwrap_or(20_000)),
        };
        if drain.deadline <= drain.spread {
            self.problem("drain.deadline_ms", "must be more than drain.spread_ms, or streams are cut that would end");
        }
        let origins = self.origins(&web.origins.unwrap_or_default());
        let edge = EdgeConfig { http1: !origins.is_empty(), ..self.edge(&listen, api.max_message_bytes) };
        let ratio = telemetry.trace_ratio.unwrap_or(0.01);
        if !(0.0..=1.0).contains(&ratio) {
            self.problem("telemetry.trace_ratio", "is a share: from 0 to 1");
        }
        let logs = self.logs(&telemetry);
        let traces = TraceConfig { ratio, joins: telemetry.trace_context.unwrap_or(false) };
        let metrics = telemetry.otlp_metrics.unwrap_or(false);
        let otlp = telemetry.otlp_endpoint.map(|endpoint| OtlpConfig { endpoint, traces, metrics });
        if let Some(Err(error)) = otlp.as_ref().map(OtlpConfig::check) {
            self.problem("telemetry.otlp_endpoint", error.to_string());
        }
        if otlp.is_none() && (metrics || telemetry.trace_context == Some(true)) {
            self.problem("telemetry.otlp_endpoint", "is missing: there is nowhere to send metrics or traces to");
        }
        let store = self.store(store, queue);
        Some(Config {
            listen: address?,
            admin: admin?,
            edge,
            security: security?,
            api,
            origins,
            feed,
            store: store?,
            drain,
            logs: logs?,
            otlp,
        })
    }

    fn logs(&mut self, telemetry: &TelemetrySettings) -> Option<LogConfig> {
        let levels = telemetry.log.as_deref().unwrap_or("info").parse();
        let levels = levels.map_err(|error: NoLevels| self.problem("telemetry.log", error.to_string())).ok()?;
        let format = match telemetry.log_format {
            Some(LogFormatSetting::Json) => LogFormat::Json,
            Some(LogFormatSetting::Human) | None => LogFormat::Human,
        };
        Some(LogConfig { levels, format })
    }

    fn names(&mut self, texts: &[String]) -> Vec<Audience> {
        let mut names = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(name) => names.push(name),
                Err(_) => self.problem(
                    "relay.names",
                    format!("{text:?} is no lowercase host name or IP address without a port, as in relay.example.org"),
                ),
            }
        }
        if texts.is_empty() {
            self.problem("relay.names", "is empty; give the host name under which clients reach this relay");
        }
        names
    }

    fn origins(&mut self, texts: &[String]) -> Vec<Origin> {
        let mut origins = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(origin) => origins.push(origin),
                Err(error) => {
                    self.problem("web.origins", format!("{text:?} {error}. Name each one; there is no wildcard"));
                }
            }
        }
        origins
    }

    fn address(&mut self, setting: &'static str, text: &str) -> Option<SocketAddr> {
        let address = text.parse();
        if address.is_err() {
            self.problem(setting, format!("{text:?} is no IP address and port, as in 0.0.0.0:8443 or [::]:8443"));
        }
        address.ok()
    }

    fn security(
        &mut self,
        tls: TlsSettings,
        address: Option<SocketAddr>,
        names: Vec<String>,
    ) -> Option<SecurityConfig> {
        let loopback = address.is_some_and(|address| address.ip().is_loopback());
        let mode = match tls.mode {
            Some(mode) => mode,
            None if tls.certificate.is_some() || tls.key.is_some() => TlsMode::Files,
            None if loopback => TlsMode::Development,
            None => {
                self.problem(
                    "tls.mode",
                    "there is no certificate, and listen.address is reachable from elsewhere. Set tls.certificate and \
                     tls.key; or tls.mode = \"plaintext\" behind a proxy that does TLS; or \"development\" to try it out",
                );
                return None;
            }
        };
        if mode == TlsMode::Plaintext {
            let unused = [
                ("tls.certificate", tls.certificate.is_some()),
                ("tls.key", tls.key.is_some()),
                ("tls.min_version", tls.min_version.is_some()),
                ("tls.ticket_keys_file", tls.ticket_keys_file.is_some()),
                ("tls.admin", tls.admin.is_some_and(|admin| admin != AdminTlsMode::Off)),
            ];
            for (setting, _) in unused.into_iter().filter(|(_, set)| *set) {
                self.problem(setting, "is for TLS, but tls.mode is \"plaintext\"; change that or take this out");
            }
            return Some(SecurityConfig::Plaintext);
        }
        let certificates = match mode {
            TlsMode::Development => {
                if tls.certificate.is_some() || tls.key.is_some() {
                    self.problem(
                        "tls.mode",
                        "contradicts tls.certificate and tls.key; set it to \"files\" or take them out",
                    );
                }
                let directory = tls.directory.unwrap_or_else(|| PathBuf::from(DATA).join("tls"));
                CertificateSource::Development { directory }
            }
            TlsMode::Files | TlsMode::Plaintext => {
                CertificateSource::Files(self.pairs(tls.certificate.unwrap_or_default(), tls.key.unwrap_or_default()))
            }
        };
        let tls12 = tls.min_version == Some(TlsVersion::V1_2);
        let admin = self.admin_tls(tls.admin, tls.admin_client_ca);
        let tls = TlsConfig { names, tls12, ticket_keys: tls.ticket_keys_file, admin };
        Some(SecurityConfig::Tls { certificates, tls })
    }

    fn pairs(&mut self, certificates: Vec<PathBuf>, keys: Vec<PathBuf>) -> Vec<CertificateFiles> {
        if certificates.is_empty() {
            self.problem("tls.certificate", "is missing: the PEM file of the certificate chain");
        } else if keys.is_empty() {
            self.problem("tls.key", "is missing: the PEM file of the certificate's private key");
        } else if keys.len() != certificates.len() {
            self.problem("tls.key", "needs as many files as tls.certificate, in the same order");
        } else if keys.len() > MAX_CERTIFICATES {
            self.problem("tls.certificate", format!("holds more than {MAX_CERTIFICATES} files; join names in one"));
        }
        certificates.into_iter().zip(keys).map(|(certificate, key)| CertificateFiles { certificate, key }).collect()
    }

    fn admin_tls(&mut self, mode: Option<AdminTlsMode>, client_ca: Option<PathBuf>) -> AdminTls {
        match (mode.unwrap_or(AdminTlsMode::Off), client_ca) {
            (AdminTlsMode::Off, None) => AdminTls::Off,
            (AdminTlsMode::Server, None) => AdminTls::Server,
            (AdminTlsMode::Mutual, Some(client_ca)) => AdminTls::Mutual { client_ca },
            (AdminTlsMode::Mutual, None) => {
                self.problem("tls.admin_client_ca", "is missing: the PEM file of the authority of clients");
                AdminTls::Server
            }
            (AdminTlsMode::Off | AdminTlsMode::Server, Some(_)) => {
                self.problem("tls.admin_client_ca", "would not be used; set tls.admin to \"mutual\" or take this out");
                AdminTls::Server
            }
        }
    }

    fn admission(&mut self, mode: Option<AdmissionMode>, keys: Option<Vec<String>>) -> Admission {
        let mut operators = Vec::new();
        for text in keys.iter().flatten() {
            match unhex(text).and_then(|bytes| IdentityPublicKey::try_from(bytes.as_slice()).ok()) {
                Some(key) => operators.push(key),
                None => self.problem(
                    "admission.operator_keys",
                    "holds something that is no public key in hex (64 digits); `sealpost voucher keygen` prints one",
                ),
            }
        }
        match mode {
            None | Some(AdmissionMode::Open) => {
                if keys.is_some_and(|keys| !keys.is_empty()) {
                    self.problem(
                        "admission.mode",
                        "is open, so admission.operator_keys would not be used; set it to \"voucher\" or take them out",
                    );
                }
                Admission::Open
            }
            Some(AdmissionMode::Voucher) => {
                if keys.is_none_or(|keys| keys.is_empty()) {
                    self.problem(
                        "admission.operator_keys",
                        "is empty, so nobody could make a mailbox; `sealpost voucher keygen` makes a key",
                    );
                }
                Admission::Voucher(operators)
            }
        }
    }

    fn sizes(&mut self, sizes: Option<Vec<usize>>, default: Vec<usize>) -> Vec<usize> {
        let Some(mut sizes) = sizes else { return default };
        sizes.sort_unstable();
        sizes.dedup();
        if sizes.is_empty() || sizes.first() == Some(&0) || sizes.last().is_some_and(|size| *size > LARGEST_ENVELOPE) {
            self.problem(
                "limits.envelope_sizes",
                format!("is a list of sizes in bytes, each from 1 to {LARGEST_ENVELOPE}"),
            );
        }
        sizes
    }

    fn store(&mut self, store: super::StoreSettings, limits: QueueLimits) -> Option<StoreConfig> {
        let url = store.url.unwrap_or_else(|| format!("embedded:{DATA}"));
        let durability = |default| match store.durability {
            None => default,
            Some(DurabilitySetting::Memory) => Durability::Memory,
            Some(DurabilitySetting::Fsync) => Durability::Fsync,
            Some(DurabilitySetting::Replicas(count)) => Durability::Replicas(count),
        };
        if let Some(directory) = url.strip_prefix("embedded:") {
            if directory.is_empty() {
                self.problem("store.url", "names no directory, as in embedded:/var/lib/sealpost");
            }
            if let Some(DurabilitySetting::Replicas(_)) = store.durability {
                self.problem("store.durability", "is memory or fsync for the embedded store, which has no replicas");
            }
            let options = EmbeddedOptions { limits, durability: durability(Durability::Fsync) };
            return Some(StoreConfig::Embedded { directory: PathBuf::from(directory), options });
        }
        let password = store.password_file.and_then(|path| self.file("store.password_file", &path));
        let sentinel_password =
            store.sentinel_password_file.and_then(|path| self.file("store.sentinel_password_file", &path));
        if store.sentinel_user.is_some() && sentinel_password.is_none() {
            self.problem("store.sentinel_user", "needs that user's password: store.sentinel_password_file");
        }
        let ca_pem = store.ca.and_then(|path| self.file("store.ca", &path)).map(String::into_bytes);
        let url = RedisUrl::parse(&url).and_then(|url| match password {
            Some(password) => url.with_password(password.trim_end()),
            None => Ok(url),
        });
        match url {
            Ok(url) if sentinel_password.is_some() && !url.names_sentinels() => {
                self.problem("store.sentinel_password_file", "is set, but store.url names no Sentinels");
                None
            }
            Ok(url) => Some(StoreConfig::Redis(Box::new(RedisOptions {
                ca_pem,
                sentinel_user: store.sentinel_user,
                sentinel_password: sentinel_password.map(|password| password.trim_end().to_owned()),
                limits,
                only_warn: store.durability_check == Some(DurabilityCheck::Warn),
                durability: durability(Durability::Memory),
                connections: self.within("store.connections", store.connections, 2, 1..=64),
                timeout: Duration::from_millis(self.positive("store.timeout_ms", store.timeout_ms, 2000)),
                ..RedisOptions::new(url)
            }))),
            Err(problem) => {
                self.problem("store.url", format!("{problem}; or embedded:DIRECTORY for one relay without Redis"));
                None
            }
        }
    }

    fn file(&mut self, setting: &'static str, path: &Path) -> Option<String> {
        match file::read_text(path) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problem(setting, format!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }

    fn edge(&mut self, listen: &ListenSettings, max_message: usize) -> EdgeConfig {
        let defaults = EdgeConfig::default();
        let edge = EdgeConfig {
            max_connections: self.positive("listen.max_connections", listen.max_connections, defaults.max_connections),
            max_connections_per_peer: listen
                .max_connections_per_peer
                .map_or(defaults.max_connections_per_peer, NonZeroUsize::new),
            proxy_protocol: listen.proxy_protocol.unwrap_or(defaults.proxy_protocol),
            max_handshakes: self.positive("listen.max_handshakes", listen.max_handshakes, defaults.max_handshakes),
            handshake_timeout: self.millis(
                "listen.handshake_timeout_ms",
                listen.handshake_timeout_ms,
                defaults.handshake_timeout,
            ),
            first_request_timeout: self.millis(
                "listen.first_request_timeout_ms",
                listen.first_request_timeout_ms,
                defaults.first_request_timeout,
            ),
            max_life: match listen.max_connection_life_secs {
                None => defaults.max_life,
                Some(secs) => Some(Duration::from_secs(secs)).filter(|life| !life.is_zero()),
            },
            max_streams: self.positive("listen.max_streams", listen.max_streams, defaults.max_streams),
            max_requests_per_second: listen
                .max_requests_per_second
                .map_or(defaults.max_requests_per_second, NonZeroU32::new),
            max_bytes_per_second: listen.max_bytes_per_second.map_or(defaults.max_bytes_per_second, NonZeroU32::new),
            max_unfinished_bytes: listen
                .max_unfinished_bytes
                .unwrap_or_else(|| defaults.max_unfinished_bytes.max(max_message)),
            max_header_bytes: self.within(
                "listen.max_header_bytes",
                listen.max_header_bytes,
                defaults.max_header_bytes,
                // Less than the first refuses what clients' libraries send by themselves.
                2048..=1024 * 1024,
            ),
            max_send_buffer: self.within(
                "listen.max_send_buffer_bytes",
                listen.max_send_buffer_bytes,
                defaults.max_send_buffer,
                8192..=16 * 1024 * 1024,
            ),
            keepalive_interval: self.millis(
                "listen.keepalive_interval_ms",
                listen.keepalive_interval_ms,
                defaults.keepalive_interval,
            ),
            keepalive_timeout: self.millis(
                "listen.keepalive_timeout_ms",
                listen.keepalive_timeout_ms,
                defaults.keepalive_timeout,
            ),
            ..defaults
        };
        if edge.max_unfinished_bytes < max_message {
            self.problem(
                "listen.max_unfinished_bytes",
                "is less than limits.max_message_bytes, so that some messages could never come; raise it",
            );
        }
        if edge.max_bytes_per_second.is_some_and(|bytes| bytes.get() < SMALLEST_GRANT) {
            self.problem(
                "listen.max_bytes_per_second",
                "is less than 65536, with which nothing works; raise it, or 0: any number",
            );
        }
        edge
    }

    fn millis(&mut self, setting: &'static str, value: Option<u64>, default: Duration) -> Duration {
        match value {
            None => default,
            Some(millis) => Duration::from_millis(self.positive(setting, Some(millis), 1)),
        }
    }

    fn positive<T: PartialEq + Default>(&mut self, setting: &'static str, value: Option<T>, default: T) -> T {
        let value = value.unwrap_or(default);
        if value == T::default() {
            self.problem(setting, "must be at least 1");
        }
        value
    }

    fn within<T: PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        setting: &'static str,
        value: Option<T>,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> T {
        let value = value.unwrap_or(default);
        if !range.contains(&value) {
            self.problem(setting, format!("is from {} to {}", range.start(), range.end()));
        }
        value
    }

    fn problem(&mut self, setting: &'static str, problem: impl Into<String>) {
        self.problems.push(Problem { setting, problem: problem.into() });
    }
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    // Parsing a number takes a sign, too.
    if !text.bytes().all(|digit| digit.is_ascii_hexdigit()) || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
