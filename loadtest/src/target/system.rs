//! A server of others that is started here: its files in a directory of its own, what the report says of it, and how it
//! is known that it is ready.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::child::{Server, free_port};
use crate::problem::{During as _, Problem};

/// What the report says of a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// As its makers call it.
    pub name: String,
    /// As the program says.
    pub version: String,
    /// What is safe when a message is accepted, in words.
    pub durability: String,
    /// The whole of its configuration file.
    pub configuration: String,
}

/// A server, and its files. When it is dropped, it ends, and they go.
#[derive(Debug)]
pub struct System {
    /// What the report says of it.
    pub about: About,
    /// Its process.
    pub server: Server,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    hello: Hello,
    // Below the server: that one ends first.
    _directory: TempDir,
}

/// How a server is asked whether it is ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hello {
    /// What is sent to it; nothing, where it speaks first.
    pub(super) ask: &'static [u8],
    /// What it says then, or how that begins.
    pub(super) answer: &'static [u8],
}

/// How a system is started.
#[derive(Debug)]
pub(super) struct Recipe<'a> {
    pub(super) name: &'a str,
    pub(super) version: String,
    pub(super) durability: &'a str,
    pub(super) program: PathBuf,
    /// Flags before the configuration file.
    pub(super) flags: &'a [&'a str],
    /// The configuration file, with names like `@port@` in place of what is known only now.
    pub(super) template: &'a str,
    /// Names and values, besides `port` and `directory`.
    pub(super) values: &'a [(&'a str, &'a str)],
    pub(super) hello: Hello,
}

/// How long a server may take until it is ready. After a kill it has files to read.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one question may take.
const ANSWERS_IN: Duration = Duration::from_secs(2);

impl System {
    /// Starts it on a free port, in a directory for temporary files, and waits until it is ready.
    pub(super) async fn start(recipe: Recipe<'_>) -> Result<Self, Problem> {
        let directory = TempDir::with_prefix("sealpost-loadtest-").during("making a directory")?;
        let port = free_port();
        let configuration = recipe.configuration(port, directory.path())?;
        let file = directory.path().join("configuration");
        std::fs::write(&file, &configuration).during(format_args!("writing {}", file.display()))?;
        let arguments = recipe.flags.iter().map(OsString::from).chain([file.into_os_string()]);
        let server = Server::start(recipe.name, &recipe.program, arguments, directory.path())?;
        let about = About {
            name: recipe.name.to_owned(),
            version: recipe.version,
            durability: recipe.durability.to_owned(),
            configuration,
        };
        let mut system = Self { about, server, port, hello: recipe.hello, _directory: directory };
        system.ready().await?;
        Ok(system)
    }

    /// Starts it again on the same port and with the same files, and waits until it is ready; kills it first if it still
    /// runs.
    ///
    /// # Errors
    /// Where it cannot be started, or is not ready in time.
    pub async fn start_again(&mut self) -> Result<(), Problem> {
        self.server.start_again()?;
        self.ready().await
    }

    async fn ready(&mut self) -> Result<(), Problem> {
        let (hello, port) = (self.hello, self.port);
        self.server.until(PATIENCE, async || hello.is_answered(port).await.then_some(())).await
    }
}

impl Hello {
    async fn is_answered(self, port: u16) -> bool {
        let answer = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(self.ask).await?;
            let mut answer = vec![0; self.answer.len()];
            stream.read_exact(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        matches!(tokio::time::timeout(ANSWERS_IN, answer).await, Ok(Ok(answer)) if answer == self.answer)
    }
}

impl Recipe<'_> {
    fn configuration(&self, port: u16, directory: &Path) -> Result<String, Problem> {
        let (port, directory) = (port.to_string(), directory.to_string_lossy());
        let known = [("port", port.as_str()), ("directory", &directory)];
        let values = known.iter().chain(self.values);
        let text =
            values.fold(self.template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value));
        if text.contains('@') {
            return Err(Problem::new(format!(
                "the configuration of {} has a name without a value:\n{text}",
                self.name
            )));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe<'a>(template: &'a str, values: &'a [(&'a str, &'a str)]) -> Recipe<'a> {
        Recipe {
            name: "a system",
            version: "1".to_owned(),
            durability: "none",
            program: "/bin/cat".into(),
            flags: &[],
            template,
            values,
            hello: Hello { ask: b"", answer: b"" },
        }
    }

    #[test]
    fn every_name_of_a_configuration_has_a_value() {
        let filled = recipe("listen @port@\ndir @directory@\nsync @sync@", &[("sync", "always")])
            .configuration(7, Path::new("/d"))
            .unwrap();
        assert_eq!(filled, "listen 7\ndir /d\nsync always");
        let problem = recipe("sync @sync@", &[]).configuration(7, Path::new("/d")).unwrap_err().to_string();
        assert!(problem.contains("@sync@"), "{problem}");
    }

    #[tokio::test]
    async fn one_that_ends_before_it_is_ready_is_a_problem_with_what_it_said() {
        let problem = System::start(recipe("out of order", &[])).await.unwrap_err().to_string();
        assert!(problem.contains("a system ended") && problem.contains("out of order"), "{problem}");
    }
}
