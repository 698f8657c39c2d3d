#!/usr/bin/env python3
"""Talks to a running relay as a stranger's client would: written from docs/protocol.md, the comments in proto/ and
sdk/vectors, and from nothing else. Prints one line for each check and exits with 1 if one fails.

    python client.py --relay localhost:8443 --ca sealpost-data/tls/ca.pem
"""

import argparse
import contextlib
import os
import pathlib
import queue
import sys
import tempfile
import threading
import time

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(REPOSITORY / "sdk" / "vectors"))

import reference as ref  # noqa: E402

# In seconds: no call and no stream lives longer, no wait for a stream's next message, not the whole run.
CALL, STREAM, WAIT, RUN = 10, 30, 10, 120

CREATE, UPDATE, DELETE, DESCRIBE, OPEN = 1, 2, 3, 4, 5
SUITE = b"\x02"
OVERHEAD = 217
ENVELOPE_SIZES = (1024, 2048, 4096, 16384, 65536)
DAY = 86_400


def load_protos(into):
    """Makes the messages and stubs from the .proto files, and imports them under short names."""
    protos = REPOSITORY / "proto"
    files = sorted(str(file) for file in protos.glob("sealpost/v1/*.proto"))
    if protoc.main(["protoc", f"-I{protos}", f"--python_out={into}", f"--grpc_python_out={into}", *files]) != 0:
        sys.exit("the .proto files do not compile")
    sys.path.insert(0, into)

    global delivery, delivery_grpc, mailbox, mailbox_grpc, proof_pb2, reason
    from sealpost.v1 import delivery_service_pb2 as delivery
    from sealpost.v1 import delivery_service_pb2_grpc as delivery_grpc
    from sealpost.v1 import mailbox_service_pb2 as mailbox
    from sealpost.v1 import mailbox_service_pb2_grpc as mailbox_grpc
    from sealpost.v1 import proof_pb2
    from sealpost.v1 import reason_pb2 as reason


# --- Sealing: the half of section 11 of the protocol that reference.py, which only opens, leaves out -----------------------


def hpke_setup(public, info, sender_secret=None):
    """SetupBaseS of RFC 9180, or SetupAuthS with a sender's secret: enc, and what seals the first plaintext."""
    ephemeral = os.urandom(32)
    enc = ref.x25519_public(ephemeral)
    shared, context = ref.x25519(ephemeral, public), enc + public
    if sender_secret is not None:
        shared, context = shared + ref.x25519(sender_secret, public), context + ref.x25519_public(sender_secret)
    kem = b"KEM" + ref.DhKem.ID
    prk = ref.labeled_extract(kem, b"", b"eae_prk", shared)
    shared = ref.labeled_expand(kem, prk, b"shared_secret", context, 32)

    suite = b"HPKE" + ref.DhKem.ID + b"\x00\x01" + b"\x00\x03"
    mode = b"\x00" if sender_secret is None else b"\x02"
    psk_id_hash = ref.labeled_extract(suite, b"", b"psk_id_hash", b"")
    context = mode + psk_id_hash + ref.labeled_extract(suite, b"", b"info_hash", info)
    prk = ref.labeled_extract(suite, shared, b"secret", b"")
    key = ref.labeled_expand(suite, prk, b"key", context, 32)
    nonce = ref.labeled_expand(suite, prk, b"base_nonce", context, 12)
    return enc, lambda aad, plaintext: ref.ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)


def seal(sender, recipient_card, text):
    """An envelope from an identity to the owner of a card."""
    recipient, recipient_key = ref.address_of(recipient_card[1:33]), recipient_card[33:65]
    message = {
        "id": os.urandom(16),
        "sent_at": int(time.time()),
        "content_type": "text/plain",
        "name": "",
        "body": text.encode(),
    }
    frame = ref.write_frame(message)
    size = min(size for size in ENVELOPE_SIZES if size > len(frame) + OVERHEAD)

    # 11.2
    content_key = os.urandom(32)
    prk = ref.hkdf_extract(b"", content_key)
    body_key = ref.hkdf_expand(prk, b"sealpost/v1/body-key" + SUITE, 32)
    commitment = ref.hkdf_expand(prk, b"sealpost/v1/body-commitment" + SUITE, 32)
    body = commitment + ref.ChaCha20Poly1305(body_key).encrypt(bytes(12), ref.pad(frame, size - OVERHEAD), b"")
    body_hash = ref.sha256(body)

    # 11.3 and 11.4: the authentication covers the header's enc and lies within the header.
    enc, seal_header = hpke_setup(recipient_key, b"sealpost/v1/header" + SUITE + recipient)
    card_id = ref.card_id(sender.card)
    transcript = b"".join(
        (b"sealpost/v1/transcript", SUITE, recipient, sender.address, card_id, ref.sha256(enc), commitment, body_hash)
    )
    auth_enc, seal_auth = hpke_setup(recipient_key, b"sealpost/v1/auth", sender.sealing_keys[:32])
    header = seal_header(body_hash, content_key + sender.address + card_id + auth_enc + seal_auth(transcript, b""))
    envelope = SUITE + enc + header + body
    assert len(envelope) == size
    return envelope


