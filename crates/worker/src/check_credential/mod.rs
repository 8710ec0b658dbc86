//! `check_credential`: the care of one credential, days ahead when all is well.
//!
//! It tests a new secret beside the present one; uses a token that nobody else uses, so that Okta does not
//! let it die; and is the one slow probe of a credential that Okta refused, however many sources use it:
//! when that succeeds they are due at once, at the same cursor. What Okta said is written in one
//! transaction; a crash before it asks again.

mod due;

use std::time::Duration;

use model::budget::Priority;
use model::ids::{CredentialId, TenantId};
use model::job::{Lease, Outcome};
use model::origin::Origin;
use model::point::Point;
use model::status::Trouble;
use okta::{Auth, Failure, PageRequest};
use store::{Ageing, BudgetKey, CredentialSecret, StoreError};

use crate::budget::{Asked, Budget};
use crate::context::{Context, Ran, backoff_for};
use crate::poll::failure_of_credential;

/// Between attempts that brought no answer.
const FIRST_BACKOFF: Duration = Duration::from_secs(30);
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);
/// A new secret beside one that works is given up if no test of it brought an answer for so long.
const TESTED_FOR: Duration = Duration::from_hours(24);

/// What came of asking Okta.
enum Judged {
    /// It accepted the secret, as this org.
    Accepted(String),
    /// It refused it.
    Refused(Trouble, String),
    /// The world was in the way.
    Unknown(String),
    /// The budget says to wait; nothing was asked.
    Wait(Duration),
}

pub(crate) async fn run(context: &Context, lease: &Lease) -> Result<Ran, StoreError> {
    let Some(tenant) = lease.tenant else {
        let next = Duration::from_hours(1);
        return Ok(Outcome::Done { next }.into());
    };
    let care = Care {
        context,
        lease,
        tenant,
    };
    let again = care.test_next().await?;
    let looked = care.look_after().await?;
    Ok(again.map_or(looked, |again| earlier(again, looked)).into())
}

/// The test of a new secret and the care of the present one as one run, due when the first of them is.
fn earlier(again: Outcome, looked: Outcome) -> Outcome {
    let of = |outcome| match outcome {
        Outcome::Done { next: wait } | Outcome::Snoozed { wait } | Outcome::Failed { wait } => wait,
    };
    let wait = of(again).min(of(looked));
    match (again, looked) {
        (Outcome::Failed { .. }, _) | (_, Outcome::Failed { .. }) => Outcome::Failed { wait },
        _ => Outcome::Snoozed { wait },
    }
}

struct Care<'a> {
    context: &'a Context,
    lease: &'a Lease,
    tenant: TenantId,
}

