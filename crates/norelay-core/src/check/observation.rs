//! Observations: what can be worth knowing beside the verdict, as one table.
//!
//! Rules:
//! - The table is the only place that knows the tag, the level, the topic and the words of an
//!   observation. A variant without a row cannot be written.
//! - Tags and the order of particulars are promises: scripts read them in JSON and in event logs.
//! - The order of the rows is the order in which findings of one level are shown.
//! - An observation has no adjectives. Level and words are policy, and stand in the table alone.

use crate::{event::Event, octets::Octets, path::PathId};

norelay_smtp::words! {
    /// How much a finding matters.
    pub enum Level {
        /// Good to know.
        Info = "info",
        /// Worth a thought.
        Notice = "notice",
        /// Should be changed.
        Warning = "warning",
        /// Must be changed.
        Error = "error",
    }
}

/// What a finding is about, and so the place where pages show the finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The server, as the relay test saw it.
    Relay,
    /// A path as a whole. Pages show this with the path itself.
    Path,
    /// What DNS blacklists say.
    Listings,
    /// What DNS blacklists could not tell.
    Untold,
    /// What the DNS says about the domain and the addresses.
    Posture,
}

impl Topic {
    /// How the tags of posture begin.
    const POSTURE: [&'static str; 8] =
        ["mx_", "spf_", "dmarc_", "mta_sts_", "tls_rpt_", "dane_", "posture_", "reverse_name_"];

    /// Returns the topic of a tag. A tag that only another version knows has the topic of the tags
    /// that begin like this tag.
    #[must_use]
    pub fn of(tag: &str) -> Self {
        match Kind::of(tag) {
            Some(kind) => kind.topic,
            None if tag.starts_with("blacklist_") => Self::Listings,
            None if Self::POSTURE.iter().any(|start| tag.starts_with(start)) => Self::Posture,
            None => Self::Relay,
        }
    }

    /// True if the fact was looked up around the relay test, and not seen in a dialogue.
    #[must_use]
    pub fn is_looked_up(self) -> bool {
        matches!(self, Self::Listings | Self::Untold | Self::Posture)
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct Kind {
    /// The name of the kind in JSON and in event logs; a promise.
    pub tag: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What it is about.
    pub topic: Topic,
    /// The sentence; `{name}` stands for the particular of that name.
    pub words: &'static str,
    /// The names of the particulars, in the order that they have in event logs.
    pub particulars: &'static [&'static str],
}

impl Kind {
    /// Returns the row of a tag.
    #[must_use]
    pub fn of(tag: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.tag == tag)
    }
}

/// Stands for a particular that an event log lacks.
const MISSING: &str = "?";

/// Makes the enum and everything that depends on its variants from rows of the form
/// `Variant { particular, … } = "tag" Level Topic "words with {particular}";`.
///
/// Words that name a particular which the variant lacks do not compile.
macro_rules! observations {
    ($(
        $variant:ident $({ $($particular:ident),+ })? =
            $tag:literal $level:ident $topic:ident $words:literal;
    )*) => {
        /// One thing worth knowing, with its particulars: as shown text in a finding, and as
        /// [`Octets`] in an event.
        #[allow(missing_docs, reason = "the words of a row say what its parts are")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Observation<T = String> {
            $($variant $({ $($particular: T),+ })?,)*
            /// What only another version of norelay knows.
            Unknown { tag: String, particulars: Vec<T> },
        }

        /// The table. Findings of one level are shown in this order.
        pub static KINDS: &[Kind] = &[$(Kind {
            tag: $tag,
            level: Level::$level,
            topic: Topic::$topic,
            words: $words,
            particulars: &[$($(stringify!($particular)),+)?],
        }),*];

        impl<T: From<&'static str>> Observation<T> {
            /// Reads what an event log says. A particular that is missing becomes `?`, and one too
            /// many is dropped.
            #[must_use]
            pub fn read(tag: &str, particulars: Vec<T>) -> Self {
                match tag {
                    $($tag => {
                        $(
                            let mut given = particulars.into_iter();
                            $(let $particular = given.next().unwrap_or_else(|| MISSING.into());)+
                        )?
                        Self::$variant $({ $($particular),+ })?
                    })*
                    _ => Self::Unknown { tag: tag.to_owned(), particulars },
                }
            }
        }

        impl<T> Observation<T> {
            /// The name of the kind in JSON and in event logs.
            #[must_use]
            pub fn tag(&self) -> &str {
                match self {
                    $(Self::$variant { .. } => $tag,)*
                    Self::Unknown { tag, .. } => tag,
                }
            }

