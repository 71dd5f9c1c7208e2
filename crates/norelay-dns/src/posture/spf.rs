//! SPF records: a strict reading of one record, and of the tree that it includes (RFC 7208).
//!
//! Rules:
//! - A record that gives a receiver a permanent error is an error here, with the term that causes
//!   it.
//! - No record is evaluated. A receiver asks who may send, and this module only whether the record
//!   can be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use super::Texts;
use crate::unanswered::Looked;

/// More look-ups than these are a permanent error (RFC 7208 section 4.6.4).
pub const MAX_LOOKUPS: usize = 10;
/// Records of a tree that are fetched. Twice the limit shows that the tree is broken, and how
/// badly.
const MAX_RECORDS: usize = 20;

/// What stands before a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// `+`
    Pass,
    /// `-`
    Fail,
    /// `~`
    SoftFail,
    /// `?`
    Neutral,
}

/// What is of interest in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spf {
    /// The qualifier of `all`, if it is there.
    pub all: Option<Qualifier>,
    /// The domain of `redirect`. With an `all` in the record, `redirect` does not count (section
    /// 6.1).
    pub redirect: Option<String>,
    /// The domains of `include`, in order.
    pub includes: Vec<String>,
    /// Terms that cost a look-up, `include` and `redirect` among them.
    pub lookups: usize,
    /// True if `ptr` is used, which it should not be (section 5.5).
    pub uses_ptr: bool,
}

/// True if a text is an SPF record at all: `v=spf1`, alone or before a space (section 4.5).
#[must_use]
pub fn is_record(text: &str) -> bool {
    text.get(..6)
        .is_some_and(|version| version.eq_ignore_ascii_case("v=spf1"))
        && text[6..].chars().next().is_none_or(|next| next == ' ')
}

/// Reads a record.
///
/// # Errors
/// One clause: the first term that is wrong, and why.
pub fn parse(record: &str) -> Result<Spf, String> {
    let mut spf = Spf::default();
    let mut modifiers = BTreeSet::new();
    for term in record.split(' ').skip(1).filter(|term| !term.is_empty()) {
        read_term(term, &mut spf, &mut modifiers).map_err(|why| format!("\"{term}\": {why}"))?;
    }
    // RFC 7208 section 6.1: `redirect` is ignored if the record has an `all` anywhere.
    if spf.all.is_some() && spf.redirect.take().is_some() {
        spf.lookups -= 1;
    }
    Ok(spf)
}

fn read_term(
    term: &str,
    spf: &mut Spf,
    modifiers: &mut BTreeSet<String>,
) -> Result<(), &'static str> {
    if !term.is_ascii() {
        return Err("only ASCII is allowed");
    }
    match term.find(['=', ':', '/']) {
        Some(at) if term.as_bytes()[at] == b'=' => {
            read_modifier(&term[..at], &term[at + 1..], spf, modifiers)
        }
        _ => read_mechanism(term, spf),
    }
}

/// Reads a modifier (section 6). `redirect` and `exp` may stand once. Unknown modifiers are
/// allowed.
fn read_modifier(
    name: &str,
    value: &str,
    spf: &mut Spf,
    modifiers: &mut BTreeSet<String>,
) -> Result<(), &'static str> {
    let name = name.to_ascii_lowercase();
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'));
    if !is_name {
        return Err("that is no modifier");
    }
    match name.as_str() {
        "redirect" => {
            domain_spec(value)?;
            spf.redirect = Some(value.to_owned());
            spf.lookups += 1;
        }
        "exp" => domain_spec(value)?,
        _ => return macro_string(value),
    }
    if modifiers.insert(name) { Ok(()) } else { Err("it stands twice") }
}

/// Reads a mechanism (section 5). A term after `all` is checked for its syntax and counts for
/// nothing (section 5.1).
fn read_mechanism(term: &str, spf: &mut Spf) -> Result<(), &'static str> {
    let (qualifier, rest) = match term.as_bytes()[0] {
        b'+' => (Qualifier::Pass, &term[1..]),
        b'-' => (Qualifier::Fail, &term[1..]),
        b'~' => (Qualifier::SoftFail, &term[1..]),
        b'?' => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, argument) = (rest[..end].to_ascii_lowercase(), &rest[end..]);
    let counts = spf.all.is_none();
    if counts && matches!(name.as_str(), "include" | "a" | "mx" | "ptr" | "exists") {
        // RFC 7208 section 4.6.4: these mechanisms cost a look-up, and `all`, `ip4`, `ip6` don't.
        spf.lookups += 1;
    }
    match name.as_str() {
        "all" if argument.is_empty() => spf.all = spf.all.or(Some(qualifier)),
        "all" => return Err("it takes no argument"),
        "include" => {
            let domain = argument.strip_prefix(':').ok_or("it needs a domain")?;
            domain_spec(domain)?;
            if counts {
                spf.includes.push(domain.to_owned());
            }
        }
        "a" | "mx" => address_argument(argument)?,
        "ptr" => {
            spf.uses_ptr = true;
            if !argument.is_empty() {
                domain_spec(argument.strip_prefix(':').ok_or("it takes a domain only")?)?;
            }
        }
        "exists" => {
            domain_spec(argument.strip_prefix(':').ok_or("it needs a domain")?)?;
        }
        "ip4" => network::<Ipv4Addr>(argument, 32)?,
        "ip6" => network::<Ipv6Addr>(argument, 128)?,
        _ => return Err("there is no such mechanism"),
    }
    Ok(())
}

