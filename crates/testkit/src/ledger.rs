//! Compares what was published with what arrived in a file: the judge of fault tests.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What became of the published events; numbers are places in the published list, from 0.
///
/// An event that was published twice, byte for byte, counts as one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Distinct events that were published.
    pub published: usize,
    /// Lines in the output.
    pub delivered: usize,
    /// Events that are not in the output.
    pub lost: Vec<usize>,
    /// Events that are in the output again, once for each time too many.
    pub doubled: Vec<usize>,
    /// Events whose first time in the output is after that of an event published later.
    pub out_of_order: Vec<usize>,
    /// Lines, from 0, that are no published event: their bytes were changed.
    pub altered: Vec<usize>,
    /// Whether the last line lacks its line feed.
    pub torn: bool,
}

impl Comparison {
    /// Says whether every event arrived once, unaltered and in order.
    pub fn is_perfect(&self) -> bool {
        self.is_complete() && self.doubled.is_empty()
    }

    /// Says whether every event arrived at least once, unaltered and in order.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty()
            && self.altered.is_empty()
            && self.out_of_order.is_empty()
            && !self.torn
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "published {} delivered {}",
            self.published, self.delivered
        )?;
        let faults = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("out of order", &self.out_of_order),
            ("altered lines", &self.altered),
        ];
        for (name, places) in faults {
            if let Some(first) = places.first() {
                write!(f, ", {name} {} (first {first})", places.len())?;
            }
        }
        if self.torn {
            f.write_str(", last line torn")
        } else {
            Ok(())
        }
    }
}

/// Compares published events with a file that has one event a line.
///
/// # Panics
/// If the file cannot be read.
pub fn compare<B: AsRef<[u8]>>(published: &[B], output: &Path) -> Comparison {
    let mut places = HashMap::with_capacity(published.len());
    let mut distinct = Vec::with_capacity(published.len());
    for (place, event) in published.iter().enumerate() {
        places.entry(event.as_ref()).or_insert_with(|| {
            distinct.push(place);
            (place, false)
        });
    }
    let mut result = Comparison {
        published: distinct.len(),
        ..Comparison::default()
    };

    let mut file = BufReader::new(File::open(output).expect("the output can be opened"));
    let mut line = Vec::new();
    let mut newest = 0;
    while file
        .read_until(b'\n', &mut line)
        .expect("the output can be read")
        > 0
    {
        result.torn = line.pop_if(|last| *last == b'\n').is_none();
        match places.get_mut(line.as_slice()) {
            None => result.altered.push(result.delivered),
            Some((place, true)) => result.doubled.push(*place),
            Some((place, arrived)) => {
                *arrived = true;
                if *place < newest {
                    result.out_of_order.push(*place);
                }
                newest = newest.max(*place);
            }
        }
        result.delivered += 1;
        line.clear();
    }
    let arrived = |place: &usize| {
        published
            .get(*place)
            .and_then(|event| places.get(event.as_ref()))
            .is_some_and(|it| it.1)
    };
    result.lost = distinct
        .into_iter()
        .filter(|place| !arrived(place))
        .collect();
    result
}
