//! The sentences of a diagnosis: what was accepted, what was rejected in comparison, and what both
//! rule out.

use std::net::IpAddr;

use super::{Answer, View, answer};
use crate::{
    catalogue::{Group, TestRole},
    check::{Outcome, Reason, TestJudgement, login_accepted},
    event::Path,
    octets::harmless,
    remedy::RelayCause,
    smtp::{Reply, Stage},
    token,
};

const MAX_SHOWN: usize = 160;
const MAX_LINE: usize = 120;

/// Said if only one half of a comparison is known.
pub(super) const NO_COMPARISON: &str = "What it refuses is not known (the plain test has no \
                                        answer about relaying), so it may as well trust everybody.";

/// Said if a message was relayed for one address of ours only.
pub(super) const ONE_ADDRESS: &str = "Only one address was tried. A server that trusts a client \
                                      after it read mail (POP before SMTP), or by a list, would \
                                      answer the same: repeat the test from another network.";

/// Says that a test was accepted and what was rejected in comparison.
pub(super) fn accepted(
    view: View<'_>,
    judged: &TestJudgement,
    beside: Option<&TestJudgement>,
) -> String {
    let verb = match &judged.outcome {
        Outcome::Relayed { .. } => "Relayed",
        // Only a login that was accepted brings a rejected test here.
        Outcome::Refused { .. } => {
            let (number, what) = (judged.test.number, with(view, judged, true));
            return format!(
                "Accepted {} (test {number}), and rejected the sender or the recipient after it \
                 for another reason than relaying: {}.",
                what.trim_start_matches("after "),
                reply_of(judged)
            );
        }
        _ => "Accepted",
    };
    let what = with(view, judged, true);
    let number = judged.test.number;
    let (what, refused) = match beside {
        // Beside a foreign sender, the sender is the difference.
        Some(plain) if judged.test.group == Group::Sender => (
            what,
            format!(
                ", refused with a foreign one (test {}: {})",
                plain.test.number,
                reply_of(plain)
            ),
        ),
        Some(plain) => (
            what,
            format!(
                ", refused {} (test {}: {})",
                with(view, plain, false),
                plain.test.number,
                reply_of(plain)
            ),
        ),
        None => (what, String::new()),
    };
    format!("{verb} {what} (test {number}){refused}.")
}

/// Returns what distinguishes a test, in the words that were sent.
fn with(view: View<'_>, judged: &TestJudgement, is_accepted: bool) -> String {
    let said = |stage| line_said(view, judged, stage);
    let recipient =
        || said(Stage::Rcpt).map_or_else(|| judged.test.title().to_owned(), |line| path_in(&line));
    match judged.test.group {
        Group::Sender if is_accepted => format!("with {}", sender(said(Stage::Mail))),
        Group::Hello => match said(Stage::Helo).or_else(|| said(Stage::Ehlo)) {
            Some(hello) => format!("after {hello}"),
            None => "without HELO".to_owned(),
        },
        Group::Auth => {
            let mechanism = judged.test.mechanism();
            let login = login_accepted::accepted_login(view.path.report, judged);
            match login.and_then(|dialogue| dialogue.login.as_deref()) {
                Some(user) => {
                    format!("after AUTH {mechanism} as {} with a made-up password", harmless(user))
                }
                None => format!("after AUTH {mechanism} with made-up credentials"),
            }
        }
        Group::Proxy | Group::State | Group::Path => format!("in test \"{}\"", judged.test.title()),
        Group::Plain if !is_accepted => format!("plain {}", recipient()),
        _ => format!("{} with {}", recipient(), sender(said(Stage::Mail))),
    }
}

/// Returns `a sender at mail.example.net`, `no sender` or `a sender without a domain`.
fn sender(mail: Option<String>) -> String {
    let Some(path) = mail.as_deref().map(path_in) else { return "another sender".to_owned() };
    let inner = path
        .trim_start_matches('<')
        .split('>')
        .next()
        .unwrap_or_default();
    match inner.rsplit_once('@') {
        _ if inner.is_empty() => "no sender (<>)".to_owned(),
        Some((_, domain)) => format!("a sender at {domain}"),
        None => "a sender without a domain".to_owned(),
    }
}

