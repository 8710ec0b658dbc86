//! The events of one page, cut out of the body that Okta sent without taking it apart.
//!
//! The body stays one buffer and an event is a range of it, byte for byte as Okta wrote it. The only
//! change ever made: a CR or LF between two tokens of an event becomes a blank, so that an event is one
//! line. The whole JSON grammar is checked, so every event of a page that was cut is an object that any
//! reader accepts; bytes inside strings are not looked at and may be invalid UTF-8.

mod cut;
mod identity;
mod scan;
mod text;
mod time;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Utc};

use cut::Span;
pub use scan::Flaw;
use scan::Text;

/// The events of a page in Okta's order, with the body they lie in.
#[derive(Clone, Default)]
pub struct Events {
    body: Vec<u8>,
    spans: Vec<Span>,
}

/// One event: its bytes, and the three fields that anything here looks at.
///
/// A field counts only at the top level of the event and if it is a string; of a repeated field the last
/// one counts.
#[derive(Clone, Copy)]
pub struct EventRef<'a> {
    body: &'a [u8],
    span: &'a Span,
}

impl Events {
    /// Cuts a body that must be a JSON array of objects.
    ///
    /// # Errors
    /// What is wrong and where, with the body as it was given. Objects nested deeper than 65,536
    /// levels and bodies of 4 GiB and more count as wrong too.
    pub fn cut(mut body: Vec<u8>) -> Result<Self, (Flaw, Vec<u8>)> {
        match cut::cut(&mut body) {
            Ok(spans) => Ok(Self { body, spans }),
            Err(flaw) => Err((flaw, body)),
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the page held no event.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The event at an index, counted from 0.
    pub fn get(&self, index: usize) -> Option<EventRef<'_>> {
        self.spans.get(index).map(|span| EventRef {
            body: &self.body,
            span,
        })
    }

    /// The events in Okta's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventRef<'_>> + DoubleEndedIterator {
        self.spans.iter().map(|span| EventRef {
            body: &self.body,
            span,
        })
    }

    /// Appends the events of `range` to `out`, each followed by an LF; what lies past the end is left
    /// out.
    pub fn write_ndjson(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let end = range.end.min(self.len());
        for span in self.spans.get(range.start..end).unwrap_or_default() {
            out.extend_from_slice(span.event.of(&self.body));
            out.push(b'\n');
        }
    }
}

impl<'a> EventRef<'a> {
    /// The event's bytes, one JSON object without a line break in it.
    pub fn raw(&self) -> &'a [u8] {
        self.span.event.of(self.body)
    }

    /// The `uuid`, whatever it holds; bytes that are no UTF-8 are replaced.
    pub fn uuid(&self) -> Option<Cow<'a, str>> {
        self.text(self.span.uuid).map(lossy)
    }

    /// The `eventType`; bytes that are no UTF-8 are replaced.
    pub fn event_type(&self) -> Option<Cow<'a, str>> {
        self.text(self.span.event_type).map(lossy)
    }

    /// The `published` time to the microsecond, if it is a possible one.
    pub fn published(&self) -> Option<DateTime<Utc>> {
        self.span.published
    }

    /// What the event is told by: its UUID, else a hash of its `uuid` text, else a hash of its bytes.
    pub fn identity(&self) -> [u8; 16] {
        match self.text(self.span.uuid) {
            Some(uuid) => identity::of_uuid(&uuid),
            None => identity::of_event(self.raw()),
        }
    }

    /// A hash of the event's bytes: equal identity and equal content is the same event again.
    pub fn content(&self) -> [u8; 8] {
        identity::content(self.raw())
    }

    fn text(&self, text: Option<Text>) -> Option<Cow<'a, [u8]>> {
        text.map(|text| text::unescape(text.of(self.body)))
    }
}

fn lossy(text: Cow<'_, [u8]>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} in {} bytes)", self.len(), self.body.len())
    }
}

impl fmt::Debug for EventRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EventRef({} bytes, uuid {:?})",
            self.raw().len(),
            self.uuid()
        )
    }
}

#[cfg(test)]
mod tests;
