//! What holds for any bytes of a client.

use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use sealpost_core::{Address, IdentityKey, Operation, Proof, ProofError, UnixTime};
use sealpost_proto::codec;
use sealpost_proto::v1;
use sealpost_proto::v1::receive_request::Kind as Asked;

use super::{ApiConfig, parse, proofs};
use crate::store::Journey;

/// With envelopes that a fuzzer can make, too.
static CONFIG: LazyLock<ApiConfig> = LazyLock::new(|| ApiConfig {
    envelope_sizes: vec![8, 1024],
    ..ApiConfig::new("relay.example.org".parse().into_iter().collect())
});

/// A request, of the kind that the first byte says: what is accepted is within the limits and says what was asked.
pub fn request(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 8 {
        0 => with(bytes, send),
        1 => with(bytes, |request: v1::SendStreamRequest| {
            request.sends.into_iter().filter_map(|tagged| tagged.send).for_each(send);
        }),
        2 => with(bytes, |request: v1::FetchCardRequest| {
            if let Ok(address) = parse::address("address", &request.address) {
                let key = parse::delivery_key(&address, &request.delivery_key);
                assert_eq!(key.is_ok(), request.delivery_key.len() == 32);
            }
        }),
        3 => with(bytes, |request: v1::CreateMailboxRequest| {
            grants(&request.delivery_keys);
            card(&request.card);
            check(request.proof.as_ref(), Operation::CreateMailbox);
        }),
        4 => with(bytes, |request: v1::UpdateMailboxRequest| {
            request.delivery_keys.iter().for_each(|keys| grants(&keys.grants));
            request.card.iter().for_each(|given| card(given));
            check(request.proof.as_ref(), Operation::UpdateMailbox);
        }),
        5 => with(bytes, |request: v1::ReceiveRequest| match request.kind {
            Some(Asked::Open(asked)) => open(&asked),
            Some(Asked::Ack(ack)) => sequences(&ack.sequences),
            Some(Asked::Add(add)) => check(add.proof.as_ref(), Operation::OpenMailbox),
            _ => {}
        }),
        6 => with(bytes, |request: v1::SubscribeRequest| request.open.iter().for_each(open)),
        _ => with(bytes, |request: v1::AcknowledgeRequest| {
            let address = parse::address("address", &request.address);
            assert_eq!(address.ok().map(|it| it.as_bytes().to_vec()), of_len(&request.address, Address::LEN));
            sequences(&request.sequences);
        }),
    }
}

/// A proof: what is accepted says what was sent, holds if its owner signed it, and for no other operation.
pub fn proof(bytes: &[u8]) {
    with(bytes, |sent: v1::Proof| {
        check(Some(&sent), Operation::DeleteMailbox);
        let Ok(proof) = proofs::parse(Some(&sent)) else { return };
        let again = v1::Proof {
            audience: proof.audience.as_str().to_owned(),
            public_key: proof.public_key.as_bytes().to_vec().into(),
            unix_time: proof.time.as_secs(),
            nonce: proof.nonce.as_bytes().to_vec().into(),
            signature: proof.signature.as_bytes().to_vec().into(),
        };
        assert_eq!(again, sent);

        let key = IdentityKey::from_seed([7; 32]);
        let (names, time) = ([proof.audience.clone()], proof.time);
        let signed = Proof::sign(&key, &proof.audience, Operation::OpenMailbox, time, proof.nonce);
        let verify = |proof: &Proof, operation| proof.verify(&names, operation, time, 0);
        assert_eq!(verify(&signed, Operation::OpenMailbox), Ok(key.address()));
        assert_eq!(verify(&signed, Operation::UpdateMailbox), Err(ProofError::BadSignature));
        // The same signature under somebody else's key.
        let stolen = Proof { public_key: proof.public_key, ..signed.clone() };
        assert_eq!(verify(&stolen, Operation::OpenMailbox).is_ok(), stolen == signed);
    });
}

/// Reads a message, and holds that it is read again as it was read.
fn with<M: Message + Default + PartialEq + 'static>(bytes: &[u8], look: impl FnOnce(M)) {
    let Ok(message) = codec::decode::<M>(&mut Bytes::copy_from_slice(bytes)) else { return };
    // By itself it may be shorter than it came, and so have too many parts for the codec.
    let again = M::decode(message.encode_to_vec().as_slice());
    assert!(again.is_ok_and(|again| again == message), "a message is read as another one");
    look(message);
}

fn send(request: v1::SendRequest) {
    let sent = request.clone();
    let Ok(append) = parse::send(&CONFIG, request, Journey::begun_at(NOW.into())) else { return };
    assert_eq!(append.to.as_bytes().as_slice(), sent.to);
    assert_eq!(append.message_id.as_bytes().as_slice(), sent.message_id);
    assert_eq!(append.envelope.bytes(), &sent.envelope);
    assert!(CONFIG.envelope_sizes.contains(&append.envelope.size()));
    assert_eq!(append.retried, sent.attempt > 0);
}

fn grants(sent: &[v1::DeliveryKeyGrant]) {
    let Ok(grants) = parse::grants(&CONFIG, sent) else { return };
    assert!(grants.len() <= CONFIG.max_delivery_keys);
    let again = grants.iter().map(|grant| v1::DeliveryKeyGrant {
        hash: grant.key.as_bytes().to_vec().into(),
        expires_hour: grant.expires.map_or(0, |hour| hour.0),
    });
    assert!(again.eq(sent.iter().cloned()));
}

fn card(sent: &[u8]) {
    match parse::card(&CONFIG, sent) {
        Ok(card) => assert_eq!(card, sent),
        Err(_) => assert!(sent.len() > CONFIG.max_card_bytes),
    }
}

fn open(asked: &v1::Open) {
    if let Ok(credit) = parse::credit(&CONFIG, asked) {
        assert!((1..=CONFIG.max_outstanding_messages).contains(&credit.messages));
        assert!((CONFIG.largest_envelope() as u64..=CONFIG.max_outstanding_bytes).contains(&credit.bytes));
    }
    // A relay opens a thousand at most; a few will do here.
    asked.proofs.iter().take(4).for_each(|proof| check(Some(proof), Operation::OpenMailbox));
}

fn sequences(sent: &[u64]) {
    let Ok(sequences) = parse::sequences(&CONFIG, sent) else { return };
    assert!(sequences.len() <= CONFIG.max_batch);
    assert!(sequences.iter().map(|sequence| sequence.get()).eq(sent.iter().copied()));
}

/// Whatever a proof says, it is refused or leads to the address of its own key.
fn check(sent: Option<&v1::Proof>, operation: Operation) {
    if let Ok((address, _)) = proofs::check(&CONFIG, sent, operation, NOW) {
        let key = sent.and_then(|proof| proof.public_key.as_ref().try_into().ok());
        assert!(key.map(|key| Address::of(&key)) == Some(address));
    }
}

/// The time at which the test vectors happen, so that their proofs are good.
const NOW: UnixTime = UnixTime(1_800_000_000);

fn of_len(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    (bytes.len() == len).then(|| bytes.to_vec())
}
