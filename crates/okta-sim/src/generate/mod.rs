//! Realistic events, made up: the same for the same seed, on every machine.
//!
//! They have Okta's full structure (facts of the log's documentation and of real samples): explicit nulls, the
//! zone `"null"`, version 1 uuids whose time is `published`, ids of 20 characters, events of jobs
//! without a client, and now and then a type and a field that no catalogue knows. Mean size about 1.8 kB.

mod debug;
mod feed;
mod kinds;
mod person;
mod shape;
mod world;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::clock::time;
use crate::events::{Events, EventsBuilder};
use crate::rng::Rng;

use debug::debug_data;
use kinds::{CONCURRENCY_LIMIT, KINDS, Kind, ORG_LIMIT, Origin, RATE_LIMIT, Verdict};
use person::Person;
use shape::{
    Actor, AuthenticationContext, Client, Field, LogEvent, Outcome, Request, SecurityContext,
    Target, Transaction, object, text,
};
use world::World;

pub(crate) use debug::{Breach, Violation};
pub(crate) use feed::Feed;

/// Upper bound of the time between two events of [`generate`], in milliseconds.
const STEP_MS: u64 = 400;
/// Upper bound of the time an event takes from `published` to the log, in milliseconds.
const LAG_MS: u64 = 500;

/// The first `count` events of `seed` as NDJSON lines without their line feed, from [`base_time`] on.
/// Like a real log, they are slightly out of order by `published`.
pub fn generate(count: usize, seed: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut generator = Generator::new(seed);
    let mut at = base_time();
    (0..count).map(move |_| {
        let step = generator.rng.below(STEP_MS);
        at += TimeDelta::milliseconds(i64::try_from(step).unwrap_or_default());
        generator.event(at)
    })
}

/// When the events of [`generate`] begin: 2026-01-01T00:00:00Z.
pub fn base_time() -> DateTime<Utc> {
    time(1_767_225_600_000)
}

/// Makes events one after the other, each as of a time given.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    world: World,
    /// Sum of the weights of all kinds.
    weights: u64,
    made: u64,
    node: String,
}

