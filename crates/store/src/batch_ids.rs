//! Who is stored: per batch the identities and content hashes of its events, with their range of
//! `published`. Uniqueness within a source is decided here, under the lock of its live log.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Binary, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::batches::{NewBatch, hour_runs};
use crate::error::StoreError;
use crate::intake::Intake;
use crate::logs::Log;
use crate::page::{EventId, part_of};
use crate::sql::sql_query;

const IDENTITY: usize = 16;
const ENTRY: usize = 24;

/// How a row's events are found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Dated,
    Ahead,
    Undated,
}

impl Part {
    const ALL: [Self; 3] = [Self::Dated, Self::Ahead, Self::Undated];

    fn as_str(self) -> &'static str {
        match self {
            Self::Dated => "dated",
            Self::Ahead => "ahead",
            Self::Undated => "undated",
        }
    }
}

#[derive(QueryableByName)]
struct Ids {
    #[diesel(sql_type = Binary)]
    ids: Vec<u8>,
}

/// Contents by identity.
pub(crate) type Known = HashMap<[u8; 16], Vec<[u8; 8]>>;

/// What is stored of the source in the ranges that a page covers. `log` is the live one.
pub(crate) async fn overlapping(
    conn: &mut AsyncPgConnection,
    log: &Log,
    page: &Intake<'_>,
) -> Result<Known, StoreError> {
    let mut known = Known::new();
    for part in Part::ALL {
        let events = page
            .events
            .iter()
            .filter(|event| part_of(event, page.date) == part);
        let Some((first, last)) = range(events) else {
            continue;
        };
        let rows: Vec<Ids> = match first.zip(last) {
            Some((first, last)) => {
                // The day stands in the text, so that the planner prunes partitions and locks few.
                let day = first_day(log, part, first);
                sql_query(format!(
                    "SELECT ids FROM batch_ids WHERE tenant_id = $1 AND source_id = $2 AND day >= DATE '{day}' \
                     AND last_published >= $3 AND first_published <= $4"
                ))
                .bind::<SqlUuid, _>(log.tenant_id)
                .bind::<SqlUuid, _>(log.source_id)
                .bind::<Timestamptz, _>(first)
                .bind::<Timestamptz, _>(last)
                .load(conn)
                .await?
            }
            None => {
                sql_query(format!(
                    "SELECT ids FROM batch_ids WHERE tenant_id = $1 AND source_id = $2 AND day >= DATE '{}' AND part = 'undated'",
                    log.first_day
                ))
                .bind::<SqlUuid, _>(log.tenant_id)
                .bind::<SqlUuid, _>(log.source_id)
                .load(conn)
                .await?
            }
        };
        for row in rows {
            learn(&mut known, &row.ids);
        }
    }
    Ok(known)
}

/// Earliest day on which an event of this range can have been stored: the day before it was
/// published (clocks differ), earlier by as much as events of this source are dated ahead.
fn first_day(log: &Log, part: Part, first: DateTime<Utc>) -> NaiveDate {
    let slack = Days::new(1 + u64::try_from(log.ahead_days).unwrap_or(0));
    match part {
        Part::Dated => first
            .date_naive()
            .checked_sub_days(slack)
            .unwrap_or(log.first_day)
            .max(log.first_day),
        Part::Ahead | Part::Undated => log.first_day,
    }
}

/// Smallest and largest `published`; `None` without events, `(None, None)` for undated ones.
#[expect(
    clippy::type_complexity,
    reason = "three cases, named in the line above"
)]
fn range<'a>(
    events: impl Iterator<Item = &'a EventId>,
) -> Option<(Option<DateTime<Utc>>, Option<DateTime<Utc>>)> {
    events
        .map(|event| event.published)
        .fold(None, |range, at| match range {
            None => Some((at, at)),
            Some((first, last)) => Some((first.min(at), last.max(at))),
        })
}

fn learn(known: &mut Known, ids: &[u8]) {
    let (entries, _) = ids.as_chunks::<ENTRY>();
    for entry in entries {
        if let (Some(identity), Some(content)) =
            (entry.first_chunk::<IDENTITY>(), entry.last_chunk::<8>())
        {
            known.entry(*identity).or_default().push(*content);
        }
    }
}

/// Notes the events of a new batch: one row per part.
pub(crate) async fn insert(
    conn: &mut AsyncPgConnection,
    batch: &NewBatch<'_>,
    date: DateTime<Utc>,
) -> Result<(), StoreError> {
    let log = batch.log;
    for part in Part::ALL {
        let events = batch.events.iter();
        let of_part = || {
            let of_part = |event: &&EventId| part_of(event, date) == part;
            events.clone().filter(of_part)
        };
        let Some((first, last)) = range(of_part()) else {
            continue;
        };
        let mut ids = Vec::with_capacity(of_part().count() * ENTRY);
        for event in of_part() {
            ids.extend_from_slice(&event.identity);
            ids.extend_from_slice(&event.content);
        }
        sql_query(
            "INSERT INTO batch_ids (tenant_id, source_id, day, log_id, number, part, first_published, last_published, ids, hours) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind::<SqlUuid, _>(log.tenant_id)
        .bind::<SqlUuid, _>(log.source_id)
        .bind::<Date, _>(batch.day)
        .bind::<SqlUuid, _>(log.id)
        .bind::<BigInt, _>(log.next_number)
        .bind::<Text, _>(part.as_str())
        .bind::<Nullable<Timestamptz>, _>(first)
        .bind::<Nullable<Timestamptz>, _>(last)
        .bind::<Binary, _>(&ids)
        .bind::<Array<Integer>, _>(hour_runs(of_part(), batch.received_at))
        .execute(conn)
        .await?;
    }
    Ok(())
}
