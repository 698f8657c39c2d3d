//! Frames: the bytes of a message inside its envelope.

use sealpost_core::{Introduction, Message, MessageId};

use super::cases::{Area, Fields};
use super::people::{NOW, Person};

pub(crate) fn area() -> Area {
    let mut area = Area::new(
        "message",
        "parse_frame: the bytes of a message to its fields. write_frame: the other way (good cases that name it).",
    );
    good(&mut area);
    bad(&mut area);
    area
}

/// A message with this body and nothing else that could be left out.
pub(crate) fn plain(body: &[u8]) -> Message {
    Message {
        id: MessageId::from_bytes(*b"0123456789abcdef"),
        sent_at: NOW,
        content_type: "text/plain".into(),
        name: String::new(),
        body: body.to_vec(),
        introduction: None,
    }
}

/// The fields of a message as the vectors give them.
pub(crate) fn fields_of(message: &Message) -> Fields {
    let fields = Fields::new()
        .hex("id", message.id.as_bytes())
        .number("sent_at", message.sent_at.0)
        .text("content_type", &message.content_type)
        .text("name", &message.name)
        .hex("body", &message.body);
    match &message.introduction {
        None => fields,
        Some(Introduction { invite, card }) => fields.text("invite", &invite.to_link()).hex("card", &card.to_bytes()),
    }
}

pub(crate) fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind], (value.len() as u32).to_be_bytes().as_slice(), value].concat()
}

/// A frame with these fields after its head.
pub(crate) fn frame(fields: &[Vec<u8>]) -> Vec<u8> {
    let head = plain(b"").to_frame().unwrap();
    [&head[..25], &fields.concat()].concat()
}

fn good(area: &mut Area) {
    let alice = Person::new("alice");
    let introduction = Introduction { invite: alice.invite(), card: alice.card };
    let long = "ä".repeat(127) + "z";
    let messages = [
        ("plain", plain(b"Hello")),
        ("empty", Message { content_type: String::new(), ..plain(b"") }),
        ("named", Message { name: "notes.txt".into(), ..plain(b"Hello") }),
        ("texts of 255 bytes", Message { name: long.clone(), content_type: long, ..plain(b"Hello") }),
        ("introduction", Message { introduction: Some(introduction), ..plain(b"Hello") }),
    ];
    for (name, message) in messages {
        let frame = Fields::new().hex("frame", &message.to_frame().unwrap());
        area.good(&format!("write: {name}"), "write_frame", fields_of(&message), frame.clone());
        area.good(&format!("parse: {name}"), "parse_frame", frame, fields_of(&message));
    }
    let skipped =
        [field(0x80, b"first"), field(1, b"text/plain"), field(0xff, b""), field(3, b"Hello"), field(0x80, b"again")];
    let frame = frame(&skipped);
    let message = Message::from_frame(&frame).unwrap();
    let input = Fields::new().hex("frame", &frame);
    area.good("parse: unknown fields skipped", "parse_frame", input, fields_of(&message));
}

fn bad(area: &mut Area) {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let whole = plain(b"Hello").to_frame().unwrap();
    let (kind, body) = (field(1, b"text/plain"), field(3, b"Hello"));
    let (invite, card) = (field(4, alice.invite().to_link().as_bytes()), field(5, &alice.card.to_bytes()));
    let mut bad_card = alice.card.to_bytes();
    bad_card[1_300] ^= 1;
    let version = [&[2], &whole[1..]].concat();
    let with = |more: &[&Vec<u8>]| {
        let fields: Vec<_> = [&kind, &body].into_iter().chain(more.iter().copied()).cloned().collect();
        frame(&fields)
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "Truncated"),
        ("cut off in the id", whole[..16].to_vec(), "Truncated"),
        ("cut off in the time", whole[..24].to_vec(), "Truncated"),
        ("cut off in a length", whole[..28].to_vec(), "Truncated"),
        ("cut off in a value", whole[..whole.len() - 1].to_vec(), "Truncated"),
        ("a length past the end", frame(&[vec![1, 0xff, 0xff, 0xff, 0xff]]), "Truncated"),
        ("version 2", version, "Version"),
        ("no fields", whole[..25].to_vec(), "MissingField"),
        ("no body", frame(std::slice::from_ref(&kind)), "MissingField"),
        ("no content type", frame(std::slice::from_ref(&body)), "MissingField"),
        ("type 0", with(&[&field(0, b"")]), "UnknownField"),
        ("type 6", with(&[&field(6, b"")]), "UnknownField"),
        ("type 0x7f", with(&[&field(0x7f, b"")]), "UnknownField"),
        ("fields out of order", frame(&[body.clone(), kind.clone()]), "Order"),
        ("a field twice", with(&[&body]), "Order"),
        ("a name after the body", with(&[&field(2, b"x")]), "Order"),
        ("an empty name", frame(&[kind.clone(), field(2, b""), body.clone()]), "Text"),
        ("a name of 256 bytes", frame(&[kind.clone(), field(2, &[b'a'; 256]), body.clone()]), "Text"),
        ("a name not UTF-8", frame(&[kind.clone(), field(2, &[0xff]), body.clone()]), "Text"),
        ("a content type of 256 bytes", frame(&[field(1, &[b'a'; 256]), body.clone()]), "Text"),
        ("a content type not UTF-8", frame(&[field(1, &[0xc3, 0x28]), body.clone()]), "Text"),
        ("an invite without a card", with(&[&invite]), "MissingField"),
        ("a card without an invite", with(&[&card]), "MissingField"),
        ("a malformed invite", with(&[&field(4, b"https://example.org"), &card]), "Invite.Scheme"),
        ("an invite not UTF-8", with(&[&field(4, &[0xff]), &card]), "Invite.Scheme"),
        ("a malformed card", with(&[&invite, &field(5, &bad_card)]), "Card.Signature"),
        ("a card cut off", with(&[&invite, &field(5, &bad_card[..100])]), "Card.Length"),
        ("another's card", with(&[&invite, &field(5, &bob.card.to_bytes())]), "Introduction"),
    ];
    for (name, frame, error) in cases {
        let input = Fields::new().hex("frame", &frame);
        area.bad(name, "parse_frame", input, error, Message::from_frame(&frame));
    }
}
