//! The rules one by one, and against a model of Okta: processes that draw, use, give back and die,
//! beside a stranger with the same token.

use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000 + millis).unwrap()
}

fn heard(limit: u32, remaining: u32, now: i64, resets_in: u64) -> Heard {
    Heard {
        limit,
        remaining,
        reset: 1_700_000_000 + now / 1000 + i64::try_from(resets_in).unwrap(),
        resets_in: Duration::from_secs(resets_in),
        ago: Duration::ZERO,
    }
}

fn ask(priority: Priority) -> Ask {
    Ask {
        priority,
        share: 0.9,
        workers: 1,
        most: u32::MAX,
        live_now: 0,
        live_soon: 0,
    }
}

fn used(window: i64, heard: Heard) -> Report {
    Report {
        window,
        used: 1,
        heard: Some(heard),
        ..Report::default()
    }
}

/// A window of 60 with 59 left, that began at 0.
fn open() -> Window {
    let mut window = Window::default();
    assert!(matches!(
        window.draw(at(0), &ask(Priority::Live)),
        Grant::Go(Block { permits: 1, .. })
    ));
    window.report(at(100), &used(0, heard(60, 59, 0, 60)));
    window
}

fn granted(window: &mut Window, now: i64, ask: &Ask) -> u32 {
    match window.draw(at(now), ask) {
        Grant::Go(block) => block.permits,
        Grant::Wait(_) => 0,
    }
}

fn drained(window: &mut Window, now: i64, ask: &Ask) -> u32 {
    let mut sum = 0;
    loop {
        match granted(window, now, ask) {
            0 => return sum,
            permits => sum += permits,
        }
    }
}

#[test]
fn before_the_first_answer_of_a_window_there_is_one_request() {
    let mut window = Window::default();
    assert_eq!(drained(&mut window, 0, &ask(Priority::Live)), 1);
    assert_eq!(
        window.draw(at(1), &ask(Priority::Live)),
        Grant::Wait(SOON),
        "the answer comes within a round trip"
    );
    assert_eq!(drained(&mut window, 59_000, &ask(Priority::Live)), 0);
    assert_eq!(
        drained(&mut window, 61_000, &ask(Priority::Live)),
        1,
        "it has been given up"
    );
}

#[test]
fn a_tenth_is_left_and_blocks_become_smaller() {
    let mut window = open();
    let blocks: Vec<u32> =
        std::iter::from_fn(|| match window.draw(at(200), &ask(Priority::Live)) {
            Grant::Go(block) => Some(block.permits),
            Grant::Wait(_) => None,
        })
        .collect();
    assert_eq!(blocks.iter().sum::<u32>(), 53);
    assert_eq!(blocks.first(), Some(&13));
    assert!(blocks.is_sorted_by(|a, b| a >= b), "{blocks:?}");
}

#[test]
fn a_window_used_up_is_waited_for_and_what_is_out_may_come_back() {
    let mut window = open();
    drained(&mut window, 200, &ask(Priority::Live));
    assert_eq!(
        window.draw(at(200), &ask(Priority::Live)),
        Grant::Wait(SOON)
    );
    let reset = window.reset;
    let returned = Report {
        window: reset,
        returned: 3,
        ..Report::default()
    };
    window.report(at(300), &returned);
    assert_eq!(drained(&mut window, 300, &ask(Priority::Live)), 3);
    let all = Report {
        window: reset,
        used: 53,
        heard: Some(heard(60, 6, 0, 60)),
        ..Report::default()
    };
    window.report(at(1000), &all);
    let Grant::Wait(wait) = window.draw(at(1000), &ask(Priority::Live)) else {
        panic!("granted");
    };
    assert!(
        wait >= Duration::from_mins(1),
        "a second behind the reset: {wait:?}"
    );
}

#[test]
fn answers_may_come_out_of_order_and_strangers_count() {
    let mut window = open();
    for remaining in [30, 55, 40] {
        window.report(at(500), &used(window.reset, heard(60, remaining, 500, 60)));
    }
    assert_eq!(window.remaining, 30);
    let of_before = heard(60, 2, -60_000, 60);
    window.report(at(600), &used(0, of_before));
    assert_eq!(window.remaining, 30);
}

