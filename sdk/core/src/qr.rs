//! QR codes as text for a terminal.

use qrcodegen::{QrCode, QrCodeEcc};
use thiserror::Error;

/// The quiet zone that scanners need around a code, in modules (ISO/IEC 18004).
const QUIET: i32 = 4;

/// The text is too long for a QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the text is too long for a QR code")]
pub struct QrError;

/// A QR code of `text`, two rows of modules to a line. Light modules are drawn, as terminals mostly have dark grounds.
pub(crate) fn half_blocks(text: &str) -> Result<String, QrError> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).map_err(|_| QrError)?;
    let span = || -QUIET..code.size() + QUIET;
    // Modules outside the code are light.
    let is_light = |x, y| !code.get_module(x, y);
    let mut out = String::new();
    for y in span().step_by(2) {
        out.extend(span().map(|x| half_block(is_light(x, y), is_light(x, y + 1))));
        out.push('\n');
    }
    Ok(out)
}

fn half_block(upper: bool, lower: bool) -> char {
    match (upper, lower) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}
