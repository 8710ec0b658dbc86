//! The server as such: probes, metrics, hints, stopping.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::{ApiConfig, Probes};
use futures_util::future::join_all;
use model::ids::TenantId;
use reqwest::Client;
use serde_json::json;
use testkit::wait::until;
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, SOON, TestApi, until_locked};

async fn get(client: &Client, url: &str) -> Answer {
    Answer::read(client.get(url).send().await.unwrap()).await
}

#[tokio::test]
async fn probes_and_metrics_need_no_key() {
    let api = TestApi::start().await;
    let ask = async |path: &str| get(&api.client, &format!("{}{path}", api.address)).await;
    assert_eq!(ask("/livez").await.expect(200)["status"], "alive");
    assert_eq!(ask("/readyz").await.expect(200)["status"], "ready");
    let metrics = ask("/metrics").await;
    assert_eq!(
        (metrics.status, metrics.text.as_str()),
        (200, "okta_collector_up 1\n")
    );
    assert!(
        metrics
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
}

#[tokio::test]
async fn requests_are_measured_by_route_and_never_by_id() {
    let registry = prometheus::Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .build()
        .unwrap();
    let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder()
        .with_reader(exporter)
        .build();
    opentelemetry::global::set_meter_provider(provider);
    let api = TestApi::start().await;
    let id = "00000000-0000-7000-8000-00000000dead";
    api.get(&format!("/v1/sources/{id}")).await.expect(404);
    api.get(&format!("/nowhere/{id}")).await.expect(404);
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    let counted = |labels: &[&str]| {
        text.lines().any(|line| {
            line.starts_with("okta_collector_http_server_request_duration_seconds_count{")
                && labels.iter().all(|label| line.contains(label))
        })
    };
    let route = "route=\"/v1/sources/{source_id}\"";
    assert!(
        counted(&["method=\"GET\"", route, "status=\"4xx\""]),
        "{text}"
    );
    assert!(counted(&["route=\"none\"", "status=\"4xx\""]), "{text}");
    assert!(!text.contains(id), "{text}");
}

#[tokio::test]
async fn a_schema_of_another_version_is_not_ready() {
    let api = TestApi::start().await;
    api.sql("DELETE FROM __diesel_schema_migrations").await;
    let answer = api.get("/readyz").await;
    let problem = answer.problem(503, "not_ready");
    assert!(
        problem["detail"].as_str().unwrap().contains("migrate"),
        "{problem}"
    );
    assert_eq!(answer.header("retry-after"), "1");
    api.get("/livez").await.expect(200);
}

#[tokio::test]
async fn a_secret_without_its_sealing_key_is_not_ready() {
    let api = TestApi::start().await;
    api.credential("one").await;
    api.sql("UPDATE credentials SET seal_kek = 'klost'").await;
    let problem = api.get("/readyz").await.problem(503, "not_ready");
    assert!(
        problem["detail"].as_str().unwrap().contains("klost"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_change_tells_the_workers() {
    let api = TestApi::start().await;
    let mut listener = api.store.listen_jobs().await.unwrap();
    let id = api.credential("one").await;
    let source = api
        .post("/v1/sources", json!({"credential_id": id}))
        .await
        .id();
    let heard = tokio::time::timeout(SOON, listener.next()).await;
    heard.expect("a hint comes").unwrap();
    for _ in 0..20 {
        api.act(&format!("/v1/sources/{source}/poll"))
            .await
            .expect(202);
    }
    let heard = tokio::time::timeout(SOON, listener.next()).await;
    heard.expect("the last of many comes too").unwrap();
}

#[tokio::test]
async fn a_stopping_server_says_so_first_and_then_ends() {
    let notice = Duration::from_secs(2);
    let config = ApiConfig {
        notice,
        ..ApiConfig::default()
    };
    let api = TestApi::start_with(config).await;
    api.get("/readyz").await.expect(200);
    api.stop.cancel();
    let problem = api.get("/readyz").await.problem(503, "not_ready");
    assert_eq!(problem["detail"], "the service is stopping");
    api.get("/v1/sources").await.expect(200);
    let ended = tokio::time::timeout(SOON, api.server).await;
    ended.expect("the server ends").unwrap().unwrap();
    // Others in this process go on with the same pool.
    for _ in 0..20 {
        api.store.check_schema().await.unwrap();
    }
    let late = api
        .client
        .get(format!("{}/livez", api.address))
        .send()
        .await;
    assert!(late.is_err(), "{late:?}");
}

#[tokio::test]
async fn a_request_under_way_is_finished() {
    let api = TestApi::start().await;
    let id = api.credential("one").await;
    let holder = api.db.client().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE sources")
        .await
        .unwrap();
    let body = json!({"credential_id": id});
    let asking = api.post("/v1/sources", body);
    let stopping = async {
        until_locked(&holder, 1).await;
        api.stop.cancel();
        until("no connection is taken", SOON, async || {
            tokio::net::TcpStream::connect(api.address.trim_start_matches("http://"))
                .await
                .is_err()
        })
        .await;
        holder.batch_execute("ROLLBACK").await.unwrap();
    };
    let (answer, ()) = tokio::join!(asking, stopping);
    answer.expect(201);
    tokio::time::timeout(SOON, api.server)
        .await
        .expect("the server ends")
        .unwrap()
        .unwrap();
}

/// The server has threads of its own; what they opened must not end with them.
#[tokio::test]
async fn the_pool_outlives_the_server() {
    let api = TestApi::start().await;
    join_all((0..50).map(|_| api.get("/v1/sources"))).await;
    let (_, open, _) = api.store.connections();
    assert!(open > 1, "the server has opened connections");
    let holder = api.db.client().await;
    let lock = "BEGIN; LOCK TABLE sources";
    holder.batch_execute(lock).await.unwrap();
    let tenant = TenantId(uuid::Uuid::nil());
    let reading = join_all((0..open).map(|_| api.store.list_sources(tenant, None, 10)));
    let stopping = async {
        until_locked(&holder, open).await;
        api.stop.cancel();
        let ended = tokio::time::timeout(SOON, api.server).await;
        ended.expect("the server ends").unwrap().unwrap();
        holder.batch_execute("ROLLBACK").await.unwrap();
    };
    let (read, ()) = tokio::join!(reading, stopping);
    for rows in read {
        assert_eq!(rows.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_process_without_an_api_has_probes() {
    let ready = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ready);
    let probes = Probes {
        ready: Arc::new(move || {
            if seen.load(Ordering::SeqCst) {
                Ok(())
            } else {
                Err("no lease yet".to_owned())
            }
        }),
        metrics: Arc::new(|| "jobs 7\n".to_owned()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let server = tokio::spawn(api::serve_probes(listener, probes, stop.clone()));
    let client = Client::builder().timeout(SOON).build().unwrap();
    let ask = async |path: &str| get(&client, &format!("{address}{path}")).await;

    assert_eq!(ask("/livez").await.expect(200)["status"], "alive");
    assert_eq!(
        ask("/readyz").await.problem(503, "not_ready")["detail"],
        "no lease yet"
    );
    ready.store(true, Ordering::SeqCst);
    ask("/readyz").await.expect(200);
    assert_eq!(ask("/metrics").await.text, "jobs 7\n");
    ask("/v1/sources").await.problem(404, "not_found");

    stop.cancel();
    tokio::time::timeout(SOON, server)
        .await
        .expect("the server ends")
        .unwrap()
        .unwrap();
}
