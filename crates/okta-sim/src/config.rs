//! What a simulated org is like when it starts.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use crate::clock::SimClock;
use crate::oauth::App;
use crate::tls::Tls;

/// A listener and the org behind it.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Where to listen; port 0 takes a free one. Default: a free port on 127.0.0.1.
    pub listen: SocketAddr,
    /// Serves TLS with this identity; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// The org's clock; clone one into several configurations to share it.
    pub clock: SimClock,
    /// The org.
    pub org: OrgConfig,
}

impl SimConfig {
    /// The default org with one valid token, on a free local port.
    pub fn with_token(token: impl Into<String>) -> Self {
        Self {
            org: OrgConfig::with_token(token),
            ..Self::default()
        }
    }
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            clock: SimClock::new(),
            org: OrgConfig::default(),
        }
    }
}

/// One org. Its `Debug` form leaves out the tokens. As JSON, what is left out has its default.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrgConfig {
    /// The org's id as `/.well-known/okta-organization` shows it: `00o` and 17 characters.
    pub id: String,
    /// SSWS tokens that are valid from the start.
    pub tokens: Vec<String>,
    /// Service apps that are registered from the start.
    pub apps: Vec<App>,
    /// Requests per minute to `/api/v1/logs`.
    pub limits: RateLimits,
    /// How long windows are and when they begin.
    pub windows: Windows,
    /// How many requests may be in work at once; one more gets the 429 of the concurrency limit.
    pub concurrency: Option<u32>,
    /// Whether a 429 has a `Retry-After`, which Okta does not send.
    pub retry_after: bool,
    /// What happens to `limit=0` and to limits above 1000; real orgs are not documented here.
    pub limit_rule: LimitRule,
    /// What a date that is none is answered with.
    pub bad_date: BadDate,
    /// Whether a `since` over 180 days ago is refused; by default it is clipped to the 90 days of retention.
    pub refuse_180_days: bool,
    /// Whether an ascending cursor that stands before the 90 days of retention is refused; by default it is
    /// clipped.
    pub refuse_old_cursors: bool,
    /// How two links are put into headers.
    pub links: LinkStyle,
    /// Whether a used-up window or the concurrency limit puts an event of Okta's into the log: of the token's
    /// share `system.operation.rate_limit.violation`, of the org's `system.org.rate_limit.violation`,
    /// `core.concurrency.org.limit.violation`; once a window each.
    pub violations_in_log: bool,
    /// Events the org makes by itself as its clock goes on.
    pub rate: Option<Rate>,
    /// How many requests are kept in the record; older ones are forgotten, not uncounted.
    pub keep_requests: usize,
}

impl OrgConfig {
    /// The default org with one valid token.
    pub fn with_token(token: impl Into<String>) -> Self {
        Self {
            tokens: vec![token.into()],
            ..Self::default()
        }
    }
}

impl Default for OrgConfig {
    fn default() -> Self {
        Self {
            id: "00osimulated0org05d7".to_owned(),
            tokens: Vec::new(),
            apps: Vec::new(),
            limits: RateLimits::default(),
            windows: Windows::default(),
            concurrency: None,
            retry_after: false,
            limit_rule: LimitRule::Refuse,
            bad_date: BadDate::E0000030,
            refuse_180_days: false,
            refuse_old_cursors: false,
            links: LinkStyle::TwoLines,
            violations_in_log: false,
            rate: None,
            keep_requests: 10_000,
        }
    }
}

impl fmt::Debug for OrgConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrgConfig")
            .field("id", &self.id)
            .field("tokens", &self.tokens.len())
            .field("apps", &self.apps)
            .field("limits", &self.limits)
            .field("windows", &self.windows)
            .field("concurrency", &self.concurrency)
            .field("limit_rule", &self.limit_rule)
            .field("links", &self.links)
            .field("violations_in_log", &self.violations_in_log)
            .field("rate", &self.rate)
            .field("keep_requests", &self.keep_requests)
            .finish_non_exhaustive()
    }
}

/// Requests per minute to `/api/v1/logs`. Headers show the token's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// What all tokens of the org share.
    pub org: u32,
    /// What one token may use of it.
    pub token: u32,
}

impl RateLimits {
    /// Okta's default: one token gets half of what the org has.
    pub fn half_of(org: u32) -> Self {
        Self {
            org,
            token: org / 2,
        }
    }
}

impl Default for RateLimits {
    /// A workforce org: 120 for the org, 60 for one token.
    fn default() -> Self {
        Self::half_of(120)
    }
}

/// The windows that requests are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Windows {
    /// Their length in simulated seconds; Okta's have 60. At least 1.
    pub seconds: u32,
    /// When they begin.
    pub start: WindowStart,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            seconds: 60,
            start: WindowStart::FirstRequest,
        }
    }
}

/// When a window begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowStart {
    /// With the first request after the last window's end.
    FirstRequest,
    /// One after the other without a pause, each principal's and the org's at an offset of its own.
    Offset {
        /// Decides the offsets.
        seed: u64,
    },
}

/// What happens to a `limit` outside 1..=1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitRule {
    /// 400 E0000001.
    Refuse,
    /// The nearest limit allowed is used.
    Clamp,
    /// 0 gives an empty page; above 1000 it is 1000.
    ZeroIsEmpty,
}

/// What a `since` or `until` that is no date is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum BadDate {
    /// 400 E0000030, as seen on real orgs.
    E0000030,
    /// 400 E0000001, as documented.
    E0000001,
}

/// How `self` and `next` are put into headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkStyle {
    /// One `link` line each, `self` first, as Okta sends them.
    TwoLines,
    /// Joined by a comma in one line, as some proxies make of it.
    OneLine,
}

/// Events made by the org itself, evenly spread over its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Events per simulated second. All of them stay in memory (about 1.9 kB each), also those of a
    /// clock moved ahead by days.
    pub per_second: u32,
    /// Seed of the [`Generator`](crate::Generator).
    pub seed: u64,
}
