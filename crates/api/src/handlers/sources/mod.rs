//! Sources: Okta System Logs that are polled.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod ledger;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod poll;
pub(crate) mod resume;
pub(crate) mod status;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::Source;
use utoipa::ToSchema;
use uuid::Uuid;

/// Characters in Okta's `filter` and `q`.
const MAX_QUERY: usize = 2000;

/// How often what is stored is compared with Okta
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents what is read as a word")]
pub(crate) enum VerifyFrequency {
    /// Never: hours stay unverified
    Off,
    /// Every hour
    Hourly,
    /// Once a day
    Daily,
}

/// A source
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
pub(crate) struct SourceView {
    /// The id
    id: Uuid,
    /// The name, for people; need not be unique
    display_name: String,
    /// The credential it reads with
    credential_id: Uuid,
    /// IANA timezone, for display only: all times of this API are UTC
    #[schema(examples("Europe/Berlin"))]
    timezone: String,
    /// How often the log is polled
    #[schema(examples("1h"))]
    refresh_frequency: String,
    /// Where reading began; null: with the oldest event that Okta had
    #[schema(required)]
    start_at: Option<DateTime<Utc>>,
    /// Okta's filter expression
    #[schema(required, examples("eventType eq \"user.session.start\""))]
    filter: Option<String>,
    /// Okta's keywords
    #[schema(required)]
    q: Option<String>,
    /// How often what is stored is compared with Okta: `off`, `hourly` or `daily`; the set may grow
    #[schema(examples("daily"))]
    verify: String,
    /// False while it is paused
    enabled: bool,
    /// Okta's id of the org it reads, for good; null until the first contact
    #[schema(required)]
    org_id: Option<String>,
    /// Grows with every change; also in the `ETag`
    version: i64,
    /// When it was created
    created_at: DateTime<Utc>,
    /// When it was last changed
    updated_at: DateTime<Utc>,
}

impl From<Source> for SourceView {
    fn from(row: Source) -> Self {
        Self {
            id: row.id,
            refresh_frequency: row.refresh().to_string(),
            display_name: row.display_name,
            credential_id: row.credential_id,
            timezone: row.timezone,
            start_at: row.start_at,
            filter: row.filter,
            q: row.keywords,
            verify: row.verify,
            enabled: row.enabled,
            org_id: row.org_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
