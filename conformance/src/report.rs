//! Holds what came out against what was expected. Pure: text in, complaints out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::data::{Expectation, Verdicts};
use crate::witness::Testimony;

/// Exit codes that are promised for each verdict (design.md section 2).
const EXIT_CODES: [(&str, i32); 5] =
    [("closed", 0), ("open", 1), ("suspect", 2), ("inconclusive", 2), ("unreachable", 4)];

/// The seventeen.
const CLASSIC: usize = 17;

/// One run of norelay.
pub struct Run<'run> {
    /// Its report.
    pub report: &'run Value,
    /// Its exit code.
    pub code: Option<i32>,
    /// Whether it had a receiver.
    pub with_receiver: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Its event log, JSON lines.
    pub log: &'run str,
    /// The name that the fingerprint must give the server.
    pub mta: Option<&'run str>,
}

impl Run<'_> {
    /// Everything in which norelay's report differs from what is true.
    pub fn complaints(&self, expect: &Expectation) -> Vec<String> {
        let mut complaints = self.verdict_complaints(expect);
        if expect.all_answered {
            complaints.extend(self.unanswered());
        }
        complaints.extend(self.reason_complaints(expect));
        complaints.extend(self.fingerprint_complaints());
        complaints.extend(self.cause_complaints(expect));
        if self.with_receiver {
            complaints.extend(self.proof_complaints(expect));
        }
        complaints.extend(self.pace_complaints(expect));
        complaints
    }

    fn pace_complaints(&self, expect: &Expectation) -> Vec<String> {
        let mut complaints = Vec::new();
        let connections = connections(self.log)
            .into_values()
            .max()
            .unwrap_or_default();
        if let Some(most) = expect
            .connections_at_most
            .filter(|most| connections == 0 || connections > *most)
        {
            complaints.push(format!("{connections} connections on one path, not 1 to {most}"));
        }
        let pauses = pauses(self.log);
        if let Some(most) = expect
            .pauses_at_most
            .filter(|most| connections == 0 || pauses > *most)
        {
            complaints.push(format!(
                "it paused {pauses} times because it was turned away, not at most {most}"
            ));
        }
        if let Some(most) = expect.seconds_at_most.filter(|most| self.seconds > *most) {
            complaints.push(format!("it took {:.1} s, not at most {most}", self.seconds));
        }
        complaints
    }

    fn verdict_complaints(&self, expect: &Expectation) -> Vec<String> {
        let right: &Verdicts =
            if self.with_receiver { &expect.verdict } else { expect.without_receiver() };
        let verdict = self.report["verdict"].as_str().unwrap_or("missing");
        let mut complaints = Vec::new();
        if !right.allow(verdict) {
            complaints.push(format!("the verdict is {verdict}, not {}", right.text()));
        }
        let promised = EXIT_CODES
            .iter()
            .find(|(name, _)| *name == verdict)
            .map(|(_, code)| *code);
        if promised.is_none() || self.code != promised {
            complaints.push(format!("the exit code is {:?} for {verdict}", self.code));
        }
        complaints
    }

    /// Tests without an answer of the server, on any path.
    fn unanswered(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        // A path that answers the first test like another need not be asked the rest.
        if !items(&self.report["paths"])
            .iter()
            .any(|path| items(&path["tests"]).len() >= CLASSIC)
        {
            complaints.push("no path has the seventeen".into());
        }
        for path in self.paths() {
            let tests = items(&path["tests"]);
            for test in tests {
                let outcome = test["outcome"].as_str().unwrap_or("missing");
                if !has_answer(&test["outcome"]) && test["weight"] != "not_offered" {
                    complaints.push(format!("{} is {outcome} on {}", test["id"], path["address"]));
                }
            }
        }
        complaints
    }

    fn reason_complaints(&self, expect: &Expectation) -> Vec<String> {
        let mut complaints = Vec::new();
        let late = expect.refused_late.iter().filter(|_| self.with_receiver);
        for (id, reason) in expect.refused.iter().chain(late) {
            for test in self.tests().filter(|test| test["id"] == id.as_str()) {
                if test["outcome"] != "refused" || test["reason"] != reason.as_str() {
                    let found = format!("{} for {}", test["outcome"], test["reason"]);
                    complaints.push(format!("{id} is {found}, not refused for {reason}"));
                }
            }
        }
        for reason in &expect.reasons {
            if !self.tests().any(|test| test["reason"] == reason.as_str()) {
                complaints.push(format!("no test has the reason {reason}"));
            }
        }
        complaints
    }

    /// Paths on which the server was taken for another one, or not known though it has answered
    /// there.
    fn fingerprint_complaints(&self) -> Vec<String> {
        let Some(expected) = self.mta else { return Vec::new() };
        // QMTP and QMQP have no greeting to know a server by.
        let speaks_smtp = |path: &&Value| path["port"] != 209 && path["port"] != 628;
        let answered = |path: &&Value| {
            items(&path["tests"])
                .iter()
                .any(|test| has_answer(&test["outcome"]))
        };
        let wrong = self
            .paths()
            .filter(speaks_smtp)
            .filter(answered)
            .filter(|path| path["mta"]["name"] != expected);
        let text = |path: &Value| {
            format!(
                "the server on {} port {} is {}, not {expected}",
                path["address"], path["port"], path["mta"]
            )
        };
        wrong.map(text).collect()
    }

    /// Causes that are missing or not true. Without a receiver nothing is known of further hops.
    fn cause_complaints(&self, expect: &Expectation) -> Vec<String> {
        let named: Vec<&str> = items(&self.report["diagnosis"])
            .iter()
            .filter_map(|found| found["cause"].as_str())
            .collect();
        let first = expect
            .cause_without_receiver
            .as_ref()
            .or(expect.causes.first())
            .filter(|cause| !cause.is_empty());
        let expected: Vec<&String> = if self.with_receiver {
            expect.causes.iter().collect()
        } else {
            first.into_iter().collect()
        };
        let missing = expected
            .into_iter()
            .filter(|cause| !named.contains(&cause.as_str()));
        let mut complaints: Vec<String> = missing
            .map(|cause| format!("the cause {cause} is not named, but {}", named.join(", ")))
            .collect();
        if self.with_receiver && expect.relays() {
            let untrue = named
                .iter()
                .filter(|named| !expect.causes.iter().any(|cause| cause == *named));
            complaints
                .extend(untrue.map(|named| format!("the cause {named} is named and not true")));
        }
        complaints
    }

    fn proof_complaints(&self, expect: &Expectation) -> Vec<String> {
        let mut best: BTreeMap<&str, &str> = BTreeMap::new();
        for test in self.tests() {
            let (id, outcome) = (&test["id"], &test["outcome"]);
            let (Some(id), Some(outcome)) = (id.as_str(), outcome.as_str()) else { continue };
            let entry = best.entry(id).or_insert(outcome);
            if outcome == "relayed" || (outcome == "accepted" && *entry != "relayed") {
                *entry = outcome;
            }
        }
        let mut complaints = Vec::new();
        let outcome = |id: &String| best.get(id.as_str()).copied().unwrap_or("missing");
        if !expect.relayed.is_empty() && !expect.relayed.iter().any(|id| outcome(id) == "relayed") {
            complaints.push(format!("none of {} is proved by arrival", expect.relayed.join(", ")));
        }
        for id in expect.relayed.iter().chain(&expect.accepted) {
            if !["relayed", "accepted"].contains(&outcome(id)) {
                complaints.push(format!("{id} is {}, not accepted", outcome(id)));
            }
        }
        let findings = items(&self.report["findings"]);
        for tag in &expect.findings {
            if !findings
                .iter()
                .any(|finding| finding["tag"] == tag.as_str())
            {
                complaints.push(format!("the finding {tag} is missing"));
            }
        }
        for tag in &expect.absent {
            if findings
                .iter()
                .any(|finding| finding["tag"] == tag.as_str())
            {
                complaints.push(format!("the finding {tag} is wrong"));
            }
        }
        complaints
    }

    fn tests(&self) -> impl Iterator<Item = &Value> {
        self.paths().flat_map(|path| items(&path["tests"]))
    }

    /// The paths that there are: a closed port, or TLS that is not offered, is none.
    fn paths(&self) -> impl Iterator<Item = &Value> {
        items(&self.report["paths"])
            .iter()
            .filter(|path| path["verdict"] != "unreachable")
    }
}

