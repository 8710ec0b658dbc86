//! Pages and how they are asked for.

use chrono::{DateTime, SecondsFormat, Utc};
use model::cursor::Cursor;
use model::origin::Origin;
use url::Url;

use crate::error::OktaError;
use crate::events::Events;
use crate::link;
use crate::rate::RateHeaders;

/// The most events Okta puts into a page.
pub const MAX_LIMIT: u32 = 1000;

/// Which page to ask for. All but [`Latest`](Self::Latest) and [`Bounded`](Self::Bounded) are polling
/// requests: in the order in which Okta persisted the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageRequest {
    /// The first page of a polling reading: in the order in which Okta persisted the events, without
    /// end.
    First {
        /// From when on, by persistence time, inclusive; by default Okta takes seven days.
        since: Option<DateTime<Utc>>,
        /// An Okta filter expression.
        filter: Option<String>,
        /// Keywords.
        q: Option<String>,
        /// How many events at most, 1 to [`MAX_LIMIT`].
        limit: u32,
    },
    /// The first page of a bounded reading: strictly by `published`, with an end. Events that came
    /// late to Okta may be missing in it.
    Bounded {
        /// From when on, by `published`, inclusive.
        since: DateTime<Utc>,
        /// Until when, exclusive.
        until: DateTime<Utc>,
        /// An Okta filter expression.
        filter: Option<String>,
        /// Keywords.
        q: Option<String>,
        /// How many events at most, 1 to [`MAX_LIMIT`].
        limit: u32,
    },
    /// The page behind a next link.
    Next {
        /// The link, asked for byte for byte but for its `limit`.
        cursor: Cursor,
        /// Rewrites the link's `limit`; `None` leaves the one it was stored with.
        limit: Option<u32>,
    },
    /// The newest events, the newest of all first: to look at, not to read on from.
    Latest {
        /// From when on, by `published`, inclusive.
        since: DateTime<Utc>,
        /// Until when, by `published`.
        until: DateTime<Utc>,
        /// How many events at most, 1 to [`MAX_LIMIT`].
        limit: u32,
    },
}

/// One answer of Okta.
#[derive(Debug)]
pub struct Page {
    /// The events, in Okta's order.
    pub events: Events,
    /// Where to go on. Okta gives one on every polling page, so there `None` is a fault of its own; a
    /// bounded reading ends with it.
    pub next: Option<Cursor>,
    /// Okta's clock at the answer.
    pub date: Option<DateTime<Utc>>,
    /// What is left of the budget.
    pub rate: RateHeaders,
    /// Okta's id of the request, for its support.
    pub request_id: Option<String>,
    /// The size of the decompressed body in bytes.
    pub raw_bytes: usize,
}

impl PageRequest {
    /// The URL to ask for.
    pub(crate) fn url(&self, origin: &Origin) -> Result<Url, OktaError> {
        match self {
            Self::First {
                since,
                filter,
                q,
                limit,
            } => {
                let since = since.map(|since| ("since", time(since)));
                Ok(first(origin, since, filter.as_ref(), q.as_ref(), *limit))
            }
            Self::Bounded {
                since,
                until,
                filter,
                q,
                limit,
            } => {
                let order = ("sortOrder", "ASCENDING".to_owned());
                let range = [("since", time(*since)), ("until", time(*until)), order];
                Ok(first(origin, range, filter.as_ref(), q.as_ref(), *limit))
            }
            Self::Next {
                cursor,
                limit: None,
            } => pinned(origin, cursor.as_str()).map_err(|host| OktaError::ForeignCursor { host }),
            Self::Next {
                cursor,
                limit: Some(limit),
            } => {
                let link = link::with_limit(cursor, *limit);
                pinned(origin, link.as_str()).map_err(|host| OktaError::ForeignCursor { host })
            }
            Self::Latest {
                since,
                until,
                limit,
            } => {
                let order = ("sortOrder", "DESCENDING".to_owned());
                let range = [("since", time(*since)), ("until", time(*until)), order];
                Ok(first(origin, range, None, None, *limit))
            }
        }
    }
}

