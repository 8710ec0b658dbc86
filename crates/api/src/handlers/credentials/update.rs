//! `PATCH /v1/credentials/{credential_id}`

use actix_web::{HttpResponse, patch, web};
use model::ids::CredentialId;
use store::CredentialChange;
use utoipa::ToSchema;

use super::secret::{ServiceAppPatch, field_of, read_new_secret};
use super::{CredentialView, read_domain};
use crate::answer::versioned;
use crate::auth::Admin;
use crate::body::Body;
use crate::conditional::{IfMatch, IfMatchParams};
use crate::handlers::MAX_NAME;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// What to change about a credential; what is left out stays
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what update_credential reads")]
pub(crate) struct CredentialPatch {
    /// A new name
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// A new address of the same org; the token or private key must then be given again
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    domain: Option<String>,
    /// A new API token, for the kind `ssws`
    #[schema(nullable = false, min_length = 1, max_length = 512, format = Password)]
    token: Option<String>,
    /// A new private key, for the kind `oauth`
    #[schema(nullable = false)]
    oauth: Option<ServiceAppPatch>,
}

/// Change a credential
///
/// A new token or private key (with a new domain of the same org, if you like) is tested at once beside the present one,
/// which stays in use until Okta has accepted the new one; see `rotation`. If the present one does not work, or was never
/// used, the new one replaces it at once and its sources try it; they go on where they were.
#[utoipa::path(
    tag = "credentials",
    params(("credential_id" = Uuid, Path, description = "Id of the credential"), IfMatchParams),
    request_body = CredentialPatch,
    responses(
        (status = 200, description = "The credential as it is now", body = CredentialView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[patch("/v1/credentials/{credential_id}")]
#[tracing::instrument(name = "api.credentials.update", skip_all)]
pub(crate) async fn update_credential(
    state: web::Data<ApiState>,
    Admin(caller): Admin,
    PathId(id): PathId,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let id = CredentialId(id);
    let mut fields = body.fields::<CredentialPatch>()?;
    let name = fields.text("name", MAX_NAME);
    let origin = fields.parsed("domain", "invalid_domain", |text| {
        read_domain(text, &state.allow_hosts)
    });
    let current = state.store.credential(caller.tenant, id).await?;
    let field = field_of(current.kind());
    let secret_given = fields.has(field);
    let secret = read_new_secret(&mut fields, &current);
    let version = if_match.demand(async { Ok(current.version) }).await?;
    // Else whoever may change a domain could have the stored secret used at a host of their choice.
    let moved = origin
        .as_ref()
        .is_some_and(|origin| origin.to_string() != current.origin);
    if moved && !secret_given {
        let detail = format!("{field} is missing: with a new domain it must be given again");
        fields.error(field, "required", detail);
    }
    let change = fields.finish(|| {
        Some(CredentialChange {
            name,
            origin: origin.map(|origin| origin.to_string()),
            secret,
        })
    })?;
    let credential = state
        .store
        .update_credential(caller.tenant, id, change, version)
        .await?;
    state.hint.ring();
    let version = credential.version;
    let view = CredentialView::of(&state.store, credential).await?;
    Ok(versioned(version, view))
}
