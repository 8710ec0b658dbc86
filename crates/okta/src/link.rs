//! `Link` headers, and the one change ever made to a next link: its `limit`.

use model::cursor::Cursor;
use reqwest::header::{HeaderMap, LINK};

/// The link whose relation is `next`, byte for byte; of several the first.
pub(crate) fn next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).into_iter().find_map(|line| {
        let line = std::str::from_utf8(line.as_bytes()).ok()?;
        next_in_line(line).map(str::to_owned)
    })
}

fn next_in_line(mut line: &str) -> Option<&str> {
    loop {
        let (_, rest) = line.split_once('<')?;
        let (url, rest) = rest.split_once('>')?;
        let end = rest.find(outside_quotes(',')).unwrap_or(rest.len());
        let (parameters, rest) = rest.split_at_checked(end)?;
        if is_next(parameters) {
            return Some(url.trim());
        }
        line = rest;
    }
}

/// Whether `; rel="next"` is among the parameters; the first semicolon may be missing.
fn is_next(parameters: &str) -> bool {
    parameters.split(outside_quotes(';')).any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else {
            return false;
        };
        let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
        name.trim().eq_ignore_ascii_case("rel") && relations.any(|r| r.eq_ignore_ascii_case("next"))
    })
}

/// Finds a separator in a text that is looked through from its start.
fn outside_quotes(separator: char) -> impl FnMut(char) -> bool {
    let mut quoted = false;
    move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    }
}

/// The cursor with another `limit`; all other bytes of the link stay as they are.
///
/// A link without a `limit` gets one at the end of its query.
pub(crate) fn with_limit(cursor: &Cursor, limit: u32) -> Cursor {
    let (link, fragment) = match cursor.as_str().split_once('#') {
        Some((link, fragment)) => (link, format!("#{fragment}")),
        None => (cursor.as_str(), String::new()),
    };
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    let mut found = false;
    let mut pairs: Vec<String> = Vec::new();
    for pair in query.split('&') {
        let is_limit = pair
            .split_once('=')
            .is_some_and(|(name, _)| name == "limit");
        pairs.push(if is_limit {
            format!("limit={limit}")
        } else {
            pair.to_owned()
        });
        found |= is_limit;
    }
    if !found {
        pairs.retain(|pair| !pair.is_empty());
        pairs.push(format!("limit={limit}"));
    }
    Cursor::new(format!("{path}?{}{fragment}", pairs.join("&")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LINK, line.parse().unwrap());
        }
        next(&headers)
    }

    #[test]
    fn the_next_link_is_found_however_it_is_written() {
        let link = "https://acme.okta.com/api/v1/logs?q=a,b;c&after=1_1";
        let me = "<https://acme.okta.com/api/v1/logs?q=a,b;c>; rel=\"self\"";
        let next = format!("<{link}>; rel=\"next\"");
        let table = [
            vec![me.to_owned(), next.clone()],
            vec![next.clone(), me.to_owned()],
            vec![format!("{me}, {next}")],
            vec![format!("{next},{me}")],
            vec![format!("{me} , , {next},")],
            vec![format!("<{link}> rel=\"next\"")],
            vec![format!("<{link}>;REL=Next")],
            vec![format!("<{link}>; title=\"a, rel=x\"; rel=\"last next\"")],
            vec![format!("< {link} > ; rel = \"next\"")],
        ];
        for lines in table {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert_eq!(read(&lines).as_deref(), Some(link), "{lines:?}");
        }
    }

    #[test]
    fn a_missing_next_link_is_none() {
        for line in [
            "<https://a/b>; rel=\"self\"",
            "<https://a/b>",
            "<https://a/b>; rel=\"nextish\"",
            "<https://a/b; rel=\"next\"",
            "https://a/b; rel=\"next\"",
            "<https://a/b>; title=\"a; rel=next\"",
            "<https://a/b>; x=\", <https://a/c>; rel=next",
            "",
        ] {
            assert_eq!(read(&[line]), None, "{line}");
        }
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn only_the_limit_of_a_link_is_rewritten() {
        let table = [
            (
                "https://a/l?since=2020-08-10T00%3A00&limit=1000&after=1_1",
                "https://a/l?since=2020-08-10T00%3A00&limit=7&after=1_1",
            ),
            ("https://a/l?limit=5", "https://a/l?limit=7"),
            ("https://a/l?limit=", "https://a/l?limit=7"),
            (
                "https://a/l?limit=1&x=%2b+&&limit=2&",
                "https://a/l?limit=7&x=%2b+&&limit=7&",
            ),
            (
                "https://a/l?xlimit=5&q=limit",
                "https://a/l?xlimit=5&q=limit&limit=7",
            ),
            ("https://a/l", "https://a/l?limit=7"),
            ("https://a/l?", "https://a/l?limit=7"),
            (
                "https://a/l?q=a?b&limit=9#f?limit=1",
                "https://a/l?q=a?b&limit=7#f?limit=1",
            ),
        ];
        for (link, wanted) in table {
            assert_eq!(with_limit(&Cursor::new(link), 7).as_str(), wanted);
        }
    }

    proptest! {
        #[test]
        fn setting_a_limit_back_gives_the_link_back(
            before in "[!-~&&[^#]]{0,30}", after in "(&[!-~&&[^#]]{0,30})?", limit in 1_u32..=1000,
        ) {
            let link = Cursor::new(format!("https://a/l?{before}&limit=1000{after}"));
            prop_assume!(!before.contains("limit=") && !after.contains("limit="));
            let smaller = with_limit(&link, limit);
            prop_assert_eq!(with_limit(&smaller, 1000), link);
        }

        #[test]
        fn any_header_is_read_without_panic(line in "[ -~]{0,60}|[<>;,\"= relnxt]{0,30}") {
            read(&[&line]);
        }
    }
}
