//! What is worth knowing about a server's offers, in the clear and under TLS: STARTTLS, AUTH and
//! certificates.

use std::collections::BTreeSet;

use super::observation::{Observation, Observed};
use crate::{
    event::TlsFacts,
    octets::Octets,
    path::Endpoint,
    report::{Dialogue, Report},
    smtp::{Capabilities, Security, Stage},
};

/// Returns what is worth knowing about offers, once for each address and port.
pub(super) fn of(report: &Report) -> Vec<Observed> {
    let mut observed = Vec::new();
    let mut seen: BTreeSet<(Endpoint, String)> = BTreeSet::new();
    for dialogue in report.dialogues.values() {
        let Some(path) = report.path(dialogue.path) else { continue };
        for observation in offers(dialogue, path.destination().security) {
            if seen.insert((path.endpoint(), observation.tag().to_owned())) {
                observed.push(observation.on(dialogue.path));
            }
        }
    }
    observed
}

fn offers(dialogue: &Dialogue, security: Security) -> Vec<Observation> {
    let mut observations = Vec::new();
    let hello = dialogue
        .reply_at(Stage::Ehlo)
        .filter(|reply| reply.is_positive());
    // The first EHLO of a path after STARTTLS is in the clear, too.
    if security != Security::Tls
        && let Some(offered) = hello.map(Capabilities::from_reply)
    {
        observations.extend(in_the_clear(&offered));
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
