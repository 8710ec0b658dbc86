//! Events as bytes: one shared buffer and where each event lies in it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// Events in order. Clones and slices share buffer and ranges, so both are cheap.
#[derive(Clone, Default)]
pub struct Events {
    buffer: Bytes,
    /// Every range lies in the buffer.
    ranges: Arc<[Range<usize>]>,
    /// The part of `ranges` that counts.
    window: Range<usize>,
}

impl Events {
    /// The events at these ranges of the buffer; `None` if one is not inside it.
    pub fn new(buffer: Bytes, ranges: impl IntoIterator<Item = Range<usize>>) -> Option<Self> {
        let ranges: Arc<[Range<usize>]> = ranges.into_iter().collect();
        let window = 0..ranges.len();
        ranges
            .iter()
            .all(|range| buffer.get(range.clone()).is_some())
            .then_some(Self {
                buffer,
                ranges,
                window,
            })
    }

    /// The lines of an NDJSON buffer, without their LF; the last one may lack it.
    pub fn from_lines(buffer: impl Into<Bytes>) -> Self {
        let buffer = buffer.into();
        let mut start = 0;
        let mut ranges: Vec<_> = memchr::memchr_iter(b'\n', &buffer)
            .map(|end| std::mem::replace(&mut start, end + 1)..end)
            .collect();
        if start < buffer.len() {
            ranges.push(start..buffer.len());
        }
        Self {
            window: 0..ranges.len(),
            ranges: ranges.into(),
            buffer,
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// How many bytes the events have together, without anything between them.
    pub fn total_bytes(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }

    /// The events in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator + Clone {
        self.ranges
            .get(self.window.clone())
            .unwrap_or_default()
            .iter()
            .map(|range| self.buffer.get(range.clone()).unwrap_or_default())
    }

    /// The events in order, each a share of the buffer.
    pub(crate) fn shared(&self) -> impl Iterator<Item = Bytes> + '_ {
        let ranges = self.ranges.get(self.window.clone()).unwrap_or_default();
        // Panics never: every range lies in the buffer.
        ranges.iter().map(|range| self.buffer.slice(range.clone()))
    }

    /// The events `range` of these, as far as there are such; the buffer is shared.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        Self {
            buffer: self.buffer.clone(),
            ranges: Arc::clone(&self.ranges),
            window: self.window.start + start..self.window.start + end,
        }
    }
}

impl fmt::Debug for Events {
    /// Events hold personal data, so only their number is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(events: &Events) -> Vec<&[u8]> {
        events.iter().collect()
    }

    #[test]
    fn lines_are_events_with_or_without_a_last_lf() {
        assert_eq!(
            collect(&Events::from_lines("a\nbc\n")),
            [b"a" as &[u8], b"bc"]
        );
        assert_eq!(
            collect(&Events::from_lines("a\nbc")),
            [b"a" as &[u8], b"bc"]
        );
        assert_eq!(collect(&Events::from_lines("\n")), [b""]);
        assert!(Events::from_lines("").is_empty());
        assert_eq!(Events::from_lines("a\nbc\n").total_bytes(), 3);
    }

    #[test]
    fn a_slice_of_a_slice_shares_the_buffer_and_stays_inside() {
        let all = Events::from_lines("a\nb\nc\nd\n");
        let middle = all.slice(1..3);
        assert_eq!(collect(&middle), [b"b", b"c"]);
        assert_eq!(collect(&middle.slice(1..9)), [b"c"]);
        assert!(middle.slice(5..9).is_empty());
        assert_eq!(middle.buffer.as_ptr(), all.buffer.as_ptr());
    }

    #[test]
    fn ranges_outside_the_buffer_are_refused() {
        let buffer = Bytes::from_static(b"abc");
        let events = Events::new(buffer.clone(), [1..3, 0..1]).unwrap();
        assert_eq!(collect(&events), [b"bc" as &[u8], b"a"]);
        assert!(Events::new(buffer, [0..1, 2..4]).is_none());
    }
}
