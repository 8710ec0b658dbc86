//! `POST /v1/credentials/{credential_id}/test`

use actix_web::{HttpResponse, post, web};
use model::ids::{CredentialId, TenantId};
use model::origin::Origin;
use store::{BudgetKey, CredentialSecret};

use crate::answer::plain;
use crate::auth::Operator;
use crate::handlers::credential_tests::CredentialTest;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;
use crate::trial::{Budget, Known, Report, Step, Trial};

/// Test a stored credential
///
/// Asks Okta from the machine of the API, within the rate limit that the sources of the credential share, and tells
/// what came of it; what Okta refuses is a result, no error. The state of the credential follows it: one that Okta
/// accepts again wakes its sources. Takes up to 20 seconds.
#[utoipa::path(
    tag = "credentials",
    params(("credential_id" = Uuid, Path, description = "Id of the credential")),
    responses((status = 200, description = "What it showed", body = CredentialTest), Problem)
)]
#[post("/v1/credentials/{credential_id}/test")]
#[tracing::instrument(name = "api.credentials.test", skip_all)]
pub(crate) async fn test_credential(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let secret = state
        .store
        .open_credential(caller.tenant, CredentialId(id))
        .await?;
    let _pass = state
        .gate
        .enter(caller.tenant)
        .map_err(Problem::too_many_tests)?;
    let report = run(&state, &secret).await?;
    note(&state, caller.tenant, &secret, &report).await?;
    Ok(plain(CredentialTest::from(report)))
}

async fn run(state: &ApiState, secret: &CredentialSecret) -> Result<Report, Problem> {
    let credential = &secret.credential;
    let opened = match &secret.opened {
        Ok(opened) => opened,
        Err(error) => {
            return Ok(Report::failed(
                Step::Token,
                "secret_sealed",
                error.to_string(),
            ));
        }
    };
    // Whether http and private hosts may be used is the guard's to say, at connect time.
    let origin = match Origin::parse_with(&credential.origin, true) {
        Ok(origin) => origin,
        Err(error) => {
            return Ok(Report::failed(
                Step::Domain,
                "invalid_domain",
                error.to_string(),
            ));
        }
    };
    let trial = Trial {
        okta: &state.okta,
        origin: &origin,
        secret: opened,
        known: Known {
            org_id: credential.org_id.as_deref(),
            last_used_at: credential.last_used_at,
        },
        budget: Some(Budget {
            store: &state.store,
            key: BudgetKey::of(credential),
        }),
        now: state.store.clock().await?,
    };
    Ok(trial.run().await?)
}

/// Lets the state of the credential follow the test.
async fn note(
    state: &ApiState,
    tenant: TenantId,
    secret: &CredentialSecret,
    report: &Report,
) -> Result<(), Problem> {
    let credential = &secret.credential;
    if report.accepted {
        let org = report.organization.as_ref().map(|org| org.id.as_str());
        state
            .store
            .credential_accepted(tenant, credential, org)
            .await?;
        state.hint.ring();
    }
    if let Some(failure) = &report.failure
        && let Some(trouble) = failure.error.trouble_of_credential()
    {
        let (detail, probe) = (failure.to_string(), state.okta.probe);
        state
            .store
            .credential_refused(tenant, credential, trouble, &detail, probe)
            .await?;
    }
    Ok(())
}
