//! Nobody, somebody silent, or somebody old listens at the port.

use std::time::Duration;

use sealpost::config::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::{as_it_is, refuses};

/// A server that does this with each connection, and its port.
async fn server<F: Future<Output = ()> + Send>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> (AbortOnDropHandle<()>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream).await;
        }
    });
    (AbortOnDropHandle::new(task), port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for url in ["redis://H", "redis+cluster://H", "redis+sentinel://H/sealpost"] {
        let url = url.replace('H', &format!("127.0.0.1:{port}"));
        refuses(&url, as_it_is, &["store.url", "host and the port"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_silent_is_not_waited_for_longer_than_configured() {
    // It takes connections, and keeps them.
    let (_server, port) = server(|mut stream| async move {
        tokio::spawn(async move { while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} });
    })
    .await;
    let patience = |settings: &mut Settings| settings.store.timeout_ms = Some(300);
    for url in ["redis://H", "rediss://H", "redis+cluster://H", "redis+sentinel://H/sealpost"] {
        let url = url.replace('H', &format!("127.0.0.1:{port}"));
        let refusal = refuses(&url, patience, &["store.url", "store.timeout_ms"]);
        tokio::time::timeout(Duration::from_secs(5), refusal).await.expect("it gives up");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_server_is_refused_by_its_version() {
    let (_server, port) = server(|mut stream| async move {
        let mut asked = [0; 1024];
        while let Ok(read) = stream.read(&mut asked).await
            && read > 0
        {
            // As Redis 6.2, which knows one section of INFO at a time.
            let answer: &[u8] = match asked[..read].windows(5).any(|word| word == b"HELLO") {
                true => b"%2\r\n$7\r\nversion\r\n$6\r\n6.2.14\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n",
                false => b"-ERR syntax error\r\n",
            };
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    refuses(&format!("redis://127.0.0.1:{port}"), as_it_is, &["Redis 6.2.14", "Redis 7.0"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_is_no_redis() {
    let (_server, port) = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    refuses(&format!("redis://127.0.0.1:{port}"), as_it_is, &["store.url"]).await;
}
