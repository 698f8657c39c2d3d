//! What holds for any bytes that a connection begins with.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

use super::proxy::read_header;

/// A PROXY header, in pieces whose sizes follow from the first byte: it is read as if it had come whole, says what the
/// bytes say, and nothing behind it is taken.
pub fn proxy(bytes: &[u8]) {
    let Some((pace, bytes)) = bytes.split_first() else { return };
    let whole = read(Pieces { rest: bytes, size: usize::MAX });
    let in_pieces = read(Pieces { rest: bytes, size: usize::from(*pace) + 1 });
    assert_eq!(whole, in_pieces);

    let Some((address, rest)) = whole else { return };
    let (header, _) = bytes.split_at(bytes.len() - rest);
    let (head, said) = header.split_at(16);
    let [signature @ .., command, family, high, low] = head else { return };
    assert_eq!(signature, b"\r\n\r\n\0\r\nQUIT\n");
    assert_eq!(said.len(), usize::from(u16::from_be_bytes([*high, *low])));
    let same = match address {
        Some(IpAddr::V4(address)) => (*command, family >> 4) == (0x21, 1) && said.starts_with(&address.octets()),
        Some(IpAddr::V6(address)) => (*command, family >> 4) == (0x21, 2) && said.starts_with(&address.octets()),
        None => *command == 0x20 || (*command == 0x21 && !matches!(family >> 4, 1 | 2)),
    };
    assert!(same, "it says another address");
}

/// The address, and how many bytes are left behind the header.
fn read(mut pieces: Pieces<'_>) -> Option<(Option<IpAddr>, usize)> {
    let header = std::pin::pin!(read_header(&mut pieces)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(header.is_ready(), "it waits though nothing more comes");
    match header {
        Poll::Ready(Ok(address)) => Some((address, pieces.rest.len())),
        _ => None,
    }
}

/// What comes, no more than so much at once.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let size = self.size.min(self.rest.len()).min(buffer.remaining());
        let (piece, rest) = self.rest.split_at(size);
        self.rest = rest;
        buffer.put_slice(piece);
        Poll::Ready(Ok(()))
    }
}
