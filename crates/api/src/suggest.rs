//! Guesses what a misspelt name should have been.

/// `; did you mean "timezone"?`, if one of the candidates is near.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let name = shorten(name).to_lowercase();
    candidates
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| format!("; did you mean {candidate:?}?"))
        .unwrap_or_default()
}

/// The beginning of a name that somebody sent.
pub(crate) fn shorten(name: &str) -> String {
    name.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested() {
        let names = ["refresh_frequency", "timezone"];
        let hint = nearest("refreshFrequency", names.into_iter());
        assert_eq!(hint, "; did you mean \"refresh_frequency\"?");
        assert_eq!(nearest("colour", names.into_iter()), "");
    }
}
