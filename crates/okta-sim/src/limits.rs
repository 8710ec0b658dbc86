//! Rate limits: fixed windows, shares of principals, an org's bucket, requests at once.
//!
//! A request to `/api/v1/logs` counts in two windows, its token's or app's and the org's; other paths have
//! buckets of their own. Windows begin and end on whole seconds, so that `reset` minus `Date` is
//! exactly how long to wait.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::auth::Principal;
use crate::config::{RateLimits, WindowStart, Windows};
use crate::route;

/// What the three `x-rate-limit-*` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateHeaders {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds since 1970.
    pub(crate) reset: i64,
    /// The number of the principal's window, if the request met one.
    pub(crate) window: Option<u64>,
}

/// A used-up window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded {
    pub(crate) headers: RateHeaders,
    /// Whether this is the first refusal of its window.
    pub(crate) first: bool,
    /// Whether the org's window is used up, not just the principal's share.
    pub(crate) org: bool,
}

/// Who shares a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Principal(Principal),
    Org,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// Counted per holder and path, from 1.
    number: u64,
    start_s: i64,
    used: u32,
    refused: u32,
}

#[derive(Debug)]
pub(crate) struct Limits {
    logs: RateLimits,
    shape: Windows,
    shares: HashMap<Principal, u32>,
    windows: HashMap<(Holder, &'static str), Window>,
}

impl Limits {
    /// Limits of everything but the log.
    const OTHER: RateLimits = RateLimits {
        org: 100,
        token: 50,
    };

    const TOKENS: RateLimits = RateLimits {
        org: 600,
        token: 300,
    };

    /// The token endpoint's, as recorded; it has no shares.
    const TOKEN: RateLimits = RateLimits {
        org: 150,
        token: 150,
    };

    pub(crate) fn new(logs: RateLimits, shape: Windows) -> Self {
        Self {
            logs,
            shape,
            shares: HashMap::new(),
            windows: HashMap::new(),
        }
    }

    /// Changes the limits of the log; windows go on with what they have counted.
    pub(crate) fn set(&mut self, logs: RateLimits) {
        self.logs = logs;
    }

    /// Gives a principal a share of the log's limit of its own.
    pub(crate) fn set_share(&mut self, principal: Principal, share: u32) {
        self.shares.insert(principal, share);
    }

    /// Seconds of a window.
    pub(crate) fn length_s(&self) -> i64 {
        i64::from(self.shape.seconds.max(1))
    }

    /// What an unknown caller is shown: nothing is counted.
    pub(crate) fn untouched(&self, path: &'static str, now_ms: i64) -> RateHeaders {
        let limit = self.of(path).token;
        RateHeaders {
            limit,
            remaining: limit,
            reset: now_ms.div_euclid(1000) + self.length_s(),
            window: None,
        }
    }

    /// Counts a request, or refuses it.
    pub(crate) fn take(
        &mut self,
        principal: Principal,
        path: &'static str,
        now_ms: i64,
    ) -> Result<RateHeaders, Exceeded> {
        let limits = self.of(path);
        let own = self
            .shares
            .get(&principal)
            .copied()
            .filter(|_| path == route::LOGS);
        let share = own.unwrap_or(limits.token);
        let holder = Holder::Principal(principal);
        let number = self.window(holder, path, now_ms).number;
        for (holder, limit) in [(holder, share), (Holder::Org, limits.org)] {
            let window = self.window(holder, path, now_ms);
            if window.used >= limit {
                window.refused += 1;
                let window = *window;
                let shown = RateHeaders {
                    limit: share,
                    remaining: 0,
                    window: Some(number),
                    ..self.headers(limit, window)
                };
                return Err(Exceeded {
                    headers: shown,
                    first: window.refused == 1,
                    org: holder == Holder::Org,
                });
            }
        }
        self.window(Holder::Org, path, now_ms).used += 1;
        let window = self.window(holder, path, now_ms);
        window.used += 1;
        let window = *window;
        Ok(self.headers(share, window))
    }

    /// Counts a request that nobody has proved itself for yet: the org alone has a window.
    pub(crate) fn take_for_org(
        &mut self,
        path: &'static str,
        now_ms: i64,
    ) -> Result<RateHeaders, RateHeaders> {
        let limit = self.of(path).org;
        let window = self.window(Holder::Org, path, now_ms);
        let free = window.used < limit;
        if free {
            window.used += 1;
        } else {
            window.refused += 1;
        }
        let window = *window;
        let headers = self.headers(limit, window);
        if free { Ok(headers) } else { Err(headers) }
    }

    fn of(&self, path: &str) -> RateLimits {
        match path {
            route::LOGS => self.logs,
            route::TOKEN => Self::TOKEN,
            route::TOKENS => Self::TOKENS,
            _ => Self::OTHER,
        }
    }

    fn window(&mut self, holder: Holder, path: &'static str, now_ms: i64) -> &mut Window {
        let (second, length) = (now_ms.div_euclid(1000), self.length_s());
        let start_s = match self.shape.start {
            WindowStart::FirstRequest => second,
            WindowStart::Offset { seed } => {
                let key = format!("{holder:?} {path} {seed}");
                let offset = i64::try_from(xxh3_64(key.as_bytes()) >> 1).unwrap_or_default();
                second - (second - offset % length).rem_euclid(length)
            }
        };
        let window = self.windows.entry((holder, path)).or_default();
        // A clock set back ends a window too: it would otherwise last for as long as it was set back.
        if window.number == 0 || !(window.start_s..window.start_s + length).contains(&second) {
            *window = Window {
                number: window.number + 1,
                start_s,
                ..Window::default()
            };
        }
        window
    }

    fn headers(&self, limit: u32, window: Window) -> RateHeaders {
        RateHeaders {
            limit,
            remaining: limit.saturating_sub(window.used),
            reset: window.start_s + self.length_s(),
            window: Some(window.number),
        }
    }
}
