//! Events that are hard to carry, in between ordinary ones: odd tokens, odd text, no text at all, and sizes
//! on both sides of every limit that a destination is known to have.

use okta_sim::Generator;

/// One event in so many is hostile, and one hostile event in so many is large: the large ones are most
/// of the bytes as it is.
const HOSTILE: usize = 10;
const LARGE: usize = 10;

/// A destination's limit of the longest entry, and the size from which on it refuses one.
const LONGEST: usize = 32_767;
const REFUSED: usize = 65_536;

/// The first `count` events of a seed, as an org would show them, mean about 2.5 kB. The first of each
/// kind comes early: 1,000 hold every kind. Some repeat an earlier event byte for byte.
pub fn events(count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut generator = Generator::new(seed);
    let mut events: Vec<Vec<u8>> = Vec::with_capacity(count);
    for n in 0..count {
        let at = okta_sim::base_time() + std::time::Duration::from_millis(n as u64);
        let ordinary = generator.event(at);
        let event = match n % HOSTILE {
            0 if n > 0 => {
                let turn = n / HOSTILE;
                if turn.is_multiple_of(LARGE) {
                    large(&ordinary, turn / LARGE)
                } else {
                    let earlier = events.get(n / 2).cloned();
                    small(&ordinary, turn, n, earlier.unwrap_or_default())
                }
            }
            _ => ordinary,
        };
        events.push(event);
    }
    events
}

/// What is stored of an event: a line break between tokens becomes a blank, the only change ever made.
pub fn stored(event: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| match byte {
        b'\r' | b'\n' => b' ',
        other => *other,
    };
    event.iter().map(blank).collect()
}

/// An event of an ordinary size that is hard in one way.
fn small(ordinary: &[u8], turn: usize, n: usize, earlier: Vec<u8>) -> Vec<u8> {
    match turn % 18 {
        0 => with(
            ordinary,
            ",\"x\":\"\u{2028}\u{2029}\u{0}é 💣 \u{feff}\"".replace('\0', "\\u0000"),
        ),
        1 => with(ordinary, r#","x":"\ud800 \udfff \u2028 \" \\ \/ \n\r\t""#),
        2 => with(
            ordinary,
            r#","x":1,"x":2,"uuid":"another","eventType":null"#,
        ),
        3 => with(
            ordinary,
            r#","x":[1e400,-0,1E-9,123456789012345678901234567890,0.10]"#,
        ),
        4 => with(ordinary, ",\r\n\t\"x\" :\n[ ] , \"y\"\r:\r\nnull\n"),
        5 => with(
            ordinary,
            format!(",\"x\":{}1{}", "[".repeat(2_000), "]".repeat(2_000)),
        ),
        6 => with(
            ordinary,
            r#","_truncated":true,"_original_bytes":1,"_sha256":"none""#,
        ),
        7 => with(
            ordinary,
            ",\"\u{7f}\":\"\u{85}\",\"\":{},\"a.b\":{\"\":\"\"}",
        ),
        // Its identity is a hash of its bytes.
        8 => format!(r#"{{"eventType":"neither.uuid.nor.published","n":{n}}}"#).into_bytes(),
        9 => format!(r#"{{"uuid":{n},"published":"soon"}}"#).into_bytes(),
        10 => format!(r#"{{"uuid":"undated-{n}"}}"#).into_bytes(),
        11 => format!(r#"{{"n":{n},"published":"1969-12-31T23:59:60Z"}}"#).into_bytes(),
        12 => earlier,
        // The same uuid, other content: both are kept.
        13 => with(&earlier, format!(",\"again\":{n}")),
        14 => with_bytes(ordinary, b",\"x\":\"\xff\""),
        15 => with_bytes(ordinary, b",\"x\":\"cut \xf0\x9f\x92\""),
        // Half of a surrogate pair, as some encoders write it.
        16 => with_bytes(ordinary, b",\"x\":\"\xed\xa0\x80\""),
        _ => with_bytes(ordinary, b",\"\xc3\x28\":1,\"overlong\":\"\xc0\xaf\""),
    }
}

/// An event of a size that a limit is about.
fn large(ordinary: &[u8], turn: usize) -> Vec<u8> {
    match turn % 10 {
        0 => padded(ordinary, LONGEST, "x"),
        1 => padded(ordinary, LONGEST + 1, "x"),
        // Whatever is cut off at a limit tears a character.
        2 => padded(ordinary, LONGEST + 2, "€"),
        3 => padded(ordinary, LONGEST, "💣"),
        4 => padded(ordinary, REFUSED - 1, "x"),
        5 => padded(ordinary, REFUSED, "\\\""),
        6 => with(
            ordinary,
            format!(
                ",\"debugContext\":{{\"debugData\":{{\"long\":\"{}\",\"short\":\"kept\"}}}}",
                "d".repeat(200_000)
            ),
        ),
        7 => with(
            ordinary,
            format!(",\"x\":{}1{}", "{\"a\":[".repeat(9_000), "]}".repeat(9_000)),
        ),
        8 => {
            let target = format!(
                "{{\"id\":\"00u\",\"detailEntry\":{{\"policy\":\"{}\"}}}}",
                "p".repeat(900)
            );
            with(
                ordinary,
                format!(",\"target\":[{}]", vec![target; 60].join(",")),
            )
        }
        _ => {
            let long = "z".repeat(60_000);
            with_bytes(
                ordinary,
                format!(",\"x\":\"{long}")
                    .as_bytes()
                    .iter()
                    .copied()
                    .chain(*b"\xff\"")
                    .collect::<Vec<_>>(),
            )
        }
    }
}

/// The object with further members.
fn with(object: &[u8], members: impl AsRef<str>) -> Vec<u8> {
    with_bytes(object, members.as_ref().as_bytes())
}

fn with_bytes(object: &[u8], members: impl AsRef<[u8]>) -> Vec<u8> {
    let open = object.strip_suffix(b"}").unwrap_or(object);
    [open, members.as_ref(), b"}"].concat()
}

/// The object filled up to exactly `size` bytes, with as many of `filling` as fit.
fn padded(object: &[u8], size: usize, filling: &str) -> Vec<u8> {
    let frame = ",\"pad\":\"\"".len();
    let room = size.saturating_sub(object.len() + frame);
    let mut pad = filling.repeat(room / filling.len());
    pad.push_str(&"x".repeat(room % filling.len()));
    with(object, format!(",\"pad\":\"{pad}\""))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_thousand_events_hold_every_kind_and_the_org_takes_them() {
        let events = events(1_000, 1);
        okta_sim::Events::from_lines(&events).unwrap();
        let sizes: HashSet<usize> = events.iter().map(Vec::len).collect();
        for size in [LONGEST, LONGEST + 1, LONGEST + 2, REFUSED - 1, REFUSED] {
            assert!(sizes.contains(&size), "{size}");
        }
        let garbled = events.iter().filter(|event| str::from_utf8(event).is_err());
        assert!(garbled.count() >= 4 * 4, "every kind of broken text");
        let different: HashSet<&Vec<u8>> = events.iter().collect();
        assert!(different.len() < events.len(), "some come again");
        assert!(events.iter().any(|event| stored(event) != *event));
    }

    #[test]
    fn the_same_seed_makes_the_same_events() {
        assert_eq!(events(300, 7), events(300, 7));
        assert_ne!(events(300, 7), events(300, 8));
    }
}
