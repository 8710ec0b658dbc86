//! A JSON checker on bytes: it says where values begin and end, and builds nothing.
//!
//! It accepts exactly the grammar of RFC 8259, with two freedoms: strings may hold any byte from 0x20
//! on, so invalid UTF-8 passes, and `\u` escapes may be lone surrogates. It never recurses; the open
//! brackets are kept on the heap.

/// How deep the values of an event may be nested.
const MAX_DEPTH: usize = 1 << 16;

/// Why a body is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {at}")]
pub struct Flaw {
    /// What should have stood there.
    pub expected: &'static str,
    /// Where, in bytes from the start of the body.
    pub at: usize,
}

/// A range of the body; 32 bits suffice because longer bodies are refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Text {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy)]
enum Inside {
    Array,
    Object,
}

pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Vec<Inside>,
}

impl Text {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the scanner refuses longer bodies"
    )]
    fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes of the range; empty if `body` is not the one it was made of.
    pub(super) fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.range()).unwrap_or_default()
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let scanner = Self {
            bytes,
            at: 0,
            open: Vec::new(),
        };
        match u32::try_from(bytes.len()) {
            Ok(_) => Ok(scanner),
            Err(_) => Err(Flaw {
                expected: "the end of the page",
                at: u32::MAX as usize,
            }),
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over the next byte if it is this one.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    pub(super) fn flaw(&self, expected: &'static str) -> Flaw {
        Flaw {
            expected,
            at: self.at.min(self.bytes.len()),
        }
    }

    pub(super) fn since(&self, start: usize) -> Text {
        Text::new(start, self.at)
    }

    /// Steps over `"key" :` and the blanks behind; the range is the key without its quotes.
    pub(super) fn key(&mut self) -> Result<Text, Flaw> {
        if self.peek() != Some(b'"') {
            return Err(self.flaw("a name in quotes"));
        }
        let key = self.string()?;
        self.blanks();
        if !self.eat(b':') {
            return Err(self.flaw("a colon"));
        }
        self.blanks();
        Ok(key)
    }

    /// Steps over a string whose opening quote is next; the range is what is between the quotes.
    pub(super) fn string(&mut self) -> Result<Text, Flaw> {
        let start = self.at + 1;
        self.at = start;
        loop {
            self.at += plain_bytes(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text::new(start, self.at - 1));
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.flaw("no control character in a string")),
                None => return Err(self.flaw("the end of a string")),
            }
        }
    }

    /// Steps over any value, whatever is in it.
    pub(super) fn value(&mut self) -> Result<(), Flaw> {
        loop {
            match self.peek() {
                Some(b'"') => _ = self.string()?,
                Some(b'{') => {
                    if self.enter(Inside::Object, b'}')? {
                        self.key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    if self.enter(Inside::Array, b']')? {
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return Err(self.flaw("a value")),
            }
            if !self.leave()? {
                return Ok(());
            }
        }
    }

    /// Opens a bracket; false if it is closed again at once.
    fn enter(&mut self, inside: Inside, close: u8) -> Result<bool, Flaw> {
        self.at += 1;
        self.blanks();
        if self.eat(close) {
            return Ok(false);
        }
        if self.open.len() == MAX_DEPTH {
            return Err(self.flaw("no deeper nesting"));
        }
        self.open.push(inside);
        Ok(true)
    }

    /// Behind a value: closes what ends there; true if another value follows, false at the end of the
    /// outermost.
    fn leave(&mut self) -> Result<bool, Flaw> {
        while let Some(inside) = self.open.last().copied() {
            self.blanks();
            match (inside, self.peek()) {
                (Inside::Array, Some(b']')) | (Inside::Object, Some(b'}')) => {
                    self.at += 1;
                    self.open.pop();
                }
                (Inside::Array, Some(b',')) => {
                    self.at += 1;
                    self.blanks();
                    return Ok(true);
                }
                (Inside::Object, Some(b',')) => {
                    self.at += 1;
                    self.blanks();
                    self.key()?;
                    return Ok(true);
                }
                (Inside::Array, _) => return Err(self.flaw("a comma or the end of an array")),
                (Inside::Object, _) => return Err(self.flaw("a comma or the end of an object")),
            }
        }
        Ok(false)
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return Err(self.flaw("four hexadecimal digits"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.flaw("an escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Flaw> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.flaw("a digit"));
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Flaw> {
        if !self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            return Err(self.flaw("true, false or null"));
        }
        self.at += word.len();
        Ok(())
    }
}

/// How many bytes at the front are neither a quote, a backslash nor a control character.
fn plain_bytes(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let marks = special_bytes(u64::from_le_bytes(*word));
        if marks != 0 {
            return i * 8 + (marks.trailing_zeros() / 8) as usize;
        }
    }
    let special = |b: &u8| matches!(b, b'"' | b'\\' | 0..0x20);
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Marks, by its highest bit, the lowest byte that is a quote, a backslash or below 0x20.
///
/// Eight bytes in a few instructions: subtracting borrows into the highest bit of each byte that is
/// smaller. A borrow may run on into higher bytes, so only the lowest mark is exact.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below = |x: u64, limit: u8| x.wrapping_sub(ONES * u64::from(limit)) & !x;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (is(b'"') | is(b'\\') | below(word, 0x20)) & HIGH
}
