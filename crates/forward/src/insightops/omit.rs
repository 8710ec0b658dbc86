//! Leaves parts out of a JSON text and keeps all others byte for byte.

use super::parts::{Unreadable, elements, members, name};

/// One step on the way to what is left out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// The member of this name, or every one of them.
    Member(&'static str),
    /// Every element.
    Elements,
}

/// What stands at the end of the way and may be left out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// The member of an object: its name, if that is a text, and its value.
    Member(Option<&'a str>, &'a str),
    /// The element of an array at this index.
    Element(usize),
}

/// Appends `json` to `out` without the parts at the end of `way` that are to be left out, and says how
/// many there were. Blanks between the tokens on the way go too.
///
/// # Errors
/// If the text is no JSON; `out` is then of no use.
pub(super) fn omit(
    json: &str,
    way: &[Step],
    left_out: &dyn Fn(Part<'_>) -> bool,
    out: &mut String,
) -> Result<usize, Unreadable> {
    let mut count = 0;
    let mut separator = "";
    match (way.split_first(), json.trim_start().as_bytes().first()) {
        (None | Some((Step::Member(_), _)), Some(b'{')) => {
            out.push('{');
            members(json, |written, value| {
                let name = name(written);
                let name = name.as_deref();
                if way.is_empty() && left_out(Part::Member(name, value)) {
                    count += 1;
                    return Ok(());
                }
                out.push_str(separator);
                separator = ",";
                out.push_str(written);
                out.push(':');
                match way.split_first() {
                    Some((Step::Member(wanted), rest)) if name == Some(*wanted) => {
                        count += omit(value, rest, left_out, out)?;
                    }
                    _ => out.push_str(value),
                }
                Ok(())
            })?;
            out.push('}');
        }
        (None | Some((Step::Elements, _)), Some(b'[')) => {
            let mut index = 0;
            out.push('[');
            elements(json, |value| {
                let part = Part::Element(index);
                index += 1;
                if way.is_empty() && left_out(part) {
                    count += 1;
                    return Ok(());
                }
                out.push_str(separator);
                separator = ",";
                match way.split_first() {
                    Some((_, rest)) => count += omit(value, rest, left_out, out)?,
                    None => out.push_str(value),
                }
                Ok(())
            })?;
            out.push(']');
        }
        _ => out.push_str(json),
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_x(json: &str, way: &[Step]) -> (String, usize) {
        let mut out = String::new();
        let x = |part: Part<'_>| {
            matches!(
                part,
                Part::Member(Some("x"), _) | Part::Element(1) | Part::Member(_, "7")
            )
        };
        let count = omit(json, way, &x, &mut out).unwrap();
        (out, count)
    }

    #[test]
    fn parts_at_the_end_of_the_way_are_left_out() {
        let way = [Step::Member("a"), Step::Elements];
        let json = r#"{ "a":[{"x":1,"y":1e400},{"x":2}, 3 ],"x":4, "a":{"x":5},"a":[[6, 7 ,8]]}"#;
        let left = r#"{"a":[{"y":1e400},{},3],"x":4,"a":{"x":5},"a":[[6,8]]}"#;
        assert_eq!(without_x(json, &way), (left.to_owned(), 3));
        assert_eq!(
            without_x(r#"{"y" : 7,"z":[ 1 ]}"#, &[]),
            (r#"{"z":[ 1 ]}"#.to_owned(), 1)
        );
        assert_eq!(without_x("[7,7]", &[]), ("[7]".to_owned(), 1));
    }

    #[test]
    fn where_the_way_does_not_lead_nothing_changes() {
        let way = [Step::Member("a"), Step::Member("b")];
        for json in [r#"{"a":[{"b":{"x":1}}]}"#, r#"{"a":7}"#, "1e400", "[ 1 ]"] {
            assert_eq!(without_x(json, &way), (json.to_owned(), 0));
        }
    }

    #[test]
    fn what_is_no_json_is_told() {
        let cut = r#"{"a":"#;
        assert!(omit(cut, &[], &|_| true, &mut String::new()).is_err());
    }
}
