//! Header blocks (RFC 7541), written out without compression.

/// `:method: POST`, of the static table.
const POST: u8 = 0x83;
/// `:scheme: http`, of the static table.
const HTTP: u8 = 0x86;

/// A procedure that there is, and that takes a body.
pub(crate) const SEND: &str = "/sealpost.v1.DeliveryService/Send";
/// A stream of sends.
pub(crate) const SEND_STREAM: &str = "/sealpost.v1.DeliveryService/SendStream";
/// A stream to the relay and back.
pub(crate) const RECEIVE: &str = "/sealpost.v1.MailboxService/Receive";

/// The header block of a gRPC call.
pub(crate) fn call(path: &str) -> Vec<u8> {
    call_with(path, &[])
}

/// The same with more fields.
pub(crate) fn call_with(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![POST, HTTP];
    let fields =
        [(":path", path), (":authority", "relay.test"), ("content-type", "application/grpc"), ("te", "trailers")];
    for (name, value) in fields.iter().chain(more) {
        block.extend(field(name, value.as_bytes()));
    }
    block
}

/// A header block of these fields alone.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value.as_bytes())).collect()
}

/// One field, that no table remembers.
pub(crate) fn field(name: &str, value: &[u8]) -> Vec<u8> {
    [&[0x00][..], &string(name.as_bytes()), &string(value)].concat()
}

/// One field, that the reader's table has to remember.
pub(crate) fn indexed_field(name: &str, value: &[u8]) -> Vec<u8> {
    [&[0x40][..], &string(name.as_bytes()), &string(value)].concat()
}

/// The field that was put into the table last, again.
pub(crate) const NEWEST_OF_THE_TABLE: u8 = 0x80 | 62;

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut string = integer(bytes.len());
    string.extend_from_slice(bytes);
    string
}

/// An integer with a prefix of seven bits (RFC 7541, section 5.1); the eighth says "no Huffman code".
fn integer(value: usize) -> Vec<u8> {
    let Some(mut rest) = value.checked_sub(127) else { return vec![u8::try_from(value).unwrap()] };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

#[test]
fn long_strings_tell_their_length_as_the_rfc_does() {
    assert_eq!(integer(126), [126]);
    assert_eq!(integer(127), [127, 0]);
    // 1337 of RFC 7541, C.1.2, with two more bits of prefix.
    assert_eq!(integer(1337), [127, 0b1011_1010, 0b0000_1001]);
}
