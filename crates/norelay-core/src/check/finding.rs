//! Findings: things worth knowing, each with a tag, a level and arguments; their wording is made
//! from a table.
//!
//! Rules:
//! - A fact is a tag and its arguments, without an adjective; level and wording are policy and
//!   stand in [`KINDS`].
//! - A finding never changes the relay verdict.
//! - Findings come worst first, then by path and in the table's order, so that the same report
//!   gives the same list.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    adjacent, arrival, boilerplate,
    judgement::{Judgement, PathJudgement, TestJudgement, Verdict},
    offered::not_offered,
    outcome::Outcome,
    reason::Reason,
    summary::clause,
};
use crate::{
    catalogue::{self, TestRole},
    event::Receipt,
    octets::{Octets, harmless},
    path::{Endpoint, PathId},
    report::{Dialogue, PathView, Report},
    seen::neighbour,
    smtp::{Capabilities, Cause, End, Reply, Security, Stage, Violation},
    token::TokenRole,
};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Worth a thought.
    Notice,
    /// Should be changed.
    Warning,
    /// Must be changed.
    Error,
}

impl Level {
    /// The word that stands for it in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind; stable.
    pub tag: String,
    /// How much it matters.
    pub level: Level,
    /// The path that it is about, if one.
    pub path: Option<PathId>,
    /// The sentence.
    pub text: String,
}

/// A kind of finding: how much it matters and how it is worded.
#[derive(Debug)]
pub struct Kind {
    /// Its name; stable.
    pub tag: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The sentence; `{0}`, `{1}` … stand for the arguments.
    pub text: &'static str,
}

macro_rules! kinds {
    ($($tag:literal $level:ident $text:literal;)*) => {
        /// Every kind of finding. A fact that a probe noted ([`crate::event::Event::Noted`]) finds
        /// its wording here by its tag.
        pub static KINDS: &[Kind] = &[$(Kind { tag: $tag, level: Level::$level, text: $text }),*];
    };
}

