//! What an answer other than 200 means, told from its status, headers and body.

use model::origin::Origin;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Deserialize;

use crate::error::{ForbiddenKind, OktaError};
use crate::oauth::GrantRefusal;
use crate::rate::RateHeaders;

/// The longest summary that is passed on, in characters.
const MAX_SUMMARY: usize = 300;

/// An error body of Okta's API, or of its OAuth side; nothing in it is certain to be there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    #[serde(rename = "errorCode", alias = "error")]
    code: Option<String>,
    #[serde(rename = "errorSummary", alias = "error_description")]
    summary: Option<String>,
}

/// An answer that is no page.
pub(crate) struct Refusal<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) rate: &'a RateHeaders,
    pub(crate) body: &'a [u8],
    /// The request was made as a service app.
    pub(crate) app: bool,
}

impl Refusal<'_> {
    /// What it means for a request to the log; `is_next` if it was made by a next link.
    pub(crate) fn of_page(&self, is_next: bool) -> OktaError {
        let body: ErrorBody = serde_json::from_slice(self.body).unwrap_or_default();
        let challenge = self.challenge();
        let challenged = challenge.is_some();
        let code = body.code.as_deref().and_then(clean_code).or(challenge);
        match self.status.as_u16() {
            // Of the token or the proof, not of the request.
            400 | 401 if self.app && challenged => OktaError::AccessTokenRefused { code },
            400 if is_next => OktaError::CursorRefused { code },
            400 => OktaError::BadRequest {
                code,
                summary: clean_summary(body.summary),
            },
            401 if code.as_deref() != Some("E0000015") && self.app => {
                OktaError::AccessTokenRefused { code }
            }
            401 if code.as_deref() != Some("E0000015") => OktaError::BadToken { code },
            401 | 403 => OktaError::Forbidden {
                kind: forbidden_kind(code.as_deref()),
                code,
            },
            404 => OktaError::NotFound {
                host: self.host(),
                code,
            },
            _ => self.of_any(code),
        }
    }

    /// What it means for a request for an access token.
    pub(crate) fn of_grant(&self) -> OktaError {
        let body: ErrorBody = serde_json::from_slice(self.body).unwrap_or_default();
        let code = body.code.as_deref().and_then(clean_code);
        match (self.status.as_u16(), code) {
            (429, _) => OktaError::TokenRateLimited {
                resets_in: self.rate.resets_in().or(self.rate.retry_after),
            },
            (404, code) => OktaError::NoTokenEndpoint {
                host: self.host(),
                code,
            },
            (400 | 401 | 403, Some(code)) => OktaError::NoAccessToken {
                kind: GrantRefusal::of(&code),
                code,
                summary: clean_summary(body.summary),
            },
            (_, code) => self.of_any(code),
        }
    }

    /// What it means for the question whether there is an org.
    pub(crate) fn of_org(&self) -> OktaError {
        match self.status.as_u16() {
            408 | 429 | 500.. => self.of_any(None),
            _ => OktaError::NotAnOrg { host: self.host() },
        }
    }

    fn of_any(&self, code: Option<String>) -> OktaError {
        match self.status.as_u16() {
            429 if self.rate.limit == Some(0) => OktaError::Concurrency,
            429 => OktaError::RateLimited {
                resets_in: self.rate.resets_in().or(self.rate.retry_after),
            },
            status @ (408 | 500..) => OktaError::Server { status, code },
            status => OktaError::Unexpected {
                host: self.host(),
                status,
                code,
            },
        }
    }

    /// The `error="..."` of a `WWW-Authenticate` header; such answers have an empty body.
    pub(crate) fn challenge(&self) -> Option<String> {
        let lines = self.headers.get_all(WWW_AUTHENTICATE).into_iter();
        lines
            .filter_map(|line| line.to_str().ok())
            .find_map(|line| {
                let (_, value) = line.split_once("error=\"")?;
                clean_code(value.split_once('"')?.0)
            })
    }

    fn host(&self) -> String {
        self.origin.host().to_string()
    }
}

fn forbidden_kind(code: Option<&str>) -> ForbiddenKind {
    match code {
        Some("E0000005") => ForbiddenKind::NoSession,
        Some("E0000006") => ForbiddenKind::NoRole,
        Some("E0000015") => ForbiddenKind::FeatureOff,
        Some("E0000260") => ForbiddenKind::OrgDeactivated,
        Some("insufficient_scope") => ForbiddenKind::MissingScope,
        _ => ForbiddenKind::Other,
    }
}

/// A code that looks like one, so that nothing else of a body travels as a code.
fn clean_code(code: &str) -> Option<String> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let clean = (1..=40).contains(&code.len()) && code.bytes().all(word);
    clean.then(|| code.to_owned())
}

