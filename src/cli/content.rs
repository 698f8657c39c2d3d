//! What there is to send.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sealpost_client::Draft;

use super::output::Failure;

/// No envelope is larger, whatever the relay.
const LARGEST: u64 = 1024 * 1024;

/// A file's content, with its name.
pub(super) fn file(path: &Path) -> Result<Draft, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!("{} cannot be read: {error}", path.display()))
            .remedy("check the path and its permissions")
    };
    let mut body = Vec::new();
    // A little more than fits is enough to be told how much does.
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut body)).map_err(unreadable)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Draft::new(content_type(path), body).name(name))
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("pdf") => "application/pdf",
        Some("json") => "application/json",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The text that is piped in.
pub(super) fn standard_input() -> Result<Draft, Failure> {
    let mut text = String::new();
    std::io::stdin().take(LARGEST + 1).read_to_string(&mut text).map_err(|error| {
        Failure::usage(format!("standard input is no text: {error}")).remedy("send a file with --file")
    })?;
    Ok(Draft::text(text))
}
