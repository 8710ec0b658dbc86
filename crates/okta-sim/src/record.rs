//! The record of requests: what was asked, and what was answered.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use crate::auth::AuthorizationKind;

/// One request as the org saw it. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it arrived, by the org's clock.
    pub at: DateTime<Utc>,
    /// `GET` and so on.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// How it said who it is.
    pub authorization: AuthorizationKind,
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

    pub(crate) fn close(&mut self, number: usize, status: u16, events: usize) {
        let kept = number
            .checked_sub(self.forgotten)
            .and_then(|at| self.kept.get_mut(at));
        if let Some(record) = kept {
            record.status = Some(status);
            record.events = events;
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
