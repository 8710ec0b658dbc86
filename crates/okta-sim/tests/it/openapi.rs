//! Every kind of answer against Okta's own OpenAPI document.
//!
//! The document is made stricter first: members it does not name are errors, so that a misspelt one shows. Nulls
//! are left out before, because real events and orgs give `null` where the document knows only strings.

use std::collections::{BTreeMap, BTreeSet};

use okta_sim::{Algorithm, Events, Fault, TokenState, generate};
use serde_json::{Map, Value, json};

use crate::service::Service;
use crate::support::{Answer, Fixture, TOKEN, data};

/// Members of events that real ones have and the document lacks.
const BEYOND_THE_DOCUMENT: [&str; 3] = [
    // In 68 of 144 sample events; the document has the schema, but no member of it.
    "/device",
    "/authenticationContext/rootSessionId",
    // New fields come without notice; the generator makes one up.
    "/signalContext",
];

/// What recorded answers have although the document says otherwise.
const RECORDED_OTHERWISE: [&str; 3] = [
    // Tokens have links: 200-api-token-get.json.
    "Unevaluated properties are not allowed ('_links' was unexpected)",
    // The document's pattern takes no duration at all.
    "\"P30D\" does not match",
    // DPoP tokens say so: oauth-200-dpop-token.json.
    "\"DPoP\" is not one of \"Bearer\" or \"N_A\"",
];

struct Document(Value);

impl Document {
    fn read() -> Option<Self> {
        let file = std::fs::read(data()?.join("okta/openapi-okta-trimmed.json")).unwrap();
        let mut document = serde_json::from_slice(&file).unwrap();
        tighten(&mut document);
        Some(Self(document))
    }

    /// What is wrong with an answer, by place.
    fn flaws(&self, method: &str, path: &str, answer: &Answer) -> BTreeMap<String, String> {
        let mut response = &self.0["paths"][path][method]["responses"][answer.status.to_string()];
        assert!(
            !response.is_null(),
            "{method} {path} has no answer {}",
            answer.status
        );
        if let Some(reference) = response["$ref"].as_str() {
            response = self.0.pointer(reference.trim_start_matches('#')).unwrap();
        }
        let Some(schema) = response["content"]["application/json"].get("schema") else {
            assert_eq!(answer.body.len(), 0, "{method} {path}: {}", answer.text());
            return BTreeMap::new();
        };
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let root = json!({ "components": self.0["components"], "allOf": [schema] });
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&root)
            .unwrap();
        let body = without_nulls(&answer.json());
        let flaws = validator.iter_errors(&body);
        flaws
            .map(|flaw| (flaw.instance_path().to_string(), flaw.to_string()))
            .collect()
    }

    #[track_caller]
    fn holds(&self, method: &str, path: &str, answer: &Answer) {
        let mut flaws = self.flaws(method, path, answer);
        flaws.retain(|_, flaw| !RECORDED_OTHERWISE.iter().any(|known| flaw.contains(known)));
        assert!(
            flaws.is_empty(),
            "{method} {path} {}: {flaws:#?}",
            answer.status
        );
    }
}

/// Says `nullable` as JSON Schema does, and refuses members that are not named.
fn tighten(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tighten),
        Value::Object(members) => {
            let named = members.get("properties").is_some_and(Value::is_object);
            if named && !members.contains_key("additionalProperties") {
                members.insert("unevaluatedProperties".to_owned(), false.into());
            }
            if members.remove("nullable") == Some(Value::Bool(true))
                && let Some(kind) = members.get("type").cloned()
            {
                members.insert("type".to_owned(), json!([kind, "null"]));
            }
            // Parts of one object know only their own members.
            if let Some(Value::Array(parts)) = members.get_mut("allOf") {
                for part in parts {
                    tighten(part);
                    if let Some(part) = part.as_object_mut() {
                        part.remove("unevaluatedProperties");
                    }
                }
            }
            for (name, member) in members.iter_mut() {
                if name != "allOf" && name != "example" && name != "examples" {
                    tighten(member);
                }
            }
        }
        _ => {}
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, member)| !member.is_null());
            let kept: Map<_, _> = kept
                .map(|(name, member)| (name.clone(), without_nulls(member)))
                .collect();
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn generated_events_are_those_of_the_document_but_for_what_real_ones_have_beyond() {
    let Some(document) = Document::read() else {
        return;
    };
    let sim = Fixture::start().await;
    sim.org()
        .persist(Events::from_lines(generate(1000, 5)).unwrap());

    let page = sim.get("/api/v1/logs?limit=1000").await;

    let mut beyond = BTreeSet::new();
    for (at, flaw) in document.flaws("get", "/api/v1/logs", &page) {
        let known = BEYOND_THE_DOCUMENT.into_iter().find(|known| {
            // Unnamed members are told at the object that has them.
            let (parent, name) = known.rsplit_once('/').unwrap();
            at.splitn(3, '/')
                .nth(2)
                .map_or(String::new(), |rest| format!("/{rest}"))
                == parent
                && flaw.contains(&format!("'{name}'"))
        });
        beyond.insert(known.unwrap_or_else(|| panic!("{at}: {flaw}")));
    }
    assert!(!beyond.is_empty(), "the check sees what the document lacks");
}

