//! One self-contained page: readable without a network or scripts, printable, in light and dark,
//! for screen readers too.
//!
//! Everything shown is harmless text that the template escapes. Only this crate's own style sheet
//! and its hash are not escaped. By that hash, the page's policy allows this style sheet and
//! nothing else.

use askama::Template;
use data_encoding::BASE64;
use norelay_core::{
    assess::Assessment,
    catalogue::TestId,
    check::{Finding, Hops, Level, PathJudgement, Verdict, WeighingRule, Weight},
    diagnosis::{Diagnosis, Technique},
    octets::harmless,
    path::PathId,
    report::{Dialogue, PathView, Report},
};
use sha2::{Digest, Sha256};

use crate::{
    Options,
    excerpt::{dialogues_of, tests_of_weight, verdict_of},
    fix::{self, Fix},
    row::{Row, of_path},
    transcript::{self, Speaker},
};

const STYLE: &str = include_str!("../templates/report.css");

/// Returns the page's style sheet as a source of a content security policy: `sha256-…`.
#[must_use]
pub fn style_hash() -> String {
    format!("sha256-{}", BASE64.encode(&Sha256::digest(STYLE)))
}

#[derive(Template)]
#[template(path = "report.html")]
struct HtmlPage<'a> {
    style: &'static str,
    style_hash: String,
    title: String,
    target: String,
    verdict: Shown,
    summary: String,
    paths: Vec<PathSection>,
    causes: Vec<CauseView>,
    techniques: &'a [Technique],
    findings: Vec<FindingView>,
    particulars: Vec<(&'static str, String)>,
}

/// A verdict as it is shown: never by its color alone.
struct Shown {
    word: &'static str,
    title: &'static str,
    class: &'static str,
    mark: char,
}

struct PathSection {
    id: PathId,
    destination: String,
    host: String,
    mta: Option<MtaView>,
    verdict: Shown,
    why: Vec<String>,
    relayed: usize,
    accepted: usize,
    denied: usize,
    unclear: usize,
    groups: Vec<TestGroup>,
}

struct MtaView {
    name: String,
    evidence: Vec<String>,
}

struct TestGroup {
    title: &'static str,
    /// True if the tests of the group are folded: a reader need not scroll past what is in order.
    folded: bool,
    tests: Vec<TestView>,
}

struct TestView {
    number: u8,
    id: TestId,
    title: &'static str,
    weight: &'static str,
    class: &'static str,
    line: String,
    rule: Option<&'static WeighingRule>,
    open: bool,
    proof: Option<ProofView>,
    transcripts: Vec<TranscriptView>,
}

struct ProofView {
    arrived: String,
    from: String,
    helo: String,
    envelope: String,
    received: Vec<String>,
}

struct TranscriptView {
    caption: String,
    lines: Vec<LineView>,
}

struct LineView {
    at: String,
    who: &'static str,
    class: &'static str,
    text: String,
    meaning: String,
    source: &'static str,
    closed: &'static str,
}

struct CauseView {
    clause: &'static str,
    confidence: &'static str,
    evidence: Vec<String>,
    rules_out: Vec<String>,
    fix: Option<Fix>,
}

struct FindingView {
    level: &'static str,
    class: &'static str,
    place: String,
    text: String,
}

/// The report as one page.
#[must_use]
pub fn render(report: &Report, assessment: &Assessment, _: &Options) -> String {
    let judgement = &assessment.judgement;
    let target = report.run.as_ref().map_or("no target", |run| &run.target);
    let mut judged: Vec<_> = report.paths().zip(&judgement.paths).collect();
    judged.sort_by_key(|(_, judged)| judged.verdict);
    let paths = judged
        .into_iter()
        .map(|(path, judged)| path_section(path, judged, assessment));
    let page = HtmlPage {
        style: STYLE,
        style_hash: style_hash(),
        title: title(judgement.verdict, &harmless(target)),
        target: harmless(target),
        verdict: shown(judgement.verdict),
        summary: harmless(&judgement.summary),
        paths: paths.collect(),
        causes: assessment
            .causes
            .iter()
            .map(|found| cause_view(assessment, found))
            .collect(),
        techniques: &assessment.techniques,
        findings: assessment
            .findings
            .iter()
            .map(|finding| finding_view(report, finding))
            .collect(),
        particulars: particulars(report, assessment),
    };
    page.render().expect("the template writes into memory") + "\n"
}

