//! What is said in the clear around STARTTLS: ours, which the server must forget, and the server's,
//! which we must not believe.

mod simulation;

use norelay_core::{
    catalogue,
    check::{Verdict, findings},
    path::PathId,
    smtp::Security,
};
use simulation::{Ran, Server, closed, request, run};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// What a server makes of a command in the clear behind STARTTLS.
#[derive(Clone, Copy, Debug)]
enum Behind {
    Kept,
    Forgotten,
    AnsweredInTheClear,
    HungUp,
    HandshakeRefused,
}

/// A server that says `go` to STARTTLS, and does so with what stands behind it.
fn server(go: &'static str, behind: Behind) -> Server {
    Arc::new(move |_, stream| {
        Some(Box::pin(async move {
            let (reading, mut writing) = tokio::io::split(stream);
            let mut lines = BufReader::new(reading).lines();
            let mut kept: Option<String> = None;
            let (mut securing, mut secured) = (false, false);
            let mut say = "220 mx.target.example ESMTP\r\n".to_owned();
            loop {
                if writing.write_all(say.as_bytes()).await.is_err() {
                    return;
                }
                let Ok(Some(line)) = lines.next_line().await else { return };
                say = match (line.as_str(), behind) {
                    ("STARTTLS", _) => {
                        securing = true;
                        go.to_owned()
                    }
                    ("HANDSHAKE", Behind::HandshakeRefused) => "alert\r\n".to_owned(),
                    ("HANDSHAKE", _) => {
                        (securing, secured) = (false, true);
                        "DONE\r\n".to_owned() + &kept.take().unwrap_or_default()
                    }
                    (line, Behind::Kept) if securing => {
                        kept = Some(closed(line).replace("502 5.5.1 what", "250 ok"));
                        String::new()
                    }
                    (_, Behind::AnsweredInTheClear) if securing => "250 ok\r\n".to_owned(),
                    (_, Behind::HungUp) if securing => return,
                    (_, Behind::Forgotten | Behind::HandshakeRefused) if securing => String::new(),
                    (line, _) if line.starts_with("EHLO") && !secured => {
                        "250-mx\r\n250 STARTTLS\r\n".to_owned()
                    }
                    (line, _) => closed(line),
                };
            }
        }))
    })
}

async fn asked(ids: &[&str], ways: &[Security], server: Server) -> Ran {
    let tests = ids.iter().filter_map(|id| catalogue::by_id(id)).collect();
    let ports = ways.iter().map(|security| (25, *security)).collect();
    run(simulation::Request { tests, ports, ..request() }, server, None).await
}

fn tags(ran: &Ran) -> Vec<String> {
    let all = findings(&ran.report, &ran.judgement);
    let about_tls = |tag: &String| {
        ["starttls_injection", "injected_before_tls", "protocol_violation"].contains(&tag.as_str())
    };
    all.into_iter()
        .map(|finding| finding.tag)
        .filter(about_tls)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_command_behind_starttls_must_be_forgotten() {
    for (behind, outcome, expected) in [
        (Behind::Kept, "accepted", &["starttls_injection"][..]),
        (Behind::Forgotten, "not_run", &[]),
        (Behind::AnsweredInTheClear, "not_run", &[]),
        (Behind::HungUp, "not_run", &[]),
        (Behind::HandshakeRefused, "not_run", &[]),
    ] {
        let server = server("220 go ahead\r\n", behind);
        let ran = asked(
            &["foreign-to-foreign", "ctl-postmaster", "starttls-injection"],
            &[Security::Plain],
            server,
        )
        .await;
        let injected = &ran.judgement.paths[0].controls[1];
        assert_eq!(
            (injected.test.id.as_str(), injected.outcome.word()),
            ("starttls-injection", outcome),
            "{behind:?}"
        );
        assert_eq!(
            (tags(&ran), ran.judgement.verdict),
            (expected.iter().map(|tag| (*tag).to_owned()).collect(), Verdict::Closed)
        );
        assert!(
            ran.connections == 3 && ran.took.as_secs() < 10,
            "{behind:?}: {} in {:?}",
            ran.connections,
            ran.took
        );
    }
}

/// Text of the server's behind its 220 could be anybody's: no answer is read from it, and it is
/// said.
#[tokio::test(start_paused = true)]
async fn a_reply_buffered_before_the_handshake_is_a_finding_and_never_an_answer() {
    let go = "220 go ahead\r\n250 mx\r\n250 ok\r\n550 5.7.1 Relaying denied\r\n221 bye\r\n";
    let ways = [Security::Plain, Security::StartTls];
    let ran =
        asked(&["foreign-to-foreign", "ctl-postmaster"], &ways, server(go, Behind::Forgotten))
            .await;
    assert_eq!(tags(&ran), ["injected_before_tls"]);
    assert_eq!(ran.judgement.paths[0].verdict, Verdict::Closed);
    assert_eq!(
        (ran.judgement.paths[1].verdict, ran.judgement.verdict),
        (Verdict::Inconclusive, Verdict::Inconclusive)
    );
    assert_eq!(ran.judgement.paths[1].tests[0].outcome.word(), "interrupted");
    let of_tls = ran
        .report
        .dialogues
        .values()
        .filter(|dialogue| dialogue.path == PathId::new(1));
    assert!(
        of_tls
            .flat_map(|dialogue| &dialogue.exchanges)
            .all(|exchange| exchange
                .reply
                .as_ref()
                .is_none_or(|reply| reply.code != 550))
    );
}
