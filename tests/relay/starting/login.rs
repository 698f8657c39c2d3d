//! Users and passwords.

use sealpost::config::{DurabilitySetting, Settings};
use sealpost_testkit::{RedisCluster, RedisSentinel, RedisServer, RedisSettings};

use super::{SECRET, as_it_is, refuses, start};

fn with_password() -> RedisSettings {
    RedisSettings { password: Some(SECRET.to_owned()), ..RedisSettings::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_needed_and_may_come_from_a_file() {
    let redis = RedisServer::spawn(with_password()).await;
    let port = redis.port();
    let words = ["store.url", "store.password_file"];
    refuses(&format!("redis://:sesame2@127.0.0.1:{port}"), as_it_is, &words).await;
    refuses(&format!("redis://nobody:{SECRET}@127.0.0.1:{port}"), as_it_is, &words).await;
    let bare = format!("redis://127.0.0.1:{port}");
    refuses(&bare, as_it_is, &words).await;

    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("password");
    let from_file = |settings: &mut Settings| settings.store.password_file = Some(file.clone());
    std::fs::write(&file, "sesame2\n").unwrap();
    refuses(&bare, from_file, &words).await;
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    start(&bare, from_file).await.expect("the password is right");
    start(&redis.url(), as_it_is).await.expect("the password is right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_where_none_is_needed_is_a_mistake() {
    let redis = RedisServer::spawn(RedisSettings::default()).await;
    // Redis itself lets `default` in with any password where it has none.
    refuses(&format!("redis://relay:{SECRET}@127.0.0.1:{}", redis.port()), as_it_is, &["store.url"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_of_a_cluster_gets_the_password() {
    let redis = RedisCluster::spawn(with_password()).await;
    let words = ["store.url", "store.password_file"];
    refuses(&redis.url().replace(SECRET, "sesame2"), as_it_is, &words).await;
    let relay = start(&redis.url(), as_it_is).await.expect("the password is right");
    relay.store().check().await.expect("all nodes are reached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_have_a_password_of_their_own() {
    let redis = RedisSentinel::spawn(with_password()).await;
    let replicated = |settings: &mut Settings| settings.store.durability = Some(DurabilitySetting::Replicas(2));
    refuses(&redis.url().replace(SECRET, "sesame2"), replicated, &["store.url", "store.password_file"]).await;
    start(&redis.url(), replicated).await.expect("the Sentinels ask for none");

    for index in 0..3 {
        let sentinel = redis.sentinel(index);
        sentinel.command(&["SENTINEL", "CONFIG", "SET", "sentinel-pass", "watchword"]).await.unwrap();
        // As much as the relay needs there, and the Sentinels among themselves.
        let user =
            "ACL SETUSER default reset on >watchword allchannels -@all +sentinel +auth +hello +ping +publish +info";
        sentinel.command(&user.split(' ').collect::<Vec<_>>()).await.unwrap();
    }
    refuses(&redis.url(), replicated, &["store.sentinel_password_file"]).await;
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("password");
    let both = |settings: &mut Settings| {
        replicated(settings);
        settings.store.sentinel_password_file = Some(file.clone());
    };
    std::fs::write(&file, "watchwort\n").unwrap();
    refuses(&redis.url(), both, &["store.sentinel_password_file"]).await;
    std::fs::write(&file, "watchword\n").unwrap();
    let relay = start(&redis.url(), both).await.expect("both passwords are right");
    relay.store().check().await.expect("the primary is reached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_know_a_user_who_may_only_ask_them_for_the_primary() {
    let redis = RedisSentinel::spawn(RedisSettings::default()).await;
    for index in 0..3 {
        let user = "ACL SETUSER relay on >watchword resetchannels -@all +hello +auth +sentinel|master";
        let sentinel = redis.sentinel(index);
        sentinel.command(&user.split(' ').collect::<Vec<_>>()).await.unwrap();
        // The Sentinels among themselves go on as they are, but nobody else gets in so.
        let default = "ACL SETUSER default -sentinel|master";
        sentinel.command(&default.split(' ').collect::<Vec<_>>()).await.unwrap();
    }
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "watchword\n").unwrap();
    let as_user = |user: Option<&str>| {
        let (user, file) = (user.map(str::to_owned), file.clone());
        move |settings: &mut Settings| {
            settings.store.durability = Some(DurabilitySetting::Replicas(2));
            settings.store.sentinel_user = user;
            settings.store.sentinel_password_file = Some(file);
        }
    };
    let words = ["store.sentinel_user", "store.sentinel_password_file"];
    refuses(&redis.url(), as_user(None), &words).await;
    refuses(&redis.url(), as_user(Some("nobody")), &words).await;
    let relay = start(&redis.url(), as_user(Some("relay"))).await.expect("the user may ask for the primary");
    relay.store().check().await.expect("the primary is reached");
}
