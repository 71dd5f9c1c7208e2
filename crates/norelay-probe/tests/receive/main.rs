//! The receiver over real sockets on loopback, with real clients: a raw one, one under TLS, and
//! Python's smtplib.

mod bounds;
mod client;
mod python;
mod spool;

use std::{net::SocketAddr, path::PathBuf};

use norelay_core::{
    event::Receipt,
    path::PathId,
    reception::{Reception, ReceptionKey},
    token::{RunId, Token, TokenKey, TokenRole},
};
use norelay_probe::{
    mailbox::Mailbox,
    receive::{ReceiverConfig, Receiving},
};
use tokio::sync::mpsc;

use crate::client::Client;

const RUN: RunId = RunId(0x0123_4567_89ab_cdef);

fn master() -> TokenKey {
    TokenKey::new([7; 32])
}

fn token(test: u8, role: TokenRole) -> Token {
    Token { run: RUN, path: PathId::FIRST, test, role }
}

/// The address of a test's token.
fn address(test: u8, role: TokenRole) -> String {
    format!("{}@probe.example", master().for_run(RUN).mint(token(test, role)))
}

fn config() -> ReceiverConfig {
    let reception = Reception::new(
        "mx.probe.example",
        &["probe.example".to_owned()],
        ReceptionKey::AnyRun(master()),
    );
    ReceiverConfig::new(reception)
}

fn loopback() -> [SocketAddr; 1] {
    [SocketAddr::from(([127, 0, 0, 1], 0))]
}

fn receiving(config: ReceiverConfig) -> Receiving {
    Receiving::bind(&loopback(), config).expect("loopback can be listened on")
}

async fn client(receiving: &Receiving) -> Client<tokio::net::TcpStream> {
    Client::connect(receiving.local_addrs()[0]).await
}

/// A file for one test, not there yet.
fn file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("receive-{name}"));
    let _ = std::fs::remove_file(&path);
    path
}

fn drain(receipts: &mut mpsc::Receiver<Receipt>) -> Vec<Receipt> {
    std::iter::from_fn(|| receipts.try_recv().ok()).collect()
}

#[tokio::test]
async fn a_relayed_message_is_a_receipt() {
    let receiving = receiving(config());
    let (mut all, mut of_run) = (receiving.receipts(), receiving.receipts_of(RUN));
    let mut of_another_run = receiving.receipts_of(RunId(1));
    let mut client = client(&receiving).await;
    let (recipient, message) = (address(6, TokenRole::Recipient), address(0, TokenRole::Message));
    let percent = format!("<\"{}\"@mx.example>", recipient.replace('@', "%"));
    client.expect("EHLO relay.example", "250").await;
    client.expect("MAIL FROM:<a@b.example>", "250").await;
    client
        .expect("RCPT TO:<someone@elsewhere.example>", "550 5.7.1")
        .await;
    client.expect(&format!("RCPT TO:{percent}"), "250").await;
    client.expect("DATA", "354").await;
    let text =
        format!("Received: from x\r\n by y\r\nReceived: from z\r\nMessage-ID: <{message}>\r\n\r\n");
    client.expect(&format!("{text}."), "250 2.0.0").await;
    client.expect("QUIT", "221").await;
    let receipts = drain(&mut all);
    assert_eq!(receipts, drain(&mut of_run));
    assert_eq!(drain(&mut of_another_run), []);
    let [receipt] = receipts.as_slice() else { panic!("one receipt, not {receipts:?}") };
    assert_eq!(receipt.token, token(6, TokenRole::Recipient));
    assert!(receipt.message_token && !receipt.tls);
    assert_eq!(receipt.peer, client.local_addr());
    let facts =
        [&receipt.helo, &receipt.reverse_path, &receipt.forward_path].map(ToString::to_string);
    assert_eq!(facts, ["relay.example".to_owned(), "<a@b.example>".to_owned(), percent]);
    assert_eq!(
        receipt
            .received
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["from x by y", "from z"]
    );
    assert_eq!(receipt.size, text.len() as u64);
}

#[tokio::test]
async fn a_callout_and_a_broken_text_are_none() {
    let receiving = receiving(config());
    let mut receipts = receiving.receipts();
    for rest in [None, Some("half a text")] {
        let mut client = client(&receiving).await;
        client.expect("EHLO relay.example", "250").await;
        client.expect("MAIL FROM:<>", "250").await;
        client
            .expect(&format!("RCPT TO:<{}>", address(1, TokenRole::Recipient)), "250")
            .await;
        match rest {
            None => client.expect("QUIT", "221").await,
            Some(text) => {
                client.expect("DATA", "354").await;
                client.send(text.as_bytes()).await;
            }
        }
    }
    receiving.stop().await;
    assert_eq!(drain(&mut receipts), []);
}

#[tokio::test]
async fn a_bounce_is_a_receipt_of_the_senders_token() {
    let receiving = receiving(config());
    let mut receipts = receiving.receipts();
    let mut client = client(&receiving).await;
    client
        .deliver("<>", &[&address(9, TokenRole::Sender)], "Subject: Undelivered\r\n\r\n")
        .await;
    let roles: Vec<_> = drain(&mut receipts)
        .iter()
        .map(|receipt| (receipt.token.role, receipt.message_token))
        .collect();
    assert_eq!(roles, [(TokenRole::Sender, false)]);
}

