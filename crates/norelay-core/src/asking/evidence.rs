//! What the report of a run shows so far, as the questions that the asking puts to it.
//!
//! Rules:
//! - Every function reads the report alone and decides nothing: what an answer means for the next
//!   step stands in the other files.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    catalogue::{RelayTest, TestId, TestRole, by_role},
    check::{self, Outcome, Reason},
    event::Path,
    path::{Endpoint, PathId},
    report::{Dialogue, PathView, Report},
    smtp::{Cause, End, Reply, Security, Stage},
};

use super::sharing::{self, Patience};

/// The tag of the note that a sender was replaced on a path: the template and its replacement.
pub(super) const SUBSTITUTED: &str = "sender_refused";

/// The dialogues of a path, oldest first.
pub(super) fn dialogues(report: &Report, path: PathId) -> impl Iterator<Item = &Dialogue> {
    report.path(path).into_iter().flat_map(PathView::dialogues)
}

/// The latest dialogue of a test on a path, but for connections that ended before the server
/// greeted, where a connection of a lower number may have answered the test meanwhile; and but for
/// those of other tests that it stands behind as a control.
fn latest<'a>(report: &'a Report, path: PathId, test: &RelayTest) -> Option<&'a Dialogue> {
    let view = report.path(path)?;
    let mut own = view
        .dialogues_of(test.id)
        .map(|(_, dialogue)| dialogue)
        .filter(|dialogue| dialogue.closing_control() != Some(test.id));
    own.clone()
        .rfind(|dialogue| was_greeted(dialogue) || dialogue.end.is_none())
        .or_else(|| own.next_back())
}

/// True if the latest dialogue of a test has answered the test, in this process or before the run
/// was stopped.
pub(super) fn is_answered(report: &Report, path: PathId, test: &RelayTest) -> bool {
    latest(report, path, test).is_some_and(|dialogue| answers(dialogue, test.id))
}

/// True if a dialogue has answered a test.
fn answers(dialogue: &Dialogue, test: TestId) -> bool {
    match Outcome::of(dialogue, test) {
        // On a shared connection, the other tests may have been too much for the server.
        Outcome::Refused { reason: Reason::RateLimited, .. } => !dialogue.is_shared(),
        outcome => outcome.is_answered(),
    }
}

/// True if an open connection asks a test.
pub(super) fn is_asked(
    report: &Report,
    path: PathId,
    test: &RelayTest,
    is_open: impl Fn(u32) -> bool,
) -> bool {
    let Some(view) = report.path(path) else { return false };
    view.dialogues_of(test.id)
        .any(|(number, _)| is_open(number))
}

/// How many tests have been answered on a path, controls among them.
pub(super) fn answered_tests(report: &Report, path: PathId) -> u32 {
    let asked: BTreeSet<_> = dialogues(report, path)
        .flat_map(|dialogue| dialogue.tests.iter().copied())
        .collect();
    let tests = asked.into_iter().filter_map(TestId::test);
    let answered = tests.filter(|test| is_answered(report, path, test));
    u32::try_from(answered.count()).unwrap_or(u32::MAX)
}

/// Returns the outcome of a test in one dialogue.
pub(super) fn outcome(report: &Report, dialogue: u32, test: &RelayTest) -> Outcome {
    match report.dialogues.get(&dialogue) {
        Some(dialogue) => Outcome::of(dialogue, test.id),
        None => Outcome::Interrupted { cause: Cause::Stopped },
    }
}

/// Returns the dialogues in which a test logs in as this user on a path, latest first. Without a
/// user, returns those of a test that is for no user.
fn logins<'a>(
    report: &'a Report,
    path: PathId,
    test: &RelayTest,
    login: Option<&'a str>,
) -> impl Iterator<Item = &'a Dialogue> + use<'a> {
    let all = report
        .path(path)
        .map(|path| path.dialogues_of(test.id).rev());
    all.into_iter()
        .flatten()
        .map(|(_, dialogue)| dialogue)
        .filter(move |dialogue| dialogue.login.as_deref() == login && !dialogue.proof)
}

