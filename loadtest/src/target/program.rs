//! Programs of others: where they are, and which version.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::child::in_path;
use crate::problem::{During as _, Problem};

/// Where `make tools` puts what Debian does not have, below the workspace.
const TOOLS: &str = "target/tools/venv/bin";
/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a program is: in the path, or where `make tools` puts it. In a checkout, where cargo has started us, `make tools`
/// is called if it is in neither.
///
/// # Errors
/// Where it is in neither, and cannot be installed.
pub fn find(program: &str) -> Result<PathBuf, Problem> {
    if let Some(found) = installed(program) {
        return Ok(found);
    }
    let workspace = workspace();
    if std::env::var_os("CARGO").is_some() && workspace.join("Makefile").is_file() {
        let _ = writeln!(std::io::stderr(), "there is no {program}: calling `make tools`, which installs it");
        let status = std::process::Command::new("make").arg("tools").current_dir(workspace).status();
        if status.during("calling make")?.success()
            && let Some(found) = installed(program)
        {
            return Ok(found);
        }
    }
    Err(Problem::new(format!("there is no {program}, neither in the path nor in {TOOLS}"))
        .remedy(format!("install {program}; in a checkout, `make tools` does it")))
}

fn installed(program: &str) -> Option<PathBuf> {
    let here = Path::new(".").canonicalize().ok();
    let roots = [Some(workspace().to_owned()), here].into_iter().flatten();
    let mut tools = roots.map(|root| root.join(TOOLS).join(program));
    in_path(program).or_else(|| tools.find(|file| file.is_file()))
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// What it says when it is asked for its version, and the number in it.
///
/// # Errors
/// Where it cannot be started, does not answer in time, or says no number.
pub async fn version(program: &Path, flag: &str) -> Result<(String, String), Problem> {
    let asking = format!("asking {} for its version", program.display());
    let output = Command::new(program).arg(flag).env_clear().kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.during(&asking)?.during(&asking)?;
    // Some end with an error after they said it.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = number_in(&said).ok_or_else(|| Problem::new(format!("{asking} gave no number: {said:?}")))?;
    Ok((said, number))
}

/// The first word that is a version: `2.0.11`, `v2.15.1` or `v=7.0.15`.
fn number_in(said: &str) -> Option<String> {
    let words = said.split_whitespace().map(|word| word.trim_start_matches(['v', '=']));
    words.filter(|word| word.starts_with(|first: char| first.is_ascii_digit())).map(str::to_owned).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_what_servers_say() {
        let of = |said| number_in(said).unwrap_or_default();
        assert_eq!(of("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"), "7.0.15");
        assert_eq!(of("nats-server: v2.15.1\n"), "2.15.1");
        assert_eq!(of("mosquitto version 2.0.11\n\nmosquitto is an MQTT v5.0/v3.1.1/v3.1 broker."), "2.0.11");
        assert_eq!(of("very much"), "");
    }

    #[tokio::test]
    async fn a_program_that_is_missing_or_says_nothing_is_a_problem() {
        assert_eq!(installed("no-such-server"), None);
        let silent = version(Path::new("/bin/true"), "").await.unwrap_err().to_string();
        assert!(silent.contains("gave no number"), "{silent}");
        assert!(version(Path::new("/no/such/program"), "-v").await.is_err());
    }
}
