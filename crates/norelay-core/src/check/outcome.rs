//! The outcome of one test on one path, from its dialogues and receipts.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::{
    catalogue::{RelayTest, TestId},
    octets::Octets,
    report::{Dialogue, Exchange},
    smtp::{Cause, End, Purpose, Reply, Stage, Violation},
};

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The test's message came to the receiver.
    Relayed {
        /// The address that delivered the message.
        from: IpAddr,
        /// Whether that address is the target's.
        hops: Hops,
    },
    /// Everything that was asked was accepted.
    Accepted {
        /// The last stage that was asked: RCPT, or the end of data.
        stage: Stage,
        /// The reply.
        reply: Reply,
    },
    /// A permanent rejection (5xx), or a temporary one (4xx) that names relaying (Postfix's
    /// `454 4.7.1 … Relay access denied`).
    Refused {
        /// Where.
        stage: Stage,
        /// Why.
        reason: Reason,
        /// The reply.
        reply: Reply,
    },
    /// A temporary rejection (4xx): the same question may have another answer later.
    Deferred {
        /// Where.
        stage: Stage,
        /// Why.
        reason: Reason,
        /// The reply.
        reply: Reply,
    },
    /// No answer.
    Interrupted {
        /// Why not.
        cause: Cause,
    },
    /// Not asked.
    NotRun {
        /// Why not, as a clause.
        why: String,
    },
}

/// By how many servers a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hops {
    /// From the target's own address (or its /64), or from a client with the target's name that
    /// alone handed the message on.
    Direct,
    /// From another address: the target handed the message to a server that relays for the target.
    Multihop,
}

impl Outcome {
    /// Returns what one dialogue shows of a test.
    #[must_use]
    pub fn of(dialogue: &Dialogue, test: TestId) -> Self {
        let outcome = Self::of_answers(dialogue, test);
        match dialogue.closing_control() {
            Some(control) if control != test => outcome.confirmed_by(dialogue, control),
            _ => outcome,
        }
    }

    /// What is left of an answer on a shared connection, by the answer to the control behind it. A
    /// server that rejects the control, which it has accepted before, rejects everything on this
    /// connection, perhaps after too many errors. Where the order of the replies is not certain,
    /// none is believed.
    fn confirmed_by(self, dialogue: &Dialogue, control: TestId) -> Self {
        if !dialogue.is_in_order() {
            return match &dialogue.end {
                Some(End::Interrupted(cause)) => Self::Interrupted { cause: cause.clone() },
                Some(_) => Self::Interrupted { cause: in_disorder(dialogue) },
                None => Self::Interrupted { cause: Cause::Stopped },
            };
        }
        let is_accepted = matches!(Self::of_answers(dialogue, control), Self::Accepted { .. });
        match self {
            Self::Refused { stage, reply, .. } if !is_accepted => {
                Self::Refused { stage, reason: Reason::RateLimited, reply }
            }
            outcome => outcome,
        }
    }

    /// What the answers to a test in one dialogue say.
    fn of_answers(dialogue: &Dialogue, test: TestId) -> Self {
        // After a violation nobody can tell which reply answers which command: none is believed.
        if let Some(End::Interrupted(cause @ Cause::Violated { .. })) = &dialogue.end {
            return Self::Interrupted { cause: cause.clone() };
        }
        let answers = once(dialogue.answers_for(test));
        if test.test().is_some_and(RelayTest::asks_several)
            && let Some(outcome) = Self::of_several(&answers)
        {
            return outcome;
        }
        if let Some((exchange, reply)) = answers
            .iter()
            .find_map(|exchange| exchange.decisive_refusal())
        {
            return Self::negative(exchange, reply);
        }
        // On a shared connection a test keeps its answer, whatever becomes of the later tests.
        let own = answers
            .iter()
            .filter(|exchange| exchange.is_own_answer() && !dialogue.proof);
        let mut accepted = own.filter_map(|exchange| {
            let is_question = matches!(exchange.stage, Stage::Rcpt | Stage::Other);
            Some((
                exchange.stage,
                exchange
                    .reply
                    .as_ref()
                    .filter(|reply| is_question && reply.is_positive())?,
            ))
        });
        if let Some((stage, reply)) = accepted.next_back() {
            return Self::Accepted { stage, reply: reply.clone() };
        }
        match &dialogue.end {
            Some(End::Answered) => Self::positive(&answers),
            Some(End::NotOffered(keyword)) => {
                Self::NotRun { why: format!("the server does not offer {keyword}") }
            }
            // On a shared connection the other tests may have been too many for the server. Alone,
            // the test may get its answer.
            Some(End::Interrupted(cause)) => {
                match hung_up_on(&answers, cause).filter(|_| dialogue.tests.len() == 1) {
                    Some((exchange, reply)) => Self::negative(exchange, reply),
                    None => Self::Interrupted { cause: cause.clone() },
                }
            }
            None => Self::Interrupted { cause: Cause::Stopped },
        }
    }

