//! Settings of file destinations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Settings of a file destination
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FileSettings {
    /// Name of the file below the folder that the operator has set aside; `/` separates folders
    #[schema(min_length = 1, max_length = 1024, examples("okta/acme.ndjson"))]
    path: String,
}

/// What to change about the settings of a file destination
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is merged and then checked")]
pub(crate) struct FilePatch {
    /// A new name of the file; what was delivered before stays in the old one
    #[schema(nullable = false, min_length = 1, max_length = 1024)]
    path: Option<String>,
}
