//! The table of lists: living, optional, doubtful, dead.
//!
//! Rules:
//! - Every statement says where it comes from: [`known`] was read or seen, [`recalled`] is memory
//!   only.
//! - A list is *living* only with dated evidence; everything else is asked only when the user names
//!   it.
//! - The address of a page for removal was read somewhere dependable, or it isn't given.
//! - The evidence of a dead list says when it ended, and whether it then listed the whole world.

use super::{
    list::{
        Access, AnswerCode, Blacklist, CodeMeaning, Impact, Liveness, Pattern, Points, Provenance,
        QueryKind, Removal, Sense, Statement, known, recalled,
    },
    unknown::UnknownReason,
};
use QueryKind::{Domain, Ipv4, Ipv6};

const V4: &[QueryKind] = &[Ipv4];
const V6: &[QueryKind] = &[Ipv6];
const BOTH: &[QueryKind] = &[Ipv4, Ipv6];
const NAMES: &[QueryKind] = &[Domain];
const ALL: &[QueryKind] = &[Ipv4, Ipv6, Domain];

const LIVING: Blacklist = Blacklist {
    zone: "",
    with_subzones: false,
    operator: "",
    kinds: V4,
    sense: Sense::Against,
    impact: Impact::Low,
    liveness: Liveness::Living,
    access: Access::Open,
    codes: &[],
    points: &[],
    removal: Removal { how: known(""), page: "" },
    evidence: known(""),
};

const OPTIONAL: Blacklist = Blacklist { liveness: Liveness::Optional, ..LIVING };
const DOUBTFUL: Blacklist =
    Blacklist { liveness: Liveness::Doubtful, removal: NO_WAY_KNOWN, ..LIVING };
const NO_WAY_KNOWN: Removal = Removal { how: recalled("no way off it is known to us"), page: "" };

const fn removal(how: Statement, page: &'static str) -> Removal {
    Removal { how, page }
}

/// A whitelist: there is nothing to get off.
const fn vouches(
    zone: &'static str,
    operator: &'static str,
    codes: &'static [AnswerCode],
    evidence: Statement,
) -> Blacklist {
    let removal = Removal { how: known("it vouches for what it lists: stay on it"), page: "" };
    Blacklist { zone, operator, codes, evidence, removal, sense: Sense::For, ..LIVING }
}

const fn dead(zone: &'static str, operator: &'static str, evidence: Statement) -> Blacklist {
    Blacklist { zone, operator, evidence, kinds: &[], liveness: Liveness::Dead, ..LIVING }
}

/// A dead zone and all below it.
const fn dead_family(zone: &'static str, operator: &'static str, evidence: Statement) -> Blacklist {
    Blacklist { with_subzones: true, ..dead(zone, operator, evidence) }
}

const fn code(low: [u8; 4], high: [u8; 4], meaning: CodeMeaning, source: Provenance) -> AnswerCode {
    AnswerCode { pattern: Pattern::Within(low, high), meaning, source }
}

/// `127.0.0.x`: a listing.
const fn last(x: u8, text: &'static str) -> AnswerCode {
    code(
        [127, 0, 0, x],
        [127, 0, 0, x],
        CodeMeaning::Entry(Sense::Against, text),
        Provenance::Verified,
    )
}

/// `127.0.0.x`: a listing whose meaning is only remembered.
const fn last_recalled(x: u8, text: &'static str) -> AnswerCode {
    code(
        [127, 0, 0, x],
        [127, 0, 0, x],
        CodeMeaning::Entry(Sense::Against, text),
        Provenance::Remembered,
    )
}

/// `127.0.0.x`: a good word.
const fn good(x: u8, text: &'static str) -> AnswerCode {
    code([127, 0, 0, x], [127, 0, 0, x], CodeMeaning::Entry(Sense::For, text), Provenance::Verified)
}

const fn domain_code(x: u8, text: &'static str) -> AnswerCode {
    code(
        [127, 0, 1, x],
        [127, 0, 1, x],
        CodeMeaning::Entry(Sense::Against, text),
        Provenance::Verified,
    )
}

const fn bit(bit: u8, text: &'static str) -> AnswerCode {
    AnswerCode {
        pattern: Pattern::Bit(bit),
        meaning: CodeMeaning::Entry(Sense::Against, text),
        source: Provenance::Verified,
    }
}

const fn refusal(octets: [u8; 4], why: UnknownReason) -> AnswerCode {
    code(octets, octets, CodeMeaning::Refusal(why), Provenance::Verified)
}

