//! What is worth knowing about a server's offers, in the clear and under TLS: STARTTLS, AUTH,
//! XCLIENT and certificates.

use std::collections::BTreeSet;

use super::observation::{Observation, Observed};
use crate::{
    event::TlsFacts,
    octets::Octets,
    path::Endpoint,
    report::{Dialogue, PathView, Report},
    seen::neighbour,
    smtp::{Capabilities, Security, Stage},
};

/// Returns what is worth knowing about offers, once for each address and port.
pub(super) fn of(report: &Report) -> Vec<Observed> {
    let mut observed = Vec::new();
    let mut seen: BTreeSet<(Endpoint, String)> = BTreeSet::new();
    for dialogue in report.dialogues.values() {
        let Some(path) = report.path(dialogue.path) else { continue };
        for observation in offers(dialogue, path) {
            if seen.insert((path.endpoint(), observation.tag().to_owned())) {
                observed.push(observation.on(dialogue.path));
            }
        }
    }
    observed
}

fn offers(dialogue: &Dialogue, path: PathView<'_>) -> Vec<Observation> {
    let mut observations = Vec::new();
    let hello = dialogue
        .reply_at(Stage::Ehlo)
        .filter(|reply| reply.is_positive());
    if let Some(offered) = hello.map(Capabilities::from_reply) {
        // The first EHLO of a path after STARTTLS is in the clear, too.
        if path.destination().security != Security::Tls {
            observations.extend(in_the_clear(&offered));
        }
        // A server may rightly trust proxies on its own machine and in its own network.
        if neighbour(path).is_none() {
            observations.extend(xclient(&offered));
        }
    }
    observations.extend(dialogue.tls.as_ref().and_then(certificate));
    observations
}

/// What a server offers before TLS.
fn in_the_clear(offered: &Capabilities) -> Vec<Observation> {
    let mut observations = Vec::new();
    if !offered.offers("STARTTLS") {
        observations.push(Observation::StarttlsNotOffered);
    }
    let mechanisms = offered.parameters("AUTH").unwrap_or_default();
    let legible: Vec<_> = mechanisms
        .into_iter()
        .filter(|mechanism| is_legible(mechanism))
        .collect();
    if !legible.is_empty() {
        observations.push(Observation::AuthInClear { mechanisms: legible.join(" ") });
    }
    observations
}

/// XCLIENT with an attribute by which a client can claim an address or a login (Postfix's
/// XCLIENT_README). Postfix and Haraka announce the command only to clients that may use it.
fn xclient(offered: &Capabilities) -> Option<Observation> {
    let attributes = offered.parameters("XCLIENT")?;
    let is_claim = |attribute: &String| {
        ["ADDR", "LOGIN"]
            .iter()
            .any(|claim| attribute.eq_ignore_ascii_case(claim))
    };
    if !attributes.iter().any(is_claim) {
        return None;
    }
    Some(Observation::XclientOffered { attributes: attributes.join(" ") })
}

fn certificate(tls: &TlsFacts) -> Option<Observation> {
    if tls.troubles.is_empty() {
        return None;
    }
    let subject = tls.subject.as_ref().map(Octets::to_string);
    Some(Observation::CertificateTrouble {
        subject: subject.unwrap_or_else(|| "the server".to_owned()),
        troubles: tls.troubles.join("; "),
    })
}

/// True for mechanisms that send the password or a bearer's token itself (RFC 4616, RFC 7628; LOGIN
/// and XOAUTH2 have no RFC).
fn is_legible(mechanism: &str) -> bool {
    ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]
        .iter()
        .any(|legible| mechanism.eq_ignore_ascii_case(legible))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, Path, Record},
        path::PathId,
        smtp::Reply,
    };

    /// A run in which a client at `local` was greeted with these lines at 192.0.2.7.
    fn greeted(local: [u8; 4], hello: &[&str]) -> Report {
        let (dialogue, path, after_ms) = (0, PathId::FIRST, 1);
        let destination = Path {
            host: None,
            address: [192, 0, 2, 7].into(),
            port: 25,
            security: Security::Plain,
        };
        let reply = Reply { code: 250, lines: hello.iter().copied().map(Octets::from).collect() };
        let stage = Stage::Ehlo;
        let events = [
            Event::PathAdded { path, destination, tests: Vec::new() },
            Event::Opened {
                dialogue,
                path,
                tests: Vec::new(),
                proof: false,
                attempt: 0,
                login: None,
            },
            Event::Connected { dialogue, after_ms, local: (local, 4000).into() },
            Event::Replied { dialogue, after_ms, stage, test: None, purpose: None, reply },
        ];
        Report::of(&events.map(|event| Record::new(jiff::Timestamp::UNIX_EPOCH, event)))
    }

    #[test]
    fn xclient_matters_where_an_outside_client_can_claim_something() {
        let (outside, beside) = ([203, 0, 113, 9], [192, 0, 2, 9]);
        for (local, offer, expected) in [
            (outside, "XCLIENT NAME ADDR PROTO HELO", Some("NAME ADDR PROTO HELO")),
            (outside, "xclient login", Some("login")),
            (outside, "XCLIENT NAME HELO", None),
            (outside, "XCLIENT", None),
            (outside, "XFORWARD ADDR", None),
            (beside, "XCLIENT ADDR", None),
        ] {
            let report = greeted(local, &["mx.example", "STARTTLS", offer]);
            let attributes = expected.map(str::to_owned);
            let expected = attributes
                .map(|attributes| Observation::XclientOffered { attributes }.on(PathId::FIRST));
            assert_eq!(of(&report), Vec::from_iter(expected), "{local:?} {offer}");
        }
    }
}
