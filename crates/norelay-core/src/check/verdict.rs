//! The verdict on a path and on a server.
//!
//! Rules:
//! - One proof makes it [`Verdict::OpenRelay`], and nothing that comes later unmakes it.
//! - [`Verdict::Closed`] needs an answer to every scored test, each of them a refusal that says
//!   relaying is denied, or says it when compared with a control, or an acceptance that a control
//!   explains as local delivery.
//! - A server that takes mail for another foreign domain than ours is no better than
//!   [`Verdict::Suspect`].
//! - Everything else is [`Verdict::Suspect`] or [`Verdict::Inconclusive`], with the reason.

use std::{collections::BTreeMap, net::IpAddr};

pub use super::arrival::receipts_of;
use super::{
    arrival, elsewhere, footer, late,
    outcome::{self, Hops, Outcome},
    reason::{self, Reason},
    submission,
};
use crate::{
    catalogue::{Group, RelayTest, Strength, TestId, TestRole},
    path::PathId,
    report::{Dialogue, Exchange, PathView, Report},
    seen::neighbour,
    smtp::{Cause, End, Reply, Security, Stage},
};

norelay_smtp::words! {
    /// The verdict, worst first.
    pub enum Verdict {
        /// A message came back through the server.
        OpenRelay = "open",
        /// Something was accepted, nothing came back, and no control explains it.
        Suspect = "suspect",
        /// Some test has no answer about relaying.
        Inconclusive = "inconclusive",
        /// Every test was refused by relay policy.
        Closed = "closed",
        /// Nothing spoke SMTP.
        Unreachable = "unreachable",
    }
}

impl Verdict {
    /// The exit code of a command that ends with it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::OpenRelay => 1,
            Self::Suspect | Self::Inconclusive => 2,
            Self::Unreachable => 4,
        }
    }
}

norelay_smtp::words! {
    /// What an outcome contributes to the verdict.
    pub enum Weight {
        /// It condemns.
        Proof = "proof",
        /// It was accepted and not explained.
        Suspicion = "suspicion",
        /// It says nothing about relaying.
        Unknown = "unknown",
        /// It is a refusal of relaying, in words or by comparison.
        Denial = "denial",
        /// It was accepted, a control shows that such an acceptance is local delivery, and its
        /// message did not come.
        LocalDelivery = "local_delivery",
        /// The server doesn't offer what it tries, or decides at another place.
        NotOffered = "not_offered",
    }
}

/// What the facts of a run mean.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The worst of the paths' verdicts.
    pub verdict: Verdict,
    /// One sentence.
    pub summary: String,
    /// A judgement for each of the report's paths.
    pub paths: Vec<PathJudgement>,
}

impl Judgement {
    /// The judgement of a path.
    #[must_use]
    pub fn path(&self, id: PathId) -> Option<&PathJudgement> {
        self.paths.get(id.place())
    }

    /// The paths' judgements with the paths' ids, in the order of the ids.
    pub fn paths(&self) -> impl DoubleEndedIterator<Item = (PathId, &PathJudgement)> + Clone {
        PathId::all().zip(&self.paths)
    }
}

/// What the facts about a path mean.
#[derive(Clone, Debug)]
pub struct PathJudgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is no better, a clause each.
    pub why: Vec<String>,
    /// The tests, in display order.
    pub tests: Vec<TestJudgement>,
    /// The controls and whatever else is not scored, in display order.
    pub controls: Vec<TestJudgement>,
}

impl PathJudgement {
    /// The tests, then the controls, each in display order.
    pub fn all(&self) -> impl Iterator<Item = &TestJudgement> {
        self.tests.iter().chain(&self.controls)
    }

    /// What became of a test or control, where the path was asked it.
    #[must_use]
    pub fn find(&self, test: TestId) -> Option<&TestJudgement> {
        self.all().find(|judged| judged.test.id == test)
    }

    /// What became of the test or control with this role, where the path was asked it.
    #[must_use]
    pub fn of(&self, role: TestRole) -> Option<&TestJudgement> {
        self.all().find(|judged| judged.test.is(role))
    }
}

/// What the facts about a test mean.
#[derive(Clone, Debug)]
pub struct TestJudgement {
    /// The test.
    pub test: &'static RelayTest,
    /// What became of it.
    pub outcome: Outcome,
    /// What that contributes.
    pub weight: Weight,
    /// Its dialogues, by number, oldest first.
    pub dialogues: Vec<u32>,
    /// How long they took together, in milliseconds.
    pub elapsed_ms: u64,
}

