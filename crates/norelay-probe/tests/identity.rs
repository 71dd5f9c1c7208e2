//! The probe domain of a machine, by what a real DNS server on loopback says of its name.

#[path = "../../norelay-dns/tests/dns/mod.rs"]
mod dns;

use std::time::Duration;

use dns::{Unbound, Zone};
use norelay_probe::{identity::domain_of, resolve::Resolver};

const ZONES: &[Zone<'static>] = &[
    Zone::Holds(
        "both.test",
        &["both.test. MX 10 mx.both.test.", "a.both.test. MX 10 a.both.test."],
    ),
    Zone::Holds("above.test", &["above.test. MX 10 mx.above.test."]),
    Zone::Holds("null.test", &["null.test. MX 0 ."]),
    Zone::NothingElse,
];

#[tokio::test]
async fn the_first_domain_that_accepts_mail_is_the_machines_own() {
    let dns = Unbound::start(ZONES);
    let resolver = Resolver::new(Some(dns.address), Duration::from_secs(60));
    let resolver = resolver.expect("an address is all that a resolver needs");
    for (host, expected) in [
        ("a.both.test", Some("a.both.test")),
        ("a.above.test", Some("above.test")),
        ("a.b.above.test", Some("above.test")),
        ("a.null.test", None),
        ("a.missing.test", None),
    ] {
        assert_eq!(domain_of(host, &resolver).await.as_deref(), expected, "{host}");
    }
}
