//! What is worth knowing about messages: a user's mail that goes out, and messages that came to the
//! receiver and are no proof of relaying.

use std::collections::BTreeSet;

use super::{
    arrival,
    judgement::{Judgement, TestJudgement},
    observation::{Observation, Observed},
    outcome::Outcome,
    summary::clause,
};
use crate::{
    catalogue,
    event::Receipt,
    report::{Dialogue, Report},
    smtp::Stage,
    token::TokenRole,
};

/// Returns what is worth knowing about the messages of a run.
pub(super) fn of(report: &Report, judgement: &Judgement) -> Vec<Observed> {
    let mut observed = of_user(judgement);
    observed.extend(of_receipts(report, judgement));
    observed
}

/// Whether the mail of a user who authenticates still goes out.
fn of_user(judgement: &Judgement) -> Vec<Observed> {
    let mut observed = Vec::new();
    for (path, judged) in judgement.paths() {
        for control in &judged.controls {
            if control.test.needs_credentials() {
                observed.push(user_mail(&control.outcome).on(path));
            }
        }
    }
    observed
}

fn user_mail(result: &Outcome) -> Observation {
    let outcome = clause(result);
    match result {
        Outcome::Relayed { .. } | Outcome::Accepted { .. } => {
            Observation::UserMailGoesOut { outcome }
        }
        _ => Observation::UserMailRefused { outcome },
    }
}

fn of_receipts(report: &Report, judgement: &Judgement) -> Vec<Observed> {
    let mut observed = Vec::new();
    let mut seen = BTreeSet::new();
    for (_, receipt) in &report.receipts {
        let token = receipt.token;
        let Some(path) = judgement.path(token.path) else { continue };
        let judged = path.all().find(|judged| judged.test.number == token.test);
        let Some(observation) = of_receipt(report, judged, receipt) else { continue };
        // A server that sends two thousand copies makes one finding.
        if seen.insert((observation.tag().to_owned(), token.path, token.test)) {
            observed.push(observation.on(token.path));
        }
    }
    observed
}

/// Returns what a message that came shows about the test whose token it has.
fn of_receipt(
    report: &Report,
    judged: Option<&TestJudgement>,
    receipt: &Receipt,
) -> Option<Observation> {
    let test = test_name(receipt.token.test);
    let from = receipt.peer.ip().to_canonical().to_string();
    let is_null = receipt.reverse_path.as_bytes().starts_with(b"<>");
    let is_relayed = judged.is_some_and(|judged| matches!(judged.outcome, Outcome::Relayed { .. }));
    match receipt.token.role {
        // A relay tells the sender about the other recipients of the message. Such a bounce is no
        // fault beside relaying.
        TokenRole::Sender if is_null && is_relayed => None,
        TokenRole::Sender if is_null => Some(Observation::Backscatter { test, from }),
        TokenRole::Sender => Some(Observation::AutoReply { test, from }),
        // A test that sends its own message says by itself what the arrival means.
        TokenRole::Recipient if judged.is_some_and(|judged| judged.test.sends_message()) => None,
        TokenRole::Recipient if is_relayed => substituted_sender(report, judged?, receipt, test),
        TokenRole::Recipient => Some(Observation::UnprovenArrival {
            test,
            from,
            helo: receipt.helo.to_string(),
            why: why_unproven(report, judged, receipt),
        }),
        _ => None,
    }
}

/// The id of a test, or its number if the test is none of the catalogue's.
fn test_name(number: u8) -> String {
    match catalogue::by_number(number) {
        Some(test) => test.id.to_string(),
        None => number.to_string(),
    }
}

/// A relayed message whose sender is not the sender that was given in MAIL.
fn substituted_sender(
    report: &Report,
    judged: &TestJudgement,
    receipt: &Receipt,
    test: String,
) -> Option<Observation> {
    let sent = address_of(&reverse_path_sent(report, judged)?);
    let came = address_of(&receipt.reverse_path.to_string());
    // A change of case alone makes no other sender.
    if sent.eq_ignore_ascii_case(&came) {
        return None;
    }
    Some(Observation::SenderSubstituted { test, sent, came })
}

fn why_unproven(report: &Report, judged: Option<&TestJudgement>, receipt: &Receipt) -> String {
    if judged.is_some_and(|judged| arrival::is_handed_on(report, judged.test, receipt)) {
        return format!(
            "it came to {}, with the route in the address unread. The server hands on the mail \
             for its own domain, which lets nobody choose where to",
            receipt.forward_path
        );
    }
    let was_sent = judged.is_some_and(|judged| has_sent_text(report, judged));
    match was_sent {
        true => "it came from another address than the server's and without the token of our text",
        false => "norelay had sent no message for that test",
    }
    .to_owned()
}

/// True if the text of a message was sent for a test.
fn has_sent_text(report: &Report, judged: &TestJudgement) -> bool {
    dialogues(report, judged)
        .flat_map(|dialogue| &dialogue.exchanges)
        .any(|exchange| exchange.stage == Stage::EndOfData)
}

/// The dialogues in which a test was asked.
fn dialogues<'report>(
    report: &'report Report,
    judged: &'report TestJudgement,
) -> impl Iterator<Item = &'report Dialogue> {
    judged
        .dialogues
        .iter()
        .filter_map(|number| report.dialogues.get(number))
}

/// Returns what followed `MAIL FROM:` in the dialogue that sent the message.
fn reverse_path_sent(report: &Report, judged: &TestJudgement) -> Option<String> {
    let mut delivered = dialogues(report, judged).filter(|dialogue| dialogue.has_delivered());
    let (_, line) = delivered.find_map(|dialogue| {
        let mut answers = dialogue.answers_for(judged.test.id);
        let mail = answers.find(|exchange| exchange.stage == Stage::Mail)?;
        mail.sent.clone()
    })?;
    let line = line.to_string();
    line.split_once(':').map(|(_, path)| path.to_owned())
}

/// Returns `<a@b> SIZE=100` without its parameters.
fn address_of(path: &str) -> String {
    match path.find("> ") {
        Some(end) => path[..=end].to_owned(),
        None => path.trim().to_owned(),
    }
}
