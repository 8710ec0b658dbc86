//! Secrets that an answer may repeat: many servers put the path or the headers they were sent into
//! their error pages.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

const BLOT: &str = "[secret]";
/// A word of a secret that is shorter stands in ordinary texts too; it is hidden as part of the whole.
const SHORTEST_WORD: usize = 6;

/// The secrets of a destination, to be blotted out of what it answers.
#[derive(Clone, Default)]
pub(crate) struct Hidden(Vec<SecretString>);

impl Hidden {
    /// Each of the secrets as a whole, and its longer words by themselves: the word behind `Bearer `
    /// may come back alone.
    pub(crate) fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts: Vec<&str> = Vec::new();
        for secret in secrets {
            let words = secret.split(|c: char| !is_of_a_word(c));
            texts.push(secret);
            texts.extend(words.filter(|word| word.len() >= SHORTEST_WORD));
        }
        texts.retain(|text| !text.is_empty());
        // Longer ones first: at each place the longest that stands there is blotted out.
        texts.sort_unstable_by_key(|text| (std::cmp::Reverse(text.len()), *text));
        texts.dedup();
        Self(texts.into_iter().map(SecretString::from).collect())
    }

    /// The text without the secrets. What is put in their place is not looked at again, so the result
    /// is at most as many times longer as the blot is.
    pub(crate) fn blot(&self, text: &str) -> String {
        let mut blotted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let mut secrets = self.0.iter();
            if let Some(behind) =
                secrets.find_map(|secret| rest.strip_prefix(secret.expose_secret()))
            {
                blotted.push_str(BLOT);
                rest = behind;
            } else {
                blotted.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        blotted
    }
}

/// Whether a character may be in a token (RFC 7235, `token68`).
fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~+/=".contains(c)
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hidden({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_their_longer_words_are_blotted_out() {
        let hidden = Hidden::of(["Bearer abc-123.xyz", "a b", ""]);
        let blotted = |text| hidden.blot(text);
        assert_eq!(
            blotted("no, Bearer abc-123.xyz is no"),
            "no, [secret] is no"
        );
        assert_eq!(blotted("no, 'abc-123.xyz' is no"), "no, '[secret]' is no");
        assert_eq!(blotted("for a b I say b"), "for [secret] I say b");
        assert!(!format!("{hidden:?}").contains("abc"));
    }

    #[test]
    fn what_stands_for_a_secret_is_not_blotted_out_again() {
        let hidden = Hidden::of(["s", "e", "s", "e", "c", "r", "t"].repeat(5));
        assert_eq!(hidden.blot("yes"), "y[secret][secret]");
    }
}