/// Returns the line that was sent for a test at a stage, harmless and without tokens.
fn line_said(view: View<'_>, judged: &TestJudgement, stage: Stage) -> Option<String> {
    let dialogues = judged
        .dialogues
        .iter()
        .rev()
        .filter_map(|number| view.path.report.dialogues.get(number));
    let line = dialogues
        .flat_map(|dialogue| {
            dialogue
                .answers_for(judged.test.id)
                .filter(|exchange| exchange.stage == stage)
                .last()
        })
        .find_map(|exchange| exchange.sent.clone())?;
    let shown: String = without_tokens(&harmless(&line.1.to_text()))
        .chars()
        .take(MAX_LINE)
        .collect();
    Some(shown)
}

/// Returns what follows `MAIL FROM:` or `RCPT TO:`.
fn path_in(line: &str) -> String {
    line.split_once(':')
        .map_or(line, |(_, path)| path)
        .to_owned()
}

/// Returns the text with `user` in the place of each token, which has no meaning for a reader.
fn without_tokens(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("nr") {
        let (before, candidate) = rest.split_at(start);
        shown.push_str(before);
        let letters = candidate
            .bytes()
            .take_while(|octet| matches!(octet, b'a'..=b'z' | b'2'..=b'7'))
            .count();
        if letters >= token::LENGTH {
            shown.push_str("user");
            rest = &candidate[token::LENGTH..];
        } else {
            shown.push_str("nr");
            rest = &candidate[2..];
        }
    }
    shown.push_str(rest);
    shown
}

