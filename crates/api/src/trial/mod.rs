//! Trying a credential out: whom it reaches, what Okta lets it do, what its log looks like.
//!
//! The host is asked who it is before anything secret is sent to it. At most two requests go to the log.
//! What Okta refuses is a result. Nothing is written here; a test that is broken off leaves nothing behind.

mod budget;
mod hint;
mod look;
mod report;

use std::time::Duration;

use chrono::{DateTime, Utc};
use model::credential::Secret;
use model::origin::Origin;
use okta::{Auth, Failure, ForbiddenKind, GrantRefusal, OktaError, OrgInfo, Page, PageRequest};
use store::StoreError;
use tokio::time::timeout;

use crate::state::OktaAccess;

pub(crate) use budget::Budget;
pub(crate) use report::{RateSeen, Report, Step};

/// What is known of a stored credential.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// Okta's id of its org.
    pub(crate) org_id: Option<&'a str>,
    /// When Okta last accepted it.
    pub(crate) last_used_at: Option<DateTime<Utc>>,
}

/// One credential to be tried.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    pub(crate) okta: &'a OktaAccess,
    pub(crate) origin: &'a Origin,
    pub(crate) secret: &'a Secret,
    pub(crate) known: Known<'a>,
    /// Without one its requests are not counted.
    pub(crate) budget: Option<Budget<'a>>,
    pub(crate) now: DateTime<Utc>,
}

/// What asking the log brought.
enum Asked {
    Page(Box<Page>),
    Failed(Box<Failure>),
    /// Our part of the window is used up; nothing was asked.
    UsedUp(Duration),
}

impl Trial<'_> {
    /// Tries the credential out. The error is the database's.
    pub(crate) async fn run(&self) -> Result<Report, StoreError> {
        let mut report = Report::new();
        match timeout(self.okta.patience, self.steps(&mut report)).await {
            Ok(result) => result?,
            Err(_elapsed) => report.break_off(self.okta.patience),
        }
        Ok(report)
    }

    async fn steps(&self, report: &mut Report) -> Result<(), StoreError> {
        if !self.meet_org(report).await {
            return Ok(());
        }
        report.begin(Step::Token);
        let page = match self.ask(look::recent(self.now)).await? {
            Asked::Page(page) => page,
            Asked::Failed(failure) => {
                self.note_rate(report, failure.rate.as_ref());
                self.tell_apart(report, *failure);
                return Ok(());
            }
            Asked::UsedUp(wait) => {
                let detail = format!(
                    "our part of this token's requests is used up; try again in {} s",
                    wait.as_secs().max(1)
                );
                report.fail(Step::RateLimit, "rate_limited", detail);
                return Ok(());
            }
        };
        report.pass(Step::Token, "Okta accepts it");
        report.pass(Step::Permission, "it may read the System Log");
        report.accepted = true;
        self.note_rate(report, Some(&page.rate));
        report.begin(Step::NewestEvent);
        if !page.events.is_empty() {
            look::note(report, &page.events, self.now);
            return Ok(());
        }
        // A day without an event: a small org, or a new one.
        match self.ask(look::ever(self.now)).await? {
            Asked::Page(page) => look::note(report, &page.events, self.now),
            Asked::Failed(failure) => self.tell_apart(report, *failure),
            Asked::UsedUp(_) => {}
        }
        Ok(())
    }

    /// Whether an Okta org is there, and the right one. Nothing secret is sent.
    async fn meet_org(&self, report: &mut Report) -> bool {
        report.begin(Step::Domain);
        let org = match self.okta.client.fetch_org(self.origin).await {
            Ok(org) => org,
            Err(failure) => {
                let step = match failure.status {
                    Some(_) => {
                        report.pass(Step::Domain, format!("{} answers", self.origin));
                        Step::Organisation
                    }
                    None => Step::Domain,
                };
                report.refuse(step, *failure);
                return false;
            }
        };
        report.pass(Step::Domain, format!("{} answers", self.origin));
        let OrgInfo { id, .. } = &org;
        let foreign = self.known.org_id.filter(|known| *known != id);
        if let Some(known) = foreign {
            let detail = format!(
                "{} is the org {id} now, this credential belongs to {known}; the token was not sent there",
                self.origin
            );
            report.fail(Step::Organisation, "foreign_org", detail);
            return false;
        }
        report.pass(Step::Organisation, format!("it is the Okta org {id}"));
        report.organization = Some(org);
        true
    }

    /// Which step it is that failed, and why.
    fn tell_apart(&self, report: &mut Report, failure: Failure) {
        match &failure.error {
            OktaError::RateLimited { .. } | OktaError::Concurrency => {
                report.refuse(Step::RateLimit, failure);
            }
            OktaError::BadToken { .. } => {
                let (code, detail) =
                    hint::about_refusal(&failure, self.known, self.secret, self.now);
                report.refuse_as(Step::Token, code, detail, failure);
            }
            OktaError::NoAccessToken {
                kind: GrantRefusal::Scope,
                ..
            } => {
                report.pass(Step::Token, "Okta knows the app");
                report.refuse(Step::Permission, failure);
            }
            OktaError::Forbidden { kind, .. } if *kind != ForbiddenKind::NoSession => {
                report.pass(Step::Token, "Okta knows it");
                report.refuse(Step::Permission, failure);
            }
            OktaError::NotFound { .. } | OktaError::Unexpected { .. } => {
                report.refuse(Step::Permission, failure);
            }
            // The answer to somebody who may read.
            OktaError::BadRequest { .. }
            | OktaError::ForeignLink { .. }
            | OktaError::TooLarge { .. }
            | OktaError::Malformed(_)
            | OktaError::Undecodable
            | OktaError::Cut => {
                report.pass(Step::Token, "Okta accepts it");
                report.pass(Step::Permission, "it may read the System Log");
                report.refuse(Step::NewestEvent, failure);
            }
            _ => report.refuse(report.current(), failure),
        }
    }

    fn note_rate(&self, report: &mut Report, rate: Option<&okta::RateHeaders>) {
        let Some(seen) = rate.and_then(okta::RateHeaders::heard) else {
            return;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a u32 is one"
        )]
        let usable = (f64::from(seen.limit) * self.okta.share.clamp(0.0, 1.0)).floor() as u32;
        report.note_rate(RateSeen {
            limit: seen.limit,
            usable: usable.max(1),
            remaining: seen.remaining,
            resets_in_seconds: seen.resets_in.as_secs(),
        });
    }

    /// One request to the log, if the budget allows it.
    async fn ask(&self, request: PageRequest) -> Result<Asked, StoreError> {
        let mut drawn = None;
        if let Some(budget) = &self.budget {
            match budget.draw(self.okta.share).await? {
                Ok(request) => drawn = Some(request),
                Err(wait) => return Ok(Asked::UsedUp(wait)),
            }
        }
        let auth = Auth::from(self.secret);
        let answer = self
            .okta
            .client
            .fetch_page(self.origin, &auth, &request)
            .await;
        if let (Some(budget), Some(drawn)) = (&self.budget, drawn) {
            budget.settle(drawn, &answer).await?;
        }
        Ok(match answer {
            Ok(page) => Asked::Page(Box::new(page)),
            Err(failure) => Asked::Failed(failure),
        })
    }
}
