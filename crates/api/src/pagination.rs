//! Pages of lists: `limit` and an opaque cursor.
//!
//! A cursor names its list, filters included, and the key of the last item; it is no secret and
//! stays valid while things come and go.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use utoipa::IntoParams;

use crate::problem::{Kind, Problem};
use crate::query::Query;

const DEFAULT: usize = 50;
const MOST: usize = 200;

/// The parameters of every list, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what Page::of reads")]
pub(crate) struct PageParams {
    /// How many items at most
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before
    #[param(nullable = false)]
    cursor: Option<String>,
}

/// The page that is asked for.
#[derive(Debug)]
pub(crate) struct Page {
    list: String,
    limit: usize,
    after: Option<String>,
}

impl Page {
    /// Reads what is asked for. `list` names the list and its filters.
    pub(crate) fn of(query: &Query, list: impl Into<String>) -> Result<Self, Problem> {
        let wanted = format!("a number from 1 to {MOST}");
        let limit = query.get("limit", &wanted)?.unwrap_or(DEFAULT);
        if !(1..=MOST).contains(&limit) {
            let detail = format!("limit must be {wanted}");
            return Err(Problem::parameter(
                Kind::InvalidQuery,
                "limit",
                "invalid_value",
                detail,
            ));
        }
        let mut page = Self {
            list: list.into(),
            limit,
            after: None,
        };
        if let Some(cursor) = query.get::<String>("cursor", "a cursor")? {
            page.after = Some(page.open(&cursor).ok_or_else(not_valid)?);
        }
        Ok(page)
    }

    /// The key of the last item of the page before.
    pub(crate) fn after<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        let key = self.after.as_deref().map(str::parse).transpose();
        key.map_err(|_| not_valid())
    }

    /// How many items to fetch: one more than asked for, to know whether there are more.
    pub(crate) fn fetch(&self) -> i64 {
        i64::try_from(self.limit)
            .unwrap_or(i64::MAX)
            .saturating_add(1)
    }

    /// The items of the page, and the cursor of the next one if there is one.
    pub(crate) fn cut<T>(
        &self,
        mut items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let next = items
            .last()
            .filter(|_| more)
            .map(|item| self.seal(&key(item)));
        (items, next)
    }

    fn seal(&self, key: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("1\n{}\n{key}", self.list))
    }

    fn open(&self, cursor: &str) -> Option<String> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let key = text.strip_prefix("1\n")?.strip_prefix(self.list.as_str())?;
        key.strip_prefix('\n').map(str::to_owned)
    }
}

fn not_valid() -> Problem {
    let detail = "the cursor does not belong to this list; begin without one";
    Problem::parameter(Kind::InvalidCursor, "cursor", "invalid_cursor", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(list: &str, limit: usize) -> Page {
        Page {
            list: list.to_owned(),
            limit,
            after: None,
        }
    }

    #[test]
    fn a_cursor_opens_in_its_own_list_only() {
        let cursor = page("routes of 1", 1).seal("7");
        assert_eq!(page("routes of 1", 1).open(&cursor).as_deref(), Some("7"));
        assert_eq!(page("routes of 12", 1).open(&cursor), None);
        assert_eq!(page("routes", 1).open(&cursor), None);
        assert_eq!(page("routes of 1", 1).open("!"), None);
    }

    #[test]
    fn only_a_page_with_more_behind_it_has_a_cursor() {
        let page = page("x", 2);
        assert_eq!(page.fetch(), 3);
        assert_eq!(
            page.cut(vec![1, 2], ToString::to_string),
            (vec![1, 2], None)
        );
        let (items, next) = page.cut(vec![1, 2, 3], ToString::to_string);
        assert_eq!(items, [1, 2]);
        assert_eq!(page.open(&next.unwrap()).as_deref(), Some("2"));
    }
}
