//! Parameters that are refused, and how.

use okta_sim::{BadDate, LimitRule, OrgConfig};

use crate::support::{Fixture, quiet};

#[tokio::test]
async fn bad_parameters_are_refused_with_their_own_code() {
    let sim = Fixture::start().await;
    sim.persist(0, 3);
    let cases = [
        ("limit=0", "E0000001"),
        ("limit=1001", "E0000001"),
        ("limit=-5", "E0000001"),
        ("limit=abc", "E0000037"),
        ("sortOrder=UPWARD", "E0000001"),
        ("since=foobar", "E0000030"),
        ("since=2026-02-30T00:00:00Z", "E0000030"),
        // A bare plus is a space.
        ("since=2026-02-01T00:00:00+00:00", "E0000030"),
        ("until=2026-13-01T00:00:00Z", "E0000030"),
        ("after=garbage", "E0000031"),
        ("after=00u1testcursorvalue", "E0000031"),
        ("after=_", "E0000031"),
        ("after=99999999999999999999_1", "E0000031"),
        // Stands nowhere: no event was persisted then.
        ("after=1700000000000_7", "E0000031"),
        // Going down, a cursor names an event that stands at the edge.
        ("after=1700000000000_0&sortOrder=DESCENDING", "E0000031"),
        ("after=349996bd-5091-45dc-a39f-d357867a30d7", "E0000031"),
        (
            "after=349996bd-5091-45dc-a39f-d357867a30d7&sortOrder=DESCENDING",
            "E0000031",
        ),
    ];

    for (query, code) in cases {
        let answer = sim.get(&format!("/api/v1/logs?{query}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{query}"
        );
    }
}

#[tokio::test]
async fn limits_at_the_edge_are_accepted() {
    let sim = Fixture::start().await;
    sim.persist(0, 1001);

    for (query, count) in [("limit=1", 1), ("limit=1000", 1000), ("limit=", 100)] {
        assert_eq!(
            sim.get(&format!("/api/v1/logs?{query}"))
                .await
                .numbers()
                .len(),
            count,
            "{query}"
        );
    }
}

#[tokio::test]
async fn limits_can_be_clamped_instead() {
    let sim = Fixture::with(OrgConfig {
        limit_rule: LimitRule::Clamp,
        ..quiet()
    })
    .await;
    sim.persist(0, 1200);

    for (query, count) in [("limit=0", 1), ("limit=5000", 1000), ("limit=-1", 1)] {
        assert_eq!(
            sim.get(&format!("/api/v1/logs?{query}"))
                .await
                .numbers()
                .len(),
            count,
            "{query}"
        );
    }
}

#[tokio::test]
async fn dates_may_have_any_offset_and_any_number_of_decimals() {
    let sim = Fixture::start().await;
    let dates = [
        "2026-02-01T00:00:00Z",
        "2026-02-01T00:00:00.123Z",
        "2026-02-01T00:00:00.123456%2B00%3A00",
        "2026-02-01T00:00:00-07:00",
    ];

    for date in dates {
        assert_eq!(
            sim.get(&format!("/api/v1/logs?since={date}")).await.status,
            200,
            "{date}"
        );
    }
}

#[tokio::test]
async fn what_is_not_known_of_real_orgs_can_be_chosen() {
    let sim = Fixture::with(OrgConfig {
        limit_rule: LimitRule::ZeroIsEmpty,
        bad_date: BadDate::E0000001,
        refuse_180_days: true,
        refuse_old_cursors: true,
        ..quiet()
    })
    .await;
    sim.persist(0, 1);
    let old = sim.get("/api/v1/logs").await.link("next").unwrap();

    assert_eq!(sim.get("/api/v1/logs?limit=0").await.text(), "[]");
    let bad = sim.get("/api/v1/logs?until=foobar").await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "E0000001"));
    assert_eq!(
        bad.json()["errorCauses"][1]["errorSummary"],
        "until: must be a valid date-time or empty."
    );
    sim.org()
        .clock()
        .set("2026-08-01T00:00:00Z".parse().unwrap());
    sim.renew_token();
    for (since, code) in [("2026-02-03", ""), ("2026-02-01", "E0000053")] {
        let answer = sim
            .get(&format!("/api/v1/logs?since={since}T00:00:00Z"))
            .await;
        let found = if answer.status == 200 {
            String::new()
        } else {
            answer.code()
        };
        assert_eq!(found, code, "{since}");
    }
    sim.org()
        .clock()
        .advance(std::time::Duration::from_hours(24 * 365));
    sim.renew_token();
    assert_eq!(sim.get(&old).await.code(), "E0000031");
}
