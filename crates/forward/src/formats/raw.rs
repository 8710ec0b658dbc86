//! Events byte for byte as Okta sent them, whatever they hold.

use crate::Events;

/// The very same events; the buffer is shared.
pub(super) fn render(events: &Events) -> Events {
    events.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_changes_no_byte() {
        let odd: &[u8] = b"{\"a\":1e400, \"a\":null}\n{\"b\":\"\xff\xed\xa0\x80\"}";
        let rendered = render(&Events::from_lines(odd));
        let lines: Vec<_> = rendered.iter().collect();
        assert_eq!(lines.join(&b'\n'), odd);
    }
}
