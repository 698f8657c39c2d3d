//! The formats of sealpost-core: what is accepted is written as it was read, for each value has one form.

use sealpost_core::padding::{pad, unpad};
use sealpost_core::{
    Address, CARD_LEN, Card, CardError, DeliveryKey, IdentityKey, Invite, Message, RelayHost, Signature, UnixTime,
    Voucher, VoucherError,
};

use crate::people::{NOW, audience};

/// Text of an address, or the bytes of one with a change of its text: no change of one character is overlooked.
pub(crate) fn address(bytes: &[u8]) {
    if let Some(text) = text(bytes)
        && let Ok(address) = text.parse::<Address>()
    {
        assert_eq!(address.to_text(), text);
    }
    if let Some((address, [at, change, ..])) = bytes.split_first_chunk() {
        let text = Address::from_bytes(*address).to_text();
        let mut changed = text.clone().into_bytes();
        let at = usize::from(*at) % changed.len();
        changed[at] = *change;
        let accepted = self::text(&changed).is_some_and(|text| text.parse::<Address>().is_ok());
        assert_eq!(accepted, changed == text.as_bytes());
    }
}

/// Text of an invite, a relay's host or a delivery key.
pub(crate) fn invite(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(host) = text.parse::<RelayHost>() {
        let written = host.to_string();
        assert!(text == written || text == format!("{written}:443"));
    }
    if let Ok(key) = DeliveryKey::from_text(text) {
        assert_eq!(key.to_text(), text);
    }
    if let Ok(invite) = text.parse::<Invite>() {
        let link = invite.to_link();
        let host = invite.relay.to_string();
        assert!(text == link || text == link.replacen(&host, &format!("{host}:443"), 1));
        assert!(invite.to_qr().is_ok());
        assert!(link.parse() == Ok(invite));
    }
}

/// A card as it came, and with the signature and the key of somebody who signs anything.
pub(crate) fn card(bytes: &[u8]) {
    if let Ok(card) = Card::parse(bytes) {
        assert_eq!(card.to_bytes(), bytes);
    }
    let Ok(bytes) = <[u8; CARD_LEN]>::try_from(bytes) else { return };
    let key = IdentityKey::from_seed([7; 32]);
    let mut fields = bytes[..CARD_LEN - Signature::LEN].to_vec();
    fields[1..33].copy_from_slice(key.public().as_bytes());
    let signature = key.sign(&[b"sealpost/v1/card", fields.as_slice()].concat());
    let signed = [fields.as_slice(), signature.as_bytes()].concat();
    match Card::parse(&signed) {
        Ok(card) => {
            assert_eq!(card.to_bytes(), signed);
            assert!(card.issued() < card.expires());
            assert_eq!(card.check(&key.address(), card.expires()), Err(CardError::Expired));
            assert_eq!(card.check(&key.address(), card.issued()), Ok(()));
        }
        Err(error) => assert!(
            matches!(error, CardError::Version | CardError::SealingKey | CardError::Lifetime),
            "{error} of a card that is signed"
        ),
    }
}

/// A voucher as bytes or text, and one with its id and end that an operator issued.
pub(crate) fn voucher(bytes: &[u8]) {
    if let Some(text) = text(bytes)
        && let Ok(voucher) = Voucher::from_text(text)
    {
        assert_eq!(voucher.to_text(), text);
    }
    let Ok(voucher) = Voucher::parse(bytes) else { return };
    assert_eq!(voucher.to_bytes(), bytes);
    let (here, elsewhere) = ([audience("relay.example.org")], [audience("other.example.org")]);
    let operator = IdentityKey::from_seed([7; 32]);
    let operators = [operator.public()];
    let issued = Voucher::issue(&operator, &here[0], voucher.id(), voucher.expires());
    let open = if NOW < voucher.expires().start() { Ok(()) } else { Err(VoucherError::Expired) };
    assert_eq!(issued.verify(&operators, &here, NOW), open);
    assert!(issued.verify(&operators, &elsewhere, NOW).is_err());
    assert_eq!(voucher.verify(&operators, &here, UnixTime(0)).is_ok(), voucher == issued);
}

/// The frame of a message; or any bytes, with padding.
pub(crate) fn frame(bytes: &[u8]) {
    if let Ok(data) = unpad(bytes) {
        let mut padded = data.to_vec();
        assert_eq!(pad(&mut padded, bytes.len()), Ok(()));
        assert_eq!(padded, bytes);
    }
    let Ok(message) = Message::from_frame(bytes) else { return };
    let frame = message.to_frame().expect("what was read can be written");
    // Shorter without what may be skipped, and without a port that goes without saying.
    assert!(if frame.len() == bytes.len() { frame == bytes } else { frame.len() < bytes.len() });
    assert!(Message::from_frame(&frame) == Ok(message));
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
