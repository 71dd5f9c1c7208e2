//! The report for a terminal of eighty columns: one line for each path, then what matters, and the
//! verdict last.
//!
//! Rules:
//! - Everything is said in words; a style only underlines it.
//! - Every span goes through `Page::put`, which makes it harmless; nothing else writes.
//! - Only the server's own words may be cut short (with `…`), never a verdict, an address or a
//!   number.

mod page;

use std::collections::BTreeMap;

pub use self::page::{Ink, Page, Style, pad};
use self::page::{WIDTH, cut};

use crate::{
    Options,
    excerpt::{dialogues_of, reply_of, reply_words, verdict_of, without_tokens},
    fix::{self, Fix},
    json::sent_at,
};
use norelay_core::{
    advice::AdviceStep,
    assess::Assessment,
    check::{self, Finding, Hops, Level, Outcome, PathJudgement, TestJudgement, Verdict, Weight},
    event::{Path, Receipt},
    mta::Mta,
    octets::{Octets, harmless},
    report::{PathView, Report},
    seen::{Meaning, SeenAddress},
    smtp::{Reply, Stage},
};

/// A longer trace is a loop or an attack. The JSON has the whole trace.
const MAX_RECEIVED: usize = 10;
/// So many proofs and acceptances of a path are shown with their dialogue. More would repeat the
/// same.
const MAX_PROOFS: usize = 1;
const MAX_ACCEPTANCES: usize = 2;
/// So many tests have a line of their own. The numbers of the others are enough.
const MAX_LINES: usize = 9;
/// So many comparisons are shown. More would add nothing.
const MAX_SENTENCES: usize = 3;

/// The report as text.
#[must_use]
pub fn render(report: &Report, assessment: &Assessment, options: &Options) -> String {
    let judgement = &assessment.judgement;
    let mut page = Page::new(options.style);
    heading(&mut page, report, assessment);
    paths(&mut page, report, assessment);
    for (path, judged) in report.paths().zip(&judgement.paths) {
        matters(&mut page, path, judged);
    }
    receiver(&mut page, assessment);
    causes(&mut page, assessment);
    findings(&mut page, report, &assessment.findings);
    advice(&mut page, &assessment.advice);
    page.end();
    page.put(Ink::Bold, "VERDICT ");
    page.line(Ink::of(judgement.verdict), judgement.verdict.word());
    page.paragraph("", Ink::Plain, &judgement.summary);
    page.into_text()
}

/// How the receiver was shown to work. Where it was not, a finding says so.
fn receiver(page: &mut Page, assessment: &Assessment) {
    if let Some(check) = assessment.receiver.as_ref().filter(|check| check.works) {
        page.end();
        page.paragraph("RECEIVER ", Ink::Faint, &check.says);
    }
}

/// Writes what to do next, if the verdict leaves something to do, with the options that do it.
fn advice(page: &mut Page, steps: &[AdviceStep]) {
    for (number, step) in steps.iter().enumerate() {
        if number == 0 {
            page.end();
        }
        let options =
            if step.options.is_empty() { String::new() } else { format!(" ({})", step.options) };
        page.paragraph("NEXT     ", Ink::Bold, &format!("{}{options}", step.what));
        page.paragraph("         ", Ink::Plain, step.how);
    }
}

/// Returns one test as one line, to show when the test is finished.
#[must_use]
pub fn progress(judged: &TestJudgement) -> String {
    progress_in(judged, Style::Plain)
}

/// As [`progress`], with a style.
#[must_use]
pub fn progress_in(judged: &TestJudgement, style: Style) -> String {
    let mut page = Page::new(style);
    test_line(&mut page, judged);
    page.into_text().trim_end().to_owned()
}

/// Returns the software of the paths, each name once.
fn software(report: &Report, assessment: &Assessment) -> Vec<String> {
    let mut known: Vec<&Mta> = Vec::new();
    for mta in report
        .paths()
        .filter_map(|path| assessment.software(path.id))
    {
        match known
            .iter_mut()
            .find(|other| other.name == mta.name && other.version == mta.version)
        {
            // One path may show the packaging that another path hides.
            Some(other) if other.distribution.is_none() => *other = mta,
            Some(_) => {}
            None => known.push(mta),
        }
    }
    known.iter().map(ToString::to_string).collect()
}

