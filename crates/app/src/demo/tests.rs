//! The demo's own bookkeeping: an event that is lost anywhere on the way must be noticed.

use okta_sim::{Events, Fault};
use tokio_postgres::NoTls;

use super::*;
use crate::config::{Config, Environment, Wanted};

const EVENTS: [&str; 3] = [r#"{"uuid":"1"}"#, r#"{"uuid":"2"}"#, r#"{"uuid":"3"}"#];
const SHORT: Duration = Duration::from_secs(5);

/// Runs a demo of three events, one on each page, that somebody spoils before it is registered, and
/// another when it is idle; gives its counts, unless it got stuck.
async fn counts_when(
    before: impl AsyncFn(&Org, &Machine),
    after: impl Fn(&Place),
) -> anyhow::Result<Counts> {
    let run = async {
        let config = Config::load(&Environment::default(), Wanted::default()).unwrap();
        let place = Place::choose(None).unwrap();
        let org = Org::simulate(Events::from_lines(EVENTS).unwrap(), None, "test")
            .await
            .unwrap();
        let machine = Machine::start(config, &org, &place).await.unwrap();
        before(&org, &machine).await;
        org.sim()
            .unwrap()
            .org()
            .inject(Fault::ShortPage(1).until_cleared());
        let mut demo = Demo::register(org, machine, place).await.unwrap();
        let idle = demo.until_idle(SHORT, &CancellationToken::new()).await;
        after(&demo.place);
        let counts = demo.count().await.unwrap();
        // An empty output is not kept.
        std::fs::write(demo.place.path(), "").unwrap();
        demo.end().await.unwrap();
        idle.map(|()| counts)
    };
    LocalSet::new().run_until(run).await
}

#[tokio::test]
async fn the_counts_agree_when_nothing_is_lost() {
    let counts = counts_when(async |_, _| {}, |_| {}).await.unwrap();
    let all = Counts {
        published: 3,
        stored: 3,
        delivered: 3,
        duplicates: 0,
    };
    assert_eq!(counts, all);
    assert!(counts.agree());
}

#[tokio::test]
async fn an_event_lost_from_a_page_is_noticed() {
    let lose = async |org: &Org, _: &Machine| {
        org.sim()
            .unwrap()
            .org()
            .inject(Fault::RawPage(b"[]"[..].into()).once());
    };
    let counts = counts_when(lose, |_| {}).await.unwrap();
    assert!(!counts.agree(), "{counts:?}");
    assert_eq!(
        (counts.published, counts.stored, counts.delivered),
        (3, 2, 2)
    );
}

#[tokio::test]
async fn an_event_lost_in_the_commit_is_noticed() {
    let lose = async |_: &Org, machine: &Machine| {
        let (client, session) = tokio_postgres::connect(machine.database(), NoTls)
            .await
            .unwrap();
        let session = tokio::spawn(session);
        let trigger = "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS \
            'BEGIN IF NEW.number = 2 THEN RETURN NULL; END IF; RETURN NEW; END'; \
            CREATE TRIGGER lose BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION lose()";
        client.batch_execute(trigger).await.unwrap();
        drop(client);
        session.await.unwrap().unwrap();
    };
    let error = counts_when(lose, |_| {}).await.unwrap_err().to_string();
    let what = "nothing has moved for 5 s: polling is running, delivery is action_needed";
    assert!(
        error.contains(what) && error.contains("batch 2 of log"),
        "{error}"
    );
}

#[tokio::test]
async fn an_event_lost_in_the_file_is_noticed() {
    let lose = |place: &Place| {
        let text = std::fs::read_to_string(place.path()).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).map(str::trim_end).collect();
        std::fs::write(place.path(), lines.join("\n") + "\n").unwrap();
    };
    let counts = counts_when(async |_, _| {}, lose).await.unwrap();
    assert!(!counts.agree(), "{counts:?}");
    assert_eq!(
        (counts.published, counts.stored, counts.delivered),
        (3, 3, 2)
    );
}
