//! What a JSON string says, once its escapes are undone.

use std::borrow::Cow;

use memchr::memchr;

/// Undoes the escapes of a string that was checked before, given without its quotes.
///
/// The result is bytes: invalid UTF-8 stays as it is, and a lone surrogate becomes the three bytes that
/// UTF-8 would give it, so that different texts stay different.
pub(super) fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', raw) else {
        return Cow::Borrowed(raw);
    };
    let mut out = Vec::with_capacity(raw.len());
    let (mut plain, mut rest) = raw.split_at(first);
    loop {
        out.extend_from_slice(plain);
        if rest.is_empty() {
            return Cow::Owned(out);
        }
        rest = undo_one(rest, &mut out);
        (plain, rest) = rest.split_at(memchr(b'\\', rest).unwrap_or(rest.len()));
    }
}

/// Undoes the escape at the front of `text` and gives back what follows it.
fn undo_one<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (byte, rest) = match text {
        [b'\\', b'u', rest @ ..] => return undo_unicode(rest, out),
        [b'\\', b'b', rest @ ..] => (0x08, rest),
        [b'\\', b'f', rest @ ..] => (0x0c, rest),
        [b'\\', b'n', rest @ ..] => (b'\n', rest),
        [b'\\', b'r', rest @ ..] => (b'\r', rest),
        [b'\\', b't', rest @ ..] => (b'\t', rest),
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (*byte, rest),
        [] => return text,
    };
    out.push(byte);
    rest
}

fn undo_unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (unit, rest) = code_unit(text);
    if (0xd800..0xdc00).contains(&unit)
        && let [b'\\', b'u', second @ ..] = rest
        && let (low @ 0xdc00..0xe000, behind) = code_unit(second)
    {
        push_code_point(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00), out);
        return behind;
    }
    push_code_point(unit, out);
    rest
}

/// Four hexadecimal digits and what follows them.
fn code_unit(text: &[u8]) -> (u32, &[u8]) {
    let (digits, rest) = text.split_at(text.len().min(4));
    let digit = |b: &u8| char::from(*b).to_digit(16).unwrap_or(0);
    (digits.iter().fold(0, |unit, b| unit * 16 + digit(b)), rest)
}

#[expect(clippy::cast_possible_truncation, reason = "six bits at a time")]
fn push_code_point(point: u32, out: &mut Vec<u8>) {
    match char::from_u32(point) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        // A lone surrogate, between U+D800 and U+DFFF.
        None => out.extend_from_slice(&[
            0xe0 | (point >> 12) as u8,
            0x80 | (point >> 6 & 0x3f) as u8,
            0x80 | (point & 0x3f) as u8,
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let table: [(&str, &[u8]); 9] = [
            ("plain", b"plain"),
            (r#"\"\\\/\b\f\n\r\t"#, b"\"\\/\x08\x0c\n\r\t"),
            (r"\u0075uid", b"uuid"),
            (r"a\u00e9b\u20AC", "aéb€".as_bytes()),
            (r"\ud83d\ude00", "😀".as_bytes()),
            (r"\ud83dx", b"\xed\xa0\xbdx"),
            (r"\ude00\ud83d", b"\xed\xb8\x80\xed\xa0\xbd"),
            (r"\ud83d\u0041", b"\xed\xa0\xbdA"),
            (r"\\u0041", br"\u0041"),
        ];
        for (raw, text) in table {
            assert_eq!(unescape(raw.as_bytes()).as_ref(), text, "{raw}");
        }
        assert_eq!(unescape(b"\xff\\n\xfe").as_ref(), b"\xff\n\xfe");
    }
}
