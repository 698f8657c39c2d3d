//! The authority whose clients the admin listener serves.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::TlsError;
use super::certificates::chain;
use super::source::Source;

/// Asks whatever authority there is at the moment. It does not tell clients which one that is: they have one certificate
/// for here or none, and strangers learn nothing.
pub(super) struct ByAuthority(pub(super) Arc<ArcSwap<Arc<dyn ClientCertVerifier>>>);

/// An authority, or several, from a file that may change.
pub(super) fn source(path: PathBuf) -> Result<Source<Arc<dyn ClientCertVerifier>>, TlsError> {
    Source::open(vec![path.clone()], move |contents| {
        let mut roots = RootCertStore::empty();
        let unusable = |why: String| TlsError::content(&path, "certificate of an authority", why);
        for certificate in chain(&path, contents.first().map_or(&[], Vec::as_slice))? {
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        verifier.map_err(|error| unusable(error.to_string()))
    })
}

impl ClientCertVerifier for ByAuthority {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.load().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.load().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.load().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.load().supported_verify_schemes()
    }
}

impl fmt::Debug for ByAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByAuthority")
    }
}
