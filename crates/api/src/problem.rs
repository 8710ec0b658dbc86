//! Errors as problem documents (RFC 9457). The only file that knows status codes of errors.
//!
//! Every error of the API, also those of the HTTP framework, is answered with one shape,
//! [`ProblemBody`]. What the cause of a 5xx was is logged, never sent.

mod document;

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use store::{Conflict, Resource, StoreError};

pub(crate) use document::{FieldProblem, ProblemBody};

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong, by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    InvalidJson,
    InvalidQuery,
    InvalidCursor,
    InvalidId,
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    NameTaken,
    RouteExists,
    CredentialInUse,
    DestinationInUse,
    UndeliveredEvents,
    ForeignOrg,
    SourcePaused,
    TooManyBackfills,
    VersionChanged,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidFields,
    TooManyTests,
    Internal,
    Unavailable,
    NotReady,
}

impl Kind {
    /// The one table: status, code and title of each kind.
    fn row(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidJson => (S::BAD_REQUEST, "invalid_json", "The body is not valid JSON"),
            Self::InvalidQuery => (
                S::BAD_REQUEST,
                "invalid_query",
                "A query parameter is wrong",
            ),
            Self::InvalidCursor => (
                S::BAD_REQUEST,
                "invalid_cursor",
                "The cursor is not valid here",
            ),
            Self::InvalidId => (
                S::BAD_REQUEST,
                "invalid_id",
                "The path holds something that is no id",
            ),
            Self::BadRequest => (S::BAD_REQUEST, "bad_request", "The request cannot be read"),
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "A valid API key is needed"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "The API key may not do this"),
            Self::NotFound => (S::NOT_FOUND, "not_found", "There is no such thing"),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This method is not supported here",
            ),
            Self::Timeout => (
                S::REQUEST_TIMEOUT,
                "request_timeout",
                "The request took too long to arrive",
            ),
            Self::NameTaken => (S::CONFLICT, "name_taken", "The name is taken"),
            Self::RouteExists => (S::CONFLICT, "route_exists", "The route exists already"),
            Self::CredentialInUse => (S::CONFLICT, "credential_in_use", "The credential is in use"),
            Self::DestinationInUse => (
                S::CONFLICT,
                "destination_in_use",
                "The destination is in use",
            ),
            Self::UndeliveredEvents => (
                S::CONFLICT,
                "undelivered_events",
                "Events would be thrown away",
            ),
            Self::ForeignOrg => (
                S::CONFLICT,
                "foreign_org",
                "The credential belongs to another Okta org",
            ),
            Self::SourcePaused => (S::CONFLICT, "source_paused", "The source is paused"),
            Self::TooManyBackfills => (
                S::CONFLICT,
                "too_many_backfills",
                "Enough backfills are under way",
            ),
            Self::VersionChanged => (
                S::PRECONDITION_FAILED,
                "version_changed",
                "It has changed since you read it",
            ),
            Self::BodyTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is too large",
            ),
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body must be JSON",
            ),
            Self::InvalidFields => (
                S::UNPROCESSABLE_ENTITY,
                "invalid_fields",
                "Some fields are not valid",
            ),
            Self::TooManyTests => (
                S::TOO_MANY_REQUESTS,
                "too_many_tests",
                "Too many tests at the same time",
            ),
            Self::Internal => (
                S::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side",
            ),
            Self::Unavailable => (
                S::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service cannot answer at the moment",
            ),
            Self::NotReady => (
                S::SERVICE_UNAVAILABLE,
                "not_ready",
                "The service is not ready",
            ),
        }
    }

    /// The kind of an error that the HTTP framework answered by itself.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::Timeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