/// What the controls of a path show.
#[derive(Clone, Copy, Debug, Default)]
struct Controls<'a> {
    /// A user whom nobody has is accepted: the server takes any local part.
    takes_any_local_part: bool,
    /// Postmaster of the hosted domain is accepted: not everything from us is refused.
    takes_postmaster: bool,
    /// The probe domain is the user's own: it takes mail.
    probe_domain_exists: bool,
    /// How users whom nobody has are refused or deferred, at the hosted domain and at the host.
    nobodies: [Option<&'a Reply>; 2],
    /// How users whom nobody has are refused or deferred anywhere in the run: some paths are asked
    /// less than others.
    anywhere: &'a [Reply],
    /// How the plain question is refused or deferred.
    plain: Option<&'a Reply>,
}

/// Judges the facts of a run.
#[must_use]
pub fn judge(report: &Report) -> Judgement {
    let nobodies = footer::refusals_of_nobody(report);
    let judged = report.paths().map(|path| judge_path(path, &nobodies));
    let paths: Vec<_> = judged.collect();
    let verdict = paths
        .iter()
        .map(|path| path.verdict)
        .min()
        .unwrap_or(Verdict::Unreachable);
    let summary = summarise(report, verdict, &paths);
    Judgement { verdict, summary, paths }
}

fn judge_path(path: PathView<'_>, nobodies: &[Reply]) -> PathJudgement {
    let report = path.report;
    let known = path.facts.tests.iter().filter_map(|id| id.test());
    let (mut controls, mut tests) = (Vec::new(), Vec::new());
    for test in known {
        let mut judged = outcome_of(path, test);
        judged.outcome = footer::read_without(judged.outcome, nobodies);
        if test.is_scored() { tests.push(judged) } else { controls.push(judged) }
    }
    tests.sort_by_key(|judged: &TestJudgement| judged.test.number);
    controls.sort_by_key(|judged| judged.test.number);
    let plain = tests.iter().find(|judged| judged.test.is(TestRole::Plain));
    let plain = plain
        .and_then(|judged| footer::refusal(&judged.outcome))
        .cloned();
    let shown =
        Controls { plain: plain.as_ref(), ..Controls::shown_by(report, &controls, nobodies) };
    let is_no_path = not_offered(path).is_some();
    for judged in &mut tests {
        judged.weight = weigh(path, judged, shown);
        if is_no_path && matches!(judged.outcome, Outcome::NotRun { .. }) {
            judged.weight = Weight::NotOffered;
        }
    }
    let refuses_late = late::refuses_every_message(path, &tests);
    if refuses_late {
        let asks_nothing = |judged: &&mut TestJudgement| {
            judged.weight == Weight::Suspicion && late::asks_nothing(report, judged)
        };
        tests
            .iter_mut()
            .filter(asks_nothing)
            .for_each(|judged| judged.weight = Weight::NotOffered);
    }
    // Who refuses every message takes every recipient: that says nothing there.
    let is_taken = |control: &TestJudgement| !refuses_late && elsewhere::is_taken(control);
    controls
        .iter_mut()
        .filter(|control| is_taken(control))
        .for_each(|control| control.weight = Weight::Suspicion);
    let weighty: Vec<_> = tests
        .iter()
        .chain(controls.iter().filter(|control| is_taken(control)))
        .collect();
    let verdict = verdict_of(path, &weighty);
    let why = reasons_why(path, verdict, &weighty);
    PathJudgement { verdict, why, tests, controls }
}

