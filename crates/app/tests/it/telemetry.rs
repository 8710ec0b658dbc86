//! What the service says about itself: traces over OTLP, log lines, and that neither holds it up.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use serde_json::{Value, json};
use testkit::data::test_program;
use testkit::fleet::free_port;
use testkit::postgres::TestDb;
use testkit::process::{Process, Signal};
use tokio::process::Command;

use crate::otlp::{Endpoint, attribute};
use crate::service::{Installation, address};

const LIMIT: Duration = Duration::from_mins(1);
/// A token that must be in no telemetry.
const CANARY: &str = "00canary-otlp-must-never-be-sent-anywhere-42";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A service that has delivered what a simulated org had, on the request of a caller with a trace.
struct Story {
    installation: Installation,
    service: Process,
    key: String,
    source: String,
    api: String,
    client: reqwest::Client,
    // Until the end of the test.
    sim: okta_sim::Sim,
    files: tempfile::TempDir,
}

impl Story {
    async fn run(settings: &[(&str, &str)]) -> Self {
        let installation = Installation::on(TestDb::new().await);
        let files = tempfile::tempdir().unwrap();
        let sim = okta_sim::Sim::start(okta_sim::SimConfig::with_token(CANARY))
            .await
            .unwrap();
        let events = [1, 2].map(|uuid| {
            json!({ "uuid": uuid.to_string(), "published": "2026-11-01T00:00:00.000Z" }).to_string()
        });
        sim.org()
            .persist(okta_sim::Events::from_lines(&events).unwrap());
        let key = installation.api_key();
        let mut serve = installation.command(&["serve"]);
        serve
            .env("COLLECTOR_FILE_ROOT", files.path())
            .env("COLLECTOR_LOG", "info,worker=debug")
            .envs(settings.iter().copied());
        let service = Process::start(serve.into());
        let api = address(&service, "the API listens on").await;
        let client = reqwest::Client::builder().timeout(LIMIT).build().unwrap();
        let mut story = Self {
            installation,
            service,
            key,
            source: String::new(),
            api,
            client,
            sim,
            files,
        };
        let destination = json!({ "name": "file", "kind": "file", "file": { "path": "out" } });
        let made = story.post("/v1/destinations", &destination, None).await;
        let source = json!({
            "credential": { "name": "org", "domain": story.sim.url(), "token": CANARY },
            "destination_ids": [made["id"]], "start": "earliest", "refresh_frequency": "1h",
        });
        let trace = format!("00-{TRACE}-{CALLER}-01");
        let made = story.post("/v1/sources", &source, Some(&trace)).await;
        made["id"].as_str().unwrap().clone_into(&mut story.source);
        let out = story.files.path().join("out");
        testkit::wait::until("both events are delivered", LIMIT, async || {
            std::fs::read_to_string(&out).is_ok_and(|text| text.lines().count() == 2)
        })
        .await;
        story
    }

    async fn post(&self, path: &str, body: &Value, trace: Option<&str>) -> Value {
        let mut request = self.client.post(format!("{}{path}", self.api));
        if let Some(trace) = trace {
            request = request.header("traceparent", trace);
        }
        let answer = request.bearer_auth(&self.key).json(body).send().await;
        let answer = answer.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.json().await.unwrap()
    }

    /// Polls once more, without a trace of the caller, and waits until that has been done.
    async fn poll_again(&self) {
        let path = format!("/v1/sources/{}/poll", self.source);
        let job = self.post(&path, &Value::Null, None).await;
        let client = self.installation.db.client().await;
        let again = format!(
            "SELECT owner IS NULL AND run_at > collector_now() + interval '1 minute' FROM job_schedule WHERE job_id = {}",
            job["id"].as_str().unwrap()
        );
        testkit::wait::until("it has been polled again", LIMIT, async || {
            let row = client.query_one(&again, &[]).await.unwrap();
            row.get::<_, bool>(0)
        })
        .await;
    }

    /// Stops the service in order; how long that took.
    async fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.service.signal(Signal::TERM);
        assert_eq!(self.service.wait(LIMIT).await.code(), Some(0));
        begun.elapsed()
    }

    /// The log lines, as JSON objects.
    fn lines(&self) -> Vec<Value> {
        let lines = self.service.lines().into_iter();
        lines
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect()
    }

    fn lines_with(&self, message: &str) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["message"].as_str().unwrap().contains(message));
        lines
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The one span of a name.
#[track_caller]
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    let [span] = found.as_slice() else {
        panic!("{} spans are called {name}", found.len());
    };
    span
}

