//! Delivery keys, their text and their hashes.

use sealpost_core::{Address, DeliveryKey};

use super::cases::{Area, Fields};
use super::people::Person;

pub(crate) fn area() -> Area {
    let mut area = Area::new(
        "delivery_key",
        "hash_delivery_key: what the relay keeps of a key for an address. delivery_key_from_text: base64url to a key.",
    );
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    good(&mut area, "alice's key", &alice.address(), &alice.delivery_key);
    good(&mut area, "alice's key for bob's address", &bob.address(), &alice.delivery_key);
    let zeros = DeliveryKey::try_from([0; 32].as_slice()).unwrap();
    good(&mut area, "a key of zeros", &alice.address(), &zeros);
    let ones = DeliveryKey::try_from([0xff; 32].as_slice()).unwrap();
    good(&mut area, "a key of ones", &alice.address(), &ones);

    let text = alice.delivery_key.to_text();
    let mut stray = text.clone();
    let last = stray.pop().unwrap();
    stray.push(char::from(last as u8 + 1));
    let bad = [
        ("empty", String::new()),
        ("a character missing", text[..42].to_owned()),
        ("a character too many", format!("{text}A")),
        ("padded", format!("{text}=")),
        ("stray bits in the last character", stray),
        ("standard alphabet", ones.to_text().replace('_', "/")),
        ("a space inside", text.replacen(&text[5..6], " ", 1)),
        ("a line break after", format!("{text}\n")),
        ("31 bytes", "A".repeat(42)),
        ("33 bytes", "A".repeat(44)),
    ];
    for (name, text) in bad {
        let input = Fields::new().text("text", &text);
        let actual = DeliveryKey::from_text(&text);
        area.bad(name, "delivery_key_from_text", input, "DeliveryKeyError", actual);
    }
    area
}

fn good(area: &mut Area, name: &str, address: &Address, key: &DeliveryKey) {
    area.good(
        name,
        "hash_delivery_key",
        Fields::new().hex("address", address.as_bytes()).hex("key", key.as_bytes()),
        Fields::new().hex("hash", key.hash(address).as_bytes()),
    );
    area.good(
        &format!("{name}: text"),
        "delivery_key_from_text",
        Fields::new().text("text", &key.to_text()),
        Fields::new().hex("key", key.as_bytes()),
    );
}
