//! Routes: one source to one destination.

pub(crate) mod create;
pub(crate) mod dead_letters;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod resume;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use forward::Format;
use serde::Serialize;
use store::Route;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Forms in which events are delivered; the set may grow
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents what is read as a word")]
pub(crate) enum EventFormat {
    /// Byte for byte as Okta sent them
    Raw,
    /// The same bytes in `event`, beside `collector`: source, org, log and batch, when it was collected,
    /// and `published` in the timezone of the source
    Envelope,
}

/// A route
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Route)]
pub(crate) struct RouteView {
    /// The id
    id: Uuid,
    /// Where it begins
    source_id: Uuid,
    /// Where it leads
    destination_id: Uuid,
    /// In which form events are delivered: `raw` or `envelope`; the set may grow
    #[schema(examples("raw"))]
    format: String,
    /// False while it is paused
    enabled: bool,
    /// Events delivered
    delivered_events: i64,
    /// Events that the destination refused for good; they are kept
    dead_letters: i64,
    /// Events that were given up after the longest retention
    given_up_events: i64,
    /// When the last delivery succeeded
    #[schema(required)]
    last_success_at: Option<DateTime<Utc>>,
    /// Grows with every change; also in the `ETag`
    version: i64,
    /// When it was created
    created_at: DateTime<Utc>,
    /// When it was last changed
    updated_at: DateTime<Utc>,
}

impl From<Route> for RouteView {
    fn from(row: Route) -> Self {
        Self {
            id: row.id,
            source_id: row.source_id,
            destination_id: row.destination_id,
            format: row.format,
            enabled: row.enabled,
            delivered_events: row.delivered,
            dead_letters: row.dead,
            given_up_events: row.given_up,
            last_success_at: row.last_success_at,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Which routes to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what list_routes reads")]
pub(crate) struct RouteFilter {
    /// Only routes of this source
    #[param(nullable = false)]
    source_id: Option<Uuid>,
}

/// Reads the word of a format.
fn read_format(word: &str) -> Result<Format, String> {
    Format::from_word(word).ok_or_else(|| {
        let words = Format::ALL.map(Format::as_str);
        format!("format must be one of {}", words.join(", "))
    })
}
