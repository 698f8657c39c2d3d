//! Devices that talk, and everything about them that nobody may find.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use parking_lot::Mutex;
use sealpost_client::{
    Contact, Device, Draft, Event, MemoryContacts, MemoryDedup, ReceiveOptions, Relay, RelayOptions, SendOptions, Trust,
};

use crate::front::{self, Front};
use crate::relays::{Installation, NAME, PATIENCE};
use crate::search::Kind;

/// Devices in all.
const DEVICES: u16 = 200;
/// The first of them have no mailbox here: they only send.
const STRANGERS: u16 = 20;
/// Each writes to those so many places further.
const FRIENDS: [u16; 3] = [1, 7, 30];
/// What people write is so long, by turns: numbers that mean nothing else, between 10,000 and 12,000.
const LENGTHS: [usize; 8] = [10_007, 10_163, 10_331, 10_513, 10_691, 10_861, 11_057, 11_243];

/// A device, and who has it.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) length: usize,
    pub(crate) peer: IpAddr,
    pub(crate) device: Device,
    pub(crate) has_mailbox: bool,
    relay: Relay,
    _front: Front,
}

/// All of them.
pub(crate) struct Population {
    pub(crate) people: Vec<Person>,
    /// Envelopes, as they were sent.
    pub(crate) sealed: Mutex<Vec<Vec<u8>>>,
    begin: AtomicU64,
    end: AtomicU64,
}

/// Something that must not be where it is.
#[derive(Debug, Clone)]
pub(crate) struct Leak {
    pub(crate) kind: Kind,
    /// The first place whose name begins so.
    pub(crate) place: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Person {
    async fn appear(number: u16, installation: &Installation) -> Self {
        let relay = installation.relay(usize::from(number));
        let front = Front::of(number, relay).await;
        let options = RelayOptions::new(NAME.parse().expect("a host"));
        let options = options.trust(Trust::Plaintext).connect_to(front.address.to_string());
        let person = Self {
            name: format!("Wilhelmine-{number:03} Ossowiecka"),
            secret: format!("Der Schluessel zum Safe {number:03} liegt unter dem Ohrensessel"),
            length: LENGTHS[usize::from(number) % LENGTHS.len()],
            peer: front::made_up(number),
            device: Device::new(),
            has_mailbox: number >= STRANGERS,
            relay: Relay::connect(options).expect("the options go together"),
            _front: front,
        };
        if person.has_mailbox {
            person.relay.create_mailbox(&person.device, None).await.expect("it is made");
        }
        person
    }

    /// What it writes: its secret again and again, as long as it is.
    fn letter(&self) -> String {
        let text = format!("{} says: {}. ", self.name, self.secret);
        text.repeat(self.length / text.len() + 1)[..self.length].to_owned()
    }
}

fn now_nanos() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos()).expect("before 2554")
}

impl Population {
    pub(crate) async fn settle(installation: &Installation) -> Self {
        let begin = now_nanos();
        let mut people = Vec::new();
        for numbers in (0..DEVICES).collect::<Vec<_>>().chunks(20) {
            people.extend(join_all(numbers.iter().map(|number| Person::appear(*number, installation))).await);
        }
        Self { people, sealed: Mutex::default(), begin: AtomicU64::new(begin), end: AtomicU64::new(begin) }
    }

    /// All write to their friends. Half of these read it; for the others it waits.
    pub(crate) async fn talk(&self) {
        let readers = self.people.iter().enumerate().filter(|(number, person)| person.has_mailbox && number % 2 == 0);
        let reading = join_all(readers.map(|(number, person)| self.read(number, person)));
        let writing = async {
            for people in (0..self.people.len()).collect::<Vec<_>>().chunks(20) {
                join_all(people.iter().map(|number| self.write(*number))).await;
            }
        };
        tokio::join!(reading, writing);
        // What was acknowledged is gone.
        self.end.store(now_nanos(), Ordering::Relaxed);
    }

    fn friends(&self, number: usize) -> impl Iterator<Item = &Person> {
        let owners = self.people.len() - usize::from(STRANGERS);
        FRIENDS
            .into_iter()
            .map(move |distance| &self.people[usize::from(STRANGERS) + (number + usize::from(distance)) % owners])
    }

