//! What each operation of the vectors does, through the public API only.

use std::collections::BTreeMap;
use std::fmt::Debug;

use sealpost_core::seal::open;
use sealpost_core::{
    Address, Audience, Card, DeliveryKey, Hour, IdentityKey, IdentityPublicKey, Introduction, Invite, Message,
    MessageId, Nonce, Operation, Proof, SealingKeys, Signature, UnixTime, Voucher, VoucherId, padding,
};
use serde_json::{Value, json};

type Output = BTreeMap<&'static str, Value>;

/// The fields of a case's input, parsed.
struct Input<'a>(&'a BTreeMap<String, Value>);

/// Does an operation; the error is the name that vectors give it.
pub(crate) fn run(op: &str, input: &BTreeMap<String, Value>) -> Result<Output, String> {
    let input = Input(input);
    match op {
        "address_of" => address_of(&input),
        "address_from_text" => address_from_text(&input),
        "parse_audience" => parse_audience(&input),
        "sign_proof" => Ok(sign_proof(&input)),
        "verify_proof" => verify_proof(&input),
        "hash_delivery_key" => Ok(hash_delivery_key(&input)),
        "delivery_key_from_text" => delivery_key_from_text(&input),
        "sign_card" => sign_card(&input),
        "parse_card" => parse_card(&input),
        "check_card" => check_card(&input),
        "parse_invite" => parse_invite(&input),
        "issue_voucher" => Ok(issue_voucher(&input)),
        "parse_voucher" => parse_voucher(&input),
        "verify_voucher" => verify_voucher(&input),
        "pad" => pad(&input),
        "unpad" => unpad(&input),
        "parse_frame" => parse_frame(&input),
        "write_frame" => write_frame(&input),
        "open_envelope" => open_envelope(&input),
        op => panic!("unknown operation {op}"),
    }
}

fn address_of(input: &Input<'_>) -> Result<Output, String> {
    let key = IdentityPublicKey::try_from(&input.hex("public_key")[..]).map_err(name_of)?;
    let address = key.address();
    Ok([("address", hex(address.as_bytes())), ("text", json!(address.to_text()))].into())
}

fn address_from_text(input: &Input<'_>) -> Result<Output, String> {
    let address: Address = input.text("text").parse().map_err(name_of)?;
    Ok([("address", hex(address.as_bytes()))].into())
}

fn parse_audience(input: &Input<'_>) -> Result<Output, String> {
    let audience: Audience = input.text("text").parse().map_err(name_of)?;
    Ok([("text", json!(audience.as_str()))].into())
}

fn sign_proof(input: &Input<'_>) -> Output {
    let key = IdentityKey::from_seed(input.array("seed"));
    let nonce = Nonce::from_bytes(input.array("nonce"));
    let audience = input.text("audience").parse().unwrap();
    let proof = Proof::sign(&key, &audience, input.operation(), input.time("time"), nonce);
    [("public_key", hex(proof.public_key.as_bytes())), ("signature", hex(proof.signature.as_bytes()))].into()
}

fn verify_proof(input: &Input<'_>) -> Result<Output, String> {
    let proof = Proof {
        audience: input.text("audience").parse().unwrap(),
        public_key: IdentityPublicKey::try_from(&input.hex("public_key")[..]).unwrap(),
        time: input.time("time"),
        nonce: Nonce::from_bytes(input.array("nonce")),
        signature: Signature::from_bytes(input.array("signature")),
    };
    let address = proof
        .verify(&input.audiences(), input.operation(), input.time("now"), input.number("tolerance_secs"))
        .map_err(name_of)?;
    Ok([("address", hex(address.as_bytes()))].into())
}

fn hash_delivery_key(input: &Input<'_>) -> Output {
    let key = DeliveryKey::try_from(&input.hex("key")[..]).unwrap();
    let address = Address::from_bytes(input.array("address"));
    [("hash", hex(key.hash(&address).as_bytes()))].into()
}

fn delivery_key_from_text(input: &Input<'_>) -> Result<Output, String> {
    let key = DeliveryKey::from_text(input.text("text")).map_err(name_of)?;
    assert_eq!(key.to_text(), input.text("text"));
    Ok([("key", hex(key.as_bytes()))].into())
}

fn sign_card(input: &Input<'_>) -> Result<Output, String> {
    let key = IdentityKey::from_seed(input.array("seed"));
    let sealing = SealingKeys::from_bytes(&input.array("sealing_keys")).public();
    let (issued, expires) = (input.time("issued"), input.time("expires"));
    let card = Card::sign(&key, &sealing, issued, expires).map_err(name_of)?;
    Ok([("card", hex(&card.to_bytes())), ("card_id", hex(card.id().as_bytes()))].into())
}

fn parse_card(input: &Input<'_>) -> Result<Output, String> {
    let card = Card::parse(&input.hex("card")).map_err(name_of)?;
    assert_eq!(card.to_bytes(), input.hex("card"));
    Ok([
        ("address", hex(card.address().as_bytes())),
        ("card_id", hex(card.id().as_bytes())),
        ("identity", hex(card.identity().as_bytes())),
        ("sealing_public_keys", hex(&card.sealing_keys().to_bytes())),
        ("issued", json!(card.issued().as_secs())),
        ("expires", json!(card.expires().as_secs())),
    ]
    .into())
}

fn check_card(input: &Input<'_>) -> Result<Output, String> {
    let card = Card::parse(&input.hex("card")).unwrap();
    let expected = Address::from_bytes(input.array("expected"));
    card.check(&expected, input.time("now")).map_err(name_of)?;
    Ok(Output::new())
}

