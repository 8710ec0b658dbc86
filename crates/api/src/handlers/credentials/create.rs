//! `POST /v1/credentials`

use actix_web::{HttpResponse, post, web};
use model::net::AllowHosts;
use store::NewCredential;
use utoipa::ToSchema;

use super::secret::{ServiceAppCreate, read_secret};
use super::{CredentialView, read_domain};
use crate::answer::created;
use crate::auth::Admin;
use crate::body::Body;
use crate::fields::Fields;
use crate::handlers::MAX_NAME;
use crate::problem::Problem;
use crate::state::ApiState;

/// A credential to be made
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what read_credential reads")]
pub(crate) struct CredentialCreate {
    /// A name, unique among your credentials
    #[schema(min_length = 1, max_length = 200, examples("Acme production"))]
    name: String,
    /// The address at which you sign in to Okta, or the first part of it
    #[schema(min_length = 1, max_length = 255, examples("acme.okta.com"))]
    domain: String,
    /// What it holds: `ssws` for an API token, `oauth` for a service app
    #[schema(nullable = false, default = "ssws", examples("ssws"))]
    kind: Option<String>,
    /// For the kind `ssws`: an API token of this org; its owner must be allowed to read the System Log. Never shown
    /// again
    #[schema(nullable = false, min_length = 1, max_length = 512, format = Password)]
    token: Option<String>,
    /// For the kind `oauth`: a service app that was granted the scope `okta.logs.read` and an admin role that may read
    /// the System Log
    #[schema(nullable = false)]
    oauth: Option<ServiceAppCreate>,
}

/// Reads a credential, alone or inside of a source.
pub(crate) fn read_credential(
    fields: &mut Fields,
    allow_hosts: &AllowHosts,
) -> Option<NewCredential> {
    let name = fields.text("name", MAX_NAME);
    let origin = fields.parsed("domain", "invalid_domain", |text| {
        read_domain(text, allow_hosts)
    });
    let secret = read_secret(fields);
    Some(NewCredential {
        name: name?,
        origin: origin?.to_string(),
        secret: secret?,
    })
}

/// Create a credential
///
/// Does not call Okta; the first poll of a source that uses it does.
#[utoipa::path(
    tag = "credentials",
    request_body = CredentialCreate,
    responses(
        (status = 201, description = "The credential", body = CredentialView, headers(
            ("Location" = String, description = "Path of the credential"),
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[post("/v1/credentials")]
#[tracing::instrument(name = "api.credentials.create", skip_all)]
pub(crate) async fn create_credential(
    state: web::Data<ApiState>,
    Admin(caller): Admin,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let mut fields = body.fields::<CredentialCreate>()?;
    let new = read_credential(&mut fields, &state.allow_hosts);
    let new = fields.finish(|| new)?;
    let credential = state.store.create_credential(caller.tenant, new).await?;
    let location = format!("/v1/credentials/{}", credential.id);
    Ok(created(
        &location,
        credential.version,
        CredentialView::from(credential),
    ))
}
