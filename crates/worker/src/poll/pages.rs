//! Reading on, page by page, the next one under way while one is being stored.

use std::time::Duration;

use model::budget::Priority;
use model::point::Point;
use okta::{Failure, Page};
use store::{Appended, Log, StoreError};
use tracing::Instrument;

use super::trouble::{self, Handled};
use super::{Poll, page};
use crate::budget::Asked;
use crate::context::backoff_for;

/// After so many pages or so long a poll yields its slot and is due again at once.
const PAGES: usize = 20;
const TIME: Duration = Duration::from_secs(30);

/// A wait for the budget that is not worth giving the slot back for, and no sign of a used-up one.
const SHORT: Duration = Duration::from_secs(2);

/// What a request brought.
enum Fetched {
    Page(Box<Page>),
    Failed(Box<Failure>),
    /// The budget says to wait; nothing was asked.
    Wait(Duration),
}

impl Poll<'_> {
    /// Reads and stores pages from the position of the log on. Returns how it ended, and how many
    /// events the last request was for.
    pub(super) async fn read_pages(&mut self, limit: u32) -> Result<(Handled, u32), StoreError> {
        let mut limit = limit;
        let mut fetched = self.fetch(&self.about.log, limit).await?;
        loop {
            let page = match fetched {
                Fetched::Page(page) => *page,
                Fetched::Failed(failure) => return Ok((self.understand(&failure, limit), limit)),
                Fetched::Wait(wait) if wait < SHORT => return Ok((Handled::Busy(wait), limit)),
                Fetched::Wait(wait) => return Ok((trouble::of_budget(wait), limit)),
            };
            if let Some(end) = self.note_accepted().await? {
                return Ok((end, limit));
            }
            self.pages += 1;
            let at_head = at_head(&page, limit);
            // Only the page that was too much to ask for is asked for in pieces.
            limit = okta::MAX_LIMIT;
            self.context.worker.store.points().reach(Point::Fetched);
            let reads_on = page.next.is_some() && !at_head && !self.spent();
            let (appended, next) = if reads_on {
                // Only the link of this page is needed to ask for the next one.
                let ahead = Log {
                    cursor: page.next.as_ref().map(|next| next.as_str().to_owned()),
                    cursor_query: Some(self.query.key().to_owned()),
                    ..self.about.log.clone()
                };
                let (appended, next) =
                    tokio::join!(self.append(&page, at_head), self.fetch(&ahead, limit));
                (appended?, Some(next))
            } else {
                (self.append(&page, at_head).await?, None)
            };
            let stored = appended.stored;
            self.stored(appended);
            match next.transpose()? {
                Some(next) => fetched = next,
                None if at_head => return Ok((Handled::End, limit)),
                // Without a way on and without anything new, at once would be for ever.
                None if page.next.is_none() && stored == 0 => return Ok((Handled::End, limit)),
                None => return Ok((Handled::Yield, limit)),
            }
        }
    }

    /// One request at the position of a log, if the budget allows it.
    async fn fetch(&self, log: &Log, limit: u32) -> Result<Fetched, StoreError> {
        let permit = match self.budget.ask_within(Priority::Live, SHORT).await? {
            Asked::Go(permit) => permit,
            Asked::Wait(wait) => return Ok(Fetched::Wait(wait)),
        };
        let now = self.context.wall.now();
        let request = self.query.request(log, &self.about.source, now, limit);
        let okta = &self.context.worker.okta;
        let answer = okta.fetch_page(&self.origin, &self.auth, &request).await;
        Ok(match answer {
            Ok(page) => {
                self.context.metrics.asked("ok");
                self.budget.heard_page(permit, &page).await?;
                Fetched::Page(Box::new(page))
            }
            Err(failure) => {
                self.context.metrics.asked(failure.error.code());
                self.budget.heard_failure(permit, &failure).await?;
                Fetched::Failed(failure)
            }
        })
    }

    async fn append(&self, page: &Page, at_head: bool) -> Result<Appended, StoreError> {
        let (context, lease) = (self.context, self.lease);
        let span = tracing::info_span!(
            "store.append_page",
            batch.number = self.about.log.next_number
        );
        let append = page::append(
            context,
            lease,
            &self.about.log,
            page,
            self.query.key(),
            at_head,
        );
        append.instrument(span).await
    }

    /// Acts on a commit.
    fn stored(&mut self, appended: Appended) {
        let Appended {
            stored,
            dropped,
            log,
            lanes,
        } = appended;
        self.context.worker.store.points().reach(Point::Committed);
        self.context.due_now(&lanes);
        self.context.metrics.stored(stored, dropped);
        tracing::debug!(stored, dropped, "stored a page");
        self.about.log = log;
    }

    /// Whether the poll must yield, for others or for the end of the process.
    fn spent(&self) -> bool {
        self.pages >= PAGES || self.begun.elapsed() >= TIME || self.context.stop.is_cancelled()
    }

    fn understand(&self, failure: &Failure, limit: u32) -> Handled {
        tracing::debug!(error = %failure, status = failure.status, request_id = failure.request_id, "okta request failed");
        let (base, cap) = (Duration::from_secs(1), Duration::from_secs(10));
        trouble::of_page(failure, limit, backoff_for(self.lease.attempt, base, cap))
    }
}

/// A page that is empty, or short and fresh, is the last one there is: asking again at once would
/// only chase the tail.
fn at_head(page: &Page, limit: u32) -> bool {
    const FRESH: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
    if page.events.is_empty() {
        return true;
    }
    let full = page.events.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let published = page.events.iter().filter_map(|event| event.published());
    let fresh = published
        .max()
        .zip(page.date)
        .is_some_and(|(newest, date)| (date - newest).abs() <= FRESH);
    !full && fresh
}