# --- An identity --------------------------------------------------------------------------------------------------------


class Identity:
    """A mailbox's owner with all secrets, and one delivery key to give away."""

    def __init__(self, audience):
        self.audience = audience
        self.seed = os.urandom(32)
        self.public_key = ref.identity_of(self.seed)
        self.address = ref.address_of(self.public_key)
        self.sealing_keys = os.urandom(64)
        self.delivery_key = os.urandom(32)
        now = int(time.time())
        self.card = ref.make_card(self.seed, self.sealing_keys, now, now + 60 * DAY)

    def proof(self, operation, unix_time=None, audience=None):
        unix_time, audience, nonce = unix_time or int(time.time()), audience or self.audience, os.urandom(16)
        signed = ref.proof_bytes(audience, self.public_key, operation, unix_time, nonce)
        return proof_pb2.Proof(
            audience=audience,
            public_key=self.public_key,
            unix_time=unix_time,
            nonce=nonce,
            signature=ref.sign(self.seed, signed),
        )

    def creation(self):
        grant = mailbox.DeliveryKeyGrant(hash=ref.delivery_key_hash(self.address, self.delivery_key))
        return mailbox.CreateMailboxRequest(proof=self.proof(CREATE), delivery_keys=[grant], card=self.card)

    def opening(self, **credit):
        return mailbox.Open(proofs=[self.proof(OPEN)], **credit)

    def describe(self, owner):
        return owner.DescribeMailbox(mailbox.DescribeMailboxRequest(proof=self.proof(DESCRIBE)), timeout=CALL)

    def open(self, envelope, sender_card):
        return ref.open_envelope(envelope, self.address, [self.sealing_keys], sender_card, int(time.time()))


def send_request(recipient, envelope, **changes):
    fields = {
        "to": recipient.address,
        "delivery_key": recipient.delivery_key,
        "message_id": os.urandom(16),
        "envelope": envelope,
    }
    return delivery.SendRequest(**(fields | changes))


# --- Streams and errors ---------------------------------------------------------------------------------------------------


class Stream:
    """The responses of a streaming call, each waited for no longer than WAIT. Pings are answered on the way."""

    def __init__(self, call, say=None):
        self.call, self.say, self.responses = call, say, queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for response in self.call:
                self.responses.put(response)
            self.responses.put(None)
        except grpc.RpcError as error:
            self.responses.put(error)

    def next(self):
        """The next response, None at the end; raises the stream's error."""
        while True:
            try:
                response = self.responses.get(timeout=WAIT)
            except queue.Empty:
                raise AssertionError(f"nothing came on a stream within {WAIT} s") from None
            if isinstance(response, grpc.RpcError):
                raise response
            if isinstance(response, mailbox.ReceiveResponse) and response.WhichOneof("kind") == "ping":
                if self.say:
                    self.say(pong=mailbox.Pong(number=response.ping.number))
                continue
            return response

    def expect(self, kind):
        response = self.next()
        assert response is not None, f"the stream ended before `{kind}`"
        assert response.WhichOneof("kind") == kind, f"`{response.WhichOneof('kind')}` where `{kind}` was due"
        return getattr(response, kind)

    def deliveries(self, count):
        """So many envelopes, from as many batches as the relay makes of them."""
        taken = []
        while len(taken) < count:
            taken += self.expect("deliveries").deliveries
        assert len(taken) == count, f"{len(taken)} envelopes where {count} wait"
        return taken