/// Returns the latest outcome of a test that logs in as this user on a path.
pub(super) fn outcome_of_login(
    report: &Report,
    path: PathId,
    test: &RelayTest,
    login: Option<&str>,
) -> Option<Outcome> {
    let latest = logins(report, path, test, login).next()?;
    Some(Outcome::of(latest, test.id))
}

/// Returns how long the server took for its latest reply to AUTH in a test that logs in as this
/// user.
pub(super) fn login_delay(
    report: &Report,
    path: PathId,
    test: &RelayTest,
    login: Option<&str>,
) -> Option<Duration> {
    let latest = logins(report, path, test, login).next()?;
    let mut replies = latest.exchanges.iter().rev();
    replies.find_map(|exchange| {
        let sent = exchange
            .sent
            .as_ref()
            .filter(|_| exchange.stage == Stage::Auth)?
            .0;
        Some(Duration::from_millis(exchange.replied_ms?.saturating_sub(sent)))
    })
}

/// Returns the user whose login with a made-up password was accepted, if the test is for users.
pub(super) fn accepted_login(report: &Report, path: PathId, test: &RelayTest) -> Option<String> {
    let mut dialogues = report.path(path)?.dialogues_of(test.id).rev();
    dialogues.find_map(|(_, dialogue)| {
        let login = dialogue.login.clone()?;
        let is_accepted = matches!(Outcome::of(dialogue, test.id), Outcome::Accepted { .. });
        is_accepted.then_some(login)
    })
}

/// True if the server has rejected a login on this path for want of TLS. It would reject the others
/// alike.
pub(super) fn wants_tls_for_logins(report: &Report, path: PathId) -> bool {
    dialogues(report, path).any(|dialogue| {
        let rejection = dialogue.exchanges.iter().find(|exchange| {
            exchange.stage == Stage::Auth
                && exchange
                    .reply
                    .as_ref()
                    .is_some_and(|reply| Reason::of(Stage::Auth, reply) == Reason::TlsRequired)
        });
        rejection.is_some()
    })
}

/// True if a dialogue of a test has ended because the server does not offer what the test needs.
pub(super) fn was_not_offered(report: &Report, path: PathId, test: &RelayTest) -> bool {
    let Some(view) = report.path(path) else { return false };
    view.dialogues_of(test.id)
        .any(|(_, dialogue)| matches!(dialogue.end, Some(End::NotOffered(_))))
}

/// Where and why the plain test was rejected. Its sender is at the probe domain.
pub(super) type PlainRefusal = Option<(Stage, Reason)>;

/// Returns where and why the latest dialogue of the plain test was rejected.
pub(super) fn plain_refusal(report: &Report, path: PathId) -> PlainRefusal {
    let plain = by_role(TestRole::Plain);
    let dialogue = latest(report, path, plain)?;
    match Outcome::of(dialogue, plain.id) {
        Outcome::Refused { stage, reason, .. } => Some((stage, reason)),
        _ => None,
    }
}

/// True if a greeting at this endpoint names a server that counts connections and accepts any
/// number of questions on each.
pub(super) fn counts_connections(report: &Report, endpoint: Endpoint) -> bool {
    greetings(report, endpoint).any(|greeting| Patience::of(greeting) == Some(Patience::Endless))
}

/// True if a greeting at this endpoint names a server without a limit of connections from one
/// client, no greeting came late, and no connection was rejected. A server that greets one client
/// after another would keep the last of many waiting for too long, and one with a limit would
/// reject them.
pub(super) fn accepts_many_connections(report: &Report, endpoint: Endpoint) -> bool {
    let is_rejected = |dialogue: &Dialogue| {
        let at_greeting = Stage::Greeting;
        matches!(
            &dialogue.end,
            Some(End::Interrupted(Cause::Closing { stage, .. })) if *stage == at_greeting
        )
    };
    greetings(report, endpoint).any(sharing::accepts_many_connections)
        // Another address of the same server has the same limit.
        && !report.dialogues.values().any(is_rejected)
        && !dialogues_at(report, endpoint)
            .any(|dialogue| dialogue.greeting_delay_ms() > MAX_ADDED_DELAY_MS)
}

