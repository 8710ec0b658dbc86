//! Destinations: where events go. Which kinds there are and what their settings may say is known to
//! the forward crate; here each kind has a field of its name, and a file that documents it.

pub(crate) mod create;
pub(crate) mod delete;
mod file;
pub(crate) mod get;
mod insightops;
pub(crate) mod list;
mod settings;
pub(crate) mod test;
pub(crate) mod update;
mod webhook;

use chrono::{DateTime, Utc};
use forward::{Destinations, FileDestination, InsightOpsDestination, Proof, WebhookDestination};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Destination;
use utoipa::ToSchema;
use uuid::Uuid;

use file::FileSettings;
use insightops::InsightOpsSettings;
use webhook::WebhookSettings;

/// Kinds of destination; the set may grow
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what is read as a word")]
pub(crate) enum DestinationKind {
    /// A file on the machine of the workers, one event a line
    File,
    /// A log of Rapid7 InsightOps
    InsightOps,
    /// Any HTTPS endpoint
    Webhook,
}

/// The kinds, each the name of the field that has its settings.
const KINDS: [&str; 3] = [
    FileDestination::KIND,
    InsightOpsDestination::KIND,
    WebhookDestination::KIND,
];

/// A destination, without its secrets
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Destination)]
pub(crate) struct DestinationView {
    /// The id
    id: Uuid,
    /// The name, unique among your destinations
    name: String,
    /// Which of the settings below apply; the set may grow
    #[schema(examples("insightops"))]
    kind: String,
    /// Settings of the kind `file`; null for other kinds
    #[schema(required)]
    file: Option<FileSettings>,
    /// Settings of the kind `insightops`; null for other kinds
    #[schema(required)]
    insightops: Option<InsightOpsSettings>,
    /// Settings of the kind `webhook`; null for other kinds
    #[schema(required)]
    webhook: Option<WebhookSettings>,
    /// When its secrets were last set; null if it has none
    #[schema(required)]
    secrets_set_at: Option<DateTime<Utc>>,
    /// What "delivered" proves here: `stored`, `accepted` or `sent`
    #[schema(required, examples("accepted"))]
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
        Self {
            file: settings(&row, FileDestination::KIND),
            insightops: settings(&row, InsightOpsDestination::KIND),
            webhook: settings(&row, WebhookDestination::KIND),
            id: row.id,
            proof: proof_of(&row.kind, kinds),
            name: row.name,
            kind: row.kind,
            secrets_set_at: row.secret_set_at,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What is shown of the settings, if the destination is of this kind.
fn settings<T: DeserializeOwned>(row: &Destination, kind: &str) -> Option<T> {
    let config = (row.kind == kind).then(|| row.config.clone())?;
    serde_json::from_value(config)
        .inspect_err(|error| tracing::error!(%error, kind, "stored settings cannot be shown"))
        .ok()
}

/// What "delivered" proves at a kind of destination.
pub(crate) fn proof_of(kind: &str, kinds: &dyn Destinations) -> Option<String> {
    kinds.proof(kind).map(Proof::as_str).map(str::to_owned)
}
