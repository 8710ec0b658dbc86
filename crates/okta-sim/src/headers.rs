//! Response headers, as Okta's gateway sends them.
//!
//! Which of them an answer carries depends on who gives it: the API, the rate limiter in front of it, or
//! the gateway alone.

use chrono::{DateTime, Utc};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, DATE, EXPIRES,
    LINK, PRAGMA, REFERRER_POLICY, RETRY_AFTER, SERVER, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_XSS_PROTECTION,
};
use hyper::http::HeaderName;
use hyper::{HeaderMap, StatusCode, header::HeaderValue};

use crate::config::LinkStyle;
use crate::limits::RateHeaders;
use crate::rng::Rng;

const LIMIT: HeaderName = HeaderName::from_static("x-rate-limit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-rate-limit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-rate-limit-reset");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-okta-request-id");
const P3P: HeaderName = HeaderName::from_static("p3p");
const ACCEPT_CH: HeaderName = HeaderName::from_static("accept-ch");

const COOKIES: [&str; 4] = [
    "sid=\"\";Version=1;Path=/;Max-Age=0",
    "xids=\"\";Version=1;Path=/;Max-Age=0",
    "autolaunch_triggered=\"\"; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/",
    "activate_ca_modal_triggered=\"\"; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/",
];

/// Who gives an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Giver {
    Api,
    RateLimiter,
    Gateway,
}

impl Giver {
    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimiter,
            StatusCode::METHOD_NOT_ALLOWED => Self::Gateway,
            _ => Self::Api,
        }
    }
}

/// Everything but what describes the body.
pub(crate) fn common(
    giver: Giver,
    now: DateTime<Utc>,
    host: &str,
    rate: Option<RateHeaders>,
    rng: &mut Rng,
) -> HeaderMap {
    let mut map = HeaderMap::new();
    let mut fixed = |name, value| map.append(name, HeaderValue::from_static(value));
    fixed(SERVER, "nginx");
    fixed(
        STRICT_TRANSPORT_SECURITY,
        "max-age=315360000; includeSubDomains",
    );
    fixed(X_CONTENT_TYPE_OPTIONS, "nosniff");
    if giver != Giver::Gateway {
        for cookie in COOKIES {
            fixed(SET_COOKIE, cookie);
        }
        fixed(P3P, "CP=\"HONK\"");
        fixed(ACCEPT_CH, "Sec-CH-UA-Platform-Version");
        fixed(X_XSS_PROTECTION, "0");
    }
    if giver == Giver::Api {
        fixed(CACHE_CONTROL, "no-cache, no-store");
        fixed(PRAGMA, "no-cache");
        fixed(EXPIRES, "0");
        fixed(REFERRER_POLICY, "strict-origin-when-cross-origin");
    }
    put(
        &mut map,
        DATE,
        &now.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
    );
    if giver != Giver::Gateway {
        put(&mut map, REQUEST_ID, &rng.hex(32));
        put(
            &mut map,
            CONTENT_SECURITY_POLICY,
            &policy(host, "app.pendo.io data.pendo.io"),
        );
        put(
            &mut map,
            CONTENT_SECURITY_POLICY_REPORT_ONLY,
            &policy(host, "*.mixpanel.com *.mapbox.com"),
        );
        if let Some(rate) = rate {
            put(&mut map, LIMIT, &rate.limit.to_string());
            put(&mut map, REMAINING, &rate.remaining.to_string());
            put(&mut map, RESET, &rate.reset.to_string());
        }
    }
    if giver == Giver::Api {
        let session = rng.hex(32).to_uppercase();
        put(
            &mut map,
            SET_COOKIE,
            &format!("JSESSIONID={session}; Path=/; Secure; HttpOnly"),
        );
    }
    map
}

/// `self` first: a client that keeps only the last line must find `next`.
pub(crate) fn links(map: &mut HeaderMap, links: &[String], style: LinkStyle) {
    match style {
        LinkStyle::TwoLines => links.iter().for_each(|link| put(map, LINK, link)),
        LinkStyle::OneLine if links.is_empty() => {}
        LinkStyle::OneLine => put(map, LINK, &links.join(", ")),
    }
}

/// What one endpoint alone adds.
pub(crate) fn extra(map: &mut HeaderMap, extra: &[(HeaderName, String)]) {
    for (name, value) in extra {
        put(map, name.clone(), value);
    }
}

/// What Okta does not send, but tests of clients that heed it want.
pub(crate) fn retry_after(map: &mut HeaderMap, rate: Option<RateHeaders>, now_ms: i64) {
    if let Some(rate) = rate {
        let seconds = (rate.reset - now_ms.div_euclid(1000)).max(0);
        put(map, RETRY_AFTER, &seconds.to_string());
    }
}

/// Adds a header line; a value that no header can hold (from a hostile Host) is left out.
fn put(map: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        map.append(name, value);
    }
}

/// A content security policy of the usual size, some 1.5 kB; what it allows does not matter here.
fn policy(host: &str, extra: &str) -> String {
    use std::fmt::Write as _;

    let mut policy =
        format!("default-src 'self' {host} *.oktacdn.com; connect-src 'self' {host} {extra}");
    for port in [8769, 65_111, 65_121, 65_131, 65_141, 65_151] {
        for local in [
            "https://loopback.example.test",
            "http://localhost",
            "http://127.0.0.1",
        ] {
            let _written = write!(policy, " {local}:{port}");
        }
    }
    for kind in ["script", "style", "frame", "img", "font"] {
        let _written = write!(
            policy,
            "; {kind}-src 'self' 'report-sample' {host} *.oktacdn.com static.oktacdn.example.test {extra}"
        );
    }
    policy.push_str("; frame-ancestors 'self'");
    policy
}
