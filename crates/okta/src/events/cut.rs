//! The page cutter: one pass over the body that finds each event and its three fields.

use chrono::{DateTime, Utc};
use memchr::memchr2;

use super::scan::{Flaw, Scanner, Text};
use super::text::unescape;
use super::time::parse_published;

/// Where an event and its fields lie in the body; 40-odd bytes each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) event: Text,
    pub(super) uuid: Option<Text>,
    pub(super) event_type: Option<Text>,
    pub(super) published: Option<DateTime<Utc>>,
}

/// Finds the events of a page and takes the line breaks out of them.
///
/// The body is touched only once all of it has proven right.
pub(super) fn cut(body: &mut [u8]) -> Result<Vec<Span>, Flaw> {
    let spans = page(body)?;
    if memchr2(b'\r', b'\n', body).is_none() {
        return Ok(spans);
    }
    for span in &spans {
        // Line breaks inside strings are flaws, so all that are left stand between tokens.
        for byte in body.get_mut(span.event.range()).unwrap_or_default() {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }
    Ok(spans)
}

fn page(body: &[u8]) -> Result<Vec<Span>, Flaw> {
    let mut scanner = Scanner::new(body)?;
    let mut spans = Vec::new();
    scanner.blanks();
    if !scanner.eat(b'[') {
        return Err(scanner.flaw("an array of events"));
    }
    scanner.blanks();
    if !scanner.eat(b']') {
        loop {
            spans.push(event(&mut scanner, body)?);
            scanner.blanks();
            if scanner.eat(b']') {
                break;
            }
            if !scanner.eat(b',') {
                return Err(scanner.flaw("a comma or the end of the page"));
            }
            scanner.blanks();
        }
    }
    scanner.blanks();
    match scanner.peek() {
        None => Ok(spans),
        Some(_) => Err(scanner.flaw("nothing behind the page")),
    }
}

fn event(scanner: &mut Scanner<'_>, body: &[u8]) -> Result<Span, Flaw> {
    let mut span = Span::default();
    let start = scanner.at();
    if !scanner.eat(b'{') {
        return Err(scanner.flaw("an event, which is an object"));
    }
    scanner.blanks();
    if !scanner.eat(b'}') {
        loop {
            field(scanner, body, &mut span)?;
            scanner.blanks();
            if scanner.eat(b'}') {
                break;
            }
            if !scanner.eat(b',') {
                return Err(scanner.flaw("a comma or the end of an event"));
            }
            scanner.blanks();
        }
    }
    span.event = scanner.since(start);
    Ok(span)
}

fn field(scanner: &mut Scanner<'_>, body: &[u8], span: &mut Span) -> Result<(), Flaw> {
    let key = scanner.key()?;
    let value = if scanner.peek() == Some(b'"') {
        Some(scanner.string()?)
    } else {
        scanner.value()?;
        None
    };
    // A repeated key counts the last time, also when its value is then no string.
    match unescape(key.of(body)).as_ref() {
        b"uuid" => span.uuid = value,
        b"eventType" => span.event_type = value,
        b"published" => {
            span.published = value.and_then(|text| parse_published(&unescape(text.of(body))));
        }
        _ => {}
    }
    Ok(())
}
