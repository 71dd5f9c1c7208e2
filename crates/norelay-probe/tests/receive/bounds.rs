//! The receiver under attack: it stays up, and within its bounds.

use norelay_core::token::TokenRole;
use norelay_probe::receive::{MAX_CONNECTIONS, MAX_CONNECTIONS_OF_NETWORK};

use super::*;

/// The receiver still takes a message.
async fn check_alive(receiving: &Receiving, test: u8) {
    let mut receipts = receiving.receipts();
    client(receiving)
        .await
        .deliver("<>", &[&address(test, TokenRole::Recipient)], "x\r\n")
        .await;
    assert_eq!(drain(&mut receipts).len(), 1);
}

#[tokio::test]
async fn garbage_and_floods_end_their_own_connection_only() {
    let receiving = receiving(config());
    let long = "x".repeat(1 << 20);
    let pipelined = "RCPT TO:<x@y.example>\r\n".repeat(50_000);
    let random: Vec<u8> = (0..1_u32 << 18)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let envelope = format!(
        "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<{}>\r\nDATA\r\n",
        address(1, TokenRole::Recipient)
    );
    for (input, expected) in [
        (long.as_bytes(), "421 4.7.0 A line without an end, closing\r\n"),
        (&[b"EHLO a\r\n", pipelined.as_bytes()].concat(), "421 4.7.0 Too many errors, closing\r\n"),
        ("NOOP\r\n".repeat(5000).as_bytes(), "421 4.7.0 Too many commands, closing\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "421 4.7.0 This is an SMTP server, closing\r\n"),
        (b"\x16\x03\x01\x02\x00\x01", "421 4.7.0 This is an SMTP server, closing\r\n"),
        (
            &[envelope.as_bytes(), long.repeat(9).as_bytes()].concat(),
            "552 5.3.4 The message is far too big\r\n",
        ),
        (&[b"\x01", random.as_slice()].concat(), "421 4.7.0 This is an SMTP server, closing\r\n"),
        (&[b"A", random.as_slice()].concat(), "closing\r\n"),
    ] {
        let mut client = client(&receiving).await;
        let attack = async {
            client.send(input).await;
            client.read_to_end().await
        };
        let said = attack.await;
        // The last words of a server that hangs up on a flood may be lost on their way.
        assert!(said.is_empty() || said.ends_with(expected), "{said}");
    }
    check_alive(&receiving, 2).await;
}

#[tokio::test]
async fn connections_are_bounded_for_one_network_and_in_all() {
    let receiving = receiving(config());
    let server = receiving.local_addrs()[0];
    let from = |network: usize| {
        let source = SocketAddr::from(([127, 0, 1, u8::try_from(network).unwrap_or(u8::MAX)], 0));
        Client::connect_from(Some(source), server)
    };
    let networks = MAX_CONNECTIONS / MAX_CONNECTIONS_OF_NETWORK;
    let mut clients = Vec::new();
    for network in 1..=networks {
        for number in 0..=MAX_CONNECTIONS_OF_NETWORK {
            let mut client = from(network).await;
            let greeting = client.reply().await;
            let expected =
                if number < MAX_CONNECTIONS_OF_NETWORK { "220 " } else { "421 4.7.0 Too many" };
            assert!(greeting.starts_with(expected), "{network} {number}: {greeting}");
            clients.push(client);
        }
    }
    let greeting = from(networks + 1).await.reply().await;
    assert!(greeting.starts_with("421 4.7.0 Too many"), "{greeting}");
    for mut client in clients.drain(..) {
        client.send(b"QUIT\r\n").await;
        client.read_to_end().await;
    }
    // Room is given back when a connection's task has ended, which nobody is told. So a client
    // comes again, and each time waits for the receiver's answer.
    while !from(1).await.reply().await.starts_with("220 ") {}
    check_alive(&receiving, 1).await;
}

/// The clock is the test's: it goes on when nothing else does.
#[tokio::test(start_paused = true)]
async fn silent_clients_are_told_to_go() {
    let receiving = receiving(config());
    let started = tokio::time::Instant::now();
    let said = client(&receiving).await.read_to_end().await;
    assert_eq!(said, "421 4.4.2 Waited too long, closing\r\n");
    assert_eq!(
        started.elapsed().as_secs(),
        norelay_core::smtp::receiver::COMMAND_TIMEOUT.as_secs()
    );
}

#[tokio::test]
async fn copies_are_bounded() {
    let receiving = receiving(config());
    let mut receipts = receiving.receipts();
    let recipient = address(1, TokenRole::Recipient);
    for _ in 0..3 {
        let mut client = client(&receiving).await;
        for _ in 0..50 {
            client
                .deliver("<>", &[&recipient, &recipient], "x\r\n")
                .await;
        }
    }
    assert_eq!(drain(&mut receipts).len(), 2);
}

#[tokio::test]
async fn a_message_of_a_hundred_recipients_has_a_hundred_receipts() {
    let receiving = receiving(config());
    let mut receipts = receiving.receipts();
    let recipients: Vec<_> = (0..100)
        .map(|test| address(test, TokenRole::Recipient))
        .collect();
    let recipients: Vec<_> = recipients.iter().map(String::as_str).collect();
    let mut client = client(&receiving).await;
    client.begin("<>", &recipients).await;
    client
        .expect(&format!("X: {}\r\n.", address(0, TokenRole::Message)), "250")
        .await;
    let mut tests: Vec<_> = drain(&mut receipts)
        .iter()
        .map(|receipt| receipt.token.test)
        .collect();
    tests.sort_unstable();
    assert_eq!(tests, (0..100).collect::<Vec<u8>>());
}
