//! The table of gauges: name, unit, meaning, and which figures it tells.

use model::credential::CredentialState;
use model::job::JobKind;
use opentelemetry::KeyValue;
use opentelemetry::metrics::AsyncInstrument;
use store::Gauges;
use uuid::Uuid;

/// One gauge.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) about: &'static str,
    pub(super) show: fn(&Gauges, &dyn AsyncInstrument<f64>),
}

const fn shown(
    name: &'static str,
    unit: &'static str,
    about: &'static str,
    show: fn(&Gauges, &dyn AsyncInstrument<f64>),
) -> Shown {
    Shown {
        name,
        unit,
        about,
        show,
    }
}

/// All of them.
pub(super) const SHOWN: [Shown; 18] = [
    shown(
        "okta_collector_source_lag",
        "s",
        "Since the newest stored event of a source was published; a quiet org lags and is well",
        |gauges, to| {
            for source in &gauges.sources {
                if let Some(lag) = source.lag {
                    to.observe(lag.max(0.0), &of(source.tenant, "source_id", source.id));
                }
            }
        },
    ),
    shown(
        "okta_collector_source_last_success_age",
        "s",
        "Since an enabled source was last polled with success",
        |gauges, to| {
            for source in &gauges.sources {
                let age = source.success_age.max(0.0);
                to.observe(age, &of(source.tenant, "source_id", source.id));
            }
        },
    ),
    shown(
        "okta_collector_source_refresh",
        "s",
        "How often an enabled source is to be polled",
        |gauges, to| {
            for source in &gauges.sources {
                to.observe(source.refresh, &of(source.tenant, "source_id", source.id));
            }
        },
    ),
    shown(
        "okta_collector_sources",
        "",
        "Sources, by whether they are enabled or paused",
        |gauges, to| {
            to.observe(number(gauges.sources_enabled), &word("state", "enabled"));
            to.observe(number(gauges.sources_paused), &word("state", "paused"));
        },
    ),
    shown(
        "okta_collector_sources_overdue",
        "",
        "Enabled sources without a success for three of their periods and a minute",
        |gauges, to| to.observe(number(gauges.sources_overdue), &[]),
    ),
    shown(
        "okta_collector_jobs_overdue",
        "",
        "Jobs that are due and that no worker has leased, by kind",
        |gauges, to| {
            for kind in JobKind::ALL {
                let jobs = gauges.jobs.iter().find(|jobs| jobs.kind == kind.number());
                let due = jobs.map_or(0, |jobs| jobs.due);
                to.observe(number(due), &word("kind", kind.as_str()));
            }
        },
    ),
    shown(
        "okta_collector_job_oldest_due_age",
        "s",
        "How long the oldest of them has been due, by kind; 0 without any",
        |gauges, to| {
            for kind in JobKind::ALL {
                let jobs = gauges.jobs.iter().find(|jobs| jobs.kind == kind.number());
                let oldest = jobs.map_or(0.0, |jobs| jobs.oldest.max(0.0));
                to.observe(oldest, &word("kind", kind.as_str()));
            }
        },
    ),
    shown(
        "okta_collector_credentials",
        "",
        "Credentials, by state",
        |gauges, to| {
            for state in CredentialState::ALL {
                let state = state.as_str();
                let found = gauges.credentials.iter().find(|it| it.state == state);
                let count = found.map_or(0, |it| it.count);
                to.observe(number(count), &word("state", state));
            }
        },
    ),
    shown(
        "okta_collector_credential_expiry",
        "s",
        "Until Okta lets an API token die for lack of use; negative: it may be dead",
        |gauges, to| {
            for expiry in &gauges.expiries {
                to.observe(expiry.left, &of(expiry.tenant, "credential_id", expiry.id));
            }
        },
    ),
    shown(
        "okta_collector_budget_left",
        "1",
        "Part of a credential's rate limit that is left to us in the present window; absent without one",
        |gauges, to| {
            for budget in &gauges.budgets {
                to.observe(budget.left, &of(budget.tenant, "credential_id", budget.id));
            }
        },
    ),
    shown(
        "okta_collector_route_pending_batches",
        "",
        "Stored pages that an enabled route has not delivered to their end",
        |gauges, to| {
            for route in &gauges.routes {
                to.observe(
                    number(route.pending),
                    &of(route.tenant, "route_id", route.id),
                );
            }
        },
    ),
    shown(
        "okta_collector_route_waiting",
        "s",
        "Since the last success of a route that has something to deliver; 0 without anything",
        |gauges, to| {
            for route in &gauges.routes {
                let waiting = route.waiting.max(0.0);
                to.observe(waiting, &of(route.tenant, "route_id", route.id));
            }
        },
    ),
    shown(
        "okta_collector_pending_batches",
        "",
        "Stored pages that enabled routes have not delivered to their end, all routes together",
        |gauges, to| to.observe(number(gauges.pending), &[]),
    ),
    shown(
        "okta_collector_events_given_up",
        "",
        "Events that routes have given up because they were dead for too long",
        |gauges, to| to.observe(number(gauges.given_up), &[]),
    ),
    shown(
        "okta_collector_quarantined_pages",
        "",
        "Answers of Okta put aside because they stayed unreadable",
        |gauges, to| to.observe(number(gauges.quarantined_pages), &[]),
    ),
    shown(
        "okta_collector_workers",
        "",
        "Workers that were heard of in the last half minute",
        |gauges, to| to.observe(number(gauges.workers), &[]),
    ),
    shown(
        "okta_collector_worker_heartbeat_age",
        "s",
        "Since any worker was last heard of; absent if there never was one",
        |gauges, to| {
            if let Some(age) = gauges.worker_age {
                to.observe(age.max(0.0), &[]);
            }
        },
    ),
    shown(
        "okta_collector_routes",
        "",
        "Routes, by state: well, failing (the last attempt failed), paused",
        |gauges, to| {
            for state in ["well", "failing", "paused"] {
                let found = gauges.route_states.iter().find(|it| it.state == state);
                let count = found.map_or(0, |it| it.count);
                to.observe(number(count), &word("state", state));
            }
        },
    ),
];

fn of(tenant: Uuid, what: &'static str, id: Uuid) -> [KeyValue; 2] {
    [
        KeyValue::new("tenant_id", tenant.to_string()),
        KeyValue::new(what, id.to_string()),
    ]
}

fn word(name: &'static str, value: &str) -> [KeyValue; 1] {
    [KeyValue::new(name, value.to_owned())]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts stay far below what a double holds"
)]
fn number(count: u64) -> f64 {
    count as f64
}
