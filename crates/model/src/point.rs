//! Named points in the life of a page and of a delivery, where tests stop a process to kill it.
//!
//! In production nothing is armed and reaching a point costs one look at an `Option`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A place where a crash is interesting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// A page has been read, nothing is written.
    Fetched,
    /// The page transaction has done all its work and is about to commit.
    InCommit,
    /// The page transaction is committed, the worker has not acted on it.
    Committed,
    /// The destination has confirmed a delivery batch, the position has not moved.
    Sent,
    /// The position transaction has done its work and is about to commit.
    BeforePosition,
    /// Okta has answered about a new secret, nothing is written.
    SecretTested,
}

impl Point {
    /// All points.
    pub const ALL: [Self; 6] = [
        Self::Fetched,
        Self::InCommit,
        Self::Committed,
        Self::Sent,
        Self::BeforePosition,
        Self::SecretTested,
    ];

    /// The word used in settings and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::InCommit => "in_commit",
            Self::Committed => "committed",
            Self::Sent => "sent",
            Self::BeforePosition => "before_position",
            Self::SecretTested => "secret_tested",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Says which of the points a process stops at, and when.
#[derive(Clone, Default)]
pub struct Points(Option<Arc<Armed>>);

struct Armed {
    point: Point,
    after: AtomicU32,
    stop: Box<dyn Fn(Point) + Send + Sync>,
}

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Points")
            .field(&self.0.as_ref().map(|armed| armed.point))
            .finish()
    }
}

/// A text such as `sent:3` that names no point.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no stopping point; write one of fetched, in_commit, committed, sent, before_position, secret_tested, and after a colon at which pass: \"sent:3\""
)]
pub struct PointError(String);

/// `sent:3`: at the third time that `sent` is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopAt {
    point: Point,
    pass: u32,
}

impl FromStr for StopAt {
    type Err = PointError;

    fn from_str(text: &str) -> Result<Self, PointError> {
        let (name, pass) = text.split_once(':').unwrap_or((text, "1"));
        let point = Point::ALL.into_iter().find(|point| point.as_str() == name);
        let pass = pass.parse().ok().filter(|pass| *pass > 0);
        point
            .zip(pass)
            .map(|(point, pass)| Self { point, pass })
            .ok_or_else(|| PointError(text.to_owned()))
    }
}

impl Points {
    /// Arms one point. `stop` is called once, when it is reached; it is expected not to return soon.
    pub fn armed(at: StopAt, stop: impl Fn(Point) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Armed {
            point: at.point,
            after: AtomicU32::new(at.pass),
            stop: Box::new(stop),
        })))
    }

    /// Says that the process is at `point`.
    pub fn reach(&self, point: Point) {
        let Some(armed) = self.0.as_ref().filter(|armed| armed.point == point) else {
            return;
        };
        let before = armed
            .after
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if before == Ok(1) {
            (armed.stop)(point);
        }
    }
}
