//! What a connection that failed means.

use egress::{Blocked, Fault};

use crate::error::{OktaError, Phase};

/// Tells why no answer came from `host`.
pub(crate) fn no_answer(host: String, error: &reqwest::Error) -> OktaError {
    match Fault::of(error) {
        Fault::Blocked => Blocked { host }.into(),
        Fault::Dns => OktaError::Dns { host },
        Fault::Tls(reason) => OktaError::Tls { host, reason },
        Fault::ConnectTimeout => OktaError::Timeout {
            phase: Phase::Connect,
        },
        Fault::Timeout => OktaError::Timeout {
            phase: Phase::Answer,
        },
        Fault::Transport(reason) => OktaError::Transport { host, reason },
    }
}

/// Tells why a body did not arrive to its end.
pub(crate) fn body_broken(error: &reqwest::Error) -> OktaError {
    if egress::body_was_undecodable(error) {
        OktaError::Undecodable
    } else {
        OktaError::Cut
    }
}
