//! The report as JSON: a promise to scripts, described by `schema/norelay.report.1.json`.
//!
//! Rules:
//! - Keys are never taken away and never change their meaning within `norelay.report/1`; new ones
//!   may come.
//! - What is not known is `null` or an empty list; a key is never left out.
//! - Every string is harmless in a terminal; octets from the network keep their escapes
//!   ([`norelay_core::octets::Octets`]).

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Serializer, Value};

use crate::{
    Options,
    excerpt::{dialogues_of, reply_of, reply_words, stage_of},
    fix::{self, Fix},
    harmless_json::Harmless,
    transcript,
};
use norelay_core::{
    assess::Assessment,
    catalogue,
    catalogue::TestId,
    check::{
        self, Finding, Hops, Outcome, PathJudgement, Reason, TestJudgement, Verdict, Weight,
        receiver::ReceiverCheck,
    },
    diagnosis::{Diagnosis, Technique},
    event::{MailExchanger, Receipt},
    mta::Mta,
    octets::Octets,
    path::PathId,
    report::{Dialogue, PathView, Report},
    smtp::{Cause, Reply, Security, Stage},
    token::TokenRole,
};

/// The name and version of the promise.
pub use norelay_core::report::SCHEMA;

/// Returns the report as one JSON document, indented, ending with a line end.
#[must_use]
pub fn render(report: &Report, assessment: &Assessment, _: &Options) -> String {
    let mut octets = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut octets, Harmless::default());
    Document::of(report, assessment)
        .serialize(&mut serializer)
        .expect("the document's keys are strings");
    octets.push(b'\n');
    String::from_utf8(octets).expect("JSON is written as UTF-8")
}

/// Returns the report as a JSON value, for callers that add to it.
#[must_use]
pub fn value(report: &Report, assessment: &Assessment) -> Value {
    serde_json::from_str(&render(report, assessment, &Options::default()))
        .expect("what was written as JSON can be read as JSON")
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    target: Option<&'a str>,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    stopped: bool,
    verdict: Verdict,
    summary: &'a str,
    run: Option<Particulars<'a>>,
    retested: Option<Retested>,
    exchangers: &'a [MailExchanger],
    paths: Vec<PathDocument<'a>>,
    receipts: Vec<ReceiptDocument<'a>>,
    findings: &'a [Finding],
    diagnosis: Vec<DiagnosisDocument<'a>>,
    techniques: &'a [Technique],
    misfits: u64,
}

/// A cause, with the remedies in a form that programs can read.
#[derive(Serialize)]
struct DiagnosisDocument<'a> {
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
    fixes: Vec<Fix>,
}

/// What the run was asked to do, and by which norelay.
#[derive(Serialize)]
struct Particulars<'a> {
    id: String,
    version: &'a str,
    profile: catalogue::Profile,
    domain: &'a str,
    domain_given: bool,
    helo: &'a str,
    local_domain: Option<&'a str>,
    /// The user of the target who was named with `--local-user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    local_user: Option<&'a str>,
    /// The senders that were given with `--trusted-sender`.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    trusted_senders: &'a [String],
    receiving: bool,
    /// Whether the receiver was shown to work; nothing without a receiver.
    receiver: Option<&'a ReceiverCheck>,
}

/// What a retest asked again.
#[derive(Serialize)]
struct Retested {
    run: String,
    what: String,
}

#[derive(Serialize)]
struct PathDocument<'a> {
    host: Option<&'a str>,
    address: IpAddr,
    port: u16,
    security: Security,
    /// The rows of the catalogue that the plain test answers here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows: Vec<TestId>,
    verdict: Verdict,
    why: &'a [String],
    mta: Option<&'a Mta>,
    seen_as: Option<IpAddr>,
    tests: Vec<TestDocument<'a>>,
    controls: Vec<TestDocument<'a>>,
}

