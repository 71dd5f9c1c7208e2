//! What is asked: the names under a list's zone, and the plan of a run.
//!
//! Rules:
//! - Only names that can exist are made. A name that is too long for the DNS makes the list unknown
//!   before anything is asked.
//! - A dead list, and a list whose key is missing, is settled here.
//! - [`Enquiry`]'s `Debug` shows no key.

use std::fmt;

use super::{
    known_lists::{LISTS, by_zone},
    list::{Access, Blacklist, Impact, Liveness, QueryKind, Sense, points_of},
    list_keys::ListKeys,
    listing::Listing,
    standing::ListReading,
    subject::{ListSubject, test_label},
    unknown::UnknownReason,
};
use crate::dns_name::is_domain;

/// More lists than exist.
pub const MAX_LISTS: usize = 500;
/// The word that selects every list that isn't dead.
pub const EVERY_LIST: &str = "all";
/// The word that selects the lists of a run without a selection.
pub const USUAL_LISTS: &str = "default";

/// A list that is to be asked.
#[derive(Clone)]
pub struct Enquiry {
    /// The zone that names the list.
    pub zone: String,
    /// What the table knows about it.
    pub list: Option<&'static Blacklist>,
    /// What is looked up.
    pub kind: QueryKind,
    /// The names whose A and TXT records answer the question. They may contain a key.
    pub questions: Vec<String>,
    /// The self-test.
    pub self_test: SelfTest,
    key: Option<String>,
}

/// The names of a self-test. They may contain a key.
#[derive(Clone)]
pub struct SelfTest {
    /// The names of which one must be listed. They are tried in this order.
    pub listed: Vec<String>,
    /// The name that must not be listed.
    pub unlisted: String,
}

impl fmt::Debug for Enquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enquiry")
            .field("zone", &self.zone)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Enquiry {
    fn new(
        zone: &str,
        list: Option<&'static Blacklist>,
        target: &ListSubject,
        key: Option<&str>,
    ) -> Self {
        let below = match (list.map(|list| list.access), key) {
            (Some(Access::Key(template) | Access::OpenOrKey(template)), Some(key)) => {
                template.replace("{key}", key)
            }
            (_, Some(key)) => format!("{key}.{zone}"),
            (_, None) => zone.to_owned(),
        };
        let kind = target.kind();
        let points = points_of(list.map_or(&[], |list| list.points), kind);
        let self_test = SelfTest {
            listed: points
                .listed
                .iter()
                .map(|point| format!("{}.{below}", test_label(point)))
                .collect(),
            unlisted: format!("{}.{below}", test_label(points.unlisted)),
        };
        let labels = target.labels();
        let questions = labels
            .iter()
            .map(|label| format!("{label}.{below}"))
            .collect();
        Self {
            zone: zone.to_owned(),
            list,
            kind,
            questions,
            self_test,
            key: key.map(str::to_owned),
        }
    }

    /// Returns what the list said, without the key.
    #[must_use]
    pub fn reading(&self, listing: Listing, elapsed_ms: u64) -> ListReading {
        let listing = match &self.key {
            Some(key) => listing.without_secret(key),
            None => listing,
        };
        ListReading { elapsed_ms, ..settled(&self.zone, self.list, listing) }
    }
}

/// A step of a run.
#[derive(Clone, Debug)]
pub enum Planned {
    /// The list is asked.
    Ask(Box<Enquiry>),
    /// The reading is known without asking.
    Settled(ListReading),
}

/// Returns which lists are asked about a target, and which are settled without asking.
///
/// `selection` holds zones, [`USUAL_LISTS`] and [`EVERY_LIST`]. An empty selection means the usual
/// lists. A zone that isn't in the table is expected to follow RFC 5782. Lists of another kind than
/// the target are left out unless they are named.
#[must_use]
pub fn plan(target: &ListSubject, selection: &[String], keys: &ListKeys) -> Vec<Planned> {
    let mut zones: Vec<String> = Vec::new();
    let usual = [USUAL_LISTS.to_owned()];
    for word in if selection.is_empty() { &usual } else { selection } {
        let word = word.trim().trim_end_matches('.').to_ascii_lowercase();
        let wanted: Vec<String> = match word.as_str() {
            USUAL_LISTS => {
                of_table(target, |liveness| matches!(liveness, Liveness::Living | Liveness::Dead))
            }
            EVERY_LIST => of_table(target, |_| true),
            _ => vec![word],
        };
        for zone in wanted {
            if !zones.contains(&zone) && zones.len() < MAX_LISTS {
                zones.push(zone);
            }
        }
    }
    zones
        .iter()
        .map(|zone| plan_zone(zone, target, keys))
        .collect()
}

