//! Why a server relays: the cause follows from what the server accepted and what it rejected.
//!
//! Rules:
//! - A cause is a comparison of what was accepted with what was rejected. If one half is missing,
//!   the cause is only possible.
//! - The simplest explanation stands alone. If the plain test is accepted, senders and address
//!   forms explain nothing. If a sender is enough, the address forms that were asked with that
//!   sender explain nothing.
//! - Tests are found by the columns of the catalogue (role, group, cause), so that a new row counts
//!   without a change here.

mod compare;
mod seen;
mod sentence;
mod technique;

use serde::Serialize;

pub use self::{
    seen::seen_as,
    technique::{Technique, techniques},
};
use crate::{
    catalogue::{Group, Strength, TestRole},
    check::{
        Hops, Judgement, Outcome, PathJudgement, TestJudgement, Weight, boilerplate::UNKNOWN_USERS,
    },
    mta::{self, Confidence, Mta},
    path::PathId,
    remedy::{self, RelayCause},
    report::{PathView, Report},
    smtp::Stage,
};

/// A cause, what shows it, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The cause.
    pub cause: RelayCause,
    /// Certain if a message came back and the comparison is complete; likely if the test was only
    /// accepted, or if only one address of ours is known to be trusted; possible if a part of the
    /// comparison is missing.
    pub confidence: Confidence,
    /// The paths that show the cause.
    pub paths: Vec<PathId>,
    /// The comparisons, a sentence each.
    pub evidence: Vec<String>,
    /// What the cause is not, a sentence each.
    pub rules_out: Vec<String>,
    /// The key of the remedy that helps most often, if the server's software is known.
    pub remedy: Option<String>,
    /// The keys of all remedies that help.
    pub remedies: Vec<String>,
    /// What the remedies for a software that is only possible rest on. A format shows that with
    /// the remedy, so JSON has it there.
    #[serde(skip)]
    pub assumptions: Vec<Assumption>,
}

/// What a remedy rests on: that the server is this software, which is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assumption {
    /// The key of the remedy.
    #[serde(skip)]
    pub remedy: String,
    /// What the software is called.
    pub software: &'static str,
    /// How an administrator finds out whether it is this software, as a clause.
    pub check: &'static str,
}

impl Assumption {
    /// `If this is Postfix`
    #[must_use]
    pub fn condition(&self) -> String {
        format!("If this is {}", self.software)
    }

    /// How to find out, as a sentence.
    #[must_use]
    pub fn advice(&self) -> String {
        format!("norelay is not sure of the software. On the server, {}.", self.check)
    }
}

/// The remedies for servers that trust a client for its certificate.
const CERTIFICATES: &str = "/client-certificates";
/// The remedies for servers that verify the passwords of some users and not of others.
const USER_PASSWORDS: &str = "/user-passwords";
/// The remedies for servers that see their own machine in the place of their clients.
const CLIENT_ADDRESS: &str = "/client-address";
/// The remedy for a container engine whose gateway stands for every client.
const CONTAINER: &str = "docker/client-address";
/// The remedies for servers that queue for everybody by another protocol than SMTP.
const QMQP: &str = "/qmqpd";

/// What a server said to a test on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Relayed, or accepted and not explained as local delivery.
    Yes,
    /// Refused as relaying.
    No,
    /// No answer about relaying, or not asked.
    None,
}

fn answer(judged: &TestJudgement) -> Answer {
    match (&judged.outcome, judged.weight) {
        (Outcome::Relayed { .. }, _) | (Outcome::Accepted { .. }, Weight::Suspicion) => Answer::Yes,
        // The login was accepted, and something else than relaying was rejected after it.
        (Outcome::Refused { .. }, Weight::Suspicion) if judged.test.group == Group::Auth => {
            Answer::Yes
        }
        (Outcome::Refused { .. }, Weight::Denial) => Answer::No,
        _ => Answer::None,
    }
}

/// One path of a run, with its judgement.
#[derive(Clone, Copy)]
struct View<'a> {
    path: PathView<'a>,
    judgement: &'a Judgement,
    judged: &'a PathJudgement,
}

impl<'a> View<'a> {
    fn test(&self, role: TestRole) -> Option<&'a TestJudgement> {
        self.judged.of(role)
    }

    fn answer(&self, role: TestRole) -> Answer {
        self.test(role).map_or(Answer::None, answer)
    }

    /// The accepted tests, in display order.
    fn accepted(&self) -> impl Iterator<Item = &'a TestJudgement> {
        self.judged
            .tests
            .iter()
            .filter(|judged| answer(judged) == Answer::Yes)
    }

    /// The other paths of the run.
    fn others(self) -> impl Iterator<Item = View<'a>> {
        views(self.path.report, self.judgement).filter(move |other| other.path.id != self.path.id)
    }
}

