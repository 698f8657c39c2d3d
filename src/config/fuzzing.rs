//! What holds for any text of a configuration file, or of one of its settings.

use std::path::Path;

use super::{ConfigError, DurabilitySetting, Settings, check, overlay};
use crate::store::redis::fuzzing as redis;

/// A file, or a setting: what is accepted is written as it was meant, and checked without surprises.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(durability) = text.parse::<DurabilitySetting>() {
        assert_eq!(String::from(durability), text);
    }
    if let Some(bytes) = check::unhex(text) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(hex.eq_ignore_ascii_case(text));
    }
    redis::url(text);
    if let Ok(settings) = toml::from_str(text) {
        file(settings);
    }
}

fn file(mut settings: Settings) {
    let written = toml::to_string(&settings);
    assert!(written.is_ok(), "what was read cannot be written");
    let laid = |below, above| overlay(below, above, Path::new("")).map(|settings| toml::to_string(&settings));
    let writable = toml::Table::try_from(&settings).is_ok();
    for merged in
        [laid(&settings, &Settings::default()), laid(&Settings::default(), &settings), laid(&settings, &settings)]
    {
        match merged {
            Ok(merged) => assert!(writable && merged == written, "a layer of nothing changes something"),
            Err(error) => assert!(!writable && matches!(error, ConfigError::Unwritable(_)), "{error}"),
        }
    }
    // Files are for the operator to name: a pipe would be waited for.
    (settings.store.password_file, settings.store.sentinel_password_file, settings.store.ca) = (None, None, None);
    if let Err(problems) = check::config(settings) {
        assert!(!problems.is_empty() && problems.iter().all(|it| !it.setting.is_empty() && !it.problem.is_empty()));
    }
}
