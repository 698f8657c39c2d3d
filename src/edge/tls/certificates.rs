//! The relay's certificates, and which of them a client is shown.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sealpost_core::UnixTime;

use super::expiry::not_after;
use super::source::Source;
use super::{CertificateFiles, TlsError};
use crate::clock::Clock;
use crate::telemetry::{OfOperator, warn};

/// Certificates with their keys, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Certificates {
    pairs: Vec<Arc<CertifiedKey>>,
    /// When the first of them ends, in Unix time.
    end: i64,
}

/// Chooses from whatever certificates there are at the moment.
#[derive(Debug)]
pub(super) struct ByName(pub(super) Arc<ArcSwap<Certificates>>);

/// Certificates from files that may change; `names` are those that clients use.
pub(super) fn source(
    files: Vec<CertificateFiles>,
    names: Vec<String>,
    clock: Clock,
) -> Result<Source<Certificates>, TlsError> {
    let paths = files.iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]).collect();
    Source::open(paths, move |contents| {
        let certificates = Certificates::parse(&files, contents, clock.now())?;
        for name in &names {
            if !certificates.pairs.iter().any(|pair| is_for(pair, name)) {
                warn!(
                    "no certificate is for this one of relay.names: clients that use it will not connect",
                    name = OfOperator(name)
                );
            }
        }
        Ok(certificates)
    })
}

impl Certificates {
    /// `contents` holds a certificate and a key, in turn, of each of `files`.
    fn parse(files: &[CertificateFiles], contents: &[Vec<u8>], now: UnixTime) -> Result<Self, TlsError> {
        let (mut pairs, mut first_end) = (Vec::new(), i64::MAX);
        for (files, contents) in files.iter().zip(contents.chunks_exact(2)) {
            let [certificate, key] = contents else { continue };
            let chain = chain(&files.certificate, certificate)?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|error| TlsError::pem(&files.key, "private key in PEM form", &error))?;
            let pair = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|why| {
                TlsError::Pair { certificate: files.certificate.clone(), key: files.key.clone(), why }
            })?;
            let Some(end) = pair.cert.first().and_then(|leaf| not_after(leaf)) else {
                return Err(TlsError::content(&files.certificate, CERTIFICATE, "it does not say when it ends"));
            };
            if end < seconds(now) {
                return Err(TlsError::Expired { path: files.certificate.clone() });
            }
            first_end = first_end.min(end);
            pairs.push(Arc::new(pair));
        }
        Ok(Self { pairs, end: first_end })
    }

    /// Full days until the first of them ends; negative, if it has.
    pub(super) fn days_left(&self, now: UnixTime) -> i64 {
        self.end.saturating_sub(seconds(now)).div_euclid(24 * 60 * 60)
    }
}

const CERTIFICATE: &str = "certificate in PEM form";

impl ResolvesServerCert for ByName {
    /// The first that is for the name that the client asks for and has a kind of key that the client knows; without such
    /// a name, the first.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.0.load();
        let known =
            || certificates.pairs.iter().filter(|pair| pair.key.choose_scheme(hello.signature_schemes()).is_some());
        let named = hello.server_name().and_then(|name| known().find(|pair| is_for(pair, name)));
        named.or_else(|| known().next()).cloned()
    }
}

fn is_for(pair: &CertifiedKey, name: &str) -> bool {
    let Ok(name) = ServerName::try_from(name) else { return false };
    pair.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .and_then(|certificate| verify_server_name(&certificate, &name))
        .is_ok()
}

/// All certificates of a PEM file; at least one.
pub(super) fn chain(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| TlsError::pem(path, CERTIFICATE, &error))?;
    if chain.is_empty() {
        return Err(TlsError::content(path, CERTIFICATE, "there is none in it"));
    }
    Ok(chain)
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn days_are_counted_to_the_end_and_beyond() {
        let mut params = CertificateParams::new(vec!["relay.test".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2040, 3, 1);
        let key = KeyPair::generate().unwrap();
        let contents = [params.self_signed(&key).unwrap().pem(), key.serialize_pem()].map(String::into_bytes);
        let files = [CertificateFiles { certificate: "tls.crt".into(), key: "tls.key".into() }];
        let end = 2_214_172_800;
        let certificates = Certificates::parse(&files, &contents, UnixTime(end)).unwrap();
        let day = 24 * 60 * 60;
        for (now, days) in [(end - 30 * day, 30), (end - day - 1, 1), (end - 1, 0), (end, 0), (end + 1, -1)] {
            assert_eq!(certificates.days_left(UnixTime(now)), days, "at {now}");
        }
        let late = Certificates::parse(&files, &contents, UnixTime(end + 1));
        assert!(matches!(late, Err(TlsError::Expired { .. })));
    }
}