/// The paths after STARTTLS that lead to the endpoint of this path in the clear.
fn starttls_twins(clear: PathView<'_>) -> impl Iterator<Item = PathView<'_>> {
    let is_clear = clear.way().security == Security::Plain;
    clear
        .twins()
        .filter(move |twin| is_clear && twin.way().security == Security::StartTls)
}

/// True if the test is asked after STARTTLS at the endpoint of this path in the clear. Where TLS
/// isn't offered either, nobody gets in.
fn is_asked_under_tls(clear: PathView<'_>, test: &RelayTest) -> bool {
    starttls_twins(clear)
        .any(|twin| twin.facts.tests.contains(&test.id) || not_offered(twin).is_some())
}

fn outcome_of(path: PathView<'_>, test: &'static RelayTest) -> TestJudgement {
    let mut outcome = match (path.facts.not_run.get(&test.id), &path.facts.given_up) {
        (Some(why), _) => Outcome::NotRun { why: why.clone() },
        (None, Some(cause)) => Outcome::Interrupted { cause: cause.clone() },
        (None, None) => Outcome::NotRun { why: "its turn did not come".to_owned() },
    };
    let (mut dialogues, mut elapsed_ms, mut has_sent) = (Vec::new(), 0_u64, false);
    for (number, dialogue) in path.dialogues_of(test.id) {
        // A dialogue without an end, in a log that goes on, is still under way.
        outcome = outcome.then(Outcome::of(dialogue, test.id));
        has_sent |= dialogue
            .exchanges
            .iter()
            .any(|exchange| exchange.stage == Stage::EndOfData && exchange.sent.is_some());
        elapsed_ms = elapsed_ms.saturating_add(dialogue.elapsed_ms);
        dialogues.push(number);
    }
    if let Some(relayed) = has_sent.then(|| arrival::proof(path, test)).flatten() {
        outcome = outcome.then(relayed);
    }
    TestJudgement { test, outcome, weight: Weight::Unknown, dialogues, elapsed_ms }
}

impl<'a> Controls<'a> {
    fn shown_by(report: &Report, controls: &'a [TestJudgement], anywhere: &'a [Reply]) -> Self {
        let outcome = |role| Some(&controls.iter().find(|judged| judged.test.is(role))?.outcome);
        let accepts = |role| matches!(outcome(role), Some(Outcome::Accepted { .. }));
        Self {
            takes_any_local_part: footer::UNKNOWN_USERS.into_iter().any(accepts),
            takes_postmaster: accepts(TestRole::Postmaster),
            probe_domain_exists: report.run.as_ref().is_some_and(|run| run.domain_given),
            nobodies: footer::UNKNOWN_USERS.map(|role| outcome(role).and_then(footer::refusal)),
            anywhere,
            plain: None,
        }
    }

    /// Whether a refusal is what everybody here and elsewhere is told, postmaster apart: a user
    /// whom nobody has is refused in the same words, and so is the plain question, where a test is
    /// not as plain. It is about us then, unless it speaks of the recipient.
    fn is_for_all(&self, test: &RelayTest, reply: &Reply) -> bool {
        let is_same = |other: &Reply| reason::is_same(other, reply);
        self.anywhere.iter().any(is_same)
            && (test.strength == Strength::Strong || self.plain.is_some_and(is_same))
            && !reason::is_about_recipient(reply)
    }

    /// Whether postmaster elsewhere is refused as anybody elsewhere. Another refusal than the plain
    /// question's comes from behind the relay check, as that of a host that was asked whether it
    /// has a postmaster: then the check was passed.
    fn say_the_same_to_all(&self, stage: Stage, reason: Reason, reply: &Reply) -> bool {
        let is_denial = matches!(reason, Reason::RelayDenied | Reason::AuthRequired);
        let is_as_plain =
            |plain| reason::is_same(plain, reply) || Reason::of(stage, plain) == reason;
        is_denial || stage != Stage::Rcpt || self.plain.is_some_and(is_as_plain)
    }
}

fn weigh(path: PathView<'_>, judged: &TestJudgement, controls: Controls<'_>) -> Weight {
    match &judged.outcome {
        Outcome::Relayed { .. } => Weight::Proof,
        Outcome::Accepted { .. } if is_local_delivery(path, judged, controls) => {
            Weight::LocalDelivery
        }
        Outcome::Accepted { .. } => Weight::Suspicion,
        Outcome::Refused { stage, reason, reply } => {
            if denies(path, judged.test, (*stage, *reason, reply), controls)
                || refuses_in_kind(judged.test, *stage, *reason, reply.code, controls)
                || is_taken_for_nobody(judged.test, *stage, reply, controls)
                || submission::wants_users(path, *stage, *reason, reply)
            {
                Weight::Denial
            } else if matches!(stage, Stage::Data | Stage::EndOfData) {
                // The recipient was accepted; a filter disliked the message. Another message might
                // pass.
                Weight::Suspicion
            } else {
                Weight::Unknown
            }
        }
        Outcome::Interrupted { cause } if refuses_certificate(path, judged, cause) => {
            Weight::Denial
        }
        Outcome::Deferred { stage, reply, .. }
            if refuses_name(judged.test, *stage, reply, controls) =>
        {
            Weight::Denial
        }
        // RFC 3463 section 3.2: no such mailbox, be it put off
        // (`unknown_local_recipient_reject_code`, `soft_bounce`).
        Outcome::Deferred { stage, reply, .. }
            if is_no_mailbox(reply)
                && is_taken_for_nobody(judged.test, *stage, reply, controls) =>
        {
            Weight::Denial
        }
        Outcome::NotRun { .. }
            if is_not_offered(path, judged) || is_cut_short(path.report, judged) =>
        {
            Weight::NotOffered
        }
        Outcome::Deferred { .. } | Outcome::Interrupted { .. } | Outcome::NotRun { .. } => {
            Weight::Unknown
        }
    }
}

/// Whether TLS broke: in the handshake or, as a client learns of it after his own part in TLS 1.3,
/// right behind it.
#[must_use]
pub fn is_of_tls(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::TlsFailed { .. } | Cause::Disconnected { stage: Stage::Ehlo, error: Some(_) }
    )
}

