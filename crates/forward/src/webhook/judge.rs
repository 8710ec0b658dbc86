//! What an answer of a webhook means.

use model::status::Trouble;

use crate::Then;
use crate::http::Answer;

/// What an answer means for the events of its request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Taken.
    Delivered,
    /// Too many bytes at once, with what was told.
    TooLarge(String),
    /// Something in them is not right, with what was told.
    Rejected(String),
    /// Not now.
    Later(Then),
    /// Not until somebody changes something.
    Stop(Then),
}

/// Judges an answer of `host`.
pub(super) fn judge(host: &str, answer: &Answer) -> Judged {
    if answer.is_success() {
        return Judged::Delivered;
    }
    // Asked for under a key that is at work already, or locked, or sent to the wrong one of several
    // machines: the same request may well succeed later.
    if answer.is_passing() || matches!(answer.status, 409 | 421 | 423) {
        return Judged::Later(answer.later());
    }
    let what = match answer.status {
        413 => return Judged::TooLarge(answer.told()),
        300..=399 => "redirects are not followed, give the address they lead to as url",
        401 | 403 => "the request was not allowed, check the headers it is let in by",
        404 => "there is nothing at this address, check url",
        405 => "it takes no POST at this address, check url",
        410 => "the receiver wants no more events at this address",
        415 => "it does not take this kind of body, check body and gzip",
        _ => return Judged::Rejected(answer.told()),
    };
    Judged::Stop(Then::Stop {
        trouble: Trouble::DestinationRefuses,
        detail: format!("{what}; {host}: {}", answer.told()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16) -> Judged {
        let answer = Answer {
            status,
            retry_after: None,
            body: "why".to_owned(),
        };
        judge("example.com", &answer)
    }

    #[test]
    fn every_answer_has_a_meaning() {
        let told = |status| format!("it answered with status {status}: why");
        for status in [200, 202, 204, 299] {
            assert_eq!(judged(status), Judged::Delivered, "{status}");
        }
        for status in [408, 409, 421, 423, 425, 429, 500, 502, 503, 504, 599] {
            assert!(matches!(judged(status), Judged::Later(_)), "{status}");
        }
        for status in [301, 302, 307, 401, 403, 404, 405, 410, 415] {
            let Judged::Stop(Then::Stop { trouble, detail }) = judged(status) else {
                panic!("{status} does not stop");
            };
            assert_eq!(trouble, Trouble::DestinationRefuses);
            let end = format!("; example.com: {}", told(status));
            assert!(detail.ends_with(&end), "{detail}");
        }
        for status in [400, 418, 422] {
            assert_eq!(judged(status), Judged::Rejected(told(status)));
        }
        assert_eq!(judged(413), Judged::TooLarge(told(413)));
    }
}