            /// Returns the particulars in the order that they have in event logs.
            fn into_particulars(self) -> Vec<T> {
                match self {
                    $(Self::$variant $({ $($particular),+ })? => vec![$($($particular),+)?],)*
                    Self::Unknown { particulars, .. } => particulars,
                }
            }
        }

        impl Observation {
            /// The sentence that users read.
            #[allow(unused_variables, reason = "some particulars are kept for scripts alone")]
            pub(super) fn words(&self) -> String {
                match self {
                    $(Self::$variant $({ $($particular),+ })? => format!($words),)*
                    Self::Unknown { tag, particulars } => {
                        format!("{tag}: {}", particulars.join(", "))
                    }
                }
            }
        }
    };
}

impl Observation<Octets> {
    /// Returns the event that records the observation, about a path or about the run.
    #[must_use]
    pub fn event(self, path: Option<PathId>) -> Event {
        Event::Noted { path, tag: self.tag().to_owned(), arguments: self.into_particulars() }
    }
}

impl Observation {
    /// Returns the observation as one about a path.
    pub(super) fn on(self, path: PathId) -> Observed {
        Observed { observation: self, path: Some(path) }
    }

    /// Returns the observation as one about the run as a whole.
    pub(super) fn of_run(self) -> Observed {
        Observed { observation: self, path: None }
    }
}

/// An observation, and the path that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    /// What was observed.
    pub(super) observation: Observation,
    /// The path, or `None` for the run as a whole.
    pub(super) path: Option<PathId>,
}