/// Returns the title of the window, short enough for a tab and a bookmark.
fn title(verdict: Verdict, target: &str) -> String {
    let target: String = target.chars().take(80).collect();
    format!("{}: {target}", verdict.word())
}

fn shown(verdict: Verdict) -> Shown {
    let (title, class, mark) = match verdict {
        Verdict::OpenRelay => ("Open relay", "bad", '✗'),
        Verdict::Suspect => ("Suspect", "doubt", '!'),
        Verdict::Inconclusive => ("Inconclusive", "doubt", '?'),
        Verdict::Closed => ("Closed", "good", '✓'),
        Verdict::Unreachable => ("Unreachable", "doubt", '?'),
    };
    Shown { word: verdict.word(), title, class, mark }
}

fn path_section(
    path: PathView<'_>,
    judged: &PathJudgement,
    assessment: &Assessment,
) -> PathSection {
    let rows = of_path(path, judged);
    let count = |weights: &[Weight]| tests_of_weight(judged, weights);
    let destination = path.destination();
    let mta = assessment.software(path.id);
    PathSection {
        id: path.id,
        destination: destination.to_string(),
        host: destination
            .host
            .as_deref()
            .map(harmless)
            .unwrap_or_default(),
        verdict: Shown { word: verdict_of(path, judged), ..shown(judged.verdict) },
        why: judged.why.iter().map(|why| harmless(why)).collect(),
        relayed: count(&[Weight::Proof]),
        accepted: count(&[Weight::Suspicion]),
        denied: count(&[Weight::Denial, Weight::LocalDelivery]),
        unclear: count(&[Weight::Unknown]),
        groups: groups(path.report, &rows, mta.map(|mta| mta.name)),
        mta: mta.map(|mta| MtaView { name: mta.to_string(), evidence: mta.evidence.clone() }),
    }
}

