//! A failed request and what is known of the answer behind it.

use std::fmt;

use bytes::Bytes;
use model::cursor::Cursor;

use crate::error::OktaError;
use crate::rate::RateHeaders;

/// A request that brought no page, with what the answer said if there was one.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What went wrong.
    pub error: OktaError,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// The rate headers, if an answer came; the budget is fed from these too.
    pub rate: Option<RateHeaders>,
    /// Okta's id of the request, for its support.
    pub request_id: Option<String>,
    /// What arrived of a page that cannot be used, to be set aside if it stays that way.
    pub salvage: Option<Salvage>,
}

/// What is left of a page (status 200) whose body is malformed, cut, hung or too large.
#[derive(Clone)]
pub struct Salvage {
    /// The decoded body as far as it arrived, unaltered.
    pub body: Bytes,
    /// The answer's next link: the way past this page.
    pub next: Option<Cursor>,
}

impl Failure {
    /// A failure without an answer.
    pub(crate) fn unanswered(error: OktaError) -> Box<Self> {
        Box::new(Self {
            error,
            status: None,
            rate: None,
            request_id: None,
            salvage: None,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl fmt::Debug for Salvage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Salvage({} bytes, next {:?})",
            self.body.len(),
            self.next
        )
    }
}
