//! The suite's data: subjects (servers that can be had) and scenarios (ways to set one up).
//!
//! Rules:
//! * a scenario is one file, `scenarios/SUBJECT/NAME.toml`, and nothing about it stands
//!   in code;
//! * an unknown field is an error, so that a misspelt expectation can't pass unseen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Doing, Failure, Outcome};

/// A mail server from Debian packages (or another program that a world needs).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The name that people call it by.
    pub title: String,
    /// The name that norelay's fingerprint must give it, whatever the scenario; none where a
    /// subject is no mail server.
    pub mta: Option<String>,
    /// The Debian packages of its layer.
    pub packages: Vec<String>,
    /// Answers to the questions of those packages, for `debconf-set-selections`.
    #[serde(default)]
    pub preseed: String,
    /// Shell commands that add to its layer what Debian doesn't package. They run on this
    /// machine, with its network; what they write to `$layer` lies above Debian's files.
    #[serde(default)]
    pub install: String,
    /// Shell commands that make a fresh installation listen on the network and host
    /// `target.test`, and change nothing else.
    #[serde(default)]
    pub settle: String,
    /// Shell commands that start it.
    pub start: String,
    /// Where its programs look for the system log, relative to the root.
    #[serde(default = "default_journals")]
    pub journals: Vec<String>,
}

/// One way to set up a server, and what norelay must say about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence for the table in the README.
    pub summary: String,
    /// Shell commands that turn the distribution's default into this scenario.
    #[serde(default)]
    pub configure: String,
    /// A second server, `hub.target.test`.
    pub hub: Option<Hub>,
    /// Further DNS records, in zone file syntax.
    #[serde(default)]
    pub records: String,
    /// How to know that the server is up.
    #[serde(default)]
    pub ready: Ready,
    /// What norelay is pointed at.
    #[serde(default = "default_target")]
    pub target: String,
    /// The probe domain that norelay is given.
    #[serde(default = "default_domain")]
    pub domain: String,
    /// Which tests norelay runs.
    #[serde(default = "default_profile")]
    pub profile: String,
    /// How long norelay waits for mail to arrive and for greylisting to end.
    #[serde(default = "default_wait")]
    pub wait: String,
    /// Seconds after which a run of norelay is killed and the scenario has failed.
    #[serde(default = "default_time_limit")]
    pub time_limit: u64,
    /// Whether it takes minutes: then it runs only with `--include-ignored`, as `./test full` has
    /// it.
    #[serde(default)]
    pub slow: bool,
    /// Whether each run of norelay gets a server of its own: one that remembers its clients
    /// for minutes would hold the first run against the second.
    #[serde(default)]
    pub fresh: bool,
    /// Whether the receiver is a process of its own (`norelay receive`), whose spool and key
    /// norelay reads.
    #[serde(default)]
    pub receiver_apart: bool,
    /// Further options of `norelay test`; `{suite}` in them is this package's folder.
    #[serde(default)]
    pub options: Vec<String>,
    /// Words of norelay's progress (`--verbose`): once they have come, the run is interrupted and
    /// gone on with from its log. What must come out is what a whole run finds, and no test may be
    /// asked again that had its answer.
    pub interrupt_at: Option<String>,
    /// How the witness gets a message through, where port 25 and plain words are not enough; then
    /// none of the seventeen may arrive when it asks them there.
    pub way_in: Option<WayIn>,
    /// Seconds that the witness gives a message to arrive that need not.
    #[serde(default = "default_patience")]
    pub patience: u64,
    /// Whether the scenario has the user alice with the password `right`. She sends with `--auth`:
    /// where the server relays, after the remedy, and her mail must go out; else in every run.
    #[serde(default)]
    pub user: bool,
    /// Shell commands that do what a printed remedy tells people to do, where it has no lines for
    /// machines.
    #[serde(default)]
    pub by_hand: String,
    /// What must come out.
    pub expect: Expectation,
}

impl Scenario {
    /// How long it may take, in seconds, by the limits that it sets: the longest begin first.
    pub fn length(&self) -> u64 {
        let wait = self
            .wait
            .trim_end_matches('s')
            .parse()
            .unwrap_or(self.time_limit);
        self.time_limit + wait
    }
}