kinds! {
    "client_address_lost" Error "The server sees our connections come from {0}, {1}, and not from \
                                 {2}: its clients' addresses are lost on the way, and what it \
                                 grants to {0} it grants to everybody ({3}: \"{4}\").";
    "injected_before_tls" Error "The server sent text in the clear after its answer to STARTTLS \
                                 (seen on {0}). Whoever sits on the line can do the same \
                                 (CVE-2011-0411 and its kin).";
    "starttls_injection" Error "A command sent in the clear, right behind STARTTLS, was answered \
                                under TLS ({0}): whoever sits on the line can put commands in \
                                front of a user's and so have his mail and password \
                                (CVE-2011-0411 and its kin).";
    "smuggling" Error "A second message, hidden in the text of a first one, came as a message of \
                       its own (tests: {0}). Whoever can have a text sent to this server can \
                       forge mail that seems to come from there (SMTP smuggling: CVE-2023-51764, \
                       CVE-2023-51765, CVE-2023-51766).";
    "early_end_of_data" Warning "The server took something else than <CR><LF>.<CR><LF> for the \
                                 end of a text, and answered what stood behind it as commands \
                                 (tests: {0}; it said: {1}). Messages can be smuggled in by that \
                                 (CVE-2023-51764 and its kin); none has come here.";
    "asked_from_nearby" Notice "We asked from {0}, an address of the server's own machine or \
                                network: what is allowed from there need not be allowed to \
                                strangers. Test from outside to be sure.";
    "second_domain_accepted" Warning "The server refused recipients at {0} and accepted one at \
                                      another foreign domain: its list of permitted domains is \
                                      wider than it should be, or names domains that are not its \
                                      own.";
    "unproven_arrival" Warning "A message with the token of test {0} came from {1}, which \
                                introduced itself as \"{2}\", but it is no proof: {3}.";
    "backscatter" Warning "The server accepted test {0} and then sent a bounce to the sender's \
                           address (it came from {1}). Spammers use such servers to write to the \
                           senders whom they forge: refuse unknown recipients during the dialogue \
                           instead.";
    "client_address_changed" Warning "The server sees our connections come from {0}, {1}, and not \
                                      from {2}: a proxy or an address translator stands between, \
                                      and what the server decides by address it decides for that \
                                      one ({3}: \"{4}\").";
    "turn_accepted" Warning "TURN is accepted ({0}): a stranger can have the mail that waits for \
                             somebody else (RFC 5321 appendix F.1).";
    "lmtp_exposed" Warning "LHLO is accepted ({0}): this is an LMTP server, which must not be \
                            reachable from outside (RFC 2033 section 5).";
    "local_sender_spoofed" Notice "Mail from a stranger that claims to come from the server's own \
                                   domain is accepted for a user of it ({0}): colleagues and \
                                   superiors can be forged.";
    "user_disclosed" Notice "{0} tells strangers which users exist: \"{1}\" for one who \
                             does, \"{2}\" for one who doesn't (RFC 5321 section 7.3).";
    "etrn_accepted" Notice "ETRN for a domain that cannot exist is accepted ({0}): strangers can \
                            make the server run its queue (RFC 1985).";
    "bare_postmaster_refused" Notice "Mail to <postmaster>, without a domain, was refused: {0}. \
                                      Every server must accept it (RFC 5321 section 4.5.1).";
    "auth_in_clear" Warning "AUTH {0} is offered without TLS: passwords travel in the clear (RFC \
                             4954 section 4).";
    "protocol_violation" Warning "The server broke the protocol on {0}, first so: {1}. Nothing \
                                  that it said afterwards was believed.";
    "accepts_impossible_domain" Notice "A recipient at a domain that cannot exist was accepted: \
                                        the server takes everything (a sink or a honeypot), or \
                                        sends everything on. Only a message that comes back can \
                                        tell which.";
    "accepts_any_local_part" Notice "A user whom nobody has was accepted ({0}): an accepted \
                                     recipient of the server's own domain says nothing about \
                                     relaying, and the server must bounce what it can't deliver.";
    "postmaster_refused" Notice "Mail to postmaster was refused: {0}. Every domain must accept it \
                                 (RFC 5321 section 4.5.1), unless this server takes no mail for \
                                 that domain.";
    "starttls_not_offered" Notice "STARTTLS is not offered: mail comes in the clear.";
    "certificate_trouble" Notice "The certificate of {0}: {1}.";
    "refused_for_reputation" Notice "Our own address or name was refused (tests: {0}): {1}. That \
                                     says nothing about other strangers: test from another \
                                     address.";
    "blocked" Notice "The server stopped taking our connections after {0} tests: it has probably \
                      banned our address for a while. Test again later, more slowly or from an \
                      allowed address.";
    "rate_limited" Notice "The server limits how much one client may ask, and after {0} tests it \
                           took no more in the time that the run had: {1}. Test again with a \
                           longer --wait, more slowly (--slow), or from an address that the limit \
                           spares.";
    "path_unreachable" Notice "Nothing spoke SMTP here: {0}.";
    "address_refused" Notice "{0} was not tested: it is {1}, and this service does not connect to \
                              such addresses.";
    "retested" Notice "Only what failed in {0} was asked again: {1}. What was refused then was \
                       not asked.";
    "run_stopped" Notice "The run was stopped before its end: what was not asked is not known.";
    "log_damaged" Notice "{0} events of the log fitted nothing and were left out.";
    "probe_domain_fallback" Notice "No probe domain was given, so the foreign addresses are at \
                                    {0}. Servers that check senders may refuse them for that \
                                    alone, and no message can prove relaying: give a domain whose \
                                    mail you receive (--domain).";
    "not_asked" Info "Not asked for want of something of our own: {0}.";
    "auto_reply" Info "A message came to the sender's address of test {0} from {1} that is no \
                       bounce: an automatic answer, or somebody who read the test message.";
    "user_mail_goes_out" Info "Legitimate mail still goes out: a user authenticated, and {0}.";
    "user_mail_refused" Error "Legitimate mail does not go out: for the user who was given, {0}.";
    "sender_refused" Info "The server refuses {0} as a sender for its own sake. Tests that are \
                           not about the sender were asked again from {1}.";
    "unresolvable_sender_accepted" Info "A sender at a domain that cannot exist is accepted \
                                         ({0}): nobody could be told if the message can't be \
                                         delivered.";
    "recipients_enumerable" Info "Users who don't exist are refused (\"{0}\") and those who do \
                                  are accepted: right, and yet strangers can find out who exists \
                                  by asking. A limit on refused recipients slows them down.";
    "greeting_name_differs" Info "The server at {0} is named {1} in the DNS and calls itself {2}: \
                                  if it sends mail as well, some receivers trust it less.";
    "client_address_translated" Info "Our connections leave from {2}, and the server sees them \
                                      come from {0} ({3}: \"{4}\"): an address translator stands \
                                      on our side. If {0} is not our public address, name that \
                                      with --seen-as-expected.";
    "unresolved" Error "{0}";
    "sender_substituted" Info "The message of test {0} was sent as {1} and came as {2}: the \
                               server or one after it rewrites senders.";

    // Blacklists.
    "blacklist_listed" Warning "{0} is on the blacklist {1} ({2} impact): {3}. First make sure \
                                that the relay is closed; norelay blacklist then shows the way \
                                off.";
    "blacklist_listed_little" Notice "{0} is on the blacklist {1} ({2} impact), which few \
                                      receivers heed: {3}.";
    "blacklist_unknown" Info "What the blacklist {1} ({2} impact) says of {0} is not known: {3}.";
    "blacklist_vouched" Info "The whitelist {1} vouches for {0}: {3}.";
    "blacklist_summary" Info "{1}";

    // Posture.
    "mx_null_among_others" Error "{0} has a null MX among others: it must stand alone (RFC 7505 \
                                  section 3).";
    "mx_is_address" Error "The MX of {0} names the address {1}: it must name a host (RFC 5321 \
                           section 5.1).";
    "mx_without_address" Error "The MX {1} of {0} has no address: no mail can be brought to it.";
    "mx_private_address" Error "The MX {1} of {0} has the address {2}, which isn't used on the \
                                Internet: mail from outside can't be brought to it, and whoever \
                                shares such an address may get it.";
    "spf_several" Error "{0} has {1} SPF records: receivers take that for an error, and none of \
                         them counts (RFC 7208 section 4.5).";
    "spf_invalid" Error "The SPF record of {0} can't be read: {1}. It says: {2}";
    "spf_too_many_lookups" Error "The SPF record of {0} takes {1} look-ups; after ten, receivers \
                                  give up with an error (RFC 7208 section 4.6.4).";
    "spf_broken_below" Error "The SPF record of {0} leads to an error: {1}.";
    "spf_allows_all" Error "The SPF record of {0} lets everybody send in its name (+all).";
    "dmarc_invalid" Error "The DMARC record of {0} can't be read, so that receivers ignore it: \
                           {1}. It says: {2}";
    "mx_is_alias" Warning "The MX {1} of {0} is an alias of {2}: it must be a host's own name \
                           (RFC 2181 section 10.3).";
    "spf_missing" Warning "{0} has no SPF record: receivers can't tell who may send in its name.";
    "dmarc_missing" Warning "{0} has no DMARC record: nobody is told what to do with mail that is \
                             sent in its name.";
    "dmarc_several" Warning "{0} has {1} DMARC records: receivers ignore them all (RFC 7489 \
                             section 6.6.3).";
    "mta_sts_invalid" Warning "The MTA-STS record of {0} can't be used: {1}. It says: {2}";
    "tls_rpt_invalid" Warning "The TLS-RPT record of {0} can't be used: {1}. It says: {2}";
    "dane_mismatch" Warning "No TLSA record of {0} fits the certificates that it shows under \
                             STARTTLS at {1}: senders that keep to DANE deliver nothing there; \
                             {2}.";
    "mta_sts_policy_wrong" Warning "{0} has an MTA-STS record, yet senders can't have its policy: \
                                    {1} (RFC 8461 section 3.3).";
    "mta_sts_mx_left_out" Warning "The MTA-STS policy of {0} leaves out its mail exchanger {1}: \
                                   senders deliver no mail there in the mode enforce, and it is \
                                   in the mode {2}.";
    "dane_invalid" Warning "A TLSA record of {0} can't be used: {1} (RFC 7672 section 3.1).";
    "reverse_name_missing" Warning "{0} has no reverse name (PTR): many receivers refuse mail \
                                    from such addresses.";
    "reverse_name_unconfirmed" Warning "{0} is named {1}, which leads to {2} and not back: \
                                        receivers don't believe such a name.";
    "mx_missing" Notice "{0} has no MX record: its mail goes to its own address (RFC 5321 section \
                         5.1).";
    "spf_decides_nothing" Notice "The SPF record of {0} says nothing about senders that it \
                                  doesn't name: it lacks -all or ~all at its end.";
    "spf_uses_ptr" Notice "The SPF record of {0} uses ptr, which is slow and should not be used \
                           (RFC 7208 section 5.5).";
    "dmarc_none" Notice "The DMARC policy of {0} is none: mail that fails is delivered all the \
                         same.";
    "dmarc_partial" Notice "The DMARC policy of {0} is for {1} per cent of the mail that fails.";
    "dane_unsigned" Notice "{0} has {1} usable TLSA records without effect: the resolver \
                            validates (DNSSEC), and did not find them, or the MX records that \
                            lead to them, signed.";
    "mta_sts_not_enforced" Notice "The MTA-STS policy of {0} has the mode {1}: senders deliver \
                                   without TLS all the same.";
    "mta_sts_missing" Notice "{0} has no MTA-STS record: whoever sits on the line can make \
                              senders do without TLS.";
    "posture_unknown" Info "What the DNS says about {0} of {1} is not known: {2}.";
    "mx_null" Info "{0} says that it takes no mail (RFC 7505).";
    "dmarc_without_reports" Info "The DMARC record of {0} asks for no reports (rua=): abuse of \
                                  the name stays unseen.";
    "tls_rpt_missing" Info "{0} has no TLS-RPT record: senders can't report that TLS failed.";
    "dane_missing" Info "The mail exchangers of {0} have no TLSA records (DANE).";
    "spf_found" Info "The SPF record of {0} can be read: {1}";
    "dmarc_found" Info "The DMARC policy of {0} is {1}.";
    "mta_sts_found" Info "The MTA-STS policy of {0} is in force and covers its mail exchangers; \
                          senders keep it for {1} days.";
    "mta_sts_policy_unknown" Info "{0} has an MTA-STS record; its policy could not be looked at \
                                   from here: {1}.";
    "tls_rpt_found" Info "{0} has a TLS-RPT record.";
    "dane_fits" Info "A TLSA record of {0} fits the certificates that it shows under STARTTLS; \
                      {1}.";
    "dane_uncompared" Info "The TLSA records of {0} were not compared with its certificates: {1}; \
                            {2}.";
    "reverse_name_confirmed" Info "{0} is named {1}, which leads back to it.";
}

