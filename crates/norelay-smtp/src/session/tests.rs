use proptest::prelude::*;

use super::*;
use crate::command::{Hello, Purpose, Security};

fn plain() -> Transaction {
    let steps = vec![
        Step::mail(&"<a@probe.example>".into()),
        Step::rcpt(Purpose::Question, &"<b@probe.example>".into()),
    ];
    Transaction {
        preface: Octets::default(),
        hello: Hello::Ehlo("probe.example".to_owned()),
        security: Security::Plain,
        steps,
        message: None,
        pipelining: true,
        awaits_quit_reply: false,
        chunking: false,
        injects: false,
        ambiguous: false,
    }
}

fn drain(session: &mut Session, seen: &mut Vec<String>) {
    while let Some(event) = session.poll_event() {
        seen.push(match event {
            SessionEvent::Sent { line, .. } => format!("C: {line}"),
            SessionEvent::Replied { reply, .. } => format!("S: {reply}"),
            SessionEvent::Secure => "secure".to_owned(),
            SessionEvent::Ended(End::Interrupted(cause)) => format!("! {cause}"),
            SessionEvent::Ended(end) => format!("{end:?}"),
        });
    }
}

/// Runs a dialogue: each portion of input comes after everything that was to be sent has been.
fn run(transaction: Transaction, input: &[&str], seen: &mut Vec<String>) -> Session {
    let mut session = Session::new(transaction, Duration::from_secs(60));
    session.start(Duration::ZERO);
    for portion in input {
        let _ = session.poll_transmit();
        session.handle_input(Duration::ZERO, portion.as_bytes());
        drain(&mut session, seen);
    }
    session
}

fn check(transaction: Transaction, input: &[&str], expected: &[&str]) {
    let mut seen = Vec::new();
    run(transaction, input, &mut seen);
    assert_eq!(seen, expected);
}

const OFFERS: &str = "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n";

#[test]
fn mail_and_rcpt_travel_together_where_pipelining_is_offered() {
    check(
        plain(),
        &["220 mx\r\n", OFFERS, "250 ok\r\n454 4.7.1 Relay access denied\r\n"],
        &[
            "S: 220 mx",
            "C: EHLO probe.example",
            "S: 250 mx / PIPELINING / STARTTLS",
            "C: MAIL FROM:<a@probe.example>",
            "C: RCPT TO:<b@probe.example>",
            "S: 250 ok",
            "S: 454 4.7.1 Relay access denied",
            "C: QUIT",
            "Answered",
        ],
    );
}

#[test]
fn tests_that_share_a_connection_travel_together_where_pipelining_is_offered() {
    let one = [
        Step::mail(&"<a@probe.example>".into()),
        Step::rcpt(Purpose::Question, &"<b@probe.example>".into()),
    ];
    let again = [Step::new(Stage::Rset, Purpose::Attempt, "RSET")];
    let steps = one.iter().chain(&again).chain(&one).cloned();
    let steps = steps
        .map(|step| Step { purpose: Purpose::Attempt, ..step })
        .collect();
    let mut seen = Vec::new();
    let shared = Transaction { steps, awaits_quit_reply: true, ..plain() };
    let answers = "250 ok\r\n550 no\r\n250 ok\r\n501 no\r\n503 no\r\n221 bye\r\n";
    run(shared, &["220 mx\r\n", OFFERS, answers], &mut seen);
    let said: String = seen
        .iter()
        .map(|line| line.chars().take(4).collect::<String>() + "|")
        .collect();
    assert_eq!(
        said,
        "S: 2|C: E|S: 2|C: M|C: R|C: R|C: M|C: R|C: Q|S: 2|S: 5|S: 2|S: 5|S: 5|S: 2|Answ|"
    );
}

/// A recipient is left out after the refused MAIL of its own transaction, and of no other.
#[test]
fn tests_that_share_a_connection_in_lock_step_are_each_asked() {
    let step = |stage, purpose, line: &str| Step::new(stage, purpose, line);
    let rcpt = || step(Stage::Rcpt, Purpose::Attempt, "RCPT TO:<b@probe.example>");
    let rset = || step(Stage::Rset, Purpose::Attempt, "RSET");
    let mail = step(Stage::Mail, Purpose::Attempt, "MAIL FROM:<a>");
    let soml = step(Stage::Mail, Purpose::Aside, "SOML FROM:<a@probe.example>");
    let steps = vec![mail, rcpt(), rset(), rcpt(), rset(), soml, rcpt()];
    let mut seen = Vec::new();
    let answers = [
        "220 mx\r\n",
        "250 mx\r\n",
        "553 no\r\n",
        "250 ok\r\n",
        "503 no\r\n",
        "250 ok\r\n",
        "502 no\r\n",
        "503 no\r\n",
    ];
    run(Transaction { steps, ..plain() }, &answers, &mut seen);
    let said: Vec<_> = seen
        .iter()
        .filter_map(|line| line.strip_prefix("C: ")?.split(' ').next())
        .collect();
    assert_eq!(said, ["EHLO", "MAIL", "RSET", "RCPT", "RSET", "SOML", "RCPT", "QUIT"]);
}

