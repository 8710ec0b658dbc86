//! A service app as tests play it: assertions, proofs, requests.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use okta_sim::{Algorithm, App, KeyPair};
use serde_json::{Value, json};

use crate::support::{Answer, Fixture};

pub(crate) const CLIENT: &str = "0oaservice0app000001";
pub(crate) const SCOPE: &str = "okta.logs.read";

/// An app with its key, and a simulator that knows it.
pub(crate) struct Service {
    pub(crate) sim: Fixture,
    pub(crate) key: KeyPair,
    jti: Cell<u32>,
}

impl Service {
    pub(crate) async fn start(dpop: bool) -> Self {
        Self::with(Algorithm::Es256, dpop).await
    }

    pub(crate) async fn with(algorithm: Algorithm, dpop: bool) -> Self {
        let sim = Fixture::start().await;
        let key = KeyPair::generate(algorithm).unwrap();
        sim.org().add_app(App {
            dpop,
            ..App::new(CLIENT, &key)
        });
        Self {
            sim,
            key,
            jti: Cell::new(0),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.sim.org().clock().now().timestamp()
    }

    pub(crate) fn jti(&self) -> String {
        self.jti.set(self.jti.get() + 1);
        format!("jti-{}", self.jti.get())
    }

    pub(crate) fn endpoint(&self) -> String {
        self.sim.url("/oauth2/v1/token")
    }

    pub(crate) fn claims(&self) -> Value {
        let now = self.now();
        json!({"iss": CLIENT, "sub": CLIENT, "aud": self.endpoint(), "iat": now, "exp": now + 300,
               "jti": self.jti()})
    }

    pub(crate) fn assertion(&self, claims: &Value) -> String {
        self.key.sign(&json!({"kid": self.key.kid()}), claims)
    }

    /// The form of a good request.
    pub(crate) fn form(&self) -> Vec<(&'static str, String)> {
        Self::form_of(self.assertion(&self.claims()))
    }

    pub(crate) fn form_of(assertion: String) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("scope", SCOPE.to_owned()),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion", assertion),
        ]
    }

    pub(crate) async fn ask(&self, form: &[(&str, String)], proof: Option<String>) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut request = self.sim.client.post(self.endpoint()).body(body);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// A proof for the token endpoint.
    pub(crate) fn token_proof(&self, nonce: Option<&str>) -> String {
        let mut claims =
            json!({"htm": "POST", "htu": self.endpoint(), "iat": self.now(), "jti": self.jti()});
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        self.proof(&claims)
    }

    pub(crate) fn proof(&self, claims: &Value) -> String {
        let header = json!({"typ": "dpop+jwt", "jwk": self.key.public_jwk()});
        self.key.sign(&header, claims)
    }

    /// The claims of a good proof for the log.
    pub(crate) fn log_claims(&self, token: &str) -> Value {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        json!({"htm": "GET", "htu": self.sim.url("/api/v1/logs"), "iat": self.now(), "jti": self.jti(),
               "ath": URL_SAFE_NO_PAD.encode(hash)})
    }

    pub(crate) async fn nonce(&self) -> String {
        let challenge = self.ask(&self.form(), Some(self.token_proof(None))).await;
        challenge.header("dpop-nonce").unwrap().to_owned()
    }

    /// An access token, in two steps for a DPoP app.
    pub(crate) async fn token(&self) -> String {
        let nonce = self.ask(&self.form(), Some(self.token_proof(None))).await;
        let answer = match nonce.header("dpop-nonce") {
            Some(nonce) => {
                let proof = self.token_proof(Some(nonce));
                self.ask(&self.form(), Some(proof)).await
            }
            None => nonce,
        };
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn read(&self, authorization: &str, proof: Option<String>) -> Answer {
        let url = self.sim.url("/api/v1/logs?limit=5");
        let mut request = self
            .sim
            .client
            .get(url)
            .header("authorization", authorization);
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        Answer::of(request.send().await.unwrap()).await
    }
}