#[test]
fn what_strangers_use_unheard_is_reckoned_with() {
    let mut window = open();
    drained(&mut window, 200, &ask(Priority::Live));
    // Two of 53 come back; one request of a stranger was seen in two seconds.
    let report = Report {
        window: window.reset,
        used: 51,
        returned: 2,
        heard: Some(heard(60, 7, 2000, 58)),
        ..Report::default()
    };
    window.report(at(2000), &report);
    assert_eq!(window.strangers, 1);
    assert_eq!(granted(&mut window, 35_000, &ask(Priority::Live)), 0);

    // In the next window what they did in this one is left to them.
    let last = Report {
        window: window.reset,
        used: 1,
        heard: Some(heard(60, 0, 50_000, 10)),
        ..Report::default()
    };
    window.report(at(50_000), &last);
    assert_eq!(window.strangers, 7);
    granted(&mut window, 62_000, &ask(Priority::Live));
    let first = used(window.reset, heard(60, 59, 62_000, 60));
    window.report(at(62_000), &first);
    // 53 of ours; 7 in 50 s and a pause that is not over, so 7 are expected; and 4 looks.
    assert_eq!(window.left(at(62_000), 0.9), 53 - 7 - 4);
    assert_eq!(window.left(at(80_000), 0.9), 53 - 7 - 2);
    assert_eq!(window.left(at(110_000), 0.9), 53 - 7);
}

#[test]
fn a_wrong_reset_is_forgotten_when_its_window_is_over_by_our_clock() {
    let mut window = Window::default();
    granted(&mut window, 0, &ask(Priority::Live));
    let mut wrong = heard(60, 59, 0, 60);
    wrong.reset *= 1000;
    window.report(at(0), &used(0, wrong));
    assert_eq!(granted(&mut window, 62_000, &ask(Priority::Live)), 1);
    let right = heard(60, 59, 62_000, 60);
    window.report(at(62_000), &used(window.reset, right));
    assert_eq!((window.reset, window.remaining), (right.reset, 59));
}

#[test]
fn a_small_share_is_not_taken_for_the_last_tenth() {
    let mut window = Window::default();
    granted(&mut window, 0, &ask(Priority::Live));
    window.report(at(0), &used(0, heard(600, 599, 0, 60)));
    let modest = Ask {
        share: 0.1,
        ..ask(Priority::Live)
    };
    assert!(granted(&mut window, 10_000, &modest) > 0);
}

#[test]
fn an_unanswered_request_counts() {
    let mut window = open();
    assert_eq!(granted(&mut window, 200, &ask(Priority::Live)), 13);
    let report = Report {
        window: window.reset,
        used: 13,
        unanswered: 13,
        ..Report::default()
    };
    window.report(at(300), &report);
    assert_eq!(window.left(at(700), 0.9), 40);
}

#[test]
fn permits_of_a_window_that_is_over_are_forgotten() {
    let mut window = open();
    drained(&mut window, 200, &ask(Priority::Live));
    let old = window.reset;
    assert_eq!(drained(&mut window, 62_000, &ask(Priority::Live)), 1);
    window.report(at(62_100), &used(old, heard(60, 59, 62_000, 60)));
    assert_eq!((window.left(at(700), 0.9), window.live_before), (53, 53));
    let late = Report {
        window: old,
        used: 5,
        returned: 5,
        ..Report::default()
    };
    window.report(at(62_200), &late);
    assert_eq!(window.left(at(700), 0.9), 53);
}

#[test]
fn who_is_less_urgent_waits_for_polls_and_leaves_what_they_need() {
    let mut window = open();
    let busy = Ask {
        live_now: 1,
        ..ask(Priority::Backfill)
    };
    assert_eq!(window.draw(at(200), &busy), Grant::Wait(SOON));
    let planned = Ask {
        live_soon: 20,
        ..ask(Priority::Backfill)
    };
    // 53 are left, 20 are planned, a tenth of 54 is for surprises.
    assert_eq!(drained(&mut window, 1000, &planned), 53 - 20 - 5);
    assert_eq!(drained(&mut window, 50_000, &planned), 5);
    let none = ask(Priority::Backfill);
    assert_eq!(
        drained(&mut window, 50_000, &none),
        15,
        "nobody has heard for long what strangers do"
    );
}

#[test]
fn what_polling_used_in_the_last_window_is_kept_in_this_one() {
    let mut window = open();
    for _ in 0..2 {
        granted(&mut window, 200, &ask(Priority::Live));
    }
    let live = window.live;
    granted(&mut window, 62_000, &ask(Priority::Live));
    let first = heard(60, 59, 62_000, 60);
    window.report(at(62_100), &used(window.reset, first));
    let spent = drained(&mut window, 62_200, &ask(Priority::Backfill));
    assert!(spent <= 53 - live && spent >= 53 - live - 6, "{spent}");
}

