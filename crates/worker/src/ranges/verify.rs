//! `verify`: compares what one source has stored with what Okta shows, hour by hour.
//!
//! A pass first compares the ledger with the ids that are stored, then reads finished, unverified hours
//! again, oldest first, as many with one request as there are few events. What is not there is stored
//! and delivered. The position of a pass is committed with each page; a crash, a used-up budget or the
//! end of a run leaves a pass that goes on there.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use model::budget::Priority;
use model::ids::SourceId;
use model::job::{Lease, Outcome};
use model::point::Point;
use model::schedule::until_next_slot;
use model::status::Trouble;
use okta::Page;
use store::{BudgetKey, EventId, StoreError, Unverified, Verification, VerifyPage};
use tracing::Instrument;

use super::reader::{Reader, Unready};
use crate::context::{Context, Ran, backoff_for};
use crate::poll::{Handled, date_of, limit_after, lines_of};

/// The most hours that one request covers.
const MOST: i32 = 168;

/// A request covers no further hour once so many stored events are expected.
const EVENTS: i64 = 20_000;

/// An hour that could not be read so often in a row is left to the next pass.
const TRIES: i32 = 5;

const HOUR: TimeDelta = TimeDelta::hours(1);

/// Hours that are read with one request and those that follow its links.
struct Span {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    /// What is stored, by hour.
    stored: BTreeMap<DateTime<Utc>, i64>,
    /// What Okta has shown so far, by hour.
    shown: BTreeMap<DateTime<Utc>, i64>,
    /// The last moment shown, and how many events of it: a reading that begins anew shows them again.
    edge: Option<(DateTime<Utc>, i64)>,
    cursor: Option<String>,
    /// Everything is shown.
    over: bool,
}

/// One run of one verification.
struct Run<'a> {
    reader: Reader<'a>,
    source: SourceId,
    pass: Verification,
    period: Duration,
    limit: u32,
}

pub(crate) async fn run(context: &Context, lease: &Lease) -> Result<Ran, StoreError> {
    let source = SourceId(lease.subject);
    let next_slot = |period| Outcome::Done {
        next: until_next_slot(lease.subject, period, context.wall.now()),
    };
    let Some(tenant) = lease.tenant else {
        return Ok(next_slot(Duration::from_hours(24)).into());
    };
    let store = &context.worker.store;
    let about = store.poll_context(tenant, source).await?;
    let Some(period) = about
        .source
        .verify()
        .period()
        .filter(|_| about.source.enabled)
    else {
        // A paused source asks nothing.
        return Ok(next_slot(Duration::from_hours(24)).into());
    };
    let lease_for = context.worker.config.lease;
    let live = about.log.clone();
    let mut pass = store.verification(tenant, source).await?;
    if !pass.is_under_way() {
        let differs = store.begin_pass(&lease.fence, lease_for, &live).await?;
        for hour in &differs {
            tracing::error!(hour = %hour.hour, stored = hour.stored, ids = hour.ids, "stored events are missing; okta is asked for them");
        }
        let missing = differs.iter().map(|it| (it.stored - it.ids).max(0)).sum();
        context.metrics.missing(missing);
        pass = store.verification(tenant, source).await?;
    }
    let budget = context
        .budgets
        .open(BudgetKey::of(&about.secret.credential));
    let asks = (&budget, Priority::Verify);
    let reader = match Reader::ready(context, lease, tenant, about, asks) {
        Ok(reader) => reader,
        Err(Unready {
            trouble,
            detail,
            wait,
        }) => {
            let why = (trouble, detail.as_str());
            store
                .pass_failed(&lease.fence, lease_for, &live, why, pass.span_hours)
                .await?;
            return Ok(Outcome::Snoozed { wait }.into());
        }
    };
    let unreadable = pass.trouble() == Some(Trouble::PageMalformed);
    let run = Run {
        reader,
        source,
        pass,
        period,
        limit: limit_after(if unreadable { lease.attempt - 1 } else { 0 }),
    };
    let ran = run.run().await;
    budget.close().await?;
    Ok(ran?.into())
}