fn views<'a>(report: &'a Report, judgement: &'a Judgement) -> impl Iterator<Item = View<'a>> {
    report
        .paths()
        .zip(&judgement.paths)
        .map(move |(path, judged)| View { path, judgement, judged })
}

/// Returns the causes of what a run found, the surest first. Empty if nothing was accepted.
#[must_use]
pub fn diagnose(report: &Report, judgement: &Judgement) -> Vec<Diagnosis> {
    let mut found: Vec<Diagnosis> = Vec::new();
    for view in views(report, judgement) {
        for diagnosis in of_path(view) {
            // The same cause on several paths is one diagnosis.
            match found
                .iter_mut()
                .find(|known| known.cause == diagnosis.cause)
            {
                Some(known) => known.join(diagnosis),
                None => found.push(diagnosis),
            }
        }
    }
    found.sort_by_key(|diagnosis| std::cmp::Reverse(diagnosis.confidence));
    found
}

/// Returns the causes that one path shows.
fn of_path(view: View<'_>) -> Vec<Diagnosis> {
    let around = multi_hop(view);
    match view.answer(TestRole::Plain) {
        // If even the plain test relays, the next hop explains nothing by itself. So the hop is
        // evidence for the one cause.
        Answer::Yes => {
            let mut found = compare::plain(view);
            found
                .evidence
                .extend(around.into_iter().flat_map(|around| around.evidence));
            vec![found]
        }
        Answer::No | Answer::None => {
            // Each of these explains all that was accepted, so nothing else is added.
            let alone = [late_check, compare::all_but_our_sender, compare::all_but_our_domain];
            match alone.into_iter().find_map(|explain| explain(view)) {
                Some(found) => vec![found],
                None => {
                    let beside = [
                        compare::insider(view),
                        compare::listed_domain(view),
                        compare::listed_sender(view),
                    ]
                    .into_iter()
                    .flatten();
                    beside.chain(by_group(view)).chain(around).collect()
                }
            }
        }
    }
}

/// Returns a relay check that comes too late: the plain test, alone in its message, was rejected
/// only after RCPT, and a message with several recipients came back. So neither the senders nor the
/// address forms of those tests need have made the difference.
fn late_check(view: View<'_>) -> Option<Diagnosis> {
    let plain = view.test(TestRole::Plain)?;
    let Outcome::Refused { stage: Stage::Data | Stage::EndOfData, .. } = plain.outcome else {
        return None;
    };
    let messages = view.path.dialogues().filter(|dialogue| dialogue.proof);
    let shared = messages
        .filter(|dialogue| dialogue.is_shared())
        .find_map(|dialogue| {
            let mut came = view
                .judged
                .tests
                .iter()
                .filter(|judged| judged.weight == Weight::Proof);
            let came = came.find(|judged| dialogue.is_for(judged.test.id))?;
            Some((came, dialogue.tests.len()))
        });
    let evidence = vec![sentence::late_check(plain, shared?)];
    Some(Diagnosis::new(view, RelayCause::LateRelayCheck, Confidence::Likely, evidence, Vec::new()))
}

/// Returns the causes of what was accepted if the plain test was not: one for each group of tests.
fn by_group(view: View<'_>) -> Vec<Diagnosis> {
    let mut causes: Vec<(RelayCause, Vec<&TestJudgement>)> = Vec::new();
    let unexplained = view
        .accepted()
        .filter(|judged| !is_explained(view, judged) && is_apart(view, judged));
    for (cause, judged) in unexplained.filter_map(|judged| Some((judged.test.cause?, judged))) {
        match causes.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, tests)) => tests.push(judged),
            None => causes.push((cause, vec![judged])),
        }
    }
    causes
        .into_iter()
        .map(|(cause, tests)| by_comparison(view, cause, &tests))
        .collect()
}

/// True if the test had another answer than the plain test. If the plain test was accepted at RCPT
/// and rejected after the message, an acceptance at RCPT alone is no difference.
fn is_apart(view: View<'_>, judged: &TestJudgement) -> bool {
    let is_late = |plain: &TestJudgement| {
        plain.weight == Weight::Suspicion
            && matches!(
                plain.outcome,
                Outcome::Refused { stage: Stage::Data | Stage::EndOfData, .. }
            )
    };
    let is_at_recipient =
        matches!(judged.outcome, Outcome::Accepted { stage, .. } if stage != Stage::EndOfData);
    !(is_at_recipient && view.test(TestRole::Plain).is_some_and(is_late))
}