fn of_table(target: &ListSubject, is_wanted: impl Fn(Liveness) -> bool) -> Vec<String> {
    let can_have =
        |list: &Blacklist| list.liveness == Liveness::Dead || list.kinds.contains(&target.kind());
    LISTS
        .iter()
        .filter(|list| is_wanted(list.liveness) && can_have(list))
        .map(|list| list.zone.to_owned())
        .collect()
}

fn plan_zone(zone: &str, target: &ListSubject, keys: &ListKeys) -> Planned {
    let list = by_zone(zone);
    let settle = |listing| Planned::Settled(settled(zone, list, listing));
    if let Some(dead) = list.filter(|list| list.liveness == Liveness::Dead) {
        return settle(Listing::Dead { evidence: dead.evidence.to_string() });
    }
    let kind = target.kind();
    if !is_domain(zone) {
        return settle(Listing::Unknown { why: UnknownReason::NoSuchZone, answers: Vec::new() });
    }
    if list.is_some_and(|list| !list.kinds.contains(&kind)) {
        return settle(Listing::Unknown { why: UnknownReason::WrongKind, answers: Vec::new() });
    }
    let key = keys.of(zone);
    if key.is_none() && matches!(list.map(|list| list.access), Some(Access::Key(_))) {
        return settle(Listing::NeedsKey);
    }
    let enquiry = Enquiry::new(zone, list, target, key);
    let names = enquiry.questions.iter().chain(&enquiry.self_test.listed);
    match names.into_iter().all(|name| is_domain(name)) {
        true => Planned::Ask(Box::new(enquiry)),
        false => settle(Listing::Unknown { why: UnknownReason::NameTooLong, answers: Vec::new() }),
    }
}