observations! {
    ClientAddressLost { seen, whose, due, source, evidence } = "client_address_lost" Error Relay
        "The server sees our connections come from {seen}, {whose}, and not from {due}: its \
         clients' addresses are lost on the way, and what it grants to {seen} it grants to \
         everybody ({source}: \"{evidence}\").";
    InjectedBeforeTls { connections } = "injected_before_tls" Error Relay
        "The server sent text in the clear after its answer to STARTTLS (seen on {connections}). \
         Whoever sits on the line can do the same (CVE-2011-0411 and its kin).";
    StarttlsInjection { reply } = "starttls_injection" Error Relay
        "A command sent in the clear, right behind STARTTLS, was answered under TLS ({reply}): \
         whoever sits on the line can put commands in front of a user's and so have his mail and \
         password (CVE-2011-0411 and its kin).";
    Smuggling { tests } = "smuggling" Error Relay
        "A second message, hidden in the text of a first one, came as a message of its own \
         (tests: {tests}). Whoever can have a text sent to this server can forge mail that seems \
         to come from there (SMTP smuggling: CVE-2023-51764, CVE-2023-51765, CVE-2023-51766).";
    EarlyEndOfData { tests, answers } = "early_end_of_data" Warning Relay
        "The server took something else than <CR><LF>.<CR><LF> for the end of a text, and \
         answered what stood behind it as commands (tests: {tests}; it said: {answers}). Messages \
         can be smuggled in by that (CVE-2023-51764 and its kin); none has come here.";
    AskedFromNearby { ours } = "asked_from_nearby" Notice Relay
        "We asked from {ours}, an address of the server's own machine or network: what is \
         allowed from there need not be allowed to strangers. Test from outside to be sure.";
    SecondDomainAccepted { domain } = "second_domain_accepted" Warning Relay
        "The server refused recipients at {domain} and accepted one at another foreign domain: \
         its list of permitted domains is wider than it should be, or names domains that are not \
         its own.";
    UnprovenArrival { test, from, helo, why } = "unproven_arrival" Warning Relay
        "A message with the token of test {test} came from {from}, which introduced itself as \
         \"{helo}\", but it is no proof: {why}.";
    Backscatter { test, from } = "backscatter" Warning Relay
        "The server accepted test {test} and then sent a bounce to the sender's address (it came \
         from {from}). Spammers use such servers to write to the senders whom they forge: refuse \
         unknown recipients during the dialogue instead.";
    ClientAddressChanged { seen, whose, due, source, evidence }
        = "client_address_changed" Warning Relay
        "The server sees our connections come from {seen}, {whose}, and not from {due}: a proxy \
         or an address translator stands between, and what the server decides by address it \
         decides for that one ({source}: \"{evidence}\").";
    TurnAccepted { reply } = "turn_accepted" Warning Relay
        "TURN is accepted ({reply}): a stranger can have the mail that waits for somebody else \
         (RFC 5321 appendix F.1).";
    LmtpExposed { reply } = "lmtp_exposed" Warning Relay
        "LHLO is accepted ({reply}): this is an LMTP server, which must not be reachable from \
         outside (RFC 2033 section 5).";
    LocalSenderSpoofed { reply } = "local_sender_spoofed" Notice Relay
        "Mail from a stranger that claims to come from the server's own domain is accepted for a \
         user of it ({reply}): colleagues and superiors can be forged.";
    UserDisclosed { verb, known, unknown } = "user_disclosed" Notice Relay
        "{verb} tells strangers which users exist: \"{known}\" for one who does, \"{unknown}\" \
         for one who doesn't (RFC 5321 section 7.3).";
    EtrnAccepted { reply } = "etrn_accepted" Notice Relay
        "ETRN for a domain that cannot exist is accepted ({reply}): strangers can make the \
         server run its queue (RFC 1985).";
    XclientOffered { attributes } = "xclient_offered" Notice Relay
        "The server offers XCLIENT to the client that ran this test ({attributes}). A client that \
         may use XCLIENT can claim another client's address or login, so rules by client address \
         do not hold. Offer XCLIENT only to your own proxies (Postfix: \
         smtpd_authorized_xclient_hosts).";
    BarePostmasterRefused { reply } = "bare_postmaster_refused" Notice Relay
        "Mail to <postmaster>, without a domain, was refused: {reply}. Every server must accept \
         it (RFC 5321 section 4.5.1).";
    MadeUpCredentialsAccepted { mechanism, user } = "made_up_credentials_accepted" Error Relay
        "The server accepted AUTH {mechanism} as {user} with made-up credentials. It does not \
         verify them, so anyone can log in.";
    AuthInClear { mechanisms } = "auth_in_clear" Warning Relay
        "AUTH {mechanisms} is offered without TLS: passwords travel in the clear (RFC 4954 \
         section 4).";
    ProtocolViolation { connections, first } = "protocol_violation" Warning Relay
        "The server broke the protocol on {connections}, first so: {first}. Nothing that it said \
         afterwards was believed.";
    AcceptsImpossibleDomain = "accepts_impossible_domain" Notice Relay
        "A recipient at a domain that cannot exist was accepted: the server takes everything (a \
         sink or a honeypot), or sends everything on. Only a message that comes back can tell \
         which.";
    AcceptsAnyLocalPart { tests } = "accepts_any_local_part" Notice Relay
        "A user whom nobody has was accepted ({tests}): an accepted recipient of the server's \
         own domain says nothing about relaying, and the server must bounce what it can't deliver.";
    PostmasterRefused { reply } = "postmaster_refused" Notice Relay
        "Mail to postmaster was refused: {reply}. Every domain must accept it (RFC 5321 section \
         4.5.1), unless this server takes no mail for that domain.";
    StarttlsNotOffered = "starttls_not_offered" Notice Relay
        "STARTTLS is not offered: mail comes in the clear.";
    CertificateTrouble { subject, troubles } = "certificate_trouble" Notice Relay
        "The certificate of {subject}: {troubles}.";
    RefusedForReputation { tests, reply } = "refused_for_reputation" Notice Relay
        "Our own address or name was refused (tests: {tests}): {reply}. That says nothing about \
         other strangers: test from another address.";
    Blocked { answered } = "blocked" Notice Relay
        "The server stopped taking our connections after {answered} tests: it has probably \
         banned our address for a while. Test again later, more slowly or from an allowed address.";
    RateLimited { answered, reply } = "rate_limited" Notice Relay
        "The server limits how much one client may ask, and after {answered} tests it took no \
         more in the time that the run had: {reply}. Test again with a longer --wait, more slowly \
         (--slow), or from an address that the limit spares.";
    PathUnreachable { why } = "path_unreachable" Notice Path
        "Nothing spoke SMTP here: {why}.";
    AddressRefused { address, why } = "address_refused" Notice Relay
        "{address} was not tested: it is {why}, and this service does not connect to such \
         addresses.";
    Retested { run, counts } = "retested" Notice Relay
        "Only what failed in {run} was asked again: {counts}. What was refused then was not \
         asked.";
    ReceiverUnproven { says } = "receiver_unproven" Warning Relay
        "{says} Until a canary message arrives, a message that does not come back shows nothing.";
    RunStopped = "run_stopped" Notice Relay
        "The run was stopped before its end: what was not asked is not known.";
    LogDamaged { events } = "log_damaged" Notice Relay
        "{events} events of the log fitted nothing and were left out.";
    ProbeDomainFallback { domain } = "probe_domain_fallback" Notice Relay
        "No probe domain was given, so the foreign addresses are at {domain}. Servers that check \
         senders may refuse them for that alone, and no message can prove relaying: give a domain \
         whose mail you receive (--domain).";
    NotAsked { tests } = "not_asked" Info Relay
        "Not asked for want of something of our own: {tests}.";
    AutoReply { test, from } = "auto_reply" Info Relay
        "A message came to the sender's address of test {test} from {from} that is no bounce: an \
         automatic answer, or somebody who read the test message.";
    UserMailGoesOut { outcome } = "user_mail_goes_out" Info Relay
        "Legitimate mail still goes out: a user authenticated, and {outcome}.";
    UserMailRefused { outcome } = "user_mail_refused" Error Relay
        "Legitimate mail does not go out: for the user who was given, {outcome}.";
    SenderRefused { sender, substitute } = "sender_refused" Info Relay
        "The server rejects {sender} whatever the recipient is. Tests that are not about the \
         sender were asked again from {substitute}.";
    UnresolvableSenderAccepted { reply } = "unresolvable_sender_accepted" Info Relay
        "A sender at a domain that cannot exist is accepted ({reply}): nobody could be told if \
         the message can't be delivered.";
    RecipientsEnumerable { reply } = "recipients_enumerable" Info Relay
        "Users who don't exist are refused (\"{reply}\") and those who do are accepted: right, \
         and yet strangers can find out who exists by asking. A limit on refused recipients slows \
         them down.";
    GreetingNameDiffers { address, name, own } = "greeting_name_differs" Info Relay
        "The server at {address} is named {name} in the DNS and calls itself {own}: if it sends \
         mail as well, some receivers trust it less.";
    ClientAddressTranslated { seen, due, source, evidence }
        = "client_address_translated" Info Relay
        "Our connections leave from {due}, and the server sees them come from {seen} ({source}: \
         \"{evidence}\"): an address translator stands on our side. If {seen} is not our public \
         address, name that with --seen-as-expected.";
    Unresolved { sentence } = "unresolved" Error Relay
        "{sentence}";
    SenderSubstituted { test, sent, came } = "sender_substituted" Info Relay
        "The message of test {test} was sent as {sent} and came as {came}: the server or one \
         after it rewrites senders.";

    // Blacklists.
    BlacklistListed { target, zone, impact, entries } = "blacklist_listed" Warning Listings
        "{target} is on the blacklist {zone} ({impact} impact): {entries}. First make sure that \
         the relay is closed; norelay blacklist then shows the way off.";
    BlacklistListedLittle { target, zone, impact, entries }
        = "blacklist_listed_little" Notice Listings
        "{target} is on the blacklist {zone} ({impact} impact), which few receivers heed: \
         {entries}.";
    BlacklistUnknown { target, zone, impact, why } = "blacklist_unknown" Info Untold
        "What the blacklist {zone} ({impact} impact) says of {target} is not known: {why}.";
    BlacklistVouched { target, zone, impact, entries } = "blacklist_vouched" Info Listings
        "The whitelist {zone} vouches for {target}: {entries}.";
    BlacklistSummary { target, summary } = "blacklist_summary" Info Listings
        "{summary}";

    // Posture.
    MxNullAmongOthers { domain } = "mx_null_among_others" Error Posture
        "{domain} has a null MX among others: it must stand alone (RFC 7505 section 3).";
    MxIsAddress { domain, address } = "mx_is_address" Error Posture
        "The MX of {domain} names the address {address}: it must name a host (RFC 5321 section \
         5.1).";
    MxWithoutAddress { domain, host } = "mx_without_address" Error Posture
        "The MX {host} of {domain} has no address: no mail can be brought to it.";
    MxPrivateAddress { domain, host, address } = "mx_private_address" Error Posture
        "The MX {host} of {domain} has the address {address}, which isn't used on the Internet: \
         mail from outside can't be brought to it, and whoever shares such an address may get it.";
    SpfSeveral { domain, records } = "spf_several" Error Posture
        "{domain} has {records} SPF records: receivers take that for an error, and none of them \
         counts (RFC 7208 section 4.5).";
    SpfInvalid { domain, why, record } = "spf_invalid" Error Posture
        "The SPF record of {domain} can't be read: {why}. It says: {record}";
    SpfTooManyLookups { domain, lookups } = "spf_too_many_lookups" Error Posture
        "The SPF record of {domain} takes {lookups} look-ups; after ten, receivers give up with \
         an error (RFC 7208 section 4.6.4).";
    SpfBrokenBelow { domain, fault } = "spf_broken_below" Error Posture
        "The SPF record of {domain} leads to an error: {fault}.";
    SpfAllowsAll { domain } = "spf_allows_all" Error Posture
        "The SPF record of {domain} lets everybody send in its name (+all).";
    DmarcInvalid { domain, why, record } = "dmarc_invalid" Error Posture
        "The DMARC record of {domain} can't be read, so that receivers ignore it: {why}. It \
         says: {record}";
    MxIsAlias { domain, host, alias } = "mx_is_alias" Warning Posture
        "The MX {host} of {domain} is an alias of {alias}: it must be a host's own name (RFC \
         2181 section 10.3).";
    SpfMissing { domain } = "spf_missing" Warning Posture
        "{domain} has no SPF record: receivers can't tell who may send in its name.";
    DmarcMissing { domain } = "dmarc_missing" Warning Posture
        "{domain} has no DMARC record: nobody is told what to do with mail that is sent in its \
         name.";
    DmarcSeveral { domain, records } = "dmarc_several" Warning Posture
        "{domain} has {records} DMARC records: receivers ignore them all (RFC 7489 section \
         6.6.3).";
    MtaStsInvalid { domain, why, record } = "mta_sts_invalid" Warning Posture
        "The MTA-STS record of {domain} can't be used: {why}. It says: {record}";
    TlsRptInvalid { domain, why, record } = "tls_rpt_invalid" Warning Posture
        "The TLS-RPT record of {domain} can't be used: {why}. It says: {record}";
    DaneMismatch { host, address, signatures } = "dane_mismatch" Warning Posture
        "No TLSA record of {host} fits the certificates that it shows under STARTTLS at \
         {address}: senders that keep to DANE deliver nothing there; {signatures}.";
    MtaStsPolicyWrong { domain, why } = "mta_sts_policy_wrong" Warning Posture
        "{domain} has an MTA-STS record, yet senders can't have its policy: {why} (RFC 8461 \
         section 3.3).";
    MtaStsMxLeftOut { domain, host, mode } = "mta_sts_mx_left_out" Warning Posture
        "The MTA-STS policy of {domain} leaves out its mail exchanger {host}: senders deliver no \
         mail there in the mode enforce, and it is in the mode {mode}.";
    DaneInvalid { host, fault } = "dane_invalid" Warning Posture
        "A TLSA record of {host} can't be used: {fault} (RFC 7672 section 3.1).";
    ReverseNameMissing { address } = "reverse_name_missing" Warning Posture
        "{address} has no reverse name (PTR): many receivers refuse mail from such addresses.";
    ReverseNameUnconfirmed { address, name, forward } = "reverse_name_unconfirmed" Warning Posture
        "{address} is named {name}, which leads to {forward} and not back: receivers don't \
         believe such a name.";
    MxMissing { domain } = "mx_missing" Notice Posture
        "{domain} has no MX record: its mail goes to its own address (RFC 5321 section 5.1).";
    SpfDecidesNothing { domain } = "spf_decides_nothing" Notice Posture
        "The SPF record of {domain} says nothing about senders that it doesn't name: it lacks \
         -all or ~all at its end.";
    SpfUsesPtr { domain } = "spf_uses_ptr" Notice Posture
        "The SPF record of {domain} uses ptr, which is slow and should not be used (RFC 7208 \
         section 5.5).";
    DmarcNone { domain } = "dmarc_none" Notice Posture
        "The DMARC policy of {domain} is none: mail that fails is delivered all the same.";
    DmarcPartial { domain, percent } = "dmarc_partial" Notice Posture
        "The DMARC policy of {domain} is for {percent} per cent of the mail that fails.";
    DaneUnsigned { host, records } = "dane_unsigned" Notice Posture
        "{host} has {records} usable TLSA records without effect: the resolver validates \
         (DNSSEC), and did not find them, or the MX records that lead to them, signed.";
    MtaStsNotEnforced { domain, mode } = "mta_sts_not_enforced" Notice Posture
        "The MTA-STS policy of {domain} has the mode {mode}: senders deliver without TLS all the \
         same.";
    MtaStsMissing { domain } = "mta_sts_missing" Notice Posture
        "{domain} has no MTA-STS record: whoever sits on the line can make senders do without \
         TLS.";
    PostureUnknown { what, of, failure } = "posture_unknown" Info Posture
        "What the DNS says about {what} of {of} is not known: {failure}.";
    MxNull { domain } = "mx_null" Info Posture
        "{domain} says that it takes no mail (RFC 7505).";
    DmarcWithoutReports { domain } = "dmarc_without_reports" Info Posture
        "The DMARC record of {domain} asks for no reports (rua=): abuse of the name stays unseen.";
    TlsRptMissing { domain } = "tls_rpt_missing" Info Posture
        "{domain} has no TLS-RPT record: senders can't report that TLS failed.";
    DaneMissing { domain } = "dane_missing" Info Posture
        "The mail exchangers of {domain} have no TLSA records (DANE).";
    SpfFound { domain, record } = "spf_found" Info Posture
        "The SPF record of {domain} can be read: {record}";
    DmarcFound { domain, policy } = "dmarc_found" Info Posture
        "The DMARC policy of {domain} is {policy}.";
    MtaStsFound { domain, days } = "mta_sts_found" Info Posture
        "The MTA-STS policy of {domain} is in force and covers its mail exchangers; senders keep \
         it for {days} days.";
    MtaStsPolicyUnknown { domain, why } = "mta_sts_policy_unknown" Info Posture
        "{domain} has an MTA-STS record; its policy could not be looked at from here: {why}.";
    TlsRptFound { domain } = "tls_rpt_found" Info Posture
        "{domain} has a TLS-RPT record.";
    DaneFits { host, signatures } = "dane_fits" Info Posture
        "A TLSA record of {host} fits the certificates that it shows under STARTTLS; \
         {signatures}.";
    DaneUncompared { host, why, signatures } = "dane_uncompared" Info Posture
        "The TLSA records of {host} were not compared with its certificates: {why}; {signatures}.";
    ReverseNameConfirmed { address, name } = "reverse_name_confirmed" Info Posture
        "{address} is named {name}, which leads back to it.";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Particulars that scripts read and users do not: the words beside them say as much.
    const UNSAID: &[(&str, &str)] =
        &[("blacklist_vouched", "impact"), ("blacklist_summary", "target")];

    #[test]
    fn every_row_has_a_tag_and_words_with_its_particulars() {
        for (place, kind) in KINDS.iter().enumerate() {
            let first = KINDS.iter().position(|other| other.tag == kind.tag);
            assert_eq!(first, Some(place), "{} has two rows", kind.tag);
            assert!(!kind.words.is_empty(), "{} has no words", kind.tag);
            for particular in kind.particulars {
                let is_said = kind.words.contains(&format!("{{{particular}}}"));
                let is_unsaid = UNSAID.contains(&(kind.tag, *particular));
                assert!(is_said != is_unsaid, "{}: {particular}", kind.tag);
            }
        }
    }

    #[test]
    fn an_event_is_read_as_what_was_recorded() {
        for kind in KINDS {
            let given: Vec<_> = kind.particulars.iter().copied().map(Octets::from).collect();
            let read = Observation::read(kind.tag, given.clone());
            let Event::Noted { path, tag, arguments } = read.event(None) else {
                panic!("{} became another event", kind.tag)
            };
            assert_eq!((path, tag.as_str(), arguments), (None, kind.tag, given));
        }
    }

    #[test]
    fn a_log_of_another_version_is_shown_all_the_same() {
        let words = |tag: &str, particulars: &[&str]| {
            let particulars = particulars.iter().map(|text| (*text).to_owned());
            Observation::read(tag, particulars.collect()).words()
        };
        assert_eq!(words("spf_new", &["a", "b"]), "spf_new: a, b");
        assert_eq!(words("new", &[]), "new: ");
        assert_eq!(
            words("mx_is_alias", &["a.example"]),
            "The MX ? of a.example is an alias of ?: \
            it must be a host's own name (RFC 2181 section 10.3)."
        );
        assert_eq!(
            words("dane_missing", &["{host}", "one too many"]),
            "The mail exchangers of \
            {host} have no TLSA records (DANE)."
        );
        assert_eq!(Topic::of("spf_new"), Topic::Posture);
        assert_eq!(Topic::of("blacklist_new"), Topic::Listings);
        assert_eq!(Topic::of("new"), Topic::Relay);
    }
}