impl Care<'_> {
    async fn open(&self) -> Result<CredentialSecret, StoreError> {
        let id = CredentialId(self.lease.subject);
        self.context
            .worker
            .store
            .open_credential(self.tenant, id)
            .await
    }

    /// Tests the secret that is to replace the present one, if there is one. `Some`: it has to be tested
    /// again, and the present one needs its care meanwhile.
    async fn test_next(&self) -> Result<Option<Outcome>, StoreError> {
        let store = &self.context.worker.store;
        let present = self.open().await?.credential;
        let Some(next) = store.open_rotation(&present).await? else {
            return Ok(None);
        };
        let judged = self.ask(&next).await?;
        store.points().reach(Point::SecretTested);
        match judged {
            Judged::Accepted(org) => {
                if store.rotation_accepted(&next.credential, &org).await? {
                    tracing::info!("okta accepts the new secret; it replaces the present one");
                }
            }
            Judged::Refused(trouble, detail) => {
                tracing::warn!(
                    trouble = trouble.code(),
                    "the new secret is not taken: {detail}"
                );
                store
                    .rotation_refused(&next.credential, trouble, &detail)
                    .await?;
            }
            Judged::Unknown(detail) => {
                tracing::warn!("the new secret could not be tested: {detail}");
                let given_up = store.rotation_untestable(&next.credential, TESTED_FOR, &detail);
                if !given_up.await? {
                    return Ok(Some(self.failed()));
                }
            }
            Judged::Wait(wait) => return Ok(Some(Outcome::Snoozed { wait })),
        }
        Ok(None)
    }

    /// Asks about the present secret if it is time to.
    async fn look_after(&self) -> Result<Outcome, StoreError> {
        let store = &self.context.worker.store;
        let probe = self.context.worker.config.probe;
        let now = self.context.wall.now();
        let secret = self.open().await?;
        let credential = &secret.credential;
        let next = due::next_run(credential, now, probe);
        if !next.is_zero() {
            return Ok(Outcome::Done { next });
        }
        let usable = credential.state().usable();
        match self.ask(&secret).await? {
            Judged::Accepted(org) => {
                if !usable {
                    tracing::info!("okta accepts the credential again");
                }
                store
                    .credential_accepted(self.tenant, credential, Some(&org))
                    .await?;
            }
            Judged::Refused(trouble, detail) => {
                tracing::warn!(
                    trouble = trouble.code(),
                    "okta refuses the credential: {detail}"
                );
                store
                    .credential_refused(self.tenant, credential, trouble, &detail, probe)
                    .await?;
                // Asked for by itself, it need not run once more.
                return Ok(Outcome::Snoozed { wait: probe });
            }
            // An outage says nothing about the credential, but time goes on.
            Judged::Unknown(_) if !usable => return Ok(Outcome::Snoozed { wait: probe }),
            Judged::Unknown(detail) => {
                if let Some(ageing) = store.credential_ages(credential).await? {
                    warn(ageing, &detail);
                }
                return Ok(self.failed());
            }
            Judged::Wait(wait) => return Ok(Outcome::Snoozed { wait }),
        }
        let now_known = self.open().await?.credential;
        let next = due::next_run(&now_known, now, probe).max(FIRST_BACKOFF);
        Ok(Outcome::Done { next })
    }

    fn failed(&self) -> Outcome {
        let wait = backoff_for(self.lease.attempt, FIRST_BACKOFF, LONGEST_BACKOFF);
        Outcome::Failed { wait }
    }

    /// Asks for the org and, if it is one, for one event.
    async fn ask(&self, secret: &CredentialSecret) -> Result<Judged, StoreError> {
        let origin = Origin::parse_with(&secret.credential.origin, true);
        let (opened, origin) = match (&secret.opened, origin) {
            (Ok(opened), Ok(origin)) => (opened, origin),
            (Err(error), _) => return Ok(Judged::Unknown(error.to_string())),
            (_, Err(error)) => return Ok(Judged::Unknown(error.to_string())),
        };
        let budget = self.context.budgets.open(BudgetKey::of(&secret.credential));
        let known_org = secret.credential.org_id.as_deref();
        let asked = self
            .ask_within(&budget, &origin, known_org, &Auth::from(opened))
            .await;
        budget.close().await?;
        asked
    }

    async fn ask_within(
        &self,
        budget: &Budget,
        origin: &Origin,
        known_org: Option<&str>,
        auth: &Auth,
    ) -> Result<Judged, StoreError> {
        let okta = &self.context.worker.okta;
        // In another bucket than the log, and without the secret: it goes to no host that is not its org.
        let org = match okta.fetch_org(origin).await {
            Ok(org) => org.id,
            Err(failure) => return Ok(judge(&failure)),
        };
        if let Some(ours) = known_org.filter(|ours| *ours != org) {
            let detail = format!("{origin} is the org {org}, the credential belongs to {ours}");
            return Ok(Judged::Refused(Trouble::ForeignOrg, detail));
        }
        let permit = match budget.ask(Priority::Live).await? {
            Asked::Go(permit) => permit,
            Asked::Wait(wait) => return Ok(Judged::Wait(wait)),
        };
        let since = self.context.wall.now() - chrono::TimeDelta::minutes(1);
        let request = PageRequest::First {
            since: Some(since),
            filter: None,
            q: None,
            limit: 1,
        };
        match okta.fetch_page(origin, auth, &request).await {
            Ok(page) => {
                self.context.metrics.asked("ok");
                budget.heard_page(permit, &page).await?;
                Ok(Judged::Accepted(org))
            }
            Err(failure) => {
                self.context.metrics.asked(failure.error.code());
                budget.heard_failure(permit, &failure).await?;
                Ok(judge(&failure))
            }
        }
    }
}

fn judge(failure: &Failure) -> Judged {
    match failure_of_credential(failure) {
        Some((trouble, detail)) => Judged::Refused(trouble, detail),
        None => Judged::Unknown(failure.to_string()),
    }
}

fn warn(ageing: Ageing, why: &str) {
    match ageing {
        Ageing::DaysLeft(days) => tracing::warn!(
            credential.days_left = days,
            "okta lets the token die in {days} days or less unless it can be used: {why}"
        ),
        Ageing::Dead => tracing::error!(
            "the token was not used for 30 days, okta has let it die; set a new one: {why}"
        ),
    }
}