#[test]
fn verify_takes_at_most_a_quarter() {
    let mut window = open();
    assert_eq!(drained(&mut window, 57_000, &ask(Priority::Verify)), 13);
    assert!(drained(&mut window, 57_000, &ask(Priority::Backfill)) > 30);
}

#[test]
fn a_small_limit_still_leaves_one_request() {
    for (limit, share) in [(1, 0.9), (100, 0.0), (100, f64::NAN), (5, -3.0)] {
        let mut window = Window::default();
        granted(&mut window, 0, &ask(Priority::Live));
        window.report(at(100), &used(0, heard(limit, limit, 0, 60)));
        let ask = Ask {
            share,
            ..ask(Priority::Live)
        };
        assert_eq!(drained(&mut window, 200, &ask), 1, "{limit} {share}");
    }
}

#[test]
fn a_refusal_is_explained_by_its_own_window_or_is_the_orgs() {
    let mut window = open();
    let refusal = |remaining, reset_after| heard(60, remaining, 0, reset_after);
    assert!(
        !window.explains(at(500), &refusal(0, 60)),
        "59 were left a moment ago"
    );
    assert!(
        !window.explains(at(500), &refusal(0, 30)),
        "another window's reset"
    );
    window.report(at(600), &used(window.reset, heard(60, 10, 0, 60)));
    assert!(window.explains(at(700), &refusal(0, 60)));
    assert!(!window.explains(at(700), &refusal(7, 60)), "not this one's");
    assert!(
        Window::default().explains(at(0), &refusal(0, 60)),
        "nothing is known that speaks against it"
    );
}

/// One step of the world.
#[derive(Debug, Clone)]
enum Step {
    /// A process asks Okta, if it may.
    Use(usize, Priority),
    /// The same, and hears no answer.
    Lose(usize),
    /// A process gives back what it does not need.
    Return(usize),
    /// A process dies.
    Die(usize),
    /// Somebody else asks Okta with the same token.
    Stranger,
    /// Time goes by, in milliseconds.
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let priority = prop_oneof![
        8 => Just(Priority::Live),
        1 => Just(Priority::Verify),
        1 => Just(Priority::Backfill),
    ];
    prop_oneof![
        20 => (0..3usize, priority).prop_map(|(process, priority)| Step::Use(process, priority)),
        1 => (0..3usize).prop_map(Step::Lose),
        1 => (0..3usize).prop_map(Step::Return),
        1 => (0..3usize).prop_map(Step::Die),
        1 => Just(Step::Stranger),
        6 => (1..3000u16).prop_map(Step::Pass),
    ]
}

/// Okta's side: windows of a minute that begin with their first request, on whole seconds.
#[derive(Debug)]
struct Okta {
    limit: u32,
    begun: i64,
    ours: u32,
    strangers: u32,
}

impl Okta {
    fn roll(&mut self, now: i64) {
        if now >= self.begun + 60_000 {
            self.begun = now - now.rem_euclid(1000);
            (self.ours, self.strangers) = (0, 0);
        }
    }

    fn answer(&self, now: i64) -> Heard {
        let reset = self.begun / 1000 + 60;
        Heard {
            limit: self.limit,
            remaining: self.limit - self.ours - self.strangers,
            reset: 1_700_000_000 + reset,
            // As from a Date header: without its fraction.
            resets_in: Duration::from_secs(u64::try_from(reset - now.div_euclid(1000)).unwrap()),
            ago: Duration::ZERO,
        }
    }
}

/// A process: its block and until when, and what it has not reported.
#[derive(Debug, Default)]
struct Process {
    block: Option<(Block, i64)>,
    report: Report,
    heard_at: i64,
}

impl Process {
    fn tell(&mut self, window: &mut Window, now: i64) {
        if let Some((block, _)) = self.block.take() {
            self.report.window = block.window;
            self.report.returned = block.permits;
        }
        if let Some(heard) = &mut self.report.heard {
            let since = u64::try_from(now - self.heard_at).unwrap();
            heard.ago = Duration::from_millis(since);
            heard.resets_in = heard.resets_in.saturating_sub(heard.ago);
        }
        window.report(at(now), &std::mem::take(&mut self.report));
    }

