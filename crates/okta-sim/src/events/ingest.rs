//! Events on their way in: from NDJSON, from lines in memory, from the generator.
//!
//! All or nothing: one invalid event refuses the whole, by its number. The bytes lie one after the other in
//! a few large shared chunks, so that millions of events cost little more than their own size.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use bytes::Bytes;
use chrono::DateTime;

use crate::events::scan::{ScanError, scan};

/// A chunk is closed once it is this long; a longer event gets a longer chunk.
const CHUNK: usize = 8 << 20;
const READ_BUFFER: usize = 1 << 20;

/// Valid events in order, byte for byte as they were given.
#[derive(Debug, Default)]
pub struct Events {
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) spans: Vec<Span>,
}

/// Where one event lies, and when it says it was published (milliseconds since 1970).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) chunk: u32,
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) published_ms: Option<i64>,
}

/// Why events were not taken in. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The line, or the event of that number, is not one JSON object.
    #[error("line {line} is not one JSON object: {flaw}")]
    Invalid {
        /// Its number.
        line: usize,
        /// What is wrong with it.
        flaw: ScanError,
    },
    /// NDJSON has no blank lines.
    #[error("line {line} is blank: every line must hold one JSON object")]
    Blank {
        /// Its number.
        line: usize,
    },
    /// Lines end in LF alone, and a CR elsewhere could not come out again byte for byte.
    #[error("line {line} holds a carriage return: lines end in LF alone")]
    CarriageReturn {
        /// Its number.
        line: usize,
    },
    /// The event is larger than the simulator can address (4 GiB).
    #[error("line {line} is larger than 4 GiB")]
    TooLarge {
        /// Its number.
        line: usize,
    },
    /// Reading failed.
    #[error("cannot read events: {0}")]
    Read(#[from] io::Error),
}

impl Events {
    /// Reads an NDJSON file: LF, one JSON object per line, no blank lines. The last LF may be missing.
    /// Blocks the thread while it reads.
    pub fn read_file(path: impl AsRef<Path>) -> Result<Self, EventsError> {
        Self::read_ndjson(BufReader::with_capacity(READ_BUFFER, File::open(path)?))
    }

    /// Reads NDJSON as [`Events::read_file`] does.
    pub fn read_ndjson(mut reader: impl BufRead) -> Result<Self, EventsError> {
        let mut events = EventsBuilder::default();
        while events.read_line(&mut reader)? {}
        Ok(events.finish())
    }

    /// Takes events from memory, one per item. Between its tokens an event may hold line breaks here.
    pub fn from_lines<I>(lines: I) -> Result<Self, EventsError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut events = EventsBuilder::default();
        for line in lines {
            events.push(line.as_ref())?;
        }
        Ok(events.finish())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

/// Collects events into chunks.
#[derive(Debug, Default)]
pub(crate) struct EventsBuilder {
    events: Events,
    open: Vec<u8>,
}

impl EventsBuilder {
    /// Adds one event.
    pub(crate) fn push(&mut self, event: &[u8]) -> Result<(), EventsError> {
        let start = self.open.len();
        self.open.extend_from_slice(event);
        self.take(start, event.len())
    }

    /// Adds the reader's next line; `false` at its end.
    fn read_line(&mut self, reader: &mut impl BufRead) -> Result<bool, EventsError> {
        let start = self.open.len();
        let read = reader.read_until(b'\n', &mut self.open)?;
        if read == 0 {
            return Ok(false);
        }
        let line = self.events.len() + 1;
        let bytes = self.open.get(start..).unwrap_or_default();
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(EventsError::Blank { line });
        }
        if bytes.contains(&b'\r') {
            return Err(EventsError::CarriageReturn { line });
        }
        let len = bytes.len();
        self.take(start, len)?;
        Ok(true)
    }

    pub(crate) fn finish(mut self) -> Events {
        self.close_chunk();
        self.events
    }

    /// Notes the event that lies at `start` of the open chunk.
    fn take(&mut self, start: usize, len: usize) -> Result<(), EventsError> {
        let line = self.events.len() + 1;
        let event = self.open.get(start..start + len).unwrap_or_default();
        let seen = scan(event).map_err(|flaw| EventsError::Invalid { line, flaw })?;
        let published_ms = seen.published.and_then(published_ms);
        let too_large = |_| EventsError::TooLarge { line };
        self.events.spans.push(Span {
            chunk: u32::try_from(self.events.chunks.len()).map_err(too_large)?,
            start: u32::try_from(start).map_err(too_large)?,
            len: u32::try_from(len).map_err(too_large)?,
            published_ms,
        });
        if self.open.len() >= CHUNK {
            self.close_chunk();
        }
        Ok(())
    }

    fn close_chunk(&mut self) {
        if !self.open.is_empty() {
            self.events
                .chunks
                .push(Bytes::from(std::mem::take(&mut self.open)));
        }
    }
}

fn published_ms(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.timestamp_millis())
}
