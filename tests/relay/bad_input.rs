//! P7, P12: whatever is wrong is refused with its reason, and nothing is lost by it.

use prost::Message;
use sealpost_core::Operation;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::receive_request::Kind as Ask;
use tonic::{Request, Status};

use crate::cluster::Cluster;
use crate::over_both_stores;
use crate::owner::{Owner, now};
use crate::stream::{Stream, ask};

over_both_stores!(
    p7_the_anonymous_service_refuses_credentials,
    p12_every_malformed_send_is_refused_with_its_reason,
    p12_every_bad_proof_is_refused_with_its_reason,
    p12_a_stream_that_begins_wrongly_is_refused,
    p12_a_stream_that_goes_on_wrongly_ends_with_a_reason,
    p12_what_the_framework_refuses_has_a_reason_too,
    p12_owners_of_nothing_are_told_so,
    too_much_is_refused,
);

fn failure(status: &Status) -> Failure {
    let failure = Failure::from_status(status).unwrap_or_else(|| panic!("not typed: {status:?}"));
    assert_eq!(status.code(), failure.reason.code());
    assert_ne!(failure.message, "");
    failure
}

async fn p7_the_anonymous_service_refuses_credentials(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    for header in ["authorization", "proxy-authorization", "cookie"] {
        let with = |_: ()| "Bearer somebody".parse().unwrap();
        let mut send = Request::new(owner.send(1));
        send.metadata_mut().insert(header, with(()));
        assert_eq!(failure(&senders.send(send).await.unwrap_err()).reason, Reason::CredentialsRefused);

        let mut fetch = Request::new(v1::FetchCardRequest::default());
        fetch.metadata_mut().insert(header, with(()));
        assert_eq!(failure(&senders.fetch_card(fetch).await.unwrap_err()).reason, Reason::CredentialsRefused);

        let mut stream = Request::new(tokio_stream::empty());
        stream.metadata_mut().insert(header, with(()));
        assert_eq!(failure(&senders.send_stream(stream).await.unwrap_err()).reason, Reason::CredentialsRefused);
    }
    assert_eq!(owner.describe(&mut cluster.owners(0).await).await.unwrap().last_sequence, 0);
}

async fn p12_every_malformed_send_is_refused_with_its_reason(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let good = || owner.send(1);
    let field = |name: &str| (Reason::InvalidField, Some(name.to_owned()));
    let size = || (Reason::EnvelopeSize, None);
    let cases = [
        (v1::SendRequest { to: vec![].into(), ..good() }, field("to")),
        (v1::SendRequest { to: vec![1; 31].into(), ..good() }, field("to")),
        (v1::SendRequest { to: vec![1; 33].into(), ..good() }, field("to")),
        (v1::SendRequest { delivery_key: vec![].into(), ..good() }, field("delivery_key")),
        (v1::SendRequest { delivery_key: vec![1; 64].into(), ..good() }, field("delivery_key")),
        (v1::SendRequest { message_id: vec![].into(), ..good() }, field("message_id")),
        (v1::SendRequest { message_id: vec![1; 17].into(), ..good() }, field("message_id")),
        (v1::SendRequest { urgency: 99, ..good() }, field("urgency")),
        (v1::SendRequest { envelope: vec![].into(), ..good() }, size()),
        (v1::SendRequest { envelope: vec![1].into(), ..good() }, size()),
        (v1::SendRequest { envelope: vec![1; 1023].into(), ..good() }, size()),
        (v1::SendRequest { envelope: vec![1; 1025].into(), ..good() }, size()),
        (v1::SendRequest { envelope: vec![1; 131_072].into(), ..good() }, size()),
    ];
    for (request, expected) in cases {
        let failure = failure(&senders.send(request).await.unwrap_err());
        assert_eq!((failure.reason, failure.field.clone()), expected);
        if failure.reason == Reason::EnvelopeSize {
            assert_eq!(failure.metadata, [("sizes".to_owned(), "1024,2048,4096,16384,65536".to_owned())]);
        }
    }
    let short = v1::FetchCardRequest { address: vec![1].into(), delivery_key: vec![].into() };
    assert_eq!(failure(&senders.fetch_card(short).await.unwrap_err()).field.as_deref(), Some("address"));
    assert_eq!(owner.describe(&mut cluster.owners(0).await).await.unwrap().last_sequence, 0);
}

