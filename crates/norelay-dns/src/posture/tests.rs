//! Domains and servers in order and out of order, and the notes that are made of them.

use super::*;

const GOOD_SPF: &str = "v=spf1 mx -all";

fn texts(texts: &[&str]) -> Looked<Texts> {
    Ok(texts.iter().map(|&text| Octets::from(text)).collect())
}

fn exchanger(host: &str, addresses: &[&str]) -> Exchanger {
    Exchanger {
        host: host.to_owned(),
        alias: Ok(None),
        addresses: Ok(addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect()),
        tlsa: Ok(vec![Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0; 32] }]),
        signed: Signed::Secure,
    }
}

fn sts_policy(mode: &str, host: &str) -> Option<sts_policy::Fetched> {
    let text = format!("version: STSv1\nmode: {mode}\nmx: {host}\nmax_age: 604800\n");
    Some(sts_policy::Fetched::Text(Octets::from(text)))
}

fn good() -> DomainRecords {
    DomainRecords {
        name: "a.example".to_owned(),
        exchangers: Ok(vec![exchanger("mx.a.example", &["192.0.2.25"])]),
        spf: Records::from([("a.example".to_owned(), texts(&["unrelated", GOOD_SPF]))]),
        dmarc: texts(&["v=DMARC1; p=reject; rua=mailto:d@a.example"]),
        dmarc_above: None,
        mta_sts: texts(&["v=STSv1; id=1"]),
        sts_policy: sts_policy("enforce", "*.a.example"),
        tls_rpt: texts(&["v=TLSRPTv1; rua=mailto:t@a.example"]),
    }
}

/// `tag argument argument`, each argument in brackets.
fn shown(notes: &[PostureNote]) -> Vec<String> {
    let show = |note: &PostureNote| {
        let arguments: String = note
            .arguments
            .iter()
            .map(|argument| format!(" [{argument}]"))
            .collect();
        format!("{}{arguments}", note.tag)
    };
    notes.iter().map(show).collect()
}

#[test]
fn a_domain_in_order_is_said_to_be() {
    assert_eq!(
        shown(&notes(&good())),
        [
            "spf_found [a.example] [v=spf1 mx -all]",
            "dmarc_found [a.example] [reject]",
            "mta_sts_found [a.example] [7]",
            "tls_rpt_found [a.example]",
            &format!("tlsa_records [mx.a.example] [secure] [3 1 {}]", "00".repeat(32)),
        ]
    );
}

/// What is changed about a domain in order.
type DomainChange = fn(&mut DomainRecords);