@contextlib.contextmanager
def receive(owner, opening):
    """A Receive stream, its requests kept open until the end."""
    requests = queue.Queue()

    def say(**kind):
        requests.put(mailbox.ReceiveRequest(**kind))

    say(open=opening)
    call = owner.Receive(iter(requests.get, None), timeout=STREAM)
    try:
        yield Stream(call, say)
    finally:
        requests.put(None)
        call.cancel()


@contextlib.contextmanager
def subscribe(owner, opening):
    call = owner.Subscribe(mailbox.SubscribeRequest(open=opening), timeout=STREAM)
    try:
        yield Stream(call)
    finally:
        call.cancel()


def error_details(error):
    """The details in grpc-status-details-bin, by the name of their type."""
    status = rpc_status.from_call(error)
    details = {}
    for detail in status.details if status else ():
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.RetryInfo, error_details_pb2.BadRequest):
            if detail.Is(kind.DESCRIPTOR):
                details[kind.DESCRIPTOR.name] = kind()
                detail.Unpack(details[kind.DESCRIPTOR.name])
    return details


def refused(expected, call):
    """Makes a call that must fail for the expected reason, and gives back its error and details."""
    try:
        call()
    except grpc.RpcError as error:
        details = error_details(error)
        assert "ErrorInfo" in details, f"no ErrorInfo: {error.code().name} {error.details()}"
        info = details["ErrorInfo"]
        assert info.domain == "sealpost", f"domain {info.domain!r}"
        assert info.reason == expected, f"refused with {info.reason} instead of {expected}"
        assert "REASON_" + info.reason in reason.Reason.keys(), "the reason is not in reason.proto"
        return error, details
    raise AssertionError(f"accepted instead of {expected}")


# --- The checks -------------------------------------------------------------------------------------------------------------


