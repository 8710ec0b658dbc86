//! Makes an event small enough: first what is bulky is left out, in a fixed order, then all but the
//! fields that tell the event; in the worst case only the marks are left. It is never cut.
//!
//! The marks are at the top level of the event: `_truncated`, and `_original_bytes` and `_sha256` of the
//! event as Okta sent it. What is kept is kept byte for byte.

use std::borrow::Cow;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use super::omit::{Part, Step, omit};
use super::parts::{Unreadable, members, name};
use crate::formats::envelope;

/// Values of `debugData` that are longer are bulky; bytes as written.
const LONG: usize = 1024;

/// The fields that tell an event, the most telling first.
const IDENTITY: [&str; 9] = [
    "uuid",
    "published",
    "eventType",
    "severity",
    "outcome",
    "actor",
    "client",
    "displayMessage",
    "transaction",
];

const MARKS: [&str; 3] = ["_truncated", "_original_bytes", "_sha256"];

/// Something that is left out: where it is, which parts, and how it is called.
type Bulky = (&'static [Step], fn(Part<'_>) -> bool, &'static str);

/// In the order in which they are left out, until the event is small enough.
const BULKY: [Bulky; 3] = [
    (
        &[Step::Member("debugContext"), Step::Member("debugData")],
        |part| matches!(part, Part::Member(_, value) if value.len() > LONG),
        "long values of debugContext.debugData",
    ),
    (
        &[Step::Member("target"), Step::Elements],
        |part| matches!(part, Part::Member(Some("detailEntry"), _)),
        "target[].detailEntry",
    ),
    (
        &[Step::Member("request"), Step::Member("ipChain")],
        |part| matches!(part, Part::Element(1..)),
        "request.ipChain after the first",
    ),
];

/// An event that was made smaller, and what was left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Smaller {
    pub(super) entry: String,
    pub(super) left_out: String,
}

/// The rendered event in at most `limit` bytes; `None` if not even the marks fit.
pub(super) fn shrink(rendered: &str, limit: usize) -> Option<Smaller> {
    let (about, event) =
        envelope::halves(rendered).map_or((None, rendered), |(about, event)| (Some(about), event));
    let marks = marks(event);
    // Around the event: `{"collector":..,"event":` and `}`.
    let frame = about.map_or((String::new(), ""), |about| {
        (envelope::opening(about), envelope::CLOSING)
    });
    if let Some(room) = limit.checked_sub(frame.0.len() + frame.1.len()) {
        let smaller = without_bulky(event, &marks, room)
            .unwrap_or_default()
            .or_else(|| identity_only(event, &marks, room));
        if let Some(smaller) = smaller {
            return Some(Smaller {
                entry: [&frame.0, smaller.entry.as_str(), frame.1].concat(),
                ..smaller
            });
        }
    }
    identity_only(event, &marks, limit).map(|smaller| Smaller {
        left_out: format!("{}, {}", envelope::ABOUT, smaller.left_out),
        ..smaller
    })
}

fn marks(event: &str) -> String {
    let mut marks = format!(
        r#""_truncated":true,"_original_bytes":{},"_sha256":""#,
        event.len()
    );
    for byte in digest(&SHA256, event.as_bytes()).as_ref() {
        // Into memory: cannot fail.
        write!(marks, "{byte:02x}").ok();
    }
    marks.push('"');
    marks
}

/// Leaves out as much of what is bulky as it takes; `None` if that does not suffice.
fn without_bulky(event: &str, marks: &str, room: usize) -> Result<Option<Smaller>, Unreadable> {
    let mut left_out = Vec::new();
    let mut kept = Cow::Borrowed(event);
    // Marks that are not ours first.
    let marked: Bulky = (
        &[],
        |part| matches!(part, Part::Member(Some(name), _) if MARKS.contains(&name)),
        "marks like those of a shrunk event",
    );
    for (way, bulky, called) in [marked].iter().chain(&BULKY) {
        let mut out = String::with_capacity(kept.len());
        if omit(&kept, way, bulky, &mut out)? > 0 {
            left_out.push(*called);
        }
        kept = Cow::Owned(out);
        if let Some(members) = kept.strip_prefix('{').and_then(|it| it.strip_suffix('}'))
            && members.len() + marks.len() + 3 <= room
        {
            if left_out.is_empty() {
                left_out.push("blanks between tokens");
            }
            return Ok(Some(Smaller {
                entry: marked_object(members, marks),
                left_out: left_out.join(", "),
            }));
        }
    }
    Ok(None)
}

/// As many of the telling fields as there is room for; `None` if not even the marks fit.
fn identity_only(event: &str, marks: &str, room: usize) -> Option<Smaller> {
    let mut found = [None; IDENTITY.len()];
    // Of what is no object nothing is found.
    let read = members(event, |written, value| {
        let name = name(written);
        let wanted = IDENTITY.iter().zip(&mut found);
        for (_, found) in wanted.filter(|(wanted, _)| name.as_deref() == Some(**wanted)) {
            *found = Some(value);
        }
        Ok(())
    });
    let mut room = room.checked_sub(marks.len() + 2)?;
    let mut kept = Vec::new();
    let mut fields = String::new();
    let fitting = IDENTITY.iter().zip(found).filter(|_| read.is_ok());
    for (name, value) in fitting.filter_map(|(name, value)| Some((*name, value?))) {
        let separator = if fields.is_empty() { "" } else { "," };
        let field = format!(r#"{separator}"{name}":{value}"#);
        // The comma before the marks.
        let takes = field.len() + usize::from(fields.is_empty());
        if let Some(left) = room.checked_sub(takes) {
            room = left;
            kept.push(name);
            fields.push_str(&field);
        }
    }
    Some(Smaller {
        entry: marked_object(&fields, marks),
        left_out: match kept.as_slice() {
            [] => "everything".to_owned(),
            kept => format!("everything but {}", kept.join(", ")),
        },
    })
}

fn marked_object(members: &str, marks: &str) -> String {
    let comma = if members.trim().is_empty() { "" } else { "," };
    format!("{{{members}{comma}{marks}}}")
}

#[cfg(test)]
mod tests;