/// A second server behind the first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Its subject.
    pub subject: String,
    /// As in the scenario.
    #[serde(default)]
    pub configure: String,
}

/// A dialogue that relays, for the witness.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WayIn {
    /// Address and port; without it, port 25 of the server's IPv4 address.
    pub address: Option<String>,
    /// How the connection is secured.
    pub tls: Option<Tls>,
    /// A line to say before the greeting.
    pub first: Option<String>,
    /// The name to say with EHLO.
    pub hello: Option<String>,
    /// The recipient, where it takes a certain one.
    pub recipient: Option<String>,
    /// Commands between EHLO and MAIL.
    #[serde(default)]
    pub says: Vec<String>,
}

/// How a connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// After STARTTLS.
    Starttls,
    /// From its start.
    Implicit,
}

/// When a server counts as started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// It greets with 220.
    #[default]
    Greeting,
    /// It accepts a connection (a greeting may be late on purpose).
    Connect,
}

/// What norelay must find.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The verdicts that are right with a receiver: one, but where two are equally true.
    pub verdict: Verdicts,
    /// The same without a receiver; the first again where it's left out.
    pub without_receiver: Option<Verdicts>,
    /// Tests that relay and share a cause: one must be proved by arrival, on at least one path,
    /// and the others accepted, since norelay sends one message a cause.
    #[serde(default)]
    pub relayed: Vec<String>,
    /// Tests that relay: each must be `relayed` or, as messages are few, `accepted`.
    #[serde(default)]
    pub accepted: Vec<String>,
    /// Tests that must be refused, and the reason.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
    /// The same for tests that are refused only after RCPT, which takes a receiver to see.
    #[serde(default)]
    pub refused_late: BTreeMap<String, String>,
    /// Reasons that some test or control must have been refused or deferred for.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The causes that norelay must name, the true one first: all of them, and no other.
    #[serde(default)]
    pub causes: Vec<String>,
    /// The keys of the remedies that close the server, as the report prints them one after another:
    /// these and no other must have been needed. Whatever closes it is right where they are left
    /// out.
    #[serde(default)]
    pub remedies: Vec<String>,
    /// The cause that must be named without a receiver, where it takes a message to tell; the
    /// first of the others where it's left out; empty where none can be named.
    pub cause_without_receiver: Option<String>,
    /// Findings that must be there.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Findings that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// The most connections that one path may take.
    pub connections_at_most: Option<usize>,
    /// The most pauses that a run may make because the server turned it away.
    pub pauses_at_most: Option<usize>,
    /// The most seconds that a run may take.
    pub seconds_at_most: Option<f64>,
    /// Words that the server's own log must not have, in lower case: they tell of a limit that was
    /// met.
    #[serde(default)]
    pub log_without: Vec<String>,
    /// Whether every one of the seventeen must have an answer.
    #[serde(default = "default_true")]
    pub all_answered: bool,
}

/// One verdict or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Verdicts {
    /// Only this one is right.
    One(String),
    /// Each of these is right.
    Several(Vec<String>),
}

impl Verdicts {
    /// Whether a verdict is among the right ones.
    pub fn allow(&self, verdict: &str) -> bool {
        match self {
            Self::One(one) => one == verdict,
            Self::Several(several) => several.iter().any(|one| one == verdict),
        }
    }

    /// For people: `closed` or `closed or suspect`.
    pub fn text(&self) -> String {
        match self {
            Self::One(one) => one.clone(),
            Self::Several(several) => several.join(" or "),
        }
    }
}

impl Expectation {
    /// Whether this server is an open relay in truth.
    pub fn relays(&self) -> bool {
        self.verdict.allow("open")
    }

    /// The verdicts that are right when norelay has no receiver.
    pub fn without_receiver(&self) -> &Verdicts {
        self.without_receiver.as_ref().unwrap_or(&self.verdict)
    }
}

fn default_journals() -> Vec<String> {
    vec!["dev/log".into()]
}

fn default_target() -> String {
    "mx.target.test".into()
}

fn default_domain() -> String {
    "probe.test".into()
}