#[test]
fn helo_follows_a_refused_ehlo_and_steps_wait_for_each_other() {
    check(
        plain(),
        &["220 mx\r\n", "502 what\r\n", "250 mx\r\n", "250 ok\r\n", "550 no\r\n"],
        &[
            "S: 220 mx",
            "C: EHLO probe.example",
            "S: 502 what",
            "C: HELO probe.example",
            "S: 250 mx",
            "C: MAIL FROM:<a@probe.example>",
            "S: 250 ok",
            "C: RCPT TO:<b@probe.example>",
            "S: 550 no",
            "C: QUIT",
            "Answered",
        ],
    );
}

#[test]
fn rcpt_is_not_said_after_a_refused_mail() {
    check(
        plain(),
        &["220 mx\r\n", "250 mx\r\n", "501 no\r\n"],
        &[
            "S: 220 mx",
            "C: EHLO probe.example",
            "S: 250 mx",
            "C: MAIL FROM:<a@probe.example>",
            "S: 501 no",
            "C: QUIT",
            "Answered",
        ],
    );
}

#[test]
fn a_message_goes_only_after_354() {
    let message = Transaction {
        message: Some("Subject: x\r\n\r\n.dot".into()),
        pipelining: false,
        ..plain()
    };
    let mut seen = Vec::new();
    let until_data = ["220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n"];
    let mut session = run(message.clone(), &until_data, &mut seen);
    let _ = session.poll_transmit();
    session.handle_input(Duration::ZERO, b"354 go\r\n");
    assert_eq!(session.poll_transmit(), b"Subject: x\r\n\r\n..dot\r\n.\r\n");
    seen.clear();
    let mut session = run(message, &until_data, &mut seen);
    let _ = session.poll_transmit();
    session.handle_input(Duration::ZERO, b"250 whatever\r\n");
    seen.clear();
    drain(&mut session, &mut seen);
    assert_eq!(
        seen,
        ["S: 250 whatever", "! during DATA its reply has no meaning here: \"250 whatever\""]
    );
    assert_eq!(session.poll_transmit(), b"");
}

#[test]
fn the_reply_to_quit_shows_whether_answers_were_counted_rightly() {
    let waiting = Transaction { awaits_quit_reply: true, ..plain() };
    for (input, expected) in [
        (&["250 ok\r\n550 no\r\n", "221 bye\r\n"][..], "Answered"),
        (&["501 no\r\n503 no\r\n", "221 bye\r\n"], "Answered"),
        (&["501 no\r\n", "503 no\r\n221 bye\r\n"], "Answered"),
        (&["250 ok\r\n250 ok\r\n", "500 Expected RCPT TO:<addr> or DATA\r\n"], "Answered"),
        (
            &["250 ok\n550 no\r\n", "550 no\r\n"],
            "! during QUIT its reply has no meaning here: \"550 no\"",
        ),
        (
            &["250 ok\r\n", "550 no\r\n250 ok\r\n"],
            "! during QUIT its reply has no meaning here: \"250 ok\"",
        ),
        // MAIL was left unanswered.
        (&["550 no\r\n221 bye\r\n"], "! during RCPT its reply has no meaning here: \"221 bye\""),
        // RCPT was answered before MAIL.
        (&["550 no\r\n250 ok\r\n"], "! during RCPT its reply has no meaning here: \"250 ok\""),
    ] {
        let mut seen = Vec::new();
        run(waiting.clone(), &[&["220 mx\r\n", OFFERS], input].concat(), &mut seen);
        assert_eq!(seen.last().map(String::as_str), Some(expected), "{seen:?}");
        assert_eq!(seen.iter().filter(|line| *line == "C: QUIT").count(), 1);
    }
}

