//! What is worth knowing beside the question of relaying: the address that the server sees for
//! ours, what the adjacent tests showed, and the server's names.
//!
//! Rules:
//! - Nothing here changes the relay verdict.
//! - A test is known by its role in the catalogue.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    judgement::{Judgement, PathJudgement, TestJudgement},
    observation::{Observation, Observed},
    outcome::Outcome,
    reason::Reason,
};
use crate::{
    catalogue::{Profile, TestId, TestRole},
    path::Endpoint,
    report::{Dialogue, PathView, Report},
    seen::{self, Loss, Meaning},
    smtp::{Reply, Stage},
    token::TokenRole,
};

/// The tag of the note that an address has a name in the DNS which leads back to it: the address
/// and the name.
const REVERSE_NAME: &str = "reverse_name_confirmed";

/// Makes an observation of the reply that accepted a test.
type OfAcceptance = fn(String) -> Observation;

/// Adjacent tests whose acceptance is worth knowing, and what the acceptance shows.
const ACCEPTANCES: &[(TestRole, OfAcceptance)] = &[
    (TestRole::SpoofedUser, |reply| Observation::LocalSenderSpoofed { reply }),
    (TestRole::Etrn, |reply| Observation::EtrnAccepted { reply }),
    (TestRole::Turn, |reply| Observation::TurnAccepted { reply }),
    (TestRole::UnresolvableSender, |reply| Observation::UnresolvableSenderAccepted { reply }),
    (TestRole::Lmtp, |reply| Observation::LmtpExposed { reply }),
    (TestRole::StartTlsInjection, |reply| Observation::StarttlsInjection { reply }),
];

/// Tests that ask for a made-up user and then for one who exists, and the verb that each asks with.
const DISCLOSURES: &[(TestRole, &str)] = &[(TestRole::Vrfy, "VRFY"), (TestRole::Expn, "EXPN")];

/// Returns what is worth knowing on all paths.
pub(super) fn of(report: &Report, judgement: &Judgement) -> Vec<Observed> {
    let mut observed = Vec::new();
    let mut known = BTreeSet::new();
    for (path, judged) in report.paths().zip(&judgement.paths) {
        let address = seen_address(path, &mut known).into_iter();
        let on_path = address
            .chain(acceptances(judged))
            .chain(bare_postmaster(judged))
            .chain(disclosures(path, judged))
            .chain(enumeration(path, judged))
            .chain(smuggling(path, judged));
        observed.extend(on_path.map(|observation| observation.on(path.id)));
    }
    observed.extend(names(report).into_iter().map(Observation::of_run));
    observed
}

/// The address that the server sees for ours. A lost address is reported once for each of the
/// server's addresses and ports; a translation on our side is reported once for all.
fn seen_address(
    path: PathView<'_>,
    known: &mut BTreeSet<(IpAddr, Option<Endpoint>)>,
) -> Option<Observation> {
    let sight = seen::on_path(path)?;
    let address = sight.sighting.address;
    let endpoint = (sight.meaning != Meaning::Translated).then(|| path.endpoint());
    if !known.insert((address, endpoint)) {
        return None;
    }
    let seen = address.to_string();
    let due = sight.due.map(|due| due.to_string()).unwrap_or_default();
    let source = sight.sighting.source.clause().to_owned();
    let evidence = sight.sighting.evidence.to_string();
    match sight.meaning {
        Meaning::Lost(loss) => {
            let whose = loss.clause().to_owned();
            Some(match loss {
                Loss::Other => {
                    Observation::ClientAddressChanged { seen, whose, due, source, evidence }
                }
                _ => Observation::ClientAddressLost { seen, whose, due, source, evidence },
            })
        }
        Meaning::Translated => {
            Some(Observation::ClientAddressTranslated { seen, due, source, evidence })
        }
        Meaning::Unknown | Meaning::Ours => None,
    }
}

/// What the acceptance of adjacent tests shows.
fn acceptances(judged: &PathJudgement) -> Vec<Observation> {
    let mut observations = Vec::new();
    for (role, observation) in ACCEPTANCES {
        if let Some(judged) = judged.of(*role)
            && let Outcome::Accepted { reply, .. } = &judged.outcome
        {
            observations.push(observation(reply.to_string()));
        }
    }
    observations
}

/// A rejection of `<postmaster>` without a domain. A rejection of our address shows nothing.
fn bare_postmaster(judged: &PathJudgement) -> Option<Observation> {
    match &judged.of(TestRole::BarePostmaster)?.outcome {
        Outcome::Refused { reply, reason, .. } if *reason != Reason::Reputation => {
            Some(Observation::BarePostmasterRefused { reply: reply.to_string() })
        }
        _ => None,
    }
}

/// VRFY and EXPN, where a user who exists gets another answer than a made-up one.
fn disclosures(path: PathView<'_>, judged: &PathJudgement) -> Vec<Observation> {
    DISCLOSURES
        .iter()
        .filter_map(|(role, verb)| disclosure(path, judged.of(*role)?.test.id, verb))
        .collect()
}