/// Returns the tests, worst first, then the controls.
fn groups(report: &Report, rows: &[Row<'_>], mta: Option<&str>) -> Vec<TestGroup> {
    let titles: [(&'static str, &[Weight]); 6] = [
        ("Relayed", &[Weight::Proof]),
        ("Accepted", &[Weight::Suspicion]),
        ("Unclear", &[Weight::Unknown]),
        ("Local delivery", &[Weight::LocalDelivery]),
        ("Denied", &[Weight::Denial]),
        ("Not offered", &[Weight::NotOffered]),
    ];
    let view = |row: &Row<'_>| test_view(report, row, mta);
    let scored = titles.into_iter().map(|(title, weights)| {
        let tests = rows
            .iter()
            .filter(|row| !row.is_control() && weights.contains(&row.judged.weight));
        TestGroup {
            title,
            folded: matches!(title, "Denied" | "Not offered"),
            tests: tests.map(view).collect(),
        }
    });
    let controls = rows
        .iter()
        .filter(|row| row.is_control())
        .map(view)
        .collect();
    // The controls come last and folded: they support the tests, and rarely need reading.
    let groups = scored.chain([TestGroup { title: "Controls", folded: true, tests: controls }]);
    groups.filter(|group| !group.tests.is_empty()).collect()
}

fn test_view(report: &Report, row: &Row<'_>, mta: Option<&str>) -> TestView {
    let (decisive, others) = dialogues_of(report, row.judged);
    let dialogues: Vec<_> = others.into_iter().chain(decisive).collect();
    let class = match row.judged.weight {
        _ if row.is_control() => "faint",
        Weight::Proof => "bad",
        Weight::Suspicion | Weight::Unknown => "doubt",
        Weight::Denial | Weight::LocalDelivery => "good",
        Weight::NotOffered => "faint",
    };
    TestView {
        number: row.judged.test.number,
        id: row.judged.test.id,
        title: row.judged.test.title(),
        weight: row.weight(),
        class,
        // The weight of an unclear test or of a control does not tell what happened, so the
        // outcome's word is shown.
        line: if row.is_control() || row.judged.weight == Weight::Unknown {
            row.line()
        } else {
            row.detail()
        },
        rule: row.judged.rule,
        open: row.judged.weight == Weight::Proof && !row.is_control(),
        proof: proof_view(row),
        transcripts: (1..)
            .zip(&dialogues)
            .map(|(place, dialogue)| transcript_view((place, dialogues.len()), dialogue, mta))
            .collect(),
    }
}

fn proof_view(row: &Row<'_>) -> Option<ProofView> {
    let (arrived, receipt, hops) = row.proof.as_ref()?;
    let by = match hops {
        Hops::Direct => "the tested server itself",
        Hops::Multihop => "another server, to which the tested one handed it",
    };
    Some(ProofView {
        arrived: arrived.to_string(),
        from: format!("{}, {by}", receipt.peer.ip().to_canonical()),
        helo: receipt.helo.to_string(),
        envelope: format!("{} → {}", receipt.reverse_path, receipt.forward_path),
        received: receipt.received.iter().map(ToString::to_string).collect(),
    })
}

fn transcript_view(
    (place, of): (usize, usize),
    dialogue: &Dialogue,
    mta: Option<&str>,
) -> TranscriptView {
    let caption = format!(
        "Connection {place} of {of}, {}{}",
        dialogue.opened,
        if dialogue.proof { ", with a message" } else { "" }
    );
    let lines = transcript::explained(dialogue, mta)
        .into_iter()
        .map(|(line, explanation)| {
            let (who, class) = match line.by {
                Speaker::Client => ("we", ""),
                Speaker::Server => ("server", ""),
                Speaker::Refusal => ("server refuses", "good"),
                Speaker::Change => ("connection", "faint"),
                Speaker::Failure => ("failure", "doubt"),
            };
            let explanation = explanation.as_ref();
            LineView {
                at: format!("{}.{:03}", line.at_ms / 1000, line.at_ms % 1000),
                who,
                class,
                text: line.text,
                meaning: explanation
                    .map(|explanation| explanation.text.to_string())
                    .unwrap_or_default(),
                source: explanation
                    .map(|explanation| explanation.source)
                    .unwrap_or_default(),
                closed: explanation
                    .and_then(|explanation| explanation.closed)
                    .unwrap_or_default(),
            }
        });
    TranscriptView { caption, lines: lines.collect() }
}

fn cause_view(assessment: &Assessment, found: &Diagnosis) -> CauseView {
    CauseView {
        clause: found.cause.clause(),
        confidence: found.confidence.word(),
        fix: fix::fix_of(assessment, found),
        evidence: found
            .evidence
            .iter()
            .map(|sentence| harmless(sentence))
            .collect(),
        rules_out: found
            .rules_out
            .iter()
            .map(|sentence| harmless(sentence))
            .collect(),
    }
}

fn finding_view(report: &Report, finding: &Finding) -> FindingView {
    let path = finding.path.and_then(|id| report.path(id));
    let class = match finding.level {
        Level::Error => "bad",
        Level::Warning => "doubt",
        Level::Info | Level::Notice => "faint",
    };
    FindingView {
        level: finding.level.word(),
        class,
        place: path
            .map(|path| path.destination().to_string())
            .unwrap_or_default(),
        text: finding.text.clone(),
    }
}

fn particulars(report: &Report, assessment: &Assessment) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(run) = &report.run {
        lines.push(("Run", run.run.to_string()));
        lines.push(("norelay", harmless(&run.version)));
        lines.push(("Profile", run.profile.to_string()));
        lines.push(("Probe domain", harmless(&run.domain)));
        lines.push(("Introduced itself as", harmless(&run.helo)));
        let receiver = match &assessment.receiver {
            Some(check) => check.says.clone(),
            None => "no: nothing can be proven".to_owned(),
        };
        lines.push(("Receiver", receiver));
    }
    lines.extend(report.started.map(|at| ("Begun", at.to_string())));
    lines.extend(report.finished.map(|at| ("Ended", at.to_string())));
    lines
}
