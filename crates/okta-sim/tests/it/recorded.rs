//! Answers beside recorded ones of real orgs: headers by name and the shape of their values, bodies by their
//! members and types.

use std::collections::BTreeMap;

use okta_sim::Fault;
use serde_json::Value;

use crate::service::Service;
use crate::support::{Answer, TOKEN, data};

/// Headers that are the hop's own, or that some recorded orgs had and others not.
const LEFT_OUT: [&str; 4] = [
    "connection",
    "transfer-encoding",
    "content-security-policy-report-only",
    // Sanitized to one directive in the recording of a DPoP call.
    "content-security-policy",
];

/// Headers of an answer, the shapes of their values sorted under each name.
type Headers = BTreeMap<String, Vec<String>>;

/// A value without what differs from answer to answer.
fn shape(name: &str, value: &str) -> String {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match name {
        "date" => {
            let parsed = chrono::DateTime::parse_from_rfc2822(value);
            if parsed.is_ok() && value.ends_with(" GMT") {
                "a date".to_owned()
            } else {
                value.to_owned()
            }
        }
        "x-okta-request-id"
            if value.len() == 32 && value.bytes().all(|b| b.is_ascii_hexdigit()) =>
        {
            "32 hexadecimal digits".to_owned()
        }
        "dpop-nonce" => "a nonce".to_owned(),
        "set-cookie" => match value.split_once(';') {
            Some((cookie, rest)) if cookie.starts_with("JSESSIONID=") => {
                format!("JSESSIONID;{rest}")
            }
            _ => value.to_owned(),
        },
        "link" => {
            // The host and what was asked are each one's own.
            let (_, rel) = value.split_once(">;").unwrap();
            format!("<url>;{rel}")
        }
        _ if name.starts_with("x-rate-limit") && digits => "a number".to_owned(),
        _ => value.to_owned(),
    }
}

fn headers<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in all {
        let name = name.to_lowercase();
        if !LEFT_OUT.contains(&name.as_str()) {
            let shape = shape(&name, value);
            headers.entry(name).or_default().push(shape);
        }
    }
    headers
}

/// The members and types of a body, by their paths; all items of an array as one.
fn types(value: &Value, at: &str, found: &mut BTreeMap<String, String>) {
    let kind = match value {
        Value::Null => return,
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            for item in items {
                types(item, &format!("{at}[]"), found);
            }
            "array"
        }
        Value::Object(members) => {
            for (name, member) in members {
                types(member, &format!("{at}.{name}"), found);
            }
            "object"
        }
    };
    found.insert(at.to_owned(), kind.to_owned());
}

fn body(value: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    types(value, "", &mut found);
    found
}

/// Compares an answer with a recording; `false` without test data.
#[track_caller]
fn compare(name: &str, answer: &Answer) -> bool {
    let Some(folder) = data() else { return false };
    let file = std::fs::read(folder.join("okta/recorded").join(name)).unwrap();
    let exchange: Value = serde_json::from_slice(&file).unwrap();
    let recorded = &exchange["response"];
    assert_eq!(recorded["status"], answer.status, "{name}");
    let pairs = recorded["headers"].as_array().unwrap().iter();
    let theirs = headers(pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())));
    let pairs = answer.headers.iter();
    let mut ours = headers(pairs.map(|(name, value)| (name.as_str(), value.to_str().unwrap())));
    // The client asked for gzip and has taken it off.
    if theirs.contains_key("content-encoding") {
        ours.insert("content-encoding".to_owned(), vec!["gzip".to_owned()]);
        ours.entry("vary".to_owned())
            .or_insert_with(|| vec!["Accept-Encoding".to_owned()]);
    }
    assert_eq!(ours, theirs, "{name}");
    assert_eq!(body(&answer.json()), body(&recorded["body"]), "{name}");
    true
}

#[tokio::test]
async fn the_token_endpoint_answers_as_recorded() {
    let service = Service::start(true).await;

    let bare = service.ask(&service.form(), None).await;
    let challenge = service
        .ask(&service.form(), Some(service.token_proof(None)))
        .await;
    let proof = service.token_proof(challenge.header("dpop-nonce"));
    let granted = service.ask(&service.form(), Some(proof)).await;

    if compare("oauth-400-invalid_dpop_proof-no-proof.json", &bare) {
        compare("oauth-400-use_dpop_nonce.json", &challenge);
        compare("oauth-200-dpop-token.json", &granted);
    }
}

#[tokio::test]
async fn a_dpop_call_has_the_headers_of_the_recorded_one() {
    let service = Service::start(true).await;
    let token = service.token().await;
    let proof = service.proof(&service.log_claims(&token));

    let mut answer = service.read(&format!("DPoP {token}"), Some(proof)).await;

    // The recorded list was a last page; a page of the log always has a next one.
    let own = answer.headers.get("link").unwrap().clone();
    answer.headers.insert("link", own);
    compare("oauth-200-dpop-api-call.json", &answer);
}

#[tokio::test]
async fn api_tokens_are_shown_as_recorded() {
    let service = Service::start(false).await;
    let sim = &service.sim;
    let id = sim.org().token_id(TOKEN).unwrap();

    let one = sim.get(&format!("/api/v1/api-tokens/{id}")).await;
    if !compare("200-api-token-get.json", &one) {
        return;
    }
    compare(
        "200-api-tokens-list.json",
        &sim.get("/api/v1/api-tokens").await,
    );
    let none = sim.get("/api/v1/api-tokens/invalid-id").await;
    assert_eq!(
        none.json()["errorSummary"],
        "Not found: Resource not found: invalid-id (Token)"
    );
    compare("404-api-token.json", &none);
}

#[tokio::test]
async fn refusals_are_those_recorded_elsewhere_in_the_api() {
    let service = Service::start(false).await;
    let sim = &service.sim;
    sim.org().inject(Fault::RateLimit.times(2));
    let limited = sim.get("/api/v1/logs").await;
    if !compare("429-rate-limit-app-features.json", &limited) {
        return;
    }
    compare(
        "429-rate-limit-agentpools.json",
        &sim.get("/api/v1/logs").await,
    );
    compare(
        "400-E0000031-bad-after-devices.json",
        &sim.get("/api/v1/logs?after=x").await,
    );
    let wrong = sim
        .client
        .post(sim.url("/api/v1/logs"))
        .send()
        .await
        .unwrap();
    compare("405-E0000022.json", &Answer::of(wrong).await);
}

#[tokio::test]
async fn the_org_tells_of_itself_what_a_recorded_one_did() {
    let Some(folder) = data() else { return };
    let file = std::fs::read(folder.join("okta/recorded/200-org.json")).unwrap();
    let exchange: Value = serde_json::from_slice(&file).unwrap();
    let service = Service::start(false).await;

    let own = service.sim.get("/api/v1/org").await.json();

    // Its headers are of 2021; the body is today's.
    assert_eq!(body(&own), body(&exchange["response"]["body"]));
}
