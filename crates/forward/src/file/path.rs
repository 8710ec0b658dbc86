//! The name of a file below the root: relative, and unable to leave it.

use std::fmt;

/// Bytes in one part of a name that common file systems take.
const MAX_PART: usize = 255;
/// Bytes in the whole name; with the root before it, it stays below the system's 4096.
const MAX_NAME: usize = 1024;

/// Folders and a file, separated by `/`; no part is empty, `.` or `..`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RelativePath(String);

/// Why a text is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathError {
    #[error("path must not be empty")]
    Empty,
    #[error("path must be relative to the file root: it must not begin with \"/\"")]
    Absolute,
    #[error("path must not have empty parts: no \"//\", no \"/\" at the end")]
    EmptyPart,
    #[error("path must not have \".\" or \"..\" as a part")]
    DotPart,
    #[error("path must not hold control characters")]
    ControlCharacter,
    #[error("path must have at most {MAX_NAME} bytes, and each part at most {MAX_PART}")]
    TooLong,
}

impl RelativePath {
    pub(super) fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        if text.chars().any(char::is_control) {
            return Err(PathError::ControlCharacter);
        }
        if text.len() > MAX_NAME || text.split('/').any(|part| part.len() > MAX_PART) {
            return Err(PathError::TooLong);
        }
        match text
            .split('/')
            .find(|part| matches!(*part, "" | "." | ".."))
        {
            None => Ok(Self(text.to_owned())),
            Some("") => Err(PathError::EmptyPart),
            Some(_) => Err(PathError::DotPart),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders from the root on, and the file in the last of them.
    pub(super) fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (folders, file) = match self.0.rsplit_once('/') {
            Some((folders, file)) => (Some(folders), file),
            None => (None, self.0.as_str()),
        };
        (folders.into_iter().flat_map(|all| all.split('/')), file)
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_are_kept_and_split() {
        for name in [
            "out.ndjson",
            "a/b/out.ndjson",
            "..a/b..",
            "zürich/日.ndjson",
            "a b",
        ] {
            assert_eq!(RelativePath::parse(name).unwrap().as_str(), name);
        }
        let path = RelativePath::parse("a/b/c").unwrap();
        let (folders, file) = path.split();
        assert_eq!((folders.collect::<Vec<_>>(), file), (vec!["a", "b"], "c"));
        let path = RelativePath::parse("c").unwrap();
        let (folders, file) = path.split();
        assert_eq!((folders.count(), file), (0, "c"));
    }

    #[test]
    fn names_that_could_leave_the_root_are_refused() {
        for (name, error) in [
            ("", PathError::Empty),
            ("/", PathError::Absolute),
            ("/etc/x", PathError::Absolute),
            ("a//b", PathError::EmptyPart),
            ("a/", PathError::EmptyPart),
            (".", PathError::DotPart),
            ("..", PathError::DotPart),
            ("../x", PathError::DotPart),
            ("a/../../x", PathError::DotPart),
            ("a/./x", PathError::DotPart),
            ("a/..", PathError::DotPart),
            ("a\0b", PathError::ControlCharacter),
            ("a\nb", PathError::ControlCharacter),
            (&"x".repeat(256), PathError::TooLong),
            (&"x/".repeat(600), PathError::TooLong),
        ] {
            assert_eq!(RelativePath::parse(name), Err(error), "{name:?}");
        }
    }
}
