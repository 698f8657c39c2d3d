//! Traces.

use std::fmt;

/// What a part of a trace that begins elsewhere is added to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// 128 random bits, never all zero.
    trace: [u8; 16],
    /// 64 random bits, never all zero.
    span: [u8; 8],
    /// So many milliseconds are taken from every time of the trace.
    shift_ms: u16,
}

impl TraceParent {
    /// Bytes of one.
    pub const LEN: usize = 26;

    /// Trace id, span id, shift (big-endian).
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (trace, rest) = bytes.split_at_mut(16);
        let (span, shift) = rest.split_at_mut(8);
        trace.copy_from_slice(&self.trace);
        span.copy_from_slice(&self.span);
        shift.copy_from_slice(&self.shift_ms.to_be_bytes());
        bytes
    }

    /// `None` where an id is all zero, which none is.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        let (trace, rest) = bytes.split_first_chunk()?;
        let (span, shift) = rest.split_first_chunk()?;
        let shift_ms = u16::from_be_bytes(shift.try_into().ok()?);
        let is_none = *trace == [0; 16] || *span == [0; 8];
        (!is_none).then_some(Self { trace: *trace, span: *span, shift_ms })
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceParent(..)")
    }
}
