//! The shape of a problem on the wire, and how operations document theirs.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::{
    Content, ContentBuilder, HeaderBuilder, Object, Ref, RefOr, Response as ApiResponse,
    ResponseBuilder, Type,
};
use utoipa::{IntoResponses, ToSchema};

use super::{MEDIA_TYPE, Problem};

/// One thing that is wrong with a request
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// JSON pointer into the body, such as `/credential/domain`; empty for the body as a whole; null
    /// if the problem is not in the body
    #[schema(required, examples("/refresh_frequency"))]
    pub(crate) pointer: Option<String>,
    /// Name of the query parameter or header; null if the problem is in the body
    #[schema(required)]
    pub(crate) parameter: Option<String>,
    /// What is wrong, as a stable word; the set may grow
    #[schema(examples("invalid_duration"))]
    pub(crate) code: String,
    /// What is wrong, for a person
    pub(crate) detail: String,
}

/// What went wrong with a request (RFC 9457)
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// The kind of problem as a relative URL: `/problems/` and the code
    #[serde(rename = "type")]
    #[schema(examples("/problems/invalid_fields"))]
    pub(super) kind: String,
    /// The kind of problem in a few words, always the same for one code
    pub(super) title: String,
    /// The HTTP status
    #[schema(minimum = 400, maximum = 599)]
    pub(super) status: u16,
    /// What went wrong this time, and what to do about it
    pub(super) detail: String,
    /// The path of the request
    pub(super) instance: String,
    /// The kind of problem as a stable word; the set may grow
    #[schema(examples("invalid_fields"))]
    pub(super) code: String,
    /// The id of the request, as in the log and in the header `X-Request-Id`
    pub(super) request_id: String,
    /// Everything that is wrong with fields and parameters; empty for other kinds of problem
    pub(super) errors: Vec<FieldProblem>,
}

/// The two lines in which every operation documents its problems.
impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<ApiResponse>> {
        let problem = |description: &str| {
            let schema = Ref::from_schema_name("Problem");
            let content: Content = ContentBuilder::new().schema(Some(schema)).build();
            ResponseBuilder::new()
                .description(description)
                .content(MEDIA_TYPE, content)
        };
        let seconds = Object::with_type(Type::Integer);
        let retry_after = HeaderBuilder::new()
            .schema(Some(seconds))
            .description(Some("With 503: when to try again, in seconds"));
        BTreeMap::from([
            (
                "4XX".to_owned(),
                RefOr::T(problem("The request cannot be served as it is").build()),
            ),
            (
                "5XX".to_owned(),
                RefOr::T(
                    problem("The service cannot serve the request; try again later")
                        .header("Retry-After", retry_after.build())
                        .build(),
                ),
            ),
        ])
    }
}
