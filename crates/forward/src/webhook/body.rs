//! How events are put into the body of a request.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One event a line, each line ended by LF.
    Ndjson,
    /// One array of all events.
    JsonArray,
    /// One event per request, alone.
    Single,
}

impl Form {
    pub(super) const ALL: [Self; 3] = [Self::Ndjson, Self::JsonArray, Self::Single];

    /// The word in the settings.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::JsonArray => "json_array",
            Self::Single => "single",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::JsonArray | Self::Single => "application/json",
        }
    }

    /// The body of these events: the same bytes each time.
    pub(super) fn body(self, events: &[Bytes]) -> Bytes {
        let (open, between, close): (&[u8], &[u8], &[u8]) = match (self, events) {
            (Self::Single, [event]) => return event.clone(),
            (Self::JsonArray, _) => (b"[", b",", b"]"),
            (Self::Ndjson | Self::Single, _) => (b"", b"\n", b"\n"),
        };
        let size = events.iter().map(|event| event.len() + 1).sum::<usize>() + 2;
        let mut body = Vec::with_capacity(size);
        for (index, event) in events.iter().enumerate() {
            body.extend_from_slice(if index == 0 { open } else { between });
            body.extend_from_slice(event);
        }
        body.extend_from_slice(close);
        body.into()
    }
}

/// Compressed, without a time in it: the same bytes each time.
pub(super) fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(6));
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_hold_the_events_byte_for_byte() {
        let events = [
            Bytes::from_static(b"{ \"a\":1e400 }"),
            Bytes::from_static(b"{\"b\":\"\\ud800\"}"),
        ];
        let body = |form: Form, count| form.body(&events[..count]);
        assert_eq!(
            body(Form::Ndjson, 2),
            "{ \"a\":1e400 }\n{\"b\":\"\\ud800\"}\n"
        );
        assert_eq!(
            body(Form::JsonArray, 2),
            "[{ \"a\":1e400 },{\"b\":\"\\ud800\"}]"
        );
        assert_eq!(body(Form::JsonArray, 1), "[{ \"a\":1e400 }]");
        assert_eq!(body(Form::Single, 1), "{ \"a\":1e400 }");
    }

    #[test]
    fn compression_gives_the_same_bytes_each_time() {
        let body = b"{\"a\":1}\n".repeat(1000);
        let packed = gzip(&body).unwrap();
        assert_eq!(packed, gzip(&body).unwrap());
        // No modification time.
        assert_eq!(packed[4..8], [0; 4]);
        let mut unpacked = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(packed.as_slice());
        std::io::Read::read_to_end(&mut decoder, &mut unpacked).unwrap();
        assert_eq!(unpacked, body);
    }
}
