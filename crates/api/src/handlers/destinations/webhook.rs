//! Settings of webhook destinations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Forms of a request's body; the set may grow
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents what is read as a word")]
pub(crate) enum WebhookBody {
    /// One event a line, `application/x-ndjson`
    Ndjson,
    /// An array of events, `application/json`
    JsonArray,
    /// One event, `application/json`
    Single,
}

/// A header of every request
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what the forward crate reads")]
pub(crate) struct WebhookHeader {
    /// Its name
    #[schema(min_length = 1, max_length = 100, examples("Authorization"))]
    name: String,
    /// Its value. Never shown again
    #[schema(max_length = 8192, format = Password)]
    value: String,
}

/// A header of every request, without its value
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ShownHeader {
    /// Its name
    name: String,
}

/// Settings of a webhook
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what the forward crate reads")]
pub(crate) struct WebhookCreate {
    /// Where events are posted to; https, and a public host
    #[schema(max_length = 2048, examples("https://siem.example.com/okta"))]
    url: String,
    /// What a request holds
    #[schema(nullable = false, default = "ndjson")]
    body: Option<WebhookBody>,
    /// Headers of every request, such as a token
    #[schema(nullable = false, max_items = 32)]
    headers: Option<Vec<WebhookHeader>>,
    /// Whether bodies are compressed
    #[schema(nullable = false, default = false)]
    gzip: Option<bool>,
    /// Most events in a request
    #[schema(nullable = false, minimum = 1, maximum = 10000, default = 1000)]
    max_batch_events: Option<u32>,
    /// Most bytes of events in a request; a single larger event is sent alone
    #[schema(
        nullable = false,
        minimum = 1024,
        maximum = 33_554_432,
        default = 4_194_304
    )]
    max_batch_bytes: Option<u32>,
    /// Requests at the same time, with `body` `single`; with more than one, events may overtake each other
    #[schema(nullable = false, minimum = 1, maximum = 64, default = 1)]
    in_flight: Option<u32>,
}

/// Settings of a webhook, without the values of its headers
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookSettings {
    /// Where events are posted to
    url: String,
    /// What a request holds: `ndjson`, `json_array` or `single`; the set may grow
    body: String,
    /// Headers of every request
    headers: Vec<ShownHeader>,
    /// Whether bodies are compressed
    gzip: bool,
    /// Most events in a request
    max_batch_events: u32,
    /// Most bytes of events in a request
    max_batch_bytes: u32,
    /// Requests at the same time
    in_flight: u32,
}

/// What to change about the settings of a webhook
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is merged and then checked")]
pub(crate) struct WebhookPatch {
    /// A new address; the headers must be given again with it
    #[schema(nullable = false, max_length = 2048)]
    url: Option<String>,
    /// What a request holds
    #[schema(nullable = false)]
    body: Option<WebhookBody>,
    /// All headers anew
    #[schema(nullable = false, max_items = 32)]
    headers: Option<Vec<WebhookHeader>>,
    /// Whether bodies are compressed
    #[schema(nullable = false)]
    gzip: Option<bool>,
    /// Most events in a request
    #[schema(nullable = false, minimum = 1, maximum = 10000)]
    max_batch_events: Option<u32>,
    /// Most bytes of events in a request
    #[schema(nullable = false, minimum = 1024, maximum = 33_554_432)]
    max_batch_bytes: Option<u32>,
    /// Requests at the same time
    #[schema(nullable = false, minimum = 1, maximum = 64)]
    in_flight: Option<u32>,
}
