//! Log lines as JSON objects: the fields of the event, and on the same level the ids of the spans it
//! happened in, so that a request, a tenant or a source can be looked for by one name everywhere.

use std::fmt::{Debug, Write as _};
use std::io::{Write as _, stderr};
use std::sync::OnceLock;

use opentelemetry::trace::TraceContextExt;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Fields of spans that lines repeat, and what they are called there. The innermost span wins.
const LIFTED: [(&str, &str); 8] = [
    ("request.id", "request_id"),
    ("trace.id", "trace_id"),
    ("tenant.id", "tenant_id"),
    ("source.id", "source_id"),
    ("route.id", "route_id"),
    ("credential.id", "credential_id"),
    ("job.kind", "job_kind"),
    ("job.id", "job_id"),
];

/// The layer that writes them, one write a line.
#[derive(Default)]
pub(super) struct JsonLines {
    /// Knows the trace of a span, if spans are traced.
    dispatch: OnceLock<WeakDispatch>,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    target: &'a str,
    message: Value,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// The lifted fields of a span.
#[derive(Default)]
struct Lifted(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // Registered once, by whoever sets the subscriber.
        self.dispatch.set(dispatch.downgrade()).ok();
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut lifted = Lifted::default();
        attributes.record(&mut lifted);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(lifted);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(lifted) = span.extensions_mut().get_mut::<Lifted>()
        {
            values.record(lifted);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let message = fields.remove("message").unwrap_or_default();
        if let Some(span) = context.event_span(event) {
            for (name, value) in self.trace_of(&span.id()) {
                fields.entry(name).or_insert(value);
            }
            for span in span.scope() {
                let extensions = span.extensions();
                let lifted = extensions.get::<Lifted>().into_iter();
                for (name, value) in lifted.flat_map(|lifted| &lifted.0) {
                    fields.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        let metadata = event.metadata();
        let line = Line {
            timestamp: timestamp(),
            level: metadata.level().as_str(),
            target: metadata.target(),
            message,
            fields,
        };
        if let Ok(mut line) = serde_json::to_vec(&line) {
            line.push(b'\n');
            // Nobody is left to be told that the log cannot be written.
            let _lost = stderr().write_all(&line);
        }
    }
}

impl JsonLines {
    fn trace_of(&self, span: &Id) -> Vec<(&'static str, Value)> {
        let dispatch = self.dispatch.get().and_then(WeakDispatch::upgrade);
        let context =
            dispatch.and_then(|dispatch| tracing_opentelemetry::get_otel_context(span, &dispatch));
        let Some(context) = context.filter(TraceContextExt::has_active_span) else {
            return Vec::new();
        };
        let span = context.span().span_context().clone();
        vec![
            ("trace_id", span.trace_id().to_string().into()),
            ("span_id", span.span_id().to_string().into()),
        ]
    }
}

fn timestamp() -> String {
    let mut text = String::new();
    match SystemTime.format_time(&mut Writer::new(&mut text)) {
        Ok(()) => text,
        Err(_) => String::new(),
    }
}

impl Visit for Lifted {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if let Some((_, name)) = LIFTED.iter().find(|(it, _)| *it == field.name()) {
            let value = text_of(value).into();
            self.0.insert((*name).to_owned(), value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Some((_, name)) = LIFTED.iter().find(|(it, _)| *it == field.name()) {
            self.0.insert((*name).to_owned(), value.into());
        }
    }
}

/// All fields of an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, text_of(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

fn text_of(value: &dyn Debug) -> String {
    let mut text = String::new();
    // Writing to a text does not fail, but a Debug of somebody else may.
    let _broken = write!(text, "{value:?}");
    text
}
