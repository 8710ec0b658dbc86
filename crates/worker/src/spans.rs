//! Spans of runs and of attempts to deliver. A run is a trace of its own, with a link to the request that asked for it: a run may
//! serve many requests, or come long after one.

use forward::{Report, Then};
use model::job::{JobKind, Lease};
use model::status::Trouble;
use model::trace::TraceParent;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing::field::{Empty, display};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Begins the span of a run.
pub(crate) fn run(lease: &Lease) -> Span {
    let name = match lease.kind {
        JobKind::Poll => "job.poll",
        JobKind::Deliver => "job.deliver",
        JobKind::CheckCredential => "job.check_credential",
        JobKind::Janitor => "job.janitor",
        JobKind::Backfill => "job.backfill",
        JobKind::Verify => "job.verify",
    };
    let span = tracing::info_span!(
        parent: None,
        "job",
        otel.name = name,
        otel.kind = "consumer",
        otel.status_code = Empty,
        job.kind = %lease.kind,
        job.id = lease.fence.job.0,
        job.attempt = lease.attempt,
        job.outcome = Empty,
        job.request_trace_id = Empty,
        tenant.id = lease.tenant.map(display),
        source.id = Empty,
        route.id = Empty,
        credential.id = Empty,
        backfill.id = Empty,
        destination.kind = Empty,
    );
    let subject = match lease.kind {
        JobKind::Poll | JobKind::Verify => Some("source.id"),
        JobKind::Deliver => Some("route.id"),
        JobKind::CheckCredential => Some("credential.id"),
        JobKind::Backfill => Some("backfill.id"),
        JobKind::Janitor => None,
    };
    if let Some(subject) = subject {
        span.record(subject, display(lease.subject));
    }
    let cause = lease.trace_context.as_deref().and_then(TraceParent::parse);
    if let Some(cause) = cause {
        let trace = TraceId::from_bytes(cause.trace_id);
        span.record("job.request_trace_id", display(trace));
        span.add_link(SpanContext::new(
            trace,
            SpanId::from_bytes(cause.span_id),
            TraceFlags::new(cause.flags),
            true,
            TraceState::default(),
        ));
    }
    span
}

/// Writes down how the run of the current span ended.
pub(crate) fn ended(outcome: &'static str) {
    let span = Span::current();
    span.record("job.outcome", outcome);
    if matches!(outcome, "failed" | "panicked" | "too_long" | "lost") {
        span.record("otel.status_code", "ERROR");
    }
}

/// Begins the span of an attempt to deliver the events from batch `number` on.
pub(crate) fn sending(kind: &str, number: i64, events: usize) -> Span {
    tracing::info_span!(
        "deliver.send",
        otel.kind = "producer",
        otel.status_code = Empty,
        error.type = Empty,
        destination.kind = kind,
        batch.number = number,
        batch.events = events,
    )
}

/// Ends it with what the destination said, or why it said nothing.
pub(crate) fn sent(span: Span, answer: &Result<Report, String>) {
    let trouble = match answer.as_ref().map(|report| &report.then) {
        Ok(Then::Continue | Then::Split) => None,
        Ok(Then::Retry { trouble, .. } | Then::Stop { trouble, .. }) => Some(*trouble),
        Err(_) => Some(Trouble::DestinationUnavailable),
    };
    if let Some(trouble) = trouble {
        span.record("error.type", trouble.code());
        span.record("otel.status_code", "ERROR");
    }
    drop(span);
}
