//! What is negotiated, and with whom nothing is.

use rustls::crypto::aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, ProtocolVersion};
use sealpost::config::TlsVersion;
use tempfile::TempDir;

use super::*;

/// What a handshake came to.
type Negotiated = (Option<ProtocolVersion>, Option<NamedGroup>, Option<Vec<u8>>);

async fn negotiated(cluster: &Cluster, config: ClientConfig) -> io::Result<Negotiated> {
    let tls = connect(cluster.address(0), config).await?;
    let session = tls.get_ref().1;
    let group = session.negotiated_key_exchange_group().map(|group| group.name());
    Ok((session.protocol_version(), group, session.alpn_protocol().map(<[u8]>::to_vec)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_tls_1_3_with_a_post_quantum_key_exchange_and_http_2() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let cluster = Cluster::embedded_with(with(&[&authority.issue(directory.path(), &["relay.test"])])).await;
    let offering = |groups: &[&'static dyn rustls::crypto::SupportedKxGroup]| {
        client_with(
            &authority,
            CryptoProvider { kx_groups: groups.to_vec(), ..default_provider() },
            rustls::ALL_VERSIONS,
        )
    };
    for (offered, chosen) in [
        // What a client knows without being told.
        (default_provider().kx_groups, NamedGroup::X25519MLKEM768),
        (vec![X25519MLKEM768, X25519], NamedGroup::X25519MLKEM768),
        // rustls goes by the client's order: who has it second, or not at all, is served too.
        (vec![X25519, X25519MLKEM768], NamedGroup::X25519),
        (vec![X25519], NamedGroup::X25519),
        (vec![SECP256R1, X25519], NamedGroup::secp256r1),
        (vec![SECP384R1], NamedGroup::secp384r1),
    ] {
        let negotiated = negotiated(&cluster, offering(&offered)).await.expect("it connects");
        assert_eq!(negotiated, (Some(ProtocolVersion::TLSv1_3), Some(chosen), Some(b"h2".to_vec())), "{offered:?}");
    }
    let mut http1 = client(&authority);
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    negotiated(&cluster, http1).await.expect_err("the relay speaks HTTP/2 only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_2_is_for_those_who_ask_for_it() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(directory.path(), &["relay.test"]);
    let old = || client_with(&authority, default_provider(), &[&TLS12]);
    let strict = Cluster::embedded_with(with(&[&pair])).await;
    negotiated(&strict, old()).await.expect_err("TLS 1.2 is not spoken");

    let lenient = Cluster::embedded_with(|settings| {
        with(&[&pair])(settings);
        settings.tls.min_version = Some(TlsVersion::V1_2);
    })
    .await;
    let (version, _, protocol) = negotiated(&lenient, old()).await.expect("TLS 1.2 is spoken");
    assert_eq!((version, protocol), (Some(ProtocolVersion::TLSv1_2), Some(b"h2".to_vec())));
    let both = client_with(&authority, default_provider(), &[&TLS12, &TLS13]);
    let (version, group, _) = negotiated(&lenient, both).await.unwrap();
    assert_eq!((version, group), (Some(ProtocolVersion::TLSv1_3), Some(NamedGroup::X25519MLKEM768)));
}
