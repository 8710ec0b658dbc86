//! DPoP: the nonce, the proof, what a token is bound to.

use std::time::Duration;

use okta_sim::{Algorithm, Fault, KeyPair};
use serde_json::{Value, json};

use crate::service::Service;
use crate::support::Answer;

fn refusal(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!(answer.status, 400, "{answer:?}");
    format!(
        "{}: {}",
        body["error"].as_str().unwrap(),
        body["error_description"].as_str().unwrap()
    )
}

/// The part of the challenge between the quotes of `name`.
fn challenged(answer: &Answer, name: &str) -> String {
    let challenge = answer.header("www-authenticate").unwrap();
    let (_, rest) = challenge.split_once(&format!(" {name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_flow_of_the_guide_reads_the_log() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es384] {
        let service = Service::with(algorithm, true).await;

        let challenge = service
            .ask(&service.form(), Some(service.token_proof(None)))
            .await;
        assert_eq!(
            refusal(&challenge),
            "use_dpop_nonce: Authorization server requires nonce in DPoP proof."
        );
        let nonce = challenge.header("dpop-nonce").unwrap();

        let proof = service.token_proof(Some(nonce));
        let granted = service.ask(&service.form(), Some(proof)).await;
        assert_eq!(granted.json()["token_type"], "DPoP");
        assert_eq!(granted.header("dpop-nonce"), Some(nonce));
        let token = granted.json()["access_token"].as_str().unwrap().to_owned();

        let proof = service.proof(&service.log_claims(&token));
        let read = service.read(&format!("DPoP {token}"), Some(proof)).await;
        assert_eq!(read.status, 200, "{read:?}");
    }
}

#[tokio::test]
async fn an_app_that_wants_dpop_gets_no_token_without_a_proof() {
    let service = Service::start(true).await;

    let answer = service.ask(&service.form(), None).await;

    assert_eq!(
        refusal(&answer),
        "invalid_dpop_proof: The DPoP proof JWT header is missing."
    );
    assert_eq!(answer.header("dpop-nonce"), None);
}

#[tokio::test]
async fn a_proof_for_an_app_that_wants_none_is_ignored() {
    let service = Service::start(false).await;

    let answer = service
        .ask(&service.form(), Some("garbage".to_owned()))
        .await;

    assert_eq!(answer.json()["token_type"], "Bearer");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let proof = service.proof(&service.log_claims(&token));
    assert_eq!(
        service
            .read(&format!("Bearer {token}"), Some(proof.clone()))
            .await
            .status,
        200
    );
    let bound = service.read(&format!("DPoP {token}"), Some(proof)).await;
    assert_eq!(bound.status, 401);
    assert_eq!(
        challenged(&bound, "error_description"),
        "The presented access_token is not DPoP bound."
    );
}

#[tokio::test]
async fn a_nonce_works_for_three_days_and_is_renewed_every_day() {
    let service = Service::start(true).await;
    let first = service.nonce().await;
    assert_eq!(service.nonce().await, first);
    service.sim.org().clock().advance(Duration::from_hours(25));
    assert_ne!(service.nonce().await, first);

    service.sim.org().clock().advance(Duration::from_hours(46));
    let proof = service.token_proof(Some(&first));
    assert_eq!(service.ask(&service.form(), Some(proof)).await.status, 200);

    service.sim.org().clock().advance(Duration::from_hours(2));
    let proof = service.token_proof(Some(&first));
    let late = service.ask(&service.form(), Some(proof)).await;
    assert!(refusal(&late).starts_with("use_dpop_nonce"));
}

#[tokio::test]
async fn a_proof_that_is_not_right_is_refused_with_the_cause() {
    let service = Service::start(true).await;
    let token = service.token().await;
    let now = service.now();
    let logs = service.sim.url("/api/v1/logs");
    let cases = [
        ("htm", json!("POST"), "'htm' claim"),
        (
            "htu",
            json!(service.sim.url("//api/v1/logs")),
            "'htu' claim",
        ),
        ("htu", json!(format!("{logs}?limit=5")), "'htu' claim"),
        ("iat", Value::Null, "'iat' claim"),
        (
            "iat",
            json!(now - 330),
            "The DPoP proof JWT is issued more than five minutes",
        ),
        (
            "iat",
            json!(now + 60),
            "The DPoP proof JWT is issued in the future",
        ),
        ("exp", json!(now - 1), "The DPoP proof JWT is expired"),
        ("jti", Value::Null, "'jti' claim"),
        ("ath", Value::Null, "'ath' claim"),
        ("ath", json!("other"), "'ath' claim"),
    ];
    for (claim, value, text) in cases {
        let mut claims = service.log_claims(&token);
        claims[claim] = value.clone();
        let answer = service
            .read(&format!("DPoP {token}"), Some(service.proof(&claims)))
            .await;
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{claim}");
        assert_eq!(
            challenged(&answer, "error"),
            "invalid_dpop_proof",
            "{claim}"
        );
        let description = challenged(&answer, "error_description");
        assert!(
            description.starts_with(text),
            "{claim} {value}: {description}"
        );
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("DPoP algs=\"RS256 ")
        );
    }

    let stranger = KeyPair::generate(Algorithm::Es256).unwrap();
    let claims = || service.log_claims(&token);
    let own = service.key.public_jwk();
    let cases = [
        (
            stranger.sign(
                &json!({"typ": "dpop+jwt", "jwk": stranger.public_jwk()}),
                &claims(),
            ),
            "The access_token is not bound to the provided DPoP proof.",
        ),
        (
            stranger.sign(&json!({"typ": "dpop+jwt", "jwk": own}), &claims()),
            "The DPoP proof JWT signature is invalid.",
        ),
        (
            service
                .key
                .sign(&json!({"typ": "JWT", "jwk": own}), &claims()),
            "'typ' must be 'dpop+jwt' in the DPoP proof JWT.",
        ),
        (
            service.key.sign(&json!({"typ": "dpop+jwt"}), &claims()),
            "The DPoP proof JWT is invalid.",
        ),
        ("garbage".to_owned(), "The DPoP proof JWT cannot be parsed."),
    ];
    for (proof, text) in cases {
        let answer = service.read(&format!("DPoP {token}"), Some(proof)).await;
        assert_eq!(challenged(&answer, "error_description"), text);
    }
}