fn greetings(report: &Report, endpoint: Endpoint) -> impl Iterator<Item = &Reply> {
    dialogues_at(report, endpoint).filter_map(|dialogue| dialogue.reply_at(Stage::Greeting))
}

fn dialogues_at(report: &Report, endpoint: Endpoint) -> impl Iterator<Item = &Dialogue> {
    let paths = report
        .paths()
        .filter(move |path| path.endpoint() == endpoint);
    paths.flat_map(PathView::dialogues)
}

/// A server that answers a rejection this much later than the introduction slows us down. On one
/// connection, such delays would add up.
const MAX_ADDED_DELAY_MS: u64 = 900;
/// After so many connections that a server has rejected, it counts them.
const REJECTED_CONNECTIONS: usize = 2;

/// True if the server has accepted mail for postmaster on this path: a control for connections that
/// several tests share.
pub(super) fn accepts_postmaster(report: &Report, path: PathId) -> bool {
    let control = by_role(TestRole::Postmaster);
    let mut asked = dialogues(report, path).filter(|dialogue| dialogue.is_for(control.id));
    asked.any(|dialogue| {
        matches!(Outcome::of(dialogue, control.id), Outcome::Accepted { stage: Stage::Rcpt, .. })
    })
}

/// True if a connection that several tests shared did not end as it should: the server closed it,
/// slowed down, or rejected the control behind them.
pub(super) fn has_failed_to_share(report: &Report, path: PathId) -> bool {
    let has_failed = |dialogue: &Dialogue| {
        let is_rejected = dialogue.closing_control().is_some_and(|control| {
            !matches!(Outcome::of(dialogue, control), Outcome::Accepted { stage: Stage::Rcpt, .. })
        });
        !dialogue.is_in_order() || is_rejected || dialogue.added_delay_ms() > MAX_ADDED_DELAY_MS
    };
    let mut ended = dialogues(report, path).filter(|dialogue| {
        is_for_several(dialogue) && dialogue.end.is_some() && was_greeted(dialogue)
    });
    ended.any(has_failed)
}

/// True if the server offers PIPELINING on this path.
pub(super) fn offers_pipelining(report: &Report, path: PathId) -> bool {
    report
        .path(path)
        .is_some_and(|path| path.offers("PIPELINING"))
}

/// True if the server has answered a test on this path, gave one reply to each command, has slowed
/// down nothing so far, and is not known to close connections after few errors.
pub(super) fn answers_promptly(report: &Report, path: PathId) -> bool {
    let control = by_role(TestRole::Postmaster).id;
    let has_answered = |dialogue: &Dialogue| {
        let mut tests = dialogue.tests.iter().filter(|test| **test != control);
        dialogue.is_in_order() && tests.any(|test| is_answer(&Outcome::of(dialogue, *test)))
    };
    let is_slow = |dialogue: &Dialogue| dialogue.added_delay_ms() > MAX_ADDED_DELAY_MS;
    let is_in_disorder = |dialogue: &Dialogue| {
        matches!(dialogue.end, Some(End::Interrupted(Cause::Violated { .. })))
    };
    let is_impatient = |dialogue: &Dialogue| {
        let greeting = dialogue.reply_at(Stage::Greeting);
        greeting.is_some_and(sharing::closes_after_few_errors)
    };
    let is_bad = |dialogue: &Dialogue| {
        is_slow(dialogue) || is_in_disorder(dialogue) || is_impatient(dialogue)
    };
    dialogues(report, path).any(has_answered)
        && !has_unanswered_envelope(report, path)
        && !dialogues(report, path).any(is_bad)
}

/// True for an answer to MAIL or RCPT.
fn is_answer(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Accepted { stage: Stage::Rcpt, .. }
            | Outcome::Refused { stage: Stage::Mail | Stage::Rcpt, .. }
    )
}

