//! What somebody may have meant who typed a word that is none.

use std::collections::BTreeSet;

/// Names that are shown at most.
const MOST: usize = 3;

/// `did you mean postfix or qmail`, for the names that a word is like; nothing where it is like
/// none. Of names at the same distance, the first in the alphabet stands first.
pub fn of<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let typed = with_hyphens(typed);
    let mut like: BTreeSet<(usize, &str)> = BTreeSet::new();
    for name in names {
        let known = with_hyphens(name);
        let distance = strsim::damerau_levenshtein(&typed, &known);
        if is_slip(&typed, &known, distance) || begins_a_word(&typed, &known) {
            like.insert((distance, name));
        }
    }
    let like: Vec<_> = like.into_iter().take(MOST).collect();
    let names: Vec<_> = like.iter().map(|(_, name)| *name).collect();
    match names.split_last() {
        None => None,
        Some((last, [])) => Some(format!("did you mean {last}")),
        Some((last, before)) => Some(format!("did you mean {} or {last}", before.join(", "))),
    }
}

fn with_hyphens(name: &str) -> String {
    name.replace('_', "-")
}

/// True for at most one slip in four letters of the shorter word. A shorter word with a slip could be
/// any other.
fn is_slip(typed: &str, known: &str, distance: usize) -> bool {
    distance <= typed.len().min(known.len()) / 4
}

/// True if the word is the beginning of a word in the name. A piece from the middle is none: `mox`
/// is not meant where it stands in `proxmox`.
fn begins_a_word(typed: &str, known: &str) -> bool {
    typed.len() > 2 && known.split('-').any(|word| word.starts_with(typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_a_stranger_is_not() {
        let names = [
            "postfix",
            "percent-relay",
            "percent_hack",
            "qmail",
            "mailu",
            "mailcow",
            "proxmox-mail-gateway",
        ];
        for (typed, expected) in [
            ("postifx", Some("did you mean postfix")),
            ("posfix", Some("did you mean postfix")),
            ("percent", Some("did you mean percent_hack or percent-relay")),
            ("mail", Some("did you mean mailu, qmail or mailcow")),
            ("percent-hakc", Some("did you mean percent_hack")),
            ("mox", None),
            ("pox", None),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(of(typed, names.into_iter()).as_deref(), expected, "{typed}");
        }
    }
}
