//! What was looked up around a relay test, as events of the run: surveys of DNS blacklists and the
//! posture of a mail domain.
//!
//! Rules:
//! - An event carries facts only; their level and words stand in core's table of observations.
//! - A list's own words stay the octets that they are: every renderer makes them harmless.

use norelay_core::{check::Observation, event::Event, octets::Octets};
use norelay_dns::{
    blacklist::{Impact, ListEntry, ListReading, Listing, Survey, assess_survey},
    posture::PostureNote,
};

/// Returns the event of a fact about a domain or an address. Such facts are about no path.
#[must_use]
pub fn posture_event(note: PostureNote) -> Event {
    Event::Noted { path: None, tag: note.tag.to_owned(), arguments: note.arguments }
}

/// Returns the events of a survey: an event for each list that lists or vouches, or that matters
/// and is unknown, and an event for the whole survey at the end.
#[must_use]
pub fn survey_events(survey: &Survey) -> Vec<Event> {
    let mut events = Vec::new();
    for reading in &survey.readings {
        events.extend(reading_event(&survey.target, reading));
    }
    let summary = Observation::BlacklistSummary {
        target: Octets::from(survey.target.as_str()),
        summary: assess_survey(survey).summary.into(),
    };
    events.push(summary.event(None));
    events
}

/// Returns the event of a list that has something to say, and none for all other lists.
fn reading_event(target: &str, reading: &ListReading) -> Option<Event> {
    let (target, zone) = (Octets::from(target), reading.zone.as_str().into());
    let impact = reading.impact.as_str().into();
    let observation = match &reading.listing {
        Listing::Listed { entries, reasons } => {
            let entries = words(entries, reasons);
            match reading.listing.is_against() {
                true if reading.impact >= Impact::Medium => {
                    Observation::BlacklistListed { target, zone, impact, entries }
                }
                true => Observation::BlacklistListedLittle { target, zone, impact, entries },
                false => Observation::BlacklistVouched { target, zone, impact, entries },
            }
        }
        // Few receivers heed the other lists, so their silence is not worth knowing.
        Listing::Unknown { why, .. } if reading.impact >= Impact::Medium => {
            let why = Octets::from(why.clause());
            Observation::BlacklistUnknown { target, zone, impact, why }
        }
        _ => return None,
    };
    Some(observation.event(None))
}

/// `127.0.0.4 (XBL: …), "the list's own words"`
fn words(entries: &[ListEntry], reasons: &[Octets]) -> Octets {
    let entries = entries.iter().map(|entry| match &entry.meaning {
        Some(meaning) => format!("{} ({meaning})", entry.answer).into_bytes(),
        None => entry.answer.to_string().into_bytes(),
    });
    // The octets stay what they are: they are made harmless where they are shown.
    let reasons = reasons
        .iter()
        .map(|reason| [b"\"", reason.as_bytes(), b"\""].concat());
    Octets::from(entries.chain(reasons).collect::<Vec<_>>().join(&b", "[..]))
}

#[cfg(test)]
mod tests {
    use norelay_core::check::{Topic, observation::KINDS};
    use norelay_dns::blacklist::{DnsAnswer, Sense, UnknownReason, by_zone, read};

    use super::*;

    fn reading(zone: &str, listing: Listing) -> ListReading {
        let list = by_zone(zone);
        ListReading {
            zone: zone.to_owned(),
            operator: None,
            sense: list.map_or(Sense::Against, |list| list.sense),
            impact: list.map_or(Impact::Low, |list| list.impact),
            listing,
            elapsed_ms: 0,
        }
    }

    fn listed(zone: &str) -> ListReading {
        reading(zone, read(by_zone(zone), &DnsAnswer::Addresses(vec![[127, 0, 0, 2].into()]), &[]))
    }

