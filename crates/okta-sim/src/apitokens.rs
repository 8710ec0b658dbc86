//! `/api/v1/api-tokens`: what an org tells of its API tokens, and how one revokes itself.

use bytes::Bytes;
use chrono::SecondsFormat;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::auth::{Principal, TokenState, TokenView};
use crate::clock::time;
use crate::errors::ApiError;
use crate::limits::RateHeaders;
use crate::org::State;
use crate::respond::{Answer, Content};
use crate::route::{self, Call};

/// What `DELETE` takes instead of an id.
pub(crate) const CURRENT: &str = "/current";

/// Answers an admitted request.
pub(crate) fn answer(
    state: &mut State,
    call: &Call,
    principal: Principal,
    rate: RateHeaders,
) -> Answer {
    let id = call.path.strip_prefix(route::TOKENS).unwrap_or_default();
    if call.method == Method::DELETE {
        return match principal {
            Principal::Token(token) => {
                state.tokens.set(token, TokenState::Revoked);
                Answer {
                    rate: Some(rate),
                    ..Answer::empty(StatusCode::NO_CONTENT)
                }
            }
            Principal::App(_) => {
                Answer::error(&ApiError::no_permission(), Some(rate), &mut state.rng)
            }
        };
    }
    let body = if id.is_empty() {
        let all = state.tokens.views();
        Some(all.map(|token| view(&token, call, false)).collect())
    } else {
        let id = id.trim_start_matches('/');
        let mut all = state.tokens.views();
        all.find(|token| token.id == id)
            .map(|token| view(&token, call, true))
    };
    if let Some(body) = body {
        let content = Content::Json(Bytes::from(Value::to_string(&body)));
        return Answer::new(content, Some(rate));
    }
    let error = ApiError::no_such_token(id.trim_start_matches('/'));
    Answer::error(&error, Some(rate), &mut state.rng)
}

/// A token as Okta shows it; its window is told only of one alone.
fn view(token: &TokenView<'_>, call: &Call, alone: bool) -> Value {
    let time = |ms: i64| time(ms).to_rfc3339_opts(SecondsFormat::Millis, true);
    let user = "00usimulated0admin01";
    let origin = &call.origin;
    json!({
        "id": token.id,
        "name": format!("Simulated token {}", token.number),
        "userId": user,
        "clientName": "Okta API",
        "tokenWindow": alone.then_some("P30D"),
        "network": { "connection": if token.outside_zone { "ZONE" } else { "ANYWHERE" } },
        "expiresAt": time(token.expires_ms),
        "created": time(token.created_ms),
        "lastUpdated": time(token.used_ms),
        "_links": {
            "self": {
                "href": format!("{origin}{}/{}", route::TOKENS, token.id),
                "hints": { "allow": ["GET", "DELETE"] },
            },
            "user": { "href": format!("{origin}/api/v1/users/{user}"), "hints": { "allow": ["GET"] } },
        },
    })
}