async fn p12_every_bad_proof_is_refused_with_its_reason(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let good = || owner.proof(Operation::DescribeMailbox);
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[5] ^= 1;
        bytes
    };
    let stale =
        owner.proof_at(Operation::DescribeMailbox, sealpost_core::UnixTime(now().as_secs() - 120), "relay.test");
    let early =
        owner.proof_at(Operation::DescribeMailbox, sealpost_core::UnixTime(now().as_secs() + 120), "relay.test");
    let foreign = owner.proof_at(Operation::DescribeMailbox, now(), "other.test");
    let cases = [
        (None, Reason::InvalidField),
        (Some(v1::Proof::default()), Reason::InvalidField),
        (Some(v1::Proof { audience: "No Host".to_owned(), ..good() }), Reason::InvalidField),
        (Some(v1::Proof { public_key: vec![0; 31].into(), ..good() }), Reason::InvalidField),
        (Some(v1::Proof { nonce: vec![0; 15].into(), ..good() }), Reason::InvalidField),
        (Some(v1::Proof { signature: vec![0; 63].into(), ..good() }), Reason::InvalidField),
        (Some(v1::Proof { signature: flipped(&good().signature).into(), ..good() }), Reason::ProofInvalid),
        (Some(v1::Proof { nonce: vec![9; 16].into(), ..good() }), Reason::ProofInvalid),
        (Some(v1::Proof { unix_time: now().as_secs() + 1, ..good() }), Reason::ProofInvalid),
        (Some(owner.proof(Operation::OpenMailbox)), Reason::ProofInvalid),
        (Some(stale), Reason::ProofStale),
        (Some(early), Reason::ProofStale),
        (Some(v1::Proof { unix_time: u64::MAX, ..good() }), Reason::ProofStale),
        (Some(foreign), Reason::ProofAudience),
    ];
    for (proof, expected) in cases {
        let status = owners.describe_mailbox(v1::DescribeMailboxRequest { proof }).await.unwrap_err();
        let failure = failure(&status);
        assert_eq!(failure.reason, expected, "{failure:?}");
        match expected {
            Reason::ProofStale => {
                let (key, time) = &failure.metadata[0];
                assert_eq!(key, "relay_time");
                assert!(time.parse::<u64>().unwrap().abs_diff(now().as_secs()) <= 2);
            }
            Reason::ProofAudience => {
                assert_eq!(failure.metadata, [("audience".to_owned(), "relay.test".to_owned())]);
            }
            _ => {}
        }
    }
    // One proof opens one thing once.
    let proof = Some(good());
    owners.describe_mailbox(v1::DescribeMailboxRequest { proof: proof.clone() }).await.expect("the first time");
    let status = owners.describe_mailbox(v1::DescribeMailboxRequest { proof }).await.unwrap_err();
    assert_eq!(failure(&status).reason, Reason::ProofReplayed);
}