/// True if another accepted test explains this one. If the same sender is enough with a plain
/// recipient, the odd recipient adds nothing. If any password is accepted, no authentication has
/// failed.
fn is_explained(view: View<'_>, judged: &TestJudgement) -> bool {
    if judged.test.is(TestRole::AfterFailedAuth) {
        return view.accepted().any(|other| other.test.group == Group::Auth);
    }
    judged.test.group != Group::Sender
        && view.accepted().any(|other| {
            other.test.group == Group::Sender && other.test.reverse_path == judged.test.reverse_path
        })
}

/// Returns the diagnosis that these accepted tests of one cause make, compared with a rejection.
fn by_comparison(view: View<'_>, cause: RelayCause, accepted: &[&TestJudgement]) -> Diagnosis {
    let beside = baseline(view, accepted);
    let mut evidence: Vec<String> = accepted
        .iter()
        .map(|judged| sentence::accepted(view, judged, beside.map(|beside| beside.1)))
        .collect();
    let is_proven = accepted.iter().any(|judged| judged.weight == Weight::Proof);
    let may_be_local = any_local_part(view).filter(|_| {
        !is_proven
            && accepted
                .iter()
                .all(|judged| judged.test.strength == Strength::Weak)
    });
    // A report shows only the first few sentences, so the doubts stand first.
    evidence.splice(..0, may_be_local.map(sentence::any_local_part));
    evidence.splice(..0, beside.is_none().then(|| sentence::NO_COMPARISON.to_owned()));
    let confidence = match (is_proven, beside) {
        (_, None) => Confidence::Possible,
        (true, Some(_)) => Confidence::Certain,
        (false, Some(_)) if may_be_local.is_some() => Confidence::Possible,
        (false, Some(_)) => Confidence::Likely,
    };
    let mut found =
        Diagnosis::new(view, cause, confidence, evidence, sentence::rules_out(view, cause));
    if accepted
        .iter()
        .all(|judged| judged.test.certificate().is_some())
    {
        found.prefer(CERTIFICATES);
    }
    let is_login_of_users = |judged: &&TestJudgement| judged.test.is_for_users();
    if accepted.iter().all(is_login_of_users) {
        found.prefer(USER_PASSWORDS);
    }
    if accepted
        .iter()
        .all(|judged| judged.test.protocol().is_some())
    {
        found.prefer(QMQP);
    }
    found
}

/// Returns the control that shows that the server accepts any local part of its own domain.
fn any_local_part<'a>(view: View<'a>) -> Option<&'a TestJudgement> {
    UNKNOWN_USERS
        .into_iter()
        .filter_map(|role| view.test(role))
        .find(|judged| matches!(judged.outcome, Outcome::Accepted { .. }))
}

/// Returns the plain test, and the rejected test to compare with what was accepted: with the same
/// sender if there is one, or else the plain test itself. `None` without a fair comparison.
fn baseline<'a>(
    view: View<'a>,
    accepted: &[&TestJudgement],
) -> Option<(&'a TestJudgement, &'a TestJudgement)> {
    let plain = view
        .test(TestRole::Plain)
        .filter(|judged| answer(judged) == Answer::No)?;
    let reverse_path = accepted.first().map(|judged| judged.test.reverse_path);
    let same_sender = view.judged.tests.iter().find(|judged| {
        judged.test.group == Group::Sender
            && Some(judged.test.reverse_path) == reverse_path
            && answer(judged) == Answer::No
    });
    let is_about_sender = accepted
        .first()
        .is_some_and(|judged| judged.test.group == Group::Sender);
    // A comparison is fair if only one thing differs: the sender, the recipient, or the login, which
    // is compared with the same question without one.
    let is_login = accepted
        .first()
        .is_some_and(|judged| judged.test.group == Group::Auth);
    let is_foreign = is_login || reverse_path == Some(plain.test.reverse_path);
    match same_sender {
        Some(same) if !is_about_sender => Some((plain, same)),
        _ if is_about_sender || is_foreign => Some((plain, plain)),
        _ => None,
    }
}

