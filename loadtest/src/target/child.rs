//! Servers as processes of our own: started, measured, killed, and gone when we are.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use crate::problem::{During as _, Problem};
use crate::process::{Usage, usage};

/// A process that is started again as it was.
#[derive(Debug)]
pub struct Server {
    command: Vec<std::ffi::OsString>,
    log: PathBuf,
    child: Option<Child>,
    account: Arc<Account>,
}

/// What a server uses, all of its runs together: for whoever watches, while others start and stop it.
#[derive(Debug)]
pub struct Account {
    name: String,
    state: Mutex<Runs>,
}

#[derive(Debug, Default)]
struct Runs {
    /// The one that runs.
    process: Option<u32>,
    /// What those before it used.
    before: Usage,
}

impl Account {
    /// As the report calls the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its use so far; its memory is none while it does not run.
    pub fn usage(&self) -> Usage {
        let state = self.state.lock();
        let now = state.process.and_then(|process| usage(process).ok()).unwrap_or_default();
        Usage {
            cpu: state.before.cpu + now.cpu,
            rss_kib: now.rss_kib,
            peak_rss_kib: now.peak_rss_kib.max(state.before.peak_rss_kib),
        }
    }

    fn began(&self, process: u32) {
        self.state.lock().process = Some(process);
    }

    /// Its process is no more, or will not be in a moment; that is what it used.
    fn ended(&self, used: Usage) {
        *self.state.lock() = Runs { process: None, before: Usage { rss_kib: 0, ..used } };
    }
}

/// How often it is looked whether something has happened that nothing tells of.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Server {
    /// Starts it. What it says goes to a file in `directory`; it gets nothing of our environment.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(
        name: &str,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        directory: &Path,
    ) -> Result<Self, Problem> {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        let command = std::iter::once(program.as_ref().to_owned()).chain(arguments).collect();
        let log = directory.join(format!("{}.log", name.replace(' ', "-")));
        let account = Arc::new(Account { name: name.to_owned(), state: Mutex::default() });
        let mut server = Self { command, log, child: None, account };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it as before; kills it first if it still runs.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start_again(&mut self) -> Result<(), Problem> {
        self.kill();
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.during(format_args!("writing {}", self.log.display()))?;
        let errors = log.try_clone().during("opening a file twice")?;
        let (program, arguments) = self.command.split_first().ok_or_else(|| Problem::new("there is no program"))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdin(Stdio::null()).stdout(log).stderr(errors);
        if let Some(directory) = self.log.parent() {
            command.current_dir(directory);
        }
        let child = command.spawn().during(format_args!("starting {}", Path::new(program).display()))?;
        self.account.began(child.id());
        self.child = Some(child);
        Ok(())
    }

    /// As the report calls it.
    pub fn name(&self) -> &str {
        &self.account.name
    }

    /// What it uses, for whoever watches.
    pub fn account(&self) -> Arc<Account> {
        self.account.clone()
    }

    /// Its process, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it has used, all of its runs together.
    pub fn usage(&self) -> Usage {
        self.account.usage()
    }

    /// Waits until `ready` has something.
    ///
    /// # Errors
    /// Where it ends, or is not ready in time: with the end of what it said.
    pub async fn until<T>(
        &mut self,
        patience: Duration,
        mut ready: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T, Problem> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = ready().await {
                return Ok(found);
            }
            if let Some(status) = self.ended() {
                return Err(Problem::new(format!("{} ended ({status}):\n{}", self.name(), self.last_words())));
            }
            if Instant::now() > deadline {
                let patience = patience.as_secs();
                let words = self.last_words();
                return Err(Problem::new(format!("{} was not ready in {patience} s:\n{words}", self.name())));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks it to leave (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// Where it does not run, or not leave in time.
    pub async fn leave(&mut self, patience: Duration) -> Result<ExitStatus, Problem> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + patience;
        loop {
            // While it still can be asked.
            let used = self.usage();
            if let Some(status) = self.ended() {
                self.child = None;
                self.account.ended(used);
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(Problem::new(format!("{} did not leave in {} s", self.name(), patience.as_secs())));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops it from doing anything, with its connections open.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn pause(&self) -> Result<(), Problem> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn resume(&self) -> Result<(), Problem> {
        self.signal(Signal::CONT)
    }

    /// Ends it as a loss of power to its process would (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.account.ended(self.usage());
            // One that ended by itself is as dead.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), Problem> {
        let id = self.process_id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or_else(|| Problem::new(format!("{} does not run", self.name())))?;
        kill_process(id, signal).map_err(io::Error::from).during(format_args!("a signal to {}", self.name()))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let text = self.said();
        let lines: Vec<&str> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody has, below those that the system gives to clients.
pub fn free_port() -> u16 {
    let random = || rand::random_range(20_000..32_000);
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    // Of thousands, most are free.
    std::iter::repeat_with(random).take(1000).find(free).unwrap_or_default()
}

/// Where a program is, in the path.
pub fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn what_it_used_is_known_when_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo ready; exec sleep 1000";
        let mut server = Server::start("a server", "/bin/sh", ["-c", script], directory.path()).unwrap();
        let log = directory.path().join("a-server.log");
        let said = async || std::fs::read_to_string(&log).ok().filter(|text| text.contains("ready"));
        server.until(PATIENCE, said).await.unwrap();
        let used = server.usage();
        assert!(used.cpu > Duration::ZERO && used.rss_kib > 0);
        server.pause().unwrap();
        server.resume().unwrap();
        server.leave(PATIENCE).await.unwrap();
        assert!(server.usage().cpu >= used.cpu);
        assert_eq!(server.process_id(), None);
        server.start_again().unwrap();
        assert!(server.usage().cpu >= used.cpu);
    }

    #[tokio::test]
    async fn why_it_ended_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::start("it", "/bin/sh", ["-c", "echo no room; exit 3"], directory.path()).unwrap();
        let problem = server.until(PATIENCE, async || None::<()>).await.unwrap_err().to_string();
        assert!(problem.contains("exit status: 3") && problem.contains("no room"), "{problem}");
        assert!(Server::start("it", "/no/such/program", [""; 0], directory.path()).is_err());
    }
}
