use proptest::prelude::*;

use super::*;

/// Takes mail for whatever has `token` in it, and no text for those that have `idle` in it.
#[derive(Debug)]
struct Tokens;

impl Policy for Tokens {
    fn name(&self) -> &str {
        "mx.probe.example"
    }

    fn introduction(&self) -> &str {
        "test receiver"
    }

    fn help(&self) -> Vec<String> {
        vec!["one".to_owned(), "two".to_owned()]
    }

    fn recipient(&self, forward_path: &Octets) -> Result<(), &'static str> {
        if forward_path.to_text().contains("token") { Ok(()) } else { Err("550 5.7.1 No relaying") }
    }

    fn text(&self, _: &Octets, forward_paths: &[Octets]) -> Result<(), &'static str> {
        let is_idle = |path: &Octets| path.to_text().contains("idle");
        if forward_paths.iter().all(is_idle) { Err("550 5.1.1 Nobody reads it") } else { Ok(()) }
    }
}

const GREETING: &str = "220 mx.probe.example ESMTP test receiver\r\n";

fn receiver() -> Receiver {
    let peer = SocketAddr::from(([192, 0, 2, 7], 4321));
    let mut receiver = Receiver::new(Arc::new(Tokens), peer, Duration::from_secs(60), true);
    receiver.start(Duration::ZERO);
    assert_eq!(receiver.poll_transmit(), GREETING.as_bytes());
    receiver
}

fn show(event: ReceiverEvent) -> String {
    match event {
        ReceiverEvent::Secure => "secure".to_owned(),
        ReceiverEvent::Ended(parting) => format!("{parting:?}"),
        ReceiverEvent::Arrived(message) => {
            let ReceivedMessage { helo, tls, reverse_path, forward_paths, text, size, .. } =
                message;
            format!(
                "{helo} tls={tls} {reverse_path} -> {forward_paths:?} {size} {:?}",
                String::from_utf8_lossy(&text)
            )
        }
    }
}

fn drain(receiver: &mut Receiver) -> Vec<String> {
    std::iter::from_fn(|| receiver.poll_event())
        .map(show)
        .collect()
}

/// What is sent, and what happens, for this input.
fn converse(receiver: &mut Receiver, input: &[u8]) -> (String, Vec<String>) {
    receiver.handle_input(Duration::ZERO, input);
    (String::from_utf8(receiver.poll_transmit()).expect("replies are ASCII"), drain(receiver))
}

/// A dialogue: `C:` is said, `S:` is the answer to the lines above it, `E:` an event.
fn check(dialogue: &str) {
    let mut receiver = receiver();
    let (mut replies, mut events): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for line in dialogue
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (who, text) = line
            .split_once(": ")
            .unwrap_or((line.trim_end_matches(':'), ""));
        match who {
            "C" => {
                let (sent, happened) = converse(&mut receiver, format!("{text}\r\n").as_bytes());
                replies.extend(sent.lines().map(str::to_owned));
                events.extend(happened);
            }
            "S" => assert_eq!(
                (!replies.is_empty()).then(|| replies.remove(0)).as_deref(),
                Some(text),
                "{dialogue}"
            ),
            "E" => assert_eq!(
                (!events.is_empty()).then(|| events.remove(0)).as_deref(),
                Some(text),
                "{dialogue}"
            ),
            other => panic!("{other} says nothing in {dialogue}"),
        }
    }
    assert_eq!((replies, events), (Vec::new(), Vec::new()), "{dialogue}");
}

#[test]
fn dialogues() {
    for dialogue in include_str!("dialogues.txt").split("\n\n") {
        let lines: Vec<_> = dialogue
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        check(&lines.join("\n"));
    }
}

