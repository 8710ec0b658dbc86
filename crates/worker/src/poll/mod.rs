//! `poll`: reads the pages of one source and stores each before the next one counts.
//!
//! The position is the committed cursor. A crash anywhere repeats a page, and what is stored of it
//! is dropped again; it never skips one. While a page is being stored the next may be under way.

mod page;
mod query;
mod trouble;

use std::time::{Duration, Instant};

use model::ids::{SourceId, TenantId};
use model::job::{Lease, Outcome};
use model::origin::Origin;
use model::point::Point;
use model::schedule::until_next_slot;
use model::status::Trouble;
use okta::{Auth, Failure, OktaError, Page};
use store::{Appended, BudgetKey, Conflict, Grant, Log, PollContext, StoreError};

use crate::runner::{Context, Ran, backoff_for};
use query::Query;
pub(crate) use query::window;
use trouble::Handled;
pub(crate) use trouble::failure_of_credential;

/// After so many pages or so long a poll yields its slot and is due again at once.
const PAGES: usize = 20;
const TIME: Duration = Duration::from_secs(30);

/// A wait for the budget that is not worth giving the slot back for.
const SHORT: Duration = Duration::from_secs(2);

/// One poll of one source.
struct Poll<'a> {
    context: &'a Context,
    lease: &'a Lease,
    tenant: TenantId,
    about: PollContext,
    query: Query,
    origin: Origin,
    auth: Auth,
    budget: BudgetKey,
    begun: Instant,
    pages: usize,
    /// The credential has been noted as accepted in this poll.
    accepted: bool,
}

/// What a request brought.
enum Fetched {
    Page(Box<Page>),
    Failed(Box<Failure>),
    /// The budget says to wait; nothing was asked.
    Wait(Duration),
}

pub(crate) async fn run(context: &Context, lease: &Lease) -> Result<Ran, StoreError> {
    let Some(tenant) = lease.tenant else {
        return Ok(Outcome::Done {
            next: Duration::from_hours(1),
        }
        .into());
    };
    let about = context
        .worker
        .store
        .poll_context(tenant, SourceId(lease.subject))
        .await?;
    let until_next = Outcome::Done {
        next: until_next_slot(
            lease.subject,
            about.source.refresh().duration(),
            context.wall.now(),
        ),
    };
    if !about.source.enabled || !about.secret.credential.state().usable() {
        // A refused credential has its own slow probe; its sources ask nothing.
        return Ok(until_next.into());
    }
    let token = match &about.secret.token {
        Ok(token) => token.clone(),
        Err(error) => {
            note(
                context,
                lease,
                &about.log,
                Trouble::SecretSealed,
                &error.to_string(),
            )
            .await?;
            return Ok(until_next.into());
        }
    };
    // Whether http and private hosts may be used is the guard's to say, at connect time.
    let Ok(origin) = Origin::parse_with(&about.secret.credential.origin, true) else {
        note(
            context,
            lease,
            &about.log,
            Trouble::NotAnOrg,
            "the stored domain cannot be read",
        )
        .await?;
        return Ok(until_next.into());
    };
    context.worker.store.poll_begun(&about.log).await?;
    let query = Query::of(&about.source);
    let budget = BudgetKey::of(&about.secret.credential);
    let poll = Poll {
        context,
        lease,
        tenant,
        query,
        origin,
        auth: Auth::Ssws(token),
        budget,
        about,
        begun: Instant::now(),
        pages: 0,
        accepted: false,
    };
    Ok(poll.run().await?.into())
}

async fn note(
    context: &Context,
    lease: &Lease,
    log: &Log,
    trouble: Trouble,
    detail: &str,
) -> Result<(), StoreError> {
    context
        .worker
        .store
        .poll_failed(
            &lease.fence,
            context.worker.config.lease,
            log,
            trouble,
            detail,
        )
        .await
}

