//! `POST /v1/sources`

use actix_web::{HttpResponse, post, web};
use model::ids::{CredentialId, DestinationId};
use model::range::Verify;
use model::source::{RefreshFrequency, Start, Timezone};
use store::{CredentialChoice, NewSource, Resource, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MAX_QUERY, SourceView, VerifyFrequency};
use crate::answer::created;
use crate::auth::{Caller, Operator};
use crate::body::Body;
use crate::fields::Fields;
use crate::handlers::MAX_NAME;
use crate::handlers::credentials::create::{CredentialCreate, read_credential};
use crate::problem::Problem;
use crate::state::ApiState;
use crate::trace::Cause;

/// Routes that one call may make.
const MAX_DESTINATIONS: usize = 20;

/// A source to be made
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what create_source reads")]
pub(crate) struct SourceCreate {
    /// A name, for people; default: the domain of the credential
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    display_name: Option<String>,
    /// The credential to read with; or give `credential`
    #[schema(nullable = false)]
    credential_id: Option<Uuid>,
    /// A credential to be made with it, in the same transaction; needs the role admin
    #[schema(nullable = false)]
    credential: Option<CredentialCreate>,
    /// Where its events go: a route is made to each
    #[schema(nullable = false, max_items = 20)]
    destination_ids: Option<Vec<Uuid>>,
    /// IANA timezone, for display
    #[schema(nullable = false, default = "UTC", examples("Europe/Berlin"))]
    timezone: Option<String>,
    /// How often to poll: from `10s` to `30d`
    #[schema(nullable = false, default = "1h", examples("15m"))]
    refresh_frequency: Option<String>,
    /// Where to begin: `earliest`, `now` or an RFC 3339 time; default: 24 hours ago
    #[schema(nullable = false, examples("earliest"))]
    start: Option<String>,
    /// Okta's filter expression
    #[schema(nullable = false, min_length = 1, max_length = 2000)]
    filter: Option<String>,
    /// Okta's keywords
    #[schema(nullable = false, min_length = 1, max_length = 2000)]
    q: Option<String>,
    /// How often to compare what is stored with Okta, event by event; at most a quarter of the rate limit is
    /// used for it
    #[schema(nullable = false, default = "daily")]
    verify: Option<VerifyFrequency>,
}

/// Create a source
///
/// Everything that is needed in one call and one transaction: the credential, if it is given in place, and a
/// route to each destination. The first poll is at once; watch the status for its outcome.
#[utoipa::path(
    tag = "sources",
    request_body = SourceCreate,
    responses(
        (status = 201, description = "The source", body = SourceView, headers(
            ("Location" = String, description = "Path of the source"),
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[post("/v1/sources")]
#[tracing::instrument(name = "api.sources.create", skip_all)]
pub(crate) async fn create_source(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    cause: Option<Cause>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let mut fields = body.fields::<SourceCreate>()?;
    let display_name = fields.text("display_name", MAX_NAME);
    let credential = read_choice(&mut fields, &state, caller)?;
    let destinations = fields
        .ids("destination_ids", MAX_DESTINATIONS)
        .unwrap_or_default();
    check_destinations(&mut fields, &state, caller, &destinations).await?;
    let timezone = fields.parsed("timezone", "invalid_timezone", str::parse::<Timezone>);
    let refresh = fields.parsed(
        "refresh_frequency",
        "invalid_duration",
        str::parse::<RefreshFrequency>,
    );
    let start = fields.parsed("start", "invalid_start", str::parse::<Start>);
    let filter = fields.text("filter", MAX_QUERY);
    let keywords = fields.text("q", MAX_QUERY);
    let verify = fields.parsed("verify", "invalid_value", str::parse::<Verify>);
    let new = fields.finish(|| {
        Some(NewSource {
            display_name,
            credential: credential?,
            timezone: timezone.or_else(|| "UTC".parse().ok())?,
            refresh: refresh.unwrap_or(RefreshFrequency::clamped(3600)),
            start,
            filter,
            keywords,
            verify: verify.unwrap_or_default(),
            destinations: destinations.into_iter().map(DestinationId).collect(),
            trace_context: cause.map(|Cause(trace)| trace.to_string()),
        })
    })?;
    let source = state.store.create_source(caller.tenant, new).await;
    let source = source.map_err(|error| match error {
        StoreError::NotFound(Resource::Credential) => Problem::field(
            "/credential_id",
            "unknown_credential",
            "there is no such credential",
        ),
        // It was there a moment ago.
        StoreError::NotFound(Resource::Destination) => Problem::field(
            "/destination_ids",
            "unknown_destination",
            "one of the destinations is gone",
        ),
        error => error.into(),
    })?;
    state.hint.ring();
    let location = format!("/v1/sources/{}", source.id);
    Ok(created(&location, source.version, SourceView::from(source)))
}

/// Either of the two ways to say which credential.
fn read_choice(
    fields: &mut Fields,
    state: &ApiState,
    caller: Caller,
) -> Result<Option<CredentialChoice>, Problem> {
    let (stored, inline) = (fields.has("credential_id"), fields.has("credential"));
    let id = fields.id("credential_id").map(CredentialId);
    let new = fields.nested::<CredentialCreate, _>("credential", |credential| {
        read_credential(credential, &state.allow_hosts)
    });
    if inline {
        caller.needs_admin()?;
    }
    match (stored, inline) {
        (true, true) => fields.error(
            "credential",
            "either_or",
            "give either credential_id or credential, not both",
        ),
        (false, false) => fields.error(
            "credential_id",
            "required",
            "give credential_id or credential",
        ),
        _ => {}
    }
    let stored = id.map(CredentialChoice::Stored);
    Ok(stored.or(new.map(CredentialChoice::New)))
}

/// Tells which of the destinations there is not; the store would only say that one is missing.
async fn check_destinations(
    fields: &mut Fields,
    state: &ApiState,
    caller: Caller,
    ids: &[Uuid],
) -> Result<(), Problem> {
    for (index, id) in ids.iter().enumerate() {
        match state
            .store
            .destination(caller.tenant, DestinationId(*id))
            .await
        {
            Ok(_) => {}
            Err(StoreError::NotFound(_)) => {
                let detail = format!("there is no destination {id}");
                fields.note(
                    format!("/destination_ids/{index}"),
                    "unknown_destination",
                    detail,
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
