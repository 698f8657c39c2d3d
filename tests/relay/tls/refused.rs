//! Files that a relay does not start with, and what it says.

use std::fs;
use std::path::PathBuf;

use rcgen::{PKCS_ECDSA_P256_SHA256, date_time_ymd};
use sealpost::config::{AdminTlsMode, Config};
use sealpost::server::Relay;
use tempfile::TempDir;

use super::*;
use crate::cluster::settings;

#[tokio::test]
async fn a_relay_that_would_serve_nobody_does_not_start() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let authority = Authority::new();
    let [good, other] = ["good", "other"].map(|name| authority.issue(&path(name), &["relay.test"]));
    let expired = authority.issue_with(&path("expired"), &["relay.test"], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    fs::write(path("secret"), "-----BEGIN sesame\nopen").unwrap();
    let pair = |certificate: PathBuf, key: PathBuf| Pair { certificate, key };

    let refused = async |pairs: &[&Pair], change: fn(&mut Settings, PathBuf), parts: &[&str]| {
        let mut settings = settings(format!("embedded:{}", path("store").display()));
        with(pairs)(&mut settings);
        change(&mut settings, path("secret"));
        let error = Relay::start(Config::load(None, &settings).unwrap()).await.err().expect("it does not start");
        let error = error.to_string();
        for part in parts {
            assert!(error.contains(part), "{part:?} is missing from {error}");
        }
        assert!(!error.contains("sesame"), "{error}");
    };
    let as_it_is = |_: &mut Settings, _: PathBuf| {};
    let mismatch = pair(good.certificate.clone(), other.key.clone());
    refused(&[&mismatch], as_it_is, &["good/tls.crt", "other/tls.key", "cannot be used together"]).await;
    // It need not be the first one.
    refused(&[&good, &mismatch], as_it_is, &["other/tls.key", "cannot be used together"]).await;
    refused(&[&good, &expired], as_it_is, &["expired/tls.crt", "has expired", "Renew it"]).await;
    let missing = pair(path("nothing"), good.key.clone());
    refused(&[&missing], as_it_is, &["nothing cannot be read"]).await;
    let swapped = pair(good.key.clone(), good.certificate.clone());
    refused(&[&swapped], as_it_is, &["good/tls.key holds no certificate", "there is none in it"]).await;
    let secret = pair(good.certificate.clone(), path("secret"));
    refused(&[&secret], as_it_is, &["secret holds no private key", "no PEM"]).await;
    let keys = |settings: &mut Settings, file| settings.tls.ticket_keys_file = Some(file);
    refused(&[&good], keys, &["secret holds no ticket keys", "line 1", "openssl rand -hex 32"]).await;
    let clients = |settings: &mut Settings, file| {
        settings.tls.admin = Some(AdminTlsMode::Mutual);
        settings.tls.admin_client_ca = Some(file);
    };
    refused(&[&good], clients, &["secret holds no certificate", "no PEM"]).await;
}

#[test]
fn settings_that_contradict_each_other_are_told() {
    for (tls, problem) in [
        ("key = 'a'", "tls.certificate: is missing"),
        ("certificate = 'a'", "tls.key: is missing"),
        ("certificate = ['a', 'b']\nkey = 'a'", "tls.key: needs as many files"),
        ("mode = 'files'", "tls.certificate: is missing"),
        ("mode = 'development'\ncertificate = 'a'", "tls.mode: contradicts"),
        ("mode = 'plaintext'\ncertificate = 'a'", "tls.certificate: is for TLS"),
        ("mode = 'plaintext'\nmin_version = '1.2'", "tls.min_version: is for TLS"),
        ("mode = 'plaintext'\nticket_keys_file = 'a'", "tls.ticket_keys_file: is for TLS"),
        ("mode = 'plaintext'\nadmin = 'server'", "tls.admin: is for TLS"),
        ("admin = 'mutual'", "tls.admin_client_ca: is missing"),
        ("admin = 'server'\nadmin_client_ca = 'a'", "tls.admin_client_ca: would not be used"),
        ("admin_client_ca = 'a'", "tls.admin_client_ca: would not be used"),
    ] {
        let settings: Settings = toml::from_str(&format!("[tls]\n{tls}")).unwrap();
        let error = Config::load(None, &settings).unwrap_err().to_string();
        assert!(error.starts_with(problem) && error.lines().count() == 1, "{tls}: {error}");
    }
    let many = vec!["'a'"; 65].join(",");
    let settings: Settings = toml::from_str(&format!("[tls]\ncertificate = [{many}]\nkey = [{many}]")).unwrap();
    assert!(Config::load(None, &settings).unwrap_err().to_string().contains("more than 64"));
    for good in ["certificate = 'a'\nkey = 'b'", "certificate = ['a', 'b']\nkey = ['c', 'd']", "min_version = '1.2'"] {
        let settings: Settings = toml::from_str(&format!("[tls]\n{good}")).unwrap();
        Config::load(None, &settings).unwrap();
    }
    toml::from_str::<Settings>("[tls]\nmin_version = '1.1'").unwrap_err();
}