#[test]
fn starttls_forgets_what_was_said_in_the_clear() {
    let mut secured = receiver();
    let (_, events) = converse(&mut secured, b"EHLO a\r\nMAIL FROM:<x>\r\nSTARTTLS\r\n");
    assert_eq!(events, ["secure"]);
    secured.handle_secured(Duration::ZERO);
    let (said, _) =
        converse(&mut secured, b"RCPT TO:<token@d>\r\nMAIL FROM:<x>\r\nSTARTTLS\r\nEHLO b\r\n");
    assert!(said.starts_with("503 5.5.1 Say MAIL first\r\n503 5.5.1 Say EHLO"), "{said}");
    assert!(
        said.contains("503 5.5.1 TLS stands already") && !said.contains("250-STARTTLS"),
        "{said}"
    );
    let (_, events) =
        converse(&mut secured, b"MAIL FROM:<x>\r\nRCPT TO:<token@d>\r\nDATA\r\n.\r\n");
    assert_eq!(events, ["b tls=true <x> -> [\"<token@d>\"] 0 \"\""]);
}

#[test]
fn starttls_ends_on_octets_in_the_clear_and_on_failure() {
    let mut injected = receiver();
    let (_, events) = converse(&mut injected, b"EHLO a\r\nSTARTTLS\r\nRSET\r\n");
    assert_eq!(events, ["secure", "InjectedBeforeTls"]);
    let mut failed = receiver();
    let _ = converse(&mut failed, b"EHLO a\r\nSTARTTLS\r\n");
    failed.handle_tls_failure();
    assert_eq!(drain(&mut failed), ["TlsFailed"]);
}

#[test]
fn a_text_without_its_dot_is_no_message() {
    let start = b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<token@d>\r\nDATA\r\nSubject: x\r\n";
    for rest in [&b""[..], b".\n", b".\r", b"\n.\n", b"\n.\r\n", b".", b"\r.\r"] {
        let mut receiver = receiver();
        let (_, events) = converse(&mut receiver, &[start, rest].concat());
        assert_eq!(events, Vec::<String>::new());
        receiver.handle_disconnect();
        assert_eq!(drain(&mut receiver), ["Disconnected"]);
    }
}

#[test]
fn every_bound_ends_or_refuses() {
    let said = |input: &[u8]| converse(&mut receiver(), input);
    let envelope = "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<token@d>\r\n";
    let text = |octets: usize| format!("{envelope}DATA\r\n{}\r\n.\r\n", "x".repeat(octets));
    for (input, last_reply, event) in [
        ("x".repeat(MAX_LINE + 1) + "\r\n", "500 5.5.2 The line is too long", None),
        ("x".repeat(MAX_SKIPPED + 1), "421 4.7.0 A line without an end, closing", Some("Exceeded")),
        ("NOOP\r\n".repeat(MAX_COMMANDS), "250 2.0.0 Done", None),
        (
            "NOOP\r\n".repeat(MAX_COMMANDS + 1),
            "421 4.7.0 Too many commands, closing",
            Some("Exceeded"),
        ),
        ("x\r\n".repeat(MAX_ERRORS), "421 4.7.0 Too many errors, closing", Some("Exceeded")),
        (
            envelope.to_owned() + &"RCPT TO:<token@d>\r\n".repeat(MAX_RECIPIENTS),
            "452 4.5.3 Too many recipients in one transaction",
            None,
        ),
        (
            "EHLO a\r\nMAIL FROM:<> SIZE=1048577\r\n".to_owned(),
            "552 5.3.4 The message is too big",
            None,
        ),
        (text(1024 * 1024), "552 5.3.4 The message is too big", None),
        (text(8 * 1024 * 1024 + 1), "552 5.3.4 The message is far too big", Some("Exceeded")),
    ] {
        let (replies, events) = said(input.as_bytes());
        assert_eq!(replies.lines().last(), Some(last_reply));
        assert_eq!(events.first().map(String::as_str), event);
    }
    let message = "MAIL FROM:<>\r\nRCPT TO:<token@d>\r\nDATA\r\n.\r\n";
    let (replies, events) =
        said(("EHLO a\r\n".to_owned() + &message.repeat(MAX_MESSAGES + 1)).as_bytes());
    assert_eq!(events.len(), MAX_MESSAGES + 1);
    assert!(replies.ends_with("421 4.7.0 Enough messages on one connection, closing\r\n"));
}

