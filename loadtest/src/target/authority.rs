//! A certificate authority of our own, and the relays' certificate, which can be replaced while they run.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;

use crate::problem::{During as _, Problem};

/// An authority, and the files of the certificate that it has issued.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: &'static str,
    files: Files,
}

/// Where relays and clients find what they need for TLS.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) authority: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Looks like a certificate, and is none.
const BROKEN: &str = "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n";

impl Files {
    pub(super) fn of(directory: &Path) -> Self {
        let file = |name| directory.join("tls").join(name);
        Self { authority: file("ca.pem"), certificate: file("tls.crt"), key: file("tls.key") }
    }
}

impl Authority {
    /// With a certificate for a host's name, all in files of a directory.
    ///
    /// # Errors
    /// Where they cannot be made or written.
    pub fn new(name: &'static str, directory: &Path) -> Result<Self, Problem> {
        let making = "making a certificate authority";
        let mut params = CertificateParams::new(Vec::new()).during(making)?;
        params.distinguished_name.push(DnType::CommonName, "sealpost-loadtest");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().during(making)?).during(making)?;
        let files = Files::of(directory);
        if let Some(directory) = files.authority.parent() {
            std::fs::create_dir_all(directory).during(making)?;
        }
        replace(&files.authority, &issuer.pem())?;
        let authority = Self { issuer, name, files };
        authority.renew()?;
        Ok(authority)
    }

    /// Its own certificate, in PEM: what clients trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Puts a new certificate with a new key in place of the old ones, and gives it.
    ///
    /// # Errors
    /// Where they cannot be made or written.
    pub fn renew(&self) -> Result<CertificateDer<'static>, Problem> {
        let making = "making a certificate";
        let params = CertificateParams::new(vec![self.name.to_owned()]).during(making)?;
        let key = KeyPair::generate().during(making)?;
        let certificate = params.signed_by(&key, &self.issuer).during(making)?;
        replace(&self.files.key, &key.serialize_pem())?;
        replace(&self.files.certificate, &certificate.pem())?;
        Ok(certificate.der().clone())
    }

    /// Puts something that is no certificate in place of it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn spoil(&self) -> Result<(), Problem> {
        replace(&self.files.certificate, BROKEN)
    }
}

/// Whoever reads the file meanwhile finds the old text or the new one, and nothing in between.
fn replace(path: &Path, text: &str) -> Result<(), Problem> {
    let writing = format!("writing {}", path.display());
    let new = path.with_extension("new");
    std::fs::write(&new, text).during(&writing)?;
    std::fs::rename(new, path).during(&writing)
}