    /// Returns what the answers to a question that is asked of several domains show: an acceptance
    /// of any, or the firmest rejection. `None` if there is neither.
    fn of_several(answers: &[&Exchange]) -> Option<Self> {
        let envelope = answers
            .iter()
            .filter(|exchange| matches!(exchange.stage, Stage::Mail | Stage::Rcpt));
        let mut rejection = None;
        for exchange in envelope {
            let Some(reply) = &exchange.reply else { continue };
            if exchange.stage == Stage::Rcpt && reply.is_positive() {
                return Some(Self::Accepted { stage: Stage::Rcpt, reply: reply.clone() });
            }
            let is_open = matches!(rejection, None | Some(Self::Deferred { .. }));
            if is_open && reply.is_negative() && reply.code != 421 {
                let rejected = Self::negative(exchange, reply);
                let is_firmer = rejection.is_none() || matches!(rejected, Self::Refused { .. });
                rejection = if is_firmer { Some(rejected) } else { rejection };
            }
        }
        rejection
    }

    fn negative(exchange: &Exchange, reply: &Reply) -> Self {
        let stage = exchange.stage;
        // Without its condition (a login, a header) the test's question means something else.
        if exchange.purpose == Some(Purpose::Condition) {
            return Self::NotRun {
                why: format!("its condition was refused during {stage}: {reply}"),
            };
        }
        Self::with_reason(stage, Reason::of(stage, reply), reply.clone(), exchange.refuses_header())
    }

    /// Returns what a rejection (4xx or 5xx) with this reason amounts to. `is_firm` says that the
    /// rejection holds for good, whatever its code.
    pub(super) fn with_reason(stage: Stage, reason: Reason, reply: Reply, is_firm: bool) -> Self {
        // Postfix denies relaying with 454 by default, so the code alone does not tell a deferral
        // from a denial.
        let is_denial = matches!(reason, Reason::RelayDenied | Reason::AuthRequired) || is_firm;
        if reply.code >= 500 || is_denial {
            Self::Refused { stage, reason, reply }
        } else {
            Self::Deferred { stage, reason, reply }
        }
    }

    fn positive(answers: &[&Exchange]) -> Self {
        let accepted = answers.iter().rev().find_map(|exchange| {
            let is_question = matches!(exchange.stage, Stage::Rcpt | Stage::EndOfData)
                || (exchange.stage == Stage::Other && exchange.purpose == Some(Purpose::Question));
            exchange
                .reply
                .as_ref()
                .filter(|reply| is_question && reply.is_positive())
                .map(|reply| (exchange.stage, reply))
        });
        match accepted {
            Some((stage, reply)) => Self::Accepted { stage, reply: reply.clone() },
            None => Self::NotRun { why: why_not_asked(answers).to_owned() },
        }
    }

    /// Returns what is known of a test after another dialogue of it had the outcome `later`.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        use Outcome::{Accepted, Deferred, Interrupted, NotRun, Refused, Relayed};
        match (&self, &later) {
            (Relayed { .. }, _) => self,
            (_, Relayed { .. } | Accepted { .. }) => later,
            // Only a rejection of the message itself undoes an acceptance at RCPT.
            (Accepted { .. }, Refused { stage: Stage::Data | Stage::EndOfData, .. }) => later,
            (Accepted { .. }, _) => self,
            (Refused { .. }, Deferred { .. } | Interrupted { .. } | NotRun { .. }) => self,
            _ => later,
        }
    }

    /// Returns where, why and in which words the test was rejected; `None` for another outcome.
    #[must_use]
    pub fn refusal(&self) -> Option<(Stage, Reason, &Reply)> {
        match self {
            Self::Refused { stage, reason, reply } => Some((*stage, *reason, reply)),
            _ => None,
        }
    }

    /// True if the server accepted or rejected what the test asks, and will not change its mind.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Relayed { .. } | Self::Accepted { .. } | Self::Refused { .. })
    }

    /// The word that stands for the outcome in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Relayed { .. } => "relayed",
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::Deferred { .. } => "deferred",
            Self::Interrupted { .. } => "interrupted",
            Self::NotRun { .. } => "not_run",
        }
    }
}

