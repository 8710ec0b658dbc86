//! `check_credential`: the slow probe of a credential that Okta refused. One per credential, however
//! many sources use it; when it succeeds, they are due at once, at the same cursor.

use std::time::Duration;

use model::budget::Priority;
use model::ids::CredentialId;
use model::job::{Lease, Outcome};
use model::origin::Origin;
use okta::{Auth, Failure, PageRequest};
use store::{BudgetKey, StoreError};

use crate::budget::{Asked, Budget};
use crate::context::{Context, Ran};
use crate::poll::failure_of_credential;

pub(crate) async fn run(context: &Context, lease: &Lease) -> Result<Ran, StoreError> {
    let again = Outcome::Done {
        next: context.worker.config.probe,
    }
    .into();
    let Some(tenant) = lease.tenant else {
        return Ok(again);
    };
    let store = &context.worker.store;
    let secret = store
        .open_credential(tenant, CredentialId(lease.subject))
        .await?;
    let credential = secret.credential;
    let (Ok(secret), Ok(origin)) = (secret.opened, Origin::parse_with(&credential.origin, true))
    else {
        return Ok(again);
    };
    if credential.state().usable() {
        // Its sources ask Okta anyway.
        return Ok(again);
    }
    let budget = context.budgets.open(BudgetKey::of(&credential));
    let probed = probe(context, &budget, &origin, &Auth::from(&secret)).await;
    budget.close().await?;
    let answer = match probed? {
        Probed::Wait(wait) => return Ok(Outcome::Snoozed { wait }.into()),
        Probed::Answered(answer) => answer,
    };
    match answer {
        Ok(org) => {
            tracing::info!("okta accepts the credential again");
            store
                .credential_accepted(tenant, &credential, Some(&org))
                .await?;
        }
        Err(failure) => {
            // Only a clear refusal is noted; an outage says nothing about the credential.
            if let Some((trouble, detail)) = failure_of_credential(&failure) {
                store
                    .credential_refused(
                        tenant,
                        &credential,
                        trouble,
                        &detail,
                        context.worker.config.probe,
                    )
                    .await?;
            }
        }
    }
    Ok(again)
}

/// What a probe brought.
enum Probed {
    /// Okta's answer: the org, or what is wrong.
    Answered(Result<String, Box<Failure>>),
    /// The budget says to wait; nothing was asked.
    Wait(Duration),
}

/// Asks for the org and for one event.
async fn probe(
    context: &Context,
    budget: &Budget,
    origin: &Origin,
    auth: &Auth,
) -> Result<Probed, StoreError> {
    let okta = &context.worker.okta;
    // In another bucket than the log.
    let org = match okta.fetch_org(origin).await {
        Ok(org) => org.id,
        Err(failure) => return Ok(Probed::Answered(Err(failure))),
    };
    let permit = match budget.ask(Priority::Live).await? {
        Asked::Go(permit) => permit,
        Asked::Wait(wait) => return Ok(Probed::Wait(wait)),
    };
    let since = context.wall.now()
        - chrono::TimeDelta::from_std(Duration::from_mins(1)).unwrap_or_default();
    let request = PageRequest::First {
        since: Some(since),
        filter: None,
        q: None,
        limit: 1,
    };
    Ok(Probed::Answered(
        match okta.fetch_page(origin, auth, &request).await {
            Ok(page) => {
                context.metrics.asked("ok");
                budget.heard_page(permit, &page).await?;
                Ok(org)
            }
            Err(failure) => {
                context.metrics.asked(failure.error.code());
                budget.heard_failure(permit, &failure).await?;
                Err(failure)
            }
        },
    ))
}
