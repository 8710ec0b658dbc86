//! Who calls: `Authorization: Bearer okc_..`, and what the role of the key allows.
//!
//! The middleware looks the key up once for everything under `/v1`; the extractors [`Viewer`],
//! [`Operator`] and [`Admin`] are the only way for a handler to learn the tenant, so none can forget
//! to ask for a role.

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::{Ready, ready};
use model::ids::TenantId;

use crate::keys::ApiKey;
use crate::problem::{Kind, Problem};
use crate::state::ApiState;

/// What a key may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Viewer,
    Operator,
    Admin,
}

impl Role {
    const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    role: Role,
}

impl Caller {
    /// Refuses everybody but an admin.
    pub(crate) fn needs_admin(self) -> Result<Self, Problem> {
        self.needs(Role::Admin)
    }

    fn needs(self, needed: Role) -> Result<Self, Problem> {
        if self.role >= needed {
            return Ok(self);
        }
        let (has, needs) = (self.role.as_str(), needed.as_str());
        let detail = format!("the role of the API key is {has}, this needs {needs}");
        Err(Problem::new(Kind::Forbidden, detail))
    }
}

/// Anybody with a key.
#[derive(Debug)]
pub(crate) struct Viewer(pub(crate) Caller);
/// Who may change sources, destinations and routes.
#[derive(Debug)]
pub(crate) struct Operator(pub(crate) Caller);
/// Who may change credentials and see keys.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Caller);

/// Refuses requests to `/v1` without a live key.
pub(crate) async fn authenticate<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody + use<B>>, Error> {
    if request.path() == "/v1" || request.path().starts_with("/v1/") {
        match caller(request.request()).await {
            Ok(caller) => {
                let tenant = tracing::field::display(caller.tenant);
                tracing::Span::current().record("tenant.id", tenant);
                request.extensions_mut().insert(caller);
            }
            Err(problem) => return Ok(request.error_response(problem).map_into_right_body::<B>()),
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    let state = request
        .app_data::<web::Data<ApiState>>()
        .ok_or_else(|| Problem::internal("the server has no state"))?;
    let key = bearer(request)?;
    let key = ApiKey::parse(key).map_err(|error| Problem::unauthorized(&error.to_string()))?;
    let stored = state.store.live_api_key(key.public_id()).await?;
    let stored = stored
        .filter(|stored| key.matches(&stored.secret_sha256))
        .ok_or_else(|| Problem::unauthorized("the API key is unknown, revoked or expired"))?;
    let role = Role::from_word(&stored.role)
        .ok_or_else(|| Problem::internal(format!("an API key has the role {:?}", stored.role)))?;
    Ok(Caller {
        tenant: TenantId(stored.tenant_id),
        role,
    })
}

fn bearer(request: &HttpRequest) -> Result<&str, Problem> {
    let header = request
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or_else(|| {
            Problem::unauthorized("the header Authorization is missing; send Bearer and an API key")
        })?;
    let text = header.to_str().unwrap_or_default();
    match text.trim().split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(key.trim()),
        _ => Err(Problem::unauthorized(
            "the header Authorization must be Bearer and an API key",
        )),
    }
}

fn allowed(request: &HttpRequest, needed: Role) -> Result<Caller, Problem> {
    let caller = request.extensions().get::<Caller>().copied();
    caller
        .ok_or_else(|| Problem::unauthorized("an API key is needed"))?
        .needs(needed)
}

impl FromRequest for Viewer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(allowed(request, Role::Viewer).map(Self))
    }
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(allowed(request, Role::Operator).map(Self))
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(allowed(request, Role::Admin).map(Self))
    }
}
