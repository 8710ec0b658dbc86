//! Tests of credentials, stored or not: what they showed.

pub(crate) mod create;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::handlers::check::TestCheck;
use crate::trial::Report;

/// What a test of a credential showed
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialTest {
    /// Whether nothing failed
    ok: bool,
    /// The steps, in order: `domain`, `organisation`, `token`, `permission`, `rate_limit`, `newest_event`,
    /// `events_per_minute`, `sample`
    checks: Vec<TestCheck>,
    /// The org that was met; null if none was
    #[schema(required)]
    organization: Option<TestedOrganization>,
    /// What Okta lets the credential ask; null if it did not say
    #[schema(required)]
    rate_limit: Option<TestedRateLimit>,
    /// When the newest event was published; null without one in the last 90 days
    #[schema(required)]
    newest_event_at: Option<DateTime<Utc>>,
    /// How many events the org makes in a minute, estimated from its newest; null if they were not seen
    #[schema(required, examples(12.5))]
    events_per_minute: Option<f64>,
    /// The newest events, two at most, each as the JSON text that Okta sent
    sample_events: Vec<String>,
}

/// An Okta org, as it tells everybody about itself
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestedOrganization {
    /// Okta's id of the org
    #[schema(examples("00osimulated0org05d7"))]
    id: String,
    /// Okta's engine of the org, `v1` or `idx`; null if it did not say
    #[schema(required, examples("idx"))]
    pipeline: Option<String>,
}

/// What Okta lets a credential ask of the System Log in one window, which lasts a minute
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestedRateLimit {
    /// Requests that Okta grants the token or app; by default half of what the org has
    limit: u32,
    /// Requests of these that the collector uses
    usable: u32,
    /// Requests left in the present window
    remaining: u32,
    /// Seconds until the next window
    resets_in_seconds: u64,
}

impl From<Report> for CredentialTest {
    fn from(report: Report) -> Self {
        Self {
            ok: report.ok(),
            checks: report.checks().into_iter().map(TestCheck::from).collect(),
            organization: report.organization.map(|org| TestedOrganization {
                id: org.id,
                pipeline: org.pipeline,
            }),
            rate_limit: report.rate.map(|seen| TestedRateLimit {
                limit: seen.limit,
                usable: seen.usable,
                remaining: seen.remaining,
                resets_in_seconds: seen.resets_in_seconds,
            }),
            newest_event_at: report.newest_event_at,
            events_per_minute: report.events_per_minute,
            sample_events: report.sample,
        }
    }
}