fn clean_summary(summary: Option<String>) -> String {
    let summary = summary.unwrap_or_else(|| "no reason was given".to_owned());
    summary
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_SUMMARY)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Answer(u16, HeaderMap, String);

    fn api_error(status: u16, code: &str) -> Answer {
        let body = format!(r#"{{"errorCode":"{code}","errorSummary":"words","errorCauses":[]}}"#);
        Answer(status, HeaderMap::new(), body)
    }

    impl Answer {
        fn header(mut self, name: &'static str, value: &'static str) -> Self {
            self.1.append(name, value.parse().unwrap());
            self
        }

        fn read<T>(&self, read: impl Fn(&Refusal<'_>) -> T) -> T {
            let Answer(status, headers, body) = self;
            read(&Refusal {
                origin: &Origin::parse("acme").unwrap(),
                status: StatusCode::from_u16(*status).unwrap(),
                headers,
                rate: &RateHeaders::read(headers),
                body: body.as_bytes(),
                app: false,
            })
        }

        fn code(&self) -> &'static str {
            self.read(|refusal| refusal.of_page(false)).code()
        }
    }

    #[test]
    fn each_answer_has_its_meaning() {
        let scope = r#"Bearer realm="http://acme.okta.com", error="insufficient_scope", error_description="x""#;
        let table = [
            (api_error(400, "E0000031"), "bad_request"),
            (api_error(401, "E0000011"), "bad_token"),
            (api_error(401, "E0000004"), "bad_token"),
            (api_error(401, "E0000015"), "feature_off"),
            (api_error(403, "E0000005"), "no_session"),
            (api_error(403, "E0000006"), "no_role"),
            (api_error(403, "E0000260"), "org_deactivated"),
            (api_error(403, "E0000999"), "forbidden"),
            (
                Answer(403, HeaderMap::new(), String::new()).header("www-authenticate", scope),
                "missing_scope",
            ),
            (
                Answer(404, HeaderMap::new(), "<html>".to_owned()),
                "not_found",
            ),
            (api_error(429, "E0000047"), "rate_limited"),
            (
                api_error(429, "E0000047").header("x-rate-limit-limit", "0"),
                "concurrency_limited",
            ),
            (api_error(500, "E0000009"), "server_error"),
            (
                Answer(503, HeaderMap::new(), "<html>".to_owned()),
                "server_error",
            ),
            (api_error(501, "E0000060"), "server_error"),
            (Answer(408, HeaderMap::new(), String::new()), "server_error"),
            (
                Answer(302, HeaderMap::new(), String::new()),
                "unexpected_answer",
            ),
            (api_error(405, "E0000022"), "unexpected_answer"),
        ];
        for (answer, code) in table {
            assert_eq!(answer.code(), code, "{} {}", answer.0, answer.2);
        }
    }

    #[test]
    fn any_400_on_a_next_link_is_a_refused_cursor() {
        for code in ["E0000029", "E0000031", "E0000001"] {
            let error = api_error(400, code).read(|refusal| refusal.of_page(true));
            assert_eq!(
                error,
                OktaError::CursorRefused {
                    code: Some(code.to_owned())
                }
            );
        }
    }

    #[test]
    fn a_429_says_when_the_window_resets() {
        let error = api_error(429, "E0000047")
            .header("x-rate-limit-limit", "10")
            .header("x-rate-limit-reset", "1757607758")
            .header("date", "Thu, 11 Sep 2025 16:21:50 GMT")
            .read(|refusal| refusal.of_page(false));

        assert_eq!(
            error,
            OktaError::RateLimited {
                resets_in: Some(Duration::from_secs(48))
            }
        );
        assert!(error.to_string().contains("48 s"));
    }

    #[test]
    fn whether_there_is_an_org_stays_open_while_okta_is_busy() {
        let table = [
            (200, "not_an_org"),
            (301, "not_an_org"),
            (401, "not_an_org"),
            (404, "not_an_org"),
            (429, "rate_limited"),
            (502, "server_error"),
        ];
        for (status, code) in table {
            let answer = Answer(status, HeaderMap::new(), String::new());
            assert_eq!(
                answer.read(|refusal| refusal.of_org().code()),
                code,
                "{status}"
            );
        }
    }

    #[test]
    fn bodies_are_quoted_sparingly() {
        let long = "ä\\u0000".repeat(1000);
        let body = format!(r#"{{"errorCode":"<b>","errorSummary":"{long}","error_x":1}}"#);
        let error = Answer(400, HeaderMap::new(), body).read(|refusal| refusal.of_page(false));

        assert_eq!(
            error,
            OktaError::BadRequest {
                code: None,
                summary: "ä".repeat(300)
            }
        );
        for body in ["", "[]", "{\"errorCode\":7}", "{\"errorCode\":null}"] {
            let answer = Answer(400, HeaderMap::new(), body.to_owned());
            let summary = "no reason was given".to_owned();
            assert_eq!(
                answer.read(|r| r.of_page(false)),
                OktaError::BadRequest {
                    code: None,
                    summary
                }
            );
        }
    }
}