fn network<A: std::str::FromStr>(argument: &str, bits: u8) -> Result<(), &'static str> {
    let text = argument.strip_prefix(':').ok_or("it needs an address")?;
    let (address, prefix) = text
        .split_once('/')
        .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    address
        .parse::<A>()
        .map_err(|_| "that is no address of this kind")?;
    prefix.map_or(Ok(()), |prefix| prefix_length(prefix, bits))
}

fn prefix_length(text: &str, bits: u8) -> Result<(), &'static str> {
    let is_number =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit()));
    match text.parse::<u8>() {
        Ok(length) if is_number && length <= bits => Ok(()),
        _ => Err("the length of the prefix is wrong"),
    }
}

/// Checks `[:domain][/n][//n]` (section 5.3).
fn address_argument(argument: &str) -> Result<(), &'static str> {
    let (rest, six) = argument
        .split_once("//")
        .map_or((argument, None), |(rest, six)| (rest, Some(six)));
    let (domain, four) = rest
        .split_once('/')
        .map_or((rest, None), |(domain, four)| (domain, Some(four)));
    four.map_or(Ok(()), |length| prefix_length(length, 32))?;
    six.map_or(Ok(()), |length| prefix_length(length, 128))?;
    match domain.strip_prefix(':') {
        Some(domain) => domain_spec(domain),
        None if domain.is_empty() => Ok(()),
        None => Err("that is no domain"),
    }
}

/// Checks a macro string that ends in a macro or in a top label (section 7.1).
fn domain_spec(text: &str) -> Result<(), &'static str> {
    macro_string(text)?;
    if text.is_empty() {
        return Err("it needs a domain");
    }
    if text.ends_with('}') {
        return Ok(());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let (before, top) = name
        .rsplit_once('.')
        .ok_or("the domain has one label only")?;
    let is_top = !top.is_empty()
        && !top.starts_with('-')
        && !top.ends_with('-')
        && top
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && top.bytes().any(|octet| !octet.is_ascii_digit());
    if is_top && !before.is_empty() { Ok(()) } else { Err("the domain's last label is none") }
}

/// Checks that a text is visible ASCII, with `%{…}`, `%%`, `%_` and `%-` (section 7.1).
fn macro_string(text: &str) -> Result<(), &'static str> {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let after = &rest[at + 1..];
        rest = match after.as_bytes().first() {
            Some(b'%' | b'_' | b'-') => &after[1..],
            Some(b'{') => {
                let (inside, tail) = after[1..].split_once('}').ok_or("a macro isn't closed")?;
                expansion(inside)?;
                tail
            }
            _ => return Err("a % stands alone"),
        };
    }
    if text.bytes().all(|octet| octet.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("a character isn't allowed")
    }
}

/// Checks the inside of `%{…}`: a letter, digits, `r`, delimiters.
fn expansion(text: &str) -> Result<(), &'static str> {
    let wrong = "there is no such macro";
    let letter = text.chars().next().ok_or(wrong)?;
    if !"slodiphcrtv".contains(letter.to_ascii_lowercase()) {
        return Err(wrong);
    }
    let rest = text[1..].trim_start_matches(|digit: char| digit.is_ascii_digit());
    let rest = rest.strip_prefix(['r', 'R']).unwrap_or(rest);
    if rest.chars().all(|delimiter| ".-+,/_=".contains(delimiter)) { Ok(()) } else { Err(wrong) }
}

/// The records of a tree, by domain.
pub type Records = BTreeMap<String, Looked<Texts>>;

/// The next domain whose texts are needed to know the tree of a domain.
#[must_use]
pub fn wanted(domain: &str, records: &Records) -> Option<String> {
    if records.len() >= MAX_RECORDS {
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut open = vec![domain.to_ascii_lowercase()];
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        match records.get(&name) {
            None => return Some(name),
            Some(texts) => open.extend(
                record_of(texts)
                    .and_then(|record| parse(&record).ok())
                    .iter()
                    .flat_map(below),
            ),
        }
    }
    None
}

