//! What can go wrong between a source and its org, and what follows from it.

use std::ops::RangeInclusive;
use std::time::Duration;

use model::status::Trouble;
use okta_sim::{Fault, TokenState};

/// What goes wrong.
pub(crate) enum Break {
    /// The org does this until it stops.
    Org(Fault),
    /// The org does this once.
    Once(Fault),
    Token(TokenState),
    /// The host is no org any more.
    Gone,
    /// The credential gets this domain.
    Domain(&'static str),
    /// Pages may have so many bytes.
    PageBytes(usize),
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) broken: Break,
    /// What the status shows after one poll; `None`: it runs.
    pub(crate) shown: Option<Trouble>,
    /// Seconds until the next poll.
    pub(crate) due_in: RangeInclusive<f64>,
    /// Requests for the log in that one poll.
    pub(crate) requests: RangeInclusive<usize>,
}

/// Around one refresh period of an hour.
pub(crate) const NEXT_SLOT: RangeInclusive<f64> = 1799.0..=5400.0;
/// The first backoff.
pub(crate) const SOON: RangeInclusive<f64> = 0.5..=1.0;
pub(crate) const AT_ONCE: RangeInclusive<f64> = 0.0..=0.0;

fn row(
    name: &'static str,
    broken: Break,
    shown: impl Into<Option<Trouble>>,
    due_in: RangeInclusive<f64>,
    requests: RangeInclusive<usize>,
) -> Row {
    Row {
        name,
        broken,
        shown: shown.into(),
        due_in,
        requests,
    }
}

/// Undisturbed a poll takes two requests: the page, and the empty one behind it.
pub(crate) fn table() -> Vec<Row> {
    let mut table = answers_that_are_no_page();
    table.extend(pages_that_are_wrong());
    table.extend(credentials_that_do_not_work());
    table
}

fn answers_that_are_no_page() -> Vec<Row> {
    use Break::{Once, Org};
    use Trouble::{OktaUnavailable, OktaUnreachable, RateLimited, TooManyAtOnce};
    let slow = Fault::SlowBody {
        piece: 1500,
        pause: Duration::from_millis(15),
    };
    vec![
        row("429", Org(Fault::RateLimit), RateLimited, 1.0..=62.0, 1..=1),
        row(
            "concurrency 429",
            Org(Fault::ConcurrencyLimit),
            TooManyAtOnce,
            0.5..=2.0,
            1..=1,
        ),
        row(
            "500",
            Org(Fault::InternalError),
            OktaUnavailable,
            SOON,
            1..=1,
        ),
        row("502", Org(Fault::Html(502)), OktaUnavailable, SOON, 1..=1),
        row("503", Org(Fault::Html(503)), OktaUnavailable, SOON, 1..=1),
        row("504", Org(Fault::Html(504)), OktaUnavailable, SOON, 1..=1),
        row(
            "cut body",
            Org(Fault::CutBody),
            OktaUnreachable,
            SOON,
            1..=1,
        ),
        row(
            "hung body",
            Org(Fault::HungBody),
            OktaUnreachable,
            SOON,
            1..=1,
        ),
        row(
            "hung before headers",
            Org(Fault::HungBeforeHeaders),
            OktaUnreachable,
            SOON,
            1..=1,
        ),
        row("slow body", Org(slow), None, NEXT_SLOT, 2..=2),
        // The refusal, the page from the watermark on, the empty one.
        row(
            "refused cursor",
            Once(Fault::RefusedCursor),
            None,
            NEXT_SLOT,
            3..=3,
        ),
        // Refused, read from the watermark, and refused again.
        row(
            "cursor always refused",
            Org(Fault::RefusedCursor),
            OktaUnavailable,
            SOON,
            3..=3,
        ),
    ]
}

fn pages_that_are_wrong() -> Vec<Row> {
    use Break::{Once, Org, PageBytes};
    use Trouble::PageMalformed;
    let raw = |bytes: &'static [u8]| Fault::RawPage(bytes.into());
    vec![
        // 1000, 100, 10, 1 event asked for.
        row(
            "truncated page",
            Org(Fault::TruncatedPage),
            PageMalformed,
            SOON,
            4..=4,
        ),
        row(
            "object page",
            Org(Fault::ObjectPage),
            PageMalformed,
            SOON,
            4..=4,
        ),
        row(
            "garbage page",
            Org(Fault::GarbagePage),
            PageMalformed,
            SOON,
            4..=4,
        ),
        row(
            "page of numbers",
            Org(raw(b"[1,2]")),
            PageMalformed,
            SOON,
            4..=4,
        ),
        row(
            "page of one string",
            Org(raw(b"\"later\"")),
            PageMalformed,
            SOON,
            4..=4,
        ),
        row("empty body", Org(raw(b"")), PageMalformed, SOON, 4..=4),
        row(
            "two pages in one",
            Org(raw(b"[][]")),
            PageMalformed,
            SOON,
            4..=4,
        ),
        row(
            "garbage once",
            Once(Fault::GarbagePage),
            None,
            NEXT_SLOT,
            3..=3,
        ),
        // What it held is stored; where to go on, the next poll finds out.
        row(
            "no next link",
            Once(Fault::NoNextLink),
            None,
            AT_ONCE,
            1..=1,
        ),
        row(
            "never a next link",
            Org(Fault::NoNextLink),
            None,
            AT_ONCE,
            1..=1,
        ),
        row(
            "short pages",
            Org(Fault::ShortPage(3)),
            None,
            NEXT_SLOT,
            5..=5,
        ),
        row(
            "foreign next link",
            Org(Fault::ForeignNextLink(
                "https://evil.example.com".to_owned(),
            )),
            PageMalformed,
            SOON,
            1..=1,
        ),
        // Ten events have some 18 kB, so three at a time fit; then 1000 are tried again.
        row("page too large", PageBytes(8_000), None, NEXT_SLOT, 12..=60),
    ]
}

fn credentials_that_do_not_work() -> Vec<Row> {
    use Break::{Domain, Gone, Token};
    use Trouble::{DomainNotAllowed, DomainNotFound, NotAnOrg, PermissionMissing, TokenRevoked};
    vec![
        row(
            "401",
            Token(TokenState::Revoked),
            TokenRevoked,
            NEXT_SLOT,
            1..=1,
        ),
        row(
            "owner deactivated",
            Token(TokenState::OwnerDeactivated),
            TokenRevoked,
            NEXT_SLOT,
            1..=1,
        ),
        row(
            "403",
            Token(TokenState::NoRole),
            PermissionMissing,
            NEXT_SLOT,
            1..=1,
        ),
        row("not an org", Gone, NotAnOrg, NEXT_SLOT, 1..=1),
        row(
            "unknown host",
            Domain("https://no-such-org.invalid"),
            DomainNotFound,
            SOON,
            0..=0,
        ),
        row(
            "blocked address",
            Domain("https://10.1.2.3"),
            DomainNotAllowed,
            NEXT_SLOT,
            0..=0,
        ),
        row(
            "plain http",
            Domain("http://192.0.2.1"),
            DomainNotAllowed,
            NEXT_SLOT,
            0..=0,
        ),
    ]
}
