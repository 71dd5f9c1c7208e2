//! Which tests a run asks.

use std::net::IpAddr;

use super::{columns::Profile, relay_test::RelayTest, table::TESTS};
use crate::smtp::Security;

/// The tests and controls of a profile, in display order.
pub fn select(profile: Profile) -> impl Iterator<Item = &'static RelayTest> {
    TESTS
        .iter()
        .filter(move |test| test.profile <= profile && !test.needs_credentials() && test.is_asked())
}

/// The rows that the plain test answers on a path, besides its own.
pub fn on_path(
    address: IpAddr,
    port: u16,
    security: Security,
) -> impl Iterator<Item = &'static RelayTest> {
    TESTS.iter().filter(move |test| {
        test.way()
            .is_some_and(|way| way.is(address, port, security))
    })
}
