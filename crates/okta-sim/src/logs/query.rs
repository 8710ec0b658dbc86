//! The request's parameters, checked as Okta checks them.

use chrono::{DateTime, TimeDelta};
use url::form_urlencoded;

use crate::config::LimitRule;
use crate::errors::ApiError;
use crate::logs::cursor::Cursor;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
const DEFAULT_SPAN: TimeDelta = TimeDelta::days(7);

/// One query.
#[derive(Debug)]
pub(crate) struct Query {
    /// All parameters as they came, decoded, without `after`; links repeat them.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) after: Option<Cursor>,
    pub(crate) limit: usize,
    pub(crate) kind: Kind,
}

/// The two kinds of query. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From `since` on by persistence time, without end.
    Polling { since_ms: i64 },
    /// `published` in `since..until`.
    Bounded {
        since_ms: i64,
        until_ms: i64,
        order: Order,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

impl Query {
    pub(crate) fn parse(query: &str, rule: LimitRule, now_ms: i64) -> Result<Self, ApiError> {
        let mut parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let get = |name: &str| value(&parameters, name);

        if get("filter").is_some() || get("q").is_some() {
            return Err(ApiError::unsupported_filter());
        }
        let limit = get("limit").map_or(Ok(DEFAULT_LIMIT), |limit| parse_limit(limit, rule))?;
        let order = match get("sortOrder") {
            None | Some("ASCENDING") => Order::Ascending,
            Some("DESCENDING") => Order::Descending,
            Some(_) => {
                let problem = "must be ASCENDING or DESCENDING.";
                return Err(ApiError::invalid_parameter("sortOrder", problem));
            }
        };
        let until_ms = get("until").map(parse_time).transpose()?;
        let since_ms = get("since")
            .map(parse_time)
            .transpose()?
            .unwrap_or_else(|| {
                until_ms
                    .unwrap_or(now_ms)
                    .saturating_sub(DEFAULT_SPAN.num_milliseconds())
            });
        let kind = match (until_ms, order) {
            (None, Order::Ascending) => Kind::Polling { since_ms },
            _ => Kind::Bounded {
                since_ms,
                until_ms: until_ms.unwrap_or(now_ms),
                order,
            },
        };
        let after = get("after")
            .map(str::parse)
            .transpose()
            .map_err(|()| ApiError::bad_cursor())?;
        parameters.retain(|(name, _)| name != "after");
        Ok(Self {
            parameters,
            after,
            limit,
            kind,
        })
    }
}

/// The value of a parameter, from the query string of a request; an empty one counts as absent.
pub(crate) fn raw_value(query: &str, name: &str) -> Option<String> {
    let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    value(&parameters, name).map(str::to_owned)
}

fn value<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = parameters
        .iter()
        .find(|(key, value)| key == name && !value.is_empty());
    found.map(|(_, value)| value.as_str())
}

fn parse_limit(text: &str, rule: LimitRule) -> Result<usize, ApiError> {
    let refused = |problem| Err(ApiError::invalid_parameter("limit", problem));
    let Ok(limit) = text.parse::<i64>() else {
        return refused("must be an integer.");
    };
    match (usize::try_from(limit), rule) {
        (Ok(limit @ 1..=MAX_LIMIT), _) => Ok(limit),
        (Ok(0) | Err(_), LimitRule::Clamp) => Ok(1),
        (Ok(_), LimitRule::Clamp) => Ok(MAX_LIMIT),
        (_, LimitRule::Refuse) => refused("must be between 1 and 1000."),
    }
}

/// RFC 3339, any offset, any number of decimals; rounded up, so that `since` lets nothing earlier in.
fn parse_time(text: &str) -> Result<i64, ApiError> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| ApiError::bad_date())?;
    Ok(-(-time.timestamp_micros()).div_euclid(1000))
}