#[tokio::test]
async fn a_proof_works_once() {
    let service = Service::start(true).await;
    let token = service.token().await;
    let proof = service.proof(&service.log_claims(&token));
    let authorization = format!("DPoP {token}");
    assert_eq!(
        service
            .read(&authorization, Some(proof.clone()))
            .await
            .status,
        200
    );

    let again = service.read(&authorization, Some(proof)).await;

    assert_eq!(
        challenged(&again, "error_description"),
        "The DPoP proof JWT has already been used."
    );
}

#[tokio::test]
async fn a_bound_token_needs_its_scheme_and_its_proof() {
    let service = Service::start(true).await;
    let token = service.token().await;

    let bearer = service.read(&format!("Bearer {token}"), None).await;
    let bare = service.read(&format!("DPoP {token}"), None).await;

    for (answer, text) in [
        (
            &bearer,
            "The resource request must use the DPoP authentication scheme",
        ),
        (&bare, "The resource request requires a DPoP proof."),
    ] {
        assert_eq!((answer.status, answer.body.len()), (400, 0));
        assert_eq!(challenged(answer, "error"), "invalid_request");
        assert!(challenged(answer, "error_description").starts_with(text));
    }
}

#[tokio::test]
async fn a_429_does_not_use_up_the_proof() {
    let service = Service::start(true).await;
    let token = service.token().await;
    let proof = service.proof(&service.log_claims(&token));
    let authorization = format!("DPoP {token}");
    service.sim.org().inject(Fault::RateLimit.once());

    let refused = service.read(&authorization, Some(proof.clone())).await;
    let again = service.read(&authorization, Some(proof)).await;

    assert_eq!((refused.status, again.status), (429, 200));
}