/// docs.spamhaus.com, "Available zones".
const SPAMHAUS: &[AnswerCode] = &[
    last(2, "SBL: a source of spam, entered by hand"),
    last(3, "CSS: a source of spam, found automatically"),
    last(4, "XBL: hijacked or infected, an open proxy"),
    last(5, "XBL"),
    last(6, "XBL"),
    last(7, "XBL"),
    last(9, "DROP: a hijacked or criminal network"),
    last(10, "PBL: the network's owner says that it should not send mail directly"),
    last(11, "PBL: Spamhaus says that it should not send mail directly"),
    last(20, "AuthBL: guesses passwords"),
    last(30, "BCL: controls a botnet"),
];
const DBL: &[AnswerCode] = &[
    domain_code(2, "a domain of low reputation"),
    domain_code(4, "phishing"),
    domain_code(5, "malware"),
    domain_code(6, "controls a botnet"),
    domain_code(102, "a legitimate domain that is abused for spam"),
    domain_code(103, "a redirector that is abused"),
    domain_code(104, "a legitimate domain that is abused for phishing"),
    domain_code(105, "a legitimate domain that is abused for malware"),
    domain_code(106, "a legitimate domain that is abused to control a botnet"),
    refusal([127, 0, 1, 255], UnknownReason::WrongKind),
];
const ZRD: &[AnswerCode] = &[code(
    [127, 0, 2, 2],
    [127, 0, 2, 24],
    CodeMeaning::Entry(Sense::Neutral, "first seen within the last day"),
    Provenance::Verified,
)];
/// mailspike.org/usage.html for the zones; the levels as mail filters read them.
const MAILSPIKE: &[AnswerCode] = &[
    last(2, "part of a wave of spam right now"),
    last(10, "worst reputation"),
    last(11, "very bad reputation"),
    last(12, "bad reputation"),
];
const MAILSPIKE_GOOD: &[AnswerCode] = &[
    good(17, "possibly legitimate"),
    good(18, "good reputation"),
    good(19, "very good reputation"),
    good(20, "excellent reputation"),
];
const SPAMRATS: &[AnswerCode] = &[
    last_recalled(36, "Dyna: its reverse name looks like a home connection's"),
    last_recalled(37, "NoPtr: it has no reverse name"),
    last_recalled(38, "Spam: sends spam"),
    last_recalled(43, "Auth: guesses passwords"),
];
const DRONEBL: &[AnswerCode] = &[
    last(3, "IRC drone"),
    last(5, "takes part in floods"),
    last(6, "attacks web applications"),
    last(8, "open SOCKS proxy"),
    last(9, "open HTTP proxy"),
    last(10, "hijacked router"),
    last(11, "sends spam"),
    last(13, "guesses passwords"),
    last(14, "open DNS resolver"),
    last(16, "takes part in floods"),
];
const SPFBL: &[AnswerCode] = &[
    last(2, "sends spam"),
    last(3, "suspected of spam, or its server breaks RFC 5321"),
    last(4, "not a mail server, or a home connection"),
];
const SPFBL_GOOD: &[AnswerCode] = &[
    good(2, "vouched for"),
    good(3, "vouched for"),
    good(4, "for business messages only"),
    good(5, "a shared service with little spam"),
];
const HOSTKARMA: &[AnswerCode] = &[
    good(1, "white: a trusted source"),
    last(2, "black: a source of spam"),
    code(
        [127, 0, 0, 3],
        [127, 0, 0, 3],
        CodeMeaning::Entry(Sense::Neutral, "yellow: sends both"),
        Provenance::Verified,
    ),
    last(4, "brown: some spam"),
    code(
        [127, 0, 0, 5],
        [127, 0, 0, 5],
        CodeMeaning::Entry(Sense::For, "not to be blacklisted"),
        Provenance::Verified,
    ),
];
/// docs.abusix.com, "Production Zones".
const ABUSIX: &[AnswerCode] = &[
    last(2, "sent mail to spam traps"),
    last(3, "its neighbourhood has a very low reputation"),
    last(4, "hijacked or infected"),
    last(11, "should not send mail directly"),
    last(12, "should not send mail directly"),
    last(200, "entered by hand"),
];
const SURBL: &[AnswerCode] = &[
    refusal([127, 0, 0, 1], UnknownReason::NotAllowed),
    bit(8, "phishing"),
    bit(16, "malware"),
    bit(64, "abuse"),
    bit(128, "hijacked site"),
];
/// uribl.com: the lowest bit means "query refused".
const URIBL: &[AnswerCode] = &[
    refusal([127, 0, 0, 1], UnknownReason::NotAllowed),
    bit(2, "black: a spammer's"),
    bit(4, "grey"),
    bit(8, "red: very new"),
];
/// dnswl.org: `127.0.category.trust`; over the limit 127.0.0.255, or a good word for everybody.
const DNSWL: &[AnswerCode] = &[
    refusal([127, 0, 0, 255], UnknownReason::NotAllowed),
    code(
        [127, 0, 2, 0],
        [127, 0, 15, 0],
        CodeMeaning::Entry(Sense::For, "no trust: don't block outright"),
        Provenance::Verified,
    ),
    code(
        [127, 0, 2, 1],
        [127, 0, 15, 1],
        CodeMeaning::Entry(Sense::For, "low trust"),
        Provenance::Verified,
    ),
    code(
        [127, 0, 2, 2],
        [127, 0, 15, 2],
        CodeMeaning::Entry(Sense::For, "medium trust"),
        Provenance::Verified,
    ),
    code(
        [127, 0, 2, 3],
        [127, 0, 15, 3],
        CodeMeaning::Entry(Sense::For, "high trust"),
        Provenance::Verified,
    ),
];
const SUOMISPAM: &[AnswerCode] = &[last(99, "its test entry")];