async fn p12_a_stream_that_begins_wrongly_is_refused(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let open = |messages, bytes, proofs| {
        Ask::Open(v1::Open { proofs, max_outstanding_messages: messages, max_outstanding_bytes: bytes })
    };
    let proof = || vec![owner.proof(Operation::OpenMailbox)];
    let cases = [
        (Some(Ask::Pong(v1::Pong { number: 1 })), Reason::StreamProtocol),
        (Some(Ask::Ack(v1::Ack::default())), Reason::StreamProtocol),
        (Some(open(0, 0, vec![])), Reason::InvalidField),
        (Some(open(10_001, 0, proof())), Reason::InvalidField),
        (Some(open(0, 65_535, proof())), Reason::InvalidField),
        (Some(open(0, u64::MAX, proof())), Reason::InvalidField),
        (Some(open(0, 0, vec![owner.proof(Operation::DeleteMailbox)])), Reason::ProofInvalid),
        (None, Reason::StreamProtocol),
    ];
    for (kind, expected) in cases {
        let status = owners.receive(tokio_stream::once(v1::ReceiveRequest { kind })).await.unwrap_err();
        assert_eq!(failure(&status).reason, expected);
    }
    let status = owners.receive(tokio_stream::empty()).await.unwrap_err();
    assert_eq!(failure(&status).reason, Reason::StreamProtocol);
    let status = owners.subscribe(v1::SubscribeRequest { open: None }).await.unwrap_err();
    assert_eq!(failure(&status).field.as_deref(), Some("open"));
}

async fn p12_a_stream_that_goes_on_wrongly_ends_with_a_reason(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let cases = [
        (Some(Ask::Open(v1::Open::default())), Reason::StreamProtocol),
        (Some(Ask::Remove(v1::Remove { mailbox: 9 })), Reason::StreamProtocol),
        (Some(Ask::Add(v1::Add { proof: None })), Reason::InvalidField),
        (Some(Ask::Add(v1::Add { proof: Some(Owner::new().proof(Operation::OpenMailbox)) })), Reason::MailboxUnknown),
        (Some(Ask::Add(v1::Add { proof: Some(owner.proof(Operation::OpenMailbox)) })), Reason::StreamProtocol),
        (Some(Ask::Ack(v1::Ack { mailbox: 0, up_to: 0, sequences: vec![0] })), Reason::InvalidField),
        (Some(Ask::Ack(v1::Ack { mailbox: 0, up_to: 0, sequences: vec![1; 1025] })), Reason::LimitExceeded),
        (None, Reason::StreamProtocol),
    ];
    for (kind, expected) in cases {
        let stream = Stream::open(&mut owners, &owner).await;
        stream.asks.as_ref().unwrap().send(v1::ReceiveRequest { kind }).unwrap();
        stream.ends_with(expected).await;
    }
}

async fn p12_what_the_framework_refuses_has_a_reason_too(cluster: Cluster) {
    let channel = cluster.channel(0).await;
    let mut raw = tonic::client::Grpc::new(channel);
    raw.ready().await.unwrap();
    let codec = sealpost_proto::codec::Codec::<v1::FetchCardRequest, v1::FetchCardResponse>::default;

    // Bytes that are no SendRequest: field 1 is there, but a number.
    let path = http::uri::PathAndQuery::from_static("/sealpost.v1.DeliveryService/Send");
    let number = RawMessage(vec![0x08, 0x01]);
    let codec_of_raw = sealpost_proto::codec::Codec::<RawMessage, v1::SendResponse>::default();
    let status = raw.unary(Request::new(number), path, codec_of_raw).await.unwrap_err();
    assert_eq!(failure(&status).reason, Reason::MalformedMessage);

    for path in ["/sealpost.v1.DeliveryService/Nothing", "/sealpost.v2.Other/Send", "/"] {
        let path = http::uri::PathAndQuery::from_static(path);
        raw.ready().await.unwrap();
        let status = raw.unary(Request::new(v1::FetchCardRequest::default()), path, codec()).await.unwrap_err();
        assert_eq!(failure(&status).reason, Reason::MethodUnknown);
    }
    let mut compressed = Request::new(v1::FetchCardRequest::default());
    compressed.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let path = http::uri::PathAndQuery::from_static("/sealpost.v1.DeliveryService/FetchCard");
    raw.ready().await.unwrap();
    let status = raw.unary(compressed, path, codec()).await.unwrap_err();
    assert_eq!(failure(&status).reason, Reason::MalformedMessage);

    let mut senders = cluster.senders(0).await.max_encoding_message_size(64 << 20);
    let huge = v1::SendRequest { envelope: vec![1; 5 << 20].into(), ..Owner::new().send(1) };
    assert_eq!(failure(&senders.send(huge).await.unwrap_err()).reason, Reason::MessageTooLarge);
}