#[derive(Serialize)]
struct TestDocument<'a> {
    number: u8,
    id: TestId,
    title: &'static str,
    outcome: &'static str,
    /// `None` for a control, which has no weight.
    weight: Option<Weight>,
    /// The name of the rule that decided the weight; `None` if no rule answered.
    rule: Option<&'static str>,
    stage: Option<Stage>,
    reason: Option<Reason>,
    reply: Option<ReplyDocument>,
    cause: Option<CauseDocument>,
    why: Option<String>,
    proof: Option<Proof<'a>>,
    attempts: usize,
    elapsed_ms: u64,
    transcript: Vec<(&'static str, String)>,
    /// The transcripts of the connections that did not decide, oldest first.
    other_transcripts: Vec<Vec<(&'static str, String)>>,
}

#[derive(Serialize)]
struct ReplyDocument {
    code: u16,
    enhanced: Option<String>,
    text: String,
}

#[derive(Serialize)]
struct CauseDocument {
    kind: &'static str,
    text: String,
}

/// How an arrived message proves that the server relayed it.
#[derive(Serialize)]
struct Proof<'a> {
    sent: Option<Timestamp>,
    arrived: Timestamp,
    from: IpAddr,
    hops: Hops,
    helo: &'a Octets,
    tls: bool,
    reverse_path: &'a Octets,
    forward_path: &'a Octets,
    message_token: bool,
    received: &'a [Octets],
    size: u64,
}

#[derive(Serialize)]
struct ReceiptDocument<'a> {
    at: Timestamp,
    path: PathId,
    test: Option<TestId>,
    role: TokenRole,
    from: IpAddr,
    helo: &'a Octets,
    tls: bool,
    reverse_path: &'a Octets,
    forward_path: &'a Octets,
    message_token: bool,
    received: &'a [Octets],
    size: u64,
}

impl<'a> Document<'a> {
    fn of(report: &'a Report, assessment: &'a Assessment) -> Self {
        let judgement = &assessment.judgement;
        let run = report.run.as_ref();
        let paths = report.paths().zip(&judgement.paths);
        Self {
            schema: SCHEMA,
            target: run.map(|run| run.target.as_str()),
            started: report.started,
            finished: report.finished,
            stopped: report.stopped,
            verdict: judgement.verdict,
            summary: &judgement.summary,
            run: run.map(|run| Particulars::of(run, assessment.receiver.as_ref())),
            retested: report.retested().map(|(run, what)| Retested { run, what }),
            exchangers: &report.exchangers,
            paths: paths
                .map(|(path, judged)| PathDocument::of(path, judged, assessment))
                .collect(),
            receipts: report
                .receipts
                .iter()
                .map(|(at, receipt)| ReceiptDocument::of(*at, receipt))
                .collect(),
            findings: &assessment.findings,
            diagnosis: assessment
                .causes
                .iter()
                .map(|diagnosis| DiagnosisDocument {
                    fixes: fix::fixes_of(assessment, diagnosis),
                    diagnosis,
                })
                .collect(),
            techniques: &assessment.techniques,
            misfits: report.misfits,
        }
    }
}

impl<'a> Particulars<'a> {
    fn of(run: &'a norelay_core::event::Run, receiver: Option<&'a ReceiverCheck>) -> Self {
        Self {
            id: run.run.to_string(),
            version: &run.version,
            profile: run.profile,
            domain: &run.domain,
            domain_given: run.domain_given,
            helo: &run.helo,
            local_domain: run.local_domain.as_deref(),
            local_user: run.named_user.as_deref(),
            trusted_senders: &run.trusted_senders,
            receiving: run.receiving,
            receiver,
        }
    }
}

impl<'a> PathDocument<'a> {
    fn of(path: PathView<'a>, judged: &'a PathJudgement, assessment: &'a Assessment) -> Self {
        let destination = path.destination();
        let documents = |tests: &'a [TestJudgement]| {
            tests
                .iter()
                .map(|judged| TestDocument::of(path, judged))
                .collect::<Vec<_>>()
        };
        Self {
            host: destination.host.as_deref(),
            address: destination.address,
            port: destination.port,
            security: destination.security,
            rows: catalogue::on_path(destination.address, destination.port, destination.security)
                .map(|row| row.id)
                .collect(),
            verdict: judged.verdict,
            why: &judged.why,
            mta: assessment.software(path.id),
            seen_as: assessment.seen_as(path.id),
            tests: documents(&judged.tests),
            controls: documents(&judged.controls),
        }
    }
}

