//! Submission services: ports that are for users who authenticate, and refuse everybody else
//! without saying so.
//!
//! `permit_sasl_authenticated, reject`, as Postfix's own `master.cf` suggests it, answers strangers
//! with `Access denied`, whomever they write to. That alone could be about our address; that we may
//! write to postmaster at another port of the same server says that it isn't.

use super::{outcome::Outcome, reason::Reason};
use crate::{
    catalogue::{self, TestRole},
    report::PathView,
    smtp::{Reply, Stage},
};

/// RFC 6409 (587) and RFC 8314 (465).
pub(crate) const PORTS: [u16; 2] = [465, 587];

/// What Postfix says to a client that `permit_sasl_authenticated, reject` turns away, where it
/// stands among the restrictions on clients.
const ABOUT_THE_CLIENT: &str = "client host rejected: access denied";

/// Whether a refusal on a path is what a submission service says to whoever has not authenticated.
pub(super) fn wants_users(path: PathView<'_>, stage: Stage, reason: Reason, reply: &Reply) -> bool {
    let is_bare = match reason {
        Reason::Policy | Reason::Unclassified => true,
        Reason::Reputation => reply.text().to_lowercase().ends_with(ABOUT_THE_CLIENT),
        _ => false,
    };
    is_bare
        && matches!(stage, Stage::Mail | Stage::Rcpt)
        && (500..600).contains(&reply.code)
        && PORTS.contains(&path.way().port)
        && offers_authentication(path)
        && takes_postmaster_elsewhere(path)
}

/// On this path, or on the same port in another way: many offer it under TLS alone.
fn offers_authentication(path: PathView<'_>) -> bool {
    path.at_endpoint().any(|path| path.offers("AUTH"))
}

/// Whether the same server takes our mail to its postmaster at another port.
fn takes_postmaster_elsewhere(path: PathView<'_>) -> bool {
    let postmaster = catalogue::by_role(TestRole::Postmaster).id;
    let of_host = path
        .others()
        .filter(|other| other.way().is_to_host_of(path.way()));
    let mut asked = of_host.flat_map(|other| other.dialogues_of(postmaster));
    asked.any(|(_, dialogue)| matches!(Outcome::of(dialogue, postmaster), Outcome::Accepted { .. }))
}