/// Whether TLS breaks for a client who shows a certificate, and for others doesn't: then it is the
/// certificate that is turned down.
fn refuses_certificate(path: PathView<'_>, judged: &TestJudgement, cause: &Cause) -> bool {
    let shows_none = |id: &TestId| id.test().is_some_and(|test| test.certificate().is_none());
    judged.test.certificate().is_some()
        && is_of_tls(cause)
        && path
            .at_endpoint()
            .flat_map(PathView::dialogues)
            .any(|dialogue| {
                dialogue.tls.is_some()
                    && dialogue.tests.iter().all(shows_none)
                    && dialogue.reply_at(Stage::Mail).is_some()
            })
}

/// X.1.1, "bad destination mailbox address".
fn is_no_mailbox(reply: &Reply) -> bool {
    reply
        .enhanced()
        .is_some_and(|code| (code.subject, code.detail) == (1, 1))
}

/// Whether the server doesn't know what the test tries: it said so on this path, under its
/// protection, and never otherwise.
fn is_not_offered(path: PathView<'_>, judged: &TestJudgement) -> bool {
    let Some(keyword) = judged.test.requirement(path.way().security) else { return false };
    let latest = judged
        .dialogues
        .last()
        .and_then(|number| path.report.dialogues.get(number));
    let is_said = matches!(latest.and_then(|dialogue| dialogue.end.as_ref()), Some(End::NotOffered(missing)) if missing == keyword);
    path.never_offers(keyword) || (is_said && path.offered().next().is_none())
}

/// Whether what the test would ask after a DATA in vain can't be asked: the recipient was refused,
/// and the server asks for a text for nobody.
fn is_cut_short(report: &Report, judged: &TestJudgement) -> bool {
    let latest = judged
        .dialogues
        .last()
        .and_then(|number| report.dialogues.get(number));
    let answers = || {
        latest
            .into_iter()
            .flat_map(|dialogue| dialogue.answers_for(judged.test.id))
    };
    let is_refused = |exchange: &Exchange| exchange.reply.as_ref().is_some_and(Reply::is_negative);
    let mut recipients = answers()
        .filter(|exchange| exchange.stage == Stage::Rcpt)
        .peekable();
    recipients.peek().is_some()
        && recipients.all(is_refused)
        && answers().any(outcome::asks_for_text)
}

/// A recipient that reads as a local part, on a server that takes any local part, whose message was
/// delivered and has not come in all the time that the run waited.
fn is_local_delivery(path: PathView<'_>, judged: &TestJudgement, controls: Controls<'_>) -> bool {
    let report = path.report;
    let was_sent = path.dialogues_of(judged.test.id).any(|(_, dialogue)| {
        dialogue.proof
            && dialogue.has_delivered()
            && matches!(Outcome::of(dialogue, judged.test.id), Outcome::Accepted { .. })
    });
    let receiving = report.run.as_ref().is_some_and(|run| run.receiving);
    judged.test.strength == Strength::Weak
        && controls.takes_any_local_part
        && receiving
        && was_sent
        && report.finished.is_some()
        && !report.stopped
        && receipts_of(path, judged.test).next().is_none()
}

