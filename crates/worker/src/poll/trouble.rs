//! What a failed request means for the source.

use std::time::Duration;

use model::status::Trouble;
use okta::{Failure, OktaError, Phase, Salvage};

/// What to do next.
#[derive(Debug)]
pub(super) enum Handled {
    /// The poll is at its end.
    End,
    /// There is more, but it is somebody else's turn.
    Yield,
    /// Ask again, for at most so many events.
    Smaller(u32),
    /// The cursor is dead: start at the watermark.
    Restart,
    /// The answer is no page.
    Unreadable {
        detail: String,
        salvage: Option<Salvage>,
    },
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
pub(super) fn of_page(failure: &Failure, limit: u32, short: Duration) -> Handled {
    let detail = detail(failure);
    match &failure.error {
        OktaError::RateLimited { resets_in } => Handled::Snooze(
            Trouble::RateLimited,
            resets_in.unwrap_or(Duration::from_mins(1)),
            detail,
        ),
        OktaError::Concurrency => Handled::Snooze(Trouble::TooManyAtOnce, short, detail),
        OktaError::BadToken { .. } | OktaError::UnusableToken => {
            Handled::Refused(Trouble::TokenRefused, detail)
        }
        OktaError::Forbidden { .. } => Handled::Refused(Trouble::PermissionMissing, detail),
        OktaError::NotAnOrg { .. } | OktaError::NotFound { .. } => {
            Handled::Refused(Trouble::NotAnOrg, detail)
        }
        OktaError::Blocked { .. } => Handled::Refused(Trouble::DomainNotAllowed, detail),
        OktaError::CursorRefused { .. } | OktaError::ForeignCursor { .. } => Handled::Restart,
        OktaError::BadRequest { .. } => Handled::Hopeless(Trouble::QueryRefused, detail),
        OktaError::TooLarge { .. } if limit > 1 => Handled::Smaller(limit / 2),
        OktaError::TooLarge { .. }
        | OktaError::Malformed(_)
        | OktaError::Undecodable
        | OktaError::Cut
        | OktaError::ForeignLink { .. }
        | OktaError::Timeout { phase: Phase::Body } => Handled::Unreadable {
            detail,
            salvage: failure.salvage.clone(),
        },
        OktaError::Server { .. } | OktaError::Unexpected { .. } => {
            Handled::Retry(Trouble::OktaUnavailable, detail)
        }
        OktaError::Timeout { .. }
        | OktaError::Transport { .. }
        | OktaError::Tls { .. }
        | OktaError::Dns { .. } => Handled::Retry(Trouble::OktaUnreachable, detail),
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

fn detail(failure: &Failure) -> String {
    match &failure.request_id {
        Some(id) => format!("{failure} (Okta request {id})"),
        None => failure.to_string(),
    }
}

/// The trouble of a credential that a failure proves, if it proves one.
pub(crate) fn failure_of_credential(failure: &Failure) -> Option<(Trouble, String)> {
    match of_first_contact(failure) {
        Handled::Refused(trouble, detail) => Some((trouble, detail)),
        _ => None,
    }
}
