//! Faults on request: what an org, its gateway or the network do wrong, exactly when a test wants it.
//!
//! A fault acts at one of four stages: the size of the page, the whole answer, the page's content, the
//! transport of its body. At each stage the first matching injection wins, so a page may be short,
//! spoiled and slow at once. A request that is refused anyway (token, rate limit) uses up none.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use tokio_util::sync::CancellationToken;

use crate::route;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 as if the token's window were used up.
    RateLimit,
    /// 429 of the concurrency limit: `x-rate-limit-limit: 0`.
    ConcurrencyLimit,
    /// 500 E0000009.
    InternalError,
    /// 500 E0000053, the log service's own.
    LogServiceError,
    /// 500 E0000009 after this much real time; Okta gives a query 30 s.
    TooSlow(#[serde(deserialize_with = "milliseconds")] Duration),
    /// An HTML page of the gateway with this status: 502, 503, 504.
    Html(u16),
    /// 400 "Invalid cursor.", for requests that have `after`.
    RefusedCursor,
    /// Nothing is answered until faults are cleared; then the request is served.
    HungBeforeHeaders,
    /// At most so many events, although there are more.
    ShortPage(usize),
    /// The page lacks its `next` link.
    NoNextLink,
    /// The `next` link points to this origin (scheme and host) instead.
    ForeignNextLink(String),
    /// The page's JSON ends in the middle; its transport is intact.
    TruncatedPage,
    /// A JSON object instead of an array.
    ObjectPage,
    /// Bytes that are no JSON.
    GarbagePage,
    /// These bytes instead of the page.
    RawPage(#[serde(deserialize_with = "text")] Bytes),
    /// The connection is closed after half of the body.
    CutBody,
    /// Half of the body, and the rest only when faults are cleared.
    HungBody,
    /// The body arrives in pieces.
    SlowBody {
        /// Bytes of a piece.
        piece: usize,
        /// Real time before each piece.
        #[serde(rename = "pause_ms", deserialize_with = "milliseconds")]
        pause: Duration,
    },
}

fn milliseconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
    String::deserialize(from).map(Bytes::from)
}

impl Fault {
    /// For the next matching request.
    pub fn once(self) -> Injection {
        self.times(1)
    }

    /// For the next `count` matching requests.
    pub fn times(self, count: u32) -> Injection {
        Injection {
            left: Some(count),
            ..self.until_cleared()
        }
    }

    /// For all matching requests until faults are cleared.
    pub fn until_cleared(self) -> Injection {
        Injection {
            fault: self,
            left: None,
            path: route::LOGS,
            cursor_past: None,
            page_with: None,
        }
    }

    fn stage(&self) -> Stage {
        match self {
            Self::ShortPage(_) => Stage::Size,
            Self::RateLimit
            | Self::ConcurrencyLimit
            | Self::InternalError
            | Self::LogServiceError
            | Self::TooSlow(_)
            | Self::Html(_)
            | Self::RefusedCursor
            | Self::HungBeforeHeaders => Stage::Answer,
            Self::NoNextLink
            | Self::ForeignNextLink(_)
            | Self::TruncatedPage
            | Self::ObjectPage
            | Self::GarbagePage
            | Self::RawPage(_) => Stage::Page,
            Self::CutBody | Self::HungBody | Self::SlowBody { .. } => Stage::Body,
        }
    }

    /// Whether a client cannot have got the page's events.
    pub(crate) fn spoils(&self) -> bool {
        !matches!(
            self,
            Self::ShortPage(_)
                | Self::NoNextLink
                | Self::ForeignNextLink(_)
                | Self::SlowBody { .. }
        )
    }
}

/// A fault with how often and when; see [`Org::inject`](crate::Org::inject).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    fault: Fault,
    left: Option<u32>,
    path: &'static str,
    cursor_past: Option<usize>,
    page_with: Option<usize>,
}

impl Injection {
    /// Hits requests for this path instead of `/api/v1/logs`.
    #[must_use]
    pub fn on_path(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// Hits only polling requests whose cursor lies past the event of this index (the first event
    /// ever persisted has index 0): the first request after the page that held it.
    #[must_use]
    pub fn cursor_past(self, event: usize) -> Self {
        Self {
            cursor_past: Some(event),
            ..self
        }
    }

    /// Hits only requests whose page holds the event of this index.
    #[must_use]
    pub fn page_with(self, event: usize) -> Self {
        Self {
            page_with: Some(event),
            ..self
        }
    }

    fn hits(&self, stage: Stage, scope: &Scope<'_>) -> bool {
        self.left != Some(0)
            && self.fault.stage() == stage
            && self.path == scope.path
            && (self.fault != Fault::RefusedCursor || scope.has_after)
            && self
                .cursor_past
                .is_none_or(|event| scope.cursor.is_some_and(|at| at > event))
            && self
                .page_with
                .is_none_or(|event| scope.page.contains(&event))
    }
}

/// Where in the life of an answer a fault acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Size,
    Answer,
    Page,
    Body,
}

/// What conditions look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) path: &'a str,
    pub(crate) has_after: bool,
    /// How many events lie before the cursor of a polling request.
    pub(crate) cursor: Option<usize>,
    /// Indices of the page's events.
    pub(crate) page: &'a [usize],
}

impl<'a> Scope<'a> {
    /// A request without a page.
    pub(crate) fn path(path: &'a str) -> Self {
        Self {
            path,
            has_after: false,
            cursor: None,
            page: &[],
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    injected: Vec<Injection>,
    release: CancellationToken,
}

impl Faults {
    pub(crate) fn inject(&mut self, injection: Injection) {
        self.injected.push(injection);
    }

    /// Forgets all faults and lets go of the requests they hold.
    pub(crate) fn clear(&mut self) {
        self.injected.clear();
        std::mem::take(&mut self.release).cancel();
    }

    /// How many hits are still to come; faults that stay until cleared count as one.
    pub(crate) fn pending(&self) -> usize {
        self.injected
            .iter()
            .map(|injection| injection.left.unwrap_or(1) as usize)
            .sum()
    }

    /// The fault that hits this request at this stage, used up by it.
    pub(crate) fn take(&mut self, stage: Stage, scope: &Scope<'_>) -> Option<Fault> {
        let hit = self
            .injected
            .iter_mut()
            .find(|injection| injection.hits(stage, scope))?;
        hit.left = hit.left.map(|left| left - 1);
        let fault = hit.fault.clone();
        self.injected.retain(|injection| injection.left != Some(0));
        Some(fault)
    }

    /// Fires when faults are cleared.
    pub(crate) fn release(&self) -> CancellationToken {
        self.release.clone()
    }
}
