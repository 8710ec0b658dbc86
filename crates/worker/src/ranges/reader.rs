//! One reader of past ranges: the source's credential and query, its budget, and one request at a time.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use model::budget::Priority;
use model::cursor::Cursor;
use model::ids::TenantId;
use model::job::Lease;
use model::origin::Origin;
use model::status::Trouble;
use okta::{Auth, Page, PageRequest};
use store::{PollContext, StoreError};

use crate::budget::{Asked, Budget};
use crate::context::{Context, backoff_for};
use crate::poll::{Handled, Query, failure_of_page};

/// After so many pages or so long a run yields its slot and is due again at once.
const PAGES: usize = 20;
const TIME: Duration = Duration::from_secs(30);

/// A wait for the budget that is not worth giving the slot back for.
const SHORT: Duration = Duration::from_secs(2);

/// How long to wait for somebody else to clear what is in the way.
const LATER: Duration = Duration::from_mins(5);

pub(super) struct Reader<'a> {
    pub(super) context: &'a Context,
    pub(super) lease: &'a Lease,
    pub(super) tenant: TenantId,
    pub(super) about: PollContext,
    pub(super) query: Query,
    origin: Origin,
    auth: Auth,
    budget: &'a Budget,
    priority: Priority,
    begun: Instant,
    pages: usize,
    accepted: bool,
}

/// Why nothing can be asked at the moment.
#[derive(Debug)]
pub(super) struct Unready {
    pub(super) trouble: Trouble,
    pub(super) detail: String,
    pub(super) wait: Duration,
}

impl<'a> Reader<'a> {
    /// A reader, if the credential works and is of the source's org.
    pub(super) fn ready(
        context: &'a Context,
        lease: &'a Lease,
        tenant: TenantId,
        about: PollContext,
        (budget, priority): (&'a Budget, Priority),
    ) -> Result<Self, Unready> {
        let credential = &about.secret.credential;
        let not = |trouble: Trouble, detail: String, wait: Duration| Unready {
            trouble,
            detail,
            wait,
        };
        if !credential.state().usable() {
            let trouble = credential.trouble.as_deref().and_then(Trouble::from_code);
            let trouble = trouble.unwrap_or(Trouble::TokenRefused);
            let detail = credential.trouble_detail.clone().unwrap_or_default();
            // Its own slow probe asks Okta; this only looks whether that has helped.
            return Err(not(trouble, detail, LATER));
        }
        let auth = match &about.secret.opened {
            Ok(secret) => Auth::from(secret),
            Err(error) => return Err(not(Trouble::SecretSealed, error.to_string(), LATER)),
        };
        let Ok(origin) = Origin::parse_with(&credential.origin, true) else {
            let detail = "the stored domain cannot be read".to_owned();
            return Err(not(Trouble::NotAnOrg, detail, LATER));
        };
        match (&about.source.org_id, &credential.org_id) {
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (Some(ours), Some(theirs)) => {
                let detail = format!(
                    "the credential belongs to the org {theirs}, this source has been reading {ours}"
                );
                return Err(not(Trouble::ForeignOrg, detail, LATER));
            }
            _ => {
                let detail = "the source has not been in contact with its org yet".to_owned();
                let soon = Duration::from_secs(30);
                return Err(not(Trouble::OktaUnreachable, detail, soon));
            }
        }
        Ok(Self {
            context,
            lease,
            tenant,
            query: Query::of(&about.source),
            origin,
            auth,
            budget,
            priority,
            about,
            begun: Instant::now(),
            pages: 0,
            accepted: false,
        })
    }

    /// The request for a range, or for the page behind a cursor within it.
    pub(super) fn request(
        &self,
        range: (DateTime<Utc>, DateTime<Utc>),
        cursor: Option<&str>,
        limit: u32,
    ) -> PageRequest {
        match cursor {
            Some(cursor) => PageRequest::Next {
                cursor: Cursor::new(cursor),
                limit: Some(limit),
            },
            None => self.query.bounded(range, limit),
        }
    }

    /// Asks for one page, if the budget allows it; else, or if that fails, says what to do.
    pub(super) async fn ask(
        &mut self,
        request: &PageRequest,
        limit: u32,
    ) -> Result<Result<Page, Handled>, StoreError> {
        let permit = match self.budget.ask_within(self.priority, SHORT).await? {
            Asked::Go(permit) => permit,
            Asked::Wait(wait) => return Ok(Err(Handled::Busy(wait))),
        };
        self.pages += 1;
        let okta = &self.context.worker.okta;
        match okta.fetch_page(&self.origin, &self.auth, request).await {
            Ok(page) => {
                self.context.metrics.asked("ok");
                self.budget.heard_page(permit, &page).await?;
                self.note_accepted().await?;
                Ok(Ok(page))
            }
            Err(failure) => {
                self.context.metrics.asked(failure.error.code());
                self.budget.heard_failure(permit, &failure).await?;
                let (base, cap) = (Duration::from_secs(1), Duration::from_secs(10));
                let short = backoff_for(self.lease.attempt, base, cap);
                Ok(Err(failure_of_page(&failure, limit, short)))
            }
        }
    }

    /// Okta has accepted the credential, which also keeps its token alive.
    async fn note_accepted(&mut self) -> Result<(), StoreError> {
        if self.accepted {
            return Ok(());
        }
        self.accepted = true;
        let credential = &self.about.secret.credential;
        let store = &self.context.worker.store;
        let org = credential.org_id.as_deref();
        store
            .credential_accepted(self.tenant, credential, org)
            .await
    }

    /// Okta has refused the credential: all its sources wait for a change.
    pub(super) async fn note_refused(
        &self,
        trouble: Trouble,
        detail: &str,
    ) -> Result<Duration, StoreError> {
        tracing::warn!(trouble = trouble.code(), "{detail}");
        let probe = self.context.worker.config.probe;
        let credential = &self.about.secret.credential;
        let store = &self.context.worker.store;
        store
            .credential_refused(self.tenant, credential, trouble, detail, probe)
            .await?;
        Ok(probe.min(LATER))
    }

    /// Whether the run must yield, for others or for the end of the process.
    pub(super) fn spent(&self) -> bool {
        self.pages >= PAGES || self.begun.elapsed() >= TIME || self.context.stop.is_cancelled()
    }

    /// The wait before another try of what failed.
    pub(super) fn backoff(&self) -> Duration {
        let (base, cap) = (Duration::from_secs(1), Duration::from_mins(5));
        backoff_for(self.lease.attempt, base, cap)
    }
}
