//! What is wrong with a configuration file, said without repeating any of its values: one may be a password.

use std::fmt;

/// A place in a file, where it is known, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line and column, both from 1.
    place: Option<(usize, usize)>,
    why: String,
}

/// How the messages of serde begin that go on with a value and end in what should be there.
const WITH_VALUE: [&str; 4] = ["invalid type", "invalid value", "invalid length", "unknown variant"];

impl Fault {
    /// Takes from an error of reading this text what may be shown. The error itself repeats the whole line, and shows the
    /// whole text where it is printed for debugging.
    pub(super) fn new(error: &toml::de::Error, text: &str) -> Self {
        let place = error.span().and_then(|span| text.get(..span.start)).map(|before| {
            let line = before.rsplit('\n').next().unwrap_or_default();
            (before.matches('\n').count() + 1, line.chars().count() + 1)
        });
        Self { place, why: without_value(error.message()) }
    }
}

fn without_value(message: &str) -> String {
    let Some(kind) = WITH_VALUE.into_iter().find(|kind| message.starts_with(kind)) else {
        return message.to_owned();
    };
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("{kind}, expected {expected}"),
        None => kind.to_owned(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn said(text: &str) -> String {
        let error = toml::from_str::<Settings>(text).expect_err("it is wrong");
        let fault = Fault::new(&error, text);
        assert!(!format!("{fault} {fault:?}").contains("sesame"), "the password is given away: {fault:?}");
        fault.to_string()
    }

    #[test]
    fn no_value_is_repeated_whatever_is_wrong_with_it() {
        for (text, begin, end) in [
            ("[store]\nurl = redis://:sesame@host\n", "line 2, column 7: ", ""),
            ("[store]\nurl = \"redis://:sesame@host\nca = \"x\"\n", "line 2, column ", ""),
            ("[store]\nurl = \"redis://:\\sesame@host\"\n", "line 2, column ", ""),
            ("[store]\nredis://:sesame@host\n", "line 2, column ", ""),
            ("[store]\nurl = \"x\"\nurl = \"redis://:sesame@host\"\n", "line 3, column 1: duplicate key", ""),
            ("store = \"redis://:sesame@host\"", "line 1, column 9: invalid type, expected ", "StoreSettings"),
            ("[store]\nconnections = \"sesame, expected \"\n", "line 2, column 15: invalid type, expected usize", ""),
            ("[store]\ndurability = \"sesame\"\n", "line 2, column 14: it is memory, fsync, or", "255"),
            ("[store]\ndurability_check = \"sesame\"\n", "line 2, column 20: unknown variant, expected `refuse`", ""),
            ("[tls]\nkey = { a = \"sesame\" }\n", "line 2, column 7: a path, or a list of paths", ""),
            ("# é\n[tls]\n'é' = 1", "line 3, column 1: unknown field `é`", ""),
            ("[store]\n  key = [\n", "line ", ""),
        ] {
            let said = said(text);
            assert!(said.starts_with(begin) && said.ends_with(end) && !said.contains('\n'), "of {text:?}: {said}");
        }
    }
}
