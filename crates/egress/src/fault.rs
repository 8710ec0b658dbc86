//! Why no answer came, by meaning.

use std::error::Error;
use std::io;

use crate::guard::{BlockedName, UnknownName};

/// Why a request brought no answer. None of them names the URL, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The name leads to addresses that may not be reached.
    Blocked,
    /// The name has no address.
    Dns,
    /// The TLS handshake failed, with what TLS said.
    Tls(String),
    /// No connection in time.
    ConnectTimeout,
    /// No answer in time.
    Timeout,
    /// Anything else, with what the system said.
    Transport(String),
}

impl Fault {
    /// Tells why a request that was sent has no answer.
    pub fn of(error: &reqwest::Error) -> Self {
        if find::<BlockedName>(error).is_some() {
            return Self::Blocked;
        }
        if find::<UnknownName>(error).is_some() {
            return Self::Dns;
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::Tls(tls.to_string());
        }
        match error.is_timeout() {
            true if error.is_connect() => Self::ConnectTimeout,
            true => Self::Timeout,
            false => Self::Transport(reason(error)),
        }
    }
}

/// Whether a body arrived and could not be decompressed, rather than not to its end.
pub fn body_was_undecodable(error: &reqwest::Error) -> bool {
    // What a decoder says; a connection that breaks says something else.
    let Some(found) = find::<io::Error>(error) else {
        return false;
    };
    match found.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => true,
        // A decoder that gets no further has no cause to name; a connection has one.
        io::ErrorKind::Other => found
            .get_ref()
            .is_some_and(|inner| !inner.is::<reqwest::Error>() && inner.source().is_none()),
        _ => false,
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
