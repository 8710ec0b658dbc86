//! Lists come in pages; a walk over them sees each thing once, in order.

use serde_json::{Value, json};

use crate::support::{TestApi, credential, destination};

async fn walk(api: &TestApi, list: &str, limit: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api
            .get(&format!("{list}limit={limit}{cursor}"))
            .await
            .expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return seen,
        }
        assert_eq!(items.len(), limit, "a page with a cursor is full");
    }
}

#[tokio::test]
async fn every_list_is_walked_without_gap_or_repetition() {
    let api = TestApi::start().await;
    let (mut credentials, mut destinations, mut sources, mut routes) =
        (vec![], vec![], vec![], vec![]);
    for n in 0..5 {
        let name = format!("n{n}");
        let made = api.post("/v1/credentials", credential(&name)).await.id();
        destinations.push(api.post("/v1/destinations", destination(&name)).await.id());
        sources.push(
            api.post("/v1/sources", json!({"credential_id": made}))
                .await
                .id(),
        );
        let body = json!({"source_id": sources[0], "destination_id": destinations[n]});
        routes.push(api.post("/v1/routes", body).await.id());
        credentials.push(made);
    }
    let one_source = format!("/v1/routes?source_id={}&", sources[0]);
    let none = format!("/v1/routes?source_id={}&", sources[1]);
    for limit in [1, 2, 5, 200] {
        assert_eq!(walk(&api, "/v1/credentials?", limit).await, credentials);
        assert_eq!(walk(&api, "/v1/destinations?", limit).await, destinations);
        assert_eq!(walk(&api, "/v1/sources?", limit).await, sources);
        assert_eq!(walk(&api, "/v1/routes?", limit).await, routes);
        assert_eq!(walk(&api, &one_source, limit).await, routes);
        assert_eq!(walk(&api, &none, limit).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list_and_filter() {
    let api = TestApi::start().await;
    for n in 0..2 {
        api.credential(&format!("n{n}")).await;
        api.destination(&format!("n{n}")).await;
    }
    let page = api.get("/v1/credentials?limit=1").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    api.get(&format!("/v1/destinations?cursor={cursor}"))
        .await
        .problem(400, "invalid_cursor");
    api.get(&format!("/v1/credentials?cursor={cursor}"))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_walk_survives_what_is_deleted_and_added() {
    let api = TestApi::start().await;
    let ids = [
        api.credential("a").await,
        api.credential("b").await,
        api.credential("c").await,
    ];
    let page = api.get("/v1/credentials?limit=1").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    api.delete(&format!("/v1/credentials/{}", ids[0]))
        .await
        .expect(204);
    let new = api.credential("d").await;
    let rest = api
        .get(&format!("/v1/credentials?cursor={cursor}"))
        .await
        .expect(200);
    let rest: Vec<&str> = rest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(rest, [&ids[1], &ids[2], &new]);
}
