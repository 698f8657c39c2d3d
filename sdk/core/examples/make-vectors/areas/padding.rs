//! ISO/IEC 7816-4 padding.

use sealpost_core::padding::{pad, unpad};

use super::cases::{Area, Fields};

pub(crate) fn area() -> Area {
    let mut area = Area::new("padding", "pad: data to an exact length in bytes. unpad: back again.");
    let good: [(&str, &[u8], usize); 6] = [
        ("nothing", b"", 8),
        ("some", b"abc", 8),
        ("one byte of padding", b"abcdefg", 8),
        ("data of marks", &[0x80; 5], 8),
        ("data that ends in zeros", &[1, 0, 0], 8),
        ("the shortest", b"", 1),
    ];
    for (name, data, len) in good {
        let mut padded = data.to_vec();
        pad(&mut padded, len).unwrap();
        assert_eq!(unpad(&padded), Ok(data));
        let (data, padded) = (Fields::new().hex("data", data), Fields::new().hex("padded", &padded));
        let input = data.clone().number("length", len as u64);
        area.good(&format!("pad {name}"), "pad", input, padded.clone());
        area.good(&format!("unpad {name}"), "unpad", padded, data);
    }
    for (name, len) in [("data as long as the length", 3), ("data longer", 2), ("no length", 0)] {
        let input = Fields::new().hex("data", b"abc").number("length", len as u64);
        area.bad(name, "pad", input, "TooLong", pad(&mut b"abc".to_vec(), len));
    }
    let bad: [(&str, &[u8]); 6] = [
        ("empty", &[]),
        ("only zeros", &[0; 8]),
        ("no mark", &[1, 2, 3, 0]),
        ("a wrong mark", &[1, 2, 0x81, 0]),
        ("a mark with another bit", &[1, 0x40, 0]),
        ("something after the mark", &[1, 0x80, 0, 1]),
    ];
    for (name, padded) in bad {
        area.bad(name, "unpad", Fields::new().hex("padded", padded), "Malformed", unpad(padded));
    }
    area
}