#[test]
fn what_is_kept_of_a_text_is_bounded() {
    let mut receiver = receiver();
    let text = "x".repeat(MAX_TEXT_KEPT + 1);
    let input = format!("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<token@d>\r\nDATA\r\n{text}\r\n.\r\n");
    receiver.handle_input(Duration::ZERO, input.as_bytes());
    let Some(ReceiverEvent::Arrived(message)) = receiver.poll_event() else {
        panic!("the message came whole")
    };
    assert_eq!((message.text.len(), message.size), (MAX_TEXT_KEPT, MAX_TEXT_KEPT as u64 + 3));
}

#[test]
fn dripping_gains_no_time() {
    for (before, timeout) in [
        (&b""[..], Duration::from_secs(60)),
        (b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<token@d>\r\nDATA\r\n", TEXT_TIMEOUT),
    ] {
        let mut receiver = receiver();
        let _ = converse(&mut receiver, before);
        for second in 1..timeout.as_secs() {
            receiver.handle_input(Duration::from_secs(second), b"x");
            receiver.handle_timeout(Duration::from_secs(second));
        }
        assert_eq!(receiver.poll_timeout(), Some(timeout));
        receiver.handle_timeout(timeout);
        assert_eq!(drain(&mut receiver), ["TimedOut"]);
        assert_eq!(receiver.poll_transmit(), b"421 4.4.2 Waited too long, closing\r\n");
    }
}

#[test]
fn the_whole_connection_has_an_end() {
    let mut receiver = receiver();
    for second in 1..=CONNECTION_TIMEOUT.as_secs() {
        receiver.handle_input(
            Duration::from_secs(second),
            if second % 30 == 0 { b"NOOP\r\n" } else { b"" },
        );
        receiver.handle_timeout(Duration::from_secs(second));
        assert_eq!(receiver.is_ended(), second == CONNECTION_TIMEOUT.as_secs());
    }
}

#[test]
fn stopping_lets_a_text_come_in() {
    let mut idle = receiver();
    idle.stop();
    assert_eq!(drain(&mut idle), ["Stopped"]);
    let mut busy = receiver();
    let _ = converse(&mut busy, b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<token@d>\r\nDATA\r\n");
    busy.stop();
    assert_eq!(drain(&mut busy), Vec::<String>::new());
    let (said, events) = converse(&mut busy, b".\r\nNOOP\r\n");
    assert_eq!(
        said,
        "250 2.0.0 Taken as evidence; it goes no further\r\n421 4.3.2 This host stops for now, \
         closing\r\n"
    );
    assert_eq!(events, ["a tls=false <> -> [\"<token@d>\"] 0 \"\"", "Stopped"]);
}

/// All that is sent and all that happens.
fn outcome_of(portions: &[&[u8]]) -> (Vec<u8>, Vec<ReceiverEvent>) {
    let mut receiver = receiver();
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    for portion in portions {
        receiver.handle_input(Duration::ZERO, portion);
        let line_and_output = receiver.line.len() + receiver.output.len();
        assert!(
            line_and_output <= MAX_LINE + 512 * (portion.len() + 1),
            "output grows without bound"
        );
        sent.extend(receiver.poll_transmit());
        events.extend(std::iter::from_fn(|| receiver.poll_event()));
    }
    (sent, events)
}

proptest! {
    #[test]
    fn splitting_input_changes_nothing(
        lines in proptest::collection::vec(
            "(EHLO x|MAIL FROM:<a>|RCPT TO:<token@d>|DATA|RSET|STARTTLS|\\.|\\.\\.x|QUIT|[ \
             -~]{0,9})(\r\n|\r\n|\n|\r)", 0..16),
        cut: usize,
    ) {
        let input = lines.concat();
        let whole = outcome_of(&[input.as_bytes()]);
        let (left, right) = input.as_bytes().split_at(cut % (input.len() + 1));
        prop_assert_eq!(&outcome_of(&[left, right]), &whole);
        let octets: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
        prop_assert_eq!(&outcome_of(&octets), &whole);
    }

    #[test]
    fn no_input_panics_or_grows(input: Vec<u8>, repeat in 1usize..400) {
        let repeated = input.repeat(repeat);
        let portions: Vec<&[u8]> = repeated.chunks(997).collect();
        let (sent, events) = outcome_of(&portions);
        prop_assert!(events.len() <= 1 && sent.len() <= 512 * MAX_COMMANDS);
    }
}