/// Whether a refusal says that relaying is denied, in words or by comparison.
fn denies(
    path: PathView<'_>,
    test: &RelayTest,
    (stage, reason, reply): (Stage, Reason, &Reply),
    controls: Controls<'_>,
) -> bool {
    let about_envelope =
        !matches!(stage, Stage::Greeting | Stage::Ehlo | Stage::Helo | Stage::StartTls);
    let at_recipient = matches!(stage, Stage::Rcpt | Stage::Data | Stage::EndOfData);
    let odd_recipient =
        !matches!(test.group, Group::Plain | Group::Sender | Group::Hello | Group::Path);
    if test.is_for_postmaster() && !controls.say_the_same_to_all(stage, reason, reply) {
        return false;
    }
    match reason {
        Reason::RelayDenied | Reason::AuthRequired => about_envelope,
        // The path in the clear is shut to everybody; what is asked on its twin under TLS is judged
        // there.
        Reason::TlsRequired => about_envelope && is_asked_under_tls(path, test),
        // Whoever refuses the sender that a test is about, has answered the test.
        Reason::SenderDomain => about_envelope && test.is_about_sender(),
        Reason::Syntax => {
            (stage == Stage::Mail && test.is_about_sender()) || (at_recipient && odd_recipient)
        }
        // A foreign recipient taken for a local one that doesn't exist is not relayed to.
        Reason::UnknownUser => at_recipient && (odd_recipient || controls.takes_postmaster),
        // By comparison: the same stranger may write to postmaster here, and may not write
        // elsewhere; unless only postmaster is spared. Later than RCPT it can be the message that
        // is disliked, and another one would pass.
        Reason::Policy | Reason::Unclassified => {
            (stage == Stage::Rcpt && controls.takes_postmaster && !controls.is_for_all(test, reply))
                || (stage == Stage::Mail && test.is_about_sender())
        }
        // An encapsulated address at the server's own domain that it can't route, while the probe
        // domain exists.
        Reason::RecipientDomain => {
            at_recipient
                && test.group == Group::Syntax
                && test.strength == Strength::Weak
                && controls.probe_domain_exists
        }
        Reason::Reputation | Reason::Greylisted | Reason::RateLimited => false,
    }
}

/// Whether a refusal answers a test that is about more than addresses: the name, the credentials,
/// the proxy's word or the odd order that it tries were turned down.
fn refuses_in_kind(
    test: &RelayTest,
    stage: Stage,
    reason: Reason,
    code: u16,
    controls: Controls<'_>,
) -> bool {
    let group = test.group;
    let is_at_the_door = matches!(stage, Stage::Greeting | Stage::Ehlo | Stage::Helo);
    let is_order = code == 503;
    match (group, stage) {
        // Who sends a header talks before his turn, and may be refused for that.
        (Group::Proxy, _) if is_at_the_door => controls.takes_postmaster,
        // A server that queues for some clients only says so with `D`, in whatever words.
        _ if test.protocol().is_some() => {
            !matches!(reason, Reason::Reputation | Reason::Greylisted | Reason::RateLimited)
        }
        // A line that is no command, because of what stands in it, was not taken for two (RFC 5321
        // section 4.2.4).
        (_, Stage::Rcpt) if test.is_ambiguous() && matches!(code, 500..=504 | 555) => true,
        _ if matches!(reason, Reason::Greylisted | Reason::RateLimited) => false,
        (Group::Auth | Group::State, Stage::Auth) | (Group::Proxy, Stage::Other) => {
            !matches!(reason, Reason::Reputation | Reason::TlsRequired)
        }
        (Group::State, Stage::Rcpt) | (Group::Hello, Stage::Mail) if is_order => true,
        // Those who say another name, or send no header, get in: it is the name or the header that
        // is refused.
        (Group::Hello, Stage::Helo | Stage::Mail | Stage::Rcpt) => controls.takes_postmaster,
        _ => false,
    }
}

/// Whether the name that a test says was turned down with a code that puts off, as Postfix does it
/// with a name that the DNS doesn't have (`unknown_hostname_reject_code`): those who say another
/// name get in.
fn refuses_name(test: &RelayTest, stage: Stage, reply: &Reply, controls: Controls<'_>) -> bool {
    test.group == Group::Hello
        && matches!(stage, Stage::Helo | Stage::Mail | Stage::Rcpt)
        && reply
            .text()
            .to_lowercase()
            .contains("helo command rejected")
        && controls.takes_postmaster
}

