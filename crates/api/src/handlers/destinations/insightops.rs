//! Settings of Rapid7 InsightOps destinations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Settings of a Rapid7 InsightOps destination. Give `region` or `base_url`
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what the forward crate reads")]
pub(crate) struct InsightOpsCreate {
    /// The region of your Rapid7 account: `us`, `us2`, `us3`, `eu`, `ca`, `au`, `ap`
    #[schema(nullable = false, examples("eu"))]
    region: Option<String>,
    /// Instead of the region: where to send, such as a relay of your own
    #[schema(
        nullable = false,
        examples("https://eu.webhook.logs.insight.rapid7.com")
    )]
    base_url: Option<String>,
    /// The token of the log. Never shown again
    #[schema(format = Password, examples("00000000-0000-4000-8000-000000000000"))]
    token: String,
    /// Id of the log, with `read_key`: a test then reads back what it has sent
    #[schema(nullable = false)]
    log_id: Option<Uuid>,
    /// An API key that may read the log, with `log_id`. Never shown again
    #[schema(nullable = false, format = Password)]
    read_key: Option<String>,
    /// Instead of the region: where to ask for what has arrived
    #[schema(nullable = false)]
    query_url: Option<String>,
    /// Larger events are sent shrunk, marked, their originals kept; InsightOps splits what is larger
    #[schema(nullable = false, minimum = 1024, maximum = 32767, default = 32767)]
    max_event_bytes: Option<u32>,
    /// Requests at the same time; with more than one, events may overtake each other
    #[schema(nullable = false, minimum = 1, maximum = 64, default = 8)]
    in_flight: Option<u32>,
}

/// Settings of a Rapid7 InsightOps destination, without its secrets
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct InsightOpsSettings {
    /// The region; null if `base_url` is given
    #[schema(required)]
    region: Option<String>,
    /// Where events are sent; null if `region` is given
    #[schema(required)]
    base_url: Option<String>,
    /// Id of the log; null if a test cannot read back
    #[schema(required)]
    log_id: Option<Uuid>,
    /// Where a test asks; null: where the region says
    #[schema(required)]
    query_url: Option<String>,
    /// Larger events are sent shrunk
    max_event_bytes: u32,
    /// Requests at the same time
    in_flight: u32,
}

/// What to change about the settings of an InsightOps destination; null takes a setting away
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is merged and then checked")]
pub(crate) struct InsightOpsPatch {
    /// A new region; the token must be given again
    region: Option<String>,
    /// A new address; the token must be given again
    base_url: Option<String>,
    /// A new token
    #[schema(nullable = false, format = Password)]
    token: Option<String>,
    /// Id of the log
    log_id: Option<Uuid>,
    /// A new API key
    #[schema(format = Password)]
    read_key: Option<String>,
    /// Where a test asks
    query_url: Option<String>,
    /// Larger events are sent shrunk
    #[schema(minimum = 1024, maximum = 32767)]
    max_event_bytes: Option<u32>,
    /// Requests at the same time
    #[schema(minimum = 1, maximum = 64)]
    in_flight: Option<u32>,
}
