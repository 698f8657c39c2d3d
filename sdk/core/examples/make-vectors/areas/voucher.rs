//! Vouchers: issued, read, verified.

use sealpost_core::{Audience, Hour, IdentityPublicKey, UnixTime, VOUCHER_LEN, Voucher, VoucherId};

use super::cases::{Area, Fields};
use super::drbg::Drbg;
use super::people::{NOW, Person, audience};

const RELAY: &str = "relay.example.org";

pub(crate) fn area() -> Area {
    let mut area = Area::new(
        "voucher",
        "issue_voucher: signed by the operator's key. parse_voucher: text to fields. verify_voucher: time, then \
         signature, for any of the operators and any of the relay's names.",
    );
    let operator = Person::new("operator");
    let id = VoucherId::generate(&mut Drbg::new("voucher id"));
    let expires = Hour(NOW.hour().0 + 24);
    let voucher = Voucher::issue(&operator.identity, &audience(RELAY), id, expires);
    let input = Fields::new()
        .hex("seed", operator.identity.seed())
        .text("audience", RELAY)
        .hex("id", id.as_bytes())
        .number("expires_hour", expires.0.into());
    let output = Fields::new().hex("voucher", &voucher.to_bytes()).text("text", &voucher.to_text());
    area.good("issue", "issue_voucher", input, output);
    let input = Fields::new().text("text", &voucher.to_text());
    let output = Fields::new().hex("id", id.as_bytes()).number("expires_hour", expires.0.into());
    area.good("parse", "parse_voucher", input, output);
    unreadable(&mut area, &voucher);
    verified(&mut area, &voucher);
    area
}

fn unreadable(area: &mut Area, voucher: &Voucher) {
    let good = voucher.to_bytes();
    let text = |bytes: &[u8]| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    };
    let mut version = good.clone();
    version[0] = 2;
    let mut cases = vec![
        ("a padded text".to_owned(), format!("{}==", voucher.to_text()), "Encoding"),
        ("a character outside the alphabet".to_owned(), voucher.to_text().replacen('A', "+", 1), "Encoding"),
        ("a byte too long".to_owned(), text(&[good.as_slice(), &[0]].concat()), "Length"),
        ("version 2".to_owned(), text(&version), "Version"),
    ];
    for len in [0, 1, 17, 21, VOUCHER_LEN - 1] {
        cases.push((format!("cut off at {len}"), text(&good[..len]), "Length"));
    }
    for (name, text, error) in cases {
        let input = Fields::new().text("text", &text);
        area.bad(&name, "parse_voucher", input, error, Voucher::from_text(&text));
    }
}

fn verified(area: &mut Area, voucher: &Voucher) {
    let operator = Person::new("operator").identity.public();
    let other = Person::new("bob").identity.public();
    let last = UnixTime(voucher.expires().start().0 - 1);
    let good = [
        ("verify", vec![operator], vec![RELAY], NOW),
        ("verify among several", vec![other, operator], vec!["other.example.org", RELAY], NOW),
        ("verify in its last second", vec![operator], vec![RELAY], last),
    ];
    for (name, operators, relays, now) in good {
        voucher.verify(&operators, &audiences(&relays), now).unwrap();
        let input = input_of(voucher, &operators, &relays, now);
        area.good(name, "verify_voucher", input, Fields::new());
    }
    let flipped = |at: usize| {
        let mut bytes = voucher.to_bytes();
        bytes[at] ^= 1;
        Voucher::parse(&bytes).unwrap()
    };
    let none: Vec<&str> = Vec::new();
    let bad = [
        ("expired", voucher.clone(), vec![operator], vec![RELAY], voucher.expires().start(), "Expired"),
        ("another operator", voucher.clone(), vec![other], vec![RELAY], NOW, "BadSignature"),
        ("no operators", voucher.clone(), vec![], vec![RELAY], NOW, "BadSignature"),
        ("another relay", voucher.clone(), vec![operator], vec!["other.example.org"], NOW, "BadSignature"),
        ("a relay without names", voucher.clone(), vec![operator], none, NOW, "BadSignature"),
        ("a bit flipped in the id", flipped(1), vec![operator], vec![RELAY], NOW, "BadSignature"),
        ("a bit flipped in the expiry", flipped(20), vec![operator], vec![RELAY], NOW, "BadSignature"),
        ("a bit flipped in the signature", flipped(21), vec![operator], vec![RELAY], NOW, "BadSignature"),
    ];
    for (name, voucher, operators, relays, now, error) in bad {
        let input = input_of(&voucher, &operators, &relays, now);
        let actual = voucher.verify(&operators, &audiences(&relays), now);
        area.bad(name, "verify_voucher", input, error, actual);
    }
}

fn input_of(voucher: &Voucher, operators: &[IdentityPublicKey], relays: &[&str], now: UnixTime) -> Fields {
    Fields::new()
        .text("text", &voucher.to_text())
        .hexes("operators", operators.iter().map(|key| key.as_bytes().as_slice()))
        .texts("accepted", relays)
        .number("now", now.0)
}

fn audiences(relays: &[&str]) -> Vec<Audience> {
    relays.iter().map(|relay| audience(relay)).collect()
}