/// The events of a log.
fn events(log: &str) -> impl Iterator<Item = Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}

/// How often a run waited for the clock because a server had turned it away, by an event log.
fn pauses(log: &str) -> usize {
    events(log)
        .filter(|event| event["event"] == "waiting" && event["why"] == "dropped")
        .count()
}

/// How many connections each path took, by an event log.
pub fn connections(log: &str) -> BTreeMap<u64, usize> {
    let mut paths = BTreeMap::new();
    for event in events(log) {
        if let (Some("opened"), Some(path)) = (event["event"].as_str(), event["path"].as_u64()) {
            *paths.entry(path).or_default() += 1;
        }
    }
    paths
}

/// The tests that a resumed run asked again though the log has their answers: all but those that
/// were put off.
pub fn asked_again(log: &str) -> Vec<String> {
    let mut dialogues: BTreeMap<u64, Dialogue> = BTreeMap::new();
    let (mut resumed, mut complaints) = (false, Vec::new());
    for event in events(log) {
        let Some(number) = event["dialogue"].as_u64() else {
            resumed |= event["event"] == "resumed";
            continue;
        };
        match event["event"].as_str() {
            Some("opened") if event["proof"] == true => {}
            Some("opened") => {
                let tests = items(&event["tests"]);
                // The control behind tests that share a connection is no test of theirs.
                let control = tests.len() > 1 && tests[tests.len() - 1] == "ctl-postmaster";
                let tests = tests[..tests.len() - usize::from(control)]
                    .iter()
                    .map(|test| (event["path"].clone(), test.clone()))
                    .collect();
                let opened = Dialogue { tests, is_over: false, is_put_off: false };
                let is_known = |asked| dialogues.values().any(|before| before.has_answered(asked));
                let again = opened
                    .tests
                    .iter()
                    .filter(|asked| resumed && is_known(asked));
                complaints.extend(
                    again.map(|(path, test)| format!("{test} was asked again on path {path}")),
                );
                dialogues.insert(number, opened);
            }
            Some("replied") => {
                let put_off =
                    (400..500).contains(&event["reply"]["code"].as_u64().unwrap_or_default());
                dialogues
                    .entry(number)
                    .and_modify(|dialogue| dialogue.is_put_off |= put_off);
            }
            Some("ended") => {
                let is_over = event["end"] == "answered";
                dialogues
                    .entry(number)
                    .and_modify(|dialogue| dialogue.is_over = is_over);
            }
            _ => {}
        }
    }
    if !resumed {
        complaints.push("the run was not resumed".into());
    }
    complaints
}

