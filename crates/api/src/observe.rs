//! The outermost layer of every request: its id, its line in the log, its measurement, the headers
//! that every answer has, and problems in place of whatever errors came from below, panics included.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use futures_util::FutureExt;
use model::ids::TenantId;
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use tokio::time::Instant;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::auth::Caller;
use crate::problem::Problem;
use crate::trace::{self, method_word};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Parts of paths that name what a request is about, and how spans call them.
const IDS: [(&str, &str); 3] = [
    ("source_id", "source.id"),
    ("route_id", "route.id"),
    ("credential_id", "credential.id"),
];
/// Seconds; the upper ends of the buckets.
const BUCKETS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The instruments of the server.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    duration: Histogram<f64>,
}

impl Instruments {
    /// Instruments of the global meter as it is now.
    pub(crate) fn new() -> Self {
        let duration = global::meter("okta_collector")
            .f64_histogram("okta_collector_http_server_request_duration")
            .with_unit("s")
            .with_description("Time from the head of a request to the head of its answer")
            .with_boundaries(BUCKETS.to_vec())
            .build();
        Self { duration }
    }
}

/// Wraps a request as the module says.
pub(crate) async fn observe<B: MessageBody + 'static>(
    instruments: web::Data<Instruments>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.path().to_owned();
    let (span, cause) = trace::begin(request.path(), &method, request.headers(), &id);
    if let Some(cause) = cause {
        request.extensions_mut().insert(cause);
    }
    // A panic leaves nothing behind that later requests would see: the store rolls back.
    let answer = AssertUnwindSafe(next.call(request)).catch_unwind();
    let answer = answer.instrument(span.clone()).await;

    let _entered = span.enter();
    let mut seen = Seen::default();
    let answer = match answer {
        Ok(Ok(response)) => {
            seen = Seen::of(&response, &span);
            let response = match problem_of(&response) {
                Some(problem) => {
                    tell(&problem);
                    response.into_response(problem.render(&id, &path))
                }
                None => response.map_into_boxed_body(),
            };
            Ok(response)
        }
        Ok(Err(error)) => Err(Problem::of_framework(
            error.error_response().status(),
            &error.to_string(),
        )),
        Err(panic) => Err(Problem::internal(format!(
            "a handler panicked: {}",
            panic_text(&*panic)
        ))),
    };
    // What has lost its request on the way can still be answered, as an error with a response.
    let mut answer = answer.map_err(|problem| {
        tell(&problem);
        problem.render(&id, &path)
    });
    let status = match &mut answer {
        Ok(response) => {
            add_headers(response.headers_mut(), &id);
            response.status()
        }
        Err(response) => {
            add_headers(response.headers_mut(), &id);
            response.status()
        }
    };
    seen.record(&instruments, &span, &method, status, began, &id);
    answer.map_err(|response| InternalError::from_response("the request was lost", response).into())
}

/// What the layers below found out about a request.
#[derive(Default)]
struct Seen {
    /// The pattern, never the path: paths hold ids.
    route: Option<String>,
    tenant: Option<TenantId>,
}

impl Seen {
    fn of<B>(response: &ServiceResponse<B>, span: &Span) -> Self {
        let request = response.request();
        for (parameter, field) in IDS {
            // Only what is an id: a path may hold anything.
            let id = request.match_info().get(parameter).map(str::parse::<Uuid>);
            if let Some(Ok(id)) = id {
                span.record(field, tracing::field::display(id));
            }
        }
        Self {
            route: request.match_pattern(),
            tenant: request
                .extensions()
                .get::<Caller>()
                .map(|caller| caller.tenant),
        }
    }

    fn record(
        &self,
        instruments: &Instruments,
        span: &Span,
        method: &Method,
        status: StatusCode,
        began: Instant,
        id: &str,
    ) {
        let took = began.elapsed();
        let route = self.route.as_deref().unwrap_or("none");
        let method = method_word(method);
        instruments.duration.record(
            took.as_secs_f64(),
            &[
                KeyValue::new("route", route.to_owned()),
                KeyValue::new("method", method.to_owned()),
                KeyValue::new("status", format!("{}xx", status.as_u16() / 100)),
            ],
        );
        trace::end(span, method, route, status.as_u16());
        let tenant = self.tenant.map(tracing::field::display);
        tracing::info!(
            request_id = id,
            tenant_id = tenant,
            method,
            route,
            status = status.as_u16(),
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "{method} {route} {}",
            status.as_u16()
        );
    }
}

/// The problem that an answer stands for; `None` if it is none.
fn problem_of<B>(response: &ServiceResponse<B>) -> Option<Problem> {
    let error = response.response().error();
    match error.and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => Some(problem.clone()),
        None if response.status().is_client_error() || response.status().is_server_error() => {
            let text = error.map(ToString::to_string).unwrap_or_default();
            Some(Problem::of_framework(response.status(), &text))
        }
        None => None,
    }
}

fn tell(problem: &Problem) {
    if let Some(cause) = &problem.cause {
        tracing::error!(cause, "{problem}");
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
}

/// The caller's id of the request if it is harmless, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let harmless = |id: &&str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(harmless)
        .map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

fn add_headers(headers: &mut HeaderMap, id: &str) {
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in fixed {
        // A page for people has a policy of its own.
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// The default service: a path that does not exist.
pub(crate) async fn no_such_path() -> Result<HttpResponse, Problem> {
    Err(Problem::new(
        crate::problem::Kind::NotFound,
        "there is no such path",
    ))
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::test::{TestRequest, init_service, try_call_service};
    use actix_web::{App, middleware::from_fn};

    use super::*;

    async fn boom() -> HttpResponse {
        panic!("the secret of the handler")
    }

    async fn framework_error(_: web::Json<u8>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    /// The status, the media type and the problem of a request to a handler that fails.
    async fn answer(path: &str) -> (u16, String, serde_json::Value) {
        let service = init_service(
            App::new()
                .app_data(web::Data::new(Instruments::new()))
                .route("/boom", web::get().to(boom))
                .route("/framework", web::get().to(framework_error))
                .wrap(from_fn(observe)),
        )
        .await;
        let request = TestRequest::get()
            .uri(path)
            .insert_header((REQUEST_ID, "id-1"));
        let response = match try_call_service(&service, request.to_request()).await {
            Ok(response) => response.into_parts().1,
            Err(error) => error.as_response_error().error_response(),
        };
        assert_eq!(response.headers().get("x-request-id").unwrap(), "id-1");
        let media = response
            .headers()
            .get("content-type")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body()).await.unwrap();
        (status, media, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_tells_nothing() {
        let (status, media, problem) = answer("/boom").await;
        assert_eq!((status, media.as_str()), (500, "application/problem+json"));
        assert_eq!(
            (&problem["code"], &problem["request_id"]),
            (&"internal".into(), &"id-1".into())
        );
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }

    #[tokio::test]
    async fn an_error_of_the_framework_is_a_problem() {
        let (status, media, problem) = answer("/framework").await;
        assert_eq!((status, media.as_str()), (400, "application/problem+json"));
        assert_eq!(problem["code"], "bad_request");
        assert_eq!(problem["detail"], "Content type error");
        let (status, _, problem) = answer("/nowhere").await;
        assert_eq!((status, &problem["code"]), (404, &"not_found".into()));
        assert_ne!(problem["detail"], "");
    }
}
