//! A load balancer that says where connections come from: each device has a network address that was made up for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// Where one device connects.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

/// The network address of device number so-and-so: of those that are set aside for documents (RFC 5737, RFC 3849), every other
/// one IPv6.
pub(crate) fn made_up(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    match number % 2 {
        0 => IpAddr::V4(Ipv4Addr::new(198, 51, 100 + high, low)),
        _ => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x5ea1, 0x9057, 0x1234, 0x5678, 0x9abc, number)),
    }
}

/// The port from which it connects.
pub(crate) fn port(number: u16) -> u16 {
    40_000 + number
}

/// A PROXY protocol header, version 2.
fn header(from: IpAddr, port: u16) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    let addresses = match from {
        IpAddr::V4(from) => {
            header.extend_from_slice(&[0x11, 0, 12]);
            [from.octets().to_vec(), vec![127, 0, 0, 1]].concat()
        }
        IpAddr::V6(from) => {
            header.extend_from_slice(&[0x21, 0, 36]);
            [from.octets().to_vec(), Ipv6Addr::LOCALHOST.octets().to_vec()].concat()
        }
    };
    header.extend_from_slice(&addresses);
    header.extend_from_slice(&port.to_be_bytes());
    header.extend_from_slice(&443_u16.to_be_bytes());
    header
}

impl Front {
    pub(crate) async fn of(number: u16, relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has one");
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(relay).await.expect("the relay listens");
                    server.write_all(&header(made_up(number), port(number))).await.expect("it is taken");
                    // Either side may leave when it likes.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, _task: AbortOnDropHandle::new(task) }
    }
}
