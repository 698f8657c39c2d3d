//! The same, seen by a client that shares no code with the relay.

use std::path::PathBuf;
use std::process::Stdio;

use sealpost::config::TlsVersion;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::*;

/// `openssl s_client` at a relay.
struct Scanner {
    address: SocketAddr,
    directory: PathBuf,
}

/// Alerts of TLS, by their number.
const HANDSHAKE_FAILURE: u8 = 40;
/// rustls's, where no certificate goes with the ciphers.
const ACCESS_DENIED: u8 = 49;
const PROTOCOL_VERSION: u8 = 70;
const NO_APPLICATION_PROTOCOL: u8 = 120;

impl Scanner {
    /// What it says of a session that came about.
    async fn session(&self, arguments: &[&str]) -> String {
        let said = self.says(arguments).await;
        assert!(!said.contains("alert number") && !said.contains("Cipher is (NONE)"), "{arguments:?}: {said}");
        said
    }

    async fn refused(&self, arguments: &[&str], alert: u8) {
        let said = self.says(arguments).await;
        assert!(said.contains(&format!("SSL alert number {alert}\n")), "{arguments:?}: {said}");
    }

    async fn says(&self, arguments: &[&str]) -> String {
        let mut openssl = Command::new("openssl")
            .args(["s_client", "-servername", "relay.test", "-verify_return_error", "-CAfile", "ca.pem", "-connect"])
            .arg(self.address.to_string())
            .args(arguments)
            .current_dir(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // The relay ends the connection over this, behind the ticket. Without a connection there is nobody to write to.
        let mut stdin = openssl.stdin.take().unwrap();
        let _ = stdin.write_all(b"hello, this is no HTTP/2 at all\n").await;
        let output = tokio::time::timeout(PATIENCE, openssl.wait_with_output()).await.expect("openssl ends").unwrap();
        // The relay's first bytes of HTTP/2 are among what it prints.
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn openssl_sees_what_is_promised() {
    if !Command::new("openssl").arg("version").output().await.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: there is no openssl to look with");
        return;
    }
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    authority.write(&directory.path().join("ca.pem"));
    let pair = authority.issue(directory.path(), &["relay.test"]);
    let strict = Cluster::embedded_with(with(&[&pair])).await;
    let at = |cluster: &Cluster| Scanner { address: cluster.address(0), directory: directory.path().to_owned() };
    // Else openssl itself would not try.
    let old = ["-cipher", "DEFAULT@SECLEVEL=0"];

    let relay = at(&strict);
    let said = relay.session(&["-alpn", "h2", "-sess_out", "session"]).await;
    assert!(said.contains("New, TLSv1.3") && said.contains("ALPN protocol: h2"), "{said}");
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("Max Early Data: 0"), "{said}");
    let said = relay.session(&["-alpn", "h2", "-sess_in", "session"]).await;
    assert!(said.contains("Reused, TLSv1.3"), "{said}");
    relay.refused(&["-alpn", "http/1.1"], NO_APPLICATION_PROTOCOL).await;
    for version in ["-tls1", "-tls1_1", "-tls1_2"] {
        let alert = if version == "-tls1_2" { PROTOCOL_VERSION } else { HANDSHAKE_FAILURE };
        relay.refused(&[&[version][..], &old].concat(), alert).await;
    }
    for (group, key) in [("X25519", "X25519"), ("P-256", "ECDH, prime256v1"), ("P-384", "ECDH, secp384r1")] {
        let said = relay.session(&["-groups", group]).await;
        assert!(said.contains(&format!("Server Temp Key: {key}")), "{said}");
    }
    for group in ["P-521", "X448", "ffdhe2048"] {
        relay.refused(&["-groups", group], HANDSHAKE_FAILURE).await;
    }

    let lenient = Cluster::embedded_with(|settings| {
        with(&[&pair])(settings);
        settings.tls.min_version = Some(TlsVersion::V1_2);
    })
    .await;
    let relay = at(&lenient);
    let said = relay.session(&["-tls1_2", "-sess_out", "session-1.2"]).await;
    assert!(said.contains("New, TLSv1.2") && said.contains("Extended master secret: yes"), "{said}");
    let said = relay.session(&["-tls1_2", "-sess_in", "session-1.2"]).await;
    assert!(said.contains("Reused, TLSv1.2"), "{said}");
    for cipher in ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"] {
        relay.refused(&["-tls1_2", "-cipher", cipher], ACCESS_DENIED).await;
    }
    for version in ["-tls1", "-tls1_1"] {
        relay.refused(&[&[version][..], &old].concat(), HANDSHAKE_FAILURE).await;
    }
}