impl Run<'_> {
    async fn run(mut self) -> Result<Outcome, StoreError> {
        while let Some(mut span) = self.next_span().await? {
            let mut restarted = false;
            loop {
                let range = (span.from, span.until);
                let request = self
                    .reader
                    .request(range, span.cursor.as_deref(), self.limit);
                match self.reader.ask(&request, self.limit).await? {
                    Ok(page) => {
                        let store = &self.reader.context.worker.store;
                        store.points().reach(Point::Fetched);
                        let limit = std::mem::replace(&mut self.limit, okta::MAX_LIMIT);
                        self.compare(&mut span, &page, limit).await?;
                        if self.reader.spent() {
                            return Ok(at_once());
                        }
                        if span.over {
                            break;
                        }
                        if span.cursor.is_none() {
                            span.begin_anew();
                        }
                    }
                    Err(Handled::Smaller(limit)) => self.limit = limit,
                    Err(Handled::Restart) if !restarted && span.cursor.is_some() => {
                        restarted = true;
                        span.begin_anew();
                    }
                    Err(handled) => return self.conclude(&span, handled).await,
                }
            }
        }
        let (context, lease) = (self.reader.context, self.reader.lease);
        let lease_for = context.worker.config.lease;
        let store = &context.worker.store;
        store
            .end_pass(&lease.fence, lease_for, self.reader.tenant, self.source)
            .await?;
        let next = until_next_slot(lease.subject, self.period, context.wall.now());
        Ok(Outcome::Done { next })
    }

    /// The next hours in a row, as many as one request should cover. `None`: the pass is at its end.
    async fn next_span(&self) -> Result<Option<Span>, StoreError> {
        let store = &self.reader.context.worker.store;
        let (tenant, most) = (self.reader.tenant, self.pass.span_hours);
        let hours = store.unverified_hours(tenant, self.source, most).await?;
        Ok(Span::of(&hours, self.pass.through, self.pass.shown))
    }

    /// Compares a page and moves the pass.
    async fn compare(
        &mut self,
        span: &mut Span,
        page: &Page,
        limit: u32,
    ) -> Result<(), StoreError> {
        let (context, lease) = (self.reader.context, self.reader.lease);
        let (ndjson, events) = lines_of(page);
        // Only an empty page and one without a next link are the end, not a short one.
        let next = page.next.as_ref().filter(|_| !events.is_empty());
        span.cursor = next.map(|next| next.as_str().to_owned());
        let full = events.len() >= limit as usize;
        span.over = next.is_none() && !(page.next.is_none() && span.has_more(&events, full));
        let hours = span.take(&events);
        let (through, shown) = span.position();
        if span.over {
            self.pass.span_hours = self.pass.span_hours.saturating_mul(2).min(MOST);
        }
        let new = VerifyPage {
            fence: lease.fence,
            lease: context.worker.config.lease,
            live: &self.reader.about.log,
            ndjson: &ndjson,
            events: &events,
            date: date_of(page, context.wall.now()),
            hours: &hours,
            through,
            shown,
            span_hours: self.pass.span_hours,
        };
        let writing = context.worker.store.verify_page(&new);
        let verified = writing
            .instrument(tracing::info_span!("store.verify_page"))
            .await?;
        context.worker.store.points().reach(Point::Committed);
        (self.pass.through, self.pass.shown) = (Some(through), shown);
        if verified.found + verified.restored > 0 {
            context.due_now(&verified.lanes);
            context
                .metrics
                .stored(verified.found + verified.restored, 0);
            context.metrics.found(verified.found, verified.restored);
            tracing::warn!(
                found = verified.found,
                restored = verified.restored,
                "stored events that were not there, as a comparison with okta has shown"
            );
        }
        Ok(())
    }

    /// Writes down what the run ended with, and says when it goes on.
    async fn conclude(&mut self, span: &Span, end: Handled) -> Result<Outcome, StoreError> {
        let lease = self.reader.lease;
        let (trouble, detail) = match end {
            Handled::Busy(wait) => return Ok(Outcome::Snoozed { wait }),
            Handled::Snooze(trouble, wait, detail) => {
                self.note(trouble, &detail).await?;
                return Ok(Outcome::Snoozed { wait });
            }
            Handled::Refused(trouble, detail) => {
                let wait = self.reader.note_refused(trouble, &detail).await?;
                self.note(trouble, &detail).await?;
                return Ok(Outcome::Snoozed { wait });
            }
            Handled::Retry(trouble, detail) | Handled::Hopeless(trouble, detail) => {
                (trouble, detail)
            }
            Handled::Unreadable { detail, .. } => (Trouble::PageMalformed, detail),
            Handled::End | Handled::Yield | Handled::Smaller(_) | Handled::Restart => {
                let detail = "okta refused the position twice in a row".to_owned();
                (Trouble::OktaUnavailable, detail)
            }
        };
        // Less at once, until one hour stands alone.
        let alone = self.pass.span_hours == 1;
        self.pass.span_hours = (self.pass.span_hours / 4).max(1);
        self.note(trouble, &detail).await?;
        let of_the_hour = matches!(trouble, Trouble::PageMalformed | Trouble::OktaUnavailable);
        if alone && of_the_hour && lease.attempt >= TRIES {
            let next = span.hour() + HOUR;
            tracing::error!(hour = %span.hour(), "an hour cannot be read again and is left to the next pass: {detail}");
            let context = self.reader.context;
            let (store, lease_for) = (&context.worker.store, context.worker.config.lease);
            let live = &self.reader.about.log;
            store.skip_hour(&lease.fence, lease_for, live, next).await?;
            return Ok(at_once());
        }
        let (base, cap) = (Duration::from_secs(1), Duration::from_mins(5));
        let wait = backoff_for(lease.attempt, base, cap);
        Ok(Outcome::Failed { wait })
    }

    async fn note(&self, trouble: Trouble, detail: &str) -> Result<(), StoreError> {
        let (context, lease) = (self.reader.context, self.reader.lease);
        let lease_for = context.worker.config.lease;
        let live = &self.reader.about.log;
        let store = &context.worker.store;
        let span = self.pass.span_hours;
        store
            .pass_failed(&lease.fence, lease_for, live, (trouble, detail), span)
            .await
    }
}

