//! What a node of a Cluster says about all of them, and which slot a key is in.

use std::ops::RangeInclusive;

/// How many slots there are.
pub(crate) const SLOTS: u16 = 16_384;

/// The slot of a key: of the part between its first braces, if there is any.
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let length = rest.iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &rest[..length])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    })
}

/// A node as another one sees it: a line of `CLUSTER NODES`.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// Whose replica it is.
    pub(crate) replica_of: Option<String>,
    pub(crate) slots: Vec<RangeInclusive<u16>>,
    /// It is known to all to have failed.
    pub(crate) failed: bool,
    /// There is nothing against it.
    pub(crate) well: bool,
}

impl Node {
    pub(crate) fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    /// What all nodes have to agree on.
    pub(crate) fn place(&self) -> (&str, Option<&str>, &[RangeInclusive<u16>]) {
        (&self.id, self.replica_of.as_deref(), &self.slots)
    }

    /// Reads `id address flags primary ping pong epoch link slot…`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let id = words.next()?.to_owned();
        let _address = words.next()?;
        let flags: Vec<&str> = words.next()?.split(',').collect();
        let primary = words.next()?;
        let connected = words.nth(3)? == "connected";
        let slots = words.filter(|word| !word.starts_with('[')).map(range).collect::<Option<_>>()?;
        let trouble = ["fail", "fail?", "handshake", "noaddr"];
        Some(Self {
            id,
            replica_of: (primary != "-").then(|| primary.to_owned()),
            slots,
            failed: flags.contains(&"fail"),
            well: connected && !flags.iter().any(|flag| trouble.contains(flag)),
        })
    }
}

/// All nodes that a node knows, in the order of their ids; nothing if the text is something else.
pub(crate) fn parse(text: &str) -> Option<Vec<Node>> {
    let mut nodes: Vec<_> = text.lines().map(Node::parse).collect::<Option<_>>()?;
    nodes.sort_by(|one, other| one.id.cmp(&other.id));
    Some(nodes)
}

fn range(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
        assert_ne!(slot_of(b"foo{}{bar}"), slot_of(b"bar"));
    }

    #[test]
    fn a_line_says_whose_replica_a_node_is_and_what_it_owns() {
        let text = "b 127.0.0.1:1@2,host slave,fail? a 0 1 2 connected\n\
                    a 127.0.0.1:3@4 myself,master - 0 0 1 connected 0-5 7 [7->-c]\n";
        let nodes = parse(text).unwrap();
        assert_eq!(nodes[0].place(), ("a", None, [0..=5, 7..=7].as_slice()));
        assert!(nodes[0].well && nodes[0].owns(7) && !nodes[0].owns(6));
        assert_eq!(nodes[1].place(), ("b", Some("a"), [].as_slice()));
        assert!(!nodes[1].well && !nodes[1].failed);
    }
}