/// Returns the reply that decided a test, cut to a readable length.
pub(super) fn reply_of(judged: &TestJudgement) -> String {
    let reply = match &judged.outcome {
        Outcome::Refused { reply, .. }
        | Outcome::Accepted { reply, .. }
        | Outcome::Deferred { reply, .. } => reply,
        _ => return judged.outcome.word().to_owned(),
    };
    let text = without_tokens(&reply.to_string());
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// True if a test or control was rejected as relaying in words. (Controls have no weight that could
/// tell.)
pub(super) fn is_refusal_of_relaying(judged: &TestJudgement) -> bool {
    matches!(
        &judged.outcome,
        Outcome::Refused { reason: Reason::RelayDenied | Reason::AuthRequired, .. }
    )
}

/// Says that the same client was rejected as relaying for another recipient.
pub(super) fn other_recipient(view: View<'_>, refused: &TestJudgement) -> String {
    let recipient = line_said(view, refused, Stage::Rcpt)
        .map_or_else(|| refused.test.title().to_owned(), |line| path_in(&line));
    format!(
        "Refused to the same client and sender for {recipient} (test {}: {}): it is recipients \
         that are permitted, not \
         clients.",
        refused.test.number,
        reply_of(refused)
    )
}

/// Says that trust in one address family may have another reason, if the server does not say which
/// address it sees.
pub(super) fn unseen(family: &str) -> String {
    format!(
        "Which address it sees over {family} is not known: its log tells. If it is the client's \
         own, a range of {family} \
         that it trusts is too wide."
    )
}

/// Says that what was accepted may be local mail of a server that accepts any local part.
pub(super) fn any_local_part(control: &TestJudgement) -> String {
    format!(
        "A user whom nobody has is accepted there too (test {}), so this may be local mail for \
         it: only a message tells.",
        control.test.number
    )
}

/// Says that our domain is rejected and another foreign domain is not.
pub(super) fn other_domain(
    view: View<'_>,
    taken: &TestJudgement,
    plain: &TestJudgement,
    domain: &str,
) -> String {
    let accepted = accepted_of_several(view, taken, Stage::Rcpt);
    let accepted = accepted.unwrap_or_else(|| "another foreign domain".to_owned());
    format!(
        "A recipient at {accepted} was accepted (test {}), one at {domain} refused (test {}: {}).",
        taken.test.number,
        plain.test.number,
        reply_of(plain)
    )
}

/// Says that our sender is rejected and another one is not.
pub(super) fn listed_sender(
    view: View<'_>,
    taken: &TestJudgement,
    plain: &TestJudgement,
    domain: &str,
) -> String {
    let accepted = accepted_of_several(view, taken, Stage::Mail);
    let accepted = accepted.unwrap_or_else(|| "another domain".to_owned());
    format!(
        "With a sender at {accepted} the recipient was accepted (test {}), with one at {domain} \
         refused (test {}: {}).",
        taken.test.number,
        plain.test.number,
        reply_of(plain)
    )
}

/// Returns the domain that was accepted, in the command at a stage, if the test asks several.
pub(super) fn accepted_of_several(
    view: View<'_>,
    taken: &TestJudgement,
    stage: Stage,
) -> Option<String> {
    let test = taken.test;
    let mut latest = None;
    for (_, dialogue) in view
        .path
        .dialogues_of(test.id)
        .filter(|_| test.asks_several())
    {
        for exchange in dialogue.answers_for(test.id) {
            let is_accepted = exchange.reply.as_ref().is_some_and(Reply::is_positive);
            if exchange.stage == stage
                && let Some((_, line)) = &exchange.sent
            {
                latest = Some(line.to_text());
            }
            if exchange.stage == Stage::Rcpt && is_accepted {
                let line = latest?;
                let (_, domain) = line.trim_end().trim_end_matches('>').rsplit_once('@')?;
                return Some(domain.to_owned());
            }
        }
    }
    None
}

/// Says that our sender alone is rejected, and other senders are not.
pub(super) fn other_senders(plain: &TestJudgement, domain: &str) -> String {
    format!(
        "With no sender and with others it was accepted, with one at {domain} refused for the \
         sender's sake (test {}: {}): \
         it is our sender that is turned down.",
        plain.test.number,
        reply_of(plain)
    )
}

/// Says that TLS ends in a program before the server.
pub(super) fn ends_tls_before(ours: &Path) -> String {
    format!(
        "The server offers STARTTLS to whoever uses TLS already ({ours}): TLS ends before it, in \
         a program (stunnel, a \
         proxy) that connects to it from an address of its own."
    )
}

/// Says that a server sees another client address than ours.
pub(super) fn misseen((seen, ours): (IpAddr, IpAddr)) -> String {
    format!("The server saw us come from {seen}; we came from {ours}.")
}

/// Says that the relay check comes too late for a message with several recipients.
pub(super) fn late_check(
    plain: &TestJudgement,
    (came, recipients): (&TestJudgement, usize),
) -> String {
    format!(
        "Relayed a message with {recipients} recipients (test {} among them), refused one with a \
         single recipient, and \
         only after RCPT (test {}: {}).",
        came.test.number,
        plain.test.number,
        reply_of(plain)
    )
}

/// Says that a message came back by way of another host.
pub(super) fn multi_hop(judged: &TestJudgement, from: IpAddr) -> String {
    let number = judged.test.number;
    format!("The message of test {number} came from {from}, to which the server had handed it on.")
}

/// Causes that a single rejection rules out.
static RULED_OUT: &[(TestRole, RelayCause, &str)] = &[
    (TestRole::Plain, RelayCause::TrustsEveryone, "It doesn't relay for every client"),
    (TestRole::NullSender, RelayCause::TrustsNullSender, "Naming no sender isn't enough"),
    (
        TestRole::OwnHostSender,
        RelayCause::TrustsSenderDomain,
        "A sender at the server's own name isn't enough",
    ),
    (
        TestRole::OwnDomainSender,
        RelayCause::TrustsSenderDomain,
        "A sender in its own mail domain isn't enough",
    ),
    (TestRole::HeloLocalhost, RelayCause::TrustsHeloName, "Saying HELO localhost isn't enough"),
    (
        TestRole::UnknownCredentials,
        RelayCause::TrustsAnyCredentials,
        "Made-up credentials of a made-up user are not enough",
    ),
    (
        TestRole::SecondForeign,
        RelayCause::TrustsEveryone,
        "Not every foreign domain is a permitted recipient",
    ),
];

/// Says which causes the answers on a path rule out.
pub(super) fn rules_out(view: View<'_>, cause: RelayCause) -> Vec<String> {
    let mut ruled_out: Vec<String> = RULED_OUT
        .iter()
        .filter(|(_, ruled_out, _)| *ruled_out != cause)
        .filter_map(|(role, _, sentence)| {
            let judged = view.test(*role)?;
            let is_refused = answer(judged) == Answer::No
                || (judged.test.is_control() && is_refusal_of_relaying(judged));
            is_refused.then(|| format!("{sentence} (test {} was refused).", judged.test.number))
        })
        .collect();
    let second = view
        .test(TestRole::SecondForeign)
        .map(|judged| &judged.outcome);
    if cause == RelayCause::TrustsEveryone
        && matches!(second, Some(Outcome::Accepted { .. } | Outcome::Relayed { .. }))
    {
        ruled_out.push(
            "It isn't our domain that is permitted: another foreign domain was accepted too."
                .to_owned(),
        );
    }
    ruled_out
}
