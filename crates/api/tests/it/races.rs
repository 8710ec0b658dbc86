//! Two callers at the same moment: one of the two gets a clear answer, none a fault of ours.

use serde_json::json;

use crate::support::{TestApi, credential, until_locked};

const ROUNDS: usize = 25;

#[tokio::test]
async fn using_and_deleting_a_credential() {
    let api = TestApi::start().await;
    for n in 0..ROUNDS {
        let id = api.credential(&format!("n{n}")).await;
        let path = format!("/v1/credentials/{id}");
        let (made, gone) = tokio::join!(
            api.post("/v1/sources", json!({"credential_id": id})),
            api.delete(&path)
        );
        match (made.status, gone.status) {
            (201, 409) | (422, 204) => {}
            other => panic!("{other:?}: {} {}", made.text, gone.text),
        }
    }
}

/// The same with the one order that chance seldom finds: the use is committed while the deletion waits.
#[tokio::test]
async fn a_credential_that_is_used_while_it_is_deleted() {
    let api = TestApi::start().await;
    let id = api.credential("one").await;
    let holder = api.db.client().await;
    let insert = format!(
        "BEGIN; INSERT INTO sources (tenant_id, display_name, credential_id, timezone, refresh_seconds) \
            SELECT tenant_id, 'x', id, 'UTC', 60 FROM credentials WHERE id = '{id}'"
    );
    holder.batch_execute(&insert).await.unwrap();
    let path = format!("/v1/credentials/{id}");
    let using = async {
        until_locked(&holder, 1).await;
        holder.batch_execute("COMMIT").await.unwrap();
    };
    let (gone, ()) = tokio::join!(api.delete(&path), using);
    gone.problem(409, "credential_in_use");
}

#[tokio::test]
async fn leading_to_and_deleting_a_destination() {
    let api = TestApi::start().await;
    let source = api.source("one").await;
    for n in 0..ROUNDS {
        let id = api.destination(&format!("n{n}")).await;
        let path = format!("/v1/destinations/{id}");
        let body = json!({"source_id": source, "destination_id": id});
        let (made, gone) = tokio::join!(api.post("/v1/routes", body), api.delete(&path));
        match (made.status, gone.status) {
            (201, 409) | (422, 204) => {}
            other => panic!("{other:?}: {} {}", made.text, gone.text),
        }
    }
}

#[tokio::test]
async fn changing_and_deleting_a_source() {
    let api = TestApi::start().await;
    let destination = api.destination("one").await;
    for n in 0..ROUNDS {
        let source = api.source(&format!("n{n}")).await;
        let path = format!("/v1/sources/{source}");
        let body = json!({"source_id": source, "destination_id": destination});
        let (poll, status) = (format!("{path}/poll"), format!("{path}/status"));
        let (made, changed, polled, seen, gone) = tokio::join!(
            api.post("/v1/routes", body),
            api.patch(&path, json!({"q": "x"})),
            api.act(&poll),
            api.get(&status),
            api.delete(&path)
        );
        for answer in [&made, &changed, &polled, &seen, &gone] {
            let known = [200, 201, 202, 204, 404, 422];
            assert!(known.contains(&answer.status), "{answer:?}");
        }
        api.delete(&path).await;
        api.get(&path).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn taking_one_name_twice() {
    let api = TestApi::start().await;
    for n in 0..ROUNDS {
        let body = || credential(&format!("n{n}"));
        let (one, other) = tokio::join!(
            api.post("/v1/credentials", body()),
            api.post("/v1/credentials", body())
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.text, other.text);
    }
}
