use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::path::PathId;

const RUN: RunId = RunId(0x0123_4567_89ab_cdef);

fn master() -> TokenKey {
    TokenKey::new([7; 32])
}

fn token(test: u8, role: TokenRole) -> Token {
    Token { run: RUN, path: PathId::new(1), test, role }
}

fn mint(role: TokenRole) -> String {
    master().for_run(RUN).mint(token(3, role))
}

fn receptions() -> [Reception; 2] {
    let domains = ["probe.example".to_owned(), "Second.Example".to_owned()];
    [ReceptionKey::Run(master().for_run(RUN)), ReceptionKey::AnyRun(master())]
        .map(|key| Reception::new("mx.probe.example", &domains, key))
}

fn message(forward_paths: &[&str], text: &str) -> ReceivedMessage {
    ReceivedMessage {
        peer: SocketAddr::from(([192, 0, 2, 7], 4321)),
        helo: "h".repeat(300).into(),
        tls: true,
        reverse_path: "<>".into(),
        forward_paths: forward_paths
            .iter()
            .map(|path| Octets::from(*path))
            .collect(),
        text: text.as_bytes().to_vec(),
        size: text.len() as u64,
    }
}

/// `{T}` stands for the recipient's token, `{S}` for the sender's, `{M}` for the text's, `{U}` for
/// the unknown user's.
#[test]
fn tokens_are_taken_in_every_form_and_nothing_else() {
    for (path, is_taken) in [
        ("<{T}@probe.example>", true),
        ("<{S}@probe.example>", true),
        ("<{T}@PROBE.Example>", true),
        ("<{T}@probe.example.>", true),
        ("{T}@probe.example", true),
        ("<{T}@second.example>", true),
        ("<{T}@sub.probe.example>", true),
        ("<{T}%probe.example@mx.target.example>", true),
        ("<{T}%probe.example@[192.0.2.1]>", true),
        ("<\"{T}@probe.example\">", true),
        ("<\"{T}%probe.example\">", true),
        ("<{T}@probe.example@mx.target.example>", true),
        ("<\"{T}@probe.example\"@mx.target.example>", true),
        ("<@mx.target.example:{T}@probe.example>", true),
        ("<@a.example,@b.example:{T}@probe.example>", true),
        ("<probe.example!{T}>", true),
        ("<probe.example!{T}@mx.target.example>", true),
        ("<SRS0=HHH=TT=probe.example={T}@forwarder.example>", true),
        ("<bounce-{T}+tag@probe.example>", true),
        ("<{T}>", true),
        ("{T}", true),
        ("<{T}@[192.0.2.1]>", true),
        ("<{T}@[IPv6:2001:db8::1]>", true),
        ("<{T}@192.0.2.1>", true),
        ("<{T}@#3221225985>", true),
        ("<{M}@probe.example>", false),
        ("<{U}@probe.example>", false),
        ("<{T}@elsewhere.example>", false),
        ("<{T}@notprobe.example>", false),
        ("<{T}@probe.example.org>", false),
        ("<{T}%elsewhere.example>", false),
        ("<elsewhere.example!{T}>", false),
        ("<{T}%elsewhere.example@[192.0.2.1]>", false),
        ("<user@probe.example>", false),
        ("<nraaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@probe.example>", false),
        ("<postmaster@elsewhere.example>", false),
        ("<@>", false),
        ("<>", false),
        ("", false),
    ] {
        let roles = [
            ("{T}", TokenRole::Recipient),
            ("{S}", TokenRole::Sender),
            ("{M}", TokenRole::Message),
            ("{U}", TokenRole::Unknown),
        ];
        let filled = roles
            .iter()
            .fold(path.to_owned(), |path, (word, role)| path.replace(word, &mint(*role)));
        for reception in receptions() {
            for path in [filled.clone(), filled.to_uppercase(), filled.to_lowercase()] {
                assert_eq!(reception.recipient(&path.as_str().into()).is_ok(), is_taken, "{path}");
            }
        }
    }
}

#[test]
fn another_keys_token_is_none() {
    let foreign = TokenKey::new([8; 32])
        .for_run(RUN)
        .mint(token(3, TokenRole::Recipient));
    for reception in receptions() {
        assert_eq!(
            reception.recipient(&format!("<{foreign}@probe.example>").as_str().into()),
            Err(REFUSAL)
        );
    }
}

#[test]
fn there_is_a_postmaster_but_mail_is_taken_only_where_somebody_reads() {
    let [reception, _] = receptions();
    let reading = reception.clone().with_postmaster(true);
    for (path, is_taken) in [
        ("<postmaster>", true),
        ("<Postmaster@Probe.Example>", true),
        ("<abuse@second.example>", true),
        ("<abuse>", false),
        ("<postmaster@elsewhere.example>", false),
        ("<postmaster%elsewhere.example@probe.example>", false),
    ] {
        for sender in ["<>", "<somebody@elsewhere.example>"] {
            for reception in [&reading, &reception] {
                assert_eq!(reception.recipient(&path.into()).is_ok(), is_taken, "{path}");
            }
            assert_eq!(reading.text(&sender.into(), &[path.into()]), Ok(()));
            assert_eq!(reception.text(&sender.into(), &[path.into()]), Err(NO_POSTMASTER));
        }
        assert_eq!(reading.is_for_postmaster(&message(&[path], "")), is_taken, "{path}");
        assert!(!reception.is_for_postmaster(&message(&[path], "")), "{path}");
    }
}

