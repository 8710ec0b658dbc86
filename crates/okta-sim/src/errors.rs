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
    /// Whether the log service itself answers, whose bodies have fewer members.
    plain: bool,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, summary: impl Into<String>) -> Self {
        Self {
            status,
            code,
            summary: summary.into(),
            causes: Vec::new(),
            plain: false,
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

    pub(crate) fn no_such_token(id: &str) -> Self {
        let summary = format!("Not found: Resource not found: {id} (Token)");
        Self::new(StatusCode::NOT_FOUND, "E0000007", summary)
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

    fn log(status: StatusCode, code: &'static str, summary: impl Into<String>) -> Self {
        Self {
            plain: true,
            ..Self::new(status, code, summary)
        }
    }

    /// A filter that is none.
    pub(crate) fn log_filter(summary: impl Into<String>) -> Self {
        Self::log(StatusCode::BAD_REQUEST, "E0000053", summary)
    }

    /// An operator that the log does not apply to this field.
    pub(crate) fn unsupported_pair(operator: &str, field: &str) -> Self {
        let summary = format!(
            "The supplied combination of operator and field is not currently supported. Operator: {operator}, \
             Field: {field}"
        );
        Self::log(StatusCode::BAD_REQUEST, "E0000031", summary)
    }

    /// `since` lies too far back for orgs that mind.
    pub(crate) fn too_old() -> Self {
        Self::log_filter(
            "Invalid parameter: The since parameter is over 180 days prior to the current day.",
        )
    }

    pub(crate) fn log_validation(summary: &str) -> Self {
        Self::log(StatusCode::BAD_REQUEST, "E0000001", summary)
    }

    /// The log service is at a loss.
    pub(crate) fn log_service() -> Self {
        let summary = "Sorry, there's been an error. We aren't sure what caused it, but we've logged this and will \
                       work to address it. Please try your request again.";
        Self::log(StatusCode::INTERNAL_SERVER_ERROR, "E0000053", summary)
    }

    /// The query ran for 30 s.
    pub(crate) fn took_too_long() -> Self {
        let summary = "Your last request took too long to complete. This is likely due to a load issue on our side. \
                       We've logged this and will work to address it. Please either simplify your query or wait a few \
                       minutes and try again.";
        Self::log(StatusCode::INTERNAL_SERVER_ERROR, "E0000009", summary)
    }

    /// A date as Okta's documentation refuses it.
    pub(crate) fn documented_bad_date(name: &str) -> Self {
        let format = "The date format in your query is not recognized. Please enter dates using ISO8601 string format.";
        let summary = format!(
            "Api validation failed: '{name}': {format} '{name}': must be a valid date-time or empty."
        );
        Self::new(StatusCode::BAD_REQUEST, "E0000001", summary)
            .because(format!("{name}: {format}"))
            .because(format!("{name}: must be a valid date-time or empty."))
    }

    pub(crate) fn type_mismatch(name: &str) -> Self {
        let summary = format!("Type mismatch exception. '{name}' is of another type.");
        Self::new(StatusCode::BAD_REQUEST, "E0000037", summary)
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
            link: (!self.plain).then_some(self.code),
            id: if self.plain {
                uuid(rng)
            } else {
                rng.id("oae", 25)
            },
            causes: (!self.plain).then(|| causes.collect()),
        };
        // Serialising these types to memory does not fail.
        Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
    }
}

fn uuid(rng: &mut Rng) -> String {
    let parts = [8, 4, 4, 4, 12].map(|digits| rng.hex(digits));
    parts.join("-")
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "errorCode")]
    code: &'a str,
    #[serde(rename = "errorSummary")]
    summary: &'a str,
    #[serde(rename = "errorLink", skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(rename = "errorId")]
    id: String,
    #[serde(rename = "errorCauses", skip_serializing_if = "Option::is_none")]
    causes: Option<Vec<Cause<'a>>>,
}

#[derive(Serialize)]
struct Cause<'a> {
    #[serde(rename = "errorSummary")]
    summary: &'a str,
}