#[test]
fn only_quit_replies_that_others_have_shown_are_skipped() {
    for (after, answer, expected) in [
        (LastReply::Positive, "250 ok\r\n", "Answered"),
        (LastReply::Negative, "550 no\r\n", "Answered"),
        (LastReply::Positive, "550 no\r\n", "C: QUIT"),
        (LastReply::Negative, "250 ok\r\n", "C: QUIT"),
    ] {
        let mut session = Session::new(
            Transaction { awaits_quit_reply: true, ..plain() },
            Duration::from_secs(60),
        );
        session.start(Duration::ZERO);
        session.skip_quit_reply(after);
        let mut seen = Vec::new();
        for portion in ["220 mx\r\n", "250 mx\r\n", "250 ok\r\n", answer] {
            let _ = session.poll_transmit();
            session.handle_input(Duration::ZERO, portion.as_bytes());
            drain(&mut session, &mut seen);
        }
        assert_eq!(seen.last().map(String::as_str), Some(expected), "{seen:?}");
    }
}

#[test]
fn a_chunk_carries_the_message_as_it_is() {
    let message = Some("Subject: x\r\n\r\n.dot\r\n".into());
    let chunked = Transaction { message, pipelining: false, chunking: true, ..plain() };
    let mut seen = Vec::new();
    let until_chunk = ["220 mx\r\n", "250-mx\r\n250 CHUNKING\r\n", "250 ok\r\n", "250 ok\r\n"];
    let mut session = run(chunked, &until_chunk, &mut seen);
    assert_eq!(session.poll_transmit(), b"BDAT 20 LAST\r\nSubject: x\r\n\r\n.dot\r\n");
    session.handle_input(Duration::ZERO, b"250 queued\r\n");
    drain(&mut session, &mut seen);
    let tail = seen.len() - 3;
    assert_eq!(seen[tail..], ["S: 250 queued", "C: QUIT", "Answered"]);
}

#[test]
fn an_answer_to_the_preface_is_not_an_answer_to_ehlo() {
    let prefaced =
        Transaction { preface: "PROXY UNKNOWN\r\n".into(), awaits_quit_reply: true, ..plain() };
    for (input, expected) in [
        (&["220 mx\r\n500 what?\r\n"][..], "Answered"),
        (&["220 mx\r\n", "500 what?\r\n", "250 mx\r\n"], "Answered"),
        (&["554 sync\r\n", "221 bye\r\n"], "Answered"),
        (
            &["220 mx\r\n250 ok\r\n"],
            "! during EHLO it sent a reply that nothing asked for: \"250 ok\"",
        ),
    ] {
        let mut seen = Vec::new();
        let session = run(prefaced.clone(), input, &mut seen);
        assert!(session.is_ended());
        assert_eq!(seen.last().map(String::as_str), Some(expected), "{input:?}");
        assert!(
            !seen
                .iter()
                .any(|line| line.contains("HELO") && !line.contains("EHLO")),
            "{seen:?}"
        );
    }
}

