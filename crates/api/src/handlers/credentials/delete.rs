//! `DELETE /v1/credentials/{credential_id}`

use actix_web::{HttpResponse, delete, web};
use model::ids::CredentialId;

use crate::answer::deleted;
use crate::auth::Admin;
use crate::conditional::{IfMatch, IfMatchParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Delete a credential
///
/// Its secret is erased. Refused while a source uses it.
#[utoipa::path(
    tag = "credentials",
    params(("credential_id" = Uuid, Path, description = "Id of the credential"), IfMatchParams),
    responses((status = 204, description = "It is gone"), Problem)
)]
#[delete("/v1/credentials/{credential_id}")]
#[tracing::instrument(name = "api.credentials.delete", skip_all)]
pub(crate) async fn delete_credential(
    state: web::Data<ApiState>,
    Admin(caller): Admin,
    PathId(id): PathId,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    let id = CredentialId(id);
    let current = async { Ok(state.store.credential(caller.tenant, id).await?.version) };
    if_match.demand(current).await?;
    state.store.delete_credential(caller.tenant, id).await?;
    Ok(deleted())
}