fn disclosure(path: PathView<'_>, test: TestId, verb: &str) -> Option<Observation> {
    let mut pairs = path.dialogues_of(test).filter_map(|(_, dialogue)| {
        // The test asks for the made-up user first.
        let mut replies = dialogue
            .answers_for(test)
            .filter(|exchange| exchange.stage == Stage::Other);
        Some((replies.next()?.reply.as_ref()?, replies.next()?.reply.as_ref()?))
    });
    let (unknown, known) = pairs.find(|(unknown, known)| tells_apart(unknown, known))?;
    Some(Observation::UserDisclosed {
        verb: verb.to_owned(),
        known: known.to_string(),
        unknown: unknown.to_string(),
    })
}

/// True if the replies differ by the user. A command that is unknown or forbidden (a code below
/// 550) shows no difference.
fn tells_apart(unknown: &Reply, known: &Reply) -> bool {
    known.is_positive() && matches!(unknown.code, 550..=559)
}

/// Texts that became two messages, and texts whose end the server saw too early.
fn smuggling(path: PathView<'_>, judged: &PathJudgement) -> Vec<Observation> {
    let (mut come, mut early, mut answers) = (Vec::new(), Vec::new(), None);
    for judged in judged.all().filter(|judged| judged.test.sends_message()) {
        let id = judged.test.id.as_str();
        // A second message that came proves more than answers to commands in a text.
        if has_come(path, judged) {
            come.push(id);
        } else if let Some(replies) = extra_replies(path.report, judged) {
            early.push(id);
            answers.get_or_insert(replies);
        }
    }
    let mut observations = Vec::new();
    if !come.is_empty() {
        observations.push(Observation::Smuggling { tests: come.join(", ") });
    }
    if let Some(answers) = answers {
        observations.push(Observation::EarlyEndOfData { tests: early.join(", "), answers });
    }
    observations
}

/// True if the message that was hidden in the text of a test came to the receiver.
fn has_come(path: PathView<'_>, judged: &TestJudgement) -> bool {
    let hidden = (path.id, judged.test.number, TokenRole::Inner);
    let mut receipts = path.report.receipts.iter().map(|(_, receipt)| receipt);
    receipts.any(|receipt| {
        let token = receipt.token;
        receipt.message_token && (token.path, token.test, token.role) == hidden
    })
}

/// Returns what the server answered after it had answered the text.
fn extra_replies(report: &Report, judged: &TestJudgement) -> Option<String> {
    let dialogues = judged
        .dialogues
        .iter()
        .filter_map(|number| report.dialogues.get(number));
    let extra = dialogues
        .flat_map(|dialogue| &dialogue.exchanges)
        .filter(|exchange| exchange.stage == Stage::EndOfData && exchange.is_extra_reply());
    let replies: Vec<_> = extra
        .filter_map(|exchange| Some(exchange.reply.as_ref()?.to_string()))
        .collect();
    (!replies.is_empty()).then(|| replies.join(" / "))
}

/// Rejections that tell made-up users from real ones. Every correct server does that, so a run that
/// asks about relaying alone does not mention such rejections.
fn enumeration(path: PathView<'_>, judged: &PathJudgement) -> Option<Observation> {
    let run = path.report.run.as_ref()?;
    if run.profile < Profile::Standard {
        return None;
    }
    let unknown = &judged.of(TestRole::UnknownUser)?.outcome;
    let postmaster = &judged.of(TestRole::Postmaster)?.outcome;
    match (unknown, postmaster) {
        (Outcome::Refused { reply, reason: Reason::UnknownUser, .. }, Outcome::Accepted { .. }) => {
            Some(Observation::RecipientsEnumerable { reply: reply.to_string() })
        }
        _ => None,
    }
}

/// The names of the server's addresses in the DNS, where the server gives itself another name.
fn names(report: &Report) -> Vec<Observation> {
    let mut observations = Vec::new();
    for note in report.notes.iter().filter(|note| note.tag == REVERSE_NAME) {
        // A log may have anything under the tag.
        if let [address, name] = note.arguments.as_slice() {
            observations.extend(other_name(report, address.to_string(), name.to_string()));
        }
    }
    observations
}

fn other_name(report: &Report, address: String, name: String) -> Option<Observation> {
    let own = name_in_greeting(report, address.parse().ok()?)?;
    let differs = !own.eq_ignore_ascii_case(name.trim_end_matches('.'));
    differs.then_some(Observation::GreetingNameDiffers { address, name, own })
}

/// Returns the name that the server at an address gives itself in its greeting (RFC 5321 section
/// 4.3.1), if the first word of the greeting is a name.
fn name_in_greeting(report: &Report, address: IpAddr) -> Option<String> {
    let is_there = |dialogue: &&Dialogue| {
        let path = report.path(dialogue.path);
        path.is_some_and(|path| path.destination().address == address)
    };
    report
        .dialogues
        .values()
        .filter(is_there)
        .filter_map(|dialogue| dialogue.reply_at(Stage::Greeting))
        .find_map(name_of)
}

fn name_of(greeting: &Reply) -> Option<String> {
    if !greeting.is_positive() {
        return None;
    }
    let text = greeting.lines.first()?.to_text();
    let name = text.split_whitespace().next()?.trim_end_matches('.');
    let is_of_name =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    (name.contains('.') && name.len() <= 255 && name.bytes().all(is_of_name))
        .then(|| name.to_owned())
}
