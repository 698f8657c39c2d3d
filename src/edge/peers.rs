//! How many connections each peer has.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts connections by where they come from. An address is kept only while it has a connection, and only as a hash
/// with a key of this process, so that no memory dump lists addresses in the clear.
#[derive(Debug)]
pub(super) struct Peers {
    most: Option<NonZeroUsize>,
    key: RandomState,
    counts: Mutex<HashMap<u64, usize>>,
}

/// A connection that is counted, until this is dropped.
#[derive(Debug)]
pub(super) struct Counted(Option<(Arc<Peers>, u64)>);

impl Peers {
    /// Grants each peer so many; `None`: any number.
    pub(super) fn new(most: Option<NonZeroUsize>) -> Self {
        Self { most, key: RandomState::new(), counts: Mutex::default() }
    }

    /// Counts one more; `None` if the peer has all that it may have.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Counted> {
        let Some(most) = self.most else { return Some(Counted(None)) };
        let hash = self.key.hash_one(network(peer));
        let mut counts = self.counts.lock();
        let count = counts.entry(hash).or_default();
        if *count >= most.get() {
            return None;
        }
        *count += 1;
        Some(Counted(Some((self.clone(), hash))))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some((peers, hash)) = &self.0 else { return };
        let mut counts = peers.counts.lock();
        if let Some(count) = counts.get_mut(hash) {
            *count -= 1;
            if *count == 0 {
                counts.remove(hash);
            }
        }
    }
}

/// What one customer of a network is given: an IPv4 address, or a /64 of IPv6 addresses (RFC 6177).
fn network(peer: IpAddr) -> u64 {
    match peer.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, ..] = address.octets();
            u64::from_be_bytes([a, b, c, d, e, f, g, h])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(most: usize) -> Arc<Peers> {
        Arc::new(Peers::new(NonZeroUsize::new(most)))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("it is one")
    }

    #[test]
    fn a_peer_has_as_many_as_it_may_and_others_have_theirs() {
        let peers = peers(2);
        let first = peers.admit(ip("192.0.2.1")).expect("one");
        let _second = peers.admit(ip("::ffff:192.0.2.1")).expect("two");
        assert!(peers.admit(ip("192.0.2.1")).is_none());
        assert!(peers.admit(ip("192.0.2.2")).is_some());
        drop(first);
        assert!(peers.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_peer() {
        let peers = peers(1);
        let _one = peers.admit(ip("2001:db8:1:2::1")).expect("one");
        assert!(peers.admit(ip("2001:db8:1:2:ffff::9")).is_none());
        assert!(peers.admit(ip("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone() {
        let peers = peers(3);
        drop([peers.admit(ip("192.0.2.1")), peers.admit(ip("192.0.2.1")), peers.admit(ip("2001:db8::1"))]);
        assert!(peers.counts.lock().is_empty());
    }
}
