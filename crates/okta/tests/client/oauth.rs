//! Service apps against a simulated org that checks every signature, claim and repetition.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use futures_util::future::join_all;
use model::credential::{AppKey, Secret};
use model::origin::Origin;
use okta::{Auth, Failure, OktaClient, Page};
use okta_sim::{Algorithm, App, Fault, KeyPair, Sim, SimConfig};

use crate::support::{config, first};

const CLIENT: &str = "0oaservice0app000001";
const ORG: &str = "GET /.well-known/okta-organization 200";
const TOKEN: &str = "POST /oauth2/v1/token 200";
const NONCE: &str = "POST /oauth2/v1/token 400";
const REFUSED: &str = "POST /oauth2/v1/token 401";
const LOGS: &str = "GET /api/v1/logs?limit=1000 200";
const DEAD: &str = "GET /api/v1/logs?limit=1000 401";
const MINUTE: Duration = Duration::from_mins(1);

/// A simulated org with one app, and a client that plays the app.
struct House {
    sim: Sim,
    origin: Origin,
    client: OktaClient,
    key: KeyPair,
}

impl House {
    async fn new(dpop: bool) -> Self {
        Self::with(Algorithm::Es256, dpop).await
    }

    async fn with(algorithm: Algorithm, dpop: bool) -> Self {
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        let key = KeyPair::generate(algorithm).unwrap();
        sim.org().add_app(App {
            dpop,
            ..App::new(CLIENT, &key)
        });
        Self {
            origin: Origin::parse_with(&sim.url(), true).unwrap(),
            client: OktaClient::new(config()).unwrap(),
            sim,
            key,
        }
    }

    fn app(&self) -> App {
        App::new(CLIENT, &self.key)
    }

    async fn fetch(&self) -> Result<Page, Box<Failure>> {
        self.fetch_as(&auth(&self.key.private_pem())).await
    }

    async fn fetch_as(&self, auth: &Auth) -> Result<Page, Box<Failure>> {
        self.client.fetch_page(&self.origin, auth, &first()).await
    }

    /// What was asked since the last look, and what was answered.
    fn asked(&self, seen: &mut usize) -> Vec<String> {
        let all = self.sim.org().requests();
        let new = all[*seen..].iter().map(|request| {
            let status = request.status.unwrap();
            format!("{} {} {status}", request.method, request.target)
        });
        let new = new.collect();
        *seen = all.len();
        new
    }
}

fn auth(private_key: &str) -> Auth {
    Auth::from(&Secret::OAuth(AppKey {
        client_id: CLIENT.to_owned(),
        key_id: None,
        algorithm: "ES256".to_owned(),
        private_key: private_key.into(),
    }))
}