/// Each row changes one thing; the notes that come of it are those that the domain in order has
/// not.
const ROWS: &[(DomainChange, &[&str])] = &[
    (|d| d.exchangers = Ok(vec![]), &["mx_missing [a.example]"]),
    (|d| d.exchangers = Ok(vec![exchanger("", &[])]), &["mx_null [a.example]"]),
    (
        |d| d.exchangers = Ok(vec![exchanger("", &[]), exchanger("mx.a.example", &["192.0.2.25"])]),
        &["mx_null_among_others [a.example]"],
    ),
    (
        |d| d.exchangers = Ok(vec![exchanger("192.0.2.25", &[])]),
        &["mx_is_address [a.example] [192.0.2.25]"],
    ),
    (
        |d| {
            d.exchangers =
                Ok(vec![exchanger("mx.a.example", &["192.0.2.25", "10.0.0.1", "::1", "fe80::1"])])
        },
        &[
            "mx_private_address [a.example] [mx.a.example] [10.0.0.1]",
            "mx_private_address [a.example] [mx.a.example] [::1]",
            "mx_private_address [a.example] [mx.a.example] [fe80::1]",
        ],
    ),
    (
        |d| d.exchangers = Ok(vec![exchanger("mx.a.example", &[])]),
        &["mx_without_address [a.example] [mx.a.example]"],
    ),
    (
        |d| {
            d.exchangers = Ok(vec![Exchanger {
                alias: Ok(Some("real.example".to_owned())),
                ..exchanger("mx.a.example", &["192.0.2.25"])
            }]);
        },
        &["mx_is_alias [a.example] [mx.a.example] [real.example]"],
    ),
    (
        |d| d.exchangers = Err(Failure::ServerFailure),
        &["posture_unknown [the MX records] [a.example] [the resolver got no answer from it]"],
    ),
    (|d| drop(d.spf.insert("a.example".to_owned(), texts(&["x"]))), &["spf_missing [a.example]"]),
    (
        |d| {
            drop(
                d.spf
                    .insert("a.example".to_owned(), texts(&[GOOD_SPF, "v=spf1 -all"])),
            )
        },
        &["spf_several [a.example] [2]"],
    ),
    (
        |d| {
            drop(
                d.spf
                    .insert("a.example".to_owned(), texts(&["v=spf1;-all"])),
            )
        },
        &["spf_invalid [a.example] [it does not begin with \"v=spf1 \"] [v=spf1;-all]"],
    ),
    (
        |d| {
            drop(
                d.spf
                    .insert("a.example".to_owned(), texts(&["v=spf1 ip4:300.1.1.1 -all"])),
            )
        },
        &["spf_invalid [a.example] [\"ip4:300.1.1.1\": that is no address of this kind] [v=spf1 \
             ip4:300.1.1.1 -all]"],
    ),
    (
        |d| {
            drop(
                d.spf
                    .insert("a.example".to_owned(), texts(&["v=spf1 a a a a a a a a a a a -all"])),
            )
        },
        &["spf_too_many_lookups [a.example] [11]"],
    ),
    (
        |d| {
            d.spf
                .insert("a.example".to_owned(), texts(&["v=spf1 include:b.example -all"]));
            d.spf.insert("b.example".to_owned(), texts(&[]));
        },
        &["spf_broken_below [a.example] [b.example, which is included, has no SPF record]"],
    ),
    (
        |d| {
            d.spf
                .insert("a.example".to_owned(), texts(&["v=spf1 include:b.example -all"]));
            d.spf.insert("b.example".to_owned(), Err(Failure::TimedOut));
        },
        &["posture_unknown [the SPF record] [b.example] [no answer in time]"],
    ),
    (
        |d| {
            drop(
                d.spf
                    .insert("a.example".to_owned(), texts(&["v=spf1 ptr +all"])),
            )
        },
        &["spf_allows_all [a.example]", "spf_uses_ptr [a.example]"],
    ),
    (
        |d| drop(d.spf.insert("a.example".to_owned(), texts(&["v=spf1 mx"]))),
        &["spf_decides_nothing [a.example]"],
    ),
    (
        |d| drop(d.spf.insert("a.example".to_owned(), Err(Failure::TimedOut))),
        &["posture_unknown [the SPF record] [a.example] [no answer in time]"],
    ),
    (|d| d.dmarc = texts(&[]), &["dmarc_missing [a.example]"]),
    (
        |d| {
            d.dmarc = texts(&[]);
            d.dmarc_above = Some(texts(&["v=DMARC1; p=reject; sp=none; rua=mailto:d@example"]));
        },
        &["dmarc_none [a.example]"],
    ),
    (
        |d| d.dmarc = texts(&["v=DMARC1; p=none"]),
        &["dmarc_none [a.example]", "dmarc_without_reports [a.example]"],
    ),
    (
        |d| d.dmarc = texts(&["v=DMARC1; p=reject; pct=10; rua=mailto:d@a.example"]),
        &["dmarc_partial [a.example] [10]"],
    ),
    (
        |d| d.dmarc = texts(&["v=DMARC1 p=none"]),
        &["dmarc_invalid [a.example] [it does not begin with \"v=DMARC1;\"] [v=DMARC1 p=none]"],
    ),
    (
        |d| d.dmarc = texts(&["v=DMARC1; p=none", "v=DMARC1; p=reject"]),
        &["dmarc_several [a.example] [2]"],
    ),
    (
        |d| d.sts_policy = sts_policy("enforce", "mx2.a.example"),
        &["mta_sts_mx_left_out [a.example] [mx.a.example] [enforce]"],
    ),
    (
        |d| d.sts_policy = sts_policy("testing", "mx.a.example"),
        &["mta_sts_not_enforced [a.example] [testing]"],
    ),
    (
        |d| d.sts_policy = sts_policy("testing", "b.example"),
        &[
            "mta_sts_mx_left_out [a.example] [mx.a.example] [testing]",
            "mta_sts_not_enforced [a.example] [testing]",
        ],
    ),
    (
        |d| d.sts_policy = sts_policy("none", "b.example"),
        &["mta_sts_not_enforced [a.example] [none]"],
    ),
    (
        |d| d.sts_policy = sts_policy("on", "mx.a.example"),
        &["mta_sts_policy_wrong [a.example] [\"mode: on\" is not one of enforce, testing, none]"],
    ),
    (
        |d| d.sts_policy = Some(sts_policy::Fetched::Wrong("the answer is 404".to_owned())),
        &["mta_sts_policy_wrong [a.example] [the answer is 404]"],
    ),
    (
        |d| d.sts_policy = Some(sts_policy::Fetched::Unknown("no answer in time".to_owned())),
        &["mta_sts_policy_unknown [a.example] [no answer in time]"],
    ),
    (|d| d.sts_policy = None, &["mta_sts_policy_unknown [a.example] [it was not fetched]"]),
    (|d| d.mta_sts = texts(&[]), &["mta_sts_missing [a.example]"]),
    (
        |d| d.mta_sts = texts(&["v=STSv1; id=x!"]),
        &["mta_sts_invalid [a.example] [\"id=x!\" is not of 1 to 32 letters and digits] \
             [v=STSv1; id=x!]"],
    ),
    (|d| d.tls_rpt = texts(&[]), &["tls_rpt_missing [a.example]"]),
    (
        |d| {
            d.tls_rpt =
                texts(&["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"])
        },
        &["tls_rpt_invalid [a.example] [there are several records, so senders ignore them] \
             [v=TLSRPTv1; rua=mailto:a@b.example]"],
    ),
    (
        |d| {
            let tlsa = vec![
                Tlsa { usage: 0, selector: 1, matching: 1, data: vec![0; 32] },
                Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0; 31] },
            ];
            d.exchangers = Ok(vec![Exchanger {
                tlsa: Ok(tlsa),
                ..exchanger("mx.a.example", &["192.0.2.25"])
            }]);
        },
        &[
            "dane_invalid [mx.a.example] [certificate usage 0 is not for mail: only 2 and 3 are]",
            "dane_invalid [mx.a.example] [its data has 31 octets, which doesn't fit matching type \
             1]",
        ],
    ),
    (
        |d| {
            d.exchangers = Ok(vec![Exchanger {
                tlsa: Ok(vec![]),
                ..exchanger("mx.a.example", &["192.0.2.25"])
            }])
        },
        &["dane_missing [a.example]"],
    ),
];

