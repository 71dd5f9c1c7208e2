//! Words that a server puts below each rejection, whatever the rejection is about: Postfix's
//! `smtpd_reject_footer`, or a house style.
//!
//! Rules:
//! - Boilerplate is found by comparison with the rejection of a made-up user. Both rejections end
//!   in the same words (digits aside, such as the time), and without these words the second one
//!   says that there is no such user.
//! - A rejection is read without its boilerplate only if the rest gives a reason in words.
//!   Otherwise the whole reply counts, as before.

use super::{
    outcome::Outcome,
    reason::{self, Reason},
};
use crate::{
    catalogue::{self, TestRole},
    report::Report,
    smtp::{Reply, Stage},
};

/// The controls that ask for a made-up user of the server.
pub(crate) const UNKNOWN_USERS: [TestRole; 2] =
    [TestRole::UnknownUser, TestRole::UnknownUserAtHost];

/// Returns the replies that reject a made-up user anywhere in the run. Equal neighbors are one.
pub(super) fn unknown_user_rejections(report: &Report) -> Vec<Reply> {
    let unknown_users = UNKNOWN_USERS.map(|role| catalogue::by_role(role).id);
    let asked = report.dialogues.values().flat_map(|dialogue| {
        let of_unknown = unknown_users.iter().filter(|id| dialogue.is_for(**id));
        of_unknown.map(move |id| Outcome::of(dialogue, *id))
    });
    let mut replies: Vec<Reply> = asked
        .filter_map(|outcome| rcpt_rejection(&outcome).cloned())
        .collect();
    replies.dedup();
    replies
}

/// Returns the reply that rejects the recipient, permanently or temporarily.
pub(super) fn rcpt_rejection(outcome: &Outcome) -> Option<&Reply> {
    match outcome {
        Outcome::Refused { stage: Stage::Rcpt, reply, .. }
        | Outcome::Deferred { stage: Stage::Rcpt, reply, .. } => Some(reply),
        _ => None,
    }
}

/// Returns the outcome with the reason that the reply gives without its boilerplate.
///
/// A denial of relaying stays what it is: without some of its words it could only become weaker.
pub(super) fn read_without(outcome: Outcome, unknown_users: &[Reply]) -> Outcome {
    let (stage, reply) = match &outcome {
        Outcome::Refused { stage, reason, reply } | Outcome::Deferred { stage, reason, reply }
            if !matches!(reason, Reason::RelayDenied | Reason::AuthRequired) =>
        {
            (*stage, reply)
        }
        _ => return outcome,
    };
    let is_said = |reason: &Reason| !matches!(reason, Reason::Policy | Reason::Unclassified);
    let own = unknown_users
        .iter()
        .find_map(|unknown| own_words(reply, unknown));
    match own
        .map(|own| reason::Reason::of(stage, &own))
        .filter(is_said)
    {
        Some(reason) => Outcome::with_reason(stage, reason, reply.clone(), false),
        None => outcome,
    }
}

/// Returns the reply without the last words that it shares with the rejection of a made-up user;
/// `None` if these words are no boilerplate.
fn own_words(reply: &Reply, unknown: &Reply) -> Option<Reply> {
    let (text, other) = (reply.text(), unknown.text());
    let (ours, theirs): (Vec<&str>, Vec<&str>) =
        (text.split_whitespace().collect(), other.split_whitespace().collect());
    let pairs = ours.iter().rev().zip(theirs.iter().rev());
    let shared = pairs
        .take_while(|(one, two)| without_figures(one) == without_figures(two))
        .count();
    let own = |words: &[&str], of: &Reply| {
        let enhanced = of
            .enhanced()
            .map(|code| format!("{code} "))
            .unwrap_or_default();
        let words = words[..words.len() - shared].join(" ");
        Reply { code: of.code, lines: vec![format!("{enhanced}{words}").as_str().into()] }
    };
    // If all words are shared, the reply is the rejection of an unknown user, and not boilerplate.
    let is_boilerplate = shared > 0
        && shared < ours.len()
        && Reason::of(Stage::Rcpt, &own(&theirs, unknown)) == Reason::UnknownUser;
    is_boilerplate.then(|| own(&ours, reply))
}

/// Returns the word with each digit as `0`, so that times and counters compare as equal.
fn without_figures(word: &str) -> String {
    word.chars()
        .map(|character| if character.is_ascii_digit() { '0' } else { character })
        .collect()
}
