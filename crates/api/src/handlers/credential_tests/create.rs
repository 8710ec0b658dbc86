//! `POST /v1/credential-tests`

use actix_web::{HttpResponse, post, web};
use utoipa::ToSchema;

use super::CredentialTest;
use crate::answer::plain;
use crate::auth::Operator;
use crate::body::Body;
use crate::handlers::credentials::read_domain;
use crate::handlers::credentials::secret::{ServiceAppCreate, read_secret};
use crate::problem::Problem;
use crate::state::ApiState;
use crate::trial::{Known, Report, Step, Trial};

/// A credential to be tried, without storing it
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what create_credential_test reads")]
pub(crate) struct CredentialTestCreate {
    /// The address at which you sign in to Okta, or the first part of it
    #[schema(min_length = 1, max_length = 255, examples("acme.okta.com"))]
    domain: String,
    /// What it holds: `ssws` for an API token, `oauth` for a service app
    #[schema(nullable = false, default = "ssws", examples("ssws"))]
    kind: Option<String>,
    /// For the kind `ssws`: an API token of this org
    #[schema(nullable = false, min_length = 1, max_length = 512, format = Password)]
    token: Option<String>,
    /// For the kind `oauth`: a service app of this org
    #[schema(nullable = false)]
    oauth: Option<ServiceAppCreate>,
}

/// Test a credential before storing it
///
/// Asks Okta from the machine of the API, with at most two requests to the System Log, and tells what came of it;
/// what Okta refuses is a result, no error. Nothing is stored. Takes up to 20 seconds.
#[utoipa::path(
    tag = "credentials",
    request_body = CredentialTestCreate,
    responses((status = 200, description = "What it showed", body = CredentialTest), Problem)
)]
#[post("/v1/credential-tests")]
#[tracing::instrument(name = "api.credential_tests.create", skip_all)]
pub(crate) async fn create_credential_test(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let mut fields = body.fields::<CredentialTestCreate>()?;
    let domain = fields.parsed("domain", "invalid_domain", |text| {
        // A domain that cannot be one is a result like others.
        Ok::<_, Problem>(read_domain(text, &state.allow_hosts))
    });
    let secret = read_secret(&mut fields);
    let (domain, secret) = fields.finish(|| domain.zip(secret))?;
    let report = match domain {
        Ok(origin) => {
            let _pass = state
                .gate
                .enter(caller.tenant)
                .map_err(Problem::too_many_tests)?;
            let trial = Trial {
                okta: &state.okta,
                origin: &origin,
                secret: &secret,
                known: Known::default(),
                budget: None,
                now: state.store.clock().await?,
            };
            trial.run().await?
        }
        Err(error) => Report::failed(Step::Domain, "invalid_domain", error.to_string()),
    };
    Ok(plain(CredentialTest::from(report)))
}
