//! What a failed request means for the source.

use std::time::Duration;

use model::status::Trouble;
use okta::{Failure, LONGEST_WINDOW, OktaError, Phase, Salvage};

use crate::context::readable;

/// What to do next.
#[derive(Debug)]
pub(crate) enum Handled {
    /// The poll is at its end.
    End,
    /// There is more, but it is somebody else's turn.
    Yield,
    /// Ask again, for at most so many events.
    Smaller(u32),
    /// The cursor is dead: start at the watermark.
    Restart,
    /// The answer is no page, or not all of one.
    Unreadable {
        trouble: Trouble,
        detail: String,
        salvage: Option<Salvage>,
    },
    /// Others are before us at the same budget; that is nothing to show.
    Busy(Duration),
    /// Wait; nothing is wrong with the source.
    Snooze(Trouble, Duration, String),
    /// Try again with backoff.
    Retry(Trouble, String),
    /// Trying again soon cannot help; the next poll will.
    Hopeless(Trouble, String),
    /// The credential does not work; all its sources wait for a change.
    Refused(Trouble, String),
}

/// The meaning of a failed page request.
pub(crate) fn of_page(failure: &Failure, limit: u32, short: Duration) -> Handled {
    let detail = detail(failure);
    match &failure.error {
        OktaError::RateLimited { resets_in } | OktaError::TokenRateLimited { resets_in } => {
            // Whatever is claimed: neither at once nor never.
            let wait = resets_in.unwrap_or(Duration::from_mins(1));
            let wait = wait.clamp(Duration::from_secs(1), LONGEST_WINDOW);
            Handled::Snooze(Trouble::RateLimited, wait, detail)
        }
        OktaError::Concurrency => Handled::Snooze(Trouble::TooManyAtOnce, short, detail),
        OktaError::CursorRefused { .. } | OktaError::ForeignCursor { .. } => Handled::Restart,
        OktaError::BadRequest { .. } => Handled::Hopeless(Trouble::QueryRefused, detail),
        OktaError::TooLarge { .. } if limit > 1 => Handled::Smaller(limit / 2),
        // The answer came whole, so asking again at once costs little: the good events around a bad
        // one are stored.
        OktaError::Malformed(_) | OktaError::Undecodable if limit > 1 => {
            Handled::Smaller(limit / 10)
        }
        OktaError::TooLarge { .. } | OktaError::Malformed(_) | OktaError::Undecodable => {
            unreadable(Trouble::PageMalformed, failure, detail)
        }
        OktaError::Cut | OktaError::Timeout { phase: Phase::Body } => {
            unreadable(Trouble::OktaUnreachable, failure, detail)
        }
        OktaError::ForeignLink { .. } => Handled::Retry(Trouble::PageMalformed, detail),
        OktaError::Server { .. }
        | OktaError::Unexpected { .. }
        | OktaError::BadTokenAnswer
        | OktaError::NoDate { .. }
        | OktaError::CannotSign => Handled::Retry(Trouble::OktaUnavailable, detail),
        error => match error.trouble_of_credential() {
            Some(trouble) => Handled::Refused(trouble, detail),
            None => Handled::Retry(Trouble::OktaUnreachable, detail),
        },
    }
}

fn unreadable(trouble: Trouble, failure: &Failure, detail: String) -> Handled {
    Handled::Unreadable {
        trouble,
        detail,
        salvage: failure.salvage.clone(),
    }
}

/// The meaning of a failed first question, before the credential has ever worked: here a name that
/// does not exist is a typing error, not an outage.
pub(super) fn of_first_contact(failure: &Failure) -> Handled {
    let detail = detail(failure);
    match &failure.error {
        OktaError::Dns { .. } => Handled::Retry(Trouble::DomainNotFound, detail),
        OktaError::Unexpected { .. } | OktaError::Malformed(_) | OktaError::TooLarge { .. } => {
            Handled::Refused(Trouble::NotAnOrg, detail)
        }
        OktaError::Undecodable | OktaError::Cut | OktaError::Timeout { .. } => {
            Handled::Retry(Trouble::OktaUnreachable, detail)
        }
        _ => of_page(failure, 1, Duration::from_secs(1)),
    }
}

/// The meaning of a budget that is used up; nothing was asked.
pub(super) fn of_budget(wait: Duration) -> Handled {
    let detail = format!(
        "our part of this token's requests is used up, the window resets in {} s",
        wait.as_secs()
    );
    Handled::Snooze(Trouble::RateLimited, wait, detail)
}

fn detail(failure: &Failure) -> String {
    readable(&match &failure.request_id {
        Some(id) => format!("{failure} (Okta request {id})"),
        None => failure.to_string(),
    })
}

/// The trouble of a credential that a failure proves, if it proves one.
pub(crate) fn failure_of_credential(failure: &Failure) -> Option<(Trouble, String)> {
    let trouble = failure.error.trouble_of_credential()?;
    Some((trouble, detail(failure)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(resets_in: Option<Duration>) -> Duration {
        let failure = Failure {
            error: OktaError::RateLimited { resets_in },
            status: Some(429),
            rate: None,
            request_id: None,
            salvage: None,
        };
        match of_page(&failure, 1000, Duration::ZERO) {
            Handled::Snooze(Trouble::RateLimited, wait, _) => wait,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_rate_limit_is_waited_out_neither_at_once_nor_for_ever() {
        assert_eq!(limited(None), Duration::from_mins(1));
        assert_eq!(
            limited(Some(Duration::from_secs(48))),
            Duration::from_secs(48)
        );
        assert_eq!(limited(Some(Duration::ZERO)), Duration::from_secs(1));
        assert_eq!(limited(Some(Duration::MAX)), LONGEST_WINDOW);
    }
}
