//! Which stored events the next delivery batch holds, and their bytes.

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, NaiveDate, Utc};
use forward::{Batch as Delivery, Events, Limits, Rendering, Stamp};
use model::ids::TenantId;
use store::{Batch, BatchHead, Flight, Position, StoreError};

use crate::context::Context;

/// Stored batches looked at for one delivery batch.
const LOOK: i64 = 64;

/// Where an event stands: its batch's day and number, its place in it, and its ledger hour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) day: NaiveDate,
    pub(super) number: i64,
    pub(super) index: i32,
    pub(super) hour: DateTime<Utc>,
}

/// A delivery batch, loaded.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) batch: Delivery,
    pub(super) flight: Flight,
    /// One for each event.
    pub(super) places: Vec<Place>,
    /// The position behind all of them.
    pub(super) end: (NaiveDate, i64, i32),
    /// The events as stored, before rendering.
    pub(super) raw: Events,
}

pub(super) enum Load {
    Batch(Box<Planned>),
    Nothing,
    Unreadable(String),
}

/// Loads the delivery batch in flight, or plans the next one.
pub(super) async fn load(
    context: &Context,
    tenant: TenantId,
    position: &Position,
    limits: Limits,
    rendering: &Rendering,
) -> Result<Load, StoreError> {
    let store = &context.worker.store;
    let flight = position.flight();
    let last = if let Some(flight) = &flight {
        if flight.index == 0 {
            flight.number - 1
        } else {
            flight.number
        }
    } else {
        let heads = store
            .batch_heads(tenant, position.log(), position.day, position.number, LOOK)
            .await?;
        let Some(last) = last_of(&heads, position.index, limits) else {
            return Ok(Load::Nothing);
        };
        last
    };
    let batches = match store
        .batches(tenant, position.log(), position.day, position.number, last)
        .await
    {
        Ok(batches) => batches,
        Err(StoreError::Corrupt(detail)) => return Ok(Load::Unreadable(detail)),
        Err(error) => return Err(error),
    };
    if let Some(missing) = first_missing(&batches, position.number, last) {
        // Never delivered around: that would be a silent gap.
        return Ok(Load::Unreadable(format!(
            "batch {missing} of log {} is missing",
            position.log()
        )));
    }
    Ok(build(position, &batches, limits, flight, rendering))
}

/// The last batch that fits with those before it; the first always does.
fn last_of(heads: &[BatchHead], index: i32, limits: Limits) -> Option<i64> {
    let mut events = -i64::from(index);
    let mut bytes = 0;
    let mut last = None;
    for head in heads {
        events += i64::from(head.events);
        bytes += i64::from(head.bytes);
        let fits = usize::try_from(events).unwrap_or(0) <= limits.max_events
            && usize::try_from(bytes).unwrap_or(0) <= limits.max_bytes;
        if last.is_some() && !fits {
            break;
        }
        last = Some(head.number);
    }
    last
}

fn first_missing(batches: &[Batch], from: i64, to: i64) -> Option<i64> {
    let mut expected = from..=to;
    batches
        .iter()
        .find_map(|batch| {
            expected
                .next()
                .filter(|number| *number != batch.head.number)
        })
        .or_else(|| expected.next())
}

fn build(
    position: &Position,
    batches: &[Batch],
    limits: Limits,
    flight: Option<Flight>,
    rendering: &Rendering,
) -> Load {
    let rendering = match &flight {
        None => rendering.clone(),
        Some(Flight { format, .. }) => match Rendering::from_text(format) {
            Some(rendering) => rendering,
            None => {
                return Load::Unreadable(format!(
                    "the format {format:?} of the batch in flight is not known to this version"
                ));
            }
        },
    };
    let mut places = places(batches, position, flight.as_ref());
    let skipped = usize::try_from(position.index).unwrap_or(0);
    let all = Events::from_lines(joined(batches));
    let mut raw = all.slice(skipped..skipped + places.len());
    if raw.len() != places.len() {
        return Load::Unreadable(format!(
            "batch {} holds another number of events than it says",
            position.number
        ));
    }
    if flight.is_none() {
        let fitting = fitting(&raw, limits);
        raw = raw.slice(0..fitting);
        places.truncate(fitting);
    }
    let Some(end) = end_of(&places, batches) else {
        return Load::Nothing;
    };
    let flight = flight.unwrap_or_else(|| Flight {
        number: end.1,
        index: end.2,
        format: rendering.to_text(),
    });
    let events = rendering.render(&raw, stamps(position, &places, batches));
    let batch = Delivery {
        key: key(position, end, &flight.format),
        events,
    };
    Load::Batch(Box::new(Planned {
        batch,
        flight,
        places,
        end,
        raw,
    }))
}

/// The idempotency key: as long as range and rendering are the same, so are the bytes. The rendering
/// may hold any text, so it goes in as a hash.
fn key(position: &Position, end: (NaiveDate, i64, i32), rendering: &str) -> String {
    format!(
        "{}-{}-{}-{}-{}-{:016x}",
        position.log(),
        position.number,
        position.index,
        end.1,
        end.2,
        xxhash_rust::xxh3::xxh3_64(rendering.as_bytes())
    )
}

/// Where each event is stored.
fn stamps(position: &Position, places: &[Place], batches: &[Batch]) -> impl Iterator<Item = Stamp> {
    let log_id = position.log().0;
    let mut batches = batches.iter().peekable();
    places.iter().filter_map(move |place| {
        while batches
            .next_if(|batch| batch.head.number < place.number)
            .is_some()
        {}
        let batch = batches.peek()?;
        Some(Stamp {
            log_id,
            batch: place.number,
            collected_at: batch.received_at,
        })
    })
}

/// The places of the events from the position to the end of the flight.
fn places(batches: &[Batch], position: &Position, flight: Option<&Flight>) -> Vec<Place> {
    let before_end = |place: &Place| {
        flight.is_none_or(|flight| (place.number, place.index) < (flight.number, flight.index))
    };
    batches
        .iter()
        .flat_map(|batch| {
            batch.hours().zip(0i32..).map(|(hour, index)| Place {
                day: batch.head.day,
                number: batch.head.number,
                index,
                hour,
            })
        })
        .filter(|place| (place.number, place.index) >= (position.number, position.index))
        .filter(before_end)
        .collect()
}

fn joined(batches: &[Batch]) -> Bytes {
    match batches {
        [one] => one.ndjson.clone(),
        many => {
            let mut all =
                BytesMut::with_capacity(many.iter().map(|batch| batch.ndjson.len()).sum());
            for batch in many {
                all.extend_from_slice(&batch.ndjson);
            }
            all.freeze()
        }
    }
}

/// How many of the first events fit; at least one.
fn fitting(events: &Events, limits: Limits) -> usize {
    let mut bytes = 0;
    let fit = events
        .iter()
        .take(limits.max_events)
        .take_while(|event| {
            bytes += event.len();
            bytes <= limits.max_bytes
        })
        .count();
    fit.max(1).min(events.len())
}

/// The position behind the last place: within its batch, or at the next one.
fn end_of(places: &[Place], batches: &[Batch]) -> Option<(NaiveDate, i64, i32)> {
    let last = places.last()?;
    let events = batches
        .iter()
        .find(|batch| batch.head.number == last.number)
        .map_or(0, |batch| batch.head.events);
    Some(behind(last, events))
}

/// The position behind an event of a batch with so many events.
pub(super) fn behind(place: &Place, events: i32) -> (NaiveDate, i64, i32) {
    if place.index + 1 < events {
        (place.day, place.number, place.index + 1)
    } else {
        (place.day, place.number + 1, 0)
    }
}
