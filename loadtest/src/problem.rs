//! What went wrong with the load test itself, for the person at the terminal.

use std::fmt;

/// A problem, and what to do about it.
#[derive(Debug)]
pub struct Problem {
    what: String,
    remedy: Option<String>,
    /// The command line or a file is wrong: nothing was started.
    usage: bool,
}

impl Problem {
    /// Something failed.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: None, usage: false }
    }

    /// What was asked for makes no sense.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(what) }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Whether the command line or a file is wrong.
    pub fn is_usage(&self) -> bool {
        self.usage
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// Turns any error into a problem, with the words of what was being done.
pub trait During<T> {
    /// `doing` completes the sentence "… failed".
    ///
    /// # Errors
    /// Where `self` is one.
    fn during(self, doing: impl fmt::Display) -> Result<T, Problem>;
}

impl<T, E: fmt::Display> During<T> for Result<T, E> {
    fn during(self, doing: impl fmt::Display) -> Result<T, Problem> {
        self.map_err(|error| Problem::new(format!("{doing} failed: {error}")))
    }
}