/// An error, before it is bound to a request.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    detail: String,
    errors: Vec<FieldProblem>,
    /// One more header of the answer.
    header: Option<(&'static str, String)>,
    /// For the log only.
    pub(crate) cause: Option<String>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            header: None,
            cause: None,
        }
    }

    pub(crate) fn no_such(resource: Resource) -> Self {
        Self::new(Kind::NotFound, StoreError::NotFound(resource).to_string())
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self {
            header: Some(("www-authenticate", "Bearer".to_owned())),
            ..Self::new(Kind::Unauthorized, detail)
        }
    }

    pub(crate) fn method_not_allowed(method: &str, allow: &str) -> Self {
        let detail = format!("{method} is not supported here; supported: {allow}");
        Self {
            header: Some(("allow", allow.to_owned())),
            ..Self::new(Kind::MethodNotAllowed, detail)
        }
    }

    /// Tests of this tenant are under way already, or were too many.
    pub(crate) fn too_many_tests(wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        let detail =
            format!("too many tests at once or in the last minute; try again in {seconds} s");
        Self {
            header: Some(("retry-after", seconds.to_string())),
            ..Self::new(Kind::TooManyTests, detail)
        }
    }

    /// Everything that is wrong with the fields of a body.
    pub(crate) fn invalid_fields(errors: Vec<FieldProblem>) -> Self {
        let detail = errors
            .iter()
            .map(|error| error.detail.as_str())
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            errors,
            ..Self::new(Kind::InvalidFields, detail)
        }
    }

    pub(crate) fn field(pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldProblem {
            pointer: Some(pointer.to_owned()),
            parameter: None,
            code: code.to_owned(),
            detail: detail.into(),
        }])
    }

    pub(crate) fn parameter(kind: Kind, name: &str, code: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            errors: vec![FieldProblem {
                pointer: None,
                parameter: Some(name.to_owned()),
                code: code.to_owned(),
                detail: detail.clone(),
            }],
            ..Self::new(kind, detail)
        }
    }

    /// A fault of ours; `cause` goes to the log only.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let detail = "please report it with the request id if it comes again";
        Self {
            cause: Some(cause.into()),
            ..Self::new(Kind::Internal, detail)
        }
    }

    /// An error that the HTTP framework answered by itself.
    pub(crate) fn of_framework(status: StatusCode, text: &str) -> Self {
        match (Kind::of_status(status), text) {
            (Kind::Internal, text) => Self::internal(text),
            (kind, "") => Self::new(kind, kind.row().2),
            (kind, text) => Self::new(kind, text),
        }
    }

    fn unavailable(kind: Kind, detail: &str, cause: String) -> Self {
        Self {
            header: Some(("retry-after", "1".to_owned())),
            cause: Some(cause),
            ..Self::new(kind, detail)
        }
    }

    pub(crate) fn not_ready(detail: &str) -> Self {
        Self::unavailable(Kind::NotReady, detail, detail.to_owned())
    }

    /// The answer to one request.
    pub(crate) fn render(&self, request_id: &str, instance: &str) -> HttpResponse {
        let (status, code, title) = self.kind.row();
        let mut answer = HttpResponseBuilder::new(status);
        answer.content_type(MEDIA_TYPE);
        if let Some((name, value)) = &self.header {
            answer.insert_header((*name, value.as_str()));
        }
        answer.json(ProblemBody {
            kind: format!("/problems/{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            code: code.to_owned(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.row().0
    }

    // The outermost middleware renders it again with what it knows of the request.
    fn error_response(&self) -> HttpResponse {
        self.render("", "")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(resource) => Self::no_such(resource),
            StoreError::Conflict(conflict) => conflict.into(),
            error if error.is_passing() => {
                let detail = "the database is not available at the moment; try again";
                Self::unavailable(Kind::Unavailable, detail, error.to_string())
            }
            error @ StoreError::Schema { .. } => {
                let detail = "the database has not been migrated to the version of this program";
                Self::unavailable(Kind::Unavailable, detail, error.to_string())
            }
            error => Self::internal(error.to_string()),
        }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        let text = conflict.to_string();
        let (kind, next) = match conflict {
            Conflict::NameTaken(_) => (Kind::NameTaken, "choose another one"),
            Conflict::RouteExists => (Kind::RouteExists, "change that one instead"),
            Conflict::CredentialInUse(_) => (
                Kind::CredentialInUse,
                "delete them first, or give them another credential",
            ),
            Conflict::DestinationInUse(_) => (Kind::DestinationInUse, "delete them first"),
            Conflict::Undelivered(_) => (
                Kind::UndeliveredEvents,
                "wait until they are, or add discard=true to throw them away",
            ),
            Conflict::TooManyBackfills(_) => (
                Kind::TooManyBackfills,
                "wait until one is done, or cancel one",
            ),
            Conflict::VersionChanged(_) => {
                (Kind::VersionChanged, "read it again and repeat the change")
            }
            Conflict::ForeignOrg { .. } => (
                Kind::ForeignOrg,
                "use a credential of the same org, or create a new source",
            ),
        };
        Self::new(kind, format!("{text}; {next}"))
    }
}
