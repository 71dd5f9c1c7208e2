//! The patterns of the clues: lines with gaps, and orders of keywords.

/// The keyword of a line, in upper case; a second spelling of AUTH (`AUTH=LOGIN`) is none.
pub(super) fn keyword(offer: &str) -> Option<String> {
    let word = offer.split_whitespace().next()?;
    (!word.starts_with("AUTH="))
        .then(|| word.split('=').next().unwrap_or(word).to_ascii_uppercase())
}

/// Whether the keywords of an EHLO come as [`Place::Order`] says.
pub(super) fn is_in_order(pattern: &str, keywords: &str) -> bool {
    let offered: Vec<&str> = keywords.split(' ').collect();
    let (is_whole, pattern) = match pattern.strip_prefix('=') {
        Some(pattern) => (true, pattern),
        None => (false, pattern),
    };
    let named: Vec<&str> = pattern
        .split(' ')
        .map(|word| word.trim_end_matches('$'))
        .collect();
    if is_whole
        && !offered
            .iter()
            .all(|word| named.contains(word) || matches!(*word, "STARTTLS" | "AUTH"))
    {
        return false;
    }
    let mut rest = offered.iter();
    pattern
        .split(' ')
        .all(|word| match (word.strip_prefix('!'), word.strip_suffix('$')) {
            (Some(absent), _) => !offered.contains(&absent),
            (None, Some(last)) => offered.last() == Some(&last),
            (None, None) => rest.any(|offer| *offer == word),
        })
}

/// Whether a line fits a pattern, and the version that it tells.
pub(super) fn matched<'a>(pattern: &str, line: &'a str) -> Option<Option<&'a str>> {
    let Some(start) = pattern.find(['*', '{']) else {
        return (pattern == line).then_some(None);
    };
    let (literal, rest) = pattern.split_at(start);
    let line = line.strip_prefix(literal)?;
    if let Some(rest) = rest.strip_prefix('*') {
        // Only the places where what follows can begin are tried.
        let next = &rest[..rest.find(['*', '{']).unwrap_or(rest.len())];
        return match next {
            "" if rest.is_empty() => Some(None),
            "" => (0..=line.len())
                .filter(|at| line.is_char_boundary(*at))
                .find_map(|at| matched(rest, &line[at..])),
            next => line
                .match_indices(next)
                .find_map(|(at, _)| matched(rest, &line[at..])),
        };
    }
    let (name, rest) = rest[1..].split_once('}')?;
    let word = &line[..class_length(name, line)?];
    let version = matched(rest, &line[word.len()..])?;
    Some(if name == "v" { Some(word) } else { version })
}

/// How much of the beginning of a line is of a class; `None` where it is too little.
fn class_length(class: &str, line: &str) -> Option<usize> {
    let length = |is_in: fn(u8) -> bool| line.bytes().take_while(|octet| is_in(*octet)).count();
    let (length, least) = match class {
        "n" => (length(|octet| octet.is_ascii_digit()), 1),
        "word" => (line.find(char::is_whitespace).unwrap_or(line.len()), 1),
        "hex" => (length(|octet| octet.is_ascii_hexdigit()), 8),
        "stars" => (length(|octet| matches!(octet, b'*' | b'0' | b'2' | b' ')), 8),
        _ if line.starts_with(|first: char| first.is_ascii_digit()) => (
            length(|octet| {
                octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'+' | b'-')
            }),
            1,
        ),
        _ => return None,
    };
    (length >= least).then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mta::CLUES;

    #[test]
    fn patterns_match_whole_lines() {
        for (pattern, line, expected) in [
            ("220 * ESMTP Postfix", "220 mx ESMTP Postfix", Some(None)),
            ("220 * ESMTP Postfix", "220 mx ESMTP Postfix (x)", None),
            ("220 *ESMTP Postfix*", "220 ESMTP Postfix (x)", Some(None)),
            ("220 * Exim {v}*", "220 a Exim b Exim 4.96 x", Some(Some("4.96"))),
            ("220 * Exim {v} #{n} *", "220 a Exim 4.96 #2 x", Some(Some("4.96"))),
            ("220 * Exim {v}*", "220 a Exim x", None),
            ("220 * ({hex})", "220 a (0123456789abcdef)", Some(None)),
            ("220 {stars}", "220 ****2**0***", Some(None)),
            ("250 {word}", "250 mx.target.example", Some(None)),
            ("250 {word}", "250 mx.target.example Hello", None),
            ("250 *", "250 ", Some(None)),
            ("250 é*", "250 éé", Some(None)),
            ("*{n}", "aé1", Some(None)),
        ] {
            assert_eq!(matched(pattern, line), expected, "{pattern} {line}");
        }
    }

    #[test]
    fn keywords_have_an_order() {
        for (pattern, keywords, expected) in [
            ("A B", "A X B", true),
            ("A B", "B A", false),
            ("A !C", "A B", true),
            ("A !C", "A C", false),
            ("A B$", "A B", true),
            ("A B$", "A B C", false),
            ("=A B", "A STARTTLS AUTH B", true),
            ("=A B", "A B C", false),
        ] {
            assert_eq!(is_in_order(pattern, keywords), expected, "{pattern} {keywords}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "\\PC{0,80}") {
            for clue in CLUES {
                let _ = (matched(clue.pattern, &line), is_in_order(clue.pattern, &line));
            }
        }
    }
}
