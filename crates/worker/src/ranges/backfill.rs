//! `backfill`: reads a past range of a source into a log of its own, in chunks.
//!
//! The position is the committed progress: within a chunk the cursor, else the end of the chunk
//! before. A crash repeats a page, and what is stored of it is dropped again. A chunk grows while the
//! log is sparse and shrinks when a request is too much for Okta.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::budget::Priority;
use model::ids::BackfillId;
use model::job::{Lease, Outcome};
use model::point::Point;
use model::range::KEPT;
use model::status::Trouble;
use okta::Page;
use store::{Appended, Backfill, BackfillPage, BudgetKey, Log, StoreError};
use tracing::field::display;
use tracing::{Instrument, Span};

use super::reader::{Reader, Unready};
use crate::context::{Context, Ran};
use crate::poll::{Handled, count_unreadable, date_of, limit_after, lines_of};

/// The least and the most that one request covers.
const LEAST: i32 = 60;
const MOST: i32 = 24 * 3600;

/// A chunk with fewer events than this could have been twice as long.
const SPARSE: usize = 500;

/// A request that is refused as such so often is not going to be accepted.
const REFUSALS: i32 = 3;

/// One run of one backfill.
struct Run<'a> {
    reader: Reader<'a>,
    backfill: Backfill,
    log: Log,
    limit: u32,
    /// Events of the present chunk so far.
    events: usize,
    restarted: bool,
}

pub(crate) async fn run(context: &Context, lease: &Lease) -> Result<Ran, StoreError> {
    let parked = Outcome::Done {
        next: Duration::from_hours(1),
    };
    let Some(tenant) = lease.tenant else {
        return Ok(parked.into());
    };
    let store = &context.worker.store;
    let id = BackfillId(lease.subject);
    let about = store.backfill_context(tenant, id).await?;
    Span::current().record("source.id", display(about.backfill.source_id));
    if !about.backfill.is_active() {
        return Ok(parked.into());
    }
    let lease_for = context.worker.config.lease;
    let budget = BudgetKey::of(&about.source.secret.credential);
    let budget = context.budgets.open(budget);
    let asks = (&budget, Priority::Backfill);
    let reader = match Reader::ready(context, lease, tenant, about.source, asks) {
        Ok(reader) => reader,
        Err(Unready {
            trouble,
            detail,
            wait,
        }) => {
            store
                .poll_failed(&lease.fence, lease_for, &about.log, trouble, &detail)
                .await?;
            return Ok(Outcome::Snoozed { wait }.into());
        }
    };
    store
        .begin_backfill(&lease.fence, lease_for, tenant, id)
        .await?;
    let run = Run {
        reader,
        backfill: about.backfill,
        limit: limit_after(about.log.malformed),
        log: about.log,
        events: 0,
        restarted: false,
    };
    let ran = run.run().await;
    budget.close().await?;
    Ok(ran?.into())
}

