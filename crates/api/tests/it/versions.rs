//! `ETag` and `If-Match`: of two editors, the second learns of the first.

use serde_json::json;

use crate::support::{Answer, TestApi};

async fn change(api: &TestApi, method: &str, path: &str, if_match: &str) -> Answer {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = api.client.request(method, format!("{}{path}", api.address));
    let request = request
        .bearer_auth(api.key("admin").await)
        .header("if-match", if_match);
    Answer::read(request.json(&json!({})).send().await.unwrap()).await
}

#[tokio::test]
async fn a_change_with_an_old_version_is_refused() {
    let api = TestApi::start().await;
    let (source, destination, route) = api.route("one").await;
    let credential = api.credential("other").await;
    for path in [
        format!("/v1/routes/{route}"),
        format!("/v1/sources/{source}"),
        format!("/v1/destinations/{destination}"),
        format!("/v1/credentials/{credential}"),
    ] {
        let seen = api.get(&path).await;
        let old = seen.header("etag").to_owned();
        assert_eq!(old, format!("\"{}\"", seen.json()["version"]));

        let changed = change(&api, "PATCH", &path, &old).await;
        changed.expect(200);
        let new = changed.header("etag").to_owned();
        assert_ne!(new, old);
        for stale in [old.as_str(), "\"0\"", "W/\"2\"", "nonsense", ""] {
            change(&api, "PATCH", &path, stale)
                .await
                .problem(412, "version_changed");
            change(&api, "DELETE", &path, stale)
                .await
                .problem(412, "version_changed");
        }
        assert_eq!(
            api.get(&path).await.header("etag"),
            new,
            "nothing has changed"
        );
        change(&api, "PATCH", &path, &format!("{old}, {new}"))
            .await
            .expect(200);
        change(&api, "PATCH", &path, "*").await.expect(200);
        let last = api.get(&path).await.header("etag").to_owned();
        change(&api, "DELETE", &path, &last).await.expect(204);
        change(&api, "DELETE", &path, &last)
            .await
            .problem(404, "not_found");
    }
}
