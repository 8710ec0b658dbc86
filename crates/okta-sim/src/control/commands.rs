//! What the control interface can do, one function for each command.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::auth::TokenState;
use crate::clock::SimClock;
use crate::config::RateLimits;
use crate::control::Command;
use crate::control::answer::Refusal;
use crate::events::{Events, Shown};
use crate::faults::Fault;
use crate::generate::Generator;
use crate::logs::raw_value;
use crate::oauth::App;
use crate::org::Org;
use crate::route;

type Done = Result<Value, Refusal>;

pub(super) fn summary(name: &str, org: &Org) -> Value {
    json!({
        "name": name,
        "published": org.published_count(),
        "repeats": org.repeat_count(),
        "unread": org.unread(),
        "head_reached": org.head_reached(),
        "requests": org.request_count(),
        "pending_faults": org.pending_faults(),
    })
}

pub(super) fn clock(clock: &SimClock, command: &Command) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    enum Move {
        AdvanceSeconds(u64),
        Set(DateTime<Utc>),
    }

    match read(command)? {
        Move::AdvanceSeconds(seconds) => clock.advance(Duration::from_secs(seconds)),
        Move::Set(to) => clock.set(to),
    }
    Ok(json!({ "now": clock.now() }))
}

/// Events as NDJSON; `shown` and `at` stand in the query.
pub(super) fn events(org: &Org, command: &Command) -> Done {
    let events = Events::read_ndjson(command.body.as_ref()).map_err(Refusal::bad)?;
    let count = events.len();
    let shown = match raw_value(&command.query, "shown").as_deref() {
        None | Some("everywhere") => Shown::Everywhere,
        Some("bounded") => Shown::Bounded,
        Some("polling") => Shown::Polling,
        Some(_) => return Err(Refusal::bad("shown must be everywhere, bounded or polling")),
    };
    let first = match raw_value(&command.query, "at") {
        None => org.persist_shown(events, shown),
        Some(_) if shown != Shown::Everywhere => {
            return Err(Refusal::bad("at and shown exclude each other"));
        }
        Some(at) => {
            let at: DateTime<Utc> = at.parse().map_err(Refusal::bad)?;
            org.persist_at(events, at).map_err(Refusal::bad)?
        }
    };
    Ok(json!({ "first": first, "count": count }))
}

/// Made-up events, published now.
pub(super) fn generate(org: &Org, command: &Command) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        count: u32,
        #[serde(default)]
        seed: u64,
        /// Against Okta's schema, as some real ones are.
        #[serde(default)]
        odd: bool,
    }

    let wanted: Wanted = read(command)?;
    let mut generator = Generator::new(wanted.seed);
    let now = org.clock().now();
    let lines = (0..wanted.count).map(|_| {
        if wanted.odd {
            generator.odd_event(now)
        } else {
            generator.event(now)
        }
    });
    let events = Events::from_lines(lines).map_err(Refusal::bad)?;
    let count = events.len();
    Ok(json!({ "first": org.persist(events), "count": count }))
}

pub(super) fn reveal(org: &Org, command: &Command) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Which {
        index: usize,
    }

    let Which { index } = read(command)?;
    Ok(json!({ "revealed": org.reveal(index) }))
}

/// The requests from number `from` on, as far as they are kept.
pub(super) fn requests(org: &Org, command: &Command) -> Done {
    let from: usize = match raw_value(&command.query, "from") {
        Some(from) => from.parse().map_err(Refusal::bad)?,
        None => 0,
    };
    let (kept, total) = org.requests_and_count();
    let forgotten = total - kept.len();
    let wanted: Vec<_> = kept.iter().skip(from.saturating_sub(forgotten)).collect();
    let first = from.clamp(forgotten, total);
    Ok(json!({ "first": first, "next": total, "requests": wanted }))
}

pub(super) fn fault(org: &Org, command: &Command) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        fault: Fault,
        times: Option<u32>,
        path: Option<String>,
        cursor_past: Option<usize>,
        page_with: Option<usize>,
    }

    let wanted: Wanted = read(command)?;
    let mut injection = match wanted.times {
        Some(times) => wanted.fault.times(times),
        None => wanted.fault.until_cleared(),
    };
    if let Some(path) = wanted.path {
        let known = route::known(&path);
        let known = known.ok_or_else(|| Refusal::bad(format!("the org does not serve {path}")))?;
        injection = injection.on_path(known);
    }
    if let Some(event) = wanted.cursor_past {
        injection = injection.cursor_past(event);
    }
    if let Some(event) = wanted.page_with {
        injection = injection.page_with(event);
    }
    org.inject(injection);
    Ok(json!({ "pending": org.pending_faults() }))
}

/// Adds a token, or changes what has become of one.
pub(super) fn token(org: &Org, command: &Command) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        token: String,
        state: Option<TokenState>,
    }

    let Wanted { token, state } = read(command)?;
    match state {
        None | Some(TokenState::Valid) => org.add_token(&token),
        Some(state) => org.set_token(&token, state).map_err(Refusal::bad)?,
    }
    Ok(json!({ "id": org.token_id(&token) }))
}

pub(super) fn app(org: &Org, command: &Command) -> Done {
    let app: App = read(command)?;
    let client_id = app.client_id.clone();
    org.add_app(app);
    Ok(json!({ "client_id": client_id }))
}

pub(super) fn remove_app(org: &Org, client_id: &str) -> Done {
    if org.remove_app(client_id) {
        return Ok(json!({ "client_id": client_id }));
    }
    Err(Refusal::missing(format!("there is no app {client_id}")))
}

pub(super) fn limits(org: &Org, command: &Command) -> Done {
    let limits: RateLimits = read(command)?;
    org.set_rate_limits(limits);
    Ok(json!({ "org": limits.org, "token": limits.token }))
}

pub(super) fn share(org: &Org, command: &Command) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        principal: String,
        share: u32,
    }

    let Wanted { principal, share } = read(command)?;
    org.set_share(&principal, share).map_err(Refusal::bad)?;
    Ok(json!({ "share": share }))
}

pub(super) fn present(org: &Org, command: &Command) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        present: bool,
    }

    let Wanted { present } = read(command)?;
    org.set_present(present);
    Ok(json!({ "present": present }))
}

fn read<T: DeserializeOwned>(command: &Command) -> Result<T, Refusal> {
    serde_json::from_slice(&command.body).map_err(|error| {
        Refusal::bad(format!(
            "the body is not what {} takes: {error}",
            command.path
        ))
    })
}
