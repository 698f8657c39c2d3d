//! A relay's metrics endpoint: `http://host:port/metrics`, in the OpenMetrics text format.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Kind, Reading};
use crate::problem::{During as _, Problem};
use crate::process::Usage;

/// Where a relay says what it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// As it was given.
    url: String,
    address: String,
    path: String,
}

/// The longest that it may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than a relay has to say.
const LONGEST: u64 = 1 << 20;

impl Endpoint {
    /// From `http://host:port/path`; the path is `/metrics` if there is none.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn new(url: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::usage(format!("{url:?} is no metrics endpoint"))
                .remedy("write it like http://relay-0:8081/metrics: the relay's admin address, in plaintext")
        };
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (address, path) = rest.split_once('/').map_or((rest, "metrics"), |(address, path)| (address, path));
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let is_clean = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_clean(host) || port.parse::<u16>().is_err() || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong());
        }
        let path = if path.is_empty() { "metrics" } else { path };
        Ok(Self { url: url.to_owned(), address: address.to_owned(), path: format!("/{path}") })
    }

    /// What the relay has used so far.
    ///
    /// # Errors
    /// Where it does not answer, or does not say.
    pub async fn read(&self) -> Result<Reading, Problem> {
        let text = self.text().await?;
        let usage = usage(&text).ok_or_else(|| {
            Problem::new(format!("{} does not say what its process uses", self.url))
                .remedy("is it the admin address of a sealpost relay?")
        })?;
        Ok(Reading { kind: Kind::Relay, name: self.address.clone(), usage })
    }

    /// The value of one series, by its name and labels as they are written there.
    ///
    /// # Errors
    /// Where the relay does not answer.
    pub async fn value(&self, series: &str) -> Result<Option<f64>, Problem> {
        Ok(value(&self.text().await?, series))
    }

    async fn text(&self) -> Result<String, Problem> {
        let doing = format!("reading {}", self.url);
        tokio::time::timeout(PATIENCE, self.get()).await.during(&doing)?.during(&doing)
    }

    async fn get(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        // HTTP/1.0: the answer ends with the connection.
        let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\n\r\n", self.path, self.address);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
            _ => Err(std::io::Error::other("it did not answer with metrics")),
        }
    }
}

fn usage(text: &str) -> Option<Usage> {
    let cpu = value(text, "process_cpu_seconds_total")?;
    let resident = value(text, "process_resident_memory_bytes")?;
    let kib = (resident.max(0.0) / 1024.0) as u64;
    Some(Usage { cpu: Duration::try_from_secs_f64(cpu).ok()?, rss_kib: kib, peak_rss_kib: kib })
}

fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_host_and_port_and_perhaps_a_path() {
        let of = |url: &str| Endpoint::new(url).map(|endpoint| (endpoint.address, endpoint.path));
        let plain = ("relay-0:8081".to_owned(), "/metrics".to_owned());
        assert_eq!(of("http://relay-0:8081").unwrap(), plain);
        assert_eq!(of("http://relay-0:8081/").unwrap(), plain);
        assert_eq!(of("http://relay-0:8081/metrics").unwrap(), plain);
        assert_eq!(of("http://[::1]:8081/m").unwrap(), ("[::1]:8081".to_owned(), "/m".to_owned()));
        for wrong in ["https://relay:8081", "relay:8081", "http://relay", "http://relay:x", "http://re lay:1"] {
            assert!(of(wrong).unwrap_err().to_string().contains("http://relay-0:8081/metrics"), "{wrong}");
        }
    }

    #[test]
    fn what_a_process_uses_is_found_among_the_metrics() {
        let text = "# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 12.5\n\
                    process_resident_memory_bytes 2048000\n# EOF\n";
        let usage = usage(text).unwrap();
        assert_eq!((usage.cpu, usage.rss_kib), (Duration::from_millis(12_500), 2_000));
        assert_eq!(super::usage("sealpost_sends_total 3\n"), None);
        let labelled = "reloads_total{outcome=\"Loaded\"} 3\nreloads_total{outcome=\"Refused\"} 1\n";
        assert_eq!(value(labelled, "reloads_total{outcome=\"Refused\"}"), Some(1.0));
        assert_eq!(value(labelled, "reloads_total"), None);
    }
}
