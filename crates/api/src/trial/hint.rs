//! Why Okta refuses a token. Its answer is the same for many causes; what is known besides narrows them.

use chrono::{DateTime, TimeDelta, Utc};
use model::credential::Secret;
use okta::Failure;
use secrecy::ExposeSecret;

use super::Known;

/// Okta lets an API token die after so long without use.
const IDLE: TimeDelta = TimeDelta::days(30);

/// What the looks of a secret tell, if they are odd. Never a part of it.
pub(super) fn about_looks(secret: &Secret) -> Option<&'static str> {
    let Secret::Ssws(token) = secret else {
        return None;
    };
    let token = token.expose_secret();
    if token.starts_with("00T") && token.len() == 20 {
        Some("this looks like the id of a token; its value is shown once, when it is created")
    } else if token.starts_with("eyJ") {
        Some("this looks like an OAuth access token; an API token begins with 00")
    } else if !token.starts_with("00") {
        Some("an API token of Okta begins with 00, this is something else")
    } else {
        None
    }
}

/// A word and a sentence about a refused token.
pub(super) fn about_refusal(
    failure: &Failure,
    known: Known<'_>,
    secret: &Secret,
    now: DateTime<Utc>,
) -> (&'static str, String) {
    match (known.last_used_at, about_looks(secret)) {
        (Some(used), _) if now - used >= IDLE => (
            "token_expired",
            format!(
                "okta refused the token: it was last used on {}, and Okta lets tokens die after 30 days without use",
                used.format("%F")
            ),
        ),
        (Some(used), _) => (
            "token_revoked",
            format!(
                "okta accepted this token until {}: since then it was revoked, its owner was deactivated or suspended, \
                 or its network zone shuts the collector out",
                used.format("%F %R UTC")
            ),
        ),
        (None, Some(hint)) => (
            failure.error.code(),
            format!("okta refused the token: {hint}"),
        ),
        (None, None) => (failure.error.code(), failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_looks_are_told_without_the_token() {
        let about = |token: &str| about_looks(&Secret::Ssws(token.into()));
        assert_eq!(about("00QCjAl4MlV-WPXMabcdefghij0HmjFx-vbGuaXYZ1"), None);
        for (token, word) in [
            ("00T1lxx2xxABCDEFG0h7", "id of a token"),
            ("eyJhbGciOiJSUzI1NiJ9.e30.x", "access token"),
            ("hunter2hunter2", "begins with 00"),
        ] {
            let hint = about(token).unwrap();
            assert!(hint.contains(word) && !hint.contains(token), "{hint}");
        }
    }
}
