//! TLS of the edge, as clients of several kinds see it.

mod admin;
pub(crate) mod authority;
mod certificates;
mod openssl;
mod refused;
mod tickets;
mod versions;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion};
use sealpost::config::{Settings, TlsMode};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::authority::{Authority, Pair};
use crate::cluster::{Cluster, PATIENCE};
use crate::metrics::counted;

/// Settings with these certificates.
pub(crate) fn with(pairs: &[&Pair]) -> impl FnOnce(&mut Settings) {
    let certificates = pairs.iter().map(|pair| pair.certificate.clone()).collect();
    let keys = pairs.iter().map(|pair| pair.key.clone()).collect();
    move |settings| {
        settings.tls.mode = Some(TlsMode::Files);
        settings.tls.certificate = Some(certificates);
        settings.tls.key = Some(keys);
    }
}

/// A client that trusts an authority and speaks HTTP/2.
pub(crate) fn client(authority: &Authority) -> ClientConfig {
    client_with(authority, default_provider(), rustls::ALL_VERSIONS)
}

fn client_with(
    authority: &Authority,
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(authority.trusted())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

pub(crate) async fn connect(address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    connect_to("relay.test", address, config).await
}

async fn connect_to(name: &str, address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

/// The certificate that a client is shown that asks for a name, whether it is for that name or not.
async fn shown(name: &str, address: SocketAddr) -> CertificateDer<'static> {
    shown_to(name, address, |_| {}).await
}

async fn shown_to(name: &str, address: SocketAddr, change: impl FnOnce(&mut ClientConfig)) -> CertificateDer<'static> {
    let knows = default_provider().signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody { knows }))
        .with_no_client_auth();
    change(&mut config);
    let tls = connect_to(name, address, config).await.expect("it connects");
    tls.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Takes any certificate that it knows the kind of, if the relay has its key.
#[derive(Debug)]
struct Anybody {
    knows: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.knows.clone()
    }
}
