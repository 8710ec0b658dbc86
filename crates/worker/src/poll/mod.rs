//! `poll`: reads the pages of one source and stores each before the next one counts.
//!
//! The position is the committed cursor. A crash anywhere repeats a page, and what is stored of it
//! is dropped again; it never skips one. While a page is being stored the next may be under way.

mod contact;
mod page;
mod pages;
mod query;
mod trouble;

use std::time::{Duration, Instant};

use model::ids::{SourceId, TenantId};
use model::job::{Lease, Outcome};
use model::origin::Origin;
use model::schedule::until_next_slot;
use model::status::Trouble;
use okta::Auth;
use store::{BudgetKey, Log, PollContext, StoreError};

use crate::budget::Budget;
use crate::context::{Context, Ran, backoff_for};
pub(crate) use page::{count_unreadable, date_of, lines_of};
pub(crate) use query::{Query, limit_after};
pub(crate) use trouble::{Handled, failure_of_credential, of_page as failure_of_page};

/// One poll of one source.
struct Poll<'a> {
    context: &'a Context,
    lease: &'a Lease,
    tenant: TenantId,
    about: PollContext,
    query: Query,
    origin: Origin,
    auth: Auth,
    budget: &'a Budget,
    begun: Instant,
    pages: usize,
    /// The credential has been noted as accepted in this poll.
    accepted: bool,
    /// The position was dropped in this poll.
    restarted: bool,
}

pub(crate) async fn run(context: &Context, lease: &Lease) -> Result<Ran, StoreError> {
    let Some(tenant) = lease.tenant else {
        let next = Duration::from_hours(1);
        return Ok(Outcome::Done { next }.into());
    };
    let store = &context.worker.store;
    let source = SourceId(lease.subject);
    let about = store.poll_context(tenant, source).await?;
    let period = about.source.refresh().duration();
    let next = until_next_slot(lease.subject, period, context.wall.now());
    let until_next = Outcome::Done { next };
    if !about.source.enabled || !about.secret.credential.state().usable() {
        // A refused credential has its own slow probe; its sources ask nothing.
        return Ok(until_next.into());
    }
    let auth = match &about.secret.opened {
        Ok(secret) => Auth::from(secret),
        Err(error) => {
            let detail = error.to_string();
            note(context, lease, &about.log, Trouble::SecretSealed, &detail).await?;
            return Ok(until_next.into());
        }
    };
    // Whether http and private hosts may be used is the guard's to say, at connect time.
    let Ok(origin) = Origin::parse_with(&about.secret.credential.origin, true) else {
        let detail = "the stored domain cannot be read";
        note(context, lease, &about.log, Trouble::NotAnOrg, detail).await?;
        return Ok(until_next.into());
    };
    store.poll_begun(&about.log).await?;
    let budget = context
        .budgets
        .open(BudgetKey::of(&about.secret.credential));
    let poll = Poll {
        context,
        lease,
        tenant,
        query: Query::of(&about.source),
        origin,
        auth,
        budget: &budget,
        about,
        begun: Instant::now(),
        pages: 0,
        accepted: false,
        restarted: false,
    };
    let ran = poll.run().await;
    budget.close().await?;
    Ok(ran?.into())
}

async fn note(
    context: &Context,
    lease: &Lease,
    log: &Log,
    trouble: Trouble,
    detail: &str,
) -> Result<(), StoreError> {
    let lease_for = context.worker.config.lease;
    let store = &context.worker.store;
    store
        .poll_failed(&lease.fence, lease_for, log, trouble, detail)
        .await
}