impl<'a> TestDocument<'a> {
    fn of(path: PathView<'a>, judged: &'a TestJudgement) -> Self {
        let (decisive, others) = dialogues_of(path.report, judged);
        Self {
            number: judged.test.number,
            id: judged.test.id,
            title: judged.test.title(),
            outcome: judged.outcome.word(),
            weight: judged.test.is_scored().then_some(judged.weight),
            rule: judged.rule.map(|rule| rule.name),
            stage: stage_of(&judged.outcome),
            reason: reason_of(&judged.outcome),
            reply: reply_of(&judged.outcome).map(ReplyDocument::of),
            cause: cause_of(&judged.outcome),
            why: why_not_run(&judged.outcome),
            proof: Proof::of(path, judged),
            attempts: judged.dialogues.len(),
            elapsed_ms: judged.elapsed_ms,
            transcript: decisive.map(said_on).unwrap_or_default(),
            other_transcripts: others.into_iter().map(said_on).collect(),
        }
    }
}

fn said_on(dialogue: &Dialogue) -> Vec<(&'static str, String)> {
    transcript::of(dialogue)
        .into_iter()
        .filter_map(|line| line.letter().map(|letter| (letter, line.text)))
        .collect()
}

impl ReplyDocument {
    fn of(reply: &Reply) -> Self {
        let enhanced = reply.enhanced().map(|code| code.to_string());
        Self { code: reply.code, enhanced, text: reply_words(reply) }
    }
}

fn reason_of(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Refused { reason, .. } | Outcome::Deferred { reason, .. } => Some(*reason),
        _ => None,
    }
}

fn cause_of(outcome: &Outcome) -> Option<CauseDocument> {
    match outcome {
        Outcome::Interrupted { cause } => {
            Some(CauseDocument { kind: kind_of(cause), text: cause.to_string() })
        }
        _ => None,
    }
}

fn why_not_run(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::NotRun { why } => Some(why.clone()),
        _ => None,
    }
}

fn kind_of(cause: &Cause) -> &'static str {
    match cause {
        Cause::ConnectFailed { .. } => "connect_failed",
        Cause::Disconnected { .. } => "disconnected",
        Cause::TimedOut { .. } => "timed_out",
        Cause::Closing { .. } => "closing",
        Cause::Violated { .. } => "violated",
        Cause::TlsFailed { .. } => "tls_failed",
        Cause::Blocked { .. } => "blocked",
        Cause::Stopped => "stopped",
    }
}

impl<'a> Proof<'a> {
    fn of(path: PathView<'a>, judged: &'a TestJudgement) -> Option<Self> {
        let Outcome::Relayed { from, hops } = judged.outcome else { return None };
        // Of all messages for the test, the one that the outcome speaks of.
        let (arrived, receipt) = check::receipts_of(path, judged.test).find(|(_, receipt)| {
            receipt.peer.ip().to_canonical() == from
                && (hops == Hops::Direct || receipt.message_token)
        })?;
        Some(Self {
            sent: sent_at(path.report, judged),
            arrived: *arrived,
            from,
            hops,
            helo: &receipt.helo,
            tls: receipt.tls,
            reverse_path: &receipt.reverse_path,
            forward_path: &receipt.forward_path,
            message_token: receipt.message_token,
            received: &receipt.received,
            size: receipt.size,
        })
    }
}

/// Returns when the text of a test's message was handed over.
pub(super) fn sent_at(report: &Report, judged: &TestJudgement) -> Option<Timestamp> {
    let dialogues = judged
        .dialogues
        .iter()
        .filter_map(|number| report.dialogues.get(number));
    let sent = dialogues.filter_map(|dialogue| {
        let text = dialogue
            .exchanges
            .iter()
            .find(|exchange| exchange.stage == Stage::EndOfData)?;
        let (after_ms, _) = text.sent.as_ref()?;
        dialogue
            .opened
            .checked_add(std::time::Duration::from_millis(*after_ms))
            .ok()
    });
    // A message that was sent again may have come back after its first try.
    sent.min()
}

impl<'a> ReceiptDocument<'a> {
    fn of(at: Timestamp, receipt: &'a Receipt) -> Self {
        Self {
            at,
            path: receipt.token.path,
            test: catalogue::by_number(receipt.token.test).map(|test| test.id),
            role: receipt.token.role,
            from: receipt.peer.ip().to_canonical(),
            helo: &receipt.helo,
            tls: receipt.tls,
            reverse_path: &receipt.reverse_path,
            forward_path: &receipt.forward_path,
            message_token: receipt.message_token,
            received: &receipt.received,
            size: receipt.size,
        }
    }
}