/// Its documentation says that it takes IPv6, not that it has RFC 5782's test point for it.
const SPAMHAUS_POINTS: &[Points] =
    &[Points { kind: Ipv6, listed: &["::ffff:7f00:2", "127.0.0.2"], unlisted: "::ffff:7f00:1" }];
const DBL_POINTS: &[Points] =
    &[Points { kind: Domain, listed: &["TEST", "dbltest.com"], unlisted: "INVALID" }];
const SURBL_POINTS: &[Points] = &[Points {
    kind: Domain,
    listed: &["TEST", "test.surbl.org", "surbl-org-permanent-test-point.com"],
    unlisted: "INVALID",
}];
const URIBL_POINTS: &[Points] = &[Points {
    kind: Domain,
    listed: &["TEST", "test.uribl.com", "127.0.0.2"],
    unlisted: "INVALID",
}];

const AT_SPAMHAUS: Removal = removal(
    known(
        "look it up: the page says which part lists it and how that part lets go; CSS and XBL \
         entries expire",
    ),
    "https://check.spamhaus.org/",
);
const AT_SPAMRATS: Removal = removal(
    known("a form; wants a reverse name that is the server's own and leads back to its address"),
    "https://www.spamrats.com/removal.php",
);
const AT_UCEPROTECT: Removal = removal(
    known("goes by itself 7 days after the last spam; the paid removal is not worth its money"),
    "https://www.uceprotect.net/",
);
const AT_SEM: Removal =
    removal(known("goes by itself 15 days after the last spam"), "https://spameatingmonkey.com/");
const AT_NORDSPAM: Removal = removal(
    known(
        "by hand, never by itself: an explanation of the cause and its cure, to their address for \
         removals",
    ),
    "https://www.nordspam.com/",
);
const AT_ABUSIX: Removal = removal(
    recalled("a look-up with a button for removal at lookup.abusix.com; entries expire after days"),
    "",
);
const AT_SPFBL: Removal = removal(
    recalled("a look-up that offers removal to whoever holds the reverse name"),
    "https://spfbl.net/en/dnsbl/",
);
const AT_0SPAM: Removal =
    removal(known("a form that asks what was done against the cause"), "https://0spam.org/");
const AT_URIBL: Removal =
    removal(known("a form, for registered users"), "https://admin.uribl.com/");
const AT_NETHER: Removal = removal(
    known("ask there for another test; a server that is closed is let go within hours"),
    "",
);

const HAND_CHECKED: &str = "kept in a list of providers gone through by hand in July 2025";
const GUIDE_2026: &str = "described as current in a guide updated on 17 June 2026";
const TESTED_2026: &str = "its RFC 5782 test entry answered on 24 April 2026";

/// Returns the entry of a zone, or of the dead family that the zone belongs to. Upper case and a
/// final dot make no difference.
#[must_use]
pub fn by_zone(zone: &str) -> Option<&'static Blacklist> {
    let zone = zone.trim_end_matches('.').to_ascii_lowercase();
    let exact = LISTS.iter().find(|list| list.zone == zone);
    exact.or_else(|| {
        LISTS
            .iter()
            .find(|list| list.with_subzones && is_below(&zone, list.zone))
    })
}

fn is_below(zone: &str, parent: &str) -> bool {
    zone.strip_suffix(parent)
        .is_some_and(|rest| rest.ends_with('.'))
}

