//! Rate limits: 60 second windows that start with their first request.
//!
//! A request to `/api/v1/logs` counts in two windows, its token's and the org's; other paths have
//! buckets of their own. Windows begin and end on whole seconds, so that `reset` minus `Date` is
//! exactly how long to wait.

use std::collections::HashMap;

use crate::auth::Principal;
use crate::config::RateLimits;
use crate::route;

const WINDOW_S: i64 = 60;

/// What the three `x-rate-limit-*` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateHeaders {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds since 1970.
    pub(crate) reset: i64,
}

/// A used-up window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded {
    pub(crate) headers: RateHeaders,
    /// Whether this is the first refusal of its window.
    pub(crate) first: bool,
}

/// Who shares a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Principal(Principal),
    Org,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    start_s: i64,
    used: u32,
    refused: u32,
}

#[derive(Debug)]
pub(crate) struct Limits {
    logs: RateLimits,
    windows: HashMap<(Holder, &'static str), Window>,
}

impl Limits {
    /// Limits of everything but the log.
    const OTHER: RateLimits = RateLimits {
        org: 100,
        token: 50,
    };

    /// The token endpoint's, as recorded; it has no shares.
    const TOKEN: RateLimits = RateLimits {
        org: 150,
        token: 150,
    };

    pub(crate) fn new(logs: RateLimits) -> Self {
        Self {
            logs,
            windows: HashMap::new(),
        }
    }

    /// Changes the limits of the log; windows go on with what they have counted.
    pub(crate) fn set(&mut self, logs: RateLimits) {
        self.logs = logs;
    }

    /// What an unknown caller is shown: nothing is counted.
    pub(crate) fn untouched(&self, path: &'static str, now_ms: i64) -> RateHeaders {
        let limit = self.of(path).token;
        RateHeaders {
            limit,
            remaining: limit,
            reset: now_ms.div_euclid(1000) + WINDOW_S,
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
        for (holder, limit) in [
            (Holder::Principal(principal), limits.token),
            (Holder::Org, limits.org),
        ] {
            let window = self.window(holder, path, now_ms);
            if window.used >= limit {
                window.refused += 1;
                let shown = RateHeaders {
                    limit: limits.token,
                    remaining: 0,
                    ..headers(limit, *window)
                };
                return Err(Exceeded {
                    headers: shown,
                    first: window.refused == 1,
                });
            }
        }
        self.window(Holder::Org, path, now_ms).used += 1;
        let window = self.window(Holder::Principal(principal), path, now_ms);
        window.used += 1;
        Ok(headers(limits.token, *window))
    }

    /// Counts a request that nobody has proved itself for yet: the org alone has a window.
    pub(crate) fn take_for_org(
        &mut self,
        path: &'static str,
        now_ms: i64,
    ) -> Result<RateHeaders, RateHeaders> {
        let limit = self.of(path).org;
        let window = self.window(Holder::Org, path, now_ms);
        if window.used >= limit {
            window.refused += 1;
            return Err(headers(limit, *window));
        }
        window.used += 1;
        Ok(headers(limit, *window))
    }

    fn of(&self, path: &str) -> RateLimits {
        match path {
            route::LOGS => self.logs,
            route::TOKEN => Self::TOKEN,
            _ => Self::OTHER,
        }
    }

    fn window(&mut self, holder: Holder, path: &'static str, now_ms: i64) -> &mut Window {
        let second = now_ms.div_euclid(1000);
        let window = self.windows.entry((holder, path)).or_default();
        // A clock set back ends a window too: it would otherwise last for as long as it was set back.
        if !(window.start_s..window.start_s + WINDOW_S).contains(&second) {
            *window = Window {
                start_s: second,
                ..Window::default()
            };
        }
        window
    }
}

fn headers(limit: u32, window: Window) -> RateHeaders {
    let remaining = limit.saturating_sub(window.used);
    RateHeaders {
        limit,
        remaining,
        reset: window.start_s + WINDOW_S,
    }
}
