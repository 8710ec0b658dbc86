//! The documentation for people.

use std::collections::BTreeSet;

use reqwest::Client;

use crate::support::{Answer, SOON, TestApi};

/// What stands between `before` and the next quote, wherever it is in a text.
fn quoted<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

async fn get(api: &TestApi, path: &str) -> Answer {
    let client = Client::builder().timeout(SOON).gzip(true).build().unwrap();
    let request = client.get(format!("{}{path}", api.address));
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn the_documentation_needs_no_key_and_has_all_its_files() {
    let api = TestApi::start().await;
    for path in ["/", "/docs", "/docs/"] {
        let page = get(&api, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), "text/html", "{path}");
        let files: BTreeSet<&str> = quoted(&page.text, "src=\"")
            .union(&quoted(&page.text, "href=\""))
            .copied()
            .collect();
        assert!(files.len() >= 5, "{files:?}");
        for file in files {
            let answer = get(&api, &format!("/docs/{}", file.trim_start_matches("./"))).await;
            assert_eq!(answer.status, 200, "{file}");
            assert_ne!(answer.text, "", "{file}");
        }
    }
}

#[tokio::test]
async fn the_documentation_shows_our_document_and_sends_it_nowhere() {
    let api = TestApi::start().await;
    let setup = get(&api, "/docs/swagger-initializer.js").await.text;
    assert_eq!(
        quoted(&setup, "\"url\": \""),
        BTreeSet::from(["../openapi.json"]),
        "{setup}"
    );
    assert!(setup.contains("\"validatorUrl\": \"none\""), "{setup}");
    assert!(!setup.contains("{{"), "{setup}");
}

#[tokio::test]
async fn the_documentation_may_load_only_what_is_here() {
    let api = TestApi::start().await;
    let page = get(&api, "/docs/").await;
    let policy = page.header("content-security-policy");
    for rule in policy.split(';').map(str::trim) {
        let (_, sources) = rule.split_once(' ').unwrap();
        for source in sources.split(' ') {
            assert!(["'none'", "'self'", "data:"].contains(&source), "{rule}");
        }
    }
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!page.text.contains("<script>"), "{}", page.text);
}

#[tokio::test]
async fn the_documentation_has_no_other_files_methods_or_parameters() {
    let api = TestApi::start().await;
    get(&api, "/docs/nothing.js")
        .await
        .problem(404, "not_found");
    get(&api, "/docs/../Cargo.toml")
        .await
        .problem(404, "not_found");
    for path in ["/docs", "/docs/", "/docs/index.html"] {
        let answer = api.act(path).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET", "{path}");
        let answer = api
            .get(&format!("{path}?url=http://elsewhere.example"))
            .await;
        answer.problem(400, "invalid_query");
    }
}