/// Returns one answer for each line and text of a test.
///
/// A server that answers a line or a text more than once has read several in it. The last reply to
/// a RCPT is about the recipient that was hidden in the line. The first reply to a text is about
/// that text.
fn once<'a>(answers: impl Iterator<Item = &'a Exchange>) -> Vec<&'a Exchange> {
    let mut kept: Vec<&Exchange> = Vec::new();
    for exchange in answers {
        match (exchange.stage, exchange.is_extra_reply()) {
            (Stage::EndOfData, true) => continue,
            (Stage::Rcpt, true) => {
                // The hidden recipient is what the test asks about.
                if let Some(before) = kept.iter().rposition(|kept| kept.stage == Stage::Rcpt) {
                    kept.remove(before);
                }
            }
            _ => {}
        }
        kept.push(exchange);
    }
    kept
}

/// Returns the rejection after which the server closed the connection, if that rejection answers
/// the test: of an authentication (nginx), or of relaying (`521`, Exim's `drop`, chasquid's third
/// error). The same client would get no other answer.
fn hung_up_on<'a>(answers: &[&'a Exchange], cause: &Cause) -> Option<(&'a Exchange, &'a Reply)> {
    let is_closed = matches!(cause, Cause::Disconnected { .. } | Cause::Closing { .. });
    let said = |exchange: &&'a Exchange| {
        Some((*exchange, exchange.reply.as_ref().filter(|reply| reply.code != 421)?))
    };
    let replied: Vec<_> = answers
        .iter()
        .filter_map(said)
        .filter(|_| is_closed)
        .collect();
    let (last, reply) = *replied.last()?;
    // A login that was rejected for good answers the test, wherever the server hangs up.
    if last.stage == Stage::Auth {
        return (reply.code >= 500).then_some((last, reply));
    }
    let place = replied
        .iter()
        .rposition(|(exchange, _)| exchange.stage == Stage::Rcpt)?;
    let (asked, reply) = *replied.get(place)?;
    let is_again =
        |other: &&&Exchange| other.stage == Stage::Rcpt && line_sent(other) == line_sent(asked);
    // The rejection decides if nothing came after it, or if the same recipient was asked again.
    let is_over = place + 1 == replied.len() || answers.iter().filter(is_again).count() > 1;
    // A server that hangs up for another reason may answer otherwise on the next connection.
    let is_denial =
        matches!(Reason::of(Stage::Rcpt, reply), Reason::RelayDenied | Reason::AuthRequired);
    let is_firm = replied
        .iter()
        .skip(place)
        .all(|(_, reply)| reply.code >= 500);
    (is_over && is_denial && is_firm).then_some((asked, reply))
}

/// That a dialogue came to its end without the replies that would show their order.
fn in_disorder(dialogue: &Dialogue) -> Cause {
    let stage = Stage::Quit;
    match dialogue.reply_at(stage).cloned() {
        Some(reply) => Cause::Violated { stage, violation: Violation::Misplaced { reply } },
        None => Cause::Disconnected { stage, error: None },
    }
}

/// Returns the line that was sent in this exchange.
fn line_sent(exchange: &Exchange) -> Option<&Octets> {
    exchange.sent.as_ref().map(|(_, line)| line)
}

/// Returns why no reply answers the test, as a clause.
fn why_not_asked(answers: &[&Exchange]) -> &'static str {
    let is_unanswered =
        |exchange: &&Exchange| exchange.stage == Stage::Other && exchange.reply.is_none();
    if answers.iter().copied().any(asks_for_text) {
        "the server asked for a text instead"
    } else if answers.iter().any(is_unanswered) {
        "the server left it unanswered"
    } else {
        "the server's answers left nothing to ask"
    }
}

/// True if TLS broke: in the handshake, or right behind it, where a client of TLS 1.3 learns that
/// the server rejected the handshake (RFC 8446 section 4.4.4).
#[must_use]
pub fn is_of_tls(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::TlsFailed { .. } | Cause::Disconnected { stage: Stage::Ehlo, error: Some(_) }
    )
}

/// True if the server answered DATA with 354. After that, everything that the client sends is text
/// of a message, so no other question can be asked.
pub(super) fn asks_for_text(exchange: &Exchange) -> bool {
    exchange.stage == Stage::Data
        && exchange
            .reply
            .as_ref()
            .is_some_and(|reply| reply.code == 354)
}
