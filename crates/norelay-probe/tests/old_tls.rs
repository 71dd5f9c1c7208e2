//! A server whose TLS is too old is told so, in words, and its plain path is judged on its own.

mod simulation;

use std::sync::Arc;

use norelay_core::{
    check::{Outcome, Verdict},
    smtp::{Cause, Security},
};
use simulation::{Server, closed, request, run};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// A server that answers any ClientHello with these octets, and relays nothing.
fn answering_hello(answer: Vec<u8>) -> Server {
    let answer: Arc<[u8]> = answer.into();
    Arc::new(move |_, stream| {
        let answer = answer.clone();
        Some(Box::pin(async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(b"220 mx.target.example ESMTP\r\n").await;
            let mut line = String::new();
            while stream
                .read_line(&mut line)
                .await
                .is_ok_and(|length| length > 0)
            {
                let reply = match line.trim_end() {
                    "STARTTLS" => "220 go on\r\n".to_owned(),
                    hello if hello.starts_with("EHLO") => {
                        "250-mx.target.example\r\n250 STARTTLS\r\n".to_owned()
                    }
                    other => closed(other),
                };
                let is_starttls = line.starts_with("STARTTLS");
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
                if is_starttls {
                    if stream.read_u8().await.is_ok() {
                        let _ = stream.write_all(&answer).await;
                    }
                    return;
                }
                line.clear();
            }
        }))
    })
}

fn server_hello(minor: u8, suite: [u8; 2]) -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, minor, 0x00, 0x2a, 0x02, 0x00, 0x00, 0x26, 0x03, minor];
    hello.extend([7; 32]);
    hello.extend([0, suite[0], suite[1], 0]);
    hello
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_named() {
    for (name, answer, expected) in [
        ("TLS 1.0", server_hello(1, [0x00, 0x2f]), "the newest that the server speaks is TLS 1.0"),
        ("RSA", server_hello(3, [0x00, 0x2f]), "only to key exchange by RSA"),
        ("DHE", server_hello(3, [0x00, 0x9f]), "only to key exchange by DHE"),
        // The simulation's handshakes always fail with these words.
        ("modern", server_hello(3, [0xc0, 0x2f]), "this simulation has no TLS"),
        ("an alert", vec![0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28], "this simulation has no TLS"),
        ("closed", Vec::new(), "this simulation has no TLS"),
        ("plain text", b"500 what\r\n".to_vec(), "this simulation has no TLS"),
    ] {
        let mut asked = request();
        asked.ports = vec![(587, Security::Plain), (587, Security::StartTls)];
        let ran = run(asked, answering_hello(answer), None).await;
        let [plain, secured] = ran.judgement.paths.as_slice() else { panic!("two paths") };
        assert_eq!(
            (plain.verdict, secured.verdict),
            (Verdict::Closed, Verdict::Inconclusive),
            "{name}"
        );
        let Outcome::Interrupted { cause: Cause::TlsFailed { error } } = &secured.tests[0].outcome
        else {
            panic!("{name}: {:?}", secured.tests[0].outcome)
        };
        assert!(error.contains(expected), "{name}: {error}");
    }
}
