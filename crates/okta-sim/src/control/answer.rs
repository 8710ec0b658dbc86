//! Answers of the control interface.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::body::Script;
use crate::control::Command;

/// What was asked cannot be done.
pub(crate) struct Refusal {
    status: StatusCode,
    problem: String,
}

impl Refusal {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it stands in map_err, which gives errors by value"
    )]
    pub(crate) fn bad(problem: impl ToString) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            problem: problem.to_string(),
        }
    }

    pub(crate) fn missing(problem: String) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            problem,
        }
    }

    pub(crate) fn unknown(command: &Command) -> Self {
        Self::missing(format!(
            "{} {} is no command; see docs/SIMULATOR.md",
            command.method, command.path
        ))
    }
}

/// JSON on a line of its own, so that it reads well in a terminal.
pub(crate) fn render(result: Result<Value, Refusal>) -> Response<Script> {
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(refusal) => (refusal.status, json!({ "error": refusal.problem })),
    };
    let mut response = Response::new(Script::whole(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
