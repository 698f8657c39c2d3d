//! Public keys to addresses, and their text.

use sealpost_core::{Address, IdentityPublicKey};

use super::cases::{Area, Fields};
use super::people::Person;

pub(crate) fn area() -> Area {
    let mut area = Area::new(
        "address",
        "address_of: an Ed25519 public key to its address and text. address_from_text: a text to its address.",
    );
    for name in ["alice", "bob"] {
        let key = Person::new(name).identity.public();
        let address = key.address();
        area.good(
            name,
            "address_of",
            Fields::new().hex("public_key", key.as_bytes()),
            Fields::new().hex("address", address.as_bytes()).text("text", &address.to_text()),
        );
        area.good(
            &format!("{name}'s text"),
            "address_from_text",
            Fields::new().text("text", &address.to_text()),
            Fields::new().hex("address", address.as_bytes()),
        );
    }
    bad_keys(&mut area);
    bad_texts(&mut area);
    area
}

fn bad_keys(area: &mut Area) {
    let good = *Person::new("alice").identity.public().as_bytes();
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    // y = 3 is on the curve; this writes it as p + 3.
    let mut not_reduced = [0xff; 32];
    (not_reduced[0], not_reduced[31]) = (0xed + 3, 0x7f);
    let cases: [(&str, &[u8], &str); 7] = [
        ("key too short", &good[..31], "Length"),
        ("key too long", &[good.as_slice(), &[0]].concat(), "Length"),
        ("no key", &[], "Length"),
        ("key not on the curve", &off_curve, "NotAKey"),
        ("key not reduced", &not_reduced, "NotAKey"),
        ("key is the identity point", &identity_point, "NotAKey"),
        ("key of order 4", &[0; 32], "NotAKey"),
    ];
    for (name, key, error) in cases {
        let input = Fields::new().hex("public_key", key);
        area.bad(name, "address_of", input, error, IdentityPublicKey::try_from(key));
    }
}

fn bad_texts(area: &mut Area) {
    let address = Person::new("alice").address();
    let text = address.to_text();
    let bytes = address.as_bytes();
    let hrp = |hrp| bech32::Hrp::parse(hrp).unwrap();
    let swapped = text.replacen(&text[10..12], &text[10..12].chars().rev().collect::<String>(), 1);
    let cases = [
        ("empty", String::new(), "Encoding"),
        ("upper case", text.to_uppercase(), "Encoding"),
        ("mixed case", text.replacen("sp1", "Sp1", 1), "Encoding"),
        ("two characters swapped", swapped, "Encoding"),
        ("last character missing", text[..text.len() - 1].to_owned(), "Encoding"),
        ("a character too many", format!("{text}q"), "Encoding"),
        ("a space before", format!(" {text}"), "Encoding"),
        ("outside the alphabet", text.replacen("sp1", "sp1b", 1), "Encoding"),
        ("bech32, not bech32m", bech32::encode::<bech32::Bech32>(hrp("sp"), bytes).unwrap(), "Encoding"),
        ("another prefix", bech32::encode::<bech32::Bech32m>(hrp("bc"), bytes).unwrap(), "Prefix"),
        ("31 bytes", bech32::encode::<bech32::Bech32m>(hrp("sp"), &bytes[..31]).unwrap(), "Length"),
        ("33 bytes", bech32::encode::<bech32::Bech32m>(hrp("sp"), &[0; 33]).unwrap(), "Length"),
        ("nothing after the prefix", bech32::encode::<bech32::Bech32m>(hrp("sp"), &[]).unwrap(), "Length"),
        ("stray bits in the last character", stray_bits(bytes), "Encoding"),
    ];
    for (name, text, error) in cases {
        let input = Fields::new().text("text", &text);
        area.bad(name, "address_from_text", input, error, text.parse::<Address>());
    }
}

/// The same 32 bytes with a valid checksum, but 1 in the padding bits of the last character.
fn stray_bits(bytes: &[u8]) -> String {
    use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
    let mut symbols: Vec<bech32::Fe32> = bytes.iter().copied().bytes_to_fes().collect();
    let last = symbols.last_mut().unwrap();
    *last = bech32::Fe32::try_from(last.to_u8() | 1).unwrap();
    let hrp = bech32::Hrp::parse("sp").unwrap();
    symbols.into_iter().with_checksum::<bech32::Bech32m>(&hrp).chars().collect()
}
