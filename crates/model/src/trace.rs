//! The W3C trace context of a request, as it travels in the header `traceparent` and in the row of a job.

use std::fmt;

/// Who caused something: a trace, a span in it, and whether it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never zero.
    pub trace_id: [u8; 16],
    /// The span; never zero.
    pub span_id: [u8; 8],
    /// Bit 0: recorded.
    pub flags: u8,
}

impl TraceParent {
    /// Reads a `traceparent`. Of later versions the part that is like version 00; `None` for anything
    /// that the standard calls invalid.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version: [u8; 1] = hex(parts.next()?)?;
        let trace_id = hex(parts.next()?)?;
        let span_id = hex(parts.next()?)?;
        let [flags] = hex(parts.next()?)?;
        let more = parts.next().is_some();
        let valid = version != [0xff]
            && (version != [0] || !more)
            && trace_id != [0; 16]
            && span_id != [0; 8];
        valid.then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace = u128::from_be_bytes(self.trace_id);
        let span = u64::from_be_bytes(self.span_id);
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

/// Exactly `N` bytes of lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_parent_is_read_and_written_alike() {
        let parent = TraceParent::parse(GOOD).unwrap();
        assert_eq!(
            (parent.trace_id[0], parent.span_id[0], parent.flags),
            (0x0a, 0xb7, 1)
        );
        assert_eq!(parent.to_string(), GOOD);
        let later = GOOD.replace("00-", "01-") + "-what-comes-later";
        assert_eq!(TraceParent::parse(&later), Some(parent));
    }

    #[test]
    fn what_the_standard_calls_invalid_is_none() {
        let zero_trace = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let zero_span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
        for text in [
            "",
            "00",
            zero_trace,
            zero_span,
            &GOOD.replace("0a", "0A"),
            &GOOD.replace("00-", "ff-"),
            &format!("{GOOD}-more"),
            &GOOD.replace("-01", "-1"),
            &GOOD.replace("-01", "-0é"),
            &GOOD.replace("0af", "0a"),
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }
}
