//! The PROXY protocol, version 2: what a load balancer that passes bytes on says first, of where they come from.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2. Only the address is taken, and only to
//! count connections by it.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes after the first sixteen, at most: addresses take 36, the rest is for extensions that load balancers add.
const LONGEST: usize = 1024;

/// What the first sixteen bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    kind: Kind,
    /// Bytes that follow.
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The load balancer itself, to see whether we are there, or a peer of a kind that has no IP address.
    Itself,
    Ip4,
    Ip6,
}

/// Reads the header; `None` if the load balancer speaks for itself.
///
/// # Errors
/// `InvalidData` where it is none, and those of reading.
pub(super) async fn read_header(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut head = [0; 16];
    socket.read_exact(&mut head).await?;
    let head = parse_head(head).ok_or_else(malformed)?;
    let mut rest = [0; LONGEST];
    let rest = rest.get_mut(..head.length).ok_or_else(malformed)?;
    socket.read_exact(rest).await?;
    match head.kind {
        Kind::Itself => Ok(None),
        Kind::Ip4 => rest.first_chunk::<4>().map(|address| Some(IpAddr::from(*address))).ok_or_else(malformed),
        Kind::Ip6 => rest.first_chunk::<16>().map(|address| Some(IpAddr::from(*address))).ok_or_else(malformed),
    }
}

fn parse_head(bytes: [u8; 16]) -> Option<Head> {
    let [signature @ .., command, family, high, low] = bytes;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if signature != SIGNATURE || length > LONGEST {
        return None;
    }
    let (kind, least) = match (command, family >> 4) {
        (0x20, _) | (0x21, 0 | 3) => (Kind::Itself, 0),
        (0x21, 1) => (Kind::Ip4, 12),
        (0x21, 2) => (Kind::Ip6, 36),
        _ => return None,
    };
    (length >= least).then_some(Head { kind, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    async fn read(bytes: &[u8]) -> (io::Result<Option<IpAddr>>, usize) {
        let mut socket = bytes;
        (read_header(&mut socket).await, socket.len())
    }

    #[tokio::test]
    async fn addresses_are_read_and_what_follows_is_left() {
        let ip4 = [&[192, 0, 2, 7, 10, 0, 0, 1, 0xd4, 0x31, 0x20, 0xfb][..], b"an extension"].concat();
        let mut bytes = header(0x21, 0x11, &ip4);
        bytes.extend_from_slice(b"PRI *");
        let (address, left) = read(&bytes).await;
        assert_eq!(address.ok(), Some(Some(IpAddr::from([192, 0, 2, 7]))));
        assert_eq!(left, 5);

        let mut ip6 = [0; 36];
        ip6[..2].copy_from_slice(&[0x20, 0x01]);
        ip6[15] = 9;
        let (address, _) = read(&header(0x21, 0x21, &ip6)).await;
        assert_eq!(address.ok(), Some("2001::9".parse().ok()));
    }

    #[tokio::test]
    async fn a_load_balancer_may_speak_for_itself() {
        for bytes in
            [header(0x20, 0, b""), header(0x20, 0x11, &[0; 12]), header(0x21, 0, b""), header(0x21, 0x31, &[0; 216])]
        {
            assert_eq!(read(&bytes).await.0.ok(), Some(None));
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let mut unsigned = header(0x21, 0x11, &[0; 12]);
        unsigned[3] = b'X';
        let too_long = header(0x21, 0x11, &[0; LONGEST + 1]);
        let wrong = [
            unsigned,
            too_long,
            header(0x11, 0x11, &[0; 12]),
            header(0x22, 0x11, &[0; 12]),
            header(0x21, 0x41, &[0; 12]),
            header(0x21, 0x11, &[0; 11]),
            header(0x21, 0x21, &[0; 35]),
            header(0x21, 0x11, &[0; 12])[..27].to_vec(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            Vec::new(),
        ];
        for bytes in wrong {
            assert!(read(&bytes).await.0.is_err(), "{bytes:?}");
        }
    }
}
