//! The subscriber: log lines on stderr, and spans for OTLP.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::json::JsonLines;
use crate::config::{LogFormat, Telemetry};

/// Crates whose chatter is of no use below a warning; what the filter says of them wins.
const QUIET: &str = "hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,tokio_postgres=warn,\
    actix_server=warn,actix_http=warn,mio=warn,opentelemetry=warn,opentelemetry_sdk=warn";

/// Our crates: only their spans are traced.
const TRACED: [&str; 6] = [
    "api",
    "worker",
    "store",
    "okta",
    "forward",
    "okta_collector",
];

/// Sets up the global subscriber.
pub(super) fn start(settings: &Telemetry, tracer: Option<SdkTracer>) -> anyhow::Result<()> {
    let filter: EnvFilter = format!("{QUIET},{}", settings.log).parse()?;
    let json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !stderr().is_terminal(),
    };
    let lines: Box<dyn Layer<_> + Send + Sync> = if json {
        Box::new(JsonLines::default().with_filter(filter))
    } else {
        let pretty = fmt::layer().with_writer(stderr);
        Box::new(pretty.with_ansi(stderr().is_terminal()).with_filter(filter))
    };
    let spans = tracer.map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(filter_fn(is_traced).and(filter_fn(is_worth_a_span)))
    });
    Registry::default()
        .with(lines)
        .with(spans)
        .try_init()
        .context("cannot set up logs")
}

/// Whether something is ours and not chatter. What sends telemetry is neither, so it cannot feed itself.
fn is_traced(what: &Metadata<'_>) -> bool {
    let of = what.target().split("::").next().unwrap_or_default();
    *what.level() <= tracing::Level::INFO && TRACED.contains(&of)
}

/// Handlers have spans for the log; the span of the request says it all. Of events, only troubles.
fn is_worth_a_span(what: &Metadata<'_>) -> bool {
    if what.is_span() {
        !what.name().starts_with("api.")
    } else {
        *what.level() <= tracing::Level::WARN
    }
}