/// What a finding is about; they are shown apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The server, as the relay test saw it.
    Relay,
    /// DNS blacklists.
    Blacklists,
    /// What the DNS says about the domain and the addresses.
    Posture,
}

/// How the tags of posture begin.
const POSTURE: [&str; 8] =
    ["mx_", "spf_", "dmarc_", "mta_sts_", "tls_rpt_", "dane_", "posture_", "reverse_name_"];

/// The topic of a tag.
#[must_use]
pub fn topic(tag: &str) -> Topic {
    match tag {
        _ if tag.starts_with("blacklist_") => Topic::Blacklists,
        _ if POSTURE.iter().any(|prefix| tag.starts_with(prefix)) => Topic::Posture,
        _ => Topic::Relay,
    }
}

/// A fact about a run: which kind, where, and its particulars.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) tag: String,
    path: Option<PathId>,
    arguments: Vec<String>,
}

impl Fact {
    pub(super) fn new(tag: &str, path: Option<PathId>, arguments: impl Into<Vec<String>>) -> Self {
        Self { tag: tag.to_owned(), path, arguments: arguments.into() }
    }

    /// The place in the table, and the finding.
    fn worded(&self) -> (usize, Finding) {
        let place = KINDS.iter().position(|kind| kind.tag == self.tag);
        let (level, text) = match place.and_then(|place| KINDS.get(place)) {
            Some(kind) => (kind.level, fill(kind.text, &self.arguments)),
            None => (Level::Info, format!("{}: {}", self.tag, self.arguments.join(", "))),
        };
        let finding =
            Finding { tag: harmless(&self.tag), level, path: self.path, text: harmless(&text) };
        (place.unwrap_or(KINDS.len()), finding)
    }
}