#[test]
fn what_is_wrong_is_named() {
    let usual = shown(&notes(&good()));
    for (index, (change, expected)) in ROWS.iter().enumerate() {
        let mut domain = good();
        change(&mut domain);
        let notes = notes(&domain);
        let new: Vec<_> = shown(&notes)
            .into_iter()
            .filter(|note| !usual.contains(note))
            .collect();
        assert_eq!(new, *expected, "row {index}");
    }
}

#[test]
fn a_reverse_name_must_lead_back() {
    let forward = |addresses: &[&str]| {
        Ok(addresses
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect())
    };
    let named = |name: &str, addresses: Looked<Vec<IpAddr>>| (name.to_owned(), addresses);
    for (address, names, expected) in [
        ("192.0.2.25", Ok(vec![]), "reverse_name_missing [192.0.2.25]"),
        (
            "192.0.2.25",
            Ok(vec![named("mx.example", forward(&["192.0.2.25"]))]),
            "reverse_name_confirmed [192.0.2.25] [mx.example]",
        ),
        (
            "2001:db8::25",
            Ok(vec![
                named("a.example", forward(&[])),
                named("b.example", forward(&["192.0.2.1", "2001:db8::25"])),
            ]),
            "reverse_name_confirmed [2001:db8::25] [b.example]",
        ),
        (
            "192.0.2.25",
            Ok(vec![named("mx.example", forward(&["192.0.2.1"]))]),
            "reverse_name_unconfirmed [192.0.2.25] [mx.example] [192.0.2.1]",
        ),
        (
            "192.0.2.25",
            Ok(vec![named("mx.example", forward(&[]))]),
            "reverse_name_unconfirmed [192.0.2.25] [mx.example] [no address]",
        ),
        (
            "192.0.2.25",
            Ok(vec![named("mx.example", Err(Failure::TimedOut))]),
            "posture_unknown [the addresses] [mx.example] [no answer in time]",
        ),
        (
            "192.0.2.25",
            Err(Failure::Refused),
            "posture_unknown [the reverse name] [192.0.2.25] [the resolver refuses to ask it]",
        ),
    ] {
        let host = AddressNames { address: address.parse().expect("an address"), names };
        assert_eq!(shown(&host_notes(&host)), [expected]);
    }
}