fn default_profile() -> String {
    "classic".into()
}

fn default_wait() -> String {
    "8s".into()
}

fn default_time_limit() -> u64 {
    120
}

fn default_patience() -> u64 {
    4
}

fn default_true() -> bool {
    true
}

/// The folder of this package, where the data lies.
pub fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads one subject.
pub fn subject(name: &str) -> Outcome<Subject> {
    read(&home().join("subjects").join(name).join("subject.toml"))
}

/// Reads every scenario: (subject, name, scenario), sorted.
pub fn scenarios() -> Outcome<Vec<(String, String, Scenario)>> {
    let mut found = Vec::new();
    for subject in names(&home().join("scenarios"))? {
        for file in names(&home().join("scenarios").join(&subject))? {
            let path = home().join("scenarios").join(&subject).join(&file);
            let name = file.trim_end_matches(".toml").to_owned();
            let mut scenario: Scenario = read(&path)?;
            for option in &mut scenario.options {
                *option = option.replace("{suite}", &home().display().to_string());
            }
            found.push((subject.clone(), name, scenario));
        }
    }
    Ok(found)
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Outcome<Vec<String>> {
    let entries = fs::read_dir(folder).doing(|| format!("list {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

fn read<T: for<'text> Deserialize<'text>>(path: &Path) -> Outcome<T> {
    let text = fs::read_to_string(path).doing(|| format!("read {}", path.display()))?;
    toml::from_str(&text).map_err(|error| Failure::new(format!("read {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The README's table, as the files have it.
    fn table() -> String {
        let mut table = String::from(
            "| subject | scenario | what it is | verdict | without a receiver \
             |\n|---|---|---|---|---|\n",
        );
        for (subject, name, scenario) in scenarios().expect("the scenarios are well-formed") {
            let (with, without) = (&scenario.expect.verdict, scenario.expect.without_receiver());
            let row = [subject, name, scenario.summary.clone(), with.text(), without.text()];
            table.push_str(&format!("| {} |\n", row.join(" | ")));
        }
        table
    }

    #[test]
    fn the_readme_has_the_table_of_the_scenarios() {
        let path = home().join("README.md");
        let text = fs::read_to_string(&path).expect("there is a README");
        let (start, end) = ("<!-- scenarios -->\n", "<!-- /scenarios -->");
        let from = text.find(start).expect("the README has the start mark") + start.len();
        let to = text.find(end).expect("the README has the end mark");
        if text[from..to] == table() {
            return;
        }
        assert!(
            std::env::var_os("UPDATE").is_some(),
            "the README's table is out of date: run `UPDATE=1 cargo test -p norelay-conformance`"
        );
        let text = format!("{}{}{}", &text[..from], table(), &text[to..]);
        fs::write(&path, text).expect("the README can be written");
    }

    #[test]
    fn every_scenario_can_be_read_and_names_known_subjects() {
        for (name, _, scenario) in scenarios().expect("the scenarios are well-formed") {
            subject(&name).expect("the scenario's folder is named after a subject");
            if let Some(hub) = scenario.hub {
                subject(&hub.subject).expect("the hub is a subject");
            }
        }
    }

    #[test]
    fn no_relaying_scenario_may_be_closed_and_no_other_may_be_open() {
        for (subject, name, scenario) in scenarios().expect("the scenarios are well-formed") {
            let expect = &scenario.expect;
            let without = expect.without_receiver();
            assert!(
                !without.allow("open"),
                "{subject}/{name}: there is no proof without a receiver"
            );
            if expect.relays() {
                assert_eq!(expect.verdict.text(), "open", "{subject}/{name}: only open is right");
                assert!(!without.allow("closed"), "{subject}/{name} relays and is not closed");
                assert!(!expect.relayed.is_empty(), "{subject}/{name} names no proof");
                assert!(!expect.causes.is_empty(), "{subject}/{name} names no cause");
            } else {
                assert!(expect.relayed.is_empty(), "{subject}/{name} proves what isn't so");
                assert!(expect.causes.is_empty(), "{subject}/{name} has a cause for what isn't so");
            }
        }
    }
}