impl Span {
    /// The first hours in a row, from where the pass stands in the first of them.
    fn of(hours: &[Unverified], through: Option<DateTime<Utc>>, shown: i64) -> Option<Self> {
        let first = hours.first()?.hour;
        let (mut until, mut events) = (first, 0);
        for it in hours {
            if it.hour != until || (events > 0 && events + it.stored > EVENTS) {
                break;
            }
            until += HOUR;
            events += it.stored;
        }
        let resumed = through.filter(|through| *through > first && *through < first + HOUR);
        Some(Self {
            from: resumed.unwrap_or(first),
            until,
            shown: resumed.map(|_| (first, shown)).into_iter().collect(),
            stored: hours.iter().map(|it| (it.hour, it.stored)).collect(),
            edge: None,
            cursor: None,
            over: false,
        })
    }

    /// The hour that the reading stands in.
    fn hour(&self) -> DateTime<Utc> {
        hour_of(self.position().0)
    }

    /// Everything before this is compared, and that many events of its hour.
    fn position(&self) -> (DateTime<Utc>, i64) {
        if self.over {
            return (self.until, 0);
        }
        let (at, again) = self.edge.unwrap_or((self.from, 0));
        let of_hour = self.shown.get(&hour_of(at)).copied().unwrap_or(0);
        (at, of_hour - again)
    }

    /// Whether a page without a next link must have lost it: the page is full, or less is shown than is
    /// stored. Then its newest moment is asked for once more, unless the reading began there.
    fn has_more(&self, events: &[EventId], full: bool) -> bool {
        let newest = events.iter().filter_map(|event| event.published).max();
        let Some(newest) = newest.filter(|newest| (self.from..self.until).contains(newest)) else {
            return false;
        };
        let hour = hour_of(newest);
        let stored: i64 = self.stored.range(hour..self.until).map(|it| it.1).sum();
        let of_hour = |event: &&EventId| event.published.map(hour_of) == Some(hour);
        let on_page = events.iter().filter(of_hour).count();
        let before = self.shown.get(&hour).copied().unwrap_or(0);
        let shown = before + i64::try_from(on_page).unwrap_or(i64::MAX);
        newest > self.from && (full || shown < stored)
    }