/// Puts arguments in the place of `{0}`, `{1}` …; an argument's own braces stay as they are.
fn fill(template: &str, arguments: &[String]) -> String {
    let mut text = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (number, tail) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(
            number
                .parse()
                .ok()
                .and_then(|index: usize| arguments.get(index))
                .map_or("?", String::as_str),
        );
        rest = tail;
    }
    text.push_str(rest);
    text
}

/// What is worth knowing about a run.
#[must_use]
pub fn findings(report: &Report, judgement: &Judgement) -> Vec<Finding> {
    let mut facts = run_facts(report);
    for (path, judged) in report.paths().zip(&judgement.paths) {
        facts.extend(path_facts(path, judged));
    }
    facts.extend(adjacent::facts(report, judgement));
    facts.extend(offer_facts(report));
    facts.extend(user_facts(judgement));
    facts.extend(receipt_facts(report, judgement));
    facts.extend(
        report
            .notes
            .iter()
            .filter_map(|note| match note.tag.as_str() {
                super::dane::RECORDS => super::dane::fact(report, note),
                tag => {
                    let arguments: Vec<_> = note.arguments.iter().map(Octets::to_string).collect();
                    Some(Fact::new(tag, note.path, arguments))
                }
            }),
    );
    let mut worded: Vec<_> = facts.iter().map(Fact::worded).collect();
    worded.sort_by_key(|(place, finding)| (std::cmp::Reverse(finding.level), *place, finding.path));
    worded.into_iter().map(|(_, finding)| finding).collect()
}

