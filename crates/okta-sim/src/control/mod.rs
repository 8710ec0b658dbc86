//! A control interface over HTTP, for tests that are no Rust programs: what [`Org`] can do, as JSON.
//!
//! It has a listener of its own, none by default, and asks for no credential: keep it local.

mod answer;
mod commands;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};

use crate::body::Script;
use crate::clock::SimClock;
use crate::org::Org;

use answer::Refusal;

/// The longest body it takes: events.
const MAX_BODY: usize = 256 << 20;

/// What a control interface controls.
#[derive(Clone, Debug)]
pub struct Controlled {
    /// The clock that all of the orgs share.
    pub clock: SimClock,
    /// The orgs by their names in its paths.
    pub orgs: Vec<(String, Org)>,
}

/// A request, read.
pub(crate) struct Command {
    method: Method,
    path: String,
    query: String,
    body: Bytes,
}

/// Serves one request.
pub(crate) async fn respond<B>(controlled: Arc<Controlled>, request: Request<B>) -> Response<Script>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let result = match Limited::new(body, MAX_BODY).collect().await {
        Err(error) => Err(Refusal::bad(format!("the body cannot be read: {error}"))),
        Ok(body) => run(
            &controlled,
            &Command {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                body: body.to_bytes(),
            },
        ),
    };
    answer::render(result)
}

fn run(controlled: &Controlled, command: &Command) -> Result<Value, Refusal> {
    let parts: Vec<&str> = command.path.trim_matches('/').split('/').collect();
    let method = &command.method;
    match (method, parts.as_slice()) {
        (&Method::GET, [""]) => Ok(json!({
            "now": controlled.clock.now(),
            "orgs": controlled.orgs.iter().map(|(name, org)| commands::summary(name, org)).collect::<Vec<_>>(),
        })),
        (&Method::GET, ["clock"]) => Ok(json!({ "now": controlled.clock.now() })),
        (&Method::POST, ["clock"]) => commands::clock(&controlled.clock, command),
        (_, ["orgs", name, rest @ ..]) => {
            let mut orgs = controlled.orgs.iter();
            let (_, org) = orgs
                .find(|(known, _)| known == name)
                .ok_or_else(|| Refusal::missing(format!("there is no org {name}")))?;
            match (method, rest) {
                (&Method::GET, []) => Ok(commands::summary(name, org)),
                (&Method::GET, ["requests"]) => commands::requests(org, command),
                (&Method::POST, ["events"]) => commands::events(org, command),
                (&Method::POST, ["generate"]) => commands::generate(org, command),
                (&Method::POST, ["reveal"]) => commands::reveal(org, command),
                (&Method::POST, ["faults"]) => commands::fault(org, command),
                (&Method::DELETE, ["faults"]) => {
                    org.clear_faults();
                    Ok(json!({ "pending": 0 }))
                }
                (&Method::POST, ["tokens"]) => commands::token(org, command),
                (&Method::POST, ["apps"]) => commands::app(org, command),
                (&Method::DELETE, ["apps", client_id]) => commands::remove_app(org, client_id),
                (&Method::POST, ["limits"]) => commands::limits(org, command),
                (&Method::POST, ["shares"]) => commands::share(org, command),
                (&Method::POST, ["present"]) => commands::present(org, command),
                _ => Err(Refusal::unknown(command)),
            }
        }
        _ => Err(Refusal::unknown(command)),
    }
}
