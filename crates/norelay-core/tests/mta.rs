//! Servers are known by their samples, with their greeting and without.

mod story;

use norelay_core::{
    mta::{CLUES, behind, clues, identify},
    path::PathId,
    report::{PathView, Report},
    smtp::{Security, Stage},
};
use story::Story;

struct Sample {
    name: &'static str,
    confidence: &'static str,
    version: Option<&'static str>,
    distribution: Option<&'static str>,
    answers: Vec<(Stage, &'static str)>,
}

fn samples() -> Vec<Sample> {
    let blocks = include_str!("mtas.txt").split("\n\n").skip(1);
    blocks.map(|block| sample(block.trim())).collect()
}

fn sample(block: &'static str) -> Sample {
    let (head, answers) = block.split_once('\n').expect("a block has answers");
    let cells: Vec<&str> = head
        .trim_start_matches("# ")
        .split('|')
        .map(str::trim)
        .collect();
    let [name, confidence, version, distribution] = cells[..] else { panic!("four cells: {head}") };
    let told = |cell: &'static str| (cell != "-").then_some(cell);
    let answers = answers.lines().map(|line| {
        let (stage, reply) = line.split_once(" | ").expect("stage and reply");
        (serde_json::from_value(stage.into()).expect("a stage"), reply)
    });
    Sample {
        name,
        confidence,
        version: told(version),
        distribution: told(distribution),
        answers: answers.collect(),
    }
}

fn report_of(answers: &[(Stage, &str)]) -> Report {
    let mut story = Story::begin(false);
    let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign"]);
    let lines: Vec<_> = answers
        .iter()
        .map(|(stage, reply)| (*stage, if *stage == Stage::Greeting { "" } else { "…" }, *reply))
        .collect();
    story.dialogue(path, "foreign-to-foreign", false, &lines);
    story.end()
}

fn first(report: &Report) -> PathView<'_> {
    report.path(PathId::FIRST).expect("the report has a path")
}

#[test]
fn each_sample_is_told_by_what_it_says() {
    let samples = samples();
    let mut wrong = Vec::new();
    for sample in &samples {
        let found = identify(first(&report_of(&sample.answers)));
        let told = found.as_ref().map_or(("-", "-", None, None), |mta| {
            (mta.name, mta.confidence.word(), mta.version.as_deref(), mta.distribution)
        });
        if told != (sample.name, sample.confidence, sample.version, sample.distribution) {
            wrong.push(format!("{:?}\n  is told as {told:?}: {found:?}", sample.answers));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), samples.len(), wrong.join("\n"));
}

#[test]
fn each_clue_has_a_sample() {
    let samples = samples();
    let shown: Vec<_> = samples
        .iter()
        .map(|sample| (sample.name, report_of(&sample.answers)))
        .collect();
    let bare: Vec<String> = CLUES
        .iter()
        .filter(|clue| {
            let of_name = shown.iter().filter(|(name, _)| *name == clue.mta);
            !of_name
                .flat_map(|(_, report)| clues(first(report)))
                .any(|shown| std::ptr::eq(shown, *clue))
        })
        .map(|clue| format!("{}: {}", clue.mta, clue.pattern))
        .collect();
    assert!(bare.is_empty(), "no sample shows:\n{}", bare.join("\n"));
}

#[test]
fn what_is_only_remembered_makes_nothing_certain() {
    for sample in samples() {
        let report = report_of(&sample.answers);
        let of_name: Vec<_> = clues(first(&report))
            .into_iter()
            .filter(|clue| clue.mta == sample.name)
            .collect();
        if !of_name.is_empty() && of_name.iter().all(|clue| !clue.verified) {
            assert_ne!(sample.confidence, "certain", "{}", sample.name);
        }
    }
}

#[test]
fn a_hidden_greeting_never_makes_another_server_of_it() {
    for sample in samples().iter().filter(|sample| sample.name != "-") {
        let whole = identify(first(&report_of(&sample.answers)));
        if whole.is_some_and(|mta| mta.evidence.iter().any(|clause| clause.starts_with("but "))) {
            continue;
        }
        let hidden: Vec<_> = sample
            .answers
            .iter()
            .filter(|(stage, _)| *stage != Stage::Greeting)
            .copied()
            .collect();
        if let Some(mta) = identify(first(&report_of(&hidden))) {
            let family = [
                ("fortimail", "sendmail"),
                ("icewarp", "sendmail"),
                ("exchange-online", "exchange"),
                ("iis", "exchange"),
                // A proxy, and who is behind it.
                ("nginx", "postfix"),
                ("dovecot", "postfix"),
            ];
            let is_kin = family.contains(&(sample.name, mta.name));
            assert!(
                mta.name == sample.name || is_kin,
                "{} without its greeting is told as {mta:?}",
                sample.name
            );
        }
    }
}

#[test]
fn a_proxy_is_told_apart_from_who_is_behind_it() {
    let of_proxy = |sample: &&Sample| {
        sample
            .answers
            .iter()
            .any(|(_, reply)| reply.contains("Relay access denied"))
    };
    let samples = samples();
    let proxied = samples
        .iter()
        .filter(|sample| sample.name == "nginx")
        .find(of_proxy)
        .expect("there is a sample");
    let behind = behind(first(&report_of(&proxied.answers))).expect("somebody is behind it");
    assert_eq!(behind.name, "postfix");
    let plain = samples
        .iter()
        .find(|sample| sample.name == "postfix")
        .expect("there is a sample");
    assert_eq!(norelay_core::mta::behind(first(&report_of(&plain.answers))), None);
}
