//! The span of a request, after the conventions of OpenTelemetry for HTTP servers, and its place in
//! the caller's trace.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use model::trace::TraceParent;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What a job that a request makes due is caused by: the span of the request if spans are traced, else
/// the caller's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause(pub(crate) TraceParent);

impl FromRequest for Cause {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let cause = request.extensions().get::<Self>().copied();
        ready(cause.ok_or_else(|| actix_web::error::ErrorInternalServerError("no trace")))
    }
}

/// The method as a label: a client may invent methods without end.
pub(crate) fn method_word(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::POST
        | Method::PATCH
        | Method::DELETE
        | Method::PUT
        | Method::HEAD
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}

/// Begins the span of a request. Probes and scrapes are no traffic worth tracing.
pub(crate) fn begin(
    path: &str,
    method: &Method,
    headers: &HeaderMap,
    id: &str,
) -> (Span, Option<Cause>) {
    let caller = headers
        .get("traceparent")
        .and_then(|text| TraceParent::parse(text.to_str().ok()?));
    let span = if path.starts_with("/v1/") {
        tracing::info_span!(
            "http.request",
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method_word(method),
            http.route = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
            url.scheme = "http",
            request.id = id,
            trace.id = Empty,
            tenant.id = Empty,
            source.id = Empty,
            route.id = Empty,
            credential.id = Empty,
        )
    } else {
        tracing::debug_span!("http.probe", request.id = id)
    };
    if let Some(caller) = caller {
        let trace = TraceId::from_bytes(caller.trace_id);
        span.record("trace.id", tracing::field::display(trace));
        let caller = SpanContext::new(
            trace,
            SpanId::from_bytes(caller.span_id),
            TraceFlags::new(caller.flags),
            true,
            TraceState::default(),
        );
        // Without OTLP there is nobody who has parents.
        span.set_parent(Context::new().with_remote_span_context(caller))
            .ok();
    }
    let own = span.context().span().span_context().clone();
    let own = own.is_valid().then(|| TraceParent {
        trace_id: own.trace_id().to_bytes(),
        span_id: own.span_id().to_bytes(),
        flags: own.trace_flags().to_u8(),
    });
    let cause = own.or(caller).map(Cause);
    (span, cause)
}

/// Writes down what became of a request.
pub(crate) fn end(span: &Span, method: &str, route: &str, status: u16) {
    // Which route it is was not known when the span began.
    let context = span.context();
    context.span().update_name(format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", tracing::field::display(status));
    }
}
