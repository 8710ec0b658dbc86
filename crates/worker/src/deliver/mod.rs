//! `deliver`: sends what one route still owes, in log order.
//!
//! The end of a delivery batch and its rendering are written down before its first attempt; every
//! retry, also after a crash or an edit, sends that same range with the same key. The position moves
//! over what the destination has settled. A crash repeats at most the delivery batch in flight.

mod plan;
mod verdict;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forward::{
    Batch, Destination, Facts, Format, Limits, OpenError, Progress, Rendering, Report, Settings,
    Then,
};
use futures_util::FutureExt;
use model::ids::{RouteId, TenantId};
use model::job::{Lease, Outcome};
use model::point::Point;
use model::status::Trouble;
use store::{DeadEvent, DeadKind, DeliverContext, Position, Settled, StoreError};
use tracing::field::display;
use tracing::{Instrument, Span};

use crate::context::{Context, Ran, backoff_for, readable};
use crate::execute::panic_text;
use crate::slots::Slot;
use crate::spans;
use plan::{Load, Planned};

/// After so long a delivery yields its slot and is due again at once.
const TIME: Duration = Duration::from_secs(30);

/// A route whose request is unanswered for this long gives its healthy slot back.
const SLOW: Duration = Duration::from_secs(1);

/// The longest wait for an answer; destinations have shorter deadlines of their own.
const ANSWER: Duration = Duration::from_mins(1);

/// A route with nothing to deliver looks again after this long, should a poke be lost.
const IDLE: Duration = Duration::from_hours(1);

/// A route that has stopped looks again after this long, should nobody say that it was mended.
const STOPPED: Duration = Duration::from_mins(15);

pub(crate) async fn run(context: &Context, lease: &Lease, slot: &Slot) -> Result<Ran, StoreError> {
    let idle = Ran::from(Outcome::Done { next: IDLE });
    let Some(tenant) = lease.tenant else {
        return Ok(idle);
    };
    let about = context
        .worker
        .store
        .deliver_context(tenant, RouteId(lease.subject))
        .await?;
    if !about.route.enabled {
        return Ok(idle);
    }
    let span = Span::current();
    span.record("source.id", display(about.route.source_id));
    span.record("destination.kind", &about.destination.kind);
    let shown = about.route.trouble.as_deref().and_then(Trouble::from_code);
    let opened = open(context, &about);
    let mut delivery = Delivery {
        context,
        lease,
        slot,
        tenant,
        kind: about.destination.kind,
        position: about.position,
        live: about.live,
        shown,
    };
    match opened {
        Ok((destination, rendering)) => delivery.run(destination.as_ref(), &rendering).await,
        // Even without anything to send: who set this up should see it at once.
        Err(detail) => delivery.stop(Trouble::DestinationRefuses, detail).await,
    }
}

/// The destination, and the rendering of what is sent from now on; or why there is none.
fn open(
    context: &Context,
    about: &DeliverContext,
) -> Result<(Arc<dyn Destination>, Rendering), String> {
    let secrets = about.secrets.as_ref().map_err(ToString::to_string)?;
    let settings = Settings::stored(&about.destination.config, secrets.as_ref());
    let kind = &about.destination.kind;
    let destination = context.worker.destinations.open(kind, &settings);
    let word = &about.route.format;
    let format = Format::from_word(word)
        .ok_or_else(|| format!("the format {word:?} is not known to this version"))?;
    let rendering = format.with(Facts {
        source_id: about.route.source_id,
        source: about.source.display_name.clone(),
        org: host_of(&about.source.origin).to_owned(),
        timezone: about.source.timezone.clone(),
    });
    let destination = destination.map_err(|error: OpenError| error.to_string())?;
    Ok((destination, rendering))
}

fn host_of(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

struct Delivery<'a> {
    context: &'a Context,
    lease: &'a Lease,
    slot: &'a Slot,
    tenant: TenantId,
    kind: String,
    position: Position,
    /// Whether that is a position in the live log.
    live: bool,
    /// The trouble that the status shows.
    shown: Option<Trouble>,
}