#[tokio::test]
async fn every_kind_of_key_reads_with_and_without_dpop() {
    let algorithms = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
    ];
    for algorithm in algorithms {
        for dpop in [false, true] {
            let house = House::with(algorithm, dpop).await;
            let jwk = auth(&house.key.private_jwk().to_string());
            house.fetch_as(&jwk).await.unwrap();
            if matches!(algorithm, Algorithm::Rs384 | Algorithm::Rs512) {
                // A PEM does not say which digest: RS256, which the registered key does not sign with.
                continue;
            }
            let pem = auth(&house.key.private_pem());
            house.fetch_as(&pem).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_dpop_costs_one_more_request_once() {
    for (dpop, begin) in [
        (false, vec![ORG, TOKEN, LOGS]),
        (true, vec![ORG, NONCE, TOKEN, LOGS]),
    ] {
        let house = House::new(dpop).await;
        let mut seen = 0;
        house.fetch().await.unwrap();
        assert_eq!(house.asked(&mut seen), begin);
        for _ in 0..3 {
            house.fetch().await.unwrap();
        }
        assert_eq!(house.asked(&mut seen), [LOGS; 3]);
        let proven = house.sim.org().requests();
        let proven = proven.iter().filter(|request| request.proof).count();
        // With each request for a token, and with each of the log where the token is bound.
        assert_eq!(proven, if dpop { 6 } else { 1 });
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_dies_and_the_nonce_is_kept() {
    let house = House::new(true).await;
    let mut seen = 0;
    house.fetch().await.unwrap();
    house.sim.org().clock().advance(54 * MINUTE);
    house.fetch().await.unwrap();
    house.fetch().await.unwrap();
    house.asked(&mut seen);

    house.sim.org().clock().advance(2 * MINUTE);
    // The answer tells the time.
    house.fetch().await.unwrap();
    assert_eq!(house.asked(&mut seen), [LOGS]);
    house.fetch().await.unwrap();
    assert_eq!(house.asked(&mut seen), [TOKEN, LOGS]);
}

#[tokio::test]
async fn a_dead_token_is_replaced_at_once_and_a_dead_nonce_too() {
    let house = House::new(true).await;
    let mut seen = 0;
    house.fetch().await.unwrap();
    house.asked(&mut seen);

    house.sim.org().clock().advance(61 * MINUTE);
    house.fetch().await.unwrap();
    assert_eq!(house.asked(&mut seen), [DEAD, TOKEN, LOGS]);

    house.sim.org().clock().advance(80 * 60 * MINUTE);
    house.fetch().await.unwrap();
    assert_eq!(house.asked(&mut seen), [DEAD, NONCE, TOKEN, LOGS]);
}

#[tokio::test]
async fn a_machine_whose_clock_is_off_reads_all_the_same() {
    for off in [
        TimeDelta::hours(1),
        TimeDelta::hours(-1),
        TimeDelta::days(-9000),
    ] {
        let house = House::new(true).await;
        let clock = house.sim.org().clock();
        clock.set(clock.now() + off);
        house.fetch().await.unwrap();
        let mut seen = 0;
        assert_eq!(house.asked(&mut seen), [ORG, NONCE, TOKEN, LOGS]);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_before_a_token_is_there_is_set_right_by_the_refusal() {
    for off in [TimeDelta::hours(2), TimeDelta::hours(-2)] {
        let house = House::new(false).await;
        let org = house.sim.org();
        org.inject(Fault::Html(503).once().on_path("/oauth2/v1/token"));
        let busy = house.fetch().await.unwrap_err();
        assert_eq!(busy.error.code(), "server_error");
        let mut seen = 0;
        house.asked(&mut seen);

        let now: DateTime<_> = org.clock().now();
        org.clock().set(now + off);
        house.fetch().await.unwrap();
        assert_eq!(house.asked(&mut seen), [REFUSED, TOKEN, LOGS]);
    }
}

#[tokio::test]
async fn those_who_need_a_token_at_the_same_moment_share_the_request_for_it() {
    let house = House::new(false).await;
    let pages = join_all((0..20).map(|_| house.fetch())).await;
    assert!(pages.iter().all(Result::is_ok));
    let mut seen = 0;
    let asked = house.asked(&mut seen);
    assert_eq!(asked.iter().filter(|asked| *asked == TOKEN).count(), 1);

    let house = House::new(false).await;
    house.sim.org().remove_app(CLIENT);
    let failures = join_all((0..20).map(|_| house.fetch())).await;
    let refused = |page: &Result<Page, Box<Failure>>| {
        page.as_ref()
            .is_err_and(|failure| failure.error.code() == "app_refused")
    };
    assert!(failures.iter().all(refused));
    let mut seen = 0;
    assert_eq!(house.asked(&mut seen), [ORG, REFUSED]);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_to_its_end() {
    let house = House::new(false).await;
    house.fetch().await.unwrap();
    house.sim.org().clock().advance(56 * MINUTE);
    house.fetch().await.unwrap();
    let down = Fault::Html(503).until_cleared();
    house.sim.org().inject(down.on_path("/oauth2/v1/token"));
    let mut seen = 0;
    house.asked(&mut seen);

    for _ in 0..3 {
        house.fetch().await.unwrap();
    }
    let busy = "POST /oauth2/v1/token 503";
    assert_eq!(house.asked(&mut seen), [busy, LOGS, LOGS, LOGS]);

    house.sim.org().clock().advance(5 * MINUTE);
    assert_eq!(
        house.fetch().await.unwrap_err().error.code(),
        "server_error"
    );
    house.sim.org().clear_faults();
    house.fetch().await.unwrap();
}

#[tokio::test]
async fn a_new_key_gets_a_token_of_its_own() {
    let house = House::new(true).await;
    house.fetch().await.unwrap();
    let new = KeyPair::generate(Algorithm::Rs256).unwrap();
    let newcomer = auth(&new.private_pem());
    let failure = house.fetch_as(&newcomer).await.unwrap_err();
    assert_eq!(failure.error.code(), "app_refused");

    house.sim.org().add_app(App::with_dpop(CLIENT, &new));
    house.fetch_as(&newcomer).await.unwrap();
}

#[tokio::test]
async fn what_the_org_refuses_an_app_for_is_told_apart() {
    let house = House::new(true).await;
    let org = house.sim.org();
    let code = async |app: App| {
        org.remove_app(CLIENT);
        org.add_app(app);
        let failure = house.fetch().await.unwrap_err();
        // A budget of the token endpoint is none of the log's.
        assert_eq!(failure.rate.is_some(), failure.error.code() == "no_role");
        failure
    };
    let stranger = KeyPair::generate(Algorithm::Es256).unwrap();

    let failure = code(App::new("0oasomebody0else0001", &house.key)).await;
    assert_eq!(failure.error.code(), "app_refused");
    let failure = code(App::new(CLIENT, &stranger)).await;
    assert_eq!(failure.error.code(), "app_refused");
    assert!(
        failure.to_string().contains("check the client ID"),
        "{failure}"
    );
    let scopes = Vec::new();
    let failure = code(App {
        scopes,
        ..house.app()
    })
    .await;
    assert_eq!(failure.error.code(), "scope_not_granted");
    assert!(failure.to_string().contains("okta.logs.read"), "{failure}");
    let outside_zone = true;
    let failure = code(App {
        outside_zone,
        ..house.app()
    })
    .await;
    assert_eq!(failure.error.code(), "access_denied");
    let role = false;
    let failure = code(App {
        role,
        ..house.app()
    })
    .await;
    assert_eq!(failure.error.code(), "no_role");

    org.add_app(house.app());
    house.fetch().await.unwrap();
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_never_used() {
    let house = House::new(true).await;
    let bad = auth("-----BEGIN PUBLIC KEY-----");
    let failure = house.fetch_as(&bad).await.unwrap_err();
    assert_eq!(failure.error.code(), "unusable_key");
    let mut seen = 0;
    assert!(house.asked(&mut seen).is_empty());
}
