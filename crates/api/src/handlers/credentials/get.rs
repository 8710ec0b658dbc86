//! `GET /v1/credentials/{credential_id}`

use actix_web::{HttpResponse, get, web};
use model::ids::CredentialId;

use super::CredentialView;
use crate::answer::versioned;
use crate::auth::Viewer;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Get a credential
#[utoipa::path(
    tag = "credentials",
    params(("credential_id" = Uuid, Path, description = "Id of the credential")),
    responses(
        (status = 200, description = "The credential", body = CredentialView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[get("/v1/credentials/{credential_id}")]
#[tracing::instrument(name = "api.credentials.get", skip_all)]
pub(crate) async fn get_credential(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let credential = state
        .store
        .credential(caller.tenant, CredentialId(id))
        .await?;
    let version = credential.version;
    let view = CredentialView::of(&state.store, credential).await?;
    Ok(versioned(version, view))
}
