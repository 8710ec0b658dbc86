//! What a connection that failed means.

use std::error::Error;
use std::io;

use crate::error::{OktaError, Phase};
use crate::guard::{BlockedName, UnknownName};

/// Tells why no answer came from `host`.
pub(crate) fn no_answer(host: String, error: &reqwest::Error) -> OktaError {
    if find::<BlockedName>(error).is_some() {
        return OktaError::Blocked { host };
    }
    if find::<UnknownName>(error).is_some() {
        return OktaError::Dns { host };
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return OktaError::Tls {
            host,
            reason: tls.to_string(),
        };
    }
    match error.is_timeout() {
        true if error.is_connect() => OktaError::Timeout {
            phase: Phase::Connect,
        },
        true => OktaError::Timeout {
            phase: Phase::Answer,
        },
        false => OktaError::Transport {
            host,
            reason: reason(error),
        },
    }
}

/// Tells why a body did not arrive to its end.
pub(crate) fn body_broken(error: &reqwest::Error) -> OktaError {
    match find::<io::Error>(error).map(io::Error::kind) {
        // What a decoder says; a connection that breaks says something else.
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => OktaError::Undecodable,
        _ => OktaError::Cut,
    }
}

/// The innermost cause, which names neither URL nor header.
fn reason(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    if std::ptr::addr_eq(last, error) {
        "the request could not be sent".to_owned()
    } else {
        last.to_string()
    }
}

/// Finds a cause by its type, also inside an `io::Error`, which hides what it carries.
fn find<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        let carried = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match carried {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}
