//! Which client address a server sees, as far as the address explains why the server relays.

use std::net::IpAddr;

use crate::{
    report::PathView,
    seen::{self, Loss, Meaning},
};

/// Returns the address that a path's connections came from in the eyes of the server, if the server
/// said so.
#[must_use]
pub fn seen_as(path: PathView<'_>) -> Option<IpAddr> {
    seen::on_path(path).map(|seen| seen.sighting.address)
}

/// True if the server is known to see our own address.
pub(super) fn is_well_seen(path: PathView<'_>) -> bool {
    seen::on_path(path).is_some_and(|seen| seen.meaning == Meaning::Ours)
}

/// Returns the address that the server saw, and the one that it should have seen. `None` unless the
/// server may trust what it saw: an address of a private network, or its own.
pub(super) fn misseen(path: PathView<'_>) -> Option<(IpAddr, IpAddr)> {
    let seen = seen::on_path(path)?;
    let matters = matches!(seen.meaning, Meaning::Lost(loss) if loss != Loss::Other);
    seen.due
        .filter(|_| matters)
        .map(|due| (seen.sighting.address, due))
}

/// True if the server takes us for the gateway of a container or private network.
pub(super) fn is_gateway(path: PathView<'_>) -> bool {
    seen::on_path(path).is_some_and(|seen| seen.meaning == Meaning::Lost(Loss::Gateway))
}
