//! Numbers as a person reads them.

/// With separators: 12,345.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that count: 0.123, 1.23, 12.3, 123, 12,345.
pub fn number(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        "–".to_owned()
    } else if size >= 100.0 {
        let sign = if number < 0.0 { "−" } else { "" };
        // It is not negative, and no such number is near the limit.
        format!("{sign}{}", grouped(size.round() as u64))
    } else if size >= 10.0 {
        format!("{number:.1}")
    } else if size >= 1.0 {
        format!("{number:.2}")
    } else {
        format!("{number:.3}")
    }
}

/// A time in microseconds, in the unit that fits: 870 µs, 1.23 ms, 12.3 s.
pub fn micros(micros: u64) -> String {
    let exact = micros as f64;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", number(exact / 1e3)),
        _ => format!("{} s", number(exact / 1e6)),
    }
}

/// A time in seconds: 12 s, 3 min 20 s.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    if whole < 120 { format!("{whole} s") } else { format!("{} min {} s", whole / 60, whole % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let texts = [0.12345, 1.2345, 12.345, 123.45, 12_345.6, 1_234_567.0, -2.5].map(number);
        assert_eq!(texts, ["0.123", "1.23", "12.3", "123", "12,346", "1,234,567", "-2.50"]);
        assert_eq!(number(f64::NAN), "–");
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!([870, 1_234, 12_345_678].map(micros), ["870 µs", "1.23 ms", "12.3 s"]);
        assert_eq!([12.4, 200.0].map(duration), ["12 s", "3 min 20 s"]);
    }
}
