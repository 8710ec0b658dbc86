//! The `after` parameter: `<ms>_<n>`, opaque to clients.

use std::fmt;
use std::str::FromStr;

/// Stands behind the `n`-th of the events of one millisecond, counted from 1; `n` = 0 is the place
/// before the first of them. Polling counts by persistence time, bounded queries by `published`. It stays
/// true however many events come later, because later ones of the same millisecond follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) ms: i64,
    pub(crate) n: usize,
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ms, n) = text.split_once('_').ok_or(())?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(ms.strip_prefix('-').unwrap_or(ms)) || !digits(n) {
            return Err(());
        }
        Ok(Self {
            ms: ms.parse().map_err(drop)?,
            n: n.parse().map_err(drop)?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.ms, self.n)
    }
}
