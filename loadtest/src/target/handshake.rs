//! Handshakes with a relay, to see which certificate it shows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::problem::{During as _, Problem};

/// A client that connects, looks at the certificate, and goes.
pub struct Looker {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// The longest that a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Looker {
    /// Trusts an authority (PEM), and asks for a host's name.
    ///
    /// # Errors
    /// Where one of them is none.
    pub fn new(authority: &str, name: &'static str) -> Result<Self, Problem> {
        let preparing = "preparing for handshakes";
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).during(preparing)?).during(preparing)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.during(preparing)?.with_root_certificates(roots).with_no_client_auth();
        // In a session that is resumed no certificate is shown.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name).during(preparing)?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// The certificate that is shown there.
    ///
    /// # Errors
    /// Where there is none, or none that this authority has issued for the name.
    pub async fn shown(&self, address: &str) -> Result<CertificateDer<'static>, Problem> {
        let doing = "a handshake with the relay";
        let connected = async {
            let socket = TcpStream::connect(address).await?;
            self.connector.connect(self.name.clone(), socket).await
        };
        let tls = tokio::time::timeout(PATIENCE, connected).await.during(doing)?.during(doing)?;
        let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
        Ok(shown.ok_or_else(|| Problem::new("the relay shows no certificate"))?.clone().into_owned())
    }
}

impl fmt::Debug for Looker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Looker")
    }
}
