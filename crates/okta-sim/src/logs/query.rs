//! The request's parameters, checked as Okta checks them.

use chrono::{DateTime, TimeDelta};
use url::form_urlencoded;

use crate::config::{BadDate, LimitRule, OrgConfig};
use crate::errors::ApiError;
use crate::events::EventLog;
use crate::filter::Filter;
use crate::logs::cursor::Cursor;
use crate::logs::keywords::Keywords;
use crate::logs::page::RETENTION;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
/// What orgs that mind the age of `since` take.
const TOO_OLD: TimeDelta = TimeDelta::days(180);
const DEFAULT_SPAN: TimeDelta = TimeDelta::days(7);

/// One query.
#[derive(Debug)]
pub(crate) struct Query {
    /// All parameters as they came, decoded, without `after`; links repeat them.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) after: Option<Cursor>,
    pub(crate) limit: usize,
    pub(crate) kind: Kind,
    filter: Option<Filter>,
    keywords: Keywords,
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
    pub(crate) fn parse(query: &str, org: &OrgConfig, now_ms: i64) -> Result<Self, ApiError> {
        let mut parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let get = |name: &str| value(&parameters, name);

        let filter = get("filter").map(Filter::parse).transpose()?;
        let keywords = Keywords::parse(get("q").unwrap_or_default())?;
        let rule = org.limit_rule;
        let limit = get("limit").map_or(Ok(DEFAULT_LIMIT), |limit| parse_limit(limit, rule))?;
        let order = match get("sortOrder") {
            None | Some("ASCENDING") => Order::Ascending,
            Some("DESCENDING") => Order::Descending,
            Some(_) => {
                let problem = "must be ASCENDING or DESCENDING.";
                return Err(ApiError::invalid_parameter("sortOrder", problem));
            }
        };
        let date = |name: &str| {
            let value = get(name).map(parse_time).transpose();
            value.map_err(|NoDate| match org.bad_date {
                BadDate::E0000030 => ApiError::bad_date(),
                BadDate::E0000001 => ApiError::documented_bad_date(name),
            })
        };
        let ago = |span: TimeDelta| now_ms.saturating_sub(span.num_milliseconds());
        let until_ms = date("until")?;
        let since_ms = date("since")?.unwrap_or_else(|| {
            until_ms
                .unwrap_or(now_ms)
                .saturating_sub(DEFAULT_SPAN.num_milliseconds())
        });
        if org.refuse_180_days && since_ms < ago(TOO_OLD) {
            return Err(ApiError::too_old());
        }
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
        if let Some(Cursor::Up(place)) = &after
            && org.refuse_old_cursors
            && place.ms < ago(RETENTION)
        {
            return Err(ApiError::bad_cursor());
        }
        parameters.retain(|(name, _)| name != "after");
        Ok(Self {
            parameters,
            after,
            limit,
            kind,
            filter,
            keywords,
        })
    }

    /// Whether `filter` and `q` take an event; what is no JSON is taken by neither.
    pub(crate) fn wants(&self, log: &EventLog, index: usize) -> bool {
        if self.filter.is_none() && self.keywords.is_empty() {
            return true;
        }
        let bytes = log.bytes(index).unwrap_or_default();
        let Ok(event) = serde_json::from_str(&String::from_utf8_lossy(&bytes)) else {
            return false;
        };
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.matches(&event))
            && self.keywords.matches(&event)
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
        return Err(ApiError::type_mismatch("limit"));
    };
    match (usize::try_from(limit), rule) {
        (Ok(limit @ 1..=MAX_LIMIT), _) => Ok(limit),
        (Ok(0), LimitRule::ZeroIsEmpty) => Ok(0),
        (Ok(0) | Err(_), LimitRule::Clamp) => Ok(1),
        (Ok(_), LimitRule::Clamp | LimitRule::ZeroIsEmpty) => Ok(MAX_LIMIT),
        (_, LimitRule::Refuse) | (Err(_), LimitRule::ZeroIsEmpty) => {
            refused("must be between 1 and 1000.")
        }
    }
}

/// The text is no date.
struct NoDate;

/// RFC 3339, any offset, any number of decimals; rounded up, so that `since` lets nothing earlier in.
fn parse_time(text: &str) -> Result<i64, NoDate> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| NoDate)?;
    Ok(-(-time.timestamp_micros()).div_euclid(1000))
}
