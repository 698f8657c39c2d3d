//! The relay's program: given, built by the cargo that started us, or beside us.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::problem::{During as _, Problem};

const NAME: &str = "sealpost";

/// Where it is. In a checkout, where cargo has started the load test, it is built first, with the same profile.
///
/// # Errors
/// Where there is none, or it cannot be built.
pub fn relay(given: Option<&Path>) -> Result<PathBuf, Problem> {
    relay_beside(&std::env::current_exe().during("asking where this program is")?, given)
}

/// As [`relay`], where the load test's own program is `own`.
///
/// # Errors
/// As [`relay`].
pub fn relay_beside(own: &Path, given: Option<&Path>) -> Result<PathBuf, Problem> {
    if let Some(given) = given {
        return match given.is_file() {
            true => Ok(given.to_owned()),
            false => Err(Problem::usage(format!("there is no relay {}", given.display()))
                .remedy("name the built binary with --relay-binary")),
        };
    }
    let beside = own.with_file_name(NAME);
    if let (Some(cargo), Some(manifests)) = (std::env::var_os("CARGO"), std::env::var_os("CARGO_MANIFEST_DIR")) {
        let profile = match own.parent().and_then(Path::file_name).and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let mut build = Command::new(cargo);
        build.args(["build", "--package", NAME, "--bin", NAME, "--profile", profile]).current_dir(manifests);
        let status = build.status().during("starting cargo")?;
        if !status.success() {
            return Err(Problem::new("the relay could not be built; cargo says why above"));
        }
    }
    match beside.is_file() {
        true => Ok(beside),
        false => Err(Problem::new(format!("there is no relay {}", beside.display()))
            .remedy("put the binary `sealpost` beside this one, or name it with --relay-binary")),
    }
}
