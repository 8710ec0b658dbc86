//! What InsightOps makes of a body posted to `/v1/noformat/{token}`.
//!
//! Its answers hide most of what goes wrong: a body is cut at its first line feed and an entry that is too
//! long is torn to pieces, both with a 204. The limits are those measured by others (one account, one
//! region, one day), not promised by Rapid7.

use bytes::Bytes;
use uuid::Uuid;

/// Bytes of the longest entry that stays whole, without its line feed.
pub const LONGEST_ENTRY: usize = 32_767;
/// Bytes from which on a body is refused, without its last line feed.
pub const TOO_LARGE: usize = 65_536;

/// Length of a UUID in the one form that tokens have.
const HYPHENATED: usize = 36;

/// What is kept of a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// No piece, one, or those of a split entry.
    pub(crate) entries: Vec<Bytes>,
    pub(crate) cut: bool,
    pub(crate) garbled: bool,
}

/// Reads a token; `None` if it cannot be one.
pub(crate) fn token(text: &str) -> Option<Uuid> {
    let token = Uuid::try_parse(text).ok()?;
    (text.len() == HYPHENATED).then_some(token)
}

/// Says what is kept; `None` if the body is too large.
pub(crate) fn keep(body: &Bytes) -> Option<Kept> {
    let end = body.len() - usize::from(body.last() == Some(&b'\n'));
    if end >= TOO_LARGE {
        return None;
    }
    let line = memchr::memchr(b'\n', body).unwrap_or(end);
    let entry = body.slice(..line);
    let garbled = std::str::from_utf8(&entry).is_err();
    let entries = if entry.is_empty() {
        Vec::new()
    } else if !garbled && entry.len() <= LONGEST_ENTRY {
        vec![entry]
    } else {
        // A torn code point becomes U+FFFD on both sides.
        let text = |piece: &[u8]| Bytes::from(String::from_utf8_lossy(piece).into_owned());
        entry.chunks(LONGEST_ENTRY).map(text).collect()
    };
    Some(Kept {
        entries,
        cut: line < end,
        garbled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(body: impl Into<Bytes>) -> Kept {
        keep(&body.into()).expect("it is not too large")
    }

    #[test]
    fn only_the_first_line_stays_and_its_line_feed_is_no_part_of_it() {
        assert_eq!(kept("one").entries, ["one"]);
        assert_eq!(kept("one\n").entries, ["one"]);
        assert!(!kept("one\n").cut);
        assert_eq!(kept("one\ntwo\n").entries, ["one"]);
        assert!(kept("one\ntwo").cut && kept("one\n\n").cut);
        assert_eq!(kept("o\rne").entries, ["o\rne"]);
        assert!(kept("").entries.is_empty() && kept("\n").entries.is_empty());
    }

    #[test]
    fn an_entry_is_whole_up_to_the_limit_and_torn_above_it() {
        let whole = "x".repeat(LONGEST_ENTRY);
        for body in [whole.clone(), format!("{whole}\n")] {
            assert_eq!(kept(body).entries, [whole.as_str()]);
        }
        assert_eq!(kept(format!("{whole}y")).entries, [whole.as_str(), "y"]);

        let torn = kept(format!("{}é!", "x".repeat(LONGEST_ENTRY - 1)));
        assert_eq!(torn.entries.len(), 2);
        assert!(torn.entries[0].ends_with("x\u{fffd}".as_bytes()));
        assert_eq!(torn.entries[1], "\u{fffd}!");
        assert!(!torn.garbled, "it was UTF-8 when it came");

        let largest = kept(format!("{}\n", "x".repeat(TOO_LARGE - 1)));
        let lengths: Vec<usize> = largest.entries.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [LONGEST_ENTRY, LONGEST_ENTRY, 1]);
        assert_eq!(keep(&Bytes::from("x".repeat(TOO_LARGE))), None);
    }

    #[test]
    fn what_is_no_utf8_is_kept_lossily_and_told() {
        let kept = kept(&b"a\xffb"[..]);
        assert!(kept.garbled);
        assert_eq!(kept.entries, ["a\u{fffd}b"]);
    }

    #[test]
    fn a_token_is_a_uuid_with_hyphens() {
        assert!(token("6c1f5cb0-9f3a-4a4c-8d2b-2f2d1c9e7a55").is_some());
        for text in [
            "not-a-token",
            "6c1f5cb09f3a4a4c8d2b2f2d1c9e7a55",
            "{6c1f5cb0-9f3a-4a4c-8d2b-2f2d1c9e7a55}",
            "",
        ] {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