/// Returns the messages that came back from another host than the server itself.
fn multi_hop(view: View<'_>) -> Option<Diagnosis> {
    let evidence: Vec<String> = view
        .judged
        .tests
        .iter()
        .filter_map(|judged| match &judged.outcome {
            Outcome::Relayed { from, hops: Hops::Multihop } => {
                Some(sentence::multi_hop(judged, *from))
            }
            _ => None,
        })
        .collect();
    let found = !evidence.is_empty();
    found.then(|| {
        Diagnosis::new(view, RelayCause::MultiHop, Confidence::Certain, evidence, Vec::new())
    })
}

/// Returns the keys of the remedies of this software for a cause, those of its distribution first.
fn keys(software: &Mta, cause: RelayCause) -> impl Iterator<Item = String> {
    let servers = software.distribution.into_iter().chain([software.name]);
    servers
        .flat_map(move |server| remedy::find(server, cause))
        .map(remedy::Remedy::key)
}

/// What the remedies of a software rest on: nothing, if the software is at least likely.
fn assumptions(software: &Mta, remedies: &[String]) -> Vec<Assumption> {
    if software.confidence >= Confidence::Likely {
        return Vec::new();
    }
    let assumed = |key: &String| Assumption {
        remedy: key.clone(),
        software: software.title(),
        check: mta::check_of(software.name),
    };
    remedies.iter().map(assumed).collect()
}

impl Diagnosis {
    /// Returns the cause as a sentence: `The server relays for every client (certain).`
    #[must_use]
    pub fn headline(&self) -> String {
        format!("The server {} ({}).", self.cause.clause(), self.confidence.word())
    }

    fn new(
        view: View<'_>,
        cause: RelayCause,
        confidence: Confidence,
        evidence: Vec<String>,
        rules_out: Vec<String>,
    ) -> Self {
        // Where a port shows nothing of the software, it is most likely that of the same host's
        // others.
        let beside = || {
            let here = view.path.destination().address;
            view.path
                .others()
                .filter(|other| other.destination().address == here)
                .find_map(mta::identify)
        };
        let mut software = mta::identify(view.path).or_else(beside);
        let mut remedies: Vec<String> = software.iter().flat_map(|mta| keys(mta, cause)).collect();
        if remedies.is_empty() {
            // A proxy isn't to blame for what the server behind it does.
            software = mta::behind(view.path);
            remedies = software.iter().flat_map(|mta| keys(mta, cause)).collect();
        }
        let assumptions = software.map_or_else(Vec::new, |mta| assumptions(&mta, &remedies));
        let paths = vec![view.path.id];
        Self {
            cause,
            confidence,
            paths,
            evidence,
            rules_out,
            remedy: remedies.first().cloned(),
            remedies,
            assumptions,
        }
    }

    /// Returns what a remedy rests on, if the server's software is not known well enough.
    #[must_use]
    pub fn assumption_of(&self, remedy: &str) -> Option<&Assumption> {
        self.assumptions
            .iter()
            .find(|assumption| assumption.remedy == remedy)
    }

    /// Puts the remedies of this name first: the cause has several, and the evidence points to
    /// these.
    fn prefer(&mut self, name: &str) {
        self.remedies.sort_by_key(|key| !key.ends_with(name));
        self.remedy = self.remedies.first().cloned();
    }

    /// Adds a remedy after those of the server's software.
    fn add_remedy(&mut self, key: &str) {
        self.remedies.push(key.to_owned());
        self.remedy = self.remedies.first().cloned();
    }

    /// Adds the paths and the evidence of the same cause on another path.
    fn join(&mut self, other: Self) {
        // A remedy that one path is sure of rests on nothing on the others.
        let is_unsure = |one: &Self, key: &String| {
            one.assumption_of(key).is_some() || !one.remedies.contains(key)
        };
        let mut assumptions: Vec<Assumption> = Vec::new();
        for one in self.assumptions.iter().chain(&other.assumptions) {
            let holds = is_unsure(self, &one.remedy) && is_unsure(&other, &one.remedy);
            if holds && !assumptions.contains(one) {
                assumptions.push(one.clone());
            }
        }
        self.assumptions = assumptions;
        self.confidence = self.confidence.max(other.confidence);
        self.paths.extend(other.paths);
        self.paths.dedup();
        for (known, more) in [
            (&mut self.evidence, other.evidence),
            (&mut self.rules_out, other.rules_out),
            (&mut self.remedies, other.remedies),
        ] {
            more.into_iter().for_each(|one| {
                if !known.contains(&one) {
                    known.push(one);
                }
            });
        }
        self.remedy = self.remedies.first().cloned();
    }
}
