//! One module for each file of vectors. Every case is checked against the crate as it is made.

mod address;
mod card;
mod cases;
mod delivery_key;
mod drbg;
mod forge;
mod invite;
mod message;
mod padding;
mod people;
mod proof;
mod seal;
mod seal_bad;
mod seal_forged;
mod voucher;

use sealpost_core::Suite;

/// The names and contents of all files.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("address.json", address::area().to_json()),
        ("proof.json", proof::area().to_json()),
        ("delivery_key.json", delivery_key::area().to_json()),
        ("card.json", card::area().to_json()),
        ("invite.json", invite::area().to_json()),
        ("voucher.json", voucher::area().to_json()),
        ("padding.json", padding::area().to_json()),
        ("message.json", message::area().to_json()),
        ("seal_xwing.json", seal::area(Suite::XWing).to_json()),
        ("seal_x25519.json", seal::area(Suite::X25519).to_json()),
    ]
}