/// True if the server rejects connections of ours that worked before: by their number, or by their
/// number in some time.
pub(super) fn rejects_connections(report: &Report, path: PathId) -> bool {
    let is_rejected = |dialogue: &&Dialogue| {
        matches!(
            dialogue.end,
            Some(End::Interrupted(
                Cause::ConnectFailed { .. }
                    | Cause::Closing { stage: Stage::Greeting, .. }
                    | Cause::Disconnected { stage: Stage::Greeting, .. }
            ))
        )
    };
    dialogues(report, path).filter(is_rejected).count() >= REJECTED_CONNECTIONS
}

/// True if a connection of this path asks more tests than it was opened for.
pub(super) fn has_shared(report: &Report, path: PathId) -> bool {
    dialogues(report, path).any(Dialogue::is_shared)
}

/// True if the latest dialogue of a test was shared with other tests.
pub(super) fn was_shared(report: &Report, path: PathId, test: &RelayTest) -> bool {
    latest(report, path, test).is_some_and(|dialogue| dialogue.is_shared())
}

/// True if a test was asked on a connection that it shared with others.
pub(super) fn was_asked_with_others(report: &Report, path: PathId, test: &RelayTest) -> bool {
    let Some(view) = report.path(path) else { return false };
    view.dialogues_of(test.id)
        .any(|(_, dialogue)| is_for_several(dialogue) && was_greeted(dialogue))
}

/// True if several tests share the connection, each with a question of its own: not those of one
/// login.
fn is_for_several(dialogue: &Dialogue) -> bool {
    let mut tests = dialogue.tests.iter().filter_map(|test| test.test());
    dialogue.is_shared() && !dialogue.proof && tests.all(|test| test.login().is_none())
}

fn was_greeted(dialogue: &Dialogue) -> bool {
    let greeting = dialogue.reply_at(Stage::Greeting);
    greeting.is_some_and(|greeting| greeting.code == 220)
}

/// True if a MAIL or RCPT on this path never got its reply.
pub(super) fn has_unanswered_envelope(report: &Report, path: PathId) -> bool {
    dialogues(report, path).any(|dialogue| {
        matches!(
            dialogue.end,
            Some(End::Interrupted(Cause::TimedOut { stage: Stage::Mail | Stage::Rcpt }))
        )
    })
}

/// True if the test came first on a shared connection that the server closed before the test's
/// answer. Asked first again, the test would keep the tests behind it from their answers.
pub(super) fn was_first_when_closed(report: &Report, path: PathId, test: &RelayTest) -> bool {
    let Some(view) = report.path(path) else { return false };
    view.dialogues_of(test.id).any(|(_, dialogue)| {
        let is_closed = matches!(
            dialogue.end,
            Some(End::Interrupted(Cause::Closing { .. } | Cause::Disconnected { .. }))
        );
        let is_first = dialogue.is_shared() && dialogue.tests.first() == Some(&test.id);
        is_first
            && is_closed
            && was_greeted(dialogue)
            && !Outcome::of(dialogue, test.id).is_answered()
    })
}

/// True if the server has offered what a test needs on this path, or the test needs nothing.
pub(super) fn is_known_offered(report: &Report, path: PathId, test: &RelayTest) -> bool {
    let Some(path) = report.path(path) else { return true };
    test.requirement(path.destination().security)
        .is_none_or(|keyword| path.offers(keyword))
}

/// Returns the keyword that a test needs and that the server has never offered on this path.
pub(super) fn missing_offer(
    report: &Report,
    path: PathId,
    test: &RelayTest,
) -> Option<&'static str> {
    let path = report.path(path)?;
    test.requirement(path.destination().security)
        .filter(|keyword| path.never_offers(keyword))
}

/// True if a template of a reverse-path was replaced on this path, as a note of the run says.
pub(super) fn is_substituted(report: &Report, path: PathId, reverse_path: &str) -> bool {
    report.notes.iter().any(|note| {
        note.tag == SUBSTITUTED
            && note.path == Some(path)
            && note
                .arguments
                .first()
                .is_some_and(|sender| sender.as_bytes() == reverse_path.as_bytes())
    })
}

