//! Decides whether bytes are one JSON object, and nothing more.
//!
//! Accepts everything the grammar of JSON accepts, however odd: any depth, duplicate keys, numbers no
//! machine holds, lone surrogate escapes; and any bytes from 0x80 up inside strings, because events
//! with broken UTF-8 must be shown to collectors too. Iterative, so depth costs heap and not stack.

/// What is read of an event; the rest is opaque.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen<'a> {
    /// The raw text of the last top-level `published`, if that one is a string.
    pub(crate) published: Option<&'a [u8]>,
}

/// Why bytes are not one JSON object, and at which byte (counted from 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct ScanError {
    problem: &'static str,
    at: usize,
}

/// Checks that `bytes` are exactly one JSON object without anything around it.
pub(crate) fn scan(bytes: &[u8]) -> Result<Seen<'_>, ScanError> {
    let mut scanner = Scanner { bytes, at: 0 };
    if scanner.peek() != Some(b'{') {
        return Err(match scanner.peek() {
            Some(b' ' | b'\t' | b'\n' | b'\r') => scanner.error("a blank before the object"),
            _ => scanner.error("not a JSON object: no opening brace"),
        });
    }
    let seen = scanner.object()?;
    match scanner.peek() {
        None => Ok(seen),
        Some(_) => Err(scanner.error("something follows the object")),
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Reads the outermost object. `open` holds the closing byte of each container that is open.
    fn object(&mut self) -> Result<Seen<'a>, ScanError> {
        let mut open = Vec::with_capacity(16);
        let mut seen = Seen::default();
        let mut at_published = false;
        loop {
            self.blanks();
            let here = at_published && open.len() == 1;
            if here {
                seen.published = None;
            }
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    self.blanks();
                    open.push(b'}');
                    if self.peek() != Some(b'}') {
                        at_published = self.key()? == b"published";
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    self.blanks();
                    open.push(b']');
                    if self.peek() != Some(b']') {
                        continue;
                    }
                }
                Some(b'"') => {
                    let text = self.string()?;
                    if here {
                        seen.published = Some(text);
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(_) => return Err(self.error("a value was expected")),
                None => return Err(self.error("the object is not finished")),
            }
            loop {
                self.blanks();
                let Some(&close) = open.last() else {
                    return Ok(seen);
                };
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if close == b'}' {
                            self.blanks();
                            at_published = self.key()? == b"published";
                        }
                        break;
                    }
                    Some(byte) if byte == close => {
                        self.at += 1;
                        open.pop();
                        if open.is_empty() {
                            return Ok(seen);
                        }
                    }
                    Some(_) => return Err(self.error("a comma or a closing bracket was expected")),
                    None => return Err(self.error("the object is not finished")),
                }
            }
        }
    }

    /// A key with its colon.
    fn key(&mut self) -> Result<&'a [u8], ScanError> {
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return Err(self.error("a key was expected")),
            None => return Err(self.error("the object is not finished")),
        }
        let key = self.string()?;
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.error("a colon was expected"));
        }
        self.at += 1;
        Ok(key)
    }

    /// A string with its quotes; gives what is between them.
    fn string(&mut self) -> Result<&'a [u8], ScanError> {
        self.at += 1;
        let start = self.at;
        loop {
            let rest = self.rest();
            let special = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            self.at += special.unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => {
                    let text = self.bytes.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error("a raw control character inside a string")),
                None => return Err(self.error("a string is not finished")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        let length = match self.rest().get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => match self.rest().get(2..6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => 6,
                _ => return Err(self.error("an escape without four hexadecimal digits")),
            },
            _ => return Err(self.error("an unknown escape")),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), ScanError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let count = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            return Err(self.error("a digit was expected"));
        }
        self.at += count;
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), ScanError> {
        if !self.rest().starts_with(word) {
            return Err(self.error("a value was expected"));
        }
        self.at += word.len();
        Ok(())
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn error(&self, problem: &'static str) -> ScanError {
        ScanError {
            problem,
            at: self.at + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_top_level_published_counts_if_it_is_a_string() {
        let cases: [(&[u8], Option<&[u8]>); 5] = [
            (br#"{"published":"a"}"#, Some(b"a")),
            (br#"{"published":"a", "published" : "b"}"#, Some(b"b")),
            (br#"{"published":"a","published":7}"#, None),
            (br#"{"x":{"published":"a"},"y":["published","b"]}"#, None),
            (
                br#"{"published":"a","x":{"published":7},"z":"published"}"#,
                Some(b"a"),
            ),
        ];
        for (event, published) in cases {
            assert_eq!(scan(event).unwrap().published, published);
        }
    }

    #[test]
    fn a_million_open_brackets_need_no_stack() {
        let mut event = br#"{"a":"#.to_vec();
        event.extend(std::iter::repeat_n(b'[', 1_000_000));
        event.extend(std::iter::repeat_n(b']', 1_000_000));
        event.push(b'}');

        assert!(scan(&event).is_ok());
    }
}
