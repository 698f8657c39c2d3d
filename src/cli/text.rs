//! How values are written for people.

use sealpost_core::{Address, Hour, UnixTime};

/// Text from elsewhere, with nothing in it that would command a terminal or turn its lines around.
pub(super) fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if (c.is_control() && c != '\n' && c != '\t') || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// The same in one line.
pub(super) fn printable_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// Enough of an address to tell it from others at a glance.
pub(super) fn short(address: &Address) -> String {
    abbreviate(&address.to_text(), 10, 4)
}

/// The beginning and the end of an ASCII text.
pub(super) fn abbreviate(text: &str, head: usize, tail: usize) -> String {
    match (text.get(..head), text.len().checked_sub(tail).and_then(|from| text.get(from..))) {
        (Some(first), Some(last)) if text.len() > head + tail + 1 => format!("{first}…{last}"),
        _ => text.to_owned(),
    }
}

/// As in `31,204`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// As in `1 envelope` or `2 envelopes`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// As in `16 KiB` or `900 bytes`.
pub(super) fn size(bytes: u64) -> String {
    if bytes >= 1024 && bytes.is_multiple_of(1024) {
        format!("{} KiB", grouped(bytes / 1024))
    } else {
        format!("{} bytes", grouped(bytes))
    }
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As in `2026-11-23 05:00 UTC`.
pub(super) fn hour(hour: Hour) -> String {
    let (date, hours, ..) = civil(hour.start());
    format!("{date} {hours:02}:00 UTC")
}

/// As in `2026-11-23 05:31:10 UTC`.
pub(super) fn time(at: UnixTime) -> String {
    let (date, hours, minutes, seconds) = civil(at);
    format!("{date} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

/// Date, hours, minutes and seconds in UTC.
fn civil(at: UnixTime) -> (String, u64, u64, u64) {
    let secs = at.as_secs();
    // Counted in eras of 400 years that begin with a March, so that leap days come last.
    let days = secs / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    (format!("{year:04}-{month:02}-{day:02}"), secs / 3_600 % 24, secs / 60 % 60, secs % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(UnixTime(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(time(UnixTime(951_782_399)), "2000-02-28 23:59:59 UTC");
        assert_eq!(time(UnixTime(951_782_400)), "2000-02-29 00:00:00 UTC");
        assert_eq!(time(UnixTime(1_795_411_870)), "2026-11-23 05:31:10 UTC");
        assert_eq!(hour(UnixTime(1_795_411_870).hour()), "2026-11-23 05:00 UTC");
        assert_eq!(time(UnixTime(4_102_444_800)), "2100-01-01 00:00:00 UTC");
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\n");
        assert_eq!(printable_line("a\nb\tc"), "a b c");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([900, 1024, 65536].map(size), ["900 bytes", "1 KiB", "64 KiB"]);
    }
}