fn parse_invite(input: &Input<'_>) -> Result<Output, String> {
    let invite: Invite = input.text("link").parse().map_err(name_of)?;
    Ok([
        ("host", json!(invite.relay.host())),
        ("port", json!(invite.relay.port())),
        ("audience", json!(invite.relay.audience().as_str())),
        ("address", hex(invite.address.as_bytes())),
        ("delivery_key", hex(invite.delivery_key.as_bytes())),
        ("link", json!(invite.to_link())),
    ]
    .into())
}

fn issue_voucher(input: &Input<'_>) -> Output {
    let operator = IdentityKey::from_seed(input.array("seed"));
    let audience = input.text("audience").parse().unwrap();
    let id = VoucherId::from_bytes(input.array("id"));
    let expires = Hour(input.number("expires_hour").try_into().unwrap());
    let voucher = Voucher::issue(&operator, &audience, id, expires);
    [("voucher", hex(&voucher.to_bytes())), ("text", json!(voucher.to_text()))].into()
}

fn parse_voucher(input: &Input<'_>) -> Result<Output, String> {
    let voucher = Voucher::from_text(input.text("text")).map_err(name_of)?;
    let expires = json!(voucher.expires().0);
    Ok([("id", hex(voucher.id().as_bytes())), ("expires_hour", expires)].into())
}

fn verify_voucher(input: &Input<'_>) -> Result<Output, String> {
    let voucher = Voucher::from_text(input.text("text")).unwrap();
    let operators: Vec<_> =
        input.hexes("operators").iter().map(|key| IdentityPublicKey::try_from(key.as_slice()).unwrap()).collect();
    voucher.verify(&operators, &input.audiences(), input.time("now")).map_err(name_of)?;
    Ok(Output::new())
}

fn pad(input: &Input<'_>) -> Result<Output, String> {
    let mut data = input.hex("data");
    padding::pad(&mut data, input.number("length") as usize).map_err(name_of)?;
    Ok([("padded", hex(&data))].into())
}

fn unpad(input: &Input<'_>) -> Result<Output, String> {
    let padded = input.hex("padded");
    Ok([("data", hex(padding::unpad(&padded).map_err(name_of)?))].into())
}

fn parse_frame(input: &Input<'_>) -> Result<Output, String> {
    Message::from_frame(&input.hex("frame")).map(|message| fields_of(&message)).map_err(name_of)
}

fn write_frame(input: &Input<'_>) -> Result<Output, String> {
    let introduction = input.0.contains_key("invite").then(|| Introduction {
        invite: input.text("invite").parse().unwrap(),
        card: Card::parse(&input.hex("card")).unwrap(),
    });
    let message = Message {
        id: MessageId::from_bytes(input.array("id")),
        sent_at: input.time("sent_at"),
        content_type: input.text("content_type").into(),
        name: input.text("name").into(),
        body: input.hex("body"),
        introduction,
    };
    Ok([("frame", hex(&message.to_frame().map_err(name_of)?))].into())
}

fn open_envelope(input: &Input<'_>) -> Result<Output, String> {
    let recipient = Address::from_bytes(input.array("recipient"));
    let keys: Vec<_> = input
        .hexes("recipient_keys")
        .iter()
        .map(|keys| SealingKeys::from_bytes(keys.as_slice().try_into().unwrap()))
        .collect();
    let card = Card::parse(&input.hex("sender_card")).unwrap();
    let opened = open(&input.hex("envelope"), &recipient, &keys).map_err(name_of)?;
    let (sender, card_id) = (opened.sender(), opened.sender_card_id());
    let message = opened.verify(&card, input.time("now")).map_err(name_of)?;
    let mut output = fields_of(&message);
    output.insert("sender", hex(sender.as_bytes()));
    output.insert("sender_card_id", hex(card_id.as_bytes()));
    Ok(output)
}

fn fields_of(message: &Message) -> Output {
    let mut output = Output::from([
        ("id", hex(message.id.as_bytes())),
        ("sent_at", json!(message.sent_at.as_secs())),
        ("content_type", json!(message.content_type)),
        ("name", json!(message.name)),
        ("body", hex(&message.body)),
    ]);
    if let Some(Introduction { invite, card }) = &message.introduction {
        output.insert("invite", json!(invite.to_link()));
        output.insert("card", hex(&card.to_bytes()));
    }
    output
}

impl Input<'_> {
    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap()
    }

    fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap()
    }

    fn time(&self, field: &str) -> UnixTime {
        UnixTime(self.number(field))
    }

    fn hex(&self, field: &str) -> Vec<u8> {
        unhex(&self.0[field])
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.hex(field).try_into().unwrap()
    }

    fn hexes(&self, field: &str) -> Vec<Vec<u8>> {
        self.0[field].as_array().unwrap().iter().map(unhex).collect()
    }

    fn audiences(&self) -> Vec<Audience> {
        let list = self.0["accepted"].as_array().unwrap();
        list.iter().map(|name| name.as_str().unwrap().parse().unwrap()).collect()
    }

    fn operation(&self) -> Operation {
        match self.number("operation") {
            1 => Operation::CreateMailbox,
            2 => Operation::UpdateMailbox,
            3 => Operation::DeleteMailbox,
            4 => Operation::DescribeMailbox,
            5 => Operation::OpenMailbox,
            code => panic!("unknown operation {code}"),
        }
    }
}

/// `Address(Prefix)` is `Address.Prefix`.
fn name_of(error: impl Debug) -> String {
    format!("{error:?}").replace('(', ".").replace(')', "").replace(".DeliveryKeyError", "")
}

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
