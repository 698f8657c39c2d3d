//! Connections to the relays of one installation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use sealpost_client::low_level::{Channel, Dialer, Prover};
use sealpost_client::{RelayHost, RelayOptions};

use crate::problem::{During as _, Problem};

/// One address under which the installation is reached: one of its relays, or whatever stands in front of them.
pub struct Site {
    dialer: Dialer,
    host: RelayHost,
    /// Whether it is on this machine, reached by IPv4: then there are as many source addresses as one likes.
    loopback: bool,
}

/// All of them. Connections are spread over them, and go to the next one when they break.
pub struct Relays {
    first: Site,
    others: Box<[Site]>,
    prover: Prover,
    next: AtomicUsize,
    /// Each connection has the next source address, also one that takes the place of another: a relay grants a peer only
    /// so many.
    dialled: AtomicUsize,
}

/// One connection after the other, for one client.
pub(super) struct Line {
    relays: Arc<Relays>,
    current: Mutex<Connection>,
}

/// A connection, and how many there were before.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) number: usize,
    pub(super) channel: Channel,
    site: usize,
}

/// Source addresses on the loopback network.
const SOURCES: usize = 250;

impl Relays {
    /// From how to reach each. Proofs are made for the first one's name: all relays of an installation have the same.
    ///
    /// # Errors
    /// Where there is none, or its options contradict themselves.
    pub fn new(options: &[RelayOptions]) -> Result<Arc<Self>, Problem> {
        let first = options.first().ok_or_else(|| Problem::usage("there is no relay to test"))?;
        let audience = first.audience.clone().unwrap_or_else(|| first.host.audience());
        let others: Result<Box<[Site]>, Problem> = options.iter().skip(1).map(Site::new).collect();
        let (first, others) = (Site::new(first)?, others?);
        Ok(Arc::new(Self {
            first,
            others,
            prover: Prover::new(audience),
            next: AtomicUsize::new(0),
            dialled: AtomicUsize::new(0),
        }))
    }

    /// The relay's host, as invites name it.
    pub fn host(&self) -> &RelayHost {
        &self.first.host
    }

    pub(super) fn prover(&self) -> &Prover {
        &self.prover
    }

    /// A connection of one's own, made when it is first used.
    pub(super) fn line(self: &Arc<Self>) -> Line {
        let site = self.next.fetch_add(1, Ordering::Relaxed);
        let first = Connection { number: 0, channel: self.dial(site), site };
        Line { relays: self.clone(), current: Mutex::new(first) }
    }

    /// To the site with this number; after the last comes the first again.
    fn dial(&self, number: usize) -> Channel {
        let place = number % (1 + self.others.len());
        let site = place.checked_sub(1).and_then(|place| self.others.get(place)).unwrap_or(&self.first);
        let source = site.loopback.then(|| {
            let number = self.dialled.fetch_add(1, Ordering::Relaxed) % SOURCES;
            IpAddr::V4(Ipv4Addr::new(127, 1, 0, u8::try_from(number + 1).unwrap_or(1)))
        });
        site.dialer.dial_from(source)
    }
}

impl Site {
    fn new(options: &RelayOptions) -> Result<Self, Problem> {
        let dialer = Dialer::new(options).during("preparing for the relay")?;
        let address = options.connect_to.clone().unwrap_or_else(|| options.host.host().to_owned());
        let loopback = address.starts_with("127.");
        Ok(Self { dialer, host: options.host.clone(), loopback })
    }
}

impl Line {
    /// The connection for new calls.
    pub(super) fn connection(&self) -> Connection {
        self.current.lock().clone()
    }

    /// Gives the connection with this number up: the next one goes to the next relay.
    pub(super) fn renew(&self, number: usize) {
        let mut current = self.current.lock();
        // Of several who share a line, the first one's word is enough.
        if current.number == number {
            let site = current.site + 1;
            *current = Connection { number: number + 1, channel: self.relays.dial(site), site };
        }
    }

    pub(super) fn prover(&self) -> &Prover {
        self.relays.prover()
    }
}

impl fmt::Debug for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} relays", 1 + self.others.len())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.current.lock().number)
    }
}