class Checks:
    """What happens between Alice and Bob at one relay, in order. Each method is one check."""

    def __init__(self, host, port, ca):
        self.alice, self.bob = Identity(host), Identity(host)
        self.channels = []
        credentials = grpc.ssl_channel_credentials(ca)

        def connect():
            # Without its own pool of subchannels, gRPC would share one connection among all channels.
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.secure_channel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", credentials, options)
            self.channels.append(channel)
            return channel

        # Two connections: the anonymous one must not be the one on which the owner is known.
        self.owner = mailbox_grpc.MailboxServiceStub(connect())
        self.sender = delivery_grpc.DeliveryServiceStub(connect())

    def close(self):
        for channel in self.channels:
            channel.close()

    def two_mailboxes_are_created(self):
        for identity in (self.alice, self.bob):
            self.owner.CreateMailbox(identity.creation(), timeout=CALL)

    def a_second_creation_is_told_that_the_mailbox_exists(self):
        error, _ = refused("MAILBOX_EXISTS", lambda: self.owner.CreateMailbox(self.bob.creation(), timeout=CALL))
        assert error.code() == grpc.StatusCode.ALREADY_EXISTS

    def the_card_is_fetched_and_holds(self):
        request = delivery.FetchCardRequest(address=self.bob.address, delivery_key=self.bob.delivery_key)
        card = self.sender.FetchCard(request, timeout=CALL).card
        ref.parse_card(card)
        ref.check_card(card, self.bob.address, int(time.time()))
        assert card == self.bob.card
        self.bobs_card = card

    def an_envelope_is_sent(self):
        self.first = send_request(self.bob, seal(self.alice, self.bobs_card, "message 1"))
        self.sender.Send(self.first, timeout=CALL)

    def a_retry_is_not_queued_twice(self):
        retry = delivery.SendRequest()
        retry.CopyFrom(self.first)
        retry.attempt = 1
        self.sender.Send(retry, timeout=CALL)
        assert self.bob.describe(self.owner).queued_messages == 1

    def three_more_are_sent_by_stream(self):
        sends = [
            delivery.TaggedSend(tag=tag, send=send_request(self.bob, seal(self.alice, self.bobs_card, f"message {tag}")))
            for tag in (2, 3, 4)
        ]
        refusable = delivery.TaggedSend(tag=5, send=send_request(self.bob, bytes(1024), delivery_key=os.urandom(32)))
        requests = [delivery.SendStreamRequest(sends=sends[:2]), delivery.SendStreamRequest(sends=[sends[2], refusable])]
        stream = Stream(self.sender.SendStream(iter(requests), timeout=STREAM))
        results = {}
        while (response := stream.next()) is not None:
            results |= {result.tag: result for result in response.results}
        assert sorted(results) == [2, 3, 4, 5]
        assert not any(results[tag].HasField("refusal") for tag in (2, 3, 4))
        assert results[5].refusal.reason == reason.REASON_DELIVERY_REFUSED
        assert results[5].refusal.retry_after_ms == 0

    def receive_delivers_what_waits(self):
        with receive(self.owner, self.bob.opening()) as stream:
            opened = stream.expect("opened")
            assert [entry.address for entry in opened.mailboxes] == [self.bob.address]
            assert len(opened.mailboxes[0].session) == 16
            assert opened.ping_interval_ms > 0
            number = opened.mailboxes[0].mailbox
            deliveries = stream.deliveries(4)
            assert {entry.mailbox for entry in deliveries} == {number}
            assert [entry.sequence for entry in deliveries] == [1, 2, 3, 4]
            assert stream.expect("caught_up").mailbox == number

            messages = [self.bob.open(entry.envelope, self.alice.card) for entry in deliveries]
            assert [message["body"].decode() for message in messages] == [f"message {i}" for i in (1, 2, 3, 4)]
            assert all(message["sender"] == self.alice.address for message in messages)
            self.envelope = deliveries[0].envelope

            # Two by their numbers, the rest up to the last.
            stream.say(ack=mailbox.Ack(mailbox=number, sequences=[2, 3]))
            stream.say(ack=mailbox.Ack(mailbox=number, up_to=deliveries[-1].sequence))
            self.wait_until_nothing_is_left()

    def wait_until_nothing_is_left(self):
        """An `ack` of the stream is not answered."""
        end = time.monotonic() + WAIT
        while (left := self.bob.describe(self.owner).queued_messages) > 0:
            assert time.monotonic() < end, f"{left} envelopes are left"
            time.sleep(0.1)

    def nothing_is_left_after_the_acknowledgement(self):
        description = self.bob.describe(self.owner)
        assert (description.queued_messages, description.queued_bytes) == (0, 0)
        assert (description.last_sequence, description.generation) == (4, 1)
        assert description.card == self.bob.card
        expected = ref.delivery_key_hash(self.bob.address, self.bob.delivery_key)
        assert [(grant.hash, grant.expires_hour) for grant in description.delivery_keys] == [(expected, 0)]

    def a_forged_sender_and_a_changed_envelope_are_noticed(self):
        # Sealed well, but by one who has Alice's card and not her key.
        eve = Identity(self.alice.audience)
        eve.address, eve.card = self.alice.address, self.alice.card
        self.not_opened("SenderForged", seal(eve, self.bobs_card, "not from Alice"))
        self.not_opened("NotForThisKey", self.envelope[:-1] + bytes([self.envelope[-1] ^ 1]))

    def not_opened(self, expected, envelope):
        try:
            self.bob.open(envelope, self.alice.card)
        except ref.Refused as error:
            assert str(error) == expected, f"{error} instead of {expected}"
        else:
            raise AssertionError(f"opened instead of {expected}")

    def an_ephemeral_envelope_reaches_who_listens(self):
        with receive(self.owner, self.bob.opening()) as stream:
            stream.expect("opened")
            stream.expect("caught_up")
            envelope = seal(self.alice, self.bobs_card, "typing")
            self.sender.Send(send_request(self.bob, envelope, ephemeral=True), timeout=CALL)
            (entry,) = stream.deliveries(1)
            assert (entry.sequence, entry.envelope) == (0, envelope)

    def a_newer_stream_displaces_an_older_one(self):
        with receive(self.owner, self.bob.opening()) as older:
            older.expect("opened")
            older.expect("caught_up")
            with receive(self.owner, self.bob.opening()) as newer:
                newer.expect("opened")
                closing = older.expect("closing")
                assert (closing.reason, closing.retry_after_ms) == (reason.REASON_DISPLACED, 0)
                refused("DISPLACED", older.next)

    def an_acknowledgement_of_the_unsent_ends_the_stream(self):
        with receive(self.owner, self.bob.opening()) as stream:
            opened = stream.expect("opened")
            stream.expect("caught_up")
            stream.say(ack=mailbox.Ack(mailbox=opened.mailboxes[0].mailbox, up_to=1_000))
            assert stream.expect("closing").reason == reason.REASON_ACKNOWLEDGEMENT_INVALID
            refused("ACKNOWLEDGEMENT_INVALID", stream.next)

    def subscribe_and_acknowledge_serve_who_can_only_listen(self):
        for text in ("message 5", "message 6"):
            self.sender.Send(send_request(self.bob, seal(self.alice, self.bobs_card, text)), timeout=CALL)
        with subscribe(self.owner, self.bob.opening(max_outstanding_messages=1)) as stream:
            session = stream.expect("opened").mailboxes[0].session
            for text in ("message 5", "message 6"):
                # The credit is for one: the second comes when the first is acknowledged.
                (entry,) = stream.deliveries(1)
                assert self.bob.open(entry.envelope, self.alice.card)["body"] == text.encode()
                self.acknowledge(session, entry.sequence)
            stream.expect("caught_up")
        # An answered Acknowledge is done, so there is nothing to wait for.
        assert self.bob.describe(self.owner).queued_messages == 0
        self.session = session

    def acknowledge(self, session, up_to):
        request = mailbox.AcknowledgeRequest(address=self.bob.address, session=session, up_to=up_to)
        self.owner.Acknowledge(request, timeout=CALL)

    def an_ended_session_acknowledges_nothing(self):
        with subscribe(self.owner, self.bob.opening()) as stream:
            stream.expect("opened")
            refused("SESSION_ENDED", lambda: self.acknowledge(self.session, 1))

    def a_wrong_delivery_key_and_an_unknown_mailbox_are_refused_alike(self):
        envelope = bytes(1024)
        wrong = send_request(self.bob, envelope, delivery_key=os.urandom(32))
        unknown = send_request(Identity(self.bob.audience), envelope)
        errors = [refused("DELIVERY_REFUSED", lambda: self.sender.Send(request, timeout=CALL)) for request in (wrong, unknown)]
        assert len({(error.code(), error.details(), str(details)) for error, details in errors}) == 1
        fetch = delivery.FetchCardRequest(address=self.bob.address, delivery_key=os.urandom(32))
        refused("DELIVERY_REFUSED", lambda: self.sender.FetchCard(fetch, timeout=CALL))

    def a_wrong_size_is_refused_with_the_right_ones(self):
        request = send_request(self.bob, bytes(1_000))
        _, details = refused("ENVELOPE_SIZE", lambda: self.sender.Send(request, timeout=CALL))
        sizes = [int(size) for size in details["ErrorInfo"].metadata["sizes"].split(",")]
        assert sizes == list(ENVELOPE_SIZES), f"the relay carries {sizes}"

    def a_malformed_field_is_named(self):
        request = send_request(self.bob, bytes(1024), message_id=b"short")
        _, details = refused("INVALID_FIELD", lambda: self.sender.Send(request, timeout=CALL))
        assert [violation.field for violation in details["BadRequest"].field_violations] == ["message_id"]

    def credentials_are_refused_on_the_anonymous_service(self):
        request = send_request(self.bob, bytes(1024))
        for header in ("authorization", "proxy-authorization", "cookie"):
            metadata = [(header, "whoever I am")]
            refused("CREDENTIALS_REFUSED", lambda: self.sender.Send(request, timeout=CALL, metadata=metadata))

    def a_stale_proof_is_refused_with_the_relays_time(self):
        for offset in (-3_600, 3_600):
            proof = self.bob.proof(DESCRIBE, unix_time=int(time.time()) + offset)
            request = mailbox.DescribeMailboxRequest(proof=proof)
            _, details = refused("PROOF_STALE", lambda: self.owner.DescribeMailbox(request, timeout=CALL))
            relay_time = int(details["ErrorInfo"].metadata["relay_time"])
            assert abs(relay_time - time.time()) < 60
            corrected = mailbox.DescribeMailboxRequest(proof=self.bob.proof(DESCRIBE, unix_time=relay_time))
            self.owner.DescribeMailbox(corrected, timeout=CALL)

    def a_proof_works_once(self):
        request = mailbox.DescribeMailboxRequest(proof=self.bob.proof(DESCRIBE))
        self.owner.DescribeMailbox(request, timeout=CALL)
        refused("PROOF_REPLAYED", lambda: self.owner.DescribeMailbox(request, timeout=CALL))

    def a_proof_works_for_its_operation_and_relay_only(self):
        other_operation = mailbox.DescribeMailboxRequest(proof=self.bob.proof(UPDATE))
        refused("PROOF_INVALID", lambda: self.owner.DescribeMailbox(other_operation, timeout=CALL))
        other_relay = mailbox.DescribeMailboxRequest(proof=self.bob.proof(DESCRIBE, audience="relay.example"))
        _, details = refused("PROOF_AUDIENCE", lambda: self.owner.DescribeMailbox(other_relay, timeout=CALL))
        assert "audience" in details["ErrorInfo"].metadata

    def a_delivery_key_is_taken_back(self):
        keys = mailbox.DeliveryKeyGrants(grants=[])
        request = mailbox.UpdateMailboxRequest(proof=self.bob.proof(UPDATE), delivery_keys=keys)
        self.owner.UpdateMailbox(request, timeout=CALL)
        refused("DELIVERY_REFUSED", lambda: self.sender.Send(send_request(self.bob, bytes(1024)), timeout=CALL))
        assert self.bob.describe(self.owner).card == self.bob.card

    def the_mailboxes_are_deleted(self):
        for identity in (self.alice, self.bob):
            self.owner.DeleteMailbox(mailbox.DeleteMailboxRequest(proof=identity.proof(DELETE)), timeout=CALL)
            refused("MAILBOX_UNKNOWN", lambda: identity.describe(self.owner))

    IN_ORDER = (
        two_mailboxes_are_created,
        a_second_creation_is_told_that_the_mailbox_exists,
        the_card_is_fetched_and_holds,
        an_envelope_is_sent,
        a_retry_is_not_queued_twice,
        three_more_are_sent_by_stream,
        receive_delivers_what_waits,
        nothing_is_left_after_the_acknowledgement,
        a_forged_sender_and_a_changed_envelope_are_noticed,
        an_ephemeral_envelope_reaches_who_listens,
        a_newer_stream_displaces_an_older_one,
        an_acknowledgement_of_the_unsent_ends_the_stream,
        subscribe_and_acknowledge_serve_who_can_only_listen,
        an_ended_session_acknowledges_nothing,
        a_wrong_delivery_key_and_an_unknown_mailbox_are_refused_alike,
        a_wrong_size_is_refused_with_the_right_ones,
        a_malformed_field_is_named,
        credentials_are_refused_on_the_anonymous_service,
        a_stale_proof_is_refused_with_the_relays_time,
        a_proof_works_once,
        a_proof_works_for_its_operation_and_relay_only,
        a_delivery_key_is_taken_back,
        the_mailboxes_are_deleted,
    )


