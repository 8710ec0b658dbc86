//! Spans and metrics over OTLP: HTTP with protobuf, from threads of their own.
//!
//! Spans that cannot be sent in time are dropped, never waited for.

use std::time::Duration;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use url::Url;

use super::sender::Sender;
use crate::config::Telemetry;

/// How long one try to send may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the last words of a process may take, each of spans and metrics.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How often metrics are sent.
const EVERY: Duration = Duration::from_secs(30);

/// The way to an OTLP endpoint.
pub(super) struct Otlp {
    endpoint: Url,
    sender: Sender,
    tracers: SdkTracerProvider,
}

impl Otlp {
    /// Begins to collect spans for an endpoint. Connects when there is something to send.
    pub(super) fn new(
        settings: &Telemetry,
        endpoint: &Url,
        resource: Resource,
    ) -> anyhow::Result<Self> {
        let sender = Sender::new(&settings.otlp_headers, PATIENCE)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(sender.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address(endpoint, "v1/traces"))
            .with_timeout(PATIENCE)
            .build()
            .context("cannot send spans")?;
        // Whoever calls decides for its own trace.
        let ratio = Sampler::TraceIdRatioBased(settings.trace_ratio);
        let tracers = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_batch_exporter(exporter)
            .build();
        Ok(Self {
            endpoint: endpoint.clone(),
            sender,
            tracers,
        })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.tracers.tracer("okta-collector")
    }

    /// Sends metrics now and then.
    pub(super) fn metric_reader(&self) -> anyhow::Result<PeriodicReader<MetricExporter>> {
        let exporter = MetricExporter::builder()
            .with_http()
            .with_http_client(self.sender.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address(&self.endpoint, "v1/metrics"))
            .with_timeout(PATIENCE)
            .build()
            .context("cannot send metrics")?;
        Ok(PeriodicReader::builder(exporter)
            .with_interval(EVERY)
            .build())
    }

    /// Sends the rest. What does not go in time is lost.
    pub(super) async fn finish(self, meters: SdkMeterProvider) {
        let tracers = self.tracers;
        let spans = tokio::task::spawn_blocking(move || tracers.shutdown_with_timeout(LAST_WORDS));
        let metrics = tokio::task::spawn_blocking(move || meters.shutdown_with_timeout(LAST_WORDS));
        // The sender has told what went wrong.
        let _told = tokio::join!(spans, metrics);
    }
}

/// Where a signal goes: below the path of the endpoint.
fn address(endpoint: &Url, signal: &str) -> String {
    format!("{}/{signal}", endpoint.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_goes_below_the_path_of_the_endpoint() {
        for (endpoint, traces) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            (
                "https://otlp.example/otlp/",
                "https://otlp.example/otlp/v1/traces",
            ),
        ] {
            assert_eq!(address(&endpoint.parse().unwrap(), "v1/traces"), traces);
        }
    }
}