#[tokio::test]
async fn a_request_its_polls_and_deliveries_are_traced_and_linked() {
    let endpoint = Endpoint::start();
    let url = format!("http://{}", endpoint.address);
    let headers = "authorization=Basic b3RscA==,x-scope=7";
    let mut story = Story::run(&[
        ("COLLECTOR_OTLP_ENDPOINT", &url),
        ("COLLECTOR_OTLP_HEADERS", headers),
    ])
    .await;
    story.poll_again().await;
    story.stop().await;

    let (spans, resources): (Vec<Span>, Vec<_>) = endpoint.spans().into_iter().unzip();
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    for name in [
        "POST /v1/sources",
        "job.poll",
        "okta.fetch_page",
        "store.append_page",
        "job.deliver",
        "deliver.plan",
        "deliver.send",
        "deliver.settle",
    ] {
        assert!(names.contains(name), "{name} is missing in {names:?}");
    }
    assert!(
        !names.iter().any(|name| name.starts_with("api.")),
        "{names:?}"
    );

    // The request goes on in the trace of its caller.
    let created = only(&spans, "POST /v1/sources");
    assert_eq!(hex(&created.trace_id), TRACE);
    assert_eq!(hex(&created.parent_span_id), CALLER);
    assert_eq!(created.kind(), SpanKind::Server);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/sources"),
        ("http.response.status_code", "201"),
    ] {
        let found = attribute(&created.attributes, name);
        assert_eq!(found.as_deref(), Some(value), "{name}");
    }
    assert!(attribute(&created.attributes, "tenant.id").is_some());

    // A run is a trace of its own that links to the request that asked for it, and only that run does.
    let asked = only(&spans, "POST /v1/sources/{source_id}/poll");
    assert_eq!(
        attribute(&asked.attributes, "source.id").as_ref(),
        Some(&story.source)
    );
    for request in [created, asked] {
        let links = |span: &&Span| {
            let mut links = span.links.iter();
            links.any(|link| link.span_id == request.span_id && link.trace_id == request.trace_id)
        };
        let linked: Vec<&Span> = spans.iter().filter(links).collect();
        let [run] = linked.as_slice() else {
            panic!("{} spans link to {}", linked.len(), request.name);
        };
        assert_eq!(run.name, "job.poll");
        assert!(run.parent_span_id.is_empty() && run.trace_id != request.trace_id);
        assert_eq!(
            attribute(&run.attributes, "source.id").as_ref(),
            Some(&story.source)
        );
        assert_eq!(attribute(&run.attributes, "job.outcome").unwrap(), "done");
    }
    let parent_of = |child: &Span| {
        let parent = |span: &&Span| span.span_id == child.parent_span_id;
        spans.iter().find(parent).map(|span| span.name.as_str())
    };
    for span in &spans {
        let expected = match span.name.as_str() {
            "okta.fetch_org" | "okta.fetch_page" | "store.append_page" => Some("job.poll"),
            "deliver.plan" | "deliver.send" | "deliver.settle" => Some("job.deliver"),
            _ => None,
        };
        assert_eq!(parent_of(span), expected, "{}", span.name);
    }

    // Who says so.
    let resource = &resources[0];
    assert!(resources.iter().all(|other| other == resource));
    let of = |name| attribute(resource, name).unwrap_or_default();
    assert_eq!(of("service.name"), "okta-collector");
    assert_eq!(of("service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(of("okta_collector.role"), "serve");
    assert_eq!(of("service.instance.id").len(), 36);

    // Metrics come the same way, and every request has the headers.
    let metrics = endpoint.metrics();
    for name in ["okta_collector_job_runs", "okta_collector_sources"] {
        assert!(metrics.iter().any(|it| it == name), "{name}: {metrics:?}");
    }
    let secrets = [CANARY, &story.key, story.installation.key.trim()];
    for sent in endpoint.sent() {
        for header in ["authorization: Basic b3RscA==", "x-scope: 7"] {
            assert!(sent.headers.iter().any(|it| it == header), "{sent:?}");
        }
        let body = String::from_utf8_lossy(&sent.body).into_owned();
        assert!(
            !secrets.iter().any(|secret| body.contains(secret)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn log_lines_carry_the_ids_on_their_top_level() {
    let endpoint = Endpoint::start();
    let url = format!("http://{}", endpoint.address);
    let mut story = Story::run(&[("COLLECTOR_OTLP_ENDPOINT", &url)]).await;
    story.poll_again().await;
    story.stop().await;

    let path = "POST /v1/sources/{source_id}/poll 202";
    let [line] = &story.lines_with(path)[..] else {
        panic!("a request has one line: {:#?}", story.lines());
    };
    for id in ["request_id", "tenant_id", "trace_id", "span_id"] {
        assert_ne!(line[id].as_str().unwrap_or_default(), "", "{id}: {line}");
    }
    assert_eq!(line["source_id"], story.source.as_str());
    assert_eq!(
        (&line["method"], &line["route"], &line["status"]),
        (
            &json!("POST"),
            &json!("/v1/sources/{source_id}/poll"),
            &json!(202)
        )
    );
    assert!(line["ms"].is_u64(), "{line}");
    let created = &story.lines_with("POST /v1/sources 201")[0];
    assert_eq!(created["trace_id"], TRACE);

    let stored = &story.lines_with("stored a page")[0];
    assert_eq!(stored["source_id"], story.source.as_str());
    assert_eq!(stored["tenant_id"], line["tenant_id"]);
    assert_eq!(stored["job_kind"], "poll");
    assert_eq!(stored["trace_id"].as_str().unwrap().len(), 32);
    for line in story.service.lines() {
        let secrets = [CANARY, &story.key, story.installation.key.trim()];
        assert!(
            !secrets.iter().any(|secret| line.contains(secret)),
            "{line}"
        );
        assert!(!line.contains(&format!("/v1/sources/{}", story.source)));
    }
}

#[tokio::test]
async fn without_an_endpoint_a_line_still_tells_the_trace_of_the_caller() {
    let mut story = Story::run(&[]).await;
    story.stop().await;

    let created = &story.lines_with("POST /v1/sources 201")[0];
    assert_eq!(created["trace_id"], TRACE);
    assert!(created.get("span_id").is_none(), "{created}");
    assert_eq!(story.lines_with("over OTLP"), [""; 0]);
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_told_once_and_holds_up_nothing() {
    let closed = format!("http://127.0.0.1:{}", free_port());
    let mut story = Story::run(&[("COLLECTOR_OTLP_ENDPOINT", &closed)]).await;
    story.stop().await;

    let told = story.lines_with("telemetry cannot be sent");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0]["level"], "WARN");
}

#[tokio::test]
async fn an_endpoint_that_never_answers_delays_the_end_by_seconds() {
    // Connections are made and nothing is ever read.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut story = Story::run(&[("COLLECTOR_OTLP_ENDPOINT", &url)]).await;

    let took = story.stop().await;

    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn a_real_otlp_agent_takes_spans_and_metrics() {
    // Rotel, a receiver that nobody here wrote.
    let Some(program) = test_program("COLLECTOR_TEST_ROTEL") else {
        return;
    };
    let (http, grpc) = (free_port(), free_port());
    let mut agent = Command::new(program);
    agent
        .args(["start", "--exporter", "blackhole", "--disable-batching"])
        .args(["--debug-log", "traces", "--debug-log", "metrics"])
        .args(["--debug-log-verbosity", "detailed"])
        .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
        .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
    let agent = Process::start(agent);
    agent.wait_for_line("Starting Rotel", LIMIT).await;
    let url = format!("http://127.0.0.1:{http}");
    let mut story = Story::run(&[("COLLECTOR_OTLP_ENDPOINT", &url)]).await;
    story.stop().await;

    for seen in ["job.poll", "deliver.send", "okta_collector_job_runs", TRACE] {
        agent.wait_for_line(seen, LIMIT).await;
    }
    assert_eq!(story.lines_with("telemetry cannot be sent"), [""; 0]);
}

#[tokio::test]
async fn every_metric_that_is_shipped_or_told_is_exported() {
    let story = Story::run(&[]).await;
    // A delivery that fails: a folder stands where the file should be.
    std::fs::create_dir(story.files.path().join("blocked")).unwrap();
    let blocked = json!({ "name": "no", "kind": "file", "file": { "path": "blocked" } });
    let blocked = story.post("/v1/destinations", &blocked, None).await;
    let route = json!({ "source_id": story.source, "destination_id": blocked["id"] });
    story.post("/v1/routes", &route, None).await;
    let metrics = async || {
        let answer = story.client.get(format!("{}/metrics", story.api)).send();
        answer.await.unwrap().text().await.unwrap()
    };
    testkit::wait::until("the failure is counted", LIMIT, async || {
        metrics().await.contains("delivery_failures_total{")
    })
    .await;
    let figures = [
        format!(
            "okta_collector_source_lag_seconds{{source_id=\"{}\"",
            story.source
        ),
        "okta_collector_routes{state=\"failing\"} 1".to_owned(),
        "okta_collector_workers 1".to_owned(),
        "okta_collector_credentials{state=\"valid\"} 1".to_owned(),
        "okta_collector_budget_left_ratio{".to_owned(),
        "okta_collector_db_connections{state=\"max\"} 16".to_owned(),
    ];
    // Read anew at most every five seconds.
    let text = testkit::wait::until("all figures are shown", LIMIT, async || {
        let text = metrics().await;
        let shown = figures.iter().all(|figure| text.contains(figure));
        if shown { Ok(text) } else { Err(text) }
    })
    .await;
    crate::shipped::check_names(&text);
    assert!(
        !text.contains(CANARY) && !text.contains("otel_scope"),
        "{text}"
    );
}