    async fn write(&self, number: usize) {
        let person = &self.people[number];
        for (turn, friend) in self.friends(number).enumerate() {
            let invite = friend.device.invite(friend.relay.host()).expect("it has a key");
            let contact: Contact = person.relay.accept(&invite).await.expect("the card is there");
            let draft = Draft::text(person.letter()).name(&person.name);
            let options = SendOptions::default().introduce(turn == 0);
            let sealed = person.relay.seal(&person.device, &contact, draft, &options).expect("it is sealed");
            self.sealed.lock().push(sealed.envelope().to_vec());
            person.relay.deliver(&sealed).await.expect("it is taken");
        }
    }

    /// Reads what comes until all friends have written.
    async fn read(&self, number: usize, person: &Person) {
        let contacts = MemoryContacts::new();
        self.people.iter().for_each(|it| contacts.add_card(it.device.card().clone()));
        let writers = (0..self.people.len()).filter(|from| {
            self.friends(*from).any(|friend| friend.device.address() == self.people[number].device.address())
        });
        let mut missing = writers.count();
        let options = ReceiveOptions::default().contacts(contacts).dedup(MemoryDedup::default());
        let mut inbox = person.relay.receive([person.device.clone()], options);
        while missing > 0 {
            let event = tokio::time::timeout(PATIENCE, inbox.next()).await.expect("it comes in time");
            if let Event::Message(received) = event.expect("no end") {
                assert!(received.message.body.starts_with(b"Wilhelmine"));
                received.acknowledge().await.expect("it is recorded");
                missing -= 1;
            }
        }
        inbox.close().await;
    }

    /// When the first did something, and the last, in nanoseconds since 1970.
    pub(crate) fn window(&self) -> (u64, u64) {
        (self.begin.load(Ordering::Relaxed), self.end.load(Ordering::Relaxed))
    }

    /// Whether the second in which the last did something is over, by the coarsest clock of the system, too.
    pub(crate) fn is_over(&self) -> bool {
        (now_nanos() - 100_000_000) / 1_000_000_000 > self.end.load(Ordering::Relaxed) / 1_000_000_000
    }

    /// One of each kind, where a mistake would put it.
    pub(crate) fn leaks(&self) -> Vec<Leak> {
        let (owner, other, stranger) = (&self.people[101], &self.people[57], &self.people[3]);
        let middle = (self.begin.load(Ordering::Relaxed) + self.end.load(Ordering::Relaxed)) / 2;
        let leak = |kind, place, bytes: &[u8]| Leak { kind, place, bytes: bytes.to_vec() };
        let IpAddr::V6(v6) = owner.peer else { panic!("odd ones have IPv6") };
        let text = |kind, place, text: String| leak(kind, place, format!(" {text} ").as_bytes());
        let store = "store";
        vec![
            text(Kind::Plaintext, "relay 0: log", owner.secret.clone()),
            text(Kind::Plaintext, store, owner.secret.clone()),
            text(Kind::Sender, "relay 0: metrics", owner.name.clone()),
            leak(Kind::Sender, store, stranger.device.address().as_bytes()),
            text(Kind::Sender, "collector", stranger.device.address().to_text()),
            text(Kind::Peer, "relay 0: log", self.people[100].peer.to_string()),
            text(Kind::Peer, "relay 0: log", format!("[{v6}]:{}", front::port(101))),
            leak(Kind::Peer, store, &v6.octets()),
            text(Kind::Time, "relay 0: log", (middle / 1_000_000).to_string()),
            text(Kind::Time, "relay 0: metrics", format!("{}.25", middle / 1_000_000_000)),
            leak(Kind::Time, "collector", &middle.to_le_bytes()),
            leak(Kind::Time, store, &(middle / 1_000_000).to_be_bytes()),
            text(Kind::Size, "relay 0: log", owner.length.to_string()),
            leak(Kind::Size, store, &(owner.length as u32).to_be_bytes()),
            text(Kind::Pair, "relay 0: log", owner.device.address().to_text()),
            leak(Kind::Pair, "collector", other.device.address().as_bytes()),
            leak(Kind::Pair, "mailbox", other.device.address().as_bytes()),
        ]
    }
}
