//! TLS by rustls and aws-lc-rs: TLS 1.3, X25519MLKEM768 preferred, HTTP/2 by ALPN.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// How a listener's connections are protected.
#[derive(Clone)]
pub enum Security {
    /// By TLS.
    Tls(TlsAcceptor),
    /// Not at all: for a mesh or a proxy that does it, and for loopback.
    Plaintext,
}

/// Why TLS cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read as what it should be.
    #[error("{} holds no {what} in PEM form that can be used: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The two do not belong together, or are of a kind that TLS does not know.
    #[error("the certificate and the key cannot be used together: {0}")]
    Pair(rustls::Error),
}

impl Security {
    /// TLS with a certificate chain and its private key, from PEM files.
    ///
    /// # Errors
    /// Where a file or the pair cannot be used.
    pub fn from_files(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let file = |path: &Path, what, why: String| TlsError::File { path: path.to_owned(), what, why };
        let chain = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| file(certificates, "certificate", error.to_string()))?;
        if chain.is_empty() {
            return Err(file(certificates, "certificate", "there is none in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, "private key", error.to_string()))?;
        Self::new(chain, key)
    }

    /// Offers HTTP/1.1 too.
    pub(super) fn with_http1(self) -> Self {
        match self {
            Self::Tls(acceptor) => {
                let mut config = ServerConfig::clone(acceptor.config());
                config.alpn_protocols.push(b"http/1.1".to_vec());
                Self::Tls(TlsAcceptor::from(Arc::new(config)))
            }
            Self::Plaintext => Self::Plaintext,
        }
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self::Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "Tls",
            Self::Plaintext => "Plaintext",
        })
    }
}
