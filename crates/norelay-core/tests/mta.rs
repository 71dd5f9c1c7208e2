//! Servers are known by their own words, with their greeting and without. `mtas.txt` is the corpus.
//! `cargo test -p norelay-core --test mta confusion -- --nocapture` prints what is told as what;
//! `UPDATE=1` writes what is told into the corpus: read the difference before you commit.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "the test writes its corpus and prints its table"
)]

mod story;

use std::collections::BTreeMap;

use norelay_core::{
    mta::{CLUES, Weight, behind, clues, identify},
    path::PathId,
    report::{PathView, Report},
    smtp::{Security, Stage},
};
use story::Story;

/// One block of the corpus.
struct Sample {
    /// The software that said so.
    truth: &'static str,
    /// What is to be told.
    told: Told,
    source: &'static str,
    answers: Vec<(Stage, &'static str)>,
    /// The answers as the file has them.
    text: &'static str,
}

/// What the fingerprint says, as in the corpus: name, confidence, version and distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told([String; 4]);

impl Told {
    fn name(&self) -> &str {
        &self.0[0]
    }

    fn confidence(&self) -> &str {
        &self.0[1]
    }

    fn is_sure(&self) -> bool {
        matches!(self.confidence(), "likely" | "certain")
    }

    /// What is told of these answers today.
    fn of(answers: &[(Stage, &str)]) -> Self {
        let Some(mta) = identify(first(&report_of(answers))) else {
            return Self(["-", "-", "-", "-"].map(str::to_owned));
        };
        let version = mta.version.unwrap_or_else(|| "-".to_owned());
        let distribution = mta.distribution.unwrap_or("-").to_owned();
        Self([mta.name.to_owned(), mta.confidence.word().to_owned(), version, distribution])
    }
}

const CORPUS: &str = include_str!("mtas.txt");

fn samples() -> Vec<Sample> {
    let blocks = CORPUS.split("\n\n").skip(1);
    blocks.map(|block| sample(block.trim())).collect()
}

fn sample(block: &'static str) -> Sample {
    let (head, text) = block.split_once('\n').expect("a block has answers");
    let cells: Vec<&str> = head
        .trim_start_matches("# ")
        .split(" | ")
        .map(str::trim)
        .collect();
    let [truth, told, confidence, version, distribution, source] = cells[..] else {
        panic!("six cells: {head}")
    };
    let told = if told == "=" { truth } else { told };
    let answers = text.lines().map(|line| {
        let (stage, reply) = line.split_once(" | ").expect("stage and reply");
        (serde_json::from_value(stage.into()).expect("a stage"), reply)
    });
    Sample {
        truth,
        told: Told([told, confidence, version, distribution].map(str::to_owned)),
        source,
        answers: answers.collect(),
        text,
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
    let mut corpus = CORPUS.split("\n\n").take(1).collect::<String>();
    for sample in &samples {
        let told = Told::of(&sample.answers);
        let name = if told.name() == sample.truth { "=" } else { told.name() };
        let [_, confidence, version, distribution] = &told.0;
        corpus += &format!(
            "\n\n# {} | {name} | {confidence} | {version} | {distribution} | {}\n{}",
            sample.truth, sample.source, sample.text
        );
        if told != sample.told {
            wrong.push(format!("{:?}\n  is told as {told:?}", sample.answers));
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mtas.txt");
        std::fs::write(path, corpus + "\n").expect("the corpus can be written");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), samples.len(), wrong.join("\n"));
}

/// How often a software was told as it is, and as what else.
#[derive(Default)]
struct Tally {
    certain: usize,
    likely: usize,
    possible: usize,
    unknown: usize,
    /// Other names, with their confidence.
    others: Vec<String>,
}

impl Tally {
    fn count(&mut self, sample: &Sample) {
        if sample.told.name() != sample.truth && sample.told.name() != "-" {
            let other = format!("{} ({})", sample.told.name(), sample.told.confidence());
            self.others.push(other);
            return;
        }
        match sample.told.confidence() {
            "certain" => self.certain += 1,
            "likely" => self.likely += 1,
            "possible" => self.possible += 1,
            _ => self.unknown += 1,
        }
    }
}

#[test]
fn confusion_never_names_a_wrong_product() {
    let samples = samples();
    assert!(samples.len() >= 150, "{} samples", samples.len());
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for sample in &samples {
        tallies.entry(sample.truth).or_default().count(sample);
    }
    let title = "server";
    println!("{title:<18} certain  likely  possible  unknown  told as another");
    for (truth, tally) in &tallies {
        let Tally { certain, likely, possible, unknown, others } = tally;
        let others = others.join(", ");
        println!("{truth:<18} {certain:>7} {likely:>7} {possible:>9} {unknown:>8}  {others}");
    }
    let named: Vec<_> = samples.iter().filter(|one| one.truth != "-").collect();
    let right = named.iter().filter(|one| one.told.name() == one.truth);
    let sure = right.clone().filter(|one| one.told.is_sure()).count();
    println!(
        "recall: {sure} of {} likely or certain, {} with possible; {} samples of no product",
        named.len(),
        right.count(),
        samples.len() - named.len(),
    );
    let wrong = samples
        .iter()
        .filter(|one| one.told.is_sure() && one.told.name() != one.truth);
    let wrong: Vec<_> = wrong
        .map(|one| format!("{}: {:?}", one.truth, one.told))
        .collect();
    assert!(wrong.is_empty(), "named wrong: {wrong:?}");
    assert!(sure * 100 >= named.len() * 85, "{sure} of {} are recognized", named.len());
}

#[test]
fn each_clue_has_a_sample() {
    let samples = samples();
    let shown: Vec<_> = samples
        .iter()
        .map(|sample| (sample.truth, report_of(&sample.answers)))
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
            .filter(|clue| clue.mta == sample.told.name())
            .collect();
        if !of_name.is_empty() && of_name.iter().all(|clue| !clue.verified) {
            assert_ne!(sample.told.confidence(), "certain", "{}", sample.truth);
        }
    }
}

#[test]
fn one_weak_sign_is_possible_at_most() {
    for sample in samples() {
        for answer in &sample.answers {
            let alone = [*answer];
            let report = report_of(&alone);
            let weak = clues(first(&report))
                .iter()
                .all(|clue| clue.weight < Weight::Own);
            let told = Told::of(&alone);
            let lines = answer.1.split(" / ").count();
            assert!(!weak || lines > 1 || !told.is_sure(), "{answer:?} alone is told as {told:?}");
        }
    }
}

#[test]
fn a_hidden_greeting_never_makes_another_server_of_it() {
    // A proxy and the server behind it, and software that took over another's words.
    let family = [
        ("fortimail", "sendmail"),
        ("icewarp", "sendmail"),
        ("exchange-online", "exchange"),
        ("iis", "exchange"),
        ("zonemta", "nodemailer"),
        ("mailpit", "mhale-smtpd"),
        ("papercut", "smtpserver-net"),
        ("fake-smtp-server", "subethasmtp"),
        ("nginx", "postfix"),
        ("dovecot", "postfix"),
    ];
    for sample in samples() {
        let hidden: Vec<_> = sample
            .answers
            .iter()
            .filter(|(stage, _)| *stage != Stage::Greeting)
            .copied()
            .collect();
        let told = Told::of(&hidden);
        let is_right = told.name() == sample.truth || family.contains(&(sample.truth, told.name()));
        assert!(
            is_right || !told.is_sure(),
            "{} without its greeting is told as {told:?}",
            sample.truth
        );
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
        .filter(|sample| sample.truth == "nginx")
        .find(of_proxy)
        .expect("there is a sample");
    let hidden = behind(first(&report_of(&proxied.answers))).expect("somebody is behind it");
    assert_eq!(hidden.name, "postfix");
    let plain = samples
        .iter()
        .find(|sample| sample.truth == "postfix")
        .expect("there is a sample");
    assert_eq!(behind(first(&report_of(&plain.answers))), None);
}

/// A further path gets a few plain questions only, which any server may answer alike.
#[test]
fn a_path_that_shows_little_is_known_by_another_path_to_its_host() {
    let unknown = "550 5.1.1 <x@target.example>: Recipient address rejected: User unknown in local \
                   recipient table";
    for (greeting, expected) in [
        ("220 mx.target.example ESMTP", Some("postfix")),
        ("220 another.target.example ESMTP", None),
    ] {
        let asked = |greeting, answer| {
            [
                (Stage::Greeting, "", greeting),
                (Stage::Ehlo, "EHLO t", "250 mx.target.example / SIZE 10240000 / 8BITMIME"),
                (Stage::Mail, "MAIL FROM:<s@probe.example>", "250 2.1.0 Ok"),
                (Stage::Rcpt, "RCPT TO:<x@target.example>", answer),
            ]
        };
        let mut story = Story::begin(false);
        let rich = story.path("192.0.2.7", 25, Security::Plain, &["ctl-local-nx"]);
        let said = asked("220 mx.target.example ESMTP", unknown);
        story.dialogue(rich, "ctl-local-nx", false, &said);
        let poor = story.path("2001:db8::7", 25, Security::Plain, &["foreign-to-foreign"]);
        story.dialogue(poor, "foreign-to-foreign", false, &asked(greeting, "250 2.1.5 Ok"));
        let report = story.end();
        let known = |path| {
            let path = report.path(path).expect("the path was added");
            identify(path).map(|mta| mta.name)
        };
        assert_eq!(known(rich), Some("postfix"));
        assert_eq!(known(poor), expected, "{greeting}");
    }
}
