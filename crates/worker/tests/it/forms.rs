//! The form in which events leave: envelopes, and events that were shrunk on the way.

use forward::{Report, Shrunk};
use serde_json::Value;
use store::{RouteChange, SourceChange};

use crate::answers::Scene;
use crate::scripted::{Reply, retry};

/// The halves of an envelope: what is told, and the event as it stands in it.
fn opened(line: &[u8]) -> (Value, String) {
    let text = std::str::from_utf8(line).unwrap();
    let (about, event) = text.split_once(r#","event":"#).expect("an envelope");
    let about = serde_json::from_str(&format!("{about}}}")).unwrap();
    (about, event.strip_suffix('}').unwrap().to_owned())
}

async fn rename(scene: &Scene, name: &str, timezone: &str) {
    let change = SourceChange {
        display_name: Some(name.to_owned()),
        timezone: Some(timezone.parse().unwrap()),
        ..SourceChange::default()
    };
    let store = &scene.house.store;
    let changed = store.update_source(scene.house.tenant, scene.source, change, None);
    changed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_changes_no_byte_of_a_batch_that_was_tried() {
    let scene = Scene::new(25, 10).await;
    let change = RouteChange {
        format: Some("envelope".to_owned()),
        enabled: None,
    };
    let store = &scene.house.store;
    let changed = store.update_route(scene.house.tenant, scene.route, change, None);
    changed.await.unwrap();
    rename(&scene, "Before", "Europe/Berlin").await;
    scene.place.script(|n, events| match n {
        0 => Reply::Say(retry(None)),
        _ => Reply::Say(Report::all(events.len())),
    });
    scene.deliver().await;
    rename(&scene, "After", "Asia/Tokyo").await;
    scene.deliver().await;

    let sent = scene.place.sent();
    assert_eq!(sent.len(), 4);
    assert_eq!(sent[0], sent[1], "the same bytes under the same key");
    assert_ne!(sent[1].key, sent[2].key);
    let told: Vec<String> = sent
        .iter()
        .map(|batch| {
            let (about, _) = opened(&batch.events[0]);
            let about = &about["collector"];
            format!("{} {}", about["source"], about["timezone"])
        })
        .collect();
    let (before, after) = (r#""Before" "Europe/Berlin""#, r#""After" "Asia/Tokyo""#);
    assert_eq!(told, [before, before, after, after]);
    for (line, event) in scene.place.taken().iter().zip(&scene.events) {
        let (about, inside) = opened(line);
        assert_eq!(inside.as_bytes(), event);
        let about = &about["collector"];
        assert_eq!(about["source_id"], scene.source.0.to_string());
        assert_eq!(about["batch"], 1);
        assert!(about["published_local"].is_string(), "{about}");
    }
    assert_eq!(scene.counts().await, (25, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shrunk_event_is_delivered_and_its_original_kept() {
    let scene = Scene::new(5, 10).await;
    scene.place.script(|_, events| {
        Reply::Say(Report {
            shrunk: vec![Shrunk {
                index: 3,
                detail: "left out:\0debugData".to_owned(),
            }],
            ..Report::all(events.len())
        })
    });
    scene.deliver().await;
    assert_eq!(scene.counts().await, (5, 0, 0), "delivered, not dead");
    let store = &scene.house.store;
    let letters = store
        .list_dead_letters(scene.house.tenant, scene.route, None, 10)
        .await
        .unwrap();
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}");
    };
    assert_eq!((letter.kind.as_str(), letter.index), ("shrunk", 3));
    assert_eq!(letter.detail, "left out: debugData");
    assert_eq!(letter.event, scene.events[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shrunk_event_that_was_not_settled_is_kept_once() {
    let scene = Scene::new(5, 10).await;
    let shrunk = || {
        vec![Shrunk {
            index: 1,
            detail: "left out: debugData".to_owned(),
        }]
    };
    // The first attempt sent it and settled only what stands before it.
    scene.place.script(move |n, events| {
        Reply::Say(match n {
            0 => Report {
                settled: 1,
                shrunk: shrunk(),
                ..retry(None)
            },
            _ => Report {
                shrunk: vec![Shrunk {
                    index: 0,
                    detail: "left out: debugData".to_owned(),
                }],
                ..Report::all(events.len())
            },
        })
    });
    scene.deliver().await;
    scene.deliver().await;
    assert_eq!(scene.counts().await, (5, 0, 0));
    let store = &scene.house.store;
    let letters = store
        .list_dead_letters(scene.house.tenant, scene.route, None, 10)
        .await
        .unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].event, scene.events[1]);
}
