//! The `after` parameter, opaque to clients: `<ms>_<n>` going up, the last event's uuid going down.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::events::EventLog;

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    Up(Place),
    /// Behind the event of this uuid, published at `until`.
    Down(String),
}

/// Stands behind the `n`-th of the events of one millisecond, counted from 1; `n` = 0 is the place
/// before the first of them. Polling counts by persistence time, bounded queries by `published`. It stays
/// true however many events come later, because later ones of the same millisecond follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) ms: i64,
    pub(crate) n: usize,
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if is_uuid(text) {
            return Ok(Self::Down(text.to_owned()));
        }
        let (ms, n) = text.split_once('_').ok_or(())?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(ms.strip_prefix('-').unwrap_or(ms)) || !digits(n) {
            return Err(());
        }
        Ok(Self::Up(Place {
            ms: ms.parse().map_err(drop)?,
            n: n.parse().map_err(drop)?,
        }))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(Place { ms, n }) => write!(f, "{ms}_{n}"),
            Self::Down(uuid) => f.write_str(uuid),
        }
    }
}

/// What names an event going down: its uuid, or, where it has none, one made of its place in the log.
pub(crate) fn name_of(log: &EventLog, index: usize) -> String {
    let bytes = log.bytes(index).unwrap_or_default();
    let event: Option<Value> = serde_json::from_slice(&bytes).ok();
    let uuid = event.as_ref().and_then(|event| event.get("uuid")?.as_str());
    match uuid.filter(|uuid| is_uuid(uuid)) {
        Some(uuid) => uuid.to_owned(),
        None => format!("00000000-0000-0000-0000-{index:012x}"),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