fn run_facts(report: &Report) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(run) = report.run.as_ref().filter(|run| !run.domain_given) {
        facts.push(Fact::new("probe_domain_fallback", None, [run.domain.clone()]));
    }
    if report.stopped {
        facts.push(Fact::new("run_stopped", None, []));
    }
    if report.misfits > 0 {
        facts.push(Fact::new("log_damaged", None, [report.misfits.to_string()]));
    }
    facts
}

fn path_facts(path: PathView<'_>, judged: &PathJudgement) -> Vec<Fact> {
    let mut facts = control_facts(path, judged);
    // What is refused to neighbours is refused to strangers.
    if matches!(judged.verdict, Verdict::OpenRelay | Verdict::Suspect) {
        facts.extend(
            neighbour(path)
                .map(|ours| Fact::new("asked_from_nearby", Some(path.id), [ours.to_string()])),
        );
    }
    facts.extend(answer_facts(path, &judged.tests));
    if judged.verdict != Verdict::Unreachable {
        facts.extend(violation_facts(path));
    } else if path.report.paths().len() > 1 && not_offered(path).is_none() {
        // Where there is but one path, the summary says it already.
        let why = judged
            .why
            .first()
            .cloned()
            .unwrap_or_else(|| "no connection was tried".to_owned());
        facts.push(Fact::new("path_unreachable", Some(path.id), [why]));
    }
    facts
}

