//! DANE (RFC 7672): TLSA records, as posture notes them, against the certificates that the probe
//! saw under STARTTLS.
//!
//! Rules:
//! - Records that the resolver didn't find signed have no effect, whatever they say.
//! - What was not seen, or can't be compared, is said to be so; it is no mismatch.

use std::collections::BTreeSet;

use super::observation::{Observation, Observed};
use crate::{
    path::PathId,
    report::{Note, Report},
    smtp::Security,
};

/// The tag under which posture notes the usable records of a host: the host, what is known of their
/// signatures (`secure`, `insecure`, `unknown`), and each record as `USAGE SELECTOR SHA-256`, with
/// `-` where there is another digest.
pub const RECORDS: &str = "tlsa_records";

/// Returns what the records of a host mean beside the certificates that the host showed.
pub(super) fn compared(report: &Report, note: &Note) -> Option<Observed> {
    let arguments: Vec<_> = note.arguments.iter().map(ToString::to_string).collect();
    let [host, signed, records @ ..] = arguments.as_slice() else { return None };
    let host = host.clone();
    let signatures = match signed.as_str() {
        "secure" => "the resolver says that they are signed and valid (DNSSEC)",
        // Unsigned records have no effect, so there is nothing to compare (RFC 7672).
        "insecure" => {
            let records = records.len().to_string();
            return Some(Observation::DaneUnsigned { host, records }.of_run());
        }
        _ => "whether they are signed is not known, since the resolver doesn't validate (DNSSEC)",
    }
    .to_owned();
    let chains = chains(report, &host);
    let mut misfit = chains
        .iter()
        .filter(|(_, chain)| !records.iter().any(|record| fits(record, chain)));
    let why = match (chains.is_empty(), misfit.next()) {
        (true, _) => "no certificate was seen under STARTTLS on port 25",
        (false, None) => return Some(Observation::DaneFits { host, signatures }.of_run()),
        // The record that cannot be compared may be the record that fits.
        (false, Some(_)) if records.iter().any(|record| record.ends_with(" -")) => {
            "a record has another digest than SHA-256"
        }
        (false, Some((id, _))) => {
            let path = report.path(*id);
            let address = path.map(|path| path.destination().address.to_string());
            let address = address.unwrap_or_default();
            return Some(Observation::DaneMismatch { host, address, signatures }.on(*id));
        }
    }
    .to_owned();
    Some(Observation::DaneUncompared { host, why, signatures }.of_run())
}

/// Returns the different chains of certificates of a host, each with a path that showed it.
fn chains<'report>(report: &'report Report, host: &str) -> Vec<(PathId, &'report [[String; 2]])> {
    let mut seen = BTreeSet::new();
    let secured = report.dialogues.values().filter_map(|dialogue| {
        let destination = report.path(dialogue.path)?.destination();
        let is_mail = destination.port == 25 && destination.security == Security::StartTls;
        let is_host = destination
            .host
            .as_ref()
            .is_some_and(|name| name.eq_ignore_ascii_case(host));
        let digests = dialogue
            .tls
            .as_ref()
            .map(|tls| tls.digests.as_slice())
            .filter(|digests| !digests.is_empty())?;
        (is_mail && is_host).then_some((dialogue.path, digests))
    });
    secured
        .filter(|(path, chain)| seen.insert((*path, chain.to_vec())))
        .collect()
}

/// True if a record fits a chain. RFC 7672 section 3.1: usage 3 is about the server's own
/// certificate, usage 2 about an authority in the chain.
fn fits(record: &str, chain: &[[String; 2]]) -> bool {
    let mut words = record.split(' ');
    let (Some(usage), Some(selector), Some(digest)) = (words.next(), words.next(), words.next())
    else {
        return false;
    };
    // Each certificate has two digests: selector 0 is the whole certificate, selector 1 its key.
    let place = usize::from(selector == "1");
    let certificates = if usage == "3" { chain.get(..1).unwrap_or_default() } else { chain };
    certificates.iter().any(|digests| digests[place] == digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, Path, Record, TlsFacts},
        octets::Octets,
    };

    /// A run in which `mx.example` showed its own certificate (digests `c0`, `k0`) and an
    /// authority's (`c1`, `k1`).
    fn report(security: Security) -> Report {
        let destination = Path {
            host: Some("mx.example".to_owned()),
            address: [192, 0, 2, 7].into(),
            port: 25,
            security,
        };
        let digests = vec![["c0".to_owned(), "k0".to_owned()], ["c1".to_owned(), "k1".to_owned()]];
        let tls = TlsFacts { digests, ..TlsFacts::default() };
        let events = [
            Event::PathAdded { path: PathId::FIRST, destination, tests: Vec::new() },
            Event::Opened {
                dialogue: 0,
                path: PathId::FIRST,
                tests: Vec::new(),
                proof: false,
                attempt: 0,
                login: None,
            },
            Event::Secured { dialogue: 0, after_ms: 1, tls },
        ];
        Report::of(&events.map(|event| Record::new(jiff::Timestamp::UNIX_EPOCH, event)))
    }

    #[test]
    fn records_are_compared_with_what_was_seen() {
        let (seen, unseen) = (report(Security::StartTls), report(Security::Tls));
        for (report, signed, records, expected) in [
            (&seen, "secure", &["3 1 k0"][..], "dane_fits"),
            (&seen, "unknown", &["3 0 c0"], "dane_fits"),
            (&seen, "secure", &["3 1 old", "3 1 k0"], "dane_fits"),
            (&seen, "secure", &["2 0 c1"], "dane_fits"),
            (&seen, "secure", &["3 1 k1"], "dane_mismatch"),
            (&seen, "secure", &["3 0 k0"], "dane_mismatch"),
            (&seen, "unknown", &["3 1 old"], "dane_mismatch"),
            (&seen, "secure", &["3 1 old", "3 1 -"], "dane_uncompared"),
            (&seen, "insecure", &["3 1 old"], "dane_unsigned"),
            (&unseen, "secure", &["3 1 k0"], "dane_uncompared"),
        ] {
            let words = ["mx.example", signed]
                .into_iter()
                .chain(records.iter().copied());
            let note = Note {
                path: None,
                tag: RECORDS.to_owned(),
                arguments: words.map(Octets::from).collect(),
            };
            assert_eq!(
                compared(report, &note)
                    .as_ref()
                    .map(|observed| observed.observation.tag()),
                Some(expected),
                "{signed} {records:?}"
            );
        }
    }
}
