//! What to do next, in one to three steps, where a verdict leaves something to be done.
//!
//! Rules:
//! - Steps follow from the verdict and from the reasons in the report, never from a server's
//!   self-description.
//! - A closed server needs no advice; an open one has its remedies.

use crate::{
    catalogue::{RelayTest, TestId},
    check::{Judgement, Outcome, Reason, TestJudgement, Verdict, Weight, receiver},
    report::{Dialogue, Report},
    smtp::{Cause, End, Reply, Stage},
};

/// At most so many steps are shown: a longer list is not read.
const MAX_STEPS: usize = 3;
/// In milliseconds. A server that hangs up later than this without a greeting was waiting for
/// something from the client.
const SILENCE_MS: u64 = 1000;
/// The option that gives a mail domain of the server.
const GIVE_DOMAIN: &str = "--local-domain DOMAIN";

/// One step of advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdviceStep {
    /// What to do.
    pub what: &'static str,
    /// Why, and how.
    pub how: &'static str,
    /// What else to say if the report is a page that is kept up to date.
    pub on_page: &'static str,
    /// The options of `norelay test` that do this; empty if no option does.
    pub options: &'static str,
}

const fn step(what: &'static str, how: &'static str) -> AdviceStep {
    AdviceStep { what, how, on_page: "", options: "" }
}

impl AdviceStep {
    const fn with(self, options: &'static str) -> Self {
        Self { options, ..self }
    }

    const fn on_page(self, on_page: &'static str) -> Self {
        Self { on_page, ..self }
    }
}

/// Returns the steps, the most urgent first.
#[must_use]
pub fn steps(report: &Report, judgement: &Judgement) -> Vec<AdviceStep> {
    let mut steps = match judgement.verdict {
        Verdict::Suspect => suspect(report),
        Verdict::Inconclusive => inconclusive(report, judgement),
        Verdict::Unreachable => unreachable(),
        Verdict::OpenRelay | Verdict::Closed => return Vec::new(),
    };
    if may_want_header(report) {
        steps.insert(0, HEADER);
        steps.truncate(MAX_STEPS);
    }
    steps
}

const HEADER: AdviceStep = step(
    "Ask with the header of a proxy.",
    "It takes connections and greets nobody: a port that is meant for a proxy waits so for its \
     PROXY header, and may \
     believe whoever sends one. The thorough profile sends one.",
)
.with("--profile thorough");

/// True if every connection to some path shows that the server misses a proxy's header, and no test
/// has sent one yet. Without the header, Postfix and Haraka are silent until a time-out and then
/// answer 421, and Exim rejects EHLO.
fn may_want_header(report: &Report) -> bool {
    let sends_header = |id: &TestId| id.test().is_some_and(RelayTest::begins_with_header);
    let is_asked = report
        .dialogues
        .values()
        .flat_map(|dialogue| &dialogue.tests)
        .any(sends_header);
    !is_asked
        && report.paths().any(|path| {
            let mut dialogues = path.dialogues().peekable();
            dialogues.peek().is_some() && dialogues.all(misses_header)
        })
}

/// True if the server on this connection waited for a proxy's header: it says so, or it accepted
/// the connection and never greeted.
fn misses_header(dialogue: &Dialogue) -> bool {
    let says_so = |reply: &Reply| reply.is_negative() && reply.text().contains("Proxy negotiation");
    if dialogue
        .exchanges
        .iter()
        .filter_map(|exchange| exchange.reply.as_ref())
        .any(says_so)
    {
        return true;
    }
    let is_at_the_greeting = match &dialogue.end {
        Some(End::Interrupted(Cause::TimedOut { stage })) => *stage == Stage::Greeting,
        Some(End::Interrupted(
            Cause::Closing { stage, .. } | Cause::Disconnected { stage, .. },
        )) => *stage == Stage::Greeting && dialogue.elapsed_ms >= SILENCE_MS,
        _ => false,
    };
    // Without a connection there was nothing to wait for.
    is_at_the_greeting && dialogue.local.is_some()
}

const REPAIR_RECEIVER: AdviceStep = step(
    "Repair the way to the receiver, then test again.",
    "Mail to the probe domain must reach the receiver, or no message can come back. The findings \
     say what to correct.",
);

fn suspect(report: &Report) -> Vec<AdviceStep> {
    let is_receiving = report.run.as_ref().is_some_and(|run| run.receiving);
    let is_sent = report
        .dialogues
        .values()
        .any(|dialogue| dialogue.proof && dialogue.has_delivered());
    let works = receiver::check(report).is_some_and(|check| check.works);
    let proof = match is_receiving {
        true if !works => Some(REPAIR_RECEIVER),
        true if !is_sent => None,
        true => step("Give it time.", "A queue may hold a message for hours.")
            .with("--wait 2h")
            .on_page("If it arrives, this page says so; nothing else needs doing.")
            .into(),
        false => step(
            "Test with a receiver.",
            "Give norelay a domain whose mail it receives. Then it sends a message through the \
             tests that were accepted, \
             and only one that comes back is called relaying.",
        )
        .with("--domain DOMAIN --receive ADDRESS:25")
        .into(),
    };
    let log = step(
        "Look in the server's log for the recipients that were accepted.",
        "The transcripts show them, with times. If the log shows them queued for another server, \
         it relays; if it shows \
         them delivered locally, bounced or discarded, it doesn't.",
    );
    // If no message was accepted, waiting longer cannot help.
    [log].into_iter().chain(proof).collect()
}