fn control_facts(path: PathView<'_>, judged: &PathJudgement) -> Vec<Fact> {
    let outcome = |role| judged.of(role).map(|judged| &judged.outcome);
    let is_accepted = |role| matches!(outcome(role), Some(Outcome::Accepted { .. }));
    let mut facts = Vec::new();
    let any: Vec<_> = boilerplate::UNKNOWN_USERS
        .into_iter()
        .filter(|role| is_accepted(*role))
        .map(|role| catalogue::by_role(role).id.as_str())
        .collect();
    if !any.is_empty() {
        facts.push(Fact::new("accepts_any_local_part", Some(path.id), [any.join(", ")]));
    }
    if is_accepted(TestRole::ImpossibleForeign) {
        facts.push(Fact::new("accepts_impossible_domain", Some(path.id), []));
    }
    if let Some(Outcome::Refused { reply, reason, .. }) = outcome(TestRole::Postmaster)
        && *reason != Reason::Reputation
    {
        facts.push(Fact::new("postmaster_refused", Some(path.id), [reply.to_string()]));
    }
    // The control goes no further than RCPT: only a refusal there can be compared with it.
    if is_accepted(TestRole::SecondForeign)
        && matches!(outcome(TestRole::Plain), Some(Outcome::Refused { stage: Stage::Rcpt, .. }))
    {
        let run = path.report.run.as_ref();
        let domain = run.map(|run| run.domain.clone()).unwrap_or_default();
        facts.push(Fact::new("second_domain_accepted", Some(path.id), [domain]));
    }
    facts
}

/// Answers that are about us, or that stopped coming.
fn answer_facts(path: PathView<'_>, tests: &[TestJudgement]) -> Vec<Fact> {
    let disliked = tests.iter().filter_map(|judged| match &judged.outcome {
        Outcome::Refused { reason: Reason::Reputation, reply, .. }
        | Outcome::Deferred { reason: Reason::Reputation, reply, .. } => Some(reply),
        _ => None,
    });
    let disliked: Vec<_> = disliked.collect();
    // Whoever was turned away each time it was asked is interrupted by that, and blocked all the
    // same.
    let given_up = path.facts.given_up.as_ref();
    let blocked = tests
        .iter()
        .find_map(|judged| match (&judged.outcome, given_up) {
            (Outcome::Interrupted { cause: Cause::Blocked { answered } }, _)
            | (Outcome::Interrupted { .. }, Some(Cause::Blocked { answered })) => {
                Some(answered.to_string())
            }
            _ => None,
        });
    let mut facts = Vec::new();
    if let Some(reply) = disliked.first() {
        let arguments = [disliked.len().to_string(), reply.to_string()];
        facts.push(Fact::new("refused_for_reputation", Some(path.id), arguments));
    }
    facts.extend(blocked.map(|answered| match limit_met(path) {
        Some(reply) => Fact::new("rate_limited", Some(path.id), [answered, reply.to_string()]),
        None => Fact::new("blocked", Some(path.id), [answered]),
    }));
    facts
}

/// The reply that speaks of a limit, where the last trouble on a path was one: whoever has banned
/// an address doesn't talk to it any more.
fn limit_met(path: PathView<'_>) -> Option<&Reply> {
    path.dialogues().rev().find_map(|dialogue| {
        let replies = dialogue
            .exchanges
            .iter()
            .filter_map(|exchange| Some((exchange.stage, exchange.reply.as_ref()?)));
        let closing = match &dialogue.end {
            Some(End::Interrupted(Cause::Closing { stage, reply })) => Some((*stage, reply)),
            _ => None,
        };
        let limit = replies
            .chain(closing)
            .find(|(stage, reply)| Reason::of(*stage, reply) == Reason::RateLimited);
        let is_trouble = limit.is_some() || matches!(dialogue.end, Some(End::Interrupted(_)));
        is_trouble.then_some(limit.map(|(_, reply)| reply))
    })?
}

