//! From a request to an answer: path, method, token, rate limit, then the endpoint.

use hyper::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::auth::Authorization;
use crate::config::OrgConfig;
use crate::errors::ApiError;
use crate::faults::{Fault, Scope, Stage};
use crate::generate::Violation;
use crate::limits::{Exceeded, RateHeaders};
use crate::org::State;
use crate::respond::Answer;
use crate::{logs, orginfo};

pub(crate) const LOGS: &str = "/api/v1/logs";
const ORG: &str = "/api/v1/org";
const WELL_KNOWN: &str = "/.well-known/okta-organization";

/// A request, as far as answering it needs.
pub(crate) struct Call {
    pub(crate) now_ms: i64,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Scheme and host that were asked.
    pub(crate) origin: String,
    pub(crate) authorization: Authorization,
}

/// What becomes of a request.
pub(crate) enum Outcome {
    Answer(Answer),
    /// Ask again once this fires.
    Hold(CancellationToken),
}

/// Decides on a request. Quick: nothing here waits.
pub(crate) fn answer(state: &mut State, org: &OrgConfig, call: &Call) -> Outcome {
    if !state.present {
        return Outcome::Answer(Answer::no_org());
    }
    let Some(path) = [LOGS, ORG, WELL_KNOWN]
        .into_iter()
        .find(|path| *path == call.path)
    else {
        return Outcome::Answer(Answer::error(
            &ApiError::unknown_path(),
            None,
            &mut state.rng,
        ));
    };
    if call.method != Method::GET {
        return Outcome::Answer(Answer::error(
            &ApiError::wrong_method(),
            None,
            &mut state.rng,
        ));
    }
    if path == WELL_KNOWN {
        return refusal(state, &Scope::path(path), None, call.now_ms)
            .unwrap_or_else(|| Outcome::Answer(orginfo::well_known(org, &call.origin)));
    }
    let token = match state.tokens.admit(&call.authorization, call.now_ms) {
        Ok(token) => token,
        Err(error) => {
            let rate = state.limits.untouched(path, call.now_ms);
            return Outcome::Answer(Answer::error(&error, Some(rate), &mut state.rng));
        }
    };
    let rate = match state.limits.take(token, path, call.now_ms) {
        Ok(rate) => rate,
        Err(exceeded) => {
            note_violation(state, org, call, exceeded);
            let error = ApiError::rate_limit();
            return Outcome::Answer(Answer::error(
                &error,
                Some(exceeded.headers),
                &mut state.rng,
            ));
        }
    };
    if path == LOGS {
        return logs::answer(state, org, call, rate);
    }
    refusal(state, &Scope::path(path), Some(rate), call.now_ms)
        .unwrap_or_else(|| Outcome::Answer(orginfo::org(org, &call.origin, rate)))
}

/// What an injected fault answers instead of the endpoint.
pub(crate) fn refusal(
    state: &mut State,
    scope: &Scope<'_>,
    rate: Option<RateHeaders>,
    now_ms: i64,
) -> Option<Outcome> {
    let reset = now_ms.div_euclid(1000) + 60;
    let answer = match state.faults.take(Stage::Answer, scope)? {
        Fault::RateLimit => {
            let used_up = rate.map(|rate| RateHeaders {
                remaining: 0,
                ..rate
            });
            Answer::error(&ApiError::rate_limit(), used_up, &mut state.rng)
        }
        Fault::ConcurrencyLimit => {
            let none = RateHeaders {
                limit: 0,
                remaining: 0,
                reset,
            };
            Answer::error(&ApiError::rate_limit(), Some(none), &mut state.rng)
        }
        Fault::Html(status) => {
            Answer::html(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
        }
        Fault::RefusedCursor => Answer::error(&ApiError::bad_cursor(), rate, &mut state.rng),
        Fault::HungBeforeHeaders => return Some(Outcome::Hold(state.faults.release())),
        _ => Answer::error(&ApiError::internal(), rate, &mut state.rng),
    };
    Some(Outcome::Answer(answer))
}

/// Puts a used-up window into the log itself, once per window, where the org is told to.
fn note_violation(state: &mut State, org: &OrgConfig, call: &Call, exceeded: Exceeded) {
    if !org.violations_in_log || !exceeded.first {
        return;
    }
    let violation = Violation {
        path: call.path.clone(),
        query: call.query.clone(),
        limit: exceeded.headers.limit,
        seconds_to_reset: exceeded.headers.reset - call.now_ms.div_euclid(1000),
    };
    let event = state.violations.violation(call.now_ms, &violation);
    state.log.append(event, |_| call.now_ms);
}
