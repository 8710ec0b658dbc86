//! From a request to an answer: path, method, token, rate limit, then the endpoint.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::auth::{Authorization, AuthorizationKind, Principal};
use crate::config::OrgConfig;
use crate::errors::ApiError;
use crate::events::Shown;
use crate::faults::{Fault, Scope, Stage};
use crate::generate::{Breach, Violation};
use crate::limits::RateHeaders;
use crate::oauth::Admitted;
use crate::org::State;
use crate::respond::Answer;
use crate::{apitokens, logs, oauth, orginfo};

pub(crate) const LOGS: &str = "/api/v1/logs";
pub(crate) const TOKEN: &str = "/oauth2/v1/token";
pub(crate) const TOKENS: &str = "/api/v1/api-tokens";
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
    /// The `DPoP` headers.
    pub(crate) proofs: Vec<String>,
    /// Whether the body says it is a form.
    pub(crate) form: bool,
    pub(crate) body: Bytes,
    /// Requests in work, this one included.
    pub(crate) in_work: u32,
}

impl Call {
    /// The URL that was asked, without its query.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// The host that was asked, with its port if one was given.
    pub(crate) fn host(&self) -> &str {
        self.origin
            .split_once("://")
            .map_or(self.origin.as_str(), |(_, host)| host)
    }

    fn is_console(&self) -> bool {
        let label = self.host().split('.').next().unwrap_or_default();
        label.ends_with("-admin")
    }
}

/// What becomes of a request.
pub(crate) enum Outcome {
    Answer(Box<Answer>),
    /// Ask again once this fires.
    Hold(CancellationToken),
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Answer(Box::new(answer))
    }
}

impl Outcome {
    fn by(mut self, principal: Principal) -> Self {
        if let Self::Answer(answer) = &mut self {
            answer.principal = Some(principal);
        }
        self
    }
}

/// Decides on a request. Quick: nothing here waits.
pub(crate) fn answer(state: &mut State, org: &OrgConfig, call: &Call) -> Outcome {
    if !state.present {
        return Outcome::from(Answer::no_org());
    }
    let Some(path) = endpoint(call) else {
        return error(state, &ApiError::unknown_path(), None);
    };
    if !takes(path, call) {
        return error(state, &ApiError::wrong_method(), None);
    }
    match path {
        WELL_KNOWN => refusal(state, &Scope::path(path), None, call.now_ms)
            .unwrap_or_else(|| Outcome::from(orginfo::well_known(org, &call.origin))),
        _ if org.concurrency.is_some_and(|most| call.in_work > most) => crowded(state, org, call),
        TOKEN => token(state, call),
        _ => api(state, org, call, path),
    }
}

/// A path that is served, as faults name it.
pub(crate) fn known(path: &str) -> Option<&'static str> {
    let all = [LOGS, TOKEN, TOKENS, ORG, WELL_KNOWN];
    all.into_iter().find(|known| *known == path)
}

/// The endpoint of a path; its rate limit goes by it.
fn endpoint(call: &Call) -> Option<&'static str> {
    let path = call.path.as_str();
    let below = |parent: &str| {
        path.strip_prefix(parent)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let known = [LOGS, TOKEN, TOKENS, ORG, WELL_KNOWN].into_iter();
    known
        .filter(|known| *known == path || *known == TOKENS && below(TOKENS))
        // Consoles (`acme-admin.okta.com`) serve the API, but give no tokens.
        .find(|known| *known != TOKEN || !call.is_console())
}

fn takes(endpoint: &str, call: &Call) -> bool {
    let revokes = endpoint == TOKENS && call.path.ends_with(apitokens::CURRENT);
    call.method
        == match endpoint {
            TOKEN => Method::POST,
            // Nothing else but to revoke oneself: the rest of Okta's API for tokens is not simulated.
            _ if revokes && call.method == Method::DELETE => Method::DELETE,
            _ => Method::GET,
        }
}

/// The token endpoint: nobody is known before it has answered.
fn token(state: &mut State, call: &Call) -> Outcome {
    let rate = match state.limits.take_for_org(TOKEN, call.now_ms) {
        Ok(rate) => rate,
        Err(rate) => return error(state, &ApiError::rate_limit(), Some(rate)),
    };
    refusal(state, &Scope::path(TOKEN), Some(rate), call.now_ms)
        .unwrap_or_else(|| Outcome::from(oauth::answer(state, call, rate)))
}

/// What needs a token.
fn api(state: &mut State, org: &OrgConfig, call: &Call, path: &'static str) -> Outcome {
    let (principal, app) = match admit(state, call, path) {
        Ok(admitted) => admitted,
        Err(refused) => {
            let rate = Some(state.limits.untouched(path, call.now_ms));
            return Outcome::from(Answer { rate, ..*refused });
        }
    };
    let outcome = limited(state, org, call, path, principal);
    let again = match &outcome {
        Outcome::Answer(answer) => answer.status == StatusCode::TOO_MANY_REQUESTS,
        Outcome::Hold(_) => true,
    };
    if let Some(app) = app.filter(|_| again) {
        app.give_back(&mut state.oauth);
    }
    outcome.by(principal)
}

