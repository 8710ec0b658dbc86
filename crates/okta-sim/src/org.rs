//! The org and the handle tests hold: what it knows, and what can be done to it from outside.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::auth::{Principal, TokenState, Tokens, UnknownPrincipal, UnknownToken};
use crate::busy::Busy;
use crate::clock::{SimClock, time};
use crate::config::{OrgConfig, RateLimits};
use crate::events::{EventLog, Events, EventsError, Shown};
use crate::faults::{Faults, Injection};
use crate::generate::{Feed, Generator};
use crate::limits::Limits;
use crate::oauth::{App, OAuth};
use crate::record::{Records, RequestRecord};
use crate::respond::Content;
use crate::rng::Rng;

/// A simulated org. Clones are handles to the same org; every call is safe while it serves.
#[derive(Clone)]
pub struct Org {
    shared: Arc<Shared>,
}

struct Shared {
    config: OrgConfig,
    clock: SimClock,
    busy: Busy,
    state: Mutex<State>,
}

/// Everything of an org that changes.
pub(crate) struct State {
    pub(crate) log: EventLog,
    pub(crate) feed: Option<Feed>,
    pub(crate) violations: Generator,
    pub(crate) tokens: Tokens,
    pub(crate) oauth: OAuth,
    pub(crate) limits: Limits,
    /// When the concurrency limit was last told of in the log, in milliseconds since 1970.
    pub(crate) crowded_ms: Option<i64>,
    pub(crate) faults: Faults,
    pub(crate) records: Records,
    pub(crate) progress: Progress,
    /// Compressed polling pages by their first event and number of events.
    pub(crate) rendered: HashMap<(usize, usize), Bytes>,
    pub(crate) present: bool,
    pub(crate) rng: Rng,
}

/// How far readers have come in the log.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Events before the furthest position served whole, or asked for by a cursor.
    pub(crate) furthest: usize,
    /// Whether the last polling page served was empty with nothing unread before it.
    pub(crate) head: bool,
}

/// The time given cannot be a time of persistence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersistError {
    /// The log's order is the order of persistence.
    #[error("cannot persist events at {at}: the last event was persisted at {last}")]
    BeforeLast {
        /// The time asked for.
        at: DateTime<Utc>,
        /// The last event's.
        last: DateTime<Utc>,
    },
    /// The org's clock has not come to it.
    #[error("cannot persist events at {at}: it is {now}")]
    InFuture {
        /// The time asked for.
        at: DateTime<Utc>,
        /// The org's time.
        now: DateTime<Utc>,
    },
}

impl Org {
    /// Makes an org that nobody can reach yet; see [`Sim::serve`](crate::Sim::serve).
    pub fn new(config: OrgConfig, clock: SimClock) -> Self {
        let now_ms = clock.now_ms();
        let mut tokens = Tokens::default();
        for token in &config.tokens {
            tokens.add(token, now_ms);
        }
        let mut oauth = OAuth::default();
        for app in &config.apps {
            oauth.add(app.clone());
        }
        let state = State {
            log: EventLog::default(),
            feed: config.rate.map(|rate| Feed::new(rate, now_ms)),
            violations: Generator::new(0x7661_6c76),
            tokens,
            oauth,
            limits: Limits::new(config.limits, config.windows),
            crowded_ms: None,
            faults: Faults::default(),
            records: Records::new(config.keep_requests),
            progress: Progress::default(),
            rendered: HashMap::new(),
            present: true,
            rng: Rng::new(0x6f6b_7461),
        };
        Self {
            shared: Arc::new(Shared {
                config,
                clock,
                busy: Busy::default(),
                state: Mutex::new(state),
            }),
        }
    }

    /// The org's clock.
    pub fn clock(&self) -> &SimClock {
        &self.shared.clock
    }

    /// Takes events in now, in their order. Gives the index of the first of them.
    pub fn persist(&self, events: Events) -> usize {
        let mut state = self.state();
        let now_ms = self.clock().now_ms();
        let shown = Shown::Everywhere;
        state.log.append(events, shown, |_| now_ms).start
    }

    /// Takes events in now that only some queries show; see [`Org::reveal`]. Gives the index of the first of
    /// them.
    pub fn persist_shown(&self, events: Events, shown: Shown) -> usize {
        let mut state = self.state();
        let now_ms = self.clock().now_ms();
        state.log.append(events, shown, |_| now_ms).start
    }

    /// Shows the event of this index everywhere from now on. Polling readers get what was withheld from them as
    /// if it were persisted now; it still counts as one event. `false` if there is nothing to reveal.
    pub fn reveal(&self, index: usize) -> bool {
        let mut state = self.state();
        let now_ms = self.clock().now_ms();
        state.log.reveal(index, now_ms)
    }

    /// Takes events in as of an earlier time, in their order. Gives the index of the first of them.
    pub fn persist_at(&self, events: Events, at: DateTime<Utc>) -> Result<usize, PersistError> {
        let mut state = self.state();
        let now = self.clock().now();
        if at > now {
            return Err(PersistError::InFuture { at, now });
        }
        let at_ms = at.timestamp_millis();
        match state.log.last_persisted_ms() {
            Some(last_ms) if last_ms > at_ms => Err(PersistError::BeforeLast {
                at,
                last: time(last_ms),
            }),
            _ => Ok(state.log.append(events, Shown::Everywhere, |_| at_ms).start),
        }
    }

