//! Okta's error answers: status, code, text.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;

use crate::rng::Rng;

/// An answer with Okta's error body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    summary: String,
    causes: Vec<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, summary: impl Into<String>) -> Self {
        Self {
            status,
            code,
            summary: summary.into(),
            causes: Vec::new(),
        }
    }

    fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// No `Authorization` header at all.
    pub(crate) fn invalid_session() -> Self {
        Self::new(StatusCode::FORBIDDEN, "E0000005", "Invalid session")
    }

    /// Unknown, expired, revoked, or its owner is gone.
    pub(crate) fn invalid_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "E0000011",
            "Invalid token provided",
        )
    }

    pub(crate) fn no_permission() -> Self {
        let summary = "You do not have permission to perform the requested action";
        Self::new(StatusCode::FORBIDDEN, "E0000006", summary)
    }

    pub(crate) fn rate_limit() -> Self {
        let summary = "API call exceeded rate limit due to too many requests.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "E0000047", summary)
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "E0000009",
            "Internal Server Error",
        )
    }

    pub(crate) fn unknown_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "E0000008",
            "The requested path was not found",
        )
    }

    pub(crate) fn wrong_method() -> Self {
        let summary = "The endpoint does not support the provided HTTP method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "E0000022", summary)
    }

    pub(crate) fn media_type() -> Self {
        let summary =
            "Bad request. Accept and/or Content-Type headers likely do not match supported values.";
        Self::new(StatusCode::BAD_REQUEST, "E0000021", summary)
    }

    pub(crate) fn bad_date() -> Self {
        let summary = "Bad request. Invalid date. Dates must be of the form yyyy-MM-dd'T'HH:mm:ss.SSSZZ, \
                       e.g. 2013-01-01T12:00:00.000-07:00.";
        Self::new(StatusCode::BAD_REQUEST, "E0000030", summary)
    }

    pub(crate) fn bad_cursor() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E0000031",
            "Invalid search criteria.",
        )
        .because("Invalid cursor.")
    }

    /// The simulator does not evaluate filters; serving everything would be a lie.
    pub(crate) fn unsupported_filter() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E0000094",
            "The provided filter is unsupported.",
        )
        .because("This simulated org evaluates neither 'filter' nor 'q'.")
    }

    pub(crate) fn invalid_parameter(name: &str, problem: &str) -> Self {
        let summary = format!("Api validation failed: '{name}': {problem}");
        Self::new(StatusCode::BAD_REQUEST, "E0000001", summary)
            .because(format!("{name}: {problem}"))
    }

    /// The body, with an error id of its own.
    pub(crate) fn body(&self, rng: &mut Rng) -> Bytes {
        let causes = self.causes.iter().map(|cause| Cause { summary: cause });
        let body = ErrorBody {
            code: self.code,
            summary: &self.summary,
            link: self.code,
            id: rng.id("oae", 25),
            causes: causes.collect(),
        };
        // Serialising these types to memory does not fail.
        Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "errorCode")]
    code: &'a str,
    #[serde(rename = "errorSummary")]
    summary: &'a str,
    #[serde(rename = "errorLink")]
    link: &'a str,
    #[serde(rename = "errorId")]
    id: String,
    #[serde(rename = "errorCauses")]
    causes: Vec<Cause<'a>>,
}

#[derive(Serialize)]
struct Cause<'a> {
    #[serde(rename = "errorSummary")]
    summary: &'a str,
}
