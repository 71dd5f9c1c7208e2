//! How a server rejects relaying: the techniques that its rejections show, with a warning for each
//! that spammers get around.

use serde::Serialize;

use super::{View, views};
use crate::{
    check::{Judgement, Outcome, Reason, TestJudgement},
    path::PathId,
    report::Report,
    smtp::Stage,
};

/// How a server rejects relaying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Technique {
    /// The technique's name; stable.
    pub technique: &'static str,
    /// The paths that show the technique.
    pub paths: Vec<PathId>,
    /// The numbers of the tests that were answered by it.
    pub tests: Vec<u8>,
    /// What the server does, a sentence.
    pub text: &'static str,
    /// Why the technique does not protect by itself; `None` if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<&'static str>,
}

/// A technique that the table knows, and the rejections that show it.
struct KnownTechnique {
    technique: &'static str,
    text: &'static str,
    warning: Option<&'static str>,
    shows: fn(Stage, Reason, u16) -> bool,
}

fn is_after_recipients(stage: Stage) -> bool {
    matches!(stage, Stage::Data | Stage::EndOfData)
}

fn denies(reason: Reason) -> bool {
    matches!(reason, Reason::RelayDenied | Reason::AuthRequired)
}

/// Every technique, the best first.
#[rustfmt::skip]
static TECHNIQUES: &[KnownTechnique] = &[
    KnownTechnique {
        technique: "relay_check",
        text: "It refuses recipients elsewhere as relaying.",
        warning: None,
        shows: |stage, reason, code| reason == Reason::RelayDenied && !is_after_recipients(stage) && code >= 500,
    },
    KnownTechnique {
        technique: "relay_check_temporary",
        text: "It refuses relaying with a temporary code.",
        warning: Some("The refusal holds, but servers that keep to the protocol come back for \
                       days: a 5yz would end it."),
        shows: |stage, reason, code| denies(reason) && !is_after_recipients(stage) && code < 500,
    },
    KnownTechnique {
        technique: "authentication",
        text: "It asks for authentication before it relays.",
        warning: None,
        shows: |stage, reason, code| reason == Reason::AuthRequired && !is_after_recipients(stage) && code >= 500,
    },
    KnownTechnique {
        technique: "late_relay_check",
        text: "It accepts the recipient and refuses relaying after DATA or after the message.",
        warning: Some("Whoever asks at RCPT only, as most testers do, takes it for open. Refusing \
                       at RCPT costs less, and shows in the protocol which recipient was refused."),
        shows: |stage, reason, _| denies(reason) && is_after_recipients(stage),
    },
    KnownTechnique {
        technique: "unknown_user",
        text: "It takes recipients elsewhere for users of its own whom it doesn't have.",
        warning: None,
        shows: |_, reason, _| reason == Reason::UnknownUser,
    },
    KnownTechnique {
        technique: "address_syntax",
        text: "It refuses odd addresses for their form.",
        warning: None,
        shows: |stage, reason, _| reason == Reason::Syntax && stage == Stage::Rcpt,
    },
    KnownTechnique {
        technique: "sender_check",
        text: "It refuses because of the sender.",
        warning: Some("A check of senders is no check of relaying: spammers name a sender that \
                       passes. It must refuse recipients elsewhere whoever the sender is."),
        shows: |_, reason, _| reason == Reason::SenderDomain,
    },
    KnownTechnique {
        technique: "reputation",
        text: "It refuses because of our address or name.",
        warning: Some("A blacklist, a check of reverse DNS or of the HELO name keeps out some \
                       strangers, not all: it says nothing about whether the others may relay."),
        shows: |_, reason, _| reason == Reason::Reputation,
    },
    KnownTechnique {
        technique: "greylisting",
        text: "It sends strangers away and takes them when they come back.",
        warning: Some("Greylisting only delays: spammers come back too. It says nothing about \
                       relaying."),
        shows: |_, reason, _| reason == Reason::Greylisted,
    },
    KnownTechnique {
        technique: "rate_limit",
        text: "It limits how much a client may ask.",
        warning: Some("A limit slows abuse down and doesn't prevent it: it says nothing about \
                       relaying."),
        shows: |_, reason, _| reason == Reason::RateLimited,
    },
    KnownTechnique {
        technique: "tls_required",
        text: "It asks for TLS first.",
        warning: Some("TLS tells who the server is, not who the client is: what counts is the \
                       answer under TLS."),
        shows: |_, reason, _| reason == Reason::TlsRequired,
    },
    KnownTechnique {
        technique: "recipient_lookup",
        text: "It refuses because of the recipient's domain.",
        warning: Some("Whoever looks a foreign domain up before he refuses relaying may mean to \
                       deliver to it."),
        shows: |_, reason, _| reason == Reason::RecipientDomain,
    },
    KnownTechnique {
        technique: "unexplained",
        text: "It refuses without saying why.",
        warning: None,
        shows: |_, reason, _| matches!(reason, Reason::Policy | Reason::Unclassified),
    },
];

/// Returns the techniques that a run's rejections show, the best first.
#[must_use]
pub fn techniques(report: &Report, judgement: &Judgement) -> Vec<Technique> {
    TECHNIQUES
        .iter()
        .filter_map(|kind| shown(kind, report, judgement))
        .collect()
}

fn shown(kind: &KnownTechnique, report: &Report, judgement: &Judgement) -> Option<Technique> {
    let (mut paths, mut tests) = (Vec::new(), Vec::new());
    for view in views(report, judgement) {
        let answered = tests_of(view, kind);
        if !answered.is_empty() {
            paths.push(view.path.id);
            tests.extend(answered);
        }
    }
    tests.sort_unstable();
    tests.dedup();
    let technique = Technique {
        technique: kind.technique,
        paths,
        tests,
        text: kind.text,
        warning: kind.warning,
    };
    (!technique.tests.is_empty()).then_some(technique)
}

fn tests_of(view: View<'_>, kind: &KnownTechnique) -> Vec<u8> {
    let refused = view.judged.tests.iter().filter(|judged| {
        refusal(judged).is_some_and(|(stage, reason, code)| (kind.shows)(stage, reason, code))
    });
    refused.map(|judged| judged.test.number).collect()
}

fn refusal(judged: &TestJudgement) -> Option<(Stage, Reason, u16)> {
    match &judged.outcome {
        Outcome::Refused { stage, reason, reply } | Outcome::Deferred { stage, reason, reply } => {
            Some((*stage, *reason, reply.code))
        }
        _ => None,
    }
}