#[test]
fn what_nobody_asked_for_is_never_an_answer() {
    for (input, expected) in [
        (
            &["220 mx\r\n220 mx\r\n"][..],
            "! during EHLO it sent a reply that nothing asked for: \"220 mx\"",
        ),
        (&["220 mx\r\n", "220 mx\r\n"], "! during EHLO its reply has no meaning here: \"220 mx\""),
        (
            &["220 mx\r\n", "250 mx\r\n250 ok\r\n250 ok\r\n"],
            "! during MAIL it sent a reply that nothing asked for: \"250 ok\"",
        ),
        (
            &["220 mx\r\n", "250 mx\r\n", "250 ok\r\n250 ok\r\n"],
            "! during RCPT it sent a reply that nothing asked for: \"250 ok\"",
        ),
        (&["250 mx\r\n"], "! during the greeting its reply has no meaning here: \"250 mx\""),
        (
            &["SSH-2.0-OpenSSH\r\n"],
            "! during the greeting it sent what is not an SMTP reply: \"SSH-2.0-OpenSSH\"",
        ),
        (
            &["220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "354 go\r\n"],
            "! during RCPT its reply has no meaning here: \"354 go\"",
        ),
        (&["421 busy\r\n"], "! the server hung up during the greeting: 421 busy"),
    ] {
        let mut seen = Vec::new();
        run(plain(), input, &mut seen);
        assert_eq!(seen.last().map(String::as_str), Some(expected));
    }
}

#[test]
fn deadlines_are_for_whole_replies() {
    let mut session = Session::new(plain(), Duration::from_secs(60));
    session.start(Duration::ZERO);
    for second in 1..60 {
        session.handle_input(Duration::from_secs(second), b"2");
        session.handle_timeout(Duration::from_secs(second));
    }
    assert!(!session.is_ended());
    session.handle_timeout(Duration::from_secs(60));
    assert!(session.is_ended());
}

#[test]
fn starttls_forgets_and_refuses_what_was_said_in_the_clear() {
    let secure = Transaction { security: Security::StartTls, ..plain() };
    let mut seen = Vec::new();
    let mut session = run(secure.clone(), &["220 mx\r\n", OFFERS, "220 go\r\n"], &mut seen);
    assert_eq!(seen.last().map(String::as_str), Some("secure"));
    let _ = session.poll_transmit();
    session.handle_secured(Duration::ZERO);
    assert_eq!(session.poll_transmit(), b"EHLO probe.example\r\n");
    seen.clear();
    run(secure.clone(), &["220 mx\r\n", OFFERS, "220 go\r\n250 injected\r\n"], &mut seen);
    assert!(
        seen.last()
            .is_some_and(|last| last.contains("in the clear after")),
        "{seen:?}"
    );
    seen.clear();
    run(secure, &["220 mx\r\n", "250 mx\r\n"], &mut seen);
    assert_eq!(seen.last().map(String::as_str), Some("NotOffered(\"STARTTLS\")"));
}

/// The steps can be replaced by none before STARTTLS. Then no line is injected, and none answered.
#[test]
fn nothing_is_injected_without_a_step() {
    let injects =
        Transaction { security: Security::StartTls, injects: true, steps: Vec::new(), ..plain() };
    let mut seen = Vec::new();
    let mut session = run(injects, &["220 mx\r\n", OFFERS, "220 go\r\n"], &mut seen);
    assert_eq!(session.poll_transmit(), b"");
    session.handle_secured(Duration::ZERO);
    assert_eq!(session.poll_transmit(), b"EHLO probe.example\r\n");
    session.handle_input(Duration::ZERO, OFFERS.as_bytes());
    drain(&mut session, &mut seen);
    assert_eq!(seen.last().map(String::as_str), Some("Answered"));
}

#[test]
fn secrets_are_blacked_out() {
    let mut transaction = plain();
    let mut auth = Step::new(Stage::Auth, Purpose::Attempt, "AUTH LOGIN");
    auth.turns = vec!["dXNlcg==".into(), "c2VjcmV0".into()];
    auth.secret = true;
    transaction.steps.insert(0, auth);
    let mut seen = Vec::new();
    run(
        transaction,
        &["220 mx\r\n", "250 mx\r\n", "334 u\r\n", "334 p\r\n", "535 no\r\n"],
        &mut seen,
    );
    let text = seen.join("\n");
    assert!(
        text.contains(
            "C: AUTH LOGIN ********\nS: 334 u\nC: ********\nS: 334 p\nC: \
                       ********\nS: 535 no\nC: MAIL"
        ),
        "{text}"
    );
    assert!(!text.contains("c2VjcmV0") && !text.contains("dXNlcg"));
}

/// How the octets of one turn of the server reach the session.
#[derive(Clone, Copy, Debug)]
enum Portions {
    Whole,
    /// In two portions, the first with this many octets (modulo the length of the turn).
    SplitAfter(usize),
    OneByOne,
}

impl Portions {
    fn of(self, turn: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![turn],
            Self::SplitAfter(length) => {
                let (first, second) = turn.split_at(length % (turn.len() + 1));
                vec![first, second]
            }
            Self::OneByOne => turn.chunks(1).collect(),
        }
    }
}

/// When the caller fetches what the session has to send.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fetching {
    /// After a whole turn of the server, however many portions the turn came in.
    EachTurn,
    /// After each portion, as the probe does.
    EachPortion,
}

/// How many replies a server owes for these octets. A text and its final dot are one command.
fn commands_in(sent: &[u8]) -> usize {
    match sent.ends_with(b"\r\n.\r\n") {
        true => 1,
        false => sent.split_inclusive(|octet| *octet == b'\n').count(),
    }
}

/// Returns all events of a dialogue with a server that waits for the client. In each turn the
/// server answers all commands that have reached it, each with the next entry of `script`.
/// When the script is used up, the server closes the connection.
fn events_of(
    transaction: Transaction,
    script: &[String],
    portions: Portions,
    fetching: Fetching,
) -> Vec<SessionEvent> {
    let mut session = Session::new(transaction, Duration::from_secs(60));
    session.start(Duration::ZERO);
    let (mut script, mut events) = (script.iter(), Vec::new());
    // The greeting is owed to nobody's command.
    let mut owed = 1;
    while !session.is_ended() {
        let turn: String = script.by_ref().take(owed).map(String::as_str).collect();
        if turn.is_empty() {
            session.handle_disconnect(None);
        }
        let mut sent = Vec::new();
        for portion in portions.of(turn.as_bytes()) {
            session.handle_input(Duration::ZERO, portion);
            assert!(session.output.len() < 4096 && session.events.len() < 4096);
            if fetching == Fetching::EachPortion {
                sent.extend(session.poll_transmit());
            }
            events.extend(std::iter::from_fn(|| session.poll_event()));
        }
        sent.extend(session.poll_transmit());
        events.extend(std::iter::from_fn(|| session.poll_event()));
        owed = commands_in(&sent);
    }
    events
}

