//! Redis, or Valkey: the store of relays, and the floor under them.

use std::path::{Path, PathBuf};

use super::program::{find, version};
use super::system::{Hello, Recipe, System};
use crate::problem::{During as _, Problem};
use crate::scenario::Durability;

/// Names the server that is started, as for the tests.
const PROGRAM: &str = "SEALPOST_REDIS_SERVER";
/// Says "LOADING" while it reads its files.
const HELLO: Hello = Hello { ask: b"PING\r\n", answer: b"+PONG\r\n" };

/// Starts one with empty memory, and waits until it answers.
///
/// # Errors
/// Where there is none, or it does not start.
pub async fn start(durability: Durability) -> Result<System, Problem> {
    let program = program()?;
    let (said, version) = version(&program, "--version").await?;
    let (append_only, sync, words) = match durability {
        Durability::Memory => ("no", "everysec", "memory: a crash loses all"),
        Durability::Everysec => {
            ("yes", "everysec", "a file, fsync every second: a crash of the machine loses about that")
        }
        Durability::Always => ("yes", "always", "a file, fsync before the answer: a crash loses nothing"),
    };
    System::start(Recipe {
        name: if said.starts_with("Valkey") { "Valkey" } else { "Redis" },
        version,
        durability: words,
        program,
        flags: &[],
        template: include_str!("../../peers/redis.conf"),
        values: &[("append_only", append_only), ("sync", sync)],
        hello: HELLO,
    })
    .await
}

fn program() -> Result<PathBuf, Problem> {
    match std::env::var(PROGRAM) {
        // It runs in a directory of its own: nothing there is where it is from here.
        Ok(path) if path.contains('/') => {
            Path::new(&path).canonicalize().during(format_args!("{PROGRAM}={path}: finding it"))
        }
        Ok(name) => find(&name),
        Err(_) => find("redis-server").or_else(|problem| find("valkey-server").map_err(|_| problem)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn say(system: &System, words: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", system.port)).await.unwrap();
        stream.write_all(format!("{words}\r\nQUIT\r\n").as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_a_kill_as_far_as_durability_goes() {
        for (durability, found) in [(Durability::Memory, false), (Durability::Always, true)] {
            let mut system = start(durability).await.unwrap();
            assert!(system.about.version.contains('.') && system.about.configuration.contains("noeviction"));
            assert!(say(&system, "SET key value").await.starts_with("+OK"));
            system.server.kill();
            system.start_again().await.unwrap();
            assert_eq!(say(&system, "GET key").await.contains("value"), found, "{durability:?}");
        }
    }
}