impl Poll<'_> {
    async fn run(mut self) -> Result<Outcome, StoreError> {
        if let Some(end) = self.first_contact().await? {
            return self.conclude(end, 1).await;
        }
        self.restart_if_the_query_changed().await?;
        self.go_on_where_okta_begins().await?;
        let mut limit = limit_after(self.about.log.malformed);
        loop {
            let (end, asked_for) = self.read_pages(limit).await?;
            match end {
                Handled::Smaller(smaller) => limit = smaller,
                Handled::Restart if !self.restarted => {
                    self.restarted = true;
                    self.drop_cursor().await?;
                }
                end => return self.conclude(end, asked_for).await,
            }
        }
    }

    /// Writes down what the poll ended with, and says when the next one is due.
    async fn conclude(&self, end: Handled, limit: u32) -> Result<Outcome, StoreError> {
        match end {
            Handled::End => Ok(self.done()),
            Handled::Yield => Ok(Outcome::Done {
                next: Duration::ZERO,
            }),
            Handled::Busy(wait) => Ok(snoozed(wait)),
            Handled::Snooze(trouble, wait, detail) => {
                self.note(trouble, &detail).await?;
                Ok(snoozed(wait))
            }
            Handled::Retry(trouble, detail) => self.fail(trouble, &detail).await,
            Handled::Hopeless(trouble, detail) => {
                self.note(trouble, &detail).await?;
                Ok(self.done())
            }
            Handled::Refused(trouble, detail) => {
                tracing::warn!(trouble = trouble.code(), "{detail}");
                let probe = self.context.worker.config.probe;
                let credential = &self.about.secret.credential;
                let store = &self.context.worker.store;
                let noted = store
                    .credential_refused(self.tenant, credential, trouble, &detail, probe)
                    .await?;
                Ok(if noted {
                    self.done()
                } else {
                    // It has been replaced meanwhile; the new one is to be tried.
                    Outcome::Done {
                        next: Duration::ZERO,
                    }
                })
            }
            Handled::Unreadable {
                trouble,
                detail,
                salvage,
            } => {
                let again = self.fail(trouble, &detail).await?;
                let aside = salvage.filter(|_| limit == 1);
                Ok(if self.put_aside(&detail, aside).await? {
                    Outcome::Done {
                        next: Duration::ZERO,
                    }
                } else {
                    again
                })
            }
            Handled::Smaller(_) | Handled::Restart => {
                let detail = "okta refused the position twice in a row";
                self.fail(Trouble::OktaUnavailable, detail).await
            }
        }
    }

    /// A cursor carries its query: another one starts at the watermark.
    async fn restart_if_the_query_changed(&mut self) -> Result<(), StoreError> {
        let bound_to = self.about.log.cursor_query.as_deref();
        if bound_to.is_some_and(|query| query != self.query.key()) {
            tracing::info!("the query has changed; reading restarts at the watermark");
            self.drop_cursor().await?;
        }
        Ok(())
    }

    /// After a pause of months, or with a start of long ago: what Okta no longer keeps is a gap, and said.
    async fn go_on_where_okta_begins(&mut self) -> Result<(), StoreError> {
        let now = self.context.wall.now();
        let (log, start) = (&self.about.log, self.about.source.start_at);
        let Some(gone) = query::unreachable(log, start, now) else {
            return Ok(());
        };
        tracing::warn!(
            before = %gone.oldest,
            "okta no longer keeps what the source has not read yet; reading goes on at the oldest events there are"
        );
        let lease_for = self.context.worker.config.lease;
        let store = &self.context.worker.store;
        store
            .retention_passed(
                &self.lease.fence,
                lease_for,
                log,
                gone.read_until,
                gone.oldest,
            )
            .await?;
        let log = &mut self.about.log;
        log.cursor = None;
        log.cursor_query = None;
        log.rereading |= gone.read_until.is_some();
        log.unreachable_before = Some(gone.oldest);
        Ok(())
    }

    async fn drop_cursor(&mut self) -> Result<(), StoreError> {
        let lease_for = self.context.worker.config.lease;
        let store = &self.context.worker.store;
        store
            .cursor_dropped(&self.lease.fence, lease_for, &self.about.log)
            .await?;
        self.about.log.cursor = None;
        self.about.log.cursor_query = None;
        self.about.log.rereading = true;
        Ok(())
    }

    /// Until the next slot of the source.
    fn done(&self) -> Outcome {
        let period = self.about.source.refresh().duration();
        let next = until_next_slot(self.lease.subject, period, self.context.wall.now());
        Outcome::Done { next }
    }

    async fn note(&self, trouble: Trouble, detail: &str) -> Result<(), StoreError> {
        note(self.context, self.lease, &self.about.log, trouble, detail).await
    }

    async fn fail(&self, trouble: Trouble, detail: &str) -> Result<Outcome, StoreError> {
        self.note(trouble, detail).await?;
        let period = self.about.source.refresh().duration();
        let cap = period.clamp(Duration::from_secs(30), Duration::from_mins(5));
        let wait = backoff_for(self.lease.attempt, Duration::from_secs(1), cap);
        Ok(Outcome::Failed { wait })
    }

    /// Counts an unreadable answer; puts it aside if there were enough of them for long enough.
    async fn put_aside(
        &self,
        detail: &str,
        salvage: Option<okta::Salvage>,
    ) -> Result<bool, StoreError> {
        let (context, lease, log) = (self.context, self.lease, &self.about.log);
        let waited = count_unreadable(context, lease, log).await?;
        let Some(salvage) = salvage.filter(|_| waited) else {
            return Ok(false);
        };
        page::quarantine(context, lease, log, detail, &salvage, self.query.key()).await?;
        tracing::error!(
            "put an unreadable page aside; its hours are marked as a gap until verify closes them"
        );
        Ok(true)
    }
}

/// With jitter, so that those who wait for one thing do not all come back at once.
fn snoozed(wait: Duration) -> Outcome {
    Outcome::Snoozed {
        wait: wait + Duration::from_millis(rand::random_range(50..1000)),
    }
}