/// Whether a recipient that reads as one of the server's own domain was refused in the very words
/// in which a user is whom nobody has there: then it was taken for such a one. (Exim calls both
/// unrouteable, as it does a domain that takes no mail.)
fn is_taken_for_nobody(
    test: &RelayTest,
    stage: Stage,
    reply: &Reply,
    controls: Controls<'_>,
) -> bool {
    let [at_domain, at_host] = controls.nobodies;
    let nobody = match test.forward_path {
        path if path.ends_with("@{local_domain}>") => at_domain,
        path if path.ends_with("@{host}>") => at_host,
        _ => None,
    };
    stage == Stage::Rcpt
        && controls.probe_domain_exists
        && controls.takes_postmaster
        && nobody.is_some_and(|nobody| reason::is_same(nobody, reply))
}

fn verdict_of(path: PathView<'_>, tests: &[&TestJudgement]) -> Verdict {
    let has_spoken = path.dialogues().any(Dialogue::has_spoken);
    let worst = tests.iter().map(|judged| judged.weight).min();
    // What listens at the port of another protocol, and was not asked, may be anything.
    let is_untried = tests
        .iter()
        .any(|judged| judged.test.protocol().is_some() && judged.dialogues.is_empty());
    match worst {
        Some(Weight::Proof) => Verdict::OpenRelay,
        // A path that the server doesn't offer is no path.
        _ if !is_untried && (!has_spoken || not_offered(path).is_some()) => Verdict::Unreachable,
        Some(Weight::Suspicion) => Verdict::Suspect,
        // What failed before and isn't offered any more can't be done any more.
        Some(Weight::NotOffered) if path.report.retested().is_some() => Verdict::Closed,
        Some(Weight::Unknown | Weight::NotOffered) | None => Verdict::Inconclusive,
        Some(Weight::Denial | Weight::LocalDelivery) => Verdict::Closed,
    }
}

/// Why the verdict is no better: the worst tests, grouped by what became of them.
fn reasons_why(path: PathView<'_>, verdict: Verdict, tests: &[&TestJudgement]) -> Vec<String> {
    let weight = match verdict {
        Verdict::OpenRelay => Weight::Proof,
        Verdict::Suspect => Weight::Suspicion,
        Verdict::Inconclusive => Weight::Unknown,
        Verdict::Closed => return Vec::new(),
        Verdict::Unreachable => {
            let not_offered =
                not_offered(path).map(|keyword| format!("the server does not offer {keyword}"));
            return not_offered
                .or_else(|| last_cause(path))
                .into_iter()
                .collect();
        }
    };
    by_clause(
        tests
            .iter()
            .copied()
            .filter(|judged| judged.weight == weight),
    )
}

/// `tests 1-9, 11: relaying is denied`: tests by what became of them, each once however many paths
/// it was asked on.
fn by_clause<'a>(tests: impl Iterator<Item = &'a TestJudgement>) -> Vec<String> {
    let mut groups: BTreeMap<String, BTreeMap<u8, &TestJudgement>> = BTreeMap::new();
    for judged in tests {
        groups
            .entry(clause(&judged.outcome))
            .or_default()
            .insert(judged.test.number, judged);
    }
    let mut clauses: Vec<_> = groups.into_iter().collect();
    clauses.sort_by_key(|(_, group)| group.keys().next().copied());
    let numbers =
        |group: BTreeMap<u8, &TestJudgement>| numbers(&group.into_values().collect::<Vec<_>>());
    clauses
        .into_iter()
        .map(|(clause, group)| format!("{}: {clause}", numbers(group)))
        .collect()
}