    /// A permit, from its block or a new one.
    fn permit(&mut self, window: &mut Window, now: i64, priority: Priority) -> bool {
        if self
            .block
            .is_none_or(|(block, until)| block.permits == 0 || now >= until)
        {
            self.tell(window, now);
            let ask = Ask {
                workers: 3,
                ..ask(priority)
            };
            if let Grant::Go(block) = window.draw(at(now), &ask) {
                let ends_in = i64::try_from(block.ends_in.as_millis()).unwrap();
                self.block = Some((block, now + ends_in));
            }
        }
        let Some((block, _)) = self.block.as_mut() else {
            return false;
        };
        block.permits -= 1;
        self.report.window = block.window;
        self.report.used += 1;
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Okta counts every request, and strangers take a little. None of ours is refused, and ours alone
    /// stay within our part, whatever is lost and whoever dies.
    #[test]
    fn no_request_of_ours_is_refused(limit in 10..80u32, steps in prop::collection::vec(step(), 1..600)) {
        let mut now = 0i64;
        let mut okta = Okta { limit, begun: -100_000, ours: 0, strangers: 0 };
        let mut window = Window::default();
        let mut processes: Vec<Process> = (0..3).map(|_| Process::default()).collect();
        let allowed = (limit * 9 / 10).max(1);
        for step in steps {
            match step {
                Step::Pass(millis) => now += i64::from(millis),
                Step::Stranger => {
                    okta.roll(now);
                    // What is reserved for them.
                    if okta.strangers < limit - allowed {
                        okta.strangers += 1;
                    }
                }
                Step::Die(process) => processes[process] = Process::default(),
                Step::Return(process) => processes[process].tell(&mut window, now),
                Step::Use(..) | Step::Lose(_) => {
                    let (process, priority, lost) = match step {
                        Step::Use(process, priority) => (process, priority, false),
                        Step::Lose(process) => (process, Priority::Live, true),
                        _ => unreachable!(),
                    };
                    let mine = &mut processes[process];
                    if !mine.permit(&mut window, now, priority) {
                        continue;
                    }
                    okta.roll(now);
                    prop_assert!(okta.ours + okta.strangers < limit, "refused: {okta:?}");
                    okta.ours += 1;
                    prop_assert!(okta.ours <= allowed, "{okta:?}, {allowed} allowed");
                    if lost {
                        mine.report.unanswered += 1;
                    } else {
                        mine.report.heard = Some(okta.answer(now));
                        mine.heard_at = now;
                    }
                }
            }
        }
    }

    /// Three processes with endless work, and a stranger that takes a fifth evenly: each window is used
    /// up to our part, rounded down.
    #[test]
    fn a_backlog_uses_the_window_up(limit in 10..130u32, offset in 0..1000i64, pause in 1..400i64) {
        let mut okta = Okta { limit, begun: -100_000, ours: 0, strangers: 0 };
        let mut window = Window::default();
        let mut processes: Vec<Process> = (0..3).map(|_| Process::default()).collect();
        let each = 60_000 / i64::from((limit / 5).max(1));
        let (mut now, mut stranger_at) = (offset, offset);
        let mut windows = Vec::new();
        let mut begun = okta.begun;
        while windows.len() < 7 {
            now += pause;
            okta.roll(now);
            if okta.begun != begun {
                begun = okta.begun;
                windows.push(0);
            }
            if now >= stranger_at {
                stranger_at += each;
                okta.strangers += u32::from(okta.ours + okta.strangers < limit);
            }
            for mine in &mut processes {
                if mine.permit(&mut window, now, Priority::Live) {
                    prop_assert!(okta.ours + okta.strangers < limit, "refused: {okta:?}");
                    okta.ours += 1;
                    mine.report.heard = Some(okta.answer(now));
                    mine.heard_at = now;
                }
            }
            if let Some(last) = windows.last_mut() {
                *last = okta.ours + okta.strangers;
            }
        }
        windows.pop();
        let enough = limit * 9 / 10 * 95 / 100;
        prop_assert!(windows.iter().skip(2).all(|used| *used >= enough), "{windows:?} of {limit}, enough is {enough}");
        let most = limit * 9 / 10 + limit / 20 + 2;
        prop_assert!(windows.iter().skip(2).all(|used| *used <= most), "{windows:?} of {limit}, {most} are the most");
    }
}