/// Every list that norelay knows, in the order in which it asks and shows them.
pub static LISTS: &[Blacklist] = &[
    // Addresses.
    Blacklist {
        zone: "zen.spamhaus.org",
        operator: "Spamhaus",
        kinds: BOTH,
        impact: Impact::High,
        access: Access::OpenOrKey("{key}.zen.dq.spamhaus.net"),
        codes: SPAMHAUS,
        points: SPAMHAUS_POINTS,
        removal: AT_SPAMHAUS,
        evidence: known("documented by its operator, its error codes reported in use in July 2026"),
        ..LIVING
    },
    Blacklist {
        zone: "b.barracudacentral.org",
        operator: "Barracuda",
        impact: Impact::High,
        access: Access::Registered,
        removal: removal(known("a form"), "https://www.barracudacentral.org/rbl/removal-request"),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "bl.spamcop.net",
        operator: "SpamCop (Cisco)",
        impact: Impact::High,
        removal: removal(
            known("goes by itself 24 hours after the last report; there is no form"),
            "https://www.spamcop.net/bl.shtml",
        ),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "bl.mailspike.net",
        operator: "Mailspike",
        impact: Impact::Medium,
        codes: MAILSPIKE,
        removal: removal(
            known("a look-up; entries come and go within hours"),
            "https://mailspike.io/ip_verify",
        ),
        evidence: known(
            "its zone z.mailspike.net is kept in a list of providers gone through by hand in July \
             2025",
        ),
        ..LIVING
    },
    Blacklist {
        zone: "psbl.surriel.com",
        operator: "PSBL",
        impact: Impact::Medium,
        removal: removal(
            known("anybody can remove an address, and entries expire"),
            "https://psbl.org/remove",
        ),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "all.spamrats.com",
        operator: "SpamRATS",
        impact: Impact::Medium,
        codes: SPAMRATS,
        removal: AT_SPAMRATS,
        evidence: known(
            "its parts are kept in a list of providers gone through by hand in July 2025",
        ),
        ..LIVING
    },
    Blacklist {
        zone: "combined.mail.abusix.zone",
        operator: "Abusix",
        kinds: BOTH,
        impact: Impact::High,
        access: Access::Key("{key}.combined.mail.abusix.zone"),
        codes: ABUSIX,
        removal: AT_ABUSIX,
        evidence: known("documented by its operator with test points, read in 2026"),
        ..LIVING
    },
    Blacklist {
        zone: "authbl.dq.spamhaus.net",
        operator: "Spamhaus",
        kinds: BOTH,
        impact: Impact::Low,
        access: Access::Key("{key}.authbl.dq.spamhaus.net"),
        codes: SPAMHAUS,
        points: SPAMHAUS_POINTS,
        removal: AT_SPAMHAUS,
        evidence: known("documented by its operator, read in 2026"),
        ..LIVING
    },
    Blacklist {
        zone: "dnsbl-1.uceprotect.net",
        operator: "UCEPROTECT",
        removal: AT_UCEPROTECT,
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "bl.spameatingmonkey.net",
        operator: "Spam Eating Monkey",
        removal: AT_SEM,
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "bl.ipv6.spameatingmonkey.net",
        operator: "Spam Eating Monkey",
        kinds: V6,
        removal: AT_SEM,
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "backscatter.spameatingmonkey.net",
        operator: "Spam Eating Monkey",
        removal: AT_SEM,
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "ips.backscatterer.org",
        operator: "UCEPROTECT",
        removal: removal(
            known(
                "goes by itself after 30 days without bounces to strangers; the paid removal is \
                 not worth its money",
            ),
            "https://www.backscatterer.org/",
        ),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "dnsbl.dronebl.org",
        operator: "DroneBL",
        codes: DRONEBL,
        removal: removal(
            known("a form, read by volunteers, that asks what was done against the cause"),
            "https://dronebl.org/lookup",
        ),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "bl.blocklist.de",
        operator: "blocklist.de",
        removal: removal(
            recalled("goes by itself after two days; there is a form"),
            "https://www.blocklist.de/",
        ),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "all.s5h.net",
        operator: "System 5 Hosting",
        kinds: BOTH,
        removal: removal(
            known("ask for the page from the listed address itself, and it is gone at once"),
            "https://www.usenix.org.uk/content/rblremove",
        ),
        evidence: known(GUIDE_2026),
        ..LIVING
    },
    Blacklist {
        zone: "rbl.interserver.net",
        operator: "InterServer, Mail Baby",
        removal: removal(
            known("goes by itself after five days without spam; there is no form"),
            "",
        ),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "bl.nordspam.com",
        operator: "NordSpam",
        kinds: BOTH,
        removal: AT_NORDSPAM,
        evidence: known(
            "kept in a list of providers gone through by hand in July 2025; its test points are \
             documented",
        ),
        ..LIVING
    },
    Blacklist {
        zone: "dnsbl.spfbl.net",
        operator: "SPFBL",
        kinds: BOTH,
        codes: SPFBL,
        removal: AT_SPFBL,
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "bl.0spam.org",
        operator: "0spam",
        removal: AT_0SPAM,
        evidence: known(TESTED_2026),
        ..LIVING
    },
    Blacklist {
        zone: "rbl.0spam.org",
        operator: "0spam",
        removal: AT_0SPAM,
        evidence: known(TESTED_2026),
        ..LIVING
    },
    Blacklist {
        zone: "dnsbl.zapbl.net",
        operator: "ZapBL",
        removal: removal(recalled("a form"), "https://zapbl.net/"),
        evidence: known(TESTED_2026),
        ..LIVING
    },
    Blacklist {
        zone: "bl.scientificspam.net",
        operator: "SciSpam",
        removal: removal(recalled("a form at www.scientificspam.net"), ""),
        evidence: known(TESTED_2026),
        ..LIVING
    },
    Blacklist {
        zone: "bl.suomispam.net",
        operator: "Suomispam",
        codes: SUOMISPAM,
        removal: removal(recalled("by letter; see its page"), "https://suomispam.net/"),
        evidence: known("its test entry answered 127.0.0.99 on 24 April 2026"),
        ..LIVING
    },
    Blacklist {
        zone: "dnsrbl.swinog.ch",
        operator: "SwiNOG, ImproWare",
        removal: removal(recalled("a form"), "https://antispam.imp.ch/"),
        evidence: known(TESTED_2026),
        ..LIVING
    },
    Blacklist {
        zone: "dnsbl.kempt.net",
        operator: "kempt.net",
        removal: removal(recalled("see its page"), "http://www.kempt.net/dnsbl/"),
        evidence: known(TESTED_2026),
        ..LIVING
    },
    // Domains.
    Blacklist {
        zone: "dbl.spamhaus.org",
        operator: "Spamhaus",
        kinds: NAMES,
        impact: Impact::High,
        access: Access::OpenOrKey("{key}.dbl.dq.spamhaus.net"),
        codes: DBL,
        points: DBL_POINTS,
        removal: AT_SPAMHAUS,
        evidence: known("documented by its operator, read in 2026"),
        ..LIVING
    },
    Blacklist {
        zone: "multi.surbl.org",
        operator: "SURBL",
        kinds: NAMES,
        impact: Impact::High,
        codes: SURBL,
        points: SURBL_POINTS,
        removal: removal(known("see its page of lists"), "https://www.surbl.org/lists"),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "multi.uribl.com",
        operator: "URIBL",
        kinds: NAMES,
        impact: Impact::Medium,
        codes: URIBL,
        points: URIBL_POINTS,
        removal: AT_URIBL,
        evidence: known(GUIDE_2026),
        ..LIVING
    },
    Blacklist {
        zone: "dblack.mail.abusix.zone",
        operator: "Abusix",
        kinds: NAMES,
        impact: Impact::Medium,
        access: Access::Key("{key}.dblack.mail.abusix.zone"),
        removal: AT_ABUSIX,
        evidence: known("its operator's documentation was read in 2026"),
        ..LIVING
    },
    Blacklist {
        zone: "uribl.spameatingmonkey.net",
        operator: "Spam Eating Monkey",
        kinds: NAMES,
        removal: removal(
            known("goes by itself 30 days after the last spam"),
            "https://spameatingmonkey.com/",
        ),
        evidence: known(HAND_CHECKED),
        ..LIVING
    },
    Blacklist {
        zone: "dbl.nordspam.com",
        operator: "NordSpam",
        kinds: NAMES,
        removal: AT_NORDSPAM,
        evidence: known("a guide of 2026 shows its TEST entry answering 127.0.0.2"),
        ..LIVING
    },
    Blacklist {
        zone: "rhsbl.scientificspam.net",
        operator: "SciSpam",
        kinds: NAMES,
        removal: removal(recalled("a form at www.scientificspam.net"), ""),
        evidence: known(TESTED_2026),
        ..LIVING
    },
    // Whitelists.
    Blacklist {
        kinds: BOTH,
        ..vouches(
            "list.dnswl.org",
            "dnswl.org",
            DNSWL,
            known("its false good answers were reported in 2023, to resolvers over its limit"),
        )
    },
    vouches(
        "wl.mailspike.net",
        "Mailspike",
        MAILSPIKE_GOOD,
        known("the zones of its operator are kept in a list gone through by hand in July 2025"),
    ),
    Blacklist {
        liveness: Liveness::Optional,
        ..vouches(
            "dnswl.spfbl.net",
            "SPFBL",
            SPFBL_GOOD,
            known("documented by its operator; undated"),
        )
    },
    Blacklist {
        liveness: Liveness::Doubtful,
        kinds: BOTH,
        ..vouches(
            "swl.spamhaus.org",
            "Spamhaus",
            &[],
            recalled("in old filters' configurations; not in its operator's list of zones"),
        )
    },
    Blacklist {
        liveness: Liveness::Doubtful,
        ..vouches(
            "ips.whitelisted.org",
            "whitelisted.org",
            &[],
            recalled("run together with UCEPROTECT"),
        )
    },
    // Optional: parts of lists that are asked anyway, and lists of what is no fault.
    Blacklist {
        zone: "sbl.spamhaus.org",
        operator: "Spamhaus",
        kinds: BOTH,
        impact: Impact::High,
        access: Access::OpenOrKey("{key}.sbl.dq.spamhaus.net"),
        codes: SPAMHAUS,
        points: SPAMHAUS_POINTS,
        removal: AT_SPAMHAUS,
        evidence: known("part of zen.spamhaus.org"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "xbl.spamhaus.org",
        operator: "Spamhaus",
        kinds: BOTH,
        impact: Impact::High,
        access: Access::OpenOrKey("{key}.xbl.dq.spamhaus.net"),
        codes: SPAMHAUS,
        points: SPAMHAUS_POINTS,
        removal: AT_SPAMHAUS,
        evidence: known("part of zen.spamhaus.org"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "pbl.spamhaus.org",
        operator: "Spamhaus",
        kinds: BOTH,
        impact: Impact::High,
        access: Access::OpenOrKey("{key}.pbl.dq.spamhaus.net"),
        codes: SPAMHAUS,
        points: SPAMHAUS_POINTS,
        removal: AT_SPAMHAUS,
        evidence: known("part of zen.spamhaus.org"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "sbl-xbl.spamhaus.org",
        operator: "Spamhaus",
        kinds: BOTH,
        impact: Impact::High,
        access: Access::OpenOrKey("{key}.sbl-xbl.dq.spamhaus.net"),
        codes: SPAMHAUS,
        points: SPAMHAUS_POINTS,
        removal: AT_SPAMHAUS,
        evidence: known("part of zen.spamhaus.org"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "zrd.dq.spamhaus.net",
        operator: "Spamhaus",
        kinds: NAMES,
        impact: Impact::Ignorable,
        access: Access::Key("{key}.zrd.dq.spamhaus.net"),
        codes: ZRD,
        removal: removal(known("goes by itself within a day"), ""),
        evidence: known("lists domains for being new"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "z.mailspike.net",
        operator: "Mailspike",
        impact: Impact::Medium,
        codes: MAILSPIKE,
        removal: removal(known("a look-up"), "https://mailspike.io/ip_verify"),
        evidence: known("part of bl.mailspike.net"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "dyna.spamrats.com",
        operator: "SpamRATS",
        codes: SPAMRATS,
        removal: AT_SPAMRATS,
        evidence: known("part of all.spamrats.com"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "noptr.spamrats.com",
        operator: "SpamRATS",
        codes: SPAMRATS,
        removal: AT_SPAMRATS,
        evidence: known("part of all.spamrats.com"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "spam.spamrats.com",
        operator: "SpamRATS",
        codes: SPAMRATS,
        removal: AT_SPAMRATS,
        evidence: known("part of all.spamrats.com"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "auth.spamrats.com",
        operator: "SpamRATS",
        codes: SPAMRATS,
        removal: AT_SPAMRATS,
        evidence: known("part of all.spamrats.com"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "dnsbl-2.uceprotect.net",
        operator: "UCEPROTECT",
        impact: Impact::Ignorable,
        removal: AT_UCEPROTECT,
        evidence: known("lists whole networks for single addresses"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "dnsbl-3.uceprotect.net",
        operator: "UCEPROTECT",
        impact: Impact::Ignorable,
        removal: AT_UCEPROTECT,
        evidence: known("lists whole providers"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "netbl.spameatingmonkey.net",
        operator: "Spam Eating Monkey",
        impact: Impact::Ignorable,
        removal: removal(known("does not go by itself"), "https://spameatingmonkey.com/"),
        evidence: known("lists whole networks"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "fresh.spameatingmonkey.net",
        operator: "Spam Eating Monkey",
        kinds: NAMES,
        impact: Impact::Ignorable,
        removal: removal(known("goes by itself after five days"), ""),
        evidence: known("lists domains for being new"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "fresh15.spameatingmonkey.net",
        operator: "Spam Eating Monkey",
        kinds: NAMES,
        impact: Impact::Ignorable,
        removal: removal(known("goes by itself after 15 days"), ""),
        evidence: known("lists domains for being new"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "rblspamassassin.interserver.net",
        operator: "InterServer, Mail Baby",
        removal: removal(known("goes by itself; there is no form"), ""),
        evidence: known("wider than rbl.interserver.net, for scores only"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "spamrbl.swinog.ch",
        operator: "SwiNOG, ImproWare",
        removal: removal(recalled("a form"), "https://antispam.imp.ch/"),
        evidence: known(HAND_CHECKED),
        ..OPTIONAL
    },
    Blacklist {
        zone: "black.uribl.com",
        operator: "URIBL",
        kinds: NAMES,
        impact: Impact::Medium,
        codes: URIBL,
        points: URIBL_POINTS,
        removal: AT_URIBL,
        evidence: known("part of multi.uribl.com"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "grey.uribl.com",
        operator: "URIBL",
        kinds: NAMES,
        codes: URIBL,
        points: URIBL_POINTS,
        removal: AT_URIBL,
        evidence: known("part of multi.uribl.com"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "red.uribl.com",
        operator: "URIBL",
        kinds: NAMES,
        codes: URIBL,
        points: URIBL_POINTS,
        removal: AT_URIBL,
        evidence: known("part of multi.uribl.com"),
        ..OPTIONAL
    },
    Blacklist {
        zone: "rbl.your-server.de",
        operator: "Hetzner",
        removal: NO_WAY_KNOWN,
        evidence: known(HAND_CHECKED),
        ..OPTIONAL
    },
    // Doubtful.
    Blacklist {
        zone: "hostkarma.junkemailfilter.com",
        operator: "Junk Email Filter",
        kinds: ALL,
        codes: HOSTKARMA,
        evidence: known("one guide calls it discontinued, another of June 2026 current"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "truncate.gbudb.net",
        operator: "GBUdb",
        removal: removal(known("goes by itself within days; there is no form"), ""),
        evidence: known("one guide calls it discontinued, another of June 2026 current"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "relays.nether.net",
        operator: "nether.net",
        removal: AT_NETHER,
        evidence: known("lists open relays by testing them; its age is unknown"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "unsure.nether.net",
        operator: "nether.net",
        removal: AT_NETHER,
        evidence: known("lists what relays.nether.net could not test"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "relays.bl.kundenserver.de",
        operator: "IONOS",
        evidence: known("lists open relays; nothing says that it lives"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "relays.bl.gweep.ca",
        operator: "gweep.ca",
        evidence: known("lists open relays; nothing says that it lives"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "orvedb.aupads.org",
        operator: "AUPADS",
        evidence: known("lists open relays; nothing says that it lives"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "nbl.0spam.org",
        operator: "0spam",
        removal: AT_0SPAM,
        evidence: known("lists networks; its test entry was not tried"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "rhsbl.zapbl.net",
        operator: "ZapBL",
        kinds: NAMES,
        evidence: known("no test entry on 24 April 2026"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "uribl.swinog.ch",
        operator: "SwiNOG, ImproWare",
        kinds: NAMES,
        evidence: known("no test entry on 24 April 2026"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "dbl.suomispam.net",
        operator: "Suomispam",
        kinds: NAMES,
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "bl.fmb.la",
        operator: "fmb.la",
        kinds: ALL,
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "rbl.abuse.ro",
        operator: "abuse.ro",
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "dbl.abuse.ro",
        operator: "abuse.ro",
        kinds: NAMES,
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "bad.virusfree.cz",
        operator: "Excello",
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "rbl.efnetrbl.org",
        operator: "EFnet",
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "tor.dan.me.uk",
        operator: "dan.me.uk",
        impact: Impact::Ignorable,
        evidence: known("lists Tor nodes"),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "singular.ttk.pte.hu",
        operator: "University of Pécs",
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "blacklist.woody.ch",
        operator: "woody.ch",
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "dnsbl.justspam.org",
        operator: "JustSpam",
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "rbl.blockedservers.com",
        operator: "Blocked Servers",
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    Blacklist {
        zone: "dnsbl.darklist.de",
        operator: "darklist.de",
        evidence: known(HAND_CHECKED),
        ..DOUBTFUL
    },
    // Dead.
    dead_family("sorbs.net", "SORBS", known("switched off on 5 June 2024")),
    dead("ix.dnsbl.manitu.net", "NiX Spam", known("emptied on 17 January 2025")),
    dead_family("njabl.org", "NJABL", known("closed in 2013, listed everybody in January 2019")),
    dead_family("ahbl.org", "AHBL", known("lists everybody since 1 January 2015")),
    dead_family("ordb.org", "ORDB", known("closed in December 2006, listed everybody in 2008")),
    dead_family("dsbl.org", "DSBL", known("closed in 2008, listed everybody in August 2012")),
    dead_family("rfc-ignorant.org", "RFC-Ignorant", known("closed in 2012")),
    dead("dnsbl.inps.de", "inps.de", known("closed on 25 May 2020")),
    dead("spam.dnsbl.anonmails.de", "anonmails.de", known("false answers since 12 November 2024")),
    dead(
        "bl.score.senderscore.com",
        "Validity",
        known("dropped by checking tools in November 2024"),
    ),
    dead("cidr.bl.mcafee.com", "McAfee", known("dropped by checking tools in November 2024")),
    dead("spamtrap.drbl.drand.net", "drand.net", known("lists everybody since 26 March 2024")),
    dead_family("madavi.de", "madavi.de", known("closed in March 2025")),
    dead_family("spamdown.org", "spamdown.org", known("closed in March 2026")),
    dead_family(
        "spamcannibal.org",
        "SpamCannibal",
        known("lists everybody since the domain lapsed in May 2019"),
    ),
    dead_family("megarbl.net", "MegaRBL", known("inactive by April 2021")),
    dead_family("dnsrbl.org", "dnsrbl.org", known("inactive by April 2021")),
    dead_family(
        "emailbasura.org",
        "Email Basura",
        known("lists everybody since the domain lapsed in October 2019"),
    ),
    dead("dynip.rothen.com", "rothen.com", known("gone in 2020")),
    dead("rbl.suresupport.com", "SureSupport", known("gone in 2019")),
    dead("dnsbl.cyberlogic.net", "Cyberlogic", known("gone in 2018")),
    dead("virbl.bit.nl", "BIT", known("closed in January 2017")),
    dead_family("dnsbl.bit.nl", "BIT", known("closed in January 2017")),
    dead_family("wpbl.info", "WPBL", known("closed; found so in July 2025")),
    dead_family(
        "msrbl.net",
        "MSRBL",
        known("closed; its domain is somebody else's, found so in July 2025"),
    ),
    dead("dnsbl.burnt-tech.com", "Burnt Tech", known("lists everybody since the domain lapsed")),
    dead_family("unsubscore.com", "LashBack UBL", known("reported offline by 2024")),
    dead("wormrbl.imp.ch", "ImproWare", known("not among its operator's lists in July 2025")),
    dead("spamrbl.imp.ch", "ImproWare", known("renamed to spamrbl.swinog.ch")),
    dead_family(
        "nszones.com",
        "nszones.com",
        known("a fake that resells stolen data, says Spamhaus"),
    ),
    dead("cbl.abuseat.org", "CBL", known("moved into xbl.spamhaus.org, part of zen.spamhaus.org")),
    dead_family("sectoor.de", "sectoor.de", known("seems dead since June 2018")),
    dead(
        "badnets.spameatingmonkey.net",
        "Spam Eating Monkey",
        known("empty since 15 February 2010"),
    ),
    dead("dnsbl.swiftbl.org", "SwiftBL", known("fails since January 2015")),
    dead_family("tqmcube.com", "TQMcube", recalled("gone for many years")),
    dead_family("osirusoft.com", "Osirusoft", recalled("closed in August 2003, listed everybody")),
    dead_family("five-ten-sg.com", "Five-Ten", recalled("gone for many years")),
    dead_family("dnsbl.net.au", "dnsbl.net.au", recalled("closed in 2009")),
    dead_family("completewhois.com", "completewhois", recalled("gone for many years")),
    dead_family("habeas.com", "Habeas", recalled("part of Validity, its zones gone")),
    dead_family("blackholes.us", "blackholes.us", recalled("closed; its domain lapsed")),
    dead("bl.csma.biz", "CSMA", recalled("gone for many years")),
    dead("spam.abuse.ch", "abuse.ch", recalled("no longer published")),
    dead("combined.abuse.ch", "abuse.ch", recalled("no longer published")),
    dead("drone.abuse.ch", "abuse.ch", recalled("no longer published")),
    dead("virus.rbl.jp", "RBL.JP", recalled("closed")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns_name::is_domain;

    #[test]
    fn zones_are_found_exactly_or_by_their_dead_family() {
        for (zone, expected) in [
            ("zen.spamhaus.org", Some("zen.spamhaus.org")),
            ("ZEN.Spamhaus.ORG.", Some("zen.spamhaus.org")),
            ("dul.dnsbl.sorbs.net", Some("sorbs.net")),
            ("sorbs.net", Some("sorbs.net")),
            ("notsorbs.net", None),
            ("x.zen.spamhaus.org", None),
            ("bl.example.net", None),
        ] {
            assert_eq!(by_zone(zone).map(|list| list.zone), expected, "{zone}");
        }
    }

    #[test]
    fn the_table_is_consistent() {
        let mut zones: Vec<_> = LISTS.iter().map(|list| list.zone).collect();
        zones.sort_unstable();
        zones.dedup();
        assert_eq!(zones.len(), LISTS.len(), "a zone stands twice");
        for list in LISTS {
            let is_dead = list.liveness == Liveness::Dead;
            assert_eq!(list.zone, list.zone.to_ascii_lowercase());
            assert!(is_domain(list.zone), "{}", list.zone);
            assert!(is_dead || !list.with_subzones, "{}: only dead lists are families", list.zone);
            assert!(is_dead || !list.kinds.is_empty(), "{}: nothing can be asked", list.zone);
            assert!(is_dead || !list.removal.how.text.is_empty(), "{}: no way off", list.zone);
            assert!(
                list.removal.page.is_empty() || list.removal.page.starts_with("http"),
                "{}",
                list.zone
            );
            assert!(!list.evidence.text.is_empty(), "{}: no evidence", list.zone);
            if list.liveness == Liveness::Living {
                let has_year = list.evidence.text.contains("202");
                assert!(
                    has_year && list.evidence.source == Provenance::Verified,
                    "{}: living needs dated evidence",
                    list.zone
                );
            }
            if let Access::Key(zone) | Access::OpenOrKey(zone) = list.access {
                assert_eq!(zone.matches("{key}").count(), 1, "{}", list.zone);
            }
            assert!(
                !is_dead || by_zone(&format!("x.{}", list.zone)).is_some() == list.with_subzones
            );
        }
    }

    #[test]
    fn the_table_is_large_enough_to_be_of_use() {
        let count = |liveness| {
            LISTS
                .iter()
                .filter(|list| list.liveness == liveness)
                .count()
        };
        assert!(count(Liveness::Living) >= 25, "{} living", count(Liveness::Living));
        assert!(count(Liveness::Dead) >= 40, "{} dead", count(Liveness::Dead));
    }
}