/// The keyword without which the path doesn't exist, where the server doesn't offer it: neither on
/// the path, nor, where that wasn't tried, in the same words in the clear on its twin.
#[must_use]
pub fn not_offered(path: PathView<'_>) -> Option<&'static str> {
    if path.way().security != Security::StartTls {
        return None;
    }
    let mut ends = path
        .dialogues()
        .filter_map(|dialogue| dialogue.end.as_ref());
    let is_missing = match ends.next() {
        Some(first) => lacks_starttls(first) && ends.all(lacks_starttls),
        None => path
            .twins()
            .filter(|twin| twin.way().security == Security::Plain)
            .any(|clear| clear.never_offers("STARTTLS")),
    };
    is_missing.then_some("STARTTLS")
}

fn lacks_starttls(end: &End) -> bool {
    matches!(end, End::NotOffered(keyword) if keyword == "STARTTLS")
}

fn last_cause(path: PathView<'_>) -> Option<String> {
    if let Some(cause) = &path.facts.given_up {
        return Some(cause.to_string());
    }
    let mut ends = path
        .dialogues()
        .filter_map(|dialogue| dialogue.end.as_ref());
    match ends.next_back()? {
        End::Interrupted(cause) => Some(cause.to_string()),
        _ => None,
    }
}

/// `test 3`, `tests 1, 4-6`.
#[must_use]
pub fn numbers(group: &[&TestJudgement]) -> String {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for number in group.iter().map(|judged| judged.test.number) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    let plural = if group.len() == 1 { "" } else { "s" };
    format!("test{plural} {}", shown.collect::<Vec<_>>().join(", "))
}

/// What became of a test, as a clause.
#[must_use]
pub fn clause(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Relayed { from, hops: Hops::Direct } => {
            format!("its message came back from {from}")
        }
        Outcome::Relayed { from, hops: Hops::Multihop } => {
            format!("its message came back by way of {from}")
        }
        Outcome::Accepted { stage: Stage::EndOfData, .. } => {
            "the message was accepted and has not come back".to_owned()
        }
        Outcome::Accepted { .. } => "the recipient was accepted".to_owned(),
        Outcome::Refused { stage, reason, .. } => {
            format!("refused during {stage}, not for relaying ({})", reason.clause())
        }
        Outcome::Deferred { stage, reason, .. } => {
            format!("deferred during {stage} ({})", reason.clause())
        }
        Outcome::Interrupted { cause } => cause.to_string(),
        Outcome::NotRun { why } => format!("not run: {why}"),
    }
}

fn unreachable_summary(report: &Report, cause: Option<&String>) -> String {
    let unresolved = report
        .notes
        .iter()
        .find(|note| note.tag == "unresolved")
        .and_then(|note| note.arguments.first());
    match (unresolved, cause) {
        (Some(sentence), _) => format!("Could not connect, test failed: {sentence}"),
        (None, Some(cause)) => format!("Could not connect, test failed: {cause}."),
        (None, None) => "Could not connect, test failed.".to_owned(),
    }
}

/// Our address, where every open path was asked from nearby.
fn open_to_neighbours(report: &Report, paths: &[PathJudgement]) -> Option<IpAddr> {
    let open = report
        .paths()
        .zip(paths)
        .filter(|(_, judged)| judged.verdict == Verdict::OpenRelay);
    let ours: Option<Vec<_>> = open.map(|(path, _)| neighbour(path)).collect();
    ours?.first().copied()
}

fn summarise(report: &Report, verdict: Verdict, paths: &[PathJudgement]) -> String {
    let worst = || {
        paths
            .iter()
            .filter(|path| path.verdict == verdict)
            .flat_map(|path| path.why.iter())
    };
    match verdict {
        Verdict::Closed => match report.retested() {
            // What was refused then wasn't asked, so nothing is said of it.
            Some((run, what)) => format!(
                "What failed in {run} was asked again ({what}), and no relay was accepted. \
                 Nothing else was asked: test \
                 the whole to be sure of the rest."
            ),
            None => "All tests performed, no relays accepted.".to_owned(),
        },
        Verdict::Unreachable => unreachable_summary(report, worst().next()),
        Verdict::OpenRelay => match open_to_neighbours(report, paths) {
            Some(ours) => format!(
                "A message to somewhere else came through this server. We sent it from {ours}, \
                 though, which the server may \
                 know: test from outside to be sure that it is open to strangers."
            ),
            None => {
                "This server is an open relay: a message from a stranger to somewhere else came \
                 through it."
                    .to_owned()
            }
        },
        Verdict::Suspect if report.run.as_ref().is_some_and(|run| run.receiving) => {
            "Relaying was accepted, but no message has come back: suspect, not proven.".to_owned()
        }
        Verdict::Suspect => {
            "Relaying was accepted, but without a receiver nothing can prove it: suspect, not \
             proven."
                .to_owned()
        }
        Verdict::Inconclusive => {
            let unclear = paths
                .iter()
                .filter(|path| path.verdict == verdict)
                .flat_map(|path| &path.tests);
            let why = by_clause(unclear.filter(|judged| judged.weight == Weight::Unknown));
            match why.is_empty() {
                true => "Could not tell: no relay test was run.".to_owned(),
                false => format!("Could not tell, because of {}.", why.join("; ")),
            }
        }
    }
}