/// The test that writes to postmaster is proved by its sender; another test's sender, or another
/// key's, proves nothing.
#[test]
fn a_message_to_postmaster_is_evidence_by_its_sender() {
    let number = catalogue::by_role(TestRole::ForeignPostmaster).number;
    let of_test = |key: &TokenKey, test, role| {
        key.for_run(RUN)
            .mint(Token { run: RUN, path: PathId::new(1), test, role })
    };
    let sender = of_test(&master(), number, TokenRole::Sender);
    for (reverse_path, forward_path, is_evidence) in [
        (format!("<{sender}@probe.example>"), "<postmaster@probe.example>", true),
        (
            format!("<SRS0=HHH=TT=probe.example={sender}@target.example>"),
            "<Postmaster@Probe.Example>",
            true,
        ),
        (format!("<{sender}@probe.example>").to_uppercase(), "<postmaster@second.example>", true),
        (
            format!("<{}@probe.example>", of_test(&master(), 3, TokenRole::Sender)),
            "<postmaster@probe.example>",
            false,
        ),
        (
            format!("<{}@probe.example>", of_test(&master(), number, TokenRole::Message)),
            "<postmaster@probe.example>",
            false,
        ),
        (
            format!(
                "<{}@probe.example>",
                of_test(&TokenKey::new([9; 32]), number, TokenRole::Sender)
            ),
            "<postmaster@probe.example>",
            false,
        ),
        ("<>".to_owned(), "<postmaster@probe.example>", false),
        (format!("<{sender}@probe.example>"), "<abuse@probe.example>", false),
        (format!("<{sender}@probe.example>"), "<postmaster>", false),
    ] {
        let expected = is_evidence.then_some(token(number, TokenRole::Recipient));
        for reception in receptions() {
            let message = ReceivedMessage {
                reverse_path: reverse_path.as_str().into(),
                ..message(&[forward_path], "")
            };
            let receipts = reception.receipts(&message);
            assert_eq!(
                receipts.first().map(|receipt| receipt.token),
                expected,
                "{reverse_path} {forward_path}"
            );
            assert!(
                receipts
                    .iter()
                    .all(|receipt| is_genuine(&master().for_run(RUN), receipt))
            );
            assert!(
                receipts
                    .iter()
                    .all(|receipt| !is_genuine(&TokenKey::new([9; 32]), receipt))
            );
            assert_eq!(
                reception
                    .text(&message.reverse_path, &message.forward_paths)
                    .is_ok(),
                is_evidence
            );
            // What is evidence is for nobody to read.
            assert_eq!(reception.with_postmaster(true).is_for_postmaster(&message), !is_evidence);
        }
    }
}

#[test]
fn each_token_recipient_has_its_receipt() {
    let (recipient, sender) = (mint(TokenRole::Recipient), mint(TokenRole::Sender));
    let paths = [
        format!("<{recipient}@probe.example>"),
        "<postmaster>".to_owned(),
        format!("<{sender}%probe.example@x>"),
    ];
    let text = format!(
        "Received: from b\r\n by c\r\nReceived: from a\r\nX: {}\r\n\r\n",
        mint(TokenRole::Message).to_uppercase()
    );
    for reception in receptions() {
        let receipts = reception.receipts(&message(&paths.each_ref().map(String::as_str), &text));
        let tokens: Vec<_> = receipts.iter().map(|receipt| receipt.token).collect();
        assert_eq!(tokens, [token(3, TokenRole::Recipient), token(3, TokenRole::Sender)]);
        for (receipt, path) in receipts.iter().zip([&paths[0], &paths[2]]) {
            assert!(receipt.message_token && receipt.tls);
            assert_eq!(receipt.forward_path, path.as_str().into());
            assert_eq!(receipt.received, ["from b by c", "from a"].map(Octets::from));
            assert_eq!((receipt.helo.len(), receipt.size), (MAX_HELO, text.len() as u64));
        }
    }
}

#[test]
fn only_the_runs_own_token_of_the_text_counts() {
    let other_run = master()
        .for_run(RunId(5))
        .mint(Token { run: RunId(5), ..token(3, TokenRole::Message) });
    let forged = TokenKey::new([9; 32]).mint(token(3, TokenRole::Message));
    let path = format!("<{}@probe.example>", mint(TokenRole::Recipient));
    for (text, expected) in [
        (mint(TokenRole::Message), true),
        (format!("To: {} {}", mint(TokenRole::Recipient), mint(TokenRole::Message)), true),
        (mint(TokenRole::Recipient), false),
        (mint(TokenRole::Sender), false),
        (other_run, false),
        (forged, false),
        (String::new(), false),
    ] {
        for reception in receptions() {
            let receipts = reception.receipts(&message(&[&path], &text));
            assert_eq!(
                receipts.first().map(|receipt| receipt.message_token),
                Some(expected),
                "{text}"
            );
        }
    }
}

#[test]
fn it_says_what_it_is() {
    let [reception, _] = receptions();
    let reception = reception.with_contact("https://example.org/\r\n250 x");
    let said = format!("{} {} {:?}", reception.name(), reception.introduction(), reception.help());
    for words in [
        "mx.probe.example",
        "norelay receiver",
        "probe.example and 1 more",
        "second.example",
        "relays nothing",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert!(said.contains("https://example.org/??250 x") && said.is_ascii());
}

proptest! {
    #[test]
    fn no_path_panics_or_is_taken(path: Vec<u8>) {
        for reception in receptions() {
            prop_assert!(reception.recipient(&path.clone().into()).is_err());
        }
    }
}
