//! The listener: start, stop, TLS, an org that outlives it.

use std::time::Duration;

use okta_sim::{Fault, Sim, SimConfig, Tls};

use crate::support::{Answer, Fixture, TOKEN, quiet};

#[tokio::test]
async fn a_stopped_org_refuses_connections_and_can_be_served_again_with_its_events() {
    let sim = Fixture::start().await;
    sim.persist(0, 3);
    let next = sim.get("/api/v1/logs?limit=2").await.link("next").unwrap();
    let (org, addr) = (sim.org().clone(), sim.sim.addr());
    let Fixture {
        sim: server,
        client,
    } = sim;

    server.stop().await;
    let down = client.get(&next).send().await;
    assert!(down.unwrap_err().is_connect());

    let sim = Fixture {
        sim: Sim::serve(org, addr, None).await.unwrap(),
        client,
    };
    assert_eq!(sim.get(&next).await.numbers(), [2]);
}

#[tokio::test]
async fn stopping_breaks_requests_that_hang() {
    let sim = Fixture::start().await;
    sim.org().inject(Fault::HungBeforeHeaders.once());
    let request = tokio::spawn(sim.request("/api/v1/logs").send());
    while sim.org().pending_faults() > 0 {
        tokio::task::yield_now().await;
    }

    tokio::time::timeout(Duration::from_secs(5), sim.sim.stop())
        .await
        .unwrap();

    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn dropping_the_simulator_closes_its_port() {
    let sim = Fixture::start().await;
    let addr = sim.sim.addr();
    let stopped = tokio::time::timeout(Duration::from_secs(5), async {
        drop(sim);
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });

    assert!(stopped.await.is_ok());
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let sim = Fixture::start().await;
    let config = SimConfig {
        listen: sim.sim.addr(),
        ..SimConfig::default()
    };

    let error = Sim::start(config).await.unwrap_err().to_string();

    assert!(
        error.starts_with(&format!("cannot listen on {}", sim.sim.addr())),
        "{error}"
    );
}

#[tokio::test]
async fn tls_serves_https_links() {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (identity.cert.pem(), identity.signing_key.serialize_pem());
    let tls = Some(Tls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap());
    let sim = Sim::start(SimConfig {
        tls,
        org: quiet(),
        ..SimConfig::default()
    })
    .await
    .unwrap();
    let root = reqwest::Certificate::from_pem(chain.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .resolve("localhost", sim.addr())
        .build()
        .unwrap();

    let url = format!("https://localhost:{}/api/v1/logs", sim.addr().port());
    let request = client
        .get(&url)
        .header("authorization", format!("SSWS {TOKEN}"));
    let answer = Answer::of(request.send().await.unwrap()).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.link("self").unwrap(), url);
    assert!(sim.url().starts_with("https://127.0.0.1:"));
}

#[test]
fn a_broken_identity_is_refused() {
    assert!(Tls::from_pem(b"nonsense", b"nonsense").is_err());
}