    #[test]
    fn a_run_becomes_notes() {
        let reason = [Octets::from(&b"see \x1b[31m"[..])];
        let answer = DnsAnswer::Addresses(vec![[127, 0, 0, 4].into(), [127, 0, 0, 11].into()]);
        let readings = vec![
            reading("zen.spamhaus.org", read(by_zone("zen.spamhaus.org"), &answer, &reason)),
            listed("all.s5h.net"),
            listed("wl.mailspike.net"),
            reading("bl.spamcop.net", Listing::unknown(UnknownReason::Quota)),
            reading("rbl.interserver.net", Listing::unknown(UnknownReason::Quota)),
            reading("psbl.surriel.com", Listing::NotListed),
        ];
        let survey = Survey {
            target: "192.0.2.1".to_owned(),
            resolvers: Vec::new(),
            public_resolver: false,
            readings,
            elapsed_ms: 0,
        };
        let records: Vec<_> = survey_events(&survey)
            .into_iter()
            .map(|event| norelay_core::event::Record::new(jiff::Timestamp::UNIX_EPOCH, event))
            .collect();
        let report = norelay_core::report::Report::of(&records);
        let findings =
            norelay_core::check::finding::findings(&report, &norelay_core::check::judge(&report));
        let shown: Vec<_> = findings
            .iter()
            .map(|finding| format!("{} {}", finding.tag, finding.text))
            .collect();
        assert_eq!(
            shown,
            [
                "blacklist_listed 192.0.2.1 is on the blacklist zen.spamhaus.org (high impact): \
                 127.0.0.4 (XBL: hijacked or \
                 infected, an open proxy), 127.0.0.11 (PBL: Spamhaus says that it should not send \
                 mail directly), \
                 \"see \\x1b[31m\". First make sure that the relay is closed; norelay blacklist \
                 then shows the way off.",
                "blacklist_listed_little 192.0.2.1 is on the blacklist all.s5h.net (low impact), \
                 which few receivers heed: \
                 127.0.0.2.",
                "blacklist_unknown What the blacklist bl.spamcop.net (high impact) says of \
                 192.0.2.1 is not known: this \
                 resolver has asked it too much.",
                "blacklist_vouched The whitelist wl.mailspike.net vouches for 192.0.2.1: \
                 127.0.0.2.",
                "blacklist_summary 192.0.2.1 is listed: on 2 of 4 lists that answered; 2 could \
                 not be told.",
            ]
        );
    }

    /// The core compares TLSA records with certificates under the tag that posture gives them.
    #[test]
    fn tlsa_records_have_one_tag() {
        assert_eq!(norelay_dns::posture::TLSA_RECORDS, norelay_core::check::dane::RECORDS);
    }

    /// Findings that core makes of what posture notes under [`norelay_dns::posture::TLSA_RECORDS`].
    const COMPARED: [&str; 4] = ["dane_mismatch", "dane_unsigned", "dane_fits", "dane_uncompared"];

    /// Every tag that is written in the sources has words that name what the fact is about, and
    /// every row about posture is noted.
    #[test]
    fn every_note_has_a_wording() {
        let sources = [
            include_str!("../../norelay-dns/src/posture/mod.rs"),
            include_str!("../../norelay-dns/src/posture/sts_policy.rs"),
        ];
        let source: String = sources
            .map(|source| source.split("#[cfg(test)]").next().unwrap_or_default())
            .concat();
        let prefixes =
            ["posture_", "mx_", "spf_", "dmarc_", "mta_sts_", "tls_rpt_", "dane_", "reverse_name_"];
        let quoted = source.split('"').filter(|word| {
            word.bytes()
                .all(|octet| octet.is_ascii_lowercase() || octet == b'_')
        });
        let tags: Vec<_> = quoted
            .filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)))
            .collect();
        assert!(tags.len() >= 30, "{tags:?}");
        for tag in &tags {
            let kind = KINDS.iter().find(|kind| kind.tag == *tag);
            let is_named = kind.is_some_and(|kind| {
                let first = kind.particulars.first();
                first.is_some_and(|first| kind.words.contains(&format!("{{{first}}}")))
            });
            assert!(is_named, "{tag} has no wording");
        }
        for kind in KINDS
            .iter()
            .filter(|kind| prefixes.iter().any(|prefix| kind.tag.starts_with(prefix)))
        {
            let is_noted = tags.contains(&kind.tag) || COMPARED.contains(&kind.tag);
            assert!(is_noted, "{} is never noted", kind.tag);
            assert_eq!(kind.topic, Topic::Posture, "{}", kind.tag);
        }
    }
}
