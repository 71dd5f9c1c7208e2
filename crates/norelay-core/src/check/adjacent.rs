//! Facts beside the question of relaying: the address that the server sees, what the adjacent tests
//! showed, names.
//!
//! Rules:
//! - Nothing here bears on the relay verdict.
//! - A test is known by its role in the catalogue.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    finding::Fact,
    judgement::{Judgement, PathJudgement, TestJudgement},
    outcome::Outcome,
    reason::Reason,
};
use crate::{
    catalogue::{Profile, TestRole},
    octets::Octets,
    path::{Endpoint, PathId},
    report::{Dialogue, PathView, Report},
    seen::{self, Loss, Meaning},
    smtp::{Reply, Stage},
    token::TokenRole,
};

/// The tag of the note that an address has a name in the DNS which leads back to it: the address
/// and the name.
const REVERSE_NAME: &str = "reverse_name_confirmed";

/// Adjacent tests whose acceptance is worth knowing, and the kind of finding that it makes.
const ACCEPTANCES: &[(TestRole, &str)] = &[
    (TestRole::SpoofedUser, "local_sender_spoofed"),
    (TestRole::Etrn, "etrn_accepted"),
    (TestRole::Turn, "turn_accepted"),
    (TestRole::UnresolvableSender, "unresolvable_sender_accepted"),
    (TestRole::Lmtp, "lmtp_exposed"),
    (TestRole::StartTlsInjection, "starttls_injection"),
];

/// Tests that ask for a made-up user and then for one who exists, and the verb that each asks with.
const DISCLOSURES: &[(TestRole, &str)] = &[(TestRole::Vrfy, "VRFY"), (TestRole::Expn, "EXPN")];

/// All of them, for all paths.
pub(super) fn facts(report: &Report, judgement: &Judgement) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut known = BTreeSet::new();
    for (path, judged) in report.paths().zip(&judgement.paths) {
        facts.extend(address_facts(path, &mut known));
        facts.extend(test_facts(path.id, judged));
        facts.extend(disclosure_facts(path, judged));
        facts.extend(recipient_facts(path, judged));
        facts.extend(smuggling_facts(path, judged));
    }
    facts.extend(name_facts(report));
    facts
}

/// What the server sees in the place of our address: once for each of its addresses and ports, and
/// a translation on our side once for all of them.
fn address_facts(
    path: PathView<'_>,
    known: &mut BTreeSet<(IpAddr, Option<Endpoint>)>,
) -> Option<Fact> {
    let seen = seen::on_path(path)?;
    let address = seen.sighting.address;
    let endpoint = (seen.meaning != Meaning::Translated).then(|| path.endpoint());
    if !known.insert((address, endpoint)) {
        return None;
    }
    let (tag, whose) = match seen.meaning {
        Meaning::Lost(Loss::Other) => ("client_address_changed", Loss::Other.clause()),
        Meaning::Lost(loss) => ("client_address_lost", loss.clause()),
        Meaning::Translated => ("client_address_translated", ""),
        Meaning::Unknown | Meaning::Ours => return None,
    };
    let arguments = [
        address.to_string(),
        whose.to_owned(),
        seen.due.map(|due| due.to_string()).unwrap_or_default(),
        seen.sighting.source.clause().to_owned(),
        seen.sighting.evidence.to_string(),
    ];
    Some(Fact::new(tag, Some(path.id), arguments))
}

fn test_facts(path: PathId, judged: &PathJudgement) -> Vec<Fact> {
    let accepted = ACCEPTANCES
        .iter()
        .filter_map(|(role, tag)| match &judged.of(*role)?.outcome {
            Outcome::Accepted { reply, .. } => {
                Some(Fact::new(tag, Some(path), [reply.to_string()]))
            }
            _ => None,
        });
    let bare = judged
        .of(TestRole::BarePostmaster)
        .and_then(|judged| match &judged.outcome {
            Outcome::Refused { reply, reason, .. } if *reason != Reason::Reputation => {
                Some(Fact::new("bare_postmaster_refused", Some(path), [reply.to_string()]))
            }
            _ => None,
        });
    accepted.chain(bare).collect()
}