impl Delivery<'_> {
    async fn run(
        &mut self,
        destination: &dyn Destination,
        rendering: &Rendering,
    ) -> Result<Ran, StoreError> {
        let begun = Instant::now();
        let mut succeeded = None;
        loop {
            let limits = self.limits(destination);
            let load = plan::load(self.context, self.tenant, &self.position, limits, rendering);
            let planning = tracing::info_span!("deliver.plan", batch.number = self.position.number);
            let planned = match load.instrument(planning).await? {
                Load::Batch(planned) => planned,
                Load::Nothing if self.turn().await? => continue,
                Load::Nothing => return self.idle(succeeded).await,
                Load::Unreadable(detail) => {
                    return self.stop(Trouble::BatchUnreadable, detail).await;
                }
            };
            if self.position.flight().as_ref() != Some(&planned.flight) {
                let lease_for = self.context.worker.config.lease;
                let store = &self.context.worker.store;
                self.position = store
                    .begin_flight(
                        &self.lease.fence,
                        lease_for,
                        &self.position,
                        &planned.flight,
                    )
                    .await?;
            }
            let sending = spans::sending(&self.kind, self.position.number, planned.places.len());
            let sent = self.send(destination, &planned.batch);
            let sent = sent.instrument(sending.clone()).await;
            spans::sent(sending, &sent);
            let report = match sent {
                Ok(report) => report,
                Err(detail) => {
                    let trouble = Trouble::DestinationUnavailable;
                    return self.fail(trouble, detail, None).await;
                }
            };
            self.context.worker.store.points().reach(Point::Sent);
            let settling = tracing::info_span!("deliver.settle");
            let ended = self.settle(&planned, report).instrument(settling).await?;
            if let Some(ran) = ended {
                return Ok(ran);
            }
            succeeded = Some(false);
            if !self.live {
                // What live polling has brought meanwhile goes first.
                self.turn().await?;
            }
            if begun.elapsed() >= TIME || self.context.stop.is_cancelled() {
                return Ok(Ran {
                    outcome: Outcome::Done {
                        next: Duration::ZERO,
                    },
                    failing: succeeded,
                });
            }
        }
    }

    /// Looks whose turn it is; whether that is another log than the present one.
    async fn turn(&mut self) -> Result<bool, StoreError> {
        let route = RouteId(self.lease.subject);
        let store = &self.context.worker.store;
        let (position, live) = store.next_position(self.tenant, route).await?;
        let another = position.log() != self.position.log();
        (self.position, self.live) = (position, live);
        Ok(another)
    }

    /// A route that has stopped tries with as many events as stopped it: what the destination takes
    /// behind them would come again with every try.
    fn limits(&self, destination: &dyn Destination) -> Limits {
        let limits = destination.limits();
        let stopped = self.shown == Some(Trouble::EventsRefused);
        let most = usize::try_from(verdict::TOO_MANY).unwrap_or(usize::MAX);
        Limits {
            max_events: if stopped {
                limits.max_events.min(most)
            } else {
                limits.max_events
            },
            ..limits
        }
    }

    /// Nothing waits for delivery, so nothing is wrong with it.
    async fn idle(&mut self, succeeded: Option<bool>) -> Result<Ran, StoreError> {
        if self.shown.is_some() {
            self.write(&Settled::default()).await?;
        }
        Ok(Ran {
            outcome: Outcome::Done { next: IDLE },
            failing: succeeded,
        })
    }

    /// One attempt. The error says why there is no report: what became of the batch is not known
    /// then, so it is sent again. Deadlines are those of a request: each answer begins them anew.
    async fn send(&self, destination: &dyn Destination, batch: &Batch) -> Result<Report, String> {
        let progress = Progress::default();
        let attempt = AssertUnwindSafe(destination.deliver(batch, &progress)).catch_unwind();
        let mut attempt = std::pin::pin!(attempt);
        let mut patience = SLOW;
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut attempt => break answer,
                () = progress.next() => {}
                () = tokio::time::sleep(patience) => {
                    if patience == ANSWER {
                        return Err(format!("no answer within {ANSWER:?}"));
                    }
                    if !self.slot.leave_healthy() {
                        return Err(format!(
                            "no answer within {SLOW:?}, and all slots for slow routes are taken"
                        ));
                    }
                    patience = ANSWER;
                }
            }
        };
        answer.map_err(|panic| {
            let text = panic_text(panic.as_ref());
            tracing::error!(panic = text, "a delivery panicked");
            format!("the delivery broke off by a defect of this program: {text}")
        })
    }

    /// Writes down what an attempt settled. `Some`: the run ends with it.
    async fn settle(
        &mut self,
        planned: &Planned,
        report: Report,
    ) -> Result<Option<Ran>, StoreError> {
        let judged = verdict::judge(&self.position, planned, &report);
        let mut settled = judged.settled;
        let refused = |event: &&DeadEvent| event.kind == DeadKind::Refused;
        let dead = settled.dead.iter().filter(refused).count();
        let then = judged.then;
        if let Then::Retry {
            trouble, detail, ..
        }
        | Then::Stop { trouble, detail } = &then
        {
            settled.trouble = Some((*trouble, readable(detail)));
            self.context
                .metrics
                .delivery_failed(&self.kind, trouble.code());
        }
        let delivered: i64 = settled.delivered.iter().map(|(_, events)| events).sum();
        let progress = settled.to.is_some();
        self.write(&settled).await?;
        let delivered = usize::try_from(delivered).unwrap_or(0);
        self.context.metrics.delivered(&self.kind, delivered, dead);
        Ok(match then {
            Then::Continue | Then::Split => None,
            Then::Retry { after, .. } => Some(self.failed(after, progress)),
            Then::Stop { .. } => Some(Ran {
                outcome: Outcome::Failed { wait: STOPPED },
                failing: Some(true),
            }),
        })
    }

    async fn write(&mut self, settled: &Settled) -> Result<(), StoreError> {
        let lease_for = self.context.worker.config.lease;
        let store = &self.context.worker.store;
        self.position = store
            .settle(&self.lease.fence, lease_for, &self.position, settled)
            .await?;
        self.shown = settled.trouble.as_ref().map(|(trouble, _)| *trouble);
        Ok(())
    }

    async fn stop(&mut self, trouble: Trouble, detail: String) -> Result<Ran, StoreError> {
        self.fail(trouble, detail, Some(STOPPED)).await
    }

    /// Notes a trouble that is not an answer of the destination.
    async fn fail(
        &mut self,
        trouble: Trouble,
        detail: String,
        wait: Option<Duration>,
    ) -> Result<Ran, StoreError> {
        tracing::warn!(trouble = trouble.code(), "delivery failed: {detail}");
        let metrics = &self.context.metrics;
        metrics.delivery_failed(&self.kind, trouble.code());
        let settled = Settled {
            flight: self.position.flight(),
            refused: verdict::run_so_far(&self.position),
            trouble: Some((trouble, readable(&detail))),
            ..Settled::default()
        };
        self.write(&settled).await?;
        Ok(self.failed(wait, false))
    }

    /// Backoff by the failures in a row without progress; a destination's own wish is a floor,
    /// within an hour.
    fn failed(&self, after: Option<Duration>, progress: bool) -> Ran {
        let failures = if progress { 1 } else { self.position.failures };
        let (base, cap) = (Duration::from_secs(1), Duration::from_mins(1));
        let backoff = backoff_for(failures, base, cap);
        let wait = after.map_or(backoff, |after| {
            after.min(Duration::from_hours(1)).max(backoff)
        });
        Ran {
            outcome: Outcome::Failed { wait },
            failing: Some(true),
        }
    }
}
