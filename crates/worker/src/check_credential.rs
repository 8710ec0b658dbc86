//! `check_credential`: the slow probe of a credential that Okta refused. One per credential, however
//! many sources use it; when it succeeds, they are due at once, at the same cursor.

use std::time::Duration;

use model::ids::CredentialId;
use model::job::{Lease, Outcome};
use model::origin::Origin;
use okta::{Auth, Failure, PageRequest};
use store::{BudgetKey, Credential, Grant, StoreError};

use crate::context::{Context, Ran};
use crate::poll::{failure_of_credential, window};

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
    if let Grant::Wait(wait) = store.take_request(&BudgetKey::of(&credential)).await? {
        return Ok(Outcome::Snoozed { wait }.into());
    }
    match probe(context, &credential, &origin, &Auth::from(&secret)).await? {
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

/// Asks for the org and for one event. Okta's answer, or the database's failure.
async fn probe(
    context: &Context,
    credential: &Credential,
    origin: &Origin,
    auth: &Auth,
) -> Result<Result<String, Box<Failure>>, StoreError> {
    let okta = &context.worker.okta;
    let org = match okta.fetch_org(origin).await {
        Ok(org) => org.id,
        Err(failure) => {
            context
                .worker
                .store
                .note_window(
                    &BudgetKey::of(credential),
                    None,
                    context.worker.config.share,
                )
                .await?;
            return Ok(Err(failure));
        }
    };
    let since = context.wall.now()
        - chrono::TimeDelta::from_std(Duration::from_mins(1)).unwrap_or_default();
    let request = PageRequest::First {
        since: Some(since),
        filter: None,
        q: None,
        limit: 1,
    };
    let answer = okta.fetch_page(origin, auth, &request).await;
    let rate = answer
        .as_ref()
        .map_or_else(|failure| failure.rate.as_ref(), |page| Some(&page.rate));
    context.metrics.asked(
        answer
            .as_ref()
            .map_or_else(|failure| failure.error.code(), |_| "ok"),
    );
    let seen = rate.and_then(window);
    context
        .worker
        .store
        .note_window(
            &BudgetKey::of(credential),
            seen,
            context.worker.config.share,
        )
        .await?;
    Ok(answer.map(|_| org))
}
