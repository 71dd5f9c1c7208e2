//! Mail domains in order and out of order, served by a real DNS server on loopback.

mod dns;

use std::{net::IpAddr, sync::Arc, time::Duration};

use dns::{Unbound, Zone, signed::Signed};
use norelay_dns::{
    lookup::{dns_client::DnsClient, policies::Policies, records},
    posture::PostureNote,
};
use rustls::RootCertStore;
use tokio::time::Instant;

/// A domain, its zone, and the notes that are to be made of it.
type Row = (&'static str, Zone<'static>, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "good.example",
        Zone::Holds(
            "good.example",
            &[
                "good.example. MX 10 mx.good.example.",
                "good.example. TXT \"v=spf1 include:\" \"_spf.good.example -all\"",
                "_spf.good.example. TXT \"v=spf1 ip4:192.0.2.0/24 ~all\"",
                "_dmarc.good.example. TXT \"v=DMARC1; p=reject; rua=mailto:d@good.example\"",
                "_mta-sts.good.example. TXT \"v=STSv1; id=20261124\"",
                "_smtp._tls.good.example. TXT \"v=TLSRPTv1; rua=mailto:t@good.example\"",
                "mx.good.example. A 192.0.2.25",
                "mx.good.example. AAAA 2001:db8::25",
                "_25._tcp.mx.good.example. TLSA 3 1 1 \
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ],
        ),
        &[
            "spf_found good.example; v=spf1 include:_spf.good.example -all",
            "dmarc_found good.example; reject",
            "mta_sts_policy_wrong good.example; mta-sts.good.example has no address",
            "tls_rpt_found good.example",
            "tlsa_records mx.good.example; unknown; 3 1 \
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ],
    ),
    (
        "bare.example",
        Zone::Holds("bare.example", &["bare.example. A 192.0.2.1"]),
        &[
            "mx_missing bare.example",
            "spf_missing bare.example",
            "dmarc_missing bare.example",
            "mta_sts_missing bare.example",
            "tls_rpt_missing bare.example",
        ],
    ),
    (
        "null.example",
        Zone::Holds("null.example", &["null.example. MX 0 .", "null.example. TXT \"v=spf1 -all\""]),
        &[
            "mx_null null.example",
            "spf_found null.example; v=spf1 -all",
            "dmarc_missing null.example",
            "mta_sts_missing null.example",
            "tls_rpt_missing null.example",
        ],
    ),
    (
        "wrong.example",
        Zone::Holds(
            "wrong.example",
            &[
                "wrong.example. MX 10 alias.wrong.example.",
                "wrong.example. MX 20 inside.wrong.example.",
                "wrong.example. MX 30 192.0.2.25.",
                "wrong.example. MX 40 nowhere.wrong.example.",
                "wrong.example. MX 50 .",
                "alias.wrong.example. CNAME real.wrong.example.",
                "real.wrong.example. A 192.0.2.26",
                "inside.wrong.example. A 10.0.0.25",
                "wrong.example. TXT \"v=spf1 ip4:300.1.1.1 -all\"",
                "_dmarc.wrong.example. TXT \"v=DMARC1; p=block\"",
                "_mta-sts.wrong.example. TXT \"v=STSv1\"",
                "_smtp._tls.wrong.example. TXT \"v=TLSRPTv1; rua=t@wrong.example\"",
                "_25._tcp.inside.wrong.example. TLSA 1 1 1 \
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ],
        ),
        &[
            "mx_null_among_others wrong.example",
            "mx_is_alias wrong.example; alias.wrong.example; real.wrong.example",
            "mx_private_address wrong.example; inside.wrong.example; 10.0.0.25",
            "mx_is_address wrong.example; 192.0.2.25",
            "mx_without_address wrong.example; nowhere.wrong.example",
            "spf_invalid wrong.example; \"ip4:300.1.1.1\": that is no address of this kind; \
             v=spf1 ip4:300.1.1.1 -all",
            "dmarc_invalid wrong.example; \"p=block\" is not one of none, quarantine, reject; \
             v=DMARC1; p=block",
            "mta_sts_invalid wrong.example; there is no id; v=STSv1",
            "tls_rpt_invalid wrong.example; \"rua=t@wrong.example\" is no mailto: or https:// \
             address; v=TLSRPTv1; rua=t@wrong.example",
            "dane_invalid inside.wrong.example; certificate usage 1 is not for mail: only 2 and 3 \
             are",
        ],
    ),
    (
        "sub.loop.example",
        Zone::Holds(
            "loop.example",
            &[
                "sub.loop.example. MX 10 sub.loop.example.",
                "sub.loop.example. A 192.0.2.2",
                "sub.loop.example. TXT \"v=spf1 include:sub.loop.example -all\"",
                "_dmarc.loop.example. TXT \"v=DMARC1; p=reject; sp=quarantine; \
                 rua=mailto:d@loop.example\"",
            ],
        ),
        &[
            "spf_broken_below sub.loop.example; sub.loop.example includes itself",
            "dmarc_found sub.loop.example; quarantine",
            "mta_sts_missing sub.loop.example",
            "tls_rpt_missing sub.loop.example",
            "dane_missing sub.loop.example",
        ],
    ),
    (
        "fails.example",
        Zone::Fails("fails.example"),
        &[
            "posture_unknown the MX records; fails.example; the resolver got no answer from it",
            "posture_unknown the SPF record; fails.example; the resolver got no answer from it",
            "posture_unknown the DMARC record; fails.example; the resolver got no answer from it",
            "posture_unknown the MTA-STS record; fails.example; the resolver got no answer from it",
            "posture_unknown the TLS-RPT record; fails.example; the resolver got no answer from it",
        ],
    ),
];

/// Policies of MTA-STS, fetched without an authority that may vouch for their hosts.
fn no_authority() -> Policies {
    Policies::trusting(Arc::new(RootCertStore::empty()))
}

fn shown(notes: &[PostureNote]) -> Vec<String> {
    let show = |note: &PostureNote| {
        let arguments: Vec<_> = note
            .arguments
            .iter()
            .map(|argument| argument.to_string().replace("\\\\", "\\"))
            .collect();
        format!("{} {}", note.tag, arguments.join("; "))
    };
    notes.iter().map(show).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_are_seen_as_the_dns_shows_them() {
    // Two rows ask for the root, whose answer would show a resolver that validates.
    let zones: Vec<_> = ROWS.iter().map(|row| row.1).chain([Zone::Root]).collect();
    let server = Unbound::start(&zones);
    let dns = DnsClient::new(Some(server.address), Duration::from_secs(60))
        .expect("the test gives the resolver");
    let asked: Vec<_> = ROWS
        .iter()
        .map(|(domain, _, expected)| {
            let dns = dns.clone();
            tokio::spawn(async move {
                let notes = records::examine(&dns, &no_authority(), Some(domain), &[]).await;
                (domain, shown(&notes), expected)
            })
        })
        .collect();
    for row in asked {
        let (domain, shown, expected) = row.await.expect("no look-up panics");
        assert_eq!(shown, *expected, "{domain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reverse_names_are_followed_forth_and_back() {
    let server = Unbound::start(&[
        Zone::Holds(
            "2.0.192.in-addr.arpa",
            &[
                "25.2.0.192.in-addr.arpa. PTR mx.names.example.",
                "26.2.0.192.in-addr.arpa. PTR other.names.example.",
                "28.2.0.192.in-addr.arpa. PTR mx.fails.example.",
            ],
        ),
        Zone::Holds(
            "8.b.d.0.1.0.0.2.ip6.arpa",
            &["5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR \
                 mx.names.example."],
        ),
        Zone::Holds(
            "names.example",
            &[
                "mx.names.example. A 192.0.2.25",
                "mx.names.example. AAAA 2001:db8::25",
                "other.names.example. A 192.0.2.99",
            ],
        ),
        Zone::Fails("fails.example"),
    ]);
    let dns = DnsClient::new(Some(server.address), Duration::from_secs(60))
        .expect("the test gives the resolver");
    let addresses = ["192.0.2.25", "2001:db8::25", "192.0.2.26", "192.0.2.27", "192.0.2.28"];
    let addresses = addresses.map(|address| address.parse::<IpAddr>().expect("an address"));
    let notes = records::examine(&dns, &no_authority(), None, &addresses).await;
    assert_eq!(
        shown(&notes),
        [
            "reverse_name_confirmed 192.0.2.25; mx.names.example",
            "reverse_name_confirmed 2001:db8::25; mx.names.example",
            "reverse_name_unconfirmed 192.0.2.26; other.names.example; 192.0.2.99",
            "reverse_name_missing 192.0.2.27",
            "posture_unknown the addresses; mx.fails.example; the resolver got no answer from it",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_domain_is_unknown_when_the_time_is_over() {
    let server = Unbound::start(&[Zone::Silent("silent.example", &[])]);
    // A busy machine is slow, yet not as slow as one question that is waited for to its end.
    let dns = DnsClient::new(Some(server.address), Duration::from_secs(600))
        .expect("the test gives the resolver");
    let (started, time) = (Instant::now(), Duration::from_millis(400));
    let notes =
        records::examine(&dns.until(started + time), &no_authority(), Some("silent.example"), &[])
            .await;
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
    let shown = shown(&notes);
    assert_eq!(shown.len(), 5, "{shown:?}");
    assert!(
        shown
            .iter()
            .all(|note| note.starts_with("posture_unknown")
                && note.ends_with("the run's time was over")),
        "{shown:?}"
    );
}

/// A resolver that holds no record and says of some names (its questions' first labels) that they
/// are authentic.
fn validating(authentic: &'static [&'static str]) -> std::net::SocketAddr {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = socket.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut message) {
            let first = usize::from(message[12]);
            let label = String::from_utf8_lossy(&message[13..13 + first]).into_owned();
            let was_asked = message[3] & 0x20 != 0;
            message[2] |= 0x80;
            message[3] &= !0x20;
            if was_asked && authentic.contains(&label.as_str()) {
                message[3] |= 0x20;
            }
            let _ = socket.send_to(&message[..length], peer);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_believed_of_a_resolver_that_validates_alone() {
    use hickory_resolver::proto::rr::RecordType;
    let patient = |server, seconds| {
        DnsClient::new(Some(server), Duration::from_secs(seconds))
            .expect("the test gives the resolver")
    };
    let dns = |server| patient(server, 60);
    let validates = dns(validating(&["signed", ""]));
    assert_eq!(
        validates
            .is_authenticated("signed.example", RecordType::MX)
            .await,
        Ok(true)
    );
    assert_eq!(
        validates
            .is_authenticated("unsigned.example", RecordType::MX)
            .await,
        Ok(false)
    );
    assert_eq!(validates.is_authenticated(".", RecordType::NS).await, Ok(true));
    let unbound = Unbound::start(&[Zone::Holds("signed.example", &["signed.example. MX 0 ."])]);
    assert_eq!(
        dns(unbound.address)
            .is_authenticated("signed.example", RecordType::MX)
            .await,
        Ok(false)
    );
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let silent = patient(silent.local_addr().expect("it is bound"), 1);
    assert!(
        silent
            .is_authenticated("signed.example", RecordType::MX)
            .await
            .is_err()
    );
}

/// A zone that is really signed, one that isn't, and one whose signatures are wrong, by a resolver
/// that validates.
#[tokio::test(flavor = "multi_thread")]
async fn tlsa_records_are_secure_where_the_resolver_has_validated_them() {
    const RECORDS: &str =
        "TLSA 3 1 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let of = |domain: &str| {
        let mx = format!("mx.{domain}");
        [
            format!("{domain}. MX 10 {mx}."),
            format!("{mx}. A 192.0.2.25"),
            format!("_25._tcp.{mx}. {RECORDS}"),
        ]
    };
    let zones = [of("signed.example"), of("plain.insecure"), of("wrong.bogus")];
    let [root, insecure, bogus] = zones
        .each_ref()
        .map(|zone| zone.each_ref().map(String::as_str));
    let world = Signed::start(&root, &insecure, &bogus);
    let dns = DnsClient::new(Some(world.resolver.address), Duration::from_secs(60))
        .expect("the test gives the resolver");
    for (domain, expected) in [
        ("signed.example", "tlsa_records mx.signed.example; secure; 3 1 e3b0c442"),
        ("plain.insecure", "tlsa_records mx.plain.insecure; insecure; 3 1 e3b0c442"),
        ("wrong.bogus", "posture_unknown the MX records; wrong.bogus; "),
    ] {
        let shown = shown(&records::examine(&dns, &no_authority(), Some(domain), &[]).await);
        assert!(shown.iter().any(|note| note.starts_with(expected)), "{domain}: {shown:#?}");
    }
}