/// Any bytes as a message.
#[derive(Debug, Default, Clone)]
struct RawMessage(Vec<u8>);

impl Message for RawMessage {
    fn encode_raw(&self, buffer: &mut impl bytes::BufMut) {
        buffer.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: prost::encoding::WireType,
        _: &mut impl bytes::Buf,
        _: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

async fn p12_owners_of_nothing_are_told_so(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let nobody = Owner::new();
    assert_eq!(failure(&nobody.describe(&mut owners).await.unwrap_err()).reason, Reason::MailboxUnknown);
    let update = v1::UpdateMailboxRequest { proof: Some(nobody.proof(Operation::UpdateMailbox)), ..Default::default() };
    assert_eq!(failure(&owners.update_mailbox(update).await.unwrap_err()).reason, Reason::MailboxUnknown);
    let delete = v1::DeleteMailboxRequest { proof: Some(nobody.proof(Operation::DeleteMailbox)) };
    assert_eq!(failure(&owners.delete_mailbox(delete).await.unwrap_err()).reason, Reason::MailboxUnknown);
    let status = Stream::open_with(&mut owners, &[&nobody], 0, 0).await.err().unwrap();
    assert_eq!(failure(&status).reason, Reason::MailboxUnknown);
    let acknowledge = v1::AcknowledgeRequest {
        address: nobody.address().as_bytes().to_vec().into(),
        session: vec![0; 16].into(),
        ..Default::default()
    };
    assert_eq!(failure(&owners.acknowledge(acknowledge).await.unwrap_err()).reason, Reason::SessionEnded);
    let owner = Owner::with_mailbox(&mut owners).await;
    assert_eq!(failure(&owners.create_mailbox(owner.creation()).await.unwrap_err()).reason, Reason::MailboxExists);
}

async fn too_much_is_refused(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::new();
    let grants = (0..17u8).map(|number| v1::DeliveryKeyGrant { hash: vec![number; 32].into(), expires_hour: 0 });
    let many_keys = v1::CreateMailboxRequest { delivery_keys: grants.collect(), ..owner.creation() };
    assert_eq!(failure(&owners.create_mailbox(many_keys).await.unwrap_err()).reason, Reason::LimitExceeded);
    let twice = v1::CreateMailboxRequest { delivery_keys: vec![owner.grant(), owner.grant()], ..owner.creation() };
    assert_eq!(failure(&owners.create_mailbox(twice).await.unwrap_err()).reason, Reason::InvalidField);
    let large_card = v1::CreateMailboxRequest { card: vec![0; 4097].into(), ..owner.creation() };
    assert_eq!(failure(&owners.create_mailbox(large_card).await.unwrap_err()).field.as_deref(), Some("card"));
    let proofs = vec![owner.proof(Operation::OpenMailbox); 1001];
    let open = Ask::Open(v1::Open { proofs, ..Default::default() });
    let status = owners.receive(tokio_stream::once(ask(open))).await.unwrap_err();
    assert_eq!(failure(&status).reason, Reason::LimitExceeded);
    let mut senders = cluster.senders(0).await;
    let send = v1::SendRequest { to: vec![0; 32].into(), ..Default::default() };
    let many = vec![v1::TaggedSend { tag: 0, send: Some(send) }; 1025];
    let empty = vec![v1::TaggedSend::default(); 1000];
    for (sends, limit) in [(many, "sends of one message"), (empty, "parts of a message of this length")] {
        let results = senders.send_stream(tokio_stream::once(v1::SendStreamRequest { sends })).await;
        let status = results.unwrap().into_inner().message().await.unwrap_err();
        assert_eq!(failure(&status).reason, Reason::LimitExceeded);
        assert!(failure(&status).metadata.contains(&("limit".to_owned(), limit.to_owned())), "{status:?}");
    }
}
