//! For issues, tickets and chats: Markdown as GitHub, GitLab and chats read it.
//!
//! The server's words stand in code spans and blocks, whose fences are longer than any run of
//! backticks in the words. In all other text, each character with a meaning in Markdown is escaped,
//! and an `@` notifies no account.

use norelay_core::{
    assess::Assessment,
    check::{Verdict, Weight},
    octets::harmless,
    report::Report,
};

use crate::{
    Options,
    excerpt::{dialogues_of, tests_of_weight, verdict_of},
    fix,
    row::{Row, of_path},
    transcript,
};

/// The report as Markdown.
#[must_use]
pub fn render(report: &Report, assessment: &Assessment, _: &Options) -> String {
    let judgement = &assessment.judgement;
    let target = report.run.as_ref().map_or("no target", |run| &run.target);
    let mut text = format!(
        "# {} {}: {}\n\n",
        mark(judgement.verdict),
        prose(target),
        judgement.verdict.word()
    );
    text.push_str(&format!("{}\n\n", prose(&judgement.summary)));
    text.push_str(&paths(report, assessment));
    text.push_str(&causes(assessment));
    for (path, judged) in report.paths().zip(&judgement.paths) {
        let rows = of_path(path, judged);
        let matters: Vec<_> = rows.iter().filter(|row| matters(row)).collect();
        if let Some(first) = matters.first() {
            text.push_str(&format!("\n## {}\n", prose(&first.destination.to_string())));
            matters
                .iter()
                .for_each(|row| text.push_str(&test(report, row)));
        }
    }
    text.push_str(&findings(report, assessment));
    text.push_str(&footer(report));
    text
}

/// Returns the sign that stands beside the verdict's word.
fn mark(verdict: Verdict) -> char {
    match verdict {
        Verdict::OpenRelay => '❌',
        Verdict::Closed => '✅',
        Verdict::Suspect | Verdict::Inconclusive | Verdict::Unreachable => '❔',
    }
}

fn matters(row: &Row<'_>) -> bool {
    !row.is_control()
        && matches!(row.judged.weight, Weight::Proof | Weight::Suspicion | Weight::Unknown)
}

fn paths(report: &Report, assessment: &Assessment) -> String {
    let judgement = &assessment.judgement;
    let mut text =
        "| path | software | verdict | relayed | accepted | denied | unclear |\n| --- | --- | --- \
         | --: | --: | --: | --: |\n"
            .to_owned();
    for (path, judged) in report.paths().zip(&judgement.paths) {
        let mta = assessment
            .software(path.id)
            .map(ToString::to_string)
            .unwrap_or_default();
        let count = |weights: &[Weight]| tests_of_weight(judged, weights);
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            prose(&path.destination().to_string()),
            prose(&mta),
            verdict_of(path, judged),
            count(&[Weight::Proof]),
            count(&[Weight::Suspicion]),
            count(&[Weight::Denial, Weight::LocalDelivery]),
            count(&[Weight::Unknown]),
        ));
    }
    text
}

fn test(report: &Report, row: &Row<'_>) -> String {
    let test = row.judged.test;
    let mut text = format!("\n### {} {}: {}\n\n", test.number, test.id, row.weight());
    if let Some((arrived, receipt, _)) = &row.proof {
        let from = receipt.peer.ip().to_canonical();
        text.push_str(&format!(
            "Proof: the message came back at {arrived} from {}.\n\n",
            prose(&from.to_string())
        ));
        receipt.received.iter().take(10).for_each(|field| {
            text.push_str(&format!("* Received {}\n", code(&field.to_string())));
        });
        text.push('\n');
    }
    let lines = dialogues_of(report, row.judged)
        .0
        .map(transcript::lines)
        .unwrap_or_default();
    match lines.is_empty() {
        true => text.push_str(&format!("{}\n", prose(&row.line()))),
        false => text.push_str(&block(&lines)),
    }
    text
}

