//! Logs on stderr, metrics for `/metrics`, and both spans and metrics over OTLP if there is an endpoint.
//!
//! Metrics are OpenTelemetry instruments that libraries take from the global meter provider; they are
//! rendered when `/metrics` is asked for, so nothing runs between scrapes. Without an endpoint nothing
//! of OTLP exists. With one, spans wait in a bounded queue that drops what does not fit: an endpoint
//! that is away costs nobody anything but the telemetry. A crash loses what is in the queue.

mod json;
mod logs;
mod otlp;
mod sender;

use std::sync::Arc;

use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use uuid::Uuid;

use crate::config;
use otlp::Otlp;

/// Gives the text of all metrics of this process, in the Prometheus format.
pub(crate) type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// What a service process says about itself.
pub(crate) struct Telemetry {
    /// For `/metrics`.
    pub(crate) render: Render,
    meters: SdkMeterProvider,
    otlp: Option<Otlp>,
}

/// Sets up logs alone, for a command that ends soon. What a library logs before is lost.
pub(crate) fn start_logs(settings: &config::Telemetry) -> anyhow::Result<()> {
    logs::start(settings, None)
}

/// Sets up metrics alone; instruments made before are not counted.
pub(crate) fn start_metrics() -> anyhow::Result<Render> {
    let (render, meters) = metrics(resource("demo"), None)?;
    global::set_meter_provider(meters);
    Ok(render)
}

impl Telemetry {
    /// Sets up everything for a service in this role. To be called on the runtime that outlives it.
    pub(crate) fn start(settings: &config::Telemetry, role: &'static str) -> anyhow::Result<Self> {
        let resource = resource(role);
        let otlp = match &settings.otlp_endpoint {
            Some(endpoint) => Some(Otlp::new(settings, endpoint, resource.clone())?),
            None => None,
        };
        logs::start(settings, otlp.as_ref().map(Otlp::tracer))?;
        let (render, meters) = metrics(resource, otlp.as_ref())?;
        global::set_meter_provider(meters.clone());
        global::meter("okta_collector")
            .u64_observable_gauge("okta_collector_build_info")
            .with_description("Always 1; the labels say what runs")
            .with_callback(move |gauge| {
                let version = KeyValue::new("version", env!("CARGO_PKG_VERSION"));
                gauge.observe(1, &[version, KeyValue::new("role", role)]);
            })
            .build();
        if let Some(endpoint) = &settings.otlp_endpoint {
            let host = endpoint.host_str().unwrap_or_default();
            tracing::info!("spans and metrics are sent to {host} over OTLP");
        }
        Ok(Self {
            render,
            meters,
            otlp,
        })
    }

    /// Whether metrics are sent, so that somebody must keep them fresh.
    pub(crate) fn sends(&self) -> bool {
        self.otlp.is_some()
    }

    /// Sends what has not been sent yet, within a bound.
    pub(crate) async fn finish(self) {
        if let Some(otlp) = self.otlp {
            otlp.finish(self.meters).await;
        }
    }
}

/// Who speaks: the same on every span and every metric. `OTEL_RESOURCE_ATTRIBUTES` may add to it.
fn resource(role: &'static str) -> Resource {
    Resource::builder()
        .with_service_name("okta-collector")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(
            "service.instance.id",
            Uuid::new_v4().to_string(),
        ))
        .with_attribute(KeyValue::new("okta_collector.role", role))
        .build()
}

/// Instruments that are read by scrapes, and by OTLP if there is any.
fn metrics(resource: Resource, otlp: Option<&Otlp>) -> anyhow::Result<(Render, SdkMeterProvider)> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()?;
    let mut provider = SdkMeterProvider::builder()
        .with_reader(exporter)
        .with_resource(resource);
    if let Some(otlp) = otlp {
        provider = provider.with_reader(otlp.metric_reader()?);
    }
    let render = move || {
        let rendered = TextEncoder::new().encode_to_string(&registry.gather());
        rendered.unwrap_or_else(|error| format!("# metrics cannot be rendered: {error}\n"))
    };
    Ok((Arc::new(render), provider.build()))
}