/// What a principal's limits let through.
fn limited(
    state: &mut State,
    org: &OrgConfig,
    call: &Call,
    path: &'static str,
    principal: Principal,
) -> Outcome {
    let rate = match state.limits.take(principal, path, call.now_ms) {
        Ok(rate) => rate,
        Err(exceeded) => {
            let breach = if exceeded.org {
                Breach::Org
            } else {
                Breach::Share
            };
            if exceeded.first {
                note_violation(state, org, call, breach, exceeded.headers);
            }
            return error(state, &ApiError::rate_limit(), Some(exceeded.headers));
        }
    };
    if path == LOGS {
        return logs::answer(state, org, call, rate);
    }
    let refused = refusal(state, &Scope::path(path), Some(rate), call.now_ms);
    refused.unwrap_or_else(|| {
        Outcome::from(match path {
            TOKENS => apitokens::answer(state, call, principal, rate),
            _ => orginfo::org(org, &call.origin, rate),
        })
    })
}

/// The answer of the concurrency limit: `limit: 0`, and a reset that is only a suggestion.
fn crowded(state: &mut State, org: &OrgConfig, call: &Call) -> Outcome {
    let rate = nothing_left(call.now_ms);
    let told = state.crowded_ms.replace(call.now_ms);
    if told.is_none_or(|told_ms| call.now_ms.saturating_sub(told_ms) >= 60_000) {
        note_violation(state, org, call, Breach::Concurrency, rate);
    }
    error(state, &ApiError::rate_limit(), Some(rate))
}

fn nothing_left(now_ms: i64) -> RateHeaders {
    RateHeaders {
        limit: 0,
        remaining: 0,
        reset: now_ms.div_euclid(1000) + 60,
        window: None,
    }
}

/// Lets a request in by what it says it is.
fn admit(
    state: &mut State,
    call: &Call,
    path: &str,
) -> Result<(Principal, Option<Admitted>), Box<Answer>> {
    match call.authorization.kind {
        AuthorizationKind::Bearer | AuthorizationKind::Dpop => {
            let scope = match path {
                LOGS => "okta.logs.read",
                TOKENS => "okta.apiTokens.read",
                _ => "okta.orgs.read",
            };
            let admitted = oauth::admit(state, call, scope)?;
            Ok((Principal::App(admitted.app), Some(admitted)))
        }
        _ => match state.tokens.admit(&call.authorization, call.now_ms) {
            Ok(token) => Ok((Principal::Token(token), None)),
            Err(error) => Err(Box::new(Answer::error(&error, None, &mut state.rng))),
        },
    }
}

fn error(state: &mut State, error: &ApiError, rate: Option<RateHeaders>) -> Outcome {
    Outcome::from(Answer::error(error, rate, &mut state.rng))
}

/// What an injected fault answers instead of the endpoint.
pub(crate) fn refusal(
    state: &mut State,
    scope: &Scope<'_>,
    rate: Option<RateHeaders>,
    now_ms: i64,
) -> Option<Outcome> {
    let answer = match state.faults.take(Stage::Answer, scope)? {
        Fault::RateLimit => {
            let used_up = rate.map(|rate| RateHeaders {
                remaining: 0,
                ..rate
            });
            Answer::error(&ApiError::rate_limit(), used_up, &mut state.rng)
        }
        Fault::ConcurrencyLimit => {
            let none = Some(nothing_left(now_ms));
            Answer::error(&ApiError::rate_limit(), none, &mut state.rng)
        }
        Fault::Html(status) => {
            Answer::html(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
        }
        Fault::RefusedCursor => Answer::error(&ApiError::bad_cursor(), rate, &mut state.rng),
        Fault::LogServiceError => Answer::error(&ApiError::log_service(), rate, &mut state.rng),
        Fault::TooSlow(delay) => Answer {
            delay: Some(delay),
            ..Answer::error(&ApiError::took_too_long(), rate, &mut state.rng)
        },
        Fault::HungBeforeHeaders => return Some(Outcome::Hold(state.faults.release())),
        _ => Answer::error(&ApiError::internal(), rate, &mut state.rng),
    };
    Some(Outcome::from(answer))
}

/// Puts a limit that was met into the log itself, where the org is told to.
fn note_violation(
    state: &mut State,
    org: &OrgConfig,
    call: &Call,
    breach: Breach,
    shown: RateHeaders,
) {
    if !org.violations_in_log {
        return;
    }
    let violation = Violation {
        breach,
        path: call.path.clone(),
        query: call.query.clone(),
        limit: shown.limit,
        seconds_to_reset: shown.reset - call.now_ms.div_euclid(1000),
    };
    let event = state.violations.violation(call.now_ms, &violation);
    state.log.append(event, Shown::Everywhere, |_| call.now_ms);
}
