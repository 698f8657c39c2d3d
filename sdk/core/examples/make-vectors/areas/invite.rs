//! Invite links.

use sealpost_core::Invite;

use super::cases::{Area, Fields};
use super::people::Person;

pub(crate) fn area() -> Area {
    let mut area = Area::new(
        "invite",
        "parse_invite: a link to its parts, and the link that is written for them (the default port left out).",
    );
    let alice = Person::new("alice");
    let (address, key) = (alice.address().to_text(), alice.delivery_key.to_text());
    let link = |relay: &str| format!("sealpost://{relay}/{address}#{key}");
    for relay in [
        "relay.example.org",
        "relay.example.org:443",
        "relay.example.org:8443",
        "localhost:1",
        "127.0.0.1:65535",
        "[::1]",
        "[2001:db8::7]:8443",
    ] {
        good(&mut area, relay, &link(relay));
    }
    let relays = [
        ("", "Relay.Host.Length"),
        ("Relay.example.org", "Relay.Host.Malformed"),
        ("a_b", "Relay.Host.Malformed"),
        ("user@relay.example.org", "Relay.Host.Malformed"),
        ("relay.example.org:", "Relay.Port"),
        ("relay.example.org:0", "Relay.Port"),
        ("relay.example.org:65536", "Relay.Port"),
        ("relay.example.org:0443", "Relay.Port"),
        ("relay.example.org:+443", "Relay.Port"),
        ("relay.example.org:https", "Relay.Port"),
        ("::1", "Relay.Brackets"),
        ("[::1", "Relay.Brackets"),
        ("[127.0.0.1]", "Relay.Brackets"),
        ("[relay.example.org]", "Relay.Brackets"),
        ("[::01]", "Relay.Host.Malformed"),
        ("[::1]443", "Relay.Port"),
        ("[::1]:", "Relay.Port"),
    ];
    for (relay, error) in relays {
        bad(&mut area, &format!("relay {relay:?}"), &link(relay), error);
    }
    let host = "sealpost://relay.example.org";
    let others = [
        ("empty", String::new(), "Scheme"),
        ("another scheme", link("relay.example.org").replace("sealpost", "https"), "Scheme"),
        ("upper-case scheme", link("relay.example.org").replace("sealpost", "SEALPOST"), "Scheme"),
        ("a space before", format!(" {}", link("relay.example.org")), "Scheme"),
        ("only a host", host.to_owned(), "MissingAddress"),
        ("no key", format!("{host}/{address}"), "MissingKey"),
        ("empty key", format!("{host}/{address}#"), "DeliveryKey"),
        ("empty address", format!("{host}/#{key}"), "Address.Encoding"),
        ("upper-case address", format!("{host}/{}#{key}", address.to_uppercase()), "Address.Encoding"),
        ("a slash after the address", format!("{host}/{address}/#{key}"), "Address.Encoding"),
        ("a query", format!("{host}/{address}?x=1#{key}"), "Address.Encoding"),
        ("a short key", format!("{host}/{address}#{}", &key[1..]), "DeliveryKey"),
        ("a padded key", format!("{host}/{address}#{key}="), "DeliveryKey"),
        ("something after the key", format!("{host}/{address}#{key}#"), "DeliveryKey"),
    ];
    for (name, link, error) in others {
        bad(&mut area, name, &link, error);
    }
    area
}

fn good(area: &mut Area, name: &str, link: &str) {
    let invite: Invite = link.parse().unwrap();
    let output = Fields::new()
        .text("host", invite.relay.host())
        .number("port", invite.relay.port().into())
        .text("audience", invite.relay.audience().as_str())
        .hex("address", invite.address.as_bytes())
        .hex("delivery_key", invite.delivery_key.as_bytes())
        .text("link", &invite.to_link());
    area.good(name, "parse_invite", Fields::new().text("link", link), output);
}

fn bad(area: &mut Area, name: &str, link: &str, error: &str) {
    let input = Fields::new().text("link", link);
    area.bad(name, "parse_invite", input, error, link.parse::<Invite>());
}