/// The domains that a record leads to; names with macros depend on a message and lead nowhere here.
fn below(spf: &Spf) -> Vec<String> {
    let names = spf.includes.iter().chain(&spf.redirect);
    names
        .filter(|name| !name.contains('%'))
        .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
        .collect()
}

/// The one SPF record among texts.
fn record_of(texts: &Looked<Texts>) -> Option<String> {
    let records: Vec<_> = texts
        .as_ref()
        .ok()?
        .iter()
        .map(|text| text.to_text())
        .filter(|text| is_record(text))
        .collect();
    <[String; 1]>::try_from(records).ok().map(|[record]| record)
}

/// What the tree of a domain is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Look-ups that evaluating it may take.
    pub lookups: usize,
    /// Clauses: what is wrong below the domain's own record.
    pub faults: Vec<String>,
}

/// Walks the tree as a receiver would, each place as often as it is included.
#[must_use]
pub fn tree(domain: &str, records: &Records) -> Tree {
    let mut tree = Tree::default();
    walk(&domain.to_ascii_lowercase(), records, &mut Vec::new(), &mut tree);
    tree.faults.sort();
    tree.faults.dedup();
    tree
}

fn walk(domain: &str, records: &Records, above: &mut Vec<String>, tree: &mut Tree) {
    // A tree so large is wrong already, whatever else hangs on it.
    if tree.lookups > MAX_RECORDS * 2 {
        return;
    }
    if above.iter().any(|name| name == domain) {
        tree.faults.push(format!("{domain} includes itself"));
        return;
    }
    let Some(texts) = records.get(domain) else { return };
    let is_root = above.is_empty();
    let record = match (texts, record_of(texts)) {
        (_, Some(record)) => record,
        (Ok(texts), None) if !is_root => {
            let several = texts
                .iter()
                .filter(|text| is_record(&text.to_text()))
                .count()
                > 1;
            let why = if several { "has several SPF records" } else { "has no SPF record" };
            tree.faults
                .push(format!("{domain}, which is included, {why}"));
            return;
        }
        _ => return,
    };
    match parse(&record) {
        Ok(spf) => {
            tree.lookups += spf.lookups;
            above.push(domain.to_owned());
            below(&spf)
                .iter()
                .for_each(|name| walk(name, records, above, tree));
            above.pop();
        }
        Err(why) if !is_root => tree
            .faults
            .push(format!("{domain}, which is included: {why}")),
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use norelay_smtp::octets::Octets;

    #[test]
    fn records_are_read_strictly() {
        for (record, expected) in [
            ("v=spf1", Ok(0)),
            ("v=spf1 -all", Ok(0)),
            ("V=SPF1 +MX a:mail.example.net/24//64 ~ALL", Ok(2)),
            ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", Ok(0)),
            (
                "v=spf1 include:a.example include:b.example ptr exists:%{ir}.%{v}._spf.%{d2} -all",
                Ok(4),
            ),
            ("v=spf1 redirect=_spf.example.net", Ok(1)),
            ("v=spf1 -all redirect=_spf.example.net", Ok(0)),
            ("v=spf1 -all a mx", Ok(0)),
            ("v=spf1 a exp=why.example.net unknown=x%_y -all", Ok(1)),
            ("v=spf1 mx/24 a//64", Ok(2)),
            (
                "v=spf1 ip4:300.1.1.1 -all",
                Err("\"ip4:300.1.1.1\": that is no address of this kind"),
            ),
            (
                "v=spf1 ip4:2001:db8::1 -all",
                Err("\"ip4:2001:db8::1\": that is no address of this kind"),
            ),
            (
                "v=spf1 ip4:192.0.2.1/33",
                Err("\"ip4:192.0.2.1/33\": the length of the prefix is wrong"),
            ),
            (
                "v=spf1 ip4:192.0.2.1/08",
                Err("\"ip4:192.0.2.1/08\": the length of the prefix is wrong"),
            ),
            (
                "v=spf1 ip6:2001:db8::/129",
                Err("\"ip6:2001:db8::/129\": the length of the prefix is wrong"),
            ),
            ("v=spf1 ip4 -all", Err("\"ip4\": it needs an address")),
            ("v=spf1 ipv4:192.0.2.1 -all", Err("\"ipv4:192.0.2.1\": there is no such mechanism")),
            ("v=spf1 include -all", Err("\"include\": it needs a domain")),
            ("v=spf1 include: -all", Err("\"include:\": it needs a domain")),
            (
                "v=spf1 include:localhost -all",
                Err("\"include:localhost\": the domain has one label only"),
            ),
            (
                "v=spf1 a:example.123 -all",
                Err("\"a:example.123\": the domain's last label is none"),
            ),
            ("v=spf1 -all:x", Err("\"-all:x\": it takes no argument")),
            (
                "v=spf1 exists:%{z}.example -all",
                Err("\"exists:%{z}.example\": there is no such macro"),
            ),
            ("v=spf1 exists:%{d.example -all", Err("\"exists:%{d.example\": a macro isn't closed")),
            ("v=spf1 exists:50%.example -all", Err("\"exists:50%.example\": a % stands alone")),
            (
                "v=spf1 redirect=a.example redirect=b.example",
                Err("\"redirect=b.example\": it stands twice"),
            ),
            ("v=spf1 =x", Err("\"=x\": that is no modifier")),
            ("v=spf1 ~", Err("\"~\": there is no such mechanism")),
            ("v=spf1 a,mx", Err("\"a,mx\": there is no such mechanism")),
            ("v=spf1 ä -all", Err("\"ä\": only ASCII is allowed")),
        ] {
            let read = parse(record).map(|spf| spf.lookups);
            assert_eq!(read, expected.map_err(str::to_owned), "{record}");
        }
    }

    #[test]
    fn only_the_version_makes_a_record() {
        for (text, expected) in [
            ("v=spf1", true),
            ("v=spf1 -all", true),
            ("v=spf10 -all", false),
            ("spf2.0/mfrom", false),
            ("v=spf", false),
            ("", false),
        ] {
            assert_eq!(is_record(text), expected, "{text}");
        }
    }

    /// `a.example=v=spf1 …`
    fn records(lines: &[&str]) -> Records {
        let mut records = Records::new();
        for line in lines {
            let (domain, text) = line.split_once('=').expect("a line has a domain");
            let texts = records
                .entry(domain.to_owned())
                .or_insert_with(|| Ok(Vec::new()));
            if let (Ok(texts), false) = (texts, text.is_empty()) {
                texts.push(Octets::from(text));
            }
        }
        records
    }

    #[test]
    fn the_tree_is_asked_for_and_counted_as_a_receiver_does() {
        for (lines, wants, lookups, faults) in [
            (&["a.example=v=spf1 mx -all"][..], None, 1, &[][..]),
            (&[], Some("a.example"), 0, &[]),
            (&["a.example=v=spf1 include:B.example. -all"], Some("b.example"), 1, &[]),
            (
                &["a.example=v=spf1 include:b.example -all", "b.example=v=spf1 mx a -all"],
                None,
                3,
                &[],
            ),
            (
                &["a.example=v=spf1 include:b.example include:b.example", "b.example=v=spf1 a"],
                None,
                4,
                &[],
            ),
            (&["a.example=v=spf1 redirect=b.example", "b.example=v=spf1 a -all"], None, 2, &[]),
            (&["a.example=v=spf1 include:%{d}.example -all"], None, 1, &[]),
            (
                &["a.example=v=spf1 include:b.example -all", "b.example="],
                None,
                1,
                &["b.example, which is included, has no SPF record"],
            ),
            (
                &[
                    "a.example=v=spf1 include:b.example",
                    "b.example=v=spf1 a",
                    "b.example=v=spf1 mx",
                ],
                None,
                1,
                &["b.example, which is included, has several SPF records"],
            ),
            (
                &["a.example=v=spf1 include:b.example", "b.example=v=spf1 ip4:1"],
                None,
                1,
                &["b.example, which is included: \"ip4:1\": that is no address of this kind"],
            ),
            (
                &["a.example=v=spf1 include:b.example", "b.example=v=spf1 include:a.example"],
                None,
                2,
                &["a.example includes itself"],
            ),
        ] {
            let records = records(lines);
            assert_eq!(wanted("A.example", &records).as_deref(), wants, "{lines:?}");
            let tree = tree("A.example", &records);
            assert_eq!(
                (tree.lookups, tree.faults),
                (lookups, faults.iter().map(|&fault| fault.to_owned()).collect()),
                "{lines:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_record_panics(
            text in "v=spf1( [+?~-]?(a|mx|ip4|ip6|all|include|exists|ptr|redirect|\\PC{0,9})\
                     [:=/]{0,2}[%{}a-z0-9./]{0,12}){0,6}",
        ) {
            let _ = parse(&text);
        }

        #[test]
        fn every_tree_ends(includes in vec(vec(0..30_u8, 0..12), 30)) {
            let mut records = Records::new();
            while let Some(domain) = wanted("d0.example", &records) {
                let index: usize = domain[1..domain.len() - 8].parse().expect("the names are ours");
                let terms: String = includes[index]
                    .iter()
                    .map(|below| format!(" include:d{below}.example"))
                    .collect();
                records.insert(domain, Ok(vec![Octets::from(format!("v=spf1{terms}"))]));
            }
            prop_assert!(records.len() <= MAX_RECORDS);
            let _ = tree("d0.example", &records);
        }
    }
}
