//! Every error is a problem, whoever makes it; every answer has its id and its headers.

use serde_json::json;

use crate::support::{Answer, TestApi};

#[tokio::test]
async fn unknown_paths_are_problems() {
    let api = TestApi::start().await;
    for path in [
        "/v1/nothing",
        "/v1",
        "/v1/",
        "/v2/sources",
        "/nothing",
        "/v1/sources/",
        "/v1//sources",
    ] {
        let problem = api.get(path).await.problem(404, "not_found");
        assert_eq!(problem["instance"], path);
    }
}

#[tokio::test]
async fn other_methods_are_problems_that_name_the_right_ones() {
    let api = TestApi::start().await;
    let key = api.key("admin").await;
    let id = "00000000-0000-7000-8000-00000000dead";
    for (method, path, allow) in [
        ("PUT", "/v1/sources", "GET, POST"),
        ("DELETE", "/v1/sources", "GET, POST"),
        ("POST", &format!("/v1/sources/{id}"), "DELETE, GET, PATCH"),
        ("GET", &format!("/v1/sources/{id}/poll"), "POST"),
        ("OPTIONS", "/v1/jobs", "GET"),
        ("BREW", "/v1/jobs", "GET"),
        ("POST", "/livez", "GET"),
    ] {
        let answer = api.send(method, path, &key, None).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn the_caller_may_choose_the_id_of_a_request() {
    let api = TestApi::start().await;
    let ask = async |id: &str| {
        let request = api
            .client
            .get(format!("{}/v1/sources", api.address))
            .header("x-request-id", id);
        Answer::read(request.send().await.unwrap()).await
    };
    let answer = ask("my-id_1.2").await;
    assert_eq!(
        answer.problem(401, "unauthorized")["request_id"],
        "my-id_1.2"
    );
    let mut seen = Vec::new();
    for harmful in ["", "a b", "<script>", &"x".repeat(129)] {
        let answer = ask(harmful).await;
        let id = answer.problem(401, "unauthorized")["request_id"].clone();
        assert_ne!(id, harmful);
        assert!(!seen.contains(&id), "{id} came twice");
        seen.push(id);
    }
}

#[tokio::test]
async fn every_answer_has_the_safe_headers() {
    let api = TestApi::start().await;
    for path in [
        "/v1/sources",
        "/v1/nothing",
        "/livez",
        "/metrics",
        "/openapi.json",
        "/v1/sources?x=1",
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        let policy = answer.header("content-security-policy");
        assert_eq!(
            policy, "default-src 'none'; frame-ancestors 'none'",
            "{path}"
        );
        assert_ne!(answer.header("x-request-id"), "", "{path}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_a_problem_that_passes() {
    let api = TestApi::start().await;
    api.get("/v1/sources").await.expect(200);
    api.sql("ALTER TABLE sources RENAME TO sources_away").await;
    let problem = api.get("/v1/sources").await.problem(500, "internal");
    assert!(!problem.to_string().contains("sources_away"), "{problem}");
    api.sql("ALTER TABLE sources_away RENAME TO sources").await;
    api.get("/v1/sources").await.expect(200);

    // The key is looked up first, so a lock there holds up everything.
    let holder = api.db.client().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE sources")
        .await
        .unwrap();
    let asking = api.get("/v1/sources");
    let killing = async {
        let waiting = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        testkit::wait::until(
            "a session waits and is ended",
            crate::support::SOON,
            async || {
                holder
                    .query_one(waiting, &[])
                    .await
                    .unwrap()
                    .get::<_, i64>(0)
                    > 0
            },
        )
        .await;
    };
    let (answer, ()) = tokio::join!(asking, killing);
    answer.problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    holder.batch_execute("ROLLBACK").await.unwrap();
    api.get("/v1/sources").await.expect(200);
}

/// Walks the document: nothing in it may be answered by the default service or as another method.
#[tokio::test]
async fn everything_that_is_documented_is_there() {
    let api = TestApi::start().await;
    let key = api.key("admin").await;
    let document = api.get("/openapi.json").await.expect(200);
    let nobody = "00000000-0000-7000-8000-00000000dead";
    let mut count = 0;
    for (pattern, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path: Vec<&str> = pattern
                .split('/')
                .map(|part| if part.starts_with('{') { nobody } else { part })
                .collect();
            let path = path.join("/");
            let answer = api
                .send(&method.to_uppercase(), &path, &key, Some(&json!({})))
                .await;
            let name = format!("{method} {path}");
            assert_ne!(answer.status, 405, "{name}");
            assert!(answer.status < 500, "{name}: {answer:?}");
            if answer.status == 404 {
                let detail = answer.problem(404, "not_found")["detail"].clone();
                assert_ne!(detail, "there is no such path", "{name}");
            } else {
                let documented = item[method]["responses"].as_object().unwrap();
                let range = format!("{}XX", answer.status / 100);
                let status = answer.status.to_string();
                assert!(
                    documented.contains_key(&status) || documented.contains_key(&range),
                    "{name}: {status}"
                );
            }
            count += 1;
        }
    }
    assert!(count > 30, "only {count}");
}

#[tokio::test]
async fn the_document_is_served_as_it_is_committed() {
    let api = TestApi::start().await;
    let served = api.get("/openapi.json").await;
    assert_eq!(served.text, api::openapi_json());
}
