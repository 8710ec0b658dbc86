//! `filter` and `q`: what they take, and how they are refused.

use okta_sim::Events;
use url::form_urlencoded::byte_serialize;

use crate::support::Fixture;

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

async fn with_events() -> Fixture {
    let sim = Fixture::start().await;
    let lines = (0..6).map(|n| {
        let kind = if n % 2 == 0 { "user.session.start" } else { "user.session.end" };
        format!(
            r#"{{"n":{n},"eventType":"{kind}","target":[{{"id":"t{n}"}}],"displayMessage":"Add-User to group{n}",
            "published":"2026-03-08T00:00:0{n}.000Z"}}"#
        )
    });
    sim.org().persist(Events::from_lines(lines).unwrap());
    sim
}

#[tokio::test]
async fn pages_hold_what_the_filter_takes_and_links_repeat_it() {
    let sim = with_events().await;
    let filter = encoded(r#"eventType eq "user.session.start""#);
    for range in ["", "&since=2026-03-08T00:00:00Z&until=2026-03-09T00:00:00Z"] {
        let pages = sim
            .walk(&format!("/api/v1/logs?limit=2{range}&filter={filter}"))
            .await;
        assert_eq!(pages, [vec![0, 2], vec![4]], "{range}");
    }

    let first = sim
        .get(&format!("/api/v1/logs?limit=2&filter={filter}"))
        .await;
    let next = first.link("next").unwrap();
    assert!(
        next.contains(&format!("limit=2&filter={filter}&after=")),
        "{next}"
    );
}

#[tokio::test]
async fn keywords_must_all_stand_in_an_event() {
    let sim = with_events().await;
    for (q, numbers) in [
        ("add-user", vec![0, 1, 2, 3, 4, 5]),
        ("USER", vec![0, 1, 2, 3, 4, 5]),
        ("user group3", vec![3]),
        ("user.session.end t5", vec![5]),
        ("grou", vec![]),
    ] {
        let answer = sim.get(&format!("/api/v1/logs?q={}", encoded(q))).await;
        assert_eq!(answer.numbers(), numbers, "{q}");
    }
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_in_the_log_services_own_form() {
    let sim = with_events().await;
    let cases = [
        (
            r#"filter=display_message eqq "Create okta user""#,
            "E0000053",
            r#"Invalid filter 'display_message eqq "Create okta user"': Unrecognized attribute operator 'eqq' at position 16. Expected: eq,co,sw,pr,gt,ge,lt,le"#,
        ),
        (
            r#"filter=some_invalid_field eq "x""#,
            "E0000053",
            "field is not valid: some_invalid_field",
        ),
        (
            r#"filter=published gt "2026-03-08T00:00:00Z""#,
            "E0000053",
            "field is not valid: published",
        ),
        (
            r#"filter=debugContext.debugData.url co "x""#,
            "E0000031",
            "The supplied combination of operator and field is not currently supported. Operator: co, Field: debugContext.debugData.url",
        ),
        (
            "q=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "E0000001",
            "Api validation failed: 'q': Freeform search cannot contain items longer than 40 characters. Please shorten the items in your search or use an advanced filter to query by specific fields.",
        ),
        (
            "q=a b c d e f g h i j k",
            "E0000001",
            "Api validation failed: 'q': Freeform search cannot contain more than 10 items.",
        ),
    ];
    for (query, code, summary) in cases {
        let (name, value) = query.split_once('=').unwrap();
        let answer = sim
            .get(&format!("/api/v1/logs?{name}={}", encoded(value)))
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{query}"
        );
        let body = answer.json();
        assert_eq!(body["errorSummary"], summary);
        let mut members: Vec<_> = body.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["errorCode", "errorId", "errorSummary"]);
    }
}
