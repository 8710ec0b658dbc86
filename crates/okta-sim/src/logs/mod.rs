//! `GET /api/v1/logs`: the System Log, as polling and as bounded queries see it.

mod cursor;
mod keywords;
mod links;
mod page;
mod query;

use bytes::Bytes;

use crate::config::OrgConfig;
use crate::faults::{Fault, Scope, Stage};
use crate::limits::RateHeaders;
use crate::org::State;
use crate::respond::{Answer, Content};
use crate::route::{self, Call, Outcome};

use page::Page;
use query::Query;

pub(crate) use query::raw_value;

/// Answers an admitted request.
pub(crate) fn answer(
    state: &mut State,
    org: &OrgConfig,
    call: &Call,
    rate: RateHeaders,
) -> Outcome {
    let wanted = Query::parse(&call.query, org, call.now_ms)
        .and_then(|query| Ok((page::select(&mut state.log, &query, call.now_ms)?, query)));
    let (mut page, mut query) = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            let scope = Scope {
                has_after: call.query.contains("after="),
                ..Scope::path(route::LOGS)
            };
            return route::refusal(state, &scope, Some(rate), call.now_ms).unwrap_or_else(|| {
                Outcome::from(Answer::error(&error, Some(rate), &mut state.rng))
            });
        }
    };
    if let Some(Fault::ShortPage(size)) = state.faults.take(Stage::Size, &scope(&query, &page)) {
        query.limit = query.limit.min(size);
        match page::select(&mut state.log, &query, call.now_ms) {
            Ok(short) => page = short,
            Err(error) => {
                return Outcome::from(Answer::error(&error, Some(rate), &mut state.rng));
            }
        }
    }
    if let Some(refused) = route::refusal(state, &scope(&query, &page), Some(rate), call.now_ms) {
        return refused;
    }
    let spoiled = state.faults.take(Stage::Page, &scope(&query, &page));
    let transport = state.faults.take(Stage::Body, &scope(&query, &page));
    let faults = [spoiled.as_ref(), transport.as_ref()];
    note_progress(state, &page, query.after.is_some(), faults);

    let origin = match &spoiled {
        Some(Fault::ForeignNextLink(origin)) => origin,
        _ => &call.origin,
    };
    let next = page
        .next
        .as_ref()
        .filter(|_| spoiled != Some(Fault::NoNextLink))
        .map(|next| links::next(origin, &query, next));
    let own = links::own(&call.origin, &query);
    let events: Vec<Bytes> = page
        .indices
        .iter()
        .filter_map(|&index| state.log.bytes(index))
        .collect();
    Outcome::from(Answer {
        events: events.len(),
        links: std::iter::once(own).chain(next).collect(),
        transport,
        hold: state.faults.release(),
        ..Answer::new(content(state, &page, events, spoiled), Some(rate))
    })
}

fn scope<'a>(query: &Query, page: &'a Page) -> Scope<'a> {
    Scope {
        path: route::LOGS,
        has_after: query.after.is_some(),
        cursor: page
            .polled
            .as_ref()
            .filter(|_| query.after.is_some())
            .map(|polled| polled.asked),
        page: &page.indices,
    }
}

/// A cursor proves that its holder has read what lies before it; a mere `since` proves nothing, or a
/// probe that asks for events from now on would make the log look read.
fn note_progress(state: &mut State, page: &Page, has_after: bool, faults: [Option<&Fault>; 2]) {
    let Some(polled) = &page.polled else { return };
    let progress = &mut state.progress;
    let empty = page.indices.is_empty();
    if has_after {
        progress.furthest = progress.furthest.max(polled.asked);
    }
    if faults.into_iter().flatten().any(Fault::spoils) {
        return;
    }
    if has_after || !empty {
        progress.furthest = progress.furthest.max(polled.end);
    }
    progress.head = empty && polled.asked <= progress.furthest;
}

/// A polling page that was compressed beforehand.
fn rendered(state: &State, page: &Page) -> Option<Bytes> {
    page.polled.as_ref()?;
    let (first, last) = (*page.indices.first()?, *page.indices.last()?);
    let unbroken = last - first + 1 == page.indices.len();
    let key = (first, page.indices.len());
    state.rendered.get(&key).filter(|_| unbroken).cloned()
}

/// What is sent instead of, or as, the page.
fn content(state: &State, page: &Page, events: Vec<Bytes>, spoiled: Option<Fault>) -> Content {
    match spoiled {
        Some(Fault::TruncatedPage) => {
            let whole = Content::Page(events).bytes();
            // At least the closing bracket is lost.
            Content::Json(whole.slice(..whole.len().saturating_sub(1) * 3 / 4))
        }
        Some(Fault::ObjectPage) => Content::Json(Bytes::from_static(br#"{"events":[]}"#)),
        Some(Fault::GarbagePage) => Content::Json(Bytes::from_static(b"\x00\xff<not json>")),
        Some(Fault::RawPage(bytes)) => Content::Json(bytes),
        _ => match rendered(state, page) {
            Some(compressed) => Content::Rendered(compressed, events),
            None => Content::Page(events),
        },
    }
}
