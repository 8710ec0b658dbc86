//! Service apps where the answers are odd.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::credential::{AppKey, Secret};
use okta::{Auth, OktaClient};
use okta_sim::{Algorithm, KeyPair};
use serde_json::Value;

use crate::support::{TestOrg, Then, answer, config, first};

const DATE: &str = "Date: Thu, 11 Sep 2025 16:21:50 GMT";
const CANARY: &str = "canary-access-token";

fn auth() -> Auth {
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    Auth::from(&Secret::OAuth(AppKey {
        client_id: "0oa1".to_owned(),
        key_id: Some("k1".to_owned()),
        algorithm: "ES256".to_owned(),
        private_key: key.private_pem().into(),
    }))
}

fn token(kind: &str) -> Vec<u8> {
    let body = format!(r#"{{"token_type":"{kind}","expires_in":3600,"access_token":"{CANARY}"}}"#);
    answer(200, &[DATE], body.as_bytes())
}

async fn org(answers: Vec<Vec<u8>>) -> TestOrg {
    let well_known = answer(200, &[DATE], b"{}");
    let all = std::iter::once(well_known).chain(answers);
    let all = all.map(|answer| (answer, Then::KeepOpen)).collect();
    TestOrg::new(|_| all).await
}

/// The error that a client of its own meets.
async fn error(answers: Vec<Vec<u8>>) -> (String, String) {
    let org = org(answers).await;
    let client = OktaClient::new(config()).unwrap();
    let failure = client.fetch_page(&org.origin, &auth(), &first()).await;
    let failure = failure.unwrap_err();
    let told = format!("{failure} {failure:?} {client:?}");
    assert!(!told.contains(CANARY), "{told}");
    (failure.error.code().to_owned(), failure.to_string())
}

/// The claims of the proof of a request.
fn proof(head: &str) -> Value {
    let proof = head
        .lines()
        .find_map(|line| line.strip_prefix("dpop: "))
        .unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(proof.split('.').nth(1).unwrap())
        .unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[tokio::test]
async fn a_nonce_that_the_api_asks_for_is_given_and_kept() {
    let challenge = r#"www-authenticate: DPoP error="use_dpop_nonce", error_description="x""#;
    let mut org = org(vec![
        token("DPoP"),
        answer(401, &[DATE, challenge, "dpop-nonce: n1"], b""),
        answer(200, &[DATE, "dpop-nonce: n2"], b"[]"),
        answer(200, &[DATE], b"[]"),
    ])
    .await;
    let client = OktaClient::new(config()).unwrap();
    let auth = auth();
    for _ in 0..2 {
        client
            .fetch_page(&org.origin, &auth, &first())
            .await
            .unwrap();
    }

    let mut heads = Vec::new();
    for _ in 0..5 {
        heads.push(org.request().await);
    }
    let [_, asked, refused, again, next] = heads.try_into().unwrap();
    assert!(!asked.to_lowercase().contains("authorization"));
    assert!(
        refused.contains(&format!("authorization: DPoP {CANARY}")),
        "{refused}"
    );
    let proofs = [proof(&refused), proof(&again), proof(&next)];
    assert_eq!(proofs[0].get("nonce"), None);
    assert_eq!(
        (&proofs[1]["nonce"], &proofs[2]["nonce"]),
        (&"n1".into(), &"n2".into())
    );
    assert_eq!(proofs[1]["htu"], format!("{}/api/v1/logs", org.origin));
    assert_eq!(proofs[1]["htm"], "GET");
    assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);
}

#[tokio::test]
async fn a_bearer_token_goes_without_a_proof() {
    let mut org = org(vec![token("Bearer"), answer(200, &[DATE], b"[]")]).await;
    let client = OktaClient::new(config()).unwrap();
    client
        .fetch_page(&org.origin, &auth(), &first())
        .await
        .unwrap();
    for _ in 0..2 {
        org.request().await;
    }
    let read = org.request().await;
    assert!(
        read.contains(&format!("authorization: Bearer {CANARY}")),
        "{read}"
    );
    assert!(!read.contains("dpop:"), "{read}");
}

#[tokio::test]
async fn odd_answers_to_the_request_for_a_token_are_told_apart() {
    let limit = ["x-rate-limit-reset: 1757607758", DATE];
    let body = |error: &str| format!(r#"{{"error":"{error}","error_description":"Because."}}"#);
    let table = [
        (answer(404, &[DATE], b"<html>"), "no_token_endpoint"),
        (answer(429, &limit, b"{}"), "token_rate_limited"),
        (answer(502, &[DATE], b"<html>"), "server_error"),
        (answer(302, &[DATE], b""), "unexpected_answer"),
        (answer(400, &[DATE], b"<html>"), "unexpected_answer"),
        (answer(200, &[DATE], b"[]"), "bad_token_answer"),
        (token("N_A"), "bad_token_answer"),
        (
            answer(400, &[DATE], body("unauthorized_client").as_bytes()),
            "grant_not_allowed",
        ),
        (
            answer(400, &[DATE], body("invalid_scope").as_bytes()),
            "scope_not_granted",
        ),
        (
            answer(400, &[DATE], body("use_dpop_nonce").as_bytes()),
            "proof_refused",
        ),
        (
            answer(400, &[DATE], body("something_new").as_bytes()),
            "grant_refused",
        ),
    ];
    for (answer, code) in table {
        let (told, text) = error(vec![answer]).await;
        assert_eq!(told, code, "{text}");
    }
    let (_, text) = error(vec![answer(
        401,
        &[DATE],
        body("invalid_client").as_bytes(),
    )])
    .await;
    assert!(text.contains("invalid_client: Because."), "{text}");
}

#[tokio::test]
async fn a_token_that_is_refused_twice_is_not_asked_for_a_third_time() {
    let refused = r#"www-authenticate: Bearer error="invalid_token""#;
    let refused = answer(401, &[DATE, refused], b"");
    let answers = vec![token("Bearer"), refused.clone(), token("Bearer"), refused];
    let (code, _) = error(answers).await;
    assert_eq!(code, "access_token_refused");

    let scope = r#"www-authenticate: Bearer error="insufficient_scope", scope="okta.logs.read""#;
    let (code, text) = error(vec![token("Bearer"), answer(403, &[DATE, scope], b"")]).await;
    assert_eq!(code, "missing_scope", "{text}");

    // A next link would be thought dead.
    let proof = r#"www-authenticate: DPoP error="invalid_dpop_proof""#;
    let (code, _) = error(vec![token("DPoP"), answer(400, &[DATE, proof], b"")]).await;
    assert_eq!(code, "access_token_refused");
}

#[tokio::test]
async fn an_org_that_does_not_tell_the_time_is_not_asked_for_a_token() {
    let say = vec![(answer(200, &[], b"{}"), Then::KeepOpen)];
    let org = TestOrg::new(|_| say).await;
    let client = OktaClient::new(config()).unwrap();
    let failure = client.fetch_page(&org.origin, &auth(), &first()).await;
    assert_eq!(failure.unwrap_err().error.code(), "no_date");
}