fn causes(assessment: &Assessment) -> String {
    let mut text = String::new();
    for found in &assessment.causes {
        let clause = format!("the server {} ({})", found.cause.clause(), found.confidence.word());
        text.push_str(&format!("\n## Cause: {}\n\n", prose(&clause)));
        let sentences = found.evidence.iter().chain(&found.rules_out);
        sentences.for_each(|sentence| text.push_str(&format!("* {}\n", prose(sentence))));
        if let Some(fix) = fix::fix_of(assessment, found) {
            text.push_str(&format!("\n### Fix: {}\n", prose(&fix.headline())));
            if let Some(assumed) = &fix.assumes {
                text.push_str(&format!("\n{}\n", prose(&assumed.advice())));
            }
            for step in &fix.steps {
                text.push_str(&format!("\n{}:\n\n{}", prose(&step.heading), block(&step.lines)));
            }
            text.push_str(&format!("\nMore: {}", code(&fix.command)));
            fix.documentation
                .iter()
                .for_each(|address| text.push_str(&format!(", <{address}>")));
            text.push('\n');
        }
    }
    let mut techniques = assessment
        .techniques
        .iter()
        .map(|found| (found.text, found.warning.unwrap_or_default()))
        .peekable();
    if techniques.peek().is_some() {
        text.push_str("\n## How it refuses\n\n");
        techniques.for_each(|(sentence, warning)| {
            let line = format!("* {} {}", prose(sentence), prose(warning));
            text.push_str(&format!("{}\n", line.trim_end()));
        });
    }
    text
}

fn findings(report: &Report, assessment: &Assessment) -> String {
    let found = &assessment.findings;
    let mut text = if found.is_empty() { String::new() } else { "\n## Findings\n\n".to_owned() };
    for finding in found {
        let path = finding.path.and_then(|id| report.path(id));
        let place = path
            .map(|path| format!("{}: ", prose(&path.destination().to_string())))
            .unwrap_or_default();
        text.push_str(&format!("* **{}** {place}{}\n", finding.level.word(), prose(&finding.text)));
    }
    text
}

fn footer(report: &Report) -> String {
    let Some(run) = &report.run else { return String::new() };
    let time = report
        .started
        .map(|started| format!(", {started}"))
        .unwrap_or_default();
    format!("\nnorelay {}, profile {}, run {}{time}\n", prose(&run.version), run.profile, run.run)
}

/// Returns the text with every character escaped that has a meaning in Markdown.
fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in harmless(text).chars() {
        match character {
            '@' => escaped.push_str("@&#8203;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A dot or a colon alone makes no link: links need `://` or `www.`.
            ':' | '/' | '.' | ',' | ';' | '\'' | '"' | '?' | '=' | '%' | '(' | ')' | '-' => {
                escaped.push(character)
            }
            other if other.is_ascii_punctuation() => escaped.extend(['\\', other]),
            other => escaped.push(other),
        }
    }
    escaped
        .replace("://", ":&#8203;//")
        .replace("www.", "www&#8203;.")
}

/// Returns the length of the longest run of backticks in a text.
fn backticks(text: &str) -> usize {
    text.split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or_default()
}

/// Code within a line.
fn code(text: &str) -> String {
    let text = harmless(text);
    let fence = "`".repeat(backticks(&text) + 1);
    format!("{fence} {text} {fence}")
}

/// Code on lines of its own.
fn block(lines: &[String]) -> String {
    let text = lines.join("\n");
    let fence = "`".repeat((backticks(&text) + 1).max(3));
    format!("{fence}text\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_means_itself() {
        for (text, expected) in [
            ("mx.example.net (192.0.2.7)", "mx.example.net (192.0.2.7)"),
            ("[x](javascript:1)", "\\[x\\](javascript:1)"),
            ("<b>&amp; @all", "&lt;b&gt;&amp;amp; @&#8203;all"),
            ("*a* _b_ ~c~ `d` |e| #f", "\\*a\\* \\_b\\_ \\~c\\~ \\`d\\` \\|e\\| \\#f"),
            (
                "http://evil.example www.evil.example",
                "http:&#8203;//evil.example www&#8203;.evil.example",
            ),
        ] {
            assert_eq!(prose(text), expected);
        }
    }

    #[test]
    fn fences_are_longer_than_what_they_hold() {
        assert_eq!(code("a``b"), "``` a``b ```");
        assert_eq!(block(&["````".to_owned(), "x".to_owned()]), "`````text\n````\nx\n`````\n");
        assert_eq!(block(&["x".to_owned()]), "```text\nx\n```\n");
    }
}