def give_up():
    print(f"FAILED the run took longer than {RUN} s", flush=True)
    os._exit(1)


def explain(error):
    if isinstance(error, grpc.RpcError):
        info = error_details(error).get("ErrorInfo")
        return f"{error.code().name} {info.reason if info else ''} {error.details()}"
    frame = error.__traceback__
    while frame.tb_next:
        frame = frame.tb_next
    return f"{type(error).__name__}: {error} (line {frame.tb_lineno})"


def main():
    parser = argparse.ArgumentParser(description="Checks a running Sealpost relay with a client made from its documents.")
    parser.add_argument("--relay", required=True, help="host or host:port; an IPv6 address in brackets")
    parser.add_argument("--ca", required=True, type=pathlib.Path, help="the certificate authority to trust, a PEM file")
    arguments = parser.parse_args()
    host, port = ref.parse_relay(arguments.relay)
    if not __debug__:
        sys.exit("the checks are assertions: run this without -O and PYTHONOPTIMIZE")

    watchdog = threading.Timer(RUN, give_up)
    watchdog.daemon = True
    watchdog.start()

    failed = 0
    with tempfile.TemporaryDirectory() as generated:
        load_protos(generated)
        checks = Checks(host, port, arguments.ca.read_bytes())
        for check in Checks.IN_ORDER:
            name = check.__name__.replace("_", " ")
            try:
                check(checks)
            except Exception as error:
                failed += 1
                print(f"FAILED {name}: {explain(error)}", flush=True)
            else:
                print(f"ok     {name}", flush=True)
        checks.close()
    watchdog.cancel()
    print(f"{len(Checks.IN_ORDER) - failed} of {len(Checks.IN_ORDER)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