/// What an event log tells of a dialogue.
struct Dialogue {
    /// By path.
    tests: Vec<(Value, Value)>,
    is_over: bool,
    is_put_off: bool,
}

impl Dialogue {
    fn has_answered(&self, asked: &(Value, Value)) -> bool {
        self.is_over && !self.is_put_off && self.tests.contains(asked)
    }
}

/// The lines of a server's log that tell of a limit that was met.
pub fn limits_met(log: &str, expect: &Expectation) -> Vec<String> {
    let tells = |line: &&str| {
        let line = line.to_lowercase();
        expect.log_without.iter().any(|words| line.contains(words))
    };
    log.lines()
        .filter(tells)
        .map(|line| format!("the server's log has: {line}"))
        .collect()
}

/// What is wrong with a run after the remedy was applied: the server must be closed, and the
/// user who was there must still send.
pub fn left_open(report: &Value, user: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    if report["verdict"] != "closed" {
        complaints.push(format!(
            "after the remedy the verdict is {}: {}",
            report["verdict"], report["summary"]
        ));
    }
    if user && !mail_arrived(report) {
        complaints.push("after the remedy an authenticated user's mail doesn't arrive".into());
    }
    complaints
}

/// What became of an authenticated user's mail, for the table.
pub fn user_mail(report: &Value, user: bool) -> &'static str {
    match (user, mail_arrived(report)) {
        (false, _) => "not asked",
        (true, true) => "arrives",
        (true, false) => "lost",
    }
}

/// Whether an authenticated user's message came out.
fn mail_arrived(report: &Value) -> bool {
    let mut controls = items(&report["paths"])
        .iter()
        .flat_map(|path| items(&path["controls"]));
    controls.any(|control| control["id"] == "ctl-authenticated" && control["outcome"] == "relayed")
}

/// Everything in which a scenario is not what its file claims.
pub fn contradictions(testimony: &Testimony, expect: &Expectation) -> Vec<String> {
    let mut complaints = Vec::new();
    for sight in &testimony.tests {
        if sight.arrived && !expect.relays() {
            complaints.push(format!("{} arrived though the server must not relay", sight.id));
        }
        if testimony.way_in.is_some() && sight.arrived {
            complaints.push(format!("{} arrived, not by the way in alone", sight.id));
        }
        if testimony.way_in.is_none() && expect.relayed.contains(&sight.id) && !sight.arrived {
            complaints.push(format!("{} did not arrive: {}", sight.id, sight.reply));
        }
        if expect.accepted.contains(&sight.id) && !sight.taken {
            complaints.push(format!("{} was not taken: {}", sight.id, sight.reply));
        }
        let refused = [&expect.refused, &expect.refused_late];
        if refused
            .iter()
            .any(|refused| refused.contains_key(&sight.id))
            && sight.taken
        {
            complaints.push(format!("{} was taken: {}", sight.id, sight.reply));
        }
    }
    let mut arrived = testimony.tests.iter().chain(&testimony.way_in);
    if expect.relays() && !arrived.any(|sight| sight.arrived) {
        complaints.push("nothing arrived though the server must relay".into());
    }
    if expect.findings.iter().any(|tag| tag == "backscatter") && testimony.bounces == 0 {
        complaints.push("nothing bounced".into());
    }
    complaints
}

