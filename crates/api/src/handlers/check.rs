//! A named step of a test, as every test of the API shows it.

use forward::{Check, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

/// A step of a test
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestCheck {
    /// Which step; the set may grow
    #[schema(examples("accepted"))]
    name: String,
    /// `passed`, `failed` or `skipped`
    #[schema(examples("passed"))]
    status: String,
    /// Why it failed, as a stable word; null if it did not
    #[schema(required)]
    code: Option<String>,
    /// What was seen, and what to do if it is not well
    detail: String,
}

impl From<Check> for TestCheck {
    fn from(check: Check) -> Self {
        let (status, code) = match check.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(code) => ("failed", Some(code.to_owned())),
            Verdict::Skipped => ("skipped", None),
        };
        Self {
            name: check.name.to_owned(),
            status: status.to_owned(),
            code,
            detail: check.detail,
        }
    }
}