    /// Takes the events of a page; returns the hours that were shown to their end.
    fn take(&mut self, events: &[EventId]) -> Vec<(DateTime<Utc>, i64)> {
        for at in events.iter().filter_map(|event| event.published) {
            *self.shown.entry(hour_of(at)).or_default() += 1;
            self.edge = match self.edge {
                Some((edge, again)) if edge == at => Some((edge, again + 1)),
                Some((edge, again)) if edge > at => Some((edge, again)),
                _ => Some((at, 1)),
            };
        }
        let edge = match self.edge {
            _ if self.over => self.until,
            Some((edge, _)) => hour_of(edge).min(self.until),
            None => hour_of(self.from),
        };
        let mut hours = Vec::new();
        let mut hour = hour_of(self.from);
        while hour < edge {
            hours.push((hour, self.shown.remove(&hour).unwrap_or(0)));
            hour += HOUR;
        }
        // What is complete is not reported again.
        if !hours.is_empty() {
            self.from = edge;
        }
        hours
    }

    /// Reads the rest again from where it stands.
    fn begin_anew(&mut self) {
        let (at, shown) = self.position();
        self.from = at;
        self.shown = BTreeMap::from([(hour_of(at), shown)]);
        self.edge = None;
        self.cursor = None;
    }
}

fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(HOUR).unwrap_or(at)
}

/// Due again at once: a pass is under way.
fn at_once() -> Outcome {
    Outcome::Done {
        next: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-06-01T{text}Z").parse().unwrap()
    }

    fn events(times: &[&str]) -> Vec<EventId> {
        let event = |time: &&str| EventId {
            identity: [0; 16],
            content: [0; 8],
            published: Some(at(time)),
            end: 0,
        };
        times.iter().map(event).collect()
    }

    fn hours(stored: &[(&str, i64)]) -> Vec<Unverified> {
        let hour = |(time, stored): &(&str, i64)| Unverified {
            hour: at(time),
            stored: *stored,
        };
        stored.iter().map(hour).collect()
    }

    #[test]
    fn a_span_is_hours_in_a_row_with_not_too_many_events() {
        let of = |stored: &[(&str, i64)]| {
            let span = Span::of(&hours(stored), None, 0).unwrap();
            (span.from, span.until)
        };
        let (ten, noon) = (at("10:00:00"), at("12:00:00"));
        assert_eq!(
            of(&[("10:00:00", 5), ("11:00:00", 0), ("13:00:00", 1)]),
            (ten, noon)
        );
        assert_eq!(
            of(&[("10:00:00", 50_000), ("11:00:00", 1)]),
            (ten, at("11:00:00")),
            "one hour at least"
        );
        assert!(Span::of(&[], None, 0).is_none());
    }

    #[test]
    fn hours_are_complete_once_a_later_one_or_the_end_is_shown() {
        let stored = [("10:00:00", 3), ("11:00:00", 0), ("12:00:00", 2)];
        let mut span = Span::of(&hours(&stored), None, 0).unwrap();
        assert_eq!(span.take(&events(&["10:01:00", "10:59:00"])), []);
        assert_eq!(span.position(), (at("10:59:00"), 1));
        let done = span.take(&events(&["10:59:00", "12:30:00", "12:30:00"]));
        assert_eq!(done, [(at("10:00:00"), 3), (at("11:00:00"), 0)]);
        assert_eq!(span.position(), (at("12:30:00"), 0), "both may come again");
        span.over = true;
        assert_eq!(
            span.take(&events(&["12:30:00"])),
            [(at("12:00:00"), 3)],
            "none is reported twice"
        );
        assert_eq!(span.position(), (at("13:00:00"), 0));
    }

    #[test]
    fn a_reading_that_begins_anew_counts_each_event_once() {
        let stored = [("10:00:00", 9)];
        let mut span = Span::of(&hours(&stored), None, 0).unwrap();
        span.take(&events(&["10:01:00", "10:02:00", "10:03:00", "10:03:00"]));
        let (through, shown) = span.position();
        assert_eq!((through, shown), (at("10:03:00"), 2));
        let again = ["10:03:00", "10:03:00", "10:04:00"];

        span.begin_anew();
        span.over = true;
        assert_eq!(span.take(&events(&again)), [(at("10:00:00"), 5)]);
        let mut resumed = Span::of(&hours(&stored), Some(through), shown).unwrap();
        assert_eq!(resumed.from, through);
        resumed.over = true;
        assert_eq!(resumed.take(&events(&again)), [(at("10:00:00"), 5)]);
    }
}