/// Whether the server has answered a test with this outcome.
fn has_answer(outcome: &Value) -> bool {
    ["relayed", "accepted", "refused", "deferred"]
        .iter()
        .any(|answer| outcome == answer)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn complaints(expect: &str, outcome: &str, verdict: &str, code: i32) -> Vec<String> {
        let expect: Expectation = toml::from_str(expect).expect("the row is well-formed");
        let tests: Vec<Value> = (0..17)
            .map(|number| {
                json!({"id": format!("test-{number}"), "outcome": outcome,
                "reason": "relay_denied"})
            })
            .collect();
        let report = json!({"verdict": verdict, "findings": [{"tag": "blocked"}],
            "paths": [{"address": "192.0.2.7", "tests": tests}]});
        let waiting =
            |why: &str| format!("{{\"event\":\"waiting\",\"path\":1,\"why\":\"{why}\"}}\n");
        let log = "{\"event\":\"opened\",\"path\":1}\n".repeat(3)
            + &waiting("arrival")
            + &waiting("dropped");
        Run {
            report: &report,
            code: Some(code),
            with_receiver: true,
            seconds: 5.0,
            log: &log,
            mta: None,
        }
        .complaints(&expect)
    }

    #[test]
    fn each_difference_is_a_complaint() {
        let rows = [
            ("verdict = 'closed'", "refused", "closed", 0, 0),
            ("verdict = 'closed'", "refused", "closed", 2, 1),
            ("verdict = 'closed'", "interrupted", "closed", 0, 17),
            ("verdict = ['closed', 'suspect']", "refused", "open", 1, 1),
            ("verdict = 'open'\nrelayed = ['test-3']", "accepted", "open", 1, 1),
            ("verdict = 'open'\nrelayed = ['test-3']", "relayed", "open", 1, 0),
            ("verdict = 'closed'\nrefused.test-3 = 'syntax'", "refused", "closed", 0, 1),
            ("verdict = 'closed'\nfindings = ['backscatter']", "refused", "closed", 0, 1),
            ("verdict = 'closed'\nabsent = ['blocked', 'backscatter']", "refused", "closed", 0, 1),
            (
                "verdict = 'closed'\nconnections_at_most = 3\nseconds_at_most = 5.0",
                "refused",
                "closed",
                0,
                0,
            ),
            (
                "verdict = 'closed'\nconnections_at_most = 2\nseconds_at_most = 4.9",
                "refused",
                "closed",
                0,
                2,
            ),
            ("verdict = 'closed'\npauses_at_most = 1", "refused", "closed", 0, 0),
            ("verdict = 'closed'\npauses_at_most = 0", "refused", "closed", 0, 1),
        ];
        for (expect, outcome, verdict, code, count) in rows {
            let found = complaints(expect, outcome, verdict, code);
            assert_eq!(found.len(), count, "{expect} / {outcome}: {found:?}");
        }
    }

    #[test]
    fn a_limit_that_was_met_is_seen_in_the_log() {
        let expect = toml::from_str("verdict = 'closed'\nlog_without = ['too many', ' 421 ']")
            .expect("well-formed");
        let log = "connect from x\nwarning: Too many connections\nqueue 4210\n";
        assert_eq!(
            limits_met(log, &expect),
            ["the server's log has: warning: Too many connections"]
        );
    }

    #[test]
    fn what_was_put_off_or_cut_short_may_be_asked_again_and_nothing_else() {
        let resumed = json!({"event": "resumed"});
        let opened = |number: u8, proof: bool| json!({"event": "opened", "dialogue": number, "path": 0, "tests": ["null-sender"], "proof": proof});
        let rows = [
            (550, json!("answered"), &resumed, false, 1),
            (450, json!("answered"), &resumed, false, 0),
            (250, json!({"interrupted": {}}), &resumed, false, 0),
            (550, json!("answered"), &resumed, true, 0),
            (550, json!("answered"), &json!({"event": "noted"}), false, 1),
        ];
        for (code, end, then, proof, count) in rows {
            let replied = json!({"event": "replied", "dialogue": 1, "reply": {"code": code}});
            let ended = json!({"event": "ended", "dialogue": 1, "end": end});
            let log = [opened(1, false), replied, ended, then.clone(), opened(2, proof)];
            let log: String = log.iter().map(|event| format!("{event}\n")).collect();
            assert_eq!(asked_again(&log).len(), count, "{log}");
        }
    }
}