fn inconclusive(report: &Report, judgement: &Judgement) -> Vec<AdviceStep> {
    let run = report.run.as_ref();
    let knows_domain = run.is_some_and(|run| run.local_domain.is_some());
    let tests = judgement.paths.iter().flat_map(|path| &path.tests);
    let mut steps = Vec::new();
    for judged in tests.filter(|judged: &&TestJudgement| judged.weight == Weight::Unknown) {
        let next = match after(&judged.outcome) {
            // What the user has given need not be asked for.
            step if knows_domain && step.options == GIVE_DOMAIN => READ,
            step => step,
        };
        if !steps.contains(&next) {
            steps.push(next);
        }
    }
    steps.truncate(MAX_STEPS);
    steps
}

fn after(outcome: &Outcome) -> AdviceStep {
    match outcome {
        Outcome::Deferred { reply, .. } if is_own_fault(reply) => step(
            "Mend the server first, then test again.",
            "It puts us off because of a fault of its own, as it says: a policy service, a filter \
             or a table that doesn't \
             answer. Its log says which. Until then nobody can tell what it would do.",
        ),
        Outcome::Refused { reason, .. } | Outcome::Deferred { reason, .. } => after_reason(*reason),
        Outcome::Interrupted { cause: Cause::Blocked { .. } } => step(
            "Let our address through for the time of the test, or test more slowly.",
            "The server stopped taking our connections in the middle: it limits how much one \
             client may ask, or a log \
             watcher such as fail2ban has banned it after a few refusals.",
        )
        .with("--slow")
        .on_page("The addresses that tests come from are on the front page."),
        Outcome::Interrupted { cause: Cause::TlsFailed { .. } } => step(
            "Repair TLS at this port, then test again.",
            "The TLS handshake failed, so nothing could be asked. The reason stands beside the test, \
             and in the server's log.",
        ),
        Outcome::Interrupted { cause: Cause::ConnectFailed { .. } } => step(
            "Open the port for the test, or leave it out.",
            "The port did not accept our connections. If no client is meant to use it, test the \
             other ports alone.",
        )
        .with("--port PORT"),
        Outcome::Interrupted { .. } => step(
            "Test again.",
            "The server hung up or fell silent before it answered. If it happens each time, its \
             log says why: a limit \
             on errors, connections or speed.",
        ),
        Outcome::NotRun { .. } => step(
            "Test again with more knowledge.",
            "Some tests need a name that wasn't known, such as a mail domain that the server \
             hosts. Give the domain \
             or a mail address instead of the bare address.",
        )
        .with(GIVE_DOMAIN),
        Outcome::Relayed { .. } | Outcome::Accepted { .. } => READ,
    }
}

/// True for X.3.0 and X.3.5 (RFC 3463 section 3.4): the mail system itself has a fault, such as a
/// wrong configuration.
fn is_own_fault(reply: &Reply) -> bool {
    reply
        .enhanced()
        .is_some_and(|code| code.subject == 3 && matches!(code.detail, 0 | 5))
}

const READ: AdviceStep = step("Read the transcripts.", "They say what happened.").with("--verbose");

fn after_reason(reason: Reason) -> AdviceStep {
    match reason {
        Reason::Reputation => step(
            "Test from another address, or let ours through.",
            "The server refused us because of our address, not because we asked it to relay. A \
             stranger with a clean \
             address might fare differently.",
        ),
        Reason::Greylisted => step(
            "Test again in a quarter of an hour.",
            "The server greylists: it answers strangers only when they come back.",
        )
        .with("--wait 30m"),
        Reason::RateLimited => step(
            "Test again later, or more slowly.",
            "The server limits how often it may be \
                                                       asked.",
        )
        .with("--slow"),
        Reason::TlsRequired => step(
            "Test the path with TLS.",
            "The server answers only after \
                                             STARTTLS.",
        )
        .with("--profile standard"),
        Reason::SenderDomain | Reason::RecipientDomain => step(
            "Test with a probe domain that resolves.",
            "The server disliked the domain of our probe addresses before it came to the question \
             of relaying.",
        )
        .with("--domain DOMAIN"),
        Reason::UnknownUser | Reason::Policy | Reason::Unclassified | Reason::Syntax => step(
            "Give a mail domain that the server hosts.",
            "The refusals don't speak of relaying. If the server accepts postmaster of its own \
             domain from us, the \
             comparison tells that the others were refused for relaying.",
        )
        .with(GIVE_DOMAIN),
        Reason::RelayDenied | Reason::AuthRequired => READ,
    }
}

fn unreachable() -> Vec<AdviceStep> {
    vec![
        step(
            "Check the name, the address and the port.",
            "Mail from outside comes to port 25 of the domain's mail exchangers.",
        )
        .with("--port PORT"),
        step(
            "Check the way to it.",
            "A firewall in front of the server, or one on our side: many networks let nobody \
             connect to port 25 \
             elsewhere.",
        )
        .on_page("The address that tests come from is on the front page."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_that_says_nothing_has_a_step_of_its_own() {
        let blocked = Outcome::Interrupted { cause: Cause::Blocked { answered: 9 } };
        assert_eq!(after(&blocked).options, "--slow");
        let words = Outcome::NotRun {
            why: "nothing is known that could stand for {local_domain}".to_owned(),
        };
        assert_eq!(after(&words).options, "--local-domain DOMAIN");
    }

    #[test]
    fn a_server_that_is_broken_is_mended_first() {
        let deferred = |text: &str| {
            let reply = Reply { code: 451, lines: vec![text.into()] };
            after(&Outcome::Deferred { stage: Stage::Rcpt, reason: Reason::Unclassified, reply })
                .what
        };
        for text in [
            "4.3.5 <u@x.example>: Recipient address rejected: Server configuration problem",
            "4.3.0 Temporary lookup failure",
        ] {
            assert!(deferred(text).starts_with("Mend the server"), "{text}");
        }
        assert!(!deferred("4.7.1 no").starts_with("Mend the server"));
    }
}