/// Without milliseconds Okta once returned events from outside the range.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The URL of a first page.
fn first(
    origin: &Origin,
    range: impl IntoIterator<Item = (&'static str, String)>,
    filter: Option<&String>,
    q: Option<&String>,
    limit: u32,
) -> Url {
    let mut url = origin.url("/api/v1/logs");
    let mut query = url.query_pairs_mut();
    query.extend_pairs(range);
    for (name, value) in [("filter", filter), ("q", q)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("limit", &limit.to_string()).finish();
    drop(query);
    url
}

/// Takes the next link of an answer, if it stays on the origin.
pub(crate) fn next_cursor(
    origin: &Origin,
    link: Option<String>,
) -> Result<Option<Cursor>, OktaError> {
    let Some(link) = link else {
        return Ok(None);
    };
    match pinned(origin, &link) {
        Ok(_) => Ok(Some(Cursor::new(link))),
        Err(host) => Err(OktaError::ForeignLink { host }),
    }
}

/// Reads a link of this origin; the error is the host of one that is not.
fn pinned(origin: &Origin, link: &str) -> Result<Url, String> {
    let url = Url::parse(link).map_err(|_| String::new())?;
    if origin.same_origin(&url) {
        return Ok(url);
    }
    Err(url.host_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin::parse("acme").unwrap()
    }

    fn next(link: &str, limit: Option<u32>) -> Result<String, OktaError> {
        let request = PageRequest::Next {
            cursor: Cursor::new(link),
            limit,
        };
        request.url(&origin()).map(|url| url.to_string())
    }

    #[test]
    fn a_first_request_says_when_what_and_how_many() {
        let request = PageRequest::First {
            since: DateTime::from_timestamp_millis(1_767_323_045_000),
            filter: Some(r#"eventType eq "user.session.start""#.to_owned()),
            q: Some("a&b".to_owned()),
            limit: 1000,
        };
        assert_eq!(
            request.url(&origin()).unwrap().as_str(),
            "https://acme.okta.com/api/v1/logs?since=2026-01-02T03%3A04%3A05.000Z\
             &filter=eventType+eq+%22user.session.start%22&q=a%26b&limit=1000"
        );
        let bare = PageRequest::First {
            since: None,
            filter: None,
            q: None,
            limit: 1,
        };
        assert_eq!(bare.url(&origin()).unwrap().query(), Some("limit=1"));
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
        let latest = PageRequest::Latest {
            since: at(1_767_323_045_000),
            until: at(1_767_326_645_007),
            limit: 100,
        };
        assert_eq!(
            latest.url(&origin()).unwrap().query(),
            Some(
                "since=2026-01-02T03%3A04%3A05.000Z&until=2026-01-02T04%3A04%3A05.007Z\
                 &sortOrder=DESCENDING&limit=100"
            )
        );
    }

    #[test]
    fn a_bounded_request_has_an_end_and_an_order() {
        let request = PageRequest::Bounded {
            since: DateTime::from_timestamp_millis(1_767_323_045_000).unwrap(),
            until: DateTime::from_timestamp_millis(1_767_323_046_500).unwrap(),
            filter: None,
            q: Some("a".to_owned()),
            limit: 1000,
        };
        assert_eq!(
            request.url(&origin()).unwrap().as_str(),
            "https://acme.okta.com/api/v1/logs?since=2026-01-02T03%3A04%3A05.000Z\
             &until=2026-01-02T03%3A04%3A06.500Z&sortOrder=ASCENDING&q=a&limit=1000"
        );
    }

    #[test]
    fn a_next_link_is_asked_for_as_it_stands() {
        let link = "https://acme.okta.com/api/v1/logs?q=&since=2017-06-10T00%3A00%3A00%2B00%3A00&limit=20\
                    &filter=severity+ge+%22INFO%22&x=%7e!*()&after=1597148709086_1";
        assert_eq!(next(link, None).as_deref(), Ok(link));
        assert_eq!(
            next(link, Some(1000)),
            Ok(link.replace("limit=20", "limit=1000"))
        );
    }

    #[test]
    fn a_next_link_of_another_origin_is_never_asked_for() {
        let table = [
            (
                "https://acme.okta.com.evil.example/api/v1/logs",
                "acme.okta.com.evil.example",
            ),
            (
                "https://acme.oktapreview.com/api/v1/logs",
                "acme.oktapreview.com",
            ),
            ("http://acme.okta.com/api/v1/logs", "acme.okta.com"),
            ("https://acme.okta.com:8443/api/v1/logs", "acme.okta.com"),
            ("https://user@acme.okta.com/api/v1/logs", "acme.okta.com"),
            ("https://acme.okta.com@evil.example/", "evil.example"),
            ("/api/v1/logs?after=1", ""),
            ("", ""),
        ];
        for (link, host) in table {
            let host = host.to_owned();
            assert_eq!(
                next(link, Some(5)),
                Err(OktaError::ForeignCursor { host: host.clone() })
            );
            let answer = next_cursor(&origin(), Some(link.to_owned()));
            assert_eq!(answer, Err(OktaError::ForeignLink { host }));
        }
        assert_eq!(next_cursor(&origin(), None), Ok(None));
    }
}