#[tokio::test]
async fn starttls_works_with_a_certificate_of_its_own_making() {
    let receiving = receiving(config());
    let mut receipts = receiving.receipts();
    let mut plain = client(&receiving).await;
    let offers = plain.say("EHLO relay.example").await;
    assert!(offers.contains("250-STARTTLS"), "{offers}");
    plain.expect("STARTTLS", "220").await;
    let mut client = plain.secure().await;
    client.expect("MAIL FROM:<a@b.example>", "503").await;
    let offers = client.say("EHLO relay.example").await;
    assert!(!offers.contains("STARTTLS"), "{offers}");
    client
        .deliver("<a@b.example>", &[&address(1, TokenRole::Recipient)], "x\r\n")
        .await;
    assert_eq!(
        drain(&mut receipts)
            .iter()
            .map(|receipt| receipt.tls)
            .collect::<Vec<_>>(),
        [true]
    );
}

#[tokio::test]
async fn a_peer_whose_handshake_fails_may_come_in_the_clear() {
    let receiving = receiving(config());
    let mut first = client(&receiving).await;
    first.expect("EHLO relay.example", "250").await;
    first.expect("STARTTLS", "220").await;
    first.send(b"no handshake\r\n").await;
    first.read_to_end().await;
    let mut second = client(&receiving).await;
    let offers = second.say("EHLO relay.example").await;
    assert!(!offers.contains("STARTTLS"), "{offers}");
}

#[tokio::test]
async fn injected_text_meets_no_handshake() {
    let receiving = receiving(config());
    let mut client = client(&receiving).await;
    client.send(b"EHLO a\r\nSTARTTLS\r\nRSET\r\n").await;
    let said = client.read_to_end().await;
    assert!(said.ends_with("220 2.0.0 Begin the handshake\r\n"), "{said}");
}

#[tokio::test]
async fn postmaster_is_read_where_there_is_a_mailbox() {
    let path = file("postmaster.mbox");
    let mut config = config();
    config.reception = config.reception.with_postmaster(true);
    config.mailbox = Some(Mailbox::open(&path).expect("the folder of the tests can be written"));
    let receiving = receiving(config);
    let mut receipts = receiving.receipts();
    let mut client = client(&receiving).await;
    client
        .deliver(
            "<a@b.example>",
            &["Postmaster@probe.example"],
            "Subject: who are you?\r\n\r\nFrom a\r\n",
        )
        .await;
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept.contains("Return-Path: <a@b.example>\n"), "{kept}");
    assert!(kept.ends_with("Subject: who are you?\n\n>From a\n\n"), "{kept}");
    assert_eq!(drain(&mut receipts), []);
}

#[tokio::test]
async fn what_cannot_be_listened_on_is_said_in_a_sentence() {
    let taken = receiving(config());
    for (address, expected) in [
        (
            taken.local_addrs()[0],
            "another program listens there, perhaps this machine's mail server",
        ),
        (SocketAddr::from(([192, 0, 2, 1], 0)), "this machine has no such address"),
    ] {
        let error = Receiving::bind(&[address], config())
            .map(drop)
            .expect_err("the address can't be listened on");
        assert!(
            error
                .to_string()
                .starts_with(&format!("The receiver can't listen on {address}: {expected}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn it_listens_on_several_addresses() {
    let addresses = [
        SocketAddr::from(([127, 0, 0, 1], 0)),
        SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0)),
    ];
    let receiving = Receiving::bind(&addresses, config()).expect("loopback can be listened on");
    let mut receipts = receiving.receipts();
    for address in receiving.local_addrs() {
        let mut client = Client::connect(*address).await;
        client
            .deliver("<>", &[&self::address(1, TokenRole::Recipient)], "x\r\n")
            .await;
    }
    let peers: Vec<_> = drain(&mut receipts)
        .iter()
        .map(|receipt| receipt.peer.is_ipv6())
        .collect();
    assert_eq!(peers, [false, true]);
}

#[tokio::test]
async fn stopping_ends_idle_dialogues_and_lets_a_text_come_in() {
    let receiving = receiving(config());
    let (address_of_it, mut receipts) = (receiving.local_addrs()[0], receiving.receipts());
    let (mut idle, mut busy) = (client(&receiving).await, client(&receiving).await);
    busy.begin("<>", &[&address(1, TokenRole::Recipient)]).await;
    let stopping = tokio::spawn(receiving.stop());
    let said = idle.read_to_end().await;
    assert!(said.starts_with("421 4.3.2"), "{said}");
    busy.expect("x\r\n.", "250").await;
    let said = busy.read_to_end().await;
    assert!(said.starts_with("421 4.3.2"), "{said}");
    stopping.await.expect("stopping ends");
    assert_eq!(drain(&mut receipts).len(), 1);
    assert!(tokio::net::TcpStream::connect(address_of_it).await.is_err());
}
