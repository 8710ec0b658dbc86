//! The record of requests: what was asked, and what was answered.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::auth::AuthorizationKind;

/// One request as the org saw it. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// When it arrived, by the org's clock.
    pub at: DateTime<Utc>,
    /// `GET` and so on.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// How it said who it is.
    pub authorization: AuthorizationKind,
    /// Who it was admitted as: the id of an API token (see [`Org::token_id`](crate::Org::token_id)) or an
    /// app's client id.
    pub principal: Option<String>,
    /// The principal's window that it counted in, or that was used up.
    pub window: Option<RateWindow>,
    /// Whether it had a `DPoP` header.
    pub proof: bool,
    /// The `after` parameter, decoded.
    pub after: Option<String>,
    /// The `limit` parameter, decoded.
    pub limit: Option<String>,
    /// The `user-agent` header.
    pub user_agent: Option<String>,
    /// The status answered; `None` while the request is held back.
    pub status: Option<u16>,
    /// How many events the page held, before any fault that spoiled it.
    pub events: usize,
}

/// A principal's window on one path, as a request left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RateWindow {
    /// Counted for each principal and path, from 1.
    pub number: u64,
    /// When it ends.
    pub resets_at: DateTime<Utc>,
    /// The principal's share.
    pub limit: u32,
    /// What is left of it.
    pub remaining: u32,
}

/// The last requests, in order of arrival.
#[derive(Debug)]
pub(crate) struct Records {
    kept: VecDeque<RequestRecord>,
    keep: usize,
    forgotten: usize,
}

impl Records {
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            keep,
            forgotten: 0,
        }
    }

    /// Notes an arrival; the number finds it again in [`Records::close`].
    pub(crate) fn open(&mut self, record: RequestRecord) -> usize {
        self.kept.push_back(record);
        while self.kept.len() > self.keep {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.total() - 1
    }

    /// Notes the answer; `close` fills it in.
    pub(crate) fn close(&mut self, number: usize, close: impl FnOnce(&mut RequestRecord)) {
        let kept = number
            .checked_sub(self.forgotten)
            .and_then(|at| self.kept.get_mut(at));
        if let Some(record) = kept {
            close(record);
        }
    }

    /// All requests ever, forgotten ones included.
    pub(crate) fn total(&self) -> usize {
        self.forgotten + self.kept.len()
    }

    pub(crate) fn all(&self) -> Vec<RequestRecord> {
        self.kept.iter().cloned().collect()
    }
}
