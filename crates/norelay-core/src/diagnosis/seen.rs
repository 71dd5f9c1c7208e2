//! As whom a server sees us, where that explains why it relays.

use std::net::IpAddr;

use crate::{
    report::PathView,
    seen::{self, Loss, Meaning},
};

/// The address that a server took a path's connections to come from, where it told.
#[must_use]
pub fn seen_as(path: PathView<'_>) -> Option<IpAddr> {
    seen::on_path(path).map(|seen| seen.sighting.address)
}

/// Whether the server is known to see the address that it should.
pub(super) fn is_well_seen(path: PathView<'_>) -> bool {
    seen::on_path(path).is_some_and(|seen| seen.meaning == Meaning::Ours)
}

/// What the server saw, and what it should have seen, where the two differ so that it matters: it
/// saw an address of a private network, or its own.
pub(super) fn misseen(path: PathView<'_>) -> Option<(IpAddr, IpAddr)> {
    let seen = seen::on_path(path)?;
    let matters = matches!(seen.meaning, Meaning::Lost(loss) if loss != Loss::Other);
    seen.due
        .filter(|_| matters)
        .map(|due| (seen.sighting.address, due))
}