/// `mx.example.net  Postfix, certain  2 paths  34 tests  10 controls  3.2 s`
fn heading(page: &mut Page, report: &Report, assessment: &Assessment) {
    let judgement = &assessment.judgement;
    let target = report.run.as_ref().map_or("(no target)", |run| &run.target);
    page.put(Ink::Bold, target);
    for mta in software(report, assessment) {
        page.put(Ink::Plain, &format!("  {mta}"));
    }
    let tests = judgement.paths.iter().map(|path| path.tests.len()).sum();
    let controls = judgement.paths.iter().map(|path| path.controls.len()).sum();
    let counts =
        [count(judgement.paths.len(), "path"), count(tests, "test"), count(controls, "control")];
    page.put(Ink::Plain, &format!("  {}", counts.join("  ")));
    if let (Some(started), Some(finished)) = (report.started, report.finished) {
        page.put(
            Ink::Plain,
            &format!("  {}", duration(finished.as_millisecond() - started.as_millisecond())),
        );
    }
    page.end();
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns milliseconds as `3.2 s` or `12 min 5 s`.
fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    match ms / 1000 {
        ..60 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

fn paths(page: &mut Page, report: &Report, assessment: &Assessment) {
    let width = report
        .paths()
        .map(|path| path.destination().to_string().len())
        .max()
        .unwrap_or_default();
    for (path, judged) in report.paths().zip(&assessment.judgement.paths) {
        let verdict = shown(judged.verdict, verdict_of(path, judged));
        path_line(page, path.destination(), judged, verdict, width);
        if let Some(seen) = assessment.seen(path.id) {
            seen_line(page, seen);
        }
    }
}

/// Writes which client address the server sees, if that is not ours.
fn seen_line(page: &mut Page, seen: &SeenAddress) {
    if let (Meaning::Lost(_), Some(due)) = (&seen.meaning, seen.due) {
        let address = seen.sighting.address;
        page.line(Ink::Doubtful, &format!("      seen as {address}, not {due}"));
    }
}

fn path_line(
    page: &mut Page,
    destination: &Path,
    judged: &PathJudgement,
    verdict: &str,
    width: usize,
) {
    let address = pad(&destination.to_string(), width);
    let counts = match judged.verdict {
        Verdict::Unreachable => String::new(),
        _ => format!("  {}", counts(&judged.tests)),
    };
    page.put(Ink::Plain, &format!("  {address}  "));
    page.put(Ink::of(judged.verdict), &pad(verdict, "inconclusive".len()));
    page.put(Ink::Plain, &counts);
    let said = match judged.verdict {
        Verdict::Unreachable => judged.why.first().cloned(),
        _ => typical_refusal(&judged.tests),
    };
    let used = 2 + width + 2 + "inconclusive".len() + counts.chars().count();
    if let Some(said) = said {
        let room = WIDTH.saturating_sub(used + 2);
        if room < 24 {
            page.end();
            page.put(Ink::Faint, &format!("      {}", cut(&said, WIDTH - 6)));
        } else {
            page.put(Ink::Faint, &format!("  {}", cut(&said, room)));
        }
    }
    page.end();
}

/// Returns the verdict's word. A verdict that calls for action is in capital letters.
fn shown(verdict: Verdict, word: &'static str) -> &'static str {
    match verdict {
        Verdict::OpenRelay => "OPEN",
        Verdict::Suspect => "SUSPECT",
        _ => word,
    }
}

/// `17/17 denied`, or `1 relayed, 14 denied, 2 unclear`
fn counts(tests: &[TestJudgement]) -> String {
    let weights = [
        (Weight::Proof, "relayed"),
        (Weight::Suspicion, "accepted"),
        (Weight::LocalDelivery, "local"),
        (Weight::Denial, "denied"),
        (Weight::NotOffered, "not offered"),
        (Weight::Unknown, "unclear"),
    ];
    let counted = weights.iter().filter_map(|(weight, word)| {
        let number = tests
            .iter()
            .filter(|judged| judged.weight == *weight)
            .count();
        (number > 0).then_some((number, *word))
    });
    let counted: Vec<_> = counted.collect();
    match counted.as_slice() {
        [] => "no tests".to_owned(),
        [(number, word)] => format!("{number}/{number} {word}"),
        several => several
            .iter()
            .map(|(number, word)| format!("{number} {word}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Returns the most frequent rejection without addresses; of equally frequent ones, the first.
fn typical_refusal(tests: &[TestJudgement]) -> Option<String> {
    let refusals = tests.iter().filter_map(|judged| match &judged.outcome {
        Outcome::Refused { reply, .. } | Outcome::Deferred { reply, .. } => {
            Some(without_addresses(&said(reply)))
        }
        _ => None,
    });
    // How often each rejection came, and where it came first.
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (place, refusal) in refusals.enumerate() {
        seen.entry(refusal).or_insert((0, place)).0 += 1;
    }
    seen.into_iter()
        .max_by_key(|(_, (times, place))| (*times, std::cmp::Reverse(*place)))
        .map(|(refusal, _)| refusal)
}

/// Returns a reply in one line: code, enhanced status code, text.
fn said(reply: &Reply) -> String {
    let enhanced = reply
        .enhanced()
        .map(|code| format!(" {code}"))
        .unwrap_or_default();
    let words = reply_words(reply);
    format!("{}{enhanced}{}{words}", reply.code, if words.is_empty() { "" } else { " " })
}

/// `<somebody@somewhere>: no` as `<…>: no`.
fn without_addresses(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((inside, tail)) = after.split_once('>') else { break };
        kept.push_str(before);
        kept.push_str(if inside.is_empty() { "<>" } else { "<…>" });
        rest = tail;
    }
    kept + rest
}

/// Writes what keeps a path from being closed: proofs, acceptances, and unclear tests.
fn matters(page: &mut Page, path: PathView<'_>, judged: &PathJudgement) {
    if matches!(judged.verdict, Verdict::Closed | Verdict::Unreachable) {
        return;
    }
    page.end();
    page.put(Ink::of(judged.verdict), shown(judged.verdict, judged.verdict.word()));
    page.line(Ink::Bold, &format!("  {}", path.destination()));
    let of_weight = |weight| {
        judged
            .tests
            .iter()
            .filter(|judged| judged.weight == weight)
            .collect::<Vec<_>>()
    };
    let (proofs, acceptances) = (of_weight(Weight::Proof), of_weight(Weight::Suspicion));
    listed(page, &proofs, MAX_PROOFS, |page, judged| {
        said_for(page, path.report, judged);
        proof(page, path, judged);
    });
    listed(page, &acceptances, MAX_ACCEPTANCES, |page, judged| {
        said_for(page, path.report, judged);
    });
    if proofs.len() > MAX_PROOFS || acceptances.len() > MAX_ACCEPTANCES {
        page.line(Ink::Faint, "       --verbose shows each dialogue, --output json has them all.");
    }
    unclear(page, judged);
}

/// Writes tests of one outcome: the first ones with their dialogue, more as a line each, and the
/// rest as numbers.
fn listed(
    page: &mut Page,
    tests: &[&TestJudgement],
    in_full: usize,
    mut tell: impl FnMut(&mut Page, &TestJudgement),
) {
    let (lines, rest) = tests.split_at(tests.len().min(MAX_LINES));
    for (place, judged) in lines.iter().enumerate() {
        test_line(page, judged);
        if place < in_full {
            tell(page, judged);
        }
    }
    if let Some(first) = rest.first() {
        let so =
            if first.weight == Weight::Proof { "RELAYED as well" } else { "not denied either" };
        page.paragraph("       ", Ink::Plain, &format!("and {}: {so}", check::numbers(rest)));
    }
}

/// `  1  foreign-to-foreign  accepted  250 2.1.5 Ok`
fn test_line(page: &mut Page, judged: &TestJudgement) {
    let (ink, word) = match &judged.outcome {
        Outcome::Relayed { .. } => (Ink::Bad, "RELAYED"),
        Outcome::Accepted { .. } if judged.weight == Weight::LocalDelivery => {
            (Ink::Good, "accepted")
        }
        Outcome::Accepted { .. } if !judged.test.is_scored() => (Ink::Plain, "accepted"),
        Outcome::Accepted { .. } => (Ink::Doubtful, "ACCEPTED"),
        Outcome::Refused { .. } => (Ink::Good, "refused"),
        Outcome::Deferred { .. } => (Ink::Doubtful, "deferred"),
        Outcome::Interrupted { .. } => (Ink::Doubtful, "interrupted"),
        Outcome::NotRun { .. } => (Ink::Faint, "not run"),
    };
    page.put(Ink::Plain, &format!("{:>5}  {:<20} ", judged.test.number, judged.test.id));
    page.put(ink, &format!("{word:<11}"));
    let used = 5 + 2 + judged.test.id.as_str().len().max(20) + 1 + 11;
    let words = match &judged.outcome {
        Outcome::Relayed { from, .. } => format!("came back from {from}"),
        Outcome::Interrupted { cause } => cause.to_string(),
        Outcome::NotRun { why } => why.clone(),
        outcome => reply_of(outcome).map(said).unwrap_or_default(),
    };
    let words = without_tokens(&words);
    page.line(Ink::Plain, &format!(" {}", cut(&harmless(&words), WIDTH.saturating_sub(used + 1))));
}

const LABEL: usize = 18;

fn labelled(page: &mut Page, label: &str, text: &str) {
    page.paragraph(&format!("{:7}{}", "", pad(label, LABEL - 7)), Ink::Plain, text);
}

/// Writes what was asked, without tokens: the transcript has them.
fn said_for(page: &mut Page, report: &Report, judged: &TestJudgement) {
    let Some(dialogue) = dialogues_of(report, judged).0 else { return };
    for exchange in dialogue.answers_for(judged.test.id) {
        let is_asked =
            matches!(exchange.stage, Stage::Mail | Stage::Rcpt | Stage::Auth | Stage::Other);
        let sent = exchange
            .sent
            .as_ref()
            .filter(|_| is_asked || exchange.stage == Stage::EndOfData);
        let Some((_, line)) = sent else { continue };
        let line =
            if is_asked { without_tokens(&line.to_string()) } else { "the message".to_owned() };
        labelled(page, "we said", &line);
        // The line of an accepted test shows the reply already.
        if let Some(reply) = exchange
            .reply
            .as_ref()
            .filter(|_| judged.weight == Weight::Proof)
        {
            labelled(page, "it said", &said(reply));
        }
    }
}

fn proof(page: &mut Page, path: PathView<'_>, judged: &TestJudgement) {
    let Outcome::Relayed { from, hops } = judged.outcome else { return };
    let arrival = check::receipts_of(path, judged.test)
        .find(|(_, receipt)| receipt.peer.ip().to_canonical() == from);
    let Some((arrived, receipt)) = arrival else { return };
    let after =
        sent_at(path.report, judged).map(|sent| arrived.as_millisecond() - sent.as_millisecond());
    let after = after
        .map(|ms| format!(", {} after it was sent", duration(ms)))
        .unwrap_or_default();
    let by = match hops {
        Hops::Direct => "the tested server itself",
        Hops::Multihop => "another server, to which the tested one handed it",
    };
    labelled(page, "PROOF", &format!("the message came back {arrived:.3}{after}"));
    labelled(page, "from", &format!("{from}, {by}; it said HELO {}", receipt.helo));
    envelope(page, receipt);
    for field in receipt.received.iter().take(MAX_RECEIVED) {
        labelled(page, "Received", &field.to_string());
    }
}

fn envelope(page: &mut Page, receipt: &Receipt) {
    let trim = |path: &Octets| without_tokens(path.to_string().trim());
    labelled(
        page,
        "envelope",
        &format!("{} to {}", trim(&receipt.reverse_path), trim(&receipt.forward_path)),
    );
}

/// Writes the tests without an answer about relaying, grouped by the reason.
fn unclear(page: &mut Page, judged: &PathJudgement) {
    let mut groups: Vec<(String, Vec<&TestJudgement>)> = Vec::new();
    for test in judged
        .tests
        .iter()
        .filter(|judged| judged.weight == Weight::Unknown)
    {
        let clause = check::clause(&test.outcome);
        match groups.iter_mut().find(|(known, _)| *known == clause) {
            Some((_, group)) => group.push(test),
            None => groups.push((clause, vec![test])),
        }
    }
    for (clause, group) in groups {
        let label = format!("{:7}{}: ", "", check::numbers(&group));
        page.paragraph(&label, Ink::Doubtful, &clause);
        let first = group.iter().find_map(|judged| match &judged.outcome {
            Outcome::Refused { reply, .. } | Outcome::Deferred { reply, .. } => {
                Some(without_tokens(&said(reply)))
            }
            _ => None,
        });
        first
            .iter()
            .for_each(|reply| labelled(page, "it said", reply));
    }
}

/// Writes why the server relays and what closes it; for a closed server, the weakness of its
/// rejections.
fn causes(page: &mut Page, assessment: &Assessment) {
    let mut fixes: Vec<&str> = Vec::new();
    for diagnosis in &assessment.causes {
        page.end();
        let clause =
            format!("the server {} ({}).", diagnosis.cause.clause(), diagnosis.confidence.word());
        page.paragraph("CAUSE    ", Ink::Bad, &format!("{}: {clause}", diagnosis.cause));
        sentences(page, &diagnosis.evidence);
        sentences(page, &diagnosis.rules_out);
        let found = fix::fixes_of(assessment, diagnosis);
        let Some((first, further)) = found.split_first() else { continue };
        if fixes.contains(&first.title) {
            page.paragraph(
                "FIX      ",
                Ink::Bold,
                &format!("as above: {} ({})", first.headline(), first.command),
            );
        } else {
            remedy(page, first);
            fixes.push(first.title);
        }
        if let Some(next) = further.first() {
            let sentence =
                format!("If it still relays after that: {} ({}).", next.headline(), next.command);
            page.paragraph("         ", Ink::Plain, &sentence);
        }
    }
    let is_closed = assessment.judgement.verdict == Verdict::Closed;
    for technique in assessment.techniques.iter().filter(|_| is_closed) {
        if let Some(warning) = technique.warning {
            page.end();
            page.paragraph("refusals ", Ink::Plain, &format!("{} {warning}", technique.text));
        }
    }
}

/// Writes the first sentences of a list. The JSON has the whole list.
fn sentences(page: &mut Page, sentences: &[String]) {
    for sentence in sentences.iter().take(MAX_SENTENCES) {
        page.paragraph("         ", Ink::Plain, &without_tokens(sentence));
    }
    if let Some(more @ 1..) = sentences.len().checked_sub(MAX_SENTENCES) {
        page.line(Ink::Faint, &format!("         … and {more} more"));
    }
}

fn remedy(page: &mut Page, fix: &Fix) {
    page.paragraph("FIX      ", Ink::Bold, &format!("{} ({})", fix.headline(), fix.command));
    if let Some(assumed) = &fix.assumes {
        page.paragraph("         ", Ink::Plain, &assumed.advice());
    }
    for step in &fix.steps {
        page.paragraph("         ", Ink::Plain, &format!("{}:", step.heading));
        // Lines that the reader copies into a file or a shell must not be broken.
        step.lines
            .iter()
            .for_each(|line| page.line(Ink::Plain, &format!("           {line}")));
    }
    if let Some(documentation) = fix.documentation {
        page.line(Ink::Faint, &format!("         {documentation}"));
    }
}

/// Writes each finding once, with the paths that show it.
fn findings(page: &mut Page, report: &Report, findings: &[Finding]) {
    let mut grouped: Vec<(&Finding, Vec<String>)> = Vec::new();
    for finding in findings {
        let path = finding.path.filter(|_| report.paths().len() > 1);
        let place = path.and_then(|id| Some(report.path(id)?.destination().to_string()));
        match grouped
            .iter_mut()
            .find(|(known, _)| known.level == finding.level && known.text == finding.text)
        {
            Some((_, places)) => places.extend(place),
            None => grouped.push((finding, place.into_iter().collect())),
        }
    }
    for (number, (finding, places)) in grouped.into_iter().enumerate() {
        if number == 0 {
            page.end();
        }
        let places =
            if places.is_empty() { String::new() } else { format!("{}: ", places.join(", ")) };
        let ink = if finding.level >= Level::Warning { Ink::Doubtful } else { Ink::Plain };
        page.paragraph(
            &format!("{:<9}", finding.level.word()),
            ink,
            &format!("{places}{}", without_tokens(&finding.text)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use norelay_core::path::PathId;

    #[test]
    fn addresses_are_left_out_of_typical_refusals() {
        for (text, expected) in [
            ("554 5.7.1 <a@b>: no", "554 5.7.1 <…>: no"),
            ("550 <> no <a", "550 <> no <a"),
            ("550 no", "550 no"),
        ] {
            assert_eq!(without_addresses(text), expected);
        }
    }

    #[test]
    fn a_finding_of_several_paths_is_said_once() {
        let report = Report::of(
            &norelay_core::replay::read_log(include_str!(
                "../../norelay-core/tests/logs/open.jsonl"
            ))
            .records,
        );
        let finding = |path, text: &str| Finding {
            tag: "auth_cleartext".to_owned(),
            level: Level::Warning,
            path,
            text: text.to_owned(),
        };
        let found = [
            finding(Some(PathId::FIRST), "so"),
            finding(None, "thus"),
            finding(Some(PathId::new(1)), "so"),
        ];
        let mut page = Page::new(Style::Plain);
        findings(&mut page, &report, &found);
        assert_eq!(
            page.into_text(),
            "\nwarning  192.0.2.7:25, [2001:db8::7]:25: so\nwarning  thus\n"
        );
    }
}