fn violation_facts(path: PathView<'_>) -> Vec<Fact> {
    let violations = path.dialogues().filter_map(|dialogue| match &dialogue.end {
        Some(End::Interrupted(cause @ Cause::Violated { violation, .. })) => {
            Some((cause, violation))
        }
        _ => None,
    });
    let (injected, others): (Vec<_>, Vec<_>) =
        violations.partition(|(_, violation)| **violation == Violation::InjectedBeforeTls);
    let mut facts = Vec::new();
    if !injected.is_empty() {
        facts.push(Fact::new("injected_before_tls", Some(path.id), [connections(injected.len())]));
    }
    if let Some((first, _)) = others.first() {
        facts.push(Fact::new(
            "protocol_violation",
            Some(path.id),
            [connections(others.len()), first.to_string()],
        ));
    }
    facts
}

fn connections(number: usize) -> String {
    format!("{number} connection{}", if number == 1 { "" } else { "s" })
}

/// What a server offers in the clear and under TLS, once for each address and port.
fn offer_facts(report: &Report) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut seen: BTreeSet<(Endpoint, &str)> = BTreeSet::new();
    for dialogue in report.dialogues.values() {
        let Some(path) = report.path(dialogue.path) else { continue };
        for (tag, arguments) in offers(dialogue, path.destination().security) {
            if seen.insert((path.endpoint(), tag)) {
                facts.push(Fact::new(tag, Some(dialogue.path), arguments));
            }
        }
    }
    facts
}

fn offers(dialogue: &Dialogue, security: Security) -> Vec<(&'static str, Vec<String>)> {
    let mut facts = Vec::new();
    let clear = dialogue
        .reply_at(Stage::Ehlo)
        .filter(|reply| security != Security::Tls && reply.is_positive());
    if let Some(offered) = clear.map(Capabilities::from_reply) {
        if !offered.offers("STARTTLS") {
            facts.push(("starttls_not_offered", Vec::new()));
        }
        let mechanisms = offered.parameters("AUTH").unwrap_or_default();
        let mechanisms: Vec<_> = mechanisms
            .into_iter()
            .filter(|mechanism| is_legible(mechanism))
            .collect();
        if !mechanisms.is_empty() {
            facts.push(("auth_in_clear", vec![mechanisms.join(" ")]));
        }
    }
    if let Some(tls) = dialogue.tls.as_ref().filter(|tls| !tls.troubles.is_empty()) {
        let subject = tls
            .subject
            .as_ref()
            .map_or_else(|| "the server".to_owned(), Octets::to_string);
        facts.push(("certificate_trouble", vec![subject, tls.troubles.join("; ")]));
    }
    facts
}

/// Mechanisms that send the password or a bearer's token itself (RFC 4616, RFC 7628; LOGIN and
/// XOAUTH2 have no RFC).
fn is_legible(mechanism: &str) -> bool {
    ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]
        .iter()
        .any(|legible| mechanism.eq_ignore_ascii_case(legible))
}

/// Whether the mail of a user who authenticates still goes out.
fn user_facts(judgement: &Judgement) -> Vec<Fact> {
    let controls = judgement
        .paths()
        .flat_map(|(id, path)| path.controls.iter().map(move |control| (id, control)));
    let asked = controls.filter(|(_, control)| control.test.needs_credentials());
    asked
        .map(|(path, control)| {
            let tag = match control.outcome {
                Outcome::Relayed { .. } | Outcome::Accepted { .. } => "user_mail_goes_out",
                _ => "user_mail_refused",
            };
            Fact::new(tag, Some(path), vec![clause(&control.outcome)])
        })
        .collect()
}