fn settled(zone: &str, list: Option<&Blacklist>, listing: Listing) -> ListReading {
    ListReading {
        zone: zone.to_owned(),
        operator: list.map(|list| list.operator.to_owned()),
        sense: list.map_or(Sense::Against, |list| list.sense),
        // A user who names a list that the table lacks cares about this list.
        impact: list.map_or(Impact::Medium, |list| list.impact),
        listing,
        elapsed_ms: 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blacklist::list_keys::BadKeyLine;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn enquiry(zone: &str, target: &str, keys: &str) -> Enquiry {
        let keys = ListKeys::parse(keys).expect("the test's keys are right");
        match plan(&target.parse().expect("a target"), &words(zone), &keys).remove(0) {
            Planned::Ask(enquiry) => *enquiry,
            Planned::Settled(reading) => panic!("{reading:?}"),
        }
    }

    fn settled_as(zone: &str, target: &str) -> Listing {
        match plan(&target.parse().expect("a target"), &words(zone), &ListKeys::default()).remove(0)
        {
            Planned::Ask(enquiry) => panic!("{enquiry:?} is to be asked"),
            Planned::Settled(reading) => reading.listing,
        }
    }

    #[test]
    fn names_are_made_as_rfc_5782_says() {
        for (zone, target, question, listed, unlisted) in [
            (
                "bl.example.net",
                "192.0.2.99",
                "99.2.0.192.bl.example.net",
                "2.0.0.127.bl.example.net",
                "1.0.0.127.bl.example.net",
            ),
            (
                "bl.example.net",
                "2001:db8:1:2:3:4:567:89ab",
                "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.example.net",
                "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example.net",
                "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example.net",
            ),
            (
                "bl.example.net",
                "spam.example",
                "spam.example.bl.example.net",
                "TEST.bl.example.net",
                "INVALID.bl.example.net",
            ),
        ] {
            let made = enquiry(zone, target, "");
            assert_eq!(made.questions, [question]);
            assert_eq!(made.self_test.listed, [listed]);
            assert_eq!(made.self_test.unlisted, unlisted);
        }
    }

    #[test]
    fn a_host_and_its_registered_domain_are_both_asked_for() {
        let target = ListSubject::Domain {
            name: "a.b.example".to_owned(),
            registered: Some("b.example".to_owned()),
        };
        let planned = plan(&target, &words("dbl.example.net"), &ListKeys::default());
        let [Planned::Ask(enquiry)] = planned.as_slice() else { panic!("{planned:?}") };
        assert_eq!(enquiry.questions, ["a.b.example.dbl.example.net", "b.example.dbl.example.net"]);
    }

    #[test]
    fn a_list_may_have_test_points_of_its_own() {
        let uribl = enquiry("multi.uribl.com", "spam.example", "");
        assert_eq!(
            uribl.self_test.listed,
            ["TEST.multi.uribl.com", "test.uribl.com.multi.uribl.com", "2.0.0.127.multi.uribl.com"]
        );
    }

    #[test]
    fn keys_are_in_the_names_and_nowhere_else() {
        let keyed =
            enquiry("zen.spamhaus.org", "192.0.2.1", "# keys\n\nZEN.spamhaus.org. = s3cret\n");
        assert_eq!(keyed.questions, ["1.2.0.192.s3cret.zen.dq.spamhaus.net"]);
        assert_eq!(keyed.self_test.unlisted, "1.0.0.127.s3cret.zen.dq.spamhaus.net");
        assert_eq!(
            enquiry("own.example", "192.0.2.1", "own.example=k").questions,
            ["1.2.0.192.k.own.example"]
        );
        let keys = ListKeys::parse("zen.spamhaus.org=s3cret").expect("a right line");
        for shown in [format!("{keyed:?}"), format!("{keys:?}")] {
            assert!(shown.contains("zen.spamhaus.org") && !shown.contains("s3cret"), "{shown}");
        }
        let reading = keyed.reading(Listing::listed_for_test("query s3cret refused"), 1);
        assert!(!format!("{reading:?}").contains("s3cret"), "{reading:?}");
    }

    #[test]
    fn a_bad_key_line_is_named_by_number_only() {
        for (text, line) in [
            ("a.example=k\nnonsense", 2),
            ("=k", 1),
            ("a.example=", 1),
            ("a.example=k.evil.example", 1),
            ("a b=k", 1),
        ] {
            assert_eq!(
                ListKeys::parse(text).expect_err("a wrong line"),
                BadKeyLine(line),
                "{text}"
            );
        }
    }

    #[test]
    fn what_needs_no_question_is_settled() {
        let unknown = |why| Listing::Unknown { why, answers: Vec::new() };
        for (zone, target, expected) in [
            ("combined.mail.abusix.zone", "192.0.2.1", Listing::NeedsKey),
            (
                "dul.dnsbl.sorbs.net",
                "192.0.2.1",
                Listing::Dead { evidence: "switched off on 5 June 2024".to_owned() },
            ),
            ("bl.spamcop.net", "2001:db8::1", unknown(UnknownReason::WrongKind)),
            ("dbl.spamhaus.org", "192.0.2.1", unknown(UnknownReason::WrongKind)),
            ("no..zone", "192.0.2.1", unknown(UnknownReason::NoSuchZone)),
        ] {
            assert_eq!(settled_as(zone, target), expected, "{zone}");
        }
        let long = format!(
            "{}.example",
            ["a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(55)].join(".")
        );
        assert_eq!(settled_as("bl.example.net", &long), unknown(UnknownReason::NameTooLong));
    }

    #[test]
    fn the_usual_run_asks_living_lists_and_names_dead_ones() {
        for (target, asked, not_asked) in [
            ("192.0.2.1", "zen.spamhaus.org", "dbl.spamhaus.org"),
            ("2001:db8::1", "bl.ipv6.spameatingmonkey.net", "bl.spameatingmonkey.net"),
            ("example.net", "dbl.spamhaus.org", "zen.spamhaus.org"),
        ] {
            let planned = plan(&target.parse().expect("a target"), &[], &ListKeys::default());
            let zones: Vec<_> = planned
                .iter()
                .filter_map(|step| match step {
                    Planned::Ask(enquiry) => Some(enquiry.zone.as_str()),
                    Planned::Settled(_) => None,
                })
                .collect();
            assert!(zones.contains(&asked) && !zones.contains(&not_asked), "{target}: {zones:?}");
            assert!(!zones.contains(&"xbl.spamhaus.org") && !zones.contains(&"relays.nether.net"));
            let dead = planned.iter().filter(|step| {
                matches!(step, Planned::Settled(ListReading { listing: Listing::Dead { .. }, .. }))
            });
            assert_eq!(
                dead.count(),
                LISTS
                    .iter()
                    .filter(|list| list.liveness == Liveness::Dead)
                    .count()
            );
        }
        let every = plan(
            &"192.0.2.1".parse().expect("a target"),
            &words("all zen.spamhaus.org own.example"),
            &ListKeys::default(),
        );
        let shown = format!("{every:?}");
        assert!(shown.contains("relays.nether.net") && shown.contains("own.example"));
        assert_eq!(shown.matches("\"zen.spamhaus.org\"").count(), 1);
    }

    proptest! {
        #[test]
        fn every_name_that_is_asked_can_exist(
            target in r"[a-z0-9-]{1,64}(\.[a-z0-9-]{1,64}){1,5}|[0-9a-f:]{2,39}",
            zone in r"[a-z0-9-]{1,64}(\.[a-z0-9-]{1,64}){0,4}",
            keys in "[a-z.]{1,9}=[a-z]{1,64}",
        ) {
            if let (Ok(target), Ok(keys)) = (target.parse::<ListSubject>(), ListKeys::parse(&keys)) {
                for step in plan(&target, &[zone], &keys) {
                    if let Planned::Ask(enquiry) = step {
                        prop_assert!(enquiry.questions.iter().all(|name| is_domain(name)));
                    }
                }
            }
        }
    }
}
