//! TLS as a client: aws-lc-rs, the post-quantum key exchange first.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::{OptionsError, RelayOptions, Trust};

/// What a connection needs for its handshake.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) connector: TlsConnector,
    pub(crate) name: ServerName<'static>,
}

/// `None` for plaintext.
pub(crate) fn tls(options: &RelayOptions) -> Result<Option<Tls>, OptionsError> {
    let roots = match &options.trust {
        Trust::Plaintext => return Ok(None),
        Trust::System => system_roots()?,
        Trust::Authorities(pem) => given_roots(pem)?,
    };
    let name = ServerName::try_from(options.host.host().to_owned()).map_err(|_| OptionsError::ServerName)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| OptionsError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A session ticket would tell the relay that two connections are the same device's.
    config.resumption = Resumption::disabled();
    Ok(Some(Tls { connector: TlsConnector::from(Arc::new(config)), name }))
}

fn system_roots() -> Result<RootCertStore, OptionsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(OptionsError::NoSystemAuthorities) } else { Ok(roots) }
}

fn given_roots(pem: &[u8]) -> Result<RootCertStore, OptionsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| OptionsError::Authorities)?;
        roots.add(certificate).map_err(|_| OptionsError::Authorities)?;
    }
    if roots.is_empty() { Err(OptionsError::Authorities) } else { Ok(roots) }
}