    /// Takes in an NDJSON file now, all of it or, if a line is invalid, nothing. Blocks while reading.
    pub fn persist_file(&self, path: impl AsRef<Path>) -> Result<usize, EventsError> {
        Ok(self.persist(Events::read_file(path)?))
    }

    /// Compresses all pages of `limit` events that a reader from the beginning will ask for, so that
    /// serving them costs next to nothing: for benchmarks. Takes a tenth or so of the memory of the events.
    pub fn render_pages(&self, limit: usize) {
        let mut state = self.state();
        let mut first = 0;
        while first < state.log.len() {
            let end = state.log.len().min(first + limit.max(1));
            let events = (first..end).filter_map(|at| state.log.bytes(at)).collect();
            let compressed = Content::Page(events).gzip();
            state.rendered.insert((first, end - first), compressed);
            first = end;
        }
    }

    /// How many events were ever persisted.
    pub fn published_count(&self) -> u64 {
        self.state().log.taken_in() as u64
    }

    /// How many events repeat an earlier one byte for byte.
    pub fn repeat_count(&self) -> u64 {
        self.state().log.repeats()
    }

    /// How many events were persisted after the furthest position of any reader of the polling API: the
    /// end of a page it got whole, or the place of a cursor it showed.
    pub fn unread(&self) -> u64 {
        let state = self.state();
        state.log.len().saturating_sub(state.progress.furthest) as u64
    }

    /// Whether the last polling page served was empty because its reader has read everything.
    pub fn head_reached(&self) -> bool {
        self.state().progress.head
    }

    /// Adds a token, or makes a known one valid again; it counts as used now.
    pub fn add_token(&self, token: &str) {
        let now_ms = self.clock().now_ms();
        self.state().tokens.add(token, now_ms);
    }

    /// Changes what has become of a token; it counts as used now.
    pub fn set_token(&self, token: &str, state: TokenState) -> Result<(), UnknownToken> {
        let now_ms = self.clock().now_ms();
        self.state().tokens.set_state(token, state, now_ms)
    }

    /// Revokes one token and adds another.
    pub fn replace_token(&self, old: &str, new: &str) -> Result<(), UnknownToken> {
        self.set_token(old, TokenState::Revoked)?;
        self.add_token(new);
        Ok(())
    }

    /// Adds a service app, or replaces the one with its client id; access tokens it has stay good.
    pub fn add_app(&self, app: App) {
        self.state().oauth.add(app);
    }

    /// Removes a service app with all its access tokens; `false` if there is none of this client id.
    pub fn remove_app(&self, client_id: &str) -> bool {
        self.state().oauth.remove(client_id)
    }

    /// Changes the limits of `/api/v1/logs`; windows keep what they have counted.
    pub fn set_rate_limits(&self, limits: RateLimits) {
        self.state().limits.set(limits);
    }

    /// Gives a token (by its secret) or an app (by its client id) a share of its own of the log's limit:
    /// requests per window.
    pub fn set_share(&self, principal: &str, share: u32) -> Result<(), UnknownPrincipal> {
        let mut state = self.state();
        let token = state.tokens.find(principal).map(Principal::Token);
        let app = || Some(Principal::App(state.oauth.find(principal)?.0));
        let principal = token.or_else(app).ok_or(UnknownPrincipal)?;
        state.limits.set_share(principal, share);
        Ok(())
    }

    /// The id by which Okta's API and the record of requests name a token.
    pub fn token_id(&self, token: &str) -> Option<String> {
        let state = self.state();
        let index = state.tokens.find(token)?;
        state.tokens.id(index).map(str::to_owned)
    }

    /// Makes this host an org or no org; when it is none, every path is 404.
    pub fn set_present(&self, present: bool) {
        self.state().present = present;
    }

    /// Queues a fault behind those already there.
    pub fn inject(&self, injection: Injection) {
        self.state().faults.inject(injection);
    }

    /// Forgets all faults, and lets go of requests held by one.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// How many hits of faults are still to come; a fault that stays until cleared counts as one.
    pub fn pending_faults(&self) -> usize {
        self.state().faults.pending()
    }

    /// The last requests in order of arrival; see [`OrgConfig::keep_requests`].
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state().records.all()
    }

    /// The last requests, and how many have ever arrived.
    pub(crate) fn requests_and_count(&self) -> (Vec<RequestRecord>, usize) {
        let state = self.state();
        (state.records.all(), state.records.total())
    }

    /// How many requests have ever arrived.
    pub fn request_count(&self) -> usize {
        self.state().records.total()
    }

    pub(crate) fn busy(&self) -> &Busy {
        &self.shared.busy
    }

    pub(crate) fn config(&self) -> &OrgConfig {
        &self.shared.config
    }

    /// The state as of now: what the org makes by itself is in the log.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.clock().now_ms();
        let State { feed, log, .. } = &mut *state;
        if let Some(feed) = feed {
            feed.catch_up(log, now_ms);
        }
        state
    }
}

impl fmt::Debug for Org {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Org")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}
