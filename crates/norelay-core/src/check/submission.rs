//! Submission services: ports that are for users who authenticate, and refuse everybody else
//! without saying so.
//!
//! `permit_sasl_authenticated, reject`, as Postfix's own `master.cf` suggests it, answers strangers
//! with `Access denied`, whomever they write to. That alone could be about our address; that we may
//! write to postmaster at another port of the same server says that it isn't.

use super::{outcome::Outcome, reason::Reason};
use crate::{
    catalogue::{self, TestRole},
    report::Report,
    smtp::{Reply, Stage},
};

/// RFC 6409 (587) and RFC 8314 (465).
pub(crate) const PORTS: [u16; 2] = [465, 587];

/// What Postfix says to a client that `permit_sasl_authenticated, reject` turns away, where it
/// stands among the restrictions on clients.
const ABOUT_THE_CLIENT: &str = "client host rejected: access denied";

/// Whether a refusal on a path is what a submission service says to whoever has not authenticated.
pub(super) fn wants_users(
    report: &Report,
    path: u8,
    stage: Stage,
    reason: Reason,
    reply: &Reply,
) -> bool {
    let is_bare = match reason {
        Reason::Policy | Reason::Unclassified => true,
        Reason::Reputation => reply.text().to_lowercase().ends_with(ABOUT_THE_CLIENT),
        _ => false,
    };
    let Some(facts) = report.paths.get(usize::from(path)) else { return false };
    is_bare
        && matches!(stage, Stage::Mail | Stage::Rcpt)
        && (500..600).contains(&reply.code)
        && PORTS.contains(&facts.way.port)
        && offers_authentication(report, path)
        && takes_postmaster_elsewhere(report, path)
}

/// On this path, or on the same port in another way: many offer it under TLS alone.
fn offers_authentication(report: &Report, path: u8) -> bool {
    let place = |index: u8| {
        report
            .paths
            .get(usize::from(index))
            .map(|facts| (facts.way.address, facts.way.port))
    };
    let mut twins = (0..=u8::MAX)
        .zip(&report.paths)
        .filter(|(index, _)| place(*index) == place(path));
    twins.any(|(index, _)| {
        report
            .offers_on(index)
            .any(|offered| offered.offers("AUTH"))
    })
}

/// Whether the same server takes our mail to its postmaster at another port.
fn takes_postmaster_elsewhere(report: &Report, path: u8) -> bool {
    let postmaster = catalogue::by_role(TestRole::Postmaster).id;
    let Some(facts) = report.paths.get(usize::from(path)) else { return false };
    let mut others = (0..=u8::MAX)
        .zip(&report.paths)
        .filter(|(index, other)| *index != path && other.way.is_to_host_of(&facts.way));
    others.any(|(index, _)| {
        let mut asked = report.dialogues_of(index, postmaster);
        asked.any(|(_, dialogue)| {
            matches!(Outcome::of(dialogue, postmaster), Outcome::Accepted { .. })
        })
    })
}