impl Generator {
    /// A generator that makes the same events for the same seed and times.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let world = World::new(&mut rng);
        let node = rng.hex(12);
        Self {
            rng,
            world,
            weights: KINDS.iter().map(|kind| kind.weight).sum(),
            made: 0,
            node,
        }
    }

    /// The next event, as persisted at `at`; it was published up to half a second before.
    pub fn event(&mut self, at: DateTime<Utc>) -> Vec<u8> {
        let lag = i64::try_from(self.rng.below(LAG_MS)).unwrap_or_default();
        let published = at - TimeDelta::milliseconds(lag);
        let mut left = self.rng.below(self.weights);
        let kind = KINDS.iter().find(|kind| {
            let chosen = left < kind.weight;
            left = left.saturating_sub(kind.weight);
            chosen
        });
        self.render(kind.unwrap_or(&RATE_LIMIT), published, None)
    }

    /// Like [`Generator::event`], but as some real events are against Okta's own schema: `postalCode` is a
    /// number, which the model of Okta's SDK for Python refuses.
    pub fn odd_event(&mut self, at: DateTime<Utc>) -> Vec<u8> {
        loop {
            let event = self.event(at);
            let mut event: Value = serde_json::from_slice(&event).unwrap_or_default();
            // Events of jobs have no client.
            if let Some(place) = event.pointer_mut("/client/geographicalContext/postalCode") {
                *place = 94_105.into();
                return event.to_string().into_bytes();
            }
        }
    }

    /// The event that says a limit was met.
    pub(crate) fn violation(&mut self, now_ms: i64, violation: &Violation) -> Events {
        let kind = match violation.breach {
            Breach::Share => &RATE_LIMIT,
            Breach::Org => &ORG_LIMIT,
            Breach::Concurrency => &CONCURRENCY_LIMIT,
        };
        let event = self.render(kind, time(now_ms), Some(violation));
        let mut events = EventsBuilder::default();
        // What the generator makes is valid.
        let _valid = events.push(&event);
        events.finish()
    }

    fn render(
        &mut self,
        kind: &Kind,
        published: DateTime<Utc>,
        real: Option<&Violation>,
    ) -> Vec<u8> {
        let uuid = self.uuid(published);
        let rng = &mut self.rng;
        let person = self.world.person(rng).clone();
        let request_id = rng.hex(32);
        let session = rng.id("trs", 25);
        let (outcome, severity) = outcome(kind, rng);
        let targets = kind
            .targets
            .iter()
            .map(|target| self.world.target(*target, &person, rng))
            .collect();
        let job = kind.origin == Origin::Job;
        let event = LogEvent {
            actor: actor(kind.origin, &person, &self.world),
            client: if job {
                Client::default()
            } else {
                person.client(kind.origin)
            },
            device: (kind.origin == Origin::Browser)
                .then(|| person.device())
                .flatten(),
            authentication_context: AuthenticationContext {
                credential_type: kind.credential_type,
                root_session_id: session.clone(),
                external_session_id: session,
                ..AuthenticationContext::default()
            },
            display_message: kind.message,
            event_type: kind.event_type,
            outcome,
            published: published.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            security_context: if job {
                SecurityContext::default()
            } else {
                person.network()
            },
            severity,
            debug_context: object([(
                "debugData",
                debug_data(kind, &person, &request_id, rng, real),
            )]),
            legacy_event_type: kind.legacy,
            transaction: transaction(kind, &self.world, request_id),
            uuid,
            version: "0",
            request: Request {
                ip_chain: if job { Vec::new() } else { vec![person.ip()] },
            },
            target: Some(targets).filter(|targets: &Vec<Target>| !targets.is_empty()),
            signal_context: kind.unknown.then(|| {
                object([
                    ("provider", Field::Null),
                    ("level", text("LOW")),
                    ("score", Field::Number(0.25)),
                ])
            }),
        };
        self.made += 1;
        // Serialising these types to memory does not fail.
        serde_json::to_vec(&event).unwrap_or_default()
    }

    /// A version 1 uuid whose time is `at` to the millisecond; the counter keeps uuids apart.
    fn uuid(&self, at: DateTime<Utc>) -> String {
        const GREGORIAN_MS: i64 = 12_219_292_800_000;
        let ms = at.timestamp_millis().saturating_add(GREGORIAN_MS);
        let ticks = u64::try_from(ms).unwrap_or_default() * 10_000 + self.made % 10_000;
        let sequence = 0x8000 | ((self.made / 10_000) & 0x3fff);
        let (low, mid, high) = (
            ticks & 0xffff_ffff,
            (ticks >> 32) & 0xffff,
            (ticks >> 48) & 0x0fff,
        );
        format!(
            "{low:08x}-{mid:04x}-1{high:03x}-{sequence:04x}-{}",
            self.node
        )
    }
}

fn outcome(kind: &Kind, rng: &mut Rng) -> (Option<Outcome>, &'static str) {
    let bad = rng.below(8) == 0;
    match kind.verdict {
        Verdict::None => (None, "WARN"),
        Verdict::Always(result) => (
            Some(Outcome {
                result,
                reason: None,
            }),
            "INFO",
        ),
        Verdict::Mostly(result, _, _) if !bad => (
            Some(Outcome {
                result,
                reason: None,
            }),
            "INFO",
        ),
        Verdict::Mostly(_, result, reason) => (
            Some(Outcome {
                result,
                reason: Some(reason),
            }),
            "WARN",
        ),
    }
}

fn actor(origin: Origin, person: &Person, world: &World) -> Actor {
    match origin {
        Origin::Browser | Origin::Api => person.actor(),
        Origin::Job => world.system(),
        Origin::OauthClient => world.oauth_client(),
    }
}

fn transaction(kind: &Kind, world: &World, id: String) -> Transaction {
    match kind.origin {
        Origin::Job => Transaction {
            kind: "JOB",
            id: format!("cpb{id}"),
            detail: object([]),
        },
        Origin::Api => {
            let token = || text(world.token_id());
            let detail = object([("rootApiTokenId", token()), ("requestApiTokenId", token())]);
            Transaction {
                kind: "WEB",
                id,
                detail,
            }
        }
        Origin::Browser | Origin::OauthClient => Transaction {
            kind: "WEB",
            id,
            detail: object([]),
        },
    }
}
