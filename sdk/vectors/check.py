#!/usr/bin/env python3
"""Checks every vector in this folder with reference.py. Exits with 1 if one does not hold.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python check.py
"""

import json
import pathlib
import sys

import reference as ref

# The fields that are texts; all other strings are hex.
TEXTS = {"text", "audience", "accepted", "link", "host", "content_type", "name", "invite"}


def address_of(public_key):
    address = ref.address_of(public_key)
    return {"address": address, "text": ref.address_to_text(address)}


def parse_audience(text):
    ref.check_audience(text)
    return {"text": text}


def sign_proof(seed, audience, operation, time, nonce):
    key = ref.identity_of(seed)
    signed = ref.proof_bytes(audience, key, operation, time, nonce)
    return {"public_key": key, "signed_bytes": signed, "signature": ref.sign(seed, signed)}


def verify_proof(accepted, operation, now, tolerance_secs, audience, public_key, time, nonce, signature):
    address = ref.verify_proof(
        accepted, operation, now, tolerance_secs, audience, public_key, time, nonce, signature
    )
    return {"address": address}


def sign_card(seed, sealing_keys, issued, expires):
    card = ref.make_card(seed, sealing_keys, issued, expires)
    return {"card": card, "card_id": ref.card_id(card)}


def parse_card(card):
    ref.parse_card(card)
    issued, expires = ref.card_times(card)
    return {
        "address": ref.address_of(card[1:33]),
        "card_id": ref.card_id(card),
        "identity": card[1:33],
        "sealing_public_keys": card[33:1281],
        "issued": issued,
        "expires": expires,
    }


def check_card(card, expected, now):
    ref.check_card(card, expected, now)
    return {}


def parse_invite(link):
    host, port, address, key = ref.parse_invite(link)
    return {
        "host": host,
        "port": port,
        "audience": host,
        "address": address,
        "delivery_key": key,
        "link": ref.invite_link(host, port, address, key),
    }


def issue_voucher(seed, audience, id, expires_hour):
    fields = b"\x01" + id + ref.u32(expires_hour)
    voucher = fields + ref.sign(seed, ref.voucher_signed(audience, fields))
    return {"voucher": voucher, "text": ref.to_base64url(voucher)}


def parse_voucher(text):
    voucher = ref.parse_voucher(text)
    return {"id": voucher[1:17], "expires_hour": int.from_bytes(voucher[17:21], "big")}


def verify_voucher(text, operators, accepted, now):
    ref.verify_voucher(ref.parse_voucher(text), operators, accepted, now)
    return {}


OPERATIONS = {
    "address_of": address_of,
    "address_from_text": lambda text: {"address": ref.address_from_text(text)},
    "parse_audience": parse_audience,
    "sign_proof": sign_proof,
    "verify_proof": verify_proof,
    "hash_delivery_key": lambda address, key: {"hash": ref.delivery_key_hash(address, key)},
    "delivery_key_from_text": lambda text: {"key": ref.delivery_key_from_text(text)},
    "sign_card": sign_card,
    "parse_card": parse_card,
    "check_card": check_card,
    "parse_invite": parse_invite,
    "issue_voucher": issue_voucher,
    "parse_voucher": parse_voucher,
    "verify_voucher": verify_voucher,
    "pad": lambda data, length: {"padded": ref.pad(data, length)},
    "unpad": lambda padded: {"data": ref.unpad(padded)},
    "parse_frame": lambda frame: ref.parse_frame(frame),
    "write_frame": lambda **message: {"frame": ref.write_frame(message)},
    "open_envelope": ref.open_envelope,
}


def decoded(fields):
    """The fields with hex strings as bytes."""

    def value(name, it):
        if isinstance(it, list):
            return [value(name, element) for element in it]
        return it if isinstance(it, int) or name in TEXTS else bytes.fromhex(it)

    return {name: value(name, it) for name, it in fields.items()}


def outcome(case):
    try:
        return OPERATIONS[case["op"]](**decoded(case["input"]))
    except ref.Refused as error:
        return str(error)


def main():
    count, failed = 0, 0
    for path in sorted(pathlib.Path(__file__).parent.glob("*.json")):
        for case in json.loads(path.read_text())["cases"]:
            expected = case.get("error") or decoded(case["output"])
            actual = outcome(case)
            count += 1
            if actual != expected:
                failed += 1
                print(f"{path.name}: {case['name']}:\n  expected {expected}\n  but got  {actual}")
    print(f"{count} cases, {failed} failed")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
