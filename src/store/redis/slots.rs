//! In which of a Redis Cluster's slots a key is
//! (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model>).

/// How many there are.
pub(super) const SLOTS: u16 = 16384;

/// The slot of what stands between a key's braces.
pub(super) fn of_tag(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0u16, |crc, byte| {
        let [high, low] = crc.to_be_bytes();
        u16::from_be_bytes([low, 0]) ^ TABLE.get(usize::from(high ^ byte)).copied().unwrap_or(0)
    });
    crc % SLOTS
}

/// CRC-16/XMODEM, polynomial 0x1021.
static TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut rest: &mut [u16] = &mut table;
    let mut byte: u16 = 0;
    while let Some((first, others)) = rest.split_first_mut() {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        *first = crc;
        byte += 1;
        rest = others;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(of_tag(b"123456789"), 0x31c3 % SLOTS);
        // As `CLUSTER KEYSLOT` answers.
        assert_eq!(of_tag(b"foo"), 12182);
        assert_eq!(of_tag(b"somekey"), 11058);
        assert_eq!(of_tag(b""), 0);
    }
}
