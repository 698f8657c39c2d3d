//! Redis over TLS.

use std::path::{Path, PathBuf};

use sealpost::config::Settings;
use sealpost::edge::development_certificate;
use sealpost_testkit::{RedisCluster, RedisServer, RedisSettings, TlsFiles};
use tempfile::TempDir;

use super::{as_it_is, refuses, start};

/// Servers with a certificate of an authority of our own, for this name.
fn with_certificate(directory: &Path, name: &str) -> (RedisSettings, PathBuf) {
    let files = development_certificate(directory, &[name.to_owned()]).unwrap();
    let ca = files.authority.clone();
    let tls = TlsFiles { certificate: files.certificate, key: files.key, ca: files.authority };
    (RedisSettings { tls: Some(tls), ..RedisSettings::default() }, ca)
}

fn trusting(ca: &Path) -> impl Fn(&mut Settings) {
    move |settings| settings.store.ca = Some(ca.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_the_name_and_the_port_must_be_right() {
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (settings, ca) = with_certificate(directories[0].path(), "127.0.0.1");
    let (_, other_ca) = with_certificate(directories[1].path(), "127.0.0.1");
    let redis = RedisServer::spawn(settings).await;
    let relay = start(&redis.url(), trusting(&ca)).await.expect("all is right");
    relay.store().check().await.expect("it works");

    refuses(&redis.url(), trusting(&other_ca), &["store.ca"]).await;
    refuses(&redis.url(), as_it_is, &["store.ca"]).await;
    let other_name = redis.url().replace("127.0.0.1", "localhost");
    refuses(&other_name, trusting(&ca), &["store.url", "name in the certificate"]).await;
    // Redis waits for the end of a line that does not come.
    let silent = format!("rediss://127.0.0.1:{}", redis.port());
    refuses(&silent, trusting(&ca), &["Check the port in store.url", "store.timeout_ms"]).await;
    let without = format!("redis://127.0.0.1:{}", redis.tls_port().unwrap());
    refuses(&without, as_it_is, &["the port in store.url"]).await;
    let empty = directories[0].path().join("names");
    refuses(&redis.url(), trusting(&empty), &["store.ca", "PEM"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_of_a_cluster_is_spoken_to_in_tls() {
    let directory = TempDir::new().unwrap();
    let (settings, ca) = with_certificate(directory.path(), "127.0.0.1");
    let redis = RedisCluster::spawn(settings).await;
    let relay = start(&redis.url(), trusting(&ca)).await.expect("all is right");
    relay.store().check().await.expect("all nodes are reached");
    refuses(&redis.url(), as_it_is, &["store.ca"]).await;
}
