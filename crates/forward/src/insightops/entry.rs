//! The log entry of an event: what is posted, unless the event cannot be one.

use bytes::Bytes;

use super::shrink::shrink;

/// One log entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) bytes: Bytes,
    /// What was left out to make it fit, for a person.
    pub(super) left_out: Option<String>,
}

/// Why an event cannot be an entry: a stable word, and a detail for a person.
pub(super) type Unfit = (&'static str, String);

impl Entry {
    /// The rendered event as an entry of at most `limit` bytes. The bytes are shared if it fits as it is.
    ///
    /// InsightOps stores text, and of several lines only the first.
    pub(super) fn of(event: &Bytes, limit: usize) -> Result<Self, Unfit> {
        let text = std::str::from_utf8(event)
            .map_err(|error| ("not_utf8", format!("the event is not UTF-8: {error}")))?;
        if text.is_empty() || text.contains('\n') {
            return Err(("not_one_line", "the event is not one line".to_owned()));
        }
        if text.len() <= limit {
            return Ok(Self {
                bytes: event.clone(),
                left_out: None,
            });
        }
        let size = text.len();
        let smaller = shrink(text, limit).ok_or_else(|| {
            let detail = format!("nothing of an event of {size} bytes fits into {limit} bytes");
            ("too_large", detail)
        })?;
        let left_out = format!(
            "of {size} bytes at most {limit} fit; left out: {}",
            smaller.left_out
        );
        Ok(Self {
            bytes: smaller.entry.into(),
            left_out: Some(left_out),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfit(event: &'static [u8]) -> &'static str {
        Entry::of(&Bytes::from_static(event), 1024).unwrap_err().0
    }

    #[test]
    fn an_event_that_fits_is_shared_byte_for_byte() {
        let event = Bytes::from(format!(r#"{{ "a" : "{}" }}"#, "x".repeat(1012)));
        assert_eq!(event.len(), 1024);
        let entry = Entry::of(&event, 1024).unwrap();
        assert_eq!(entry.bytes.as_ptr(), event.as_ptr());
        assert_eq!((entry.bytes.len(), entry.left_out), (1024, None));
        assert!(Entry::of(&event, 1023).unwrap().left_out.is_some());
    }

    #[test]
    fn what_is_no_text_of_one_line_is_refused() {
        assert_eq!(unfit(b"{\"a\":\"\xff\"}"), "not_utf8");
        assert_eq!(unfit(b"{\"a\":\"\xed\xa0\x80\"}"), "not_utf8");
        assert_eq!(unfit(b"{\n}"), "not_one_line");
        assert_eq!(unfit(b""), "not_one_line");
    }
}
