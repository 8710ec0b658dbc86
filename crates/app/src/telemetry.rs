//! Logs on stderr, and the metrics of this process.
//!
//! Metrics are OpenTelemetry instruments that libraries take from the global meter provider; they are
//! rendered when `/metrics` is asked for, so nothing runs between scrapes.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;

use anyhow::Context;
use opentelemetry::global;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Telemetry};

/// Crates whose chatter is of no use below a warning; what the filter says of them wins.
const QUIET: &str = "hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,tokio_postgres=warn,\
    actix_server=warn,actix_http=warn,mio=warn,opentelemetry=warn,opentelemetry_sdk=warn";

/// Gives the text of all metrics of this process, in the Prometheus format.
pub(crate) type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// Sets up logs. What a library logs before is lost.
pub(crate) fn start_logs(settings: &Telemetry) -> anyhow::Result<()> {
    let filter: EnvFilter = format!("{QUIET},{}", settings.log).parse()?;
    let json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !stderr().is_terminal(),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    let started = if json {
        logs.json().flatten_event(true).try_init()
    } else {
        logs.with_ansi(stderr().is_terminal()).try_init()
    };
    started
        .map_err(anyhow::Error::from_boxed)
        .context("cannot set up logs")
}

/// Sets up metrics; instruments made before are not counted.
pub(crate) fn start_metrics() -> anyhow::Result<Render> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()?;
    let service = Resource::builder().with_service_name("okta-collector");
    let provider = SdkMeterProvider::builder()
        .with_reader(exporter)
        .with_resource(service.build());
    global::set_meter_provider(provider.build());
    Ok(Arc::new(move || {
        let rendered = TextEncoder::new().encode_to_string(&registry.gather());
        rendered.unwrap_or_else(|error| format!("# metrics cannot be rendered: {error}\n"))
    }))
}
