"""The formats of docs/protocol.md in Python, written from that document and not from the Rust code.

It is here to check the vectors by a second implementation, and to be read; it is not hardened for use: comparisons
take varying time and secrets stay in memory.
"""

import base64
import hashlib
import hmac
import ipaddress
import re

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305


class Refused(Exception):
    """Carries the error's name."""


def refuse_unless(condition, name):
    if not condition:
        raise Refused(name)


def u32(number):
    return number.to_bytes(4, "big")


def u64(number):
    return number.to_bytes(8, "big")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# --- Text -----------------------------------------------------------------------------------------------------------


def to_base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text, error):
    refuse_unless(re.fullmatch(r"[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, error)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    refuse_unless(to_base64url(data) == text, error)
    return data


CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bech32_polymod(values):
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> i & 1 else 0
    return check


def bech32_expand(hrp):
    return [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]


def regroup(values, width_in, width_out):
    bits = "".join(f"{value:0{width_in}b}" for value in values)
    bits += "0" * (-len(bits) % width_out)
    return [int(bits[i : i + width_out], 2) for i in range(0, len(bits), width_out)]


def address_to_text(data):
    values = regroup(data, 8, 5)
    check = bech32_polymod(bech32_expand("sp") + values + [0] * 6) ^ 0x2BC830A3
    return "sp1" + "".join(CHARSET[v] for v in values + [check >> 5 * (5 - i) & 31 for i in range(6)])


def address_from_text(text):
    hrp, separator, data = text.rpartition("1")
    refuse_unless(separator and hrp and text == text.lower() and len(data) >= 6, "Encoding")
    refuse_unless(all(c in CHARSET for c in data), "Encoding")
    values = [CHARSET.index(c) for c in data]
    refuse_unless(bech32_polymod(bech32_expand(hrp) + values) == 0x2BC830A3, "Encoding")
    refuse_unless(hrp == "sp", "Prefix")
    address = bytes(regroup(values[:-6], 5, 8)[: len(values[:-6]) * 5 // 8])
    refuse_unless(len(address) == 32, "Length")
    refuse_unless(address_to_text(address) == text, "Encoding")
    return address


# --- Ed25519 and addresses ------------------------------------------------------------------------------------------

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def check_identity_key(key):
    """That it is the canonical encoding of a point on the curve that is not of small order."""
    refuse_unless(len(key) == 32, "Length")
    sign, y = key[31] >> 7, int.from_bytes(key, "little") & (2**255 - 1)
    refuse_unless(y < P, "NotAKey")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    refuse_unless(x * x % P == square, "NotAKey")
    x = P - x if x & 1 != sign else x
    point = (x, y)
    for _ in range(3):
        point = edwards_double(point)
    refuse_unless(point != (0, 1), "NotAKey")


def edwards_double(point):
    x, y = point
    dxy = D * x * x * y * y
    return 2 * x * y * pow(1 + dxy, -1, P) % P, (y * y + x * x) * pow(1 - dxy, -1, P) % P


def verify(key, signed, signature, error):
    """OpenSSL checks that s and R are canonical, but not that R is not of small order."""
    try:
        check_identity_key(signature[:32])
    except Refused:
        raise Refused(error) from None
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except InvalidSignature:
        raise Refused(error) from None


def sign(seed, signed):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(signed)


def identity_of(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def address_of(key):
    check_identity_key(key)
    return sha256(b"sealpost/v1/address", b"\x01", key)


# --- Audience, proof, delivery key, invite, voucher -----------------------------------------------------------------

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_audience(text):
    refuse_unless(1 <= len(text.encode()) <= 253, "Length")
    labels = text.split(".")
    named = all(LABEL.fullmatch(label) for label in labels) and not labels[-1].isdecimal()
    refuse_unless(named or is_ip(text), "Malformed")


def is_ip(text):
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return False
    if "%" in text:  # an IPv6 zone, which names something on one machine only
        return False
    if ip.version == 6 and ip.ipv4_mapped:
        return text == f"::ffff:{ip.ipv4_mapped}"
    return str(ip) == text


def proof_bytes(audience, key, operation, time, nonce):
    name = audience.encode()
    address = address_of(key)
    return b"".join(
        (b"sealpost/v1/proof", bytes([len(name)]), name, address, bytes([operation]), u64(time), nonce)
    )


def verify_proof(accepted, operation, now, tolerance, audience, key, time, nonce, signature):
    refuse_unless(audience in accepted, "WrongAudience")
    refuse_unless(abs(now - time) <= tolerance, "Stale")
    verify(key, proof_bytes(audience, key, operation, time, nonce), signature, "BadSignature")
    return address_of(key)


def delivery_key_hash(address, key):
    return sha256(b"sealpost/v1/delivery-key", address, key)


def delivery_key_from_text(text):
    key = from_base64url(text, "DeliveryKeyError")
    refuse_unless(len(key) == 32, "DeliveryKeyError")
    return key


def within(part, parse, *args):
    """Runs a parser of a part; its error's name goes after the part's."""
    try:
        return parse(*args)
    except Refused as error:
        raise Refused(f"{part}.{error}".removesuffix(".DeliveryKeyError")) from None


def parse_relay(text):
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        refuse_unless(bracket, "Brackets")
        within("Host", check_audience, host)
        refuse_unless(":" in host, "Brackets")
        refuse_unless(port == "" or port.startswith(":"), "Port")
    else:
        refuse_unless(text.count(":") < 2, "Brackets")
        host, colon, port = text.partition(":")
        within("Host", check_audience, host)
        port = colon + port
    if not port:
        return host, 443
    refuse_unless(re.fullmatch(r":[1-9][0-9]{0,4}", port) and int(port[1:]) <= 65535, "Port")
    return host, int(port[1:])


def invite_link(host, port, address, key):
    host = f"[{host}]" if ":" in host else host
    port = "" if port == 443 else f":{port}"
    return f"sealpost://{host}{port}/{address_to_text(address)}#{to_base64url(key)}"


def parse_invite(link):
    refuse_unless(link.startswith("sealpost://"), "Scheme")
    relay, slash, rest = link.removeprefix("sealpost://").partition("/")
    refuse_unless(slash, "MissingAddress")
    address, hash_sign, key = rest.partition("#")
    refuse_unless(hash_sign, "MissingKey")
    host, port = within("Relay", parse_relay, relay)
    return host, port, within("Address", address_from_text, address), within("DeliveryKey", delivery_key_from_text, key)


def voucher_signed(audience, fields):
    name = audience.encode()
    return b"".join((b"sealpost/v1/voucher", bytes([len(name)]), name, fields))


def parse_voucher(text):
    voucher = from_base64url(text, "Encoding")
    refuse_unless(len(voucher) == 85, "Length")
    refuse_unless(voucher[0] == 1, "Version")
    return voucher


def verify_voucher(voucher, operators, accepted, now):
    refuse_unless(now < int.from_bytes(voucher[17:21], "big") * 3600, "Expired")
    for operator in operators:
        for audience in accepted:
            try:
                return verify(operator, voucher_signed(audience, voucher[:21]), voucher[21:], "")
            except Refused:
                pass
    raise Refused("BadSignature")


# --- Card -----------------------------------------------------------------------------------------------------------


def make_card(seed, sealing_keys, issued, expires):
    refuse_unless(issued < expires, "Lifetime")
    fields = b"".join(
        (b"\x01", identity_of(seed), x25519_public(sealing_keys[:32]), XWing.public(sealing_keys[32:]), u64(issued), u64(expires))
    )
    return fields + sign(seed, b"sealpost/v1/card" + fields)


def parse_card(card):
    refuse_unless(len(card) == 1361, "Length")
    refuse_unless(card[0] == 1, "Version")
    try:
        check_identity_key(card[1:33])
    except Refused:
        raise Refused("IdentityKey") from None
    coefficients = [int.from_bytes(card[65 + i : 68 + i], "little") for i in range(0, 1152, 3)]
    refuse_unless(all(c & 0xFFF < 3329 and c >> 12 < 3329 for c in coefficients), "SealingKey")
    issued, expires = card_times(card)
    refuse_unless(issued < expires, "Lifetime")
    verify(card[1:33], b"sealpost/v1/card" + card[:1297], card[1297:], "Signature")


def card_times(card):
    return int.from_bytes(card[1281:1289], "big"), int.from_bytes(card[1289:1297], "big")


def card_id(card):
    return sha256(b"sealpost/v1/card-id", card)[:8]


def check_card(card, expected, now):
    issued, expires = card_times(card)
    refuse_unless(address_of(card[1:33]) == expected, "WrongOwner")
    refuse_unless(now < expires, "Expired")
    refuse_unless(issued <= now + 86400, "NotYetValid")


# --- Padding and frame ----------------------------------------------------------------------------------------------


def pad(data, length):
    refuse_unless(len(data) < length, "TooLong")
    return data + b"\x80" + bytes(length - len(data) - 1)


def unpad(padded):
    data = padded.rstrip(b"\0")
    refuse_unless(data.endswith(b"\x80"), "Malformed")
    return data[:-1]


def field(kind, value):
    return bytes([kind]) + u32(len(value)) + value


def write_frame(message):
    frame = b"\x01" + message["id"] + u64(message["sent_at"]) + field(1, message["content_type"].encode())
    if message["name"]:
        frame += field(2, message["name"].encode())
    frame += field(3, message["body"])
    if "invite" in message:
        frame += field(4, message["invite"].encode()) + field(5, message["card"])
    return frame


def parse_frame(frame):
    refuse_unless(frame, "Truncated")
    refuse_unless(frame[0] == 1, "Version")
    refuse_unless(len(frame) >= 25, "Truncated")
    fields, rest, last = {}, frame[25:], 0
    while rest:
        refuse_unless(len(rest) >= 5, "Truncated")
        kind, length = rest[0], int.from_bytes(rest[1:5], "big")
        refuse_unless(len(rest) >= 5 + length, "Truncated")
        value, rest = rest[5 : 5 + length], rest[5 + length :]
        if kind & 0x80:
            continue
        refuse_unless(1 <= kind <= 5, "UnknownField")
        refuse_unless(kind > last, "Order")
        fields[kind], last = value, kind
    refuse_unless(1 in fields and 3 in fields and (4 in fields) == (5 in fields), "MissingField")
    message = {
        "id": frame[1:17],
        "sent_at": int.from_bytes(frame[17:25], "big"),
        "content_type": frame_text(fields[1]),
        "name": frame_text(fields[2]) if 2 in fields else "",
        "body": fields[3],
    }
    refuse_unless(message["name"] or 2 not in fields, "Text")
    if 4 in fields:
        message |= {"invite": introduction_link(fields[4], fields[5]), "card": fields[5]}
    return message


def frame_text(value):
    try:
        refuse_unless(len(value) <= 255, "Text")
        return value.decode()
    except UnicodeDecodeError:
        raise Refused("Text") from None


def introduction_link(link, card):
    link = link.decode(errors="replace")
    _, _, address, _ = within("Invite", parse_invite, link)
    within("Card", parse_card, card)
    refuse_unless(address == address_of(card[1:33]), "Introduction")
    return link


# --- HPKE (RFC 9180) ------------------------------------------------------------------------------------------------


def hkdf_extract(salt, ikm):
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def hkdf_expand(prk, info, length):
    out, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), "sha256")
        out += block
    return out[:length]


def labeled_extract(suite, salt, label, ikm):
    return hkdf_extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    return hkdf_expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def x25519_public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def x25519(secret, public):
    """Raises ValueError for a shared secret of zeros, as RFC 9180 §7.1.4 demands."""
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


class DhKem:
    ID, ENC_LEN = b"\x00\x20", 32

    @staticmethod
    def decap(enc, secret, sender=None):
        shared, context = x25519(secret, enc), enc + x25519_public(secret)
        if sender is not None:
            shared, context = shared + x25519(secret, sender), context + sender
        suite = b"KEM" + DhKem.ID
        prk = labeled_extract(suite, b"", b"eae_prk", shared)
        return labeled_expand(suite, prk, b"shared_secret", context, 32)


class XWing:
    ID, ENC_LEN = b"\x64\x7a", 1120

    @staticmethod
    def expand(seed):
        expanded = hashlib.shake_256(seed).digest(96)
        return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), expanded[64:]

    @staticmethod
    def public(seed):
        ml_kem, x = XWing.expand(seed)
        return ml_kem.public_key().public_bytes_raw() + x25519_public(x)

    @staticmethod
    def decap(enc, seed, sender=None):
        assert sender is None
        ml_kem, x = XWing.expand(seed)
        secret = ml_kem.decapsulate(enc[:1088])
        try:
            shared = x25519(x, enc[1088:])
        except ValueError:
            shared = bytes(32)
        return hashlib.sha3_256(secret + shared + enc[1088:] + x25519_public(x) + rb"\.//^" + b"\\").digest()


def hpke_open(kem, enc, secret, info, aad, ciphertext, sender=None):
    """Single-shot OpenBase, or OpenAuth with a sender's key; None if it does not open."""
    suite = b"HPKE" + kem.ID + b"\x00\x01" + b"\x00\x03"
    try:
        shared = kem.decap(enc, secret, sender)
    except ValueError:
        return None
    mode = b"\x00" if sender is None else b"\x02"
    psk_id_hash = labeled_extract(suite, b"", b"psk_id_hash", b"")
    context = mode + psk_id_hash + labeled_extract(suite, b"", b"info_hash", info)
    prk = labeled_extract(suite, shared, b"secret", b"")
    key = labeled_expand(suite, prk, b"key", context, 32)
    nonce = labeled_expand(suite, prk, b"base_nonce", context, 12)
    return aead_open(key, nonce, ciphertext, aad)


def aead_open(key, nonce, ciphertext, aad):
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        return None


# --- Envelope -------------------------------------------------------------------------------------------------------

SUITES = {1: (XWing, slice(32, 64)), 2: (DhKem, slice(0, 32))}


def open_envelope(envelope, recipient, recipient_keys, sender_card, now):
    """The message with the values on the way to it."""
    refuse_unless(envelope, "Length")
    refuse_unless(envelope[0] in SUITES, "UnknownSuite")
    kem, half = SUITES[envelope[0]]
    suite, header_end = envelope[:1], 1 + kem.ENC_LEN + 136
    refuse_unless(len(envelope) > header_end + 48, "Length")
    enc, header, body = envelope[1 : 1 + kem.ENC_LEN], envelope[1 + kem.ENC_LEN : header_end], envelope[header_end:]
    body_hash = sha256(body)

    info = b"sealpost/v1/header" + suite + recipient
    opened = ((hpke_open(kem, enc, keys[half], info, body_hash, header), keys) for keys in recipient_keys)
    plaintext, keys = next(((plaintext, keys) for plaintext, keys in opened if plaintext is not None), (None, None))
    refuse_unless(plaintext is not None, "NotForThisKey")
    content_key, sender, sender_card_id = plaintext[:32], plaintext[32:64], plaintext[64:72]

    prk = hkdf_extract(b"", content_key)
    body_key = hkdf_expand(prk, b"sealpost/v1/body-key" + suite, 32)
    commitment = hkdf_expand(prk, b"sealpost/v1/body-commitment" + suite, 32)
    refuse_unless(hmac.compare_digest(commitment, body[:32]), "CommitmentMismatch")
    padded = aead_open(body_key, bytes(12), body[32:], b"")
    refuse_unless(padded is not None, "BodyCorrupted")
    try:
        frame = unpad(padded)
    except Refused:
        raise Refused("Padding") from None
    message = within("Frame", parse_frame, frame)
    refuse_unless("card" not in message or address_of(message["card"][1:33]) == sender, "CardMismatch")

    refuse_unless(address_of(sender_card[1:33]) == sender, "CardMismatch")
    refuse_unless(card_id(sender_card) == sender_card_id, "UnknownCard")
    try:
        check_card(sender_card, sender, now)
    except Refused as error:
        raise Refused(f"Card{error}") from None
    transcript = b"".join(
        (b"sealpost/v1/transcript", suite, recipient, sender, sender_card_id, sha256(enc), commitment, body_hash)
    )
    empty = hpke_open(
        DhKem, plaintext[72:104], keys[:32], b"sealpost/v1/auth", transcript, plaintext[104:], sender_card[33:65]
    )
    refuse_unless(empty == b"", "SenderForged")
    return message | {
        "sender": sender,
        "sender_card_id": sender_card_id,
        "header_plaintext": plaintext,
        "content_key": content_key,
        "body_key": body_key,
        "commitment": commitment,
        "body_hash": body_hash,
        "enc_hash": sha256(enc),
        "transcript": transcript,
        "padded_frame": padded,
    }
