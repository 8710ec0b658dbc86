//! Finds the events in a body without building them: millions go through a benchmark.

use std::ops::Range;

/// Gives the lines of NDJSON; empty ones do not count. `None` if a line is no object by its ends.
pub(crate) fn lines(body: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', body).chain([body.len()]) {
        let line = trim(body, start..end);
        if !line.is_empty() {
            if !is_object(body, &line) {
                return None;
            }
            found.push(line);
        }
        start = end + 1;
    }
    Some(found)
}

/// Gives the elements of an array, or one range for a single object. `None` if it is neither, or ends
/// early; what is inside an element is not looked at further than its ends need.
pub(crate) fn values(body: &[u8]) -> Option<Vec<Range<usize>>> {
    let whole = trim(body, 0..body.len());
    match body.get(whole.start)? {
        b'{' => {
            let end = end_of_object(body, whole.start)?;
            (end == whole.end).then(|| vec![whole])
        }
        b'[' => elements(body, &whole),
        _ => None,
    }
}

fn elements(body: &[u8], array: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut at = skip_space(body, array.start + 1);
    if body.get(at) == Some(&b']') {
        return (at + 1 == array.end).then_some(found);
    }
    loop {
        if body.get(at) != Some(&b'{') {
            return None;
        }
        let end = end_of_object(body, at)?;
        found.push(at..end);
        at = skip_space(body, end);
        match body.get(at)? {
            b',' => at = skip_space(body, at + 1),
            b']' => return (at + 1 == array.end).then_some(found),
            _ => return None,
        }
    }
}

/// Gives the place behind the object that begins at `start`.
fn end_of_object(body: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        match body.get(at)? {
            b'"' => at = end_of_string(body, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Gives the place of the quotation mark that ends the string whose text begins at `at`.
fn end_of_string(body: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', body.get(at..)?)?;
        if body.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn is_object(body: &[u8], range: &Range<usize>) -> bool {
    body.get(range.start) == Some(&b'{') && body.get(range.end - 1) == Some(&b'}')
}

fn skip_space(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| is_space(**byte)).count()
}

fn trim(body: &[u8], range: Range<usize>) -> Range<usize> {
    let start = skip_space(body, range.start).min(range.end);
    let text = body.get(start..range.end).unwrap_or_default();
    let behind = text.iter().rev().take_while(|byte| is_space(**byte));
    start..range.end - behind.count()
}

/// The white space of JSON.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str, ranges: Option<Vec<Range<usize>>>) -> Option<Vec<&str>> {
        let ranges = ranges?.into_iter();
        Some(ranges.map(|range| body.get(range).unwrap()).collect())
    }

    #[test]
    fn lines_are_objects_and_empty_ones_do_not_count() {
        let seen = |body: &'static str| found(body, lines(body.as_bytes()));
        assert_eq!(seen("{\"a\":1}\n{}"), Some(vec!["{\"a\":1}", "{}"]));
        assert_eq!(seen("{}\r\n\n {} \n"), Some(vec!["{}", "{}"]));
        assert_eq!(seen(""), Some(vec![]));
        assert_eq!(seen("{}\n[1]\n"), None);
        assert_eq!(seen("{\"a\":\n1}\n"), None);
    }

    #[test]
    fn elements_are_found_whatever_their_strings_hold() {
        let seen = |body: &'static str| found(body, values(body.as_bytes()));
        let hostile = r#"{"a":"]},{\"[","b":["\\",{"c":"}"}]}"#;
        let body = format!("[{hostile} ,\n {{}},{hostile}]\n");
        assert_eq!(
            found(&body, values(body.as_bytes())),
            Some(vec![hostile, "{}", hostile])
        );
        assert_eq!(seen(" { } "), Some(vec!["{ }"]));
        assert_eq!(seen("[ ]"), Some(vec![]));
    }

    #[test]
    fn what_is_no_array_and_no_object_is_nothing() {
        for body in [
            "", "1", "[", "[{}", "[{},]", "[{}]{}", "{}{}", "{", "[1]", "[{\"a]}", "[{\"a\\",
            "[{}{}]",
        ] {
            assert_eq!(values(body.as_bytes()), None, "{body}");
        }
    }
}