#[tokio::test]
async fn answers_of_the_api_are_those_of_the_document() {
    let Some(document) = Document::read() else {
        return;
    };
    let sim = Fixture::start().await;
    let id = sim.org().token_id(TOKEN).unwrap();
    let logs = "/api/v1/logs";
    document.holds("get", "/api/v1/org", &sim.get("/api/v1/org").await);
    let known = "/.well-known/okta-organization";
    document.holds("get", known, &sim.get(known).await);
    document.holds(
        "get",
        "/api/v1/api-tokens",
        &sim.get("/api/v1/api-tokens").await,
    );
    let one = "/api/v1/api-tokens/{apiTokenId}";
    document.holds(
        "get",
        one,
        &sim.get(&format!("/api/v1/api-tokens/{id}")).await,
    );
    document.holds("get", one, &sim.get("/api/v1/api-tokens/none").await);
    for query in [
        "limit=0",
        "since=x",
        "after=x",
        "filter=x eq 1",
        "q=a b c d e f g h i j k",
    ] {
        let answer = sim
            .get(&format!("{logs}?{}", query.replace(' ', "%20")))
            .await;
        assert_eq!(answer.status, 400);
        document.holds("get", logs, &answer);
    }
    for fault in [Fault::RateLimit, Fault::ConcurrencyLimit] {
        sim.org().inject(fault.once());
        let answer = sim.get(logs).await;
        assert_eq!(answer.status, 429);
        document.holds("get", logs, &answer);
    }
    sim.org().set_token(TOKEN, TokenState::NoRole).unwrap();
    let answer = sim.get(logs).await;
    assert_eq!(answer.status, 403);
    document.holds("get", logs, &answer);
    sim.org().add_token(TOKEN);
    let current = "/api/v1/api-tokens/current";
    let request = sim.client.delete(sim.url(current));
    let request = request.header("authorization", format!("SSWS {TOKEN}"));
    document.holds(
        "delete",
        current,
        &Answer::of(request.send().await.unwrap()).await,
    );
}

#[tokio::test]
async fn answers_of_the_token_endpoint_are_those_of_the_document() {
    let Some(document) = Document::read() else {
        return;
    };
    let path = "/oauth2/v1/token";
    for dpop in [false, true] {
        let service = Service::with(Algorithm::Es256, dpop).await;
        let first = service
            .ask(&service.form(), Some(service.token_proof(None)))
            .await;
        document.holds("post", path, &first);
        let Some(nonce) = first.header("dpop-nonce") else {
            assert_eq!(first.status, 200);
            continue;
        };
        let proof = service.token_proof(Some(nonce));
        let second = service.ask(&service.form(), Some(proof)).await;
        assert_eq!(second.status, 200);
        document.holds("post", path, &second);
        let refused = service
            .ask(&[("grant_type", "client_credentials".to_owned())], None)
            .await;
        assert_eq!(refused.status, 401);
        document.holds("post", path, &refused);
        service
            .sim
            .org()
            .inject(Fault::RateLimit.once().on_path(path));
        let limited = service.ask(&service.form(), None).await;
        assert_eq!(limited.status, 429);
        document.holds("post", path, &limited);
    }
}

#[tokio::test]
async fn the_check_finds_a_wrong_type_and_an_unnamed_member() {
    let Some(document) = Document::read() else {
        return;
    };
    let sim = Fixture::start().await;
    let event = r#"{"uuid":7,"published":"soon","misspelt":1,"actor":{"id":"a"}}"#;
    sim.org().persist(Events::from_lines([event]).unwrap());

    let flaws = document.flaws("get", "/api/v1/logs", &sim.get("/api/v1/logs").await);

    assert_eq!(
        flaws.keys().collect::<Vec<_>>(),
        ["/0", "/0/published", "/0/uuid"]
    );
}