/// A transaction with every stage in it: it ends with a message and waits for the reply to
/// QUIT.
fn complete(pipelining: bool) -> Transaction {
    let message = Some("Subject: x\r\n\r\ntext\r\n".into());
    Transaction { message, pipelining, awaits_quit_reply: true, ..plain() }
}

/// A server that accepts everything, in the words of each stage of [`complete`].
const ACCEPTING: [&str; 7] = [
    "220 mx\r\n",
    "250-mx\r\n250-SIZE\r\n250 PIPELINING\r\n",
    "250 2.1.0 ok\r\n",
    "250 2.1.5 ok\r\n",
    "354 go\r\n",
    "250 2.0.0 queued\r\n",
    "221 bye\r\n",
];

fn accepting() -> Vec<String> {
    ACCEPTING.map(str::to_owned).to_vec()
}

/// Asserts that no way of splitting the octets of `script` changes the events of its dialogue.
fn check_splits(script: &[String], cut: usize, fetching: Fetching) {
    for pipelining in [true, false] {
        let run = |portions| events_of(complete(pipelining), script, portions, fetching);
        let whole = run(Portions::Whole);
        for portions in [Portions::SplitAfter(cut), Portions::OneByOne] {
            assert_eq!(run(portions), whole, "{portions:?} {fetching:?} {script:?}");
        }
    }
}

/// The properties below are worth nothing unless their driver reaches every stage.
#[test]
fn an_accepting_script_reaches_quit_however_it_is_split() {
    use Stage::{Data, Ehlo, EndOfData, Greeting, Mail, Quit, Rcpt};
    let longest = ACCEPTING.concat().len();
    for fetching in [Fetching::EachTurn, Fetching::EachPortion] {
        for pipelining in [true, false] {
            let splits = (0..longest).map(Portions::SplitAfter);
            for portions in splits.chain([Portions::Whole, Portions::OneByOne]) {
                let events = events_of(complete(pipelining), &accepting(), portions, fetching);
                let answered: Vec<Stage> = events
                    .iter()
                    .filter_map(|event| match event {
                        SessionEvent::Replied { stage, .. } => Some(*stage),
                        _ => None,
                    })
                    .collect();
                assert_eq!(answered, [Greeting, Ehlo, Mail, Rcpt, Data, EndOfData, Quit]);
                assert_eq!(events.last(), Some(&SessionEvent::Ended(End::Answered)));
            }
        }
    }
}

/// The accepting script, with some replies replaced by one that `other` matches.
fn scripts(other: &'static str) -> impl Strategy<Value = Vec<String>> {
    let replies = ACCEPTING.map(|reply| {
        prop_oneof![4 => Just(reply.to_owned()), 1 => other.prop_map(|reply: String| reply)]
    });
    replies.to_vec()
}

proptest! {
    /// One whole reply for each command.
    #[test]
    fn splitting_input_changes_nothing(
        script in scripts("(220|250|250-a\r\n250|354|421|450|503|550|221) [ -~]{0,5}\r?\n"),
        cut: usize,
    ) {
        check_splits(&script, cut, Fetching::EachTurn);
        check_splits(&script, cut, Fetching::EachPortion);
    }

    /// Anything at all, such as several replies for one command. The session must not have sent
    /// the next command between two portions, since that command's reply would count.
    #[test]
    fn splitting_what_nobody_asked_for_changes_nothing(
        script in scripts("((220|250|250-|354|421|550|x)[ -]?[ -~]{0,5}\r?\n){0,4}"),
        cut: usize,
    ) {
        check_splits(&script, cut, Fetching::EachTurn);
    }

    #[test]
    fn no_input_panics(stage in 0..=ACCEPTING.len(), input: Vec<u8>) {
        let mut session = Session::new(complete(true), Duration::from_secs(60));
        session.start(Duration::ZERO);
        for reply in &ACCEPTING[..stage] {
            let _ = session.poll_transmit();
            session.handle_input(Duration::ZERO, reply.as_bytes());
        }
        let _ = session.poll_transmit();
        session.handle_input(Duration::ZERO, &input);
        assert!(session.output.len() < 4096 && session.events.len() < 4096);
    }
}
