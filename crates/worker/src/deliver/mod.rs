//! `deliver`: sends what one route still owes, in log order.
//!
//! The end of a delivery batch and its rendering are written down before its first attempt; every
//! retry, also after a crash or an edit, sends that same range with the same key. The position moves
//! over what the destination has settled. A crash repeats at most the delivery batch in flight.

mod plan;
mod verdict;

use std::time::{Duration, Instant};

use forward::{Batch, Destination, Report, Then};
use model::ids::{RouteId, TenantId};
use model::job::{Lease, Outcome};
use model::point::Point;
use model::status::Trouble;
use store::{Position, Settled, StoreError};

use crate::runner::{Context, Ran, backoff_for};
use crate::slots::Slot;
use plan::{Load, Planned};

/// After so long a delivery yields its slot and is due again at once.
const TIME: Duration = Duration::from_secs(30);

/// A route whose request is unanswered for this long gives its healthy slot back.
const SLOW: Duration = Duration::from_secs(1);

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
    let mut delivery = Delivery {
        context,
        lease,
        slot,
        tenant,
        kind: about.destination.kind,
        position: about.position,
    };
    match context
        .worker
        .destinations
        .open(&delivery.kind, &about.destination.config)
    {
        Ok(destination) => {
            delivery
                .run(destination.as_ref(), &about.route.format)
                .await
        }
        Err(error) => {
            // Even without anything to send: who set this up should see it at once.
            delivery
                .stop(Trouble::DestinationRefuses, error.to_string())
                .await
        }
    }
}

struct Delivery<'a> {
    context: &'a Context,
    lease: &'a Lease,
    slot: &'a Slot,
    tenant: TenantId,
    kind: String,
    position: Position,
}

impl Delivery<'_> {
    async fn run(
        &mut self,
        destination: &dyn Destination,
        format: &str,
    ) -> Result<Ran, StoreError> {
        let begun = Instant::now();
        let mut succeeded = None;
        loop {
            let planned = match plan::load(
                self.context,
                self.tenant,
                &self.position,
                destination.limits(),
                format,
            )
            .await?
            {
                Load::Batch(planned) => planned,
                Load::Nothing => {
                    return Ok(Ran {
                        outcome: Outcome::Done { next: IDLE },
                        failing: succeeded,
                    });
                }
                Load::Unreadable(detail) => {
                    return self.stop(Trouble::BatchUnreadable, detail).await;
                }
            };
            if self.position.flight().as_ref() != Some(&planned.flight) {
                let store = &self.context.worker.store;
                self.position = store
                    .begin_flight(
                        &self.lease.fence,
                        self.context.worker.config.lease,
                        &self.position,
                        &planned.flight,
                    )
                    .await?;
            }
            let Some(report) = self.send(destination, &planned.batch).await else {
                return self
                    .fail(
                        Trouble::DestinationUnavailable,
                        "no answer within a second, and no slot left to wait in".to_owned(),
                        None,
                    )
                    .await;
            };
            self.context.worker.store.points().reach(Point::Sent);
            let ended = self.settle(&planned, report).await?;
            if let Some(ran) = ended {
                return Ok(ran);
            }
            succeeded = Some(false);
            if begun.elapsed() >= TIME || self.context.draining.is_cancelled() {
                return Ok(Ran {
                    outcome: Outcome::Done {
                        next: Duration::ZERO,
                    },
                    failing: succeeded,
                });
            }
        }
    }

    /// One attempt. `None`: it was slow and there is no slot for slow ones; what became of it is not
    /// known, so it is sent again.
    async fn send(&self, destination: &dyn Destination, batch: &Batch) -> Option<Report> {
        let mut attempt = std::pin::pin!(destination.deliver(batch));
        match tokio::time::timeout(SLOW, attempt.as_mut()).await {
            Ok(report) => Some(report),
            Err(_slow) if self.slot.leave_healthy() => Some(attempt.await),
            Err(_slow) => None,
        }
    }

    /// Writes down what an attempt settled. `Some`: the run ends with it.
    async fn settle(
        &mut self,
        planned: &Planned,
        report: Report,
    ) -> Result<Option<Ran>, StoreError> {
        let judged = verdict::judge(&self.position, planned, &report);
        let mut settled = judged.settled;
        let then = judged.then;
        if let Then::Retry {
            trouble, detail, ..
        }
        | Then::Stop { trouble, detail } = &then
        {
            settled.trouble = Some((*trouble, detail.clone()));
            self.context
                .metrics
                .delivery_failed(&self.kind, trouble.code());
        }
        let dead = settled.dead.len();
        let delivered: i64 = settled.delivered.iter().map(|(_, events)| events).sum();
        let store = &self.context.worker.store;
        self.position = store
            .settle(
                &self.lease.fence,
                self.context.worker.config.lease,
                &self.position,
                &settled,
            )
            .await?;
        self.context
            .metrics
            .delivered(&self.kind, usize::try_from(delivered).unwrap_or(0), dead);
        Ok(match then {
            Then::Continue | Then::Split => None,
            Then::Retry { after, .. } => Some(self.failed(after)),
            Then::Stop { .. } => Some(Ran {
                outcome: Outcome::Failed { wait: STOPPED },
                failing: Some(true),
            }),
        })
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
        self.context
            .metrics
            .delivery_failed(&self.kind, trouble.code());
        let settled = Settled {
            flight: self.position.flight(),
            refused: verdict::run_so_far(&self.position),
            trouble: Some((trouble, detail)),
            ..Settled::default()
        };
        let store = &self.context.worker.store;
        self.position = store
            .settle(
                &self.lease.fence,
                self.context.worker.config.lease,
                &self.position,
                &settled,
            )
            .await?;
        Ok(self.failed(wait))
    }

    /// Backoff by the failures of the route; a destination's own wish is a floor, within an hour.
    fn failed(&self, after: Option<Duration>) -> Ran {
        let backoff = backoff_for(
            self.position.failures,
            Duration::from_secs(1),
            Duration::from_mins(1),
        );
        let wait = after.map_or(backoff, |after| {
            after.min(Duration::from_hours(1)).max(backoff)
        });
        Ran {
            outcome: Outcome::Failed { wait },
            failing: Some(true),
        }
    }
}