/// Returns the words of the failure, if the TLS handshake of a dialogue failed.
pub(super) fn tls_failure(report: &Report, dialogue: u32) -> Option<&str> {
    match report.dialogues.get(&dialogue)?.end.as_ref()? {
        End::Interrupted(Cause::TlsFailed { error }) => Some(error),
        _ => None,
    }
}

/// True if connections to this path succeed and no server has greeted on any of them: a port for a
/// load balancer waits for a PROXY header, or hangs up.
pub(super) fn connects_without_greeting(report: &Report, path: PathId) -> bool {
    let connects = dialogues(report, path).any(|dialogue| dialogue.local.is_some());
    let greets = dialogues(report, path).any(|dialogue| {
        dialogue
            .reply_at(Stage::Greeting)
            .is_some_and(|greeting| greeting.code == 220)
    });
    connects && !greets
}

/// Returns why the port was given up on some path to the same endpoint, if nothing listens there.
pub(super) fn closed_port(report: &Report, path: PathId) -> Option<Cause> {
    let own = report.path(path)?.endpoint();
    let paths = report.paths().filter(|path| path.endpoint() == own);
    let mut causes = paths.filter_map(|path| path.facts.given_up.as_ref());
    causes
        .find(|cause| matches!(cause, Cause::ConnectFailed { .. }))
        .cloned()
}

/// Returns the keyword that the path needs and the server does not offer.
pub(super) fn not_offered(report: &Report, path: PathId) -> Option<&'static str> {
    report.path(path).and_then(check::not_offered)
}

/// True if a server answers on the path, and offers the path (as STARTTLS).
pub(super) fn has_spoken(report: &Report, path: PathId) -> bool {
    let judgement = check::judge(report);
    let judged = judgement.path(path);
    judged.is_some_and(|judged| judged.verdict != check::Verdict::Unreachable)
}

/// Returns what a test contributes to a path's verdict; `None` for a control.
pub(super) fn weight(
    judgement: &check::Judgement,
    path: PathId,
    test: &RelayTest,
) -> Option<check::Weight> {
    judgement
        .path(path)?
        .find(test.id)
        .filter(|judged| judged.test.is_scored())
        .map(|judged| judged.weight)
}

/// Returns the numbers of the tests that were rejected at the same endpoint in the clear for want
/// of TLS. Such a rejection is no answer for a path under TLS.
pub(super) fn wanting_tls(
    report: &Report,
    judgement: &check::Judgement,
    destination: &Path,
) -> Vec<u8> {
    if destination.security == Security::Plain {
        return Vec::new();
    }
    let is_clear_twin = |other: &Path| {
        other.security == Security::Plain && other.endpoint() == destination.endpoint()
    };
    let mut numbers = Vec::new();
    for (path, judged) in report.paths().zip(&judgement.paths) {
        if is_clear_twin(path.destination()) {
            let wanting = judged.tests.iter().filter(|judged| {
                matches!(judged.outcome, Outcome::Refused { reason: Reason::TlsRequired, .. })
            });
            numbers.extend(wanting.map(|judged| judged.test.number));
        }
    }
    numbers
}

/// True if another shared connection of the same path asks all these tests, or has answered them. A
/// dialogue without an end asks only if the connection `is_open`: the log of a run that was stopped
/// has dialogues that never ended.
pub(super) fn is_asked_by_others(
    report: &Report,
    dialogue: u32,
    path: PathId,
    tests: &[&RelayTest],
    is_open: impl Fn(u32) -> bool,
) -> bool {
    report.dialogues.iter().any(|(number, other)| {
        *number != dialogue
            && other.path == path
            && other.is_shared()
            && tests
                .iter()
                .all(|test| other.is_for(test.id) && (is_open(*number) || answers(other, test.id)))
    })
}

/// True if a path of a report is asked in another protocol than SMTP.
pub(super) fn is_of_other_protocol(tests: &[TestId]) -> bool {
    tests
        .iter()
        .any(|id| id.test().is_some_and(|test| test.protocol().is_some()))
}
