//! The parts of a JSON object or array, one after the other, as the very text they have: nothing is
//! decoded, so no number is too large and no nesting too deep.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

/// Text that is not the JSON it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Calls `each` with every member of an object: its name as written, with quotes, and its value.
pub(super) fn members<'a>(
    json: &'a str,
    each: impl FnMut(&'a str, &'a str) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let visited = Deserializer::from_str(json).deserialize_map(Members(each));
    visited.map_err(|_| Unreadable)
}

/// Calls `each` with every element of an array.
pub(super) fn elements<'a>(
    json: &'a str,
    each: impl FnMut(&'a str) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let visited = Deserializer::from_str(json).deserialize_seq(Elements(each));
    visited.map_err(|_| Unreadable)
}

/// What a name as written means; `None` if it is no text, such as half a surrogate pair.
pub(super) fn name(written: &str) -> Option<Cow<'_, str>> {
    if written.contains('\\') {
        return serde_json::from_str(written).ok().map(Cow::Owned);
    }
    let name = written.strip_prefix('"')?.strip_suffix('"')?;
    Some(Cow::Borrowed(name))
}

struct Members<F>(F);

impl<'de, F: FnMut(&'de str, &'de str) -> Result<(), Unreadable>> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            (self.0)(name.get(), value.get()).map_err(|_| A::Error::custom("unreadable"))?;
        }
        Ok(())
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&'de str) -> Result<(), Unreadable>> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(value) = sequence.next_element::<&RawValue>()? {
            (self.0)(value.get()).map_err(|_| A::Error::custom("unreadable"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(json: &str) -> Result<Vec<(&str, &str)>, Unreadable> {
        let mut all = Vec::new();
        members(json, |name, value| {
            all.push((name, value));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn parts_are_given_as_they_are_written() {
        let odd =
            r#" {"a" : 1e400 ,"a":[ {"b":"\ud800"} ], "\ud800\n": "\u00e9é" , "\u0061":-0.0e+9}"#;
        let expected = [
            (r#""a""#, "1e400"),
            (r#""a""#, r#"[ {"b":"\ud800"} ]"#),
            (r#""\ud800\n""#, r#""\u00e9é""#),
            (r#""\u0061""#, "-0.0e+9"),
        ];
        assert_eq!(all(odd).unwrap(), expected);
        assert_eq!(all("[]"), Err(Unreadable));
        assert_eq!(all(r#"{"a":1,}"#), Err(Unreadable));
    }

    #[test]
    fn depth_is_no_matter() {
        let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
        let object = format!(r#"{{"a":{deep}}}"#);
        assert_eq!(all(&object).unwrap(), [(r#""a""#, deep.as_str())]);
        let mut found = 0;
        elements(&deep, |inner| {
            found += inner.len();
            Ok(())
        })
        .unwrap();
        assert_eq!(found, deep.len() - 2);
    }

    #[test]
    fn names_are_told_by_what_they_mean() {
        assert_eq!(name(r#""uuid""#).unwrap(), "uuid");
        assert_eq!(name(r#""\u0075uid""#).unwrap(), "uuid");
        assert_eq!(name(r#""\ud800""#), None);
    }
}
