//! A certificate for trying things out: made once, kept beside the data, trusted by nobody who was not told to.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

/// Where the certificate, its key and the authority that signed it are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevelopmentCertificate {
    /// The authority, which clients are given to trust.
    pub authority: PathBuf,
    /// The relay's certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Finds the development certificate in a directory, or makes one for these host names and addresses.
///
/// # Errors
/// Where the directory cannot be written.
pub fn development_certificate(directory: &Path, names: &[String]) -> io::Result<DevelopmentCertificate> {
    let paths = DevelopmentCertificate {
        authority: directory.join("ca.pem"),
        certificate: directory.join("certificate.pem"),
        key: directory.join("key.pem"),
    };
    let made_for = directory.join("names");
    let wanted = names.join("\n");
    if fs::read_to_string(&made_for).is_ok_and(|names| names == wanted)
        && paths.authority.exists()
        && paths.certificate.exists()
        && paths.key.exists()
    {
        return Ok(paths);
    }
    fs::create_dir_all(directory)?;
    let (authority, certificate, key) = make(names).map_err(io::Error::other)?;
    write(&paths.authority, &authority, 0o644)?;
    write(&paths.certificate, &certificate, 0o644)?;
    write(&paths.key, &key, 0o600)?;
    // Last, so that a half-made one is made again.
    write(&made_for, &wanted, 0o644)?;
    Ok(paths)
}

fn make(names: &[String]) -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name = named("Sealpost development authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let mut relay = CertificateParams::new(names.to_vec())?;
    relay.distinguished_name = named("Sealpost development relay");
    relay.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = relay.signed_by(&key, &authority)?;
    Ok((authority.pem(), certificate.pem(), key.serialize_pem()))
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}