impl Poll<'_> {
    async fn run(mut self) -> Result<Outcome, StoreError> {
        if let Some(outcome) = self.first_contact().await? {
            return Ok(outcome);
        }
        self.restart_if_the_query_changed().await?;
        let mut restarted = false;
        let mut limit = query::limit_after(self.about.log.malformed);
        loop {
            let end = match self.fetch(limit).await? {
                Fetched::Page(page) => self.store_pages(*page, limit).await?,
                Fetched::Wait(wait) => Handled::Snooze(
                    Trouble::RateLimited,
                    wait,
                    "the budget of this token is used up".to_owned(),
                ),
                Fetched::Failed(failure) => self.understand(&failure, limit),
            };
            match end {
                Handled::End => return Ok(self.done()),
                Handled::Yield => {
                    return Ok(Outcome::Done {
                        next: Duration::ZERO,
                    });
                }
                Handled::Smaller(smaller) => limit = smaller,
                Handled::Restart if !restarted => {
                    restarted = true;
                    self.drop_cursor().await?;
                }
                Handled::Restart => {
                    return self
                        .fail(
                            Trouble::OktaUnavailable,
                            "okta refused the position twice in a row",
                        )
                        .await;
                }
                Handled::Unreadable { detail, salvage } => {
                    return self.unreadable(limit, &detail, salvage).await;
                }
                Handled::Snooze(trouble, wait, detail) => {
                    note(self.context, self.lease, &self.about.log, trouble, &detail).await?;
                    return Ok(Outcome::Snoozed {
                        wait: wait + Duration::from_millis(rand::random_range(50..1000)),
                    });
                }
                Handled::Retry(trouble, detail) => return self.fail(trouble, &detail).await,
                Handled::Hopeless(trouble, detail) => {
                    note(self.context, self.lease, &self.about.log, trouble, &detail).await?;
                    return Ok(self.done());
                }
                Handled::Refused(trouble, detail) => {
                    let store = &self.context.worker.store;
                    let probe = self.context.worker.config.probe;
                    store
                        .credential_refused(
                            self.tenant,
                            &self.about.secret.credential,
                            trouble,
                            &detail,
                            probe,
                        )
                        .await?;
                    tracing::warn!(trouble = trouble.code(), "{detail}");
                    return Ok(self.done());
                }
            }
        }
    }

    /// Before the first page: whose org is this, and is it the one the source has been reading?
    async fn first_contact(&mut self) -> Result<Option<Outcome>, StoreError> {
        let known = self.about.secret.credential.org_id.clone();
        let org = match known {
            Some(org) => org,
            None => match self.context.worker.okta.fetch_org(&self.origin).await {
                Ok(org) => org.id,
                Err(failure) => {
                    self.context.metrics.asked(failure.error.code());
                    return Ok(Some(self.no_org(&failure).await?));
                }
            },
        };
        if self.about.source.org_id.as_deref() == Some(org.as_str()) {
            self.about.secret.credential.org_id = Some(org);
            return Ok(None);
        }
        match self
            .context
            .worker
            .store
            .bind_source_org(self.tenant, SourceId(self.about.source.id), &org)
            .await
        {
            Ok(()) => {
                self.about.secret.credential.org_id = Some(org);
                Ok(None)
            }
            Err(StoreError::Conflict(foreign @ Conflict::ForeignOrg { .. })) => {
                note(
                    self.context,
                    self.lease,
                    &self.about.log,
                    Trouble::ForeignOrg,
                    &foreign.to_string(),
                )
                .await?;
                Ok(Some(self.done()))
            }
            Err(error) => Err(error),
        }
    }

    async fn no_org(&self, failure: &Failure) -> Result<Outcome, StoreError> {
        let store = &self.context.worker.store;
        match trouble::of_first_contact(failure) {
            Handled::Refused(trouble, detail) => {
                let probe = self.context.worker.config.probe;
                store
                    .credential_refused(
                        self.tenant,
                        &self.about.secret.credential,
                        trouble,
                        &detail,
                        probe,
                    )
                    .await?;
                Ok(self.done())
            }
            Handled::Retry(trouble, detail) => self.fail(trouble, &detail).await,
            _ => {
                self.fail(Trouble::OktaUnreachable, &failure.to_string())
                    .await
            }
        }
    }

    /// A cursor carries its query: another one starts at the watermark.
    async fn restart_if_the_query_changed(&mut self) -> Result<(), StoreError> {
        let log = &self.about.log;
        let changed = log
            .cursor_query
            .as_deref()
            .is_some_and(|query| query != self.query.key());
        if changed {
            tracing::info!(
                "the query of the source has changed; reading restarts at the watermark"
            );
            self.drop_cursor().await?;
        }
        Ok(())
    }

    async fn drop_cursor(&mut self) -> Result<(), StoreError> {
        let store = &self.context.worker.store;
        store
            .cursor_dropped(
                &self.lease.fence,
                self.context.worker.config.lease,
                &self.about.log,
            )
            .await?;
        self.about.log.cursor = None;
        self.about.log.cursor_query = None;
        self.about.log.rereading = true;
        Ok(())
    }

    /// One request at the position of the log, if the budget allows it.
    async fn fetch(&self, limit: u32) -> Result<Fetched, StoreError> {
        self.fetch_at(&self.about.log, limit).await
    }

    async fn fetch_at(&self, log: &Log, limit: u32) -> Result<Fetched, StoreError> {
        let store = &self.context.worker.store;
        let asked = Instant::now();
        while let Grant::Wait(wait) = store.take_request(&self.budget).await? {
            if asked.elapsed() + wait > SHORT {
                return Ok(Fetched::Wait(wait));
            }
            tokio::time::sleep(wait).await;
        }
        let request = self
            .query
            .request(log, &self.about.source, self.context.wall.now(), limit);
        let answer = self
            .context
            .worker
            .okta
            .fetch_page(&self.origin, &self.auth, &request)
            .await;
        let (rate, word) = match &answer {
            Ok(page) => (Some(&page.rate), "ok"),
            Err(failure) => (failure.rate.as_ref(), failure.error.code()),
        };
        self.context.metrics.asked(word);
        let seen = rate.and_then(window);
        let used_up = matches!(&answer, Err(failure) if matches!(failure.error, OktaError::RateLimited { .. }));
        store
            .note_window(
                &self.budget,
                seen.map(|seen| query::after_refusal(seen, used_up)),
                self.context.worker.config.share,
            )
            .await?;
        Ok(match answer {
            Ok(page) => Fetched::Page(Box::new(page)),
            Err(failure) => Fetched::Failed(failure),
        })
    }

    /// Stores a page and those behind it, the next one under way meanwhile.
    async fn store_pages(&mut self, mut page: Page, limit: u32) -> Result<Handled, StoreError> {
        let mut limit = limit;
        loop {
            self.note_accepted().await?;
            self.pages += 1;
            let more = self.wants_more(&page, limit);
            limit = okta::MAX_LIMIT;
            self.context.worker.store.points().reach(Point::Fetched);
            let (appended, next) = if more {
                // Only the link of this page is needed to ask for the next one.
                let ahead = Log {
                    cursor: page.next.as_ref().map(|next| next.as_str().to_owned()),
                    cursor_query: Some(self.query.key().to_owned()),
                    ..self.about.log.clone()
                };
                let (appended, next) =
                    tokio::join!(self.append(&page), self.fetch_at(&ahead, limit));
                (appended?, Some(next?))
            } else {
                (self.append(&page).await?, None)
            };
            self.context.worker.store.points().reach(Point::Committed);
            self.context.due_now(&appended.lanes);
            self.context
                .metrics
                .stored(appended.stored, appended.dropped);
            tracing::debug!(
                stored = appended.stored,
                dropped = appended.dropped,
                "stored a page"
            );
            self.about.log = appended.log;
            match next {
                Some(Fetched::Page(next)) => page = *next,
                Some(Fetched::Failed(failure)) => return Ok(self.understand(&failure, limit)),
                Some(Fetched::Wait(wait)) => {
                    return Ok(Handled::Snooze(
                        Trouble::RateLimited,
                        wait,
                        "the budget of this token is used up".to_owned(),
                    ));
                }
                None if self.spent() && !at_head(&page, limit) => return Ok(Handled::Yield),
                None => return Ok(Handled::End),
            }
        }
    }

    async fn append(&self, page: &Page) -> Result<Appended, StoreError> {
        page::append(
            self.context,
            self.lease,
            &self.about.log,
            page,
            self.query.key(),
            self.context.wall.now(),
        )
        .await
    }

    /// Whether to go on behind a page: not at the head, with a way to go, and within this turn.
    fn wants_more(&self, page: &Page, limit: u32) -> bool {
        page.next.is_some()
            && !at_head(page, limit)
            && !self.spent()
            && !self.context.draining.is_cancelled()
    }

    fn spent(&self) -> bool {
        self.pages >= PAGES || self.begun.elapsed() >= TIME
    }

    async fn note_accepted(&mut self) -> Result<(), StoreError> {
        if !self.accepted {
            self.accepted = true;
            let credential = &self.about.secret.credential;
            self.context
                .worker
                .store
                .credential_accepted(self.tenant, credential, credential.org_id.as_deref())
                .await?;
        }
        Ok(())
    }

    fn understand(&self, failure: &Failure, limit: u32) -> Handled {
        tracing::debug!(error = %failure, status = failure.status, request_id = failure.request_id, "okta request failed");
        trouble::of_page(
            failure,
            limit,
            backoff_for(
                self.lease.attempt,
                Duration::from_secs(1),
                Duration::from_secs(10),
            ),
        )
    }

    /// Until the next slot of the source.
    fn done(&self) -> Outcome {
        Outcome::Done {
            next: until_next_slot(
                self.lease.subject,
                self.about.source.refresh().duration(),
                self.context.wall.now(),
            ),
        }
    }

    async fn fail(&self, trouble: Trouble, detail: &str) -> Result<Outcome, StoreError> {
        note(self.context, self.lease, &self.about.log, trouble, detail).await?;
        let cap = self
            .about
            .source
            .refresh()
            .duration()
            .clamp(Duration::from_secs(30), Duration::from_mins(5));
        Ok(Outcome::Failed {
            wait: backoff_for(self.lease.attempt, Duration::from_secs(1), cap),
        })
    }

    /// An answer that is no page: counted; put aside after enough equal ones over enough time.
    async fn unreadable(
        &self,
        limit: u32,
        detail: &str,
        salvage: Option<okta::Salvage>,
    ) -> Result<Outcome, StoreError> {
        let outcome = self.fail(Trouble::PageMalformed, detail).await?;
        let waited = page::count_unreadable(self.context, self.lease, &self.about.log).await?;
        if let Some(salvage) = salvage.filter(|_| waited && limit == 1) {
            page::quarantine(
                self.context,
                self.lease,
                &self.about.log,
                detail,
                &salvage,
                self.query.key(),
            )
            .await?;
            tracing::error!(
                "put an unreadable page aside; its hours are marked as a gap until verify closes them"
            );
            return Ok(Outcome::Done {
                next: Duration::ZERO,
            });
        }
        Ok(outcome)
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
    let newest = page
        .events
        .iter()
        .filter_map(|event| event.published())
        .max();
    let fresh = newest
        .zip(page.date)
        .is_some_and(|(newest, date)| (date - newest).abs() <= FRESH);
    !full && fresh
}