fn receipt_facts(report: &Report, judgement: &Judgement) -> Vec<Fact> {
    let mut seen = BTreeSet::new();
    let facts = report.receipts.iter().filter_map(|(_, receipt)| {
        let token = receipt.token;
        let path = judgement.path(token.path)?;
        let judged = path.all().find(|judged| judged.test.number == token.test);
        let test = catalogue::by_number(token.test)
            .map_or_else(|| token.test.to_string(), |test| test.id.to_string());
        let from = receipt.peer.ip().to_canonical().to_string();
        let is_null = receipt.reverse_path.as_bytes().starts_with(b"<>");
        let fact = |tag, arguments: Vec<String>| Some(Fact::new(tag, Some(token.path), arguments));
        if judged.is_some_and(|judged| judged.test.sends_message())
            && token.role == TokenRole::Recipient
        {
            return None;
        }
        match (token.role, judged.map(|judged| &judged.outcome)) {
            // A relay tells the sender what became of the other recipients of his message: that is
            // no fault beside.
            (TokenRole::Sender, Some(Outcome::Relayed { .. })) if is_null => None,
            (TokenRole::Sender, _) if is_null => fact("backscatter", vec![test, from]),
            (TokenRole::Sender, _) => fact("auto_reply", vec![test, from]),
            (TokenRole::Recipient, Some(Outcome::Relayed { .. })) => {
                let sent = judged.and_then(|judged| reverse_path_sent(report, judged))?;
                let came = receipt.reverse_path.to_string();
                let (sent, came) = (address_of(&sent), address_of(&came));
                let is_same = sent.eq_ignore_ascii_case(&came);
                if is_same { None } else { fact("sender_substituted", vec![test, sent, came]) }
            }
            (TokenRole::Recipient, _) => fact(
                "unproven_arrival",
                vec![test, from, receipt.helo.to_string(), why_unproven(report, judged, receipt)],
            ),
            _ => None,
        }
    });
    // A server that sends two thousand copies makes one finding.
    facts
        .filter(|fact| seen.insert((fact.tag.clone(), fact.path, fact.arguments.first().cloned())))
        .collect()
}

fn why_unproven(report: &Report, judged: Option<&TestJudgement>, receipt: &Receipt) -> String {
    if judged.is_some_and(|judged| arrival::is_handed_on(report, judged.test, receipt)) {
        return format!(
            "it came to {}, with the route in the address unread. The server hands on the mail \
             for its own domain, which \
             lets nobody choose where to",
            receipt.forward_path
        );
    }
    let was_sent = judged.is_some_and(|judged| {
        let dialogues = judged
            .dialogues
            .iter()
            .filter_map(|number| report.dialogues.get(number));
        dialogues
            .flat_map(|dialogue| &dialogue.exchanges)
            .any(|exchange| exchange.stage == Stage::EndOfData)
    });
    match was_sent {
        true => "it came from another address than the server's and without the token of our text",
        false => "norelay had sent no message for that test",
    }
    .to_owned()
}

/// What followed `MAIL FROM:` where the message was sent.
fn reverse_path_sent(report: &Report, judged: &TestJudgement) -> Option<String> {
    let dialogues = judged
        .dialogues
        .iter()
        .filter_map(|number| report.dialogues.get(number));
    let mut delivered = dialogues.filter(|dialogue| dialogue.has_delivered());
    let line = delivered.find_map(|dialogue| {
        dialogue
            .answers_for(judged.test.id)
            .find(|exchange| exchange.stage == Stage::Mail)?
            .sent
            .clone()
    })?;
    line.1
        .to_string()
        .split_once(':')
        .map(|(_, path)| path.to_owned())
}

/// `<a@b> SIZE=100` without its parameters.
fn address_of(path: &str) -> String {
    match path.find("> ") {
        Some(end) => path[..=end].to_owned(),
        None => path.trim().to_owned(),
    }
}
