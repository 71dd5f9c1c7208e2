//! What somebody may have meant who typed a word that is none.

use std::collections::BTreeSet;

/// Names that are shown at most.
const MOST: usize = 3;

/// `did you mean postfix or qmail`, for the names that a word is like; nothing where it is like
/// none.
pub fn of<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    // One slip in three letters; a longer word of which the first ones were typed.
    let is_like = |name: &str, distance| {
        distance <= (name.len() / 3).max(1) || (typed.len() > 2 && name.contains(typed))
    };
    let distances: BTreeSet<_> = names
        .map(|name| {
            (strsim::damerau_levenshtein(&typed.replace('-', "_"), &name.replace('-', "_")), name)
        })
        .collect();
    let like: Vec<_> = distances
        .into_iter()
        .filter(|(distance, name)| is_like(name, *distance))
        .take(MOST)
        .collect();
    let names: Vec<_> = like.iter().map(|(_, name)| *name).collect();
    match names.split_last() {
        None => None,
        Some((last, [])) => Some(format!("did you mean {last}")),
        Some((last, before)) => Some(format!("did you mean {} or {last}", before.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_a_stranger_is_not() {
        let names = ["postfix", "percent-relay", "percent_hack", "qmail", "mailu", "mailcow"];
        for (typed, expected) in [
            ("postifx", Some("did you mean postfix")),
            ("posfix", Some("did you mean postfix")),
            ("percent", Some("did you mean percent_hack or percent-relay")),
            ("mail", Some("did you mean mailu, qmail or mailcow")),
            ("percent-hakc", Some("did you mean percent_hack")),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(of(typed, names.into_iter()).as_deref(), expected, "{typed}");
        }
    }
}