impl Run<'_> {
    async fn run(mut self) -> Result<Outcome, StoreError> {
        let bound_to = self.log.cursor_query.as_deref();
        if self.log.cursor.is_some() && bound_to != Some(self.reader.query.key()) {
            tracing::info!("the query has changed; the chunk is read again");
            self.drop_cursor().await?;
        }
        loop {
            if self.pass_over().await? {
                return Ok(at_once());
            }
            let (since, until) = self.chunk();
            let cursor = self.log.cursor.as_deref();
            let request = self.reader.request((since, until), cursor, self.limit);
            match self.reader.ask(&request, self.limit).await? {
                Ok(page) => {
                    let store = &self.reader.context.worker.store;
                    store.points().reach(Point::Fetched);
                    // Only the page that was too much to ask for is asked for in pieces.
                    let limit = std::mem::replace(&mut self.limit, okta::MAX_LIMIT);
                    if let Some(end) = self.store(&page, until, limit).await? {
                        return Ok(end);
                    }
                }
                Err(Handled::Smaller(limit)) => self.limit = limit,
                Err(Handled::Restart) if !self.restarted => {
                    self.restarted = true;
                    self.drop_cursor().await?;
                }
                Err(handled) => return self.conclude(handled).await,
            }
        }
    }

    /// Gives up what has grown too old while it waited, and a cursor that stands in it; the rest is
    /// read. Returns whether nothing is left.
    async fn pass_over(&mut self) -> Result<bool, StoreError> {
        let (context, lease) = (self.reader.context, self.reader.lease);
        let oldest = context.wall.now() - KEPT;
        let since = self.backfill.done_through.max(oldest);
        if self.log.cursor.is_some() {
            // Behind a cursor Okta shows what it still has of the chunk.
            if self.backfill.chunk_until.is_some_and(|until| until > since) {
                return Ok(false);
            }
            self.drop_cursor().await?;
            self.events = 0;
        }
        if self.backfill.done_through < since {
            let id = BackfillId(self.backfill.id);
            let lease_for = context.worker.config.lease;
            let store = &context.worker.store;
            self.backfill.done_through = store
                .pass_over(&lease.fence, lease_for, self.reader.tenant, id, since)
                .await?;
        }
        Ok(self.backfill.done_through >= self.backfill.until)
    }

    /// The present chunk, or the rest of it.
    fn chunk(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let since = self.backfill.done_through;
        let length = TimeDelta::seconds(self.backfill.chunk_seconds.into());
        let until = match (&self.log.cursor, self.backfill.chunk_until) {
            (Some(_), Some(until)) => until,
            _ => (since + length).min(self.backfill.until),
        };
        (since, until)
    }

    /// Stores a page and goes on behind it. `Some`: the run ends.
    async fn store(
        &mut self,
        page: &Page,
        until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Option<Outcome>, StoreError> {
        let now = self.reader.context.wall.now();
        let (ndjson, events) = lines_of(page);
        self.events += events.len();
        // Only an empty page and one without a next link are the end, not a short one.
        let cursor = page.next.as_ref().filter(|_| !events.is_empty());
        let newest = events.iter().filter_map(|event| event.published).max();
        // The link of a full page can be lost: then the next chunk begins at its newest event.
        let full = page.next.is_none() && events.len() >= limit as usize;
        let lost = newest.filter(|newest| full && *newest > self.backfill.done_through);
        let seconds = self.backfill.chunk_seconds;
        let (done_through, seconds) = match (cursor, lost) {
            (Some(_), _) => {
                let newest = newest.unwrap_or(self.backfill.done_through);
                (newest.min(until), seconds)
            }
            (None, Some(newest)) => (newest.min(until), seconds),
            (None, None) if self.events < SPARSE => (until, seconds.saturating_mul(2).min(MOST)),
            (None, None) => (until, seconds),
        };
        let cursor = cursor.map(model::cursor::Cursor::as_str);
        let new = BackfillPage {
            fence: self.reader.lease.fence,
            lease: self.reader.context.worker.config.lease,
            backfill: BackfillId(self.backfill.id),
            live: &self.reader.about.log,
            log: &self.log,
            ndjson: &ndjson,
            events: &events,
            date: date_of(page, now),
            cursor,
            cursor_query: self.reader.query.key(),
            done_through,
            chunk_until: until,
            chunk_seconds: seconds,
        };
        let span = tracing::info_span!("store.append_page", batch.number = self.log.next_number);
        let append = self.reader.context.worker.store.append_backfill(&new);
        let Some(appended) = append.instrument(span).await? else {
            tracing::info!("the backfill was cancelled");
            return Ok(Some(at_once()));
        };
        if cursor.is_none() {
            self.events = 0;
        }
        self.backfill.chunk_until = cursor.map(|_| until);
        self.backfill.chunk_seconds = seconds;
        self.backfill.done_through = self.backfill.done_through.max(done_through);
        self.stored(appended);
        let over = self.backfill.done_through >= self.backfill.until;
        Ok((over || self.reader.spent()).then(at_once))
    }

    /// Acts on a commit.
    fn stored(&mut self, appended: Appended) {
        let Appended {
            stored,
            dropped,
            log,
            lanes,
        } = appended;
        let context = self.reader.context;
        context.worker.store.points().reach(Point::Committed);
        context.due_now(&lanes);
        context.metrics.stored(stored, dropped);
        tracing::debug!(stored, dropped, through = %self.backfill.done_through, "stored a page of the past");
        self.log = log;
    }

    /// Writes down what the run ended with, and says when the next one is due.
    async fn conclude(&mut self, end: Handled) -> Result<Outcome, StoreError> {
        match end {
            Handled::Busy(wait) => Ok(Outcome::Snoozed { wait }),
            Handled::Snooze(trouble, wait, detail) => {
                self.note(trouble, &detail).await?;
                Ok(Outcome::Snoozed { wait })
            }
            Handled::Refused(trouble, detail) => {
                let wait = self.reader.note_refused(trouble, &detail).await?;
                self.note(trouble, &detail).await?;
                Ok(Outcome::Snoozed { wait })
            }
            Handled::Retry(trouble, detail) => self.again(trouble, &detail).await,
            Handled::Unreadable {
                trouble, detail, ..
            } => {
                let again = self.again(trouble, &detail).await?;
                let (context, lease) = (self.reader.context, self.reader.lease);
                if count_unreadable(context, lease, &self.log).await? {
                    return self.fail().await;
                }
                Ok(again)
            }
            Handled::Hopeless(trouble, detail) => {
                self.note(trouble, &detail).await?;
                if self.reader.lease.attempt >= REFUSALS {
                    return self.fail().await;
                }
                let wait = self.reader.backoff();
                Ok(Outcome::Failed { wait })
            }
            Handled::End | Handled::Yield | Handled::Smaller(_) | Handled::Restart => {
                let detail = "okta refused the position twice in a row";
                self.again(Trouble::OktaUnavailable, detail).await
            }
        }
    }

    /// Tries again after a while, with less at once.
    async fn again(&mut self, trouble: Trouble, detail: &str) -> Result<Outcome, StoreError> {
        self.note(trouble, detail).await?;
        if self.log.cursor.is_none() {
            let half = (self.backfill.chunk_seconds / 2).max(LEAST);
            let id = BackfillId(self.backfill.id);
            let store = &self.reader.context.worker.store;
            store.resize_chunk(self.reader.tenant, id, half).await?;
        }
        let wait = self.reader.backoff();
        Ok(Outcome::Failed { wait })
    }

    async fn fail(&self) -> Result<Outcome, StoreError> {
        tracing::error!(through = %self.backfill.done_through, "the backfill cannot go on and has failed");
        let id = BackfillId(self.backfill.id);
        let (context, lease) = (self.reader.context, self.reader.lease);
        let store = &context.worker.store;
        let lease_for = context.worker.config.lease;
        store
            .fail_backfill(&lease.fence, lease_for, self.reader.tenant, id)
            .await?;
        Ok(at_once())
    }

    async fn note(&self, trouble: Trouble, detail: &str) -> Result<(), StoreError> {
        let (context, lease) = (self.reader.context, self.reader.lease);
        let lease_for = context.worker.config.lease;
        let store = &context.worker.store;
        store
            .poll_failed(&lease.fence, lease_for, &self.log, trouble, detail)
            .await
    }

    async fn drop_cursor(&mut self) -> Result<(), StoreError> {
        let (context, lease) = (self.reader.context, self.reader.lease);
        let lease_for = context.worker.config.lease;
        let store = &context.worker.store;
        store
            .cursor_dropped(&lease.fence, lease_for, &self.log)
            .await?;
        self.log.cursor = None;
        self.log.cursor_query = None;
        self.log.rereading = true;
        Ok(())
    }
}

/// Due again at once; a job that has ended is parked.
fn at_once() -> Outcome {
    Outcome::Done {
        next: Duration::ZERO,
    }
}