/// VRFY and EXPN, where a user who exists gets another answer than a made-up one.
fn disclosure_facts(path: PathView<'_>, judged: &PathJudgement) -> Vec<Fact> {
    let disclosed = DISCLOSURES.iter().filter_map(|(role, verb)| {
        let test = judged.of(*role)?.test.id;
        let mut pairs = path.dialogues_of(test).filter_map(|(_, dialogue)| {
            let mut replies = dialogue
                .answers_for(test)
                .filter(|exchange| exchange.stage == Stage::Other);
            Some((replies.next()?.reply.as_ref()?, replies.next()?.reply.as_ref()?))
        });
        let (unknown, known) = pairs.find(|(unknown, known)| tells_apart(unknown, known))?;
        Some(Fact::new(
            "user_disclosed",
            Some(path.id),
            [(*verb).to_owned(), known.to_string(), unknown.to_string()],
        ))
    });
    disclosed.collect()
}

/// A command that isn't known or isn't allowed says nothing about users.
fn tells_apart(unknown: &Reply, known: &Reply) -> bool {
    known.is_positive() && matches!(unknown.code, 550..=559)
}

/// Texts that became two messages, by what came; and texts whose end was seen too early, by what
/// was answered.
fn smuggling_facts(path: PathView<'_>, judged: &PathJudgement) -> Vec<Fact> {
    let asked = judged.all().filter(|judged| judged.test.sends_message());
    let has_come = |judged: &&TestJudgement| {
        let tokens = path
            .report
            .receipts
            .iter()
            .filter(|(_, receipt)| receipt.message_token)
            .map(|(_, receipt)| receipt.token);
        tokens.into_iter().any(|token| {
            (token.path, token.test, token.role) == (path.id, judged.test.number, TokenRole::Inner)
        })
    };
    let (come, others): (Vec<&TestJudgement>, Vec<&TestJudgement>) = asked.partition(has_come);
    let early: Vec<_> = others
        .into_iter()
        .filter_map(|judged| Some((judged.test.id, extra_replies(path.report, judged)?)))
        .collect();
    let mut facts = Vec::new();
    if !come.is_empty() {
        let ids: Vec<_> = come.iter().map(|judged| judged.test.id.as_str()).collect();
        facts.push(Fact::new("smuggling", Some(path.id), [ids.join(", ")]));
    }
    if let Some((_, first)) = early.first() {
        let ids: Vec<_> = early.iter().map(|(id, _)| id.as_str()).collect();
        facts.push(Fact::new("early_end_of_data", Some(path.id), [ids.join(", "), first.clone()]));
    }
    facts
}

/// What the server answered after it had answered the text, if it did.
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

/// What every correct server does, worth a word only where the run asked for more than relaying.
fn recipient_facts(path: PathView<'_>, judged: &PathJudgement) -> Option<Fact> {
    let is_thorough = path
        .report
        .run
        .as_ref()
        .is_some_and(|run| run.profile >= Profile::Standard);
    let outcome = |role| judged.of(role).map(|judged| &judged.outcome);
    match (outcome(TestRole::UnknownUser), outcome(TestRole::Postmaster)) {
        (
            Some(Outcome::Refused { reply, reason: Reason::UnknownUser, .. }),
            Some(Outcome::Accepted { .. }),
        ) if is_thorough => {
            Some(Fact::new("recipients_enumerable", Some(path.id), [reply.to_string()]))
        }
        _ => None,
    }
}

/// The names of the server's addresses in the DNS, against the name that the server gives itself.
fn name_facts(report: &Report) -> Vec<Fact> {
    let noted = report.notes.iter().filter(|note| note.tag == REVERSE_NAME);
    let facts = noted.filter_map(|note| {
        let [address, name] = note.arguments.as_slice() else { return None };
        let (address, name) = (address.to_string(), name.to_string());
        let own = name_in_greeting(report, address.parse().ok()?)?;
        let differs = !own.eq_ignore_ascii_case(name.trim_end_matches('.'));
        differs.then(|| Fact::new("greeting_name_differs", None, [address, name, own]))
    });
    facts.collect()
}

/// The name that the server at an address gives itself in its greeting (RFC 5321 section 4.3.1),
/// where it is one.
fn name_in_greeting(report: &Report, address: IpAddr) -> Option<String> {
    let is_there = |dialogue: &&Dialogue| {
        report
            .path(dialogue.path)
            .is_some_and(|path| path.destination().address == address)
    };
    let dialogues = report.dialogues.values().filter(is_there);
    dialogues
        .filter_map(|dialogue| dialogue.reply_at(Stage::Greeting))
        .find_map(|greeting| {
            let text = greeting
                .lines
                .first()
                .map(Octets::to_text)
                .filter(|_| greeting.is_positive())?;
            let name = text
                .split_whitespace()
                .next()?
                .trim_end_matches('.')
                .to_owned();
            let is_of_name =
                |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
            (name.contains('.') && name.len() <= 255 && name.bytes().all(is_of_name))
                .then_some(name)
        })
}
