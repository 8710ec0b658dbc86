//! Destinations: where events go. Which kinds there are and what their settings may say is known to
//! the forward crate; here each kind has its field.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use forward::{Destinations, FileDestination};
use serde::Serialize;
use serde_json::{Map, Value};
use store::Destination;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields::Fields;

/// Kinds of destination; the set may grow
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents what is read as a word")]
pub(crate) enum DestinationKind {
    /// A file on the machine of the workers, one event a line
    File,
}

/// Settings of a file destination
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileSettings {
    /// Name of the file below the folder that the operator has set aside; `/` separates folders
    #[schema(min_length = 1, max_length = 1024, examples("okta/acme.ndjson"))]
    path: String,
}

/// A destination
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Destination)]
pub(crate) struct DestinationView {
    /// The id
    id: Uuid,
    /// The name, unique among your destinations
    name: String,
    /// Which of the settings below apply; the set may grow
    #[schema(examples("file"))]
    kind: String,
    /// Settings of the kind `file`; null for other kinds
    #[schema(required)]
    file: Option<FileSettings>,
    /// What "delivered" proves here: `stored`, `accepted` or `sent`; null if this machine cannot use it
    #[schema(required, examples("stored"))]
    proof: Option<String>,
    /// Grows with every change; also in the `ETag`
    version: i64,
    /// When it was created
    created_at: DateTime<Utc>,
    /// When it was last changed
    updated_at: DateTime<Utc>,
}

impl DestinationView {
    pub(crate) fn of(row: Destination, kinds: &dyn Destinations) -> Self {
        let path = row.config.get("path").and_then(Value::as_str);
        let file = (row.kind == FileDestination::KIND).then(|| FileSettings {
            path: path.unwrap_or_default().to_owned(),
        });
        Self {
            id: row.id,
            proof: proof_of(&row, kinds),
            name: row.name,
            kind: row.kind,
            file,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What "delivered" proves at a destination.
pub(crate) fn proof_of(row: &Destination, kinds: &dyn Destinations) -> Option<String> {
    let destination = kinds.open(&row.kind, &row.config).ok()?;
    Some(destination.proof().as_str().to_owned())
}

/// Has the settings of a kind checked; what is wrong is noted below the field of the kind.
fn check_settings(
    fields: &mut Fields,
    kinds: &dyn Destinations,
    kind: &str,
    settings: Map<String, Value>,
) -> Option<Value> {
    let errors = match kinds.check(kind, &Value::Object(settings)) {
        Ok(settings) => return Some(settings),
        Err(errors) => errors,
    };
    for error in errors {
        fields.note(
            format!("/{kind}{}", error.pointer),
            error.code,
            error.detail,
        );
    }
    None
}
