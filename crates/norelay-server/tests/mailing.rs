//! The mailed code over a network of slow servers, in virtual time: who asks for it waits for the
//! answer.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use norelay_core::event::TlsFacts;
use norelay_probe::network::{AnyStream, Network};
use norelay_server::rules::{
    control::LONGEST_MAILING,
    mailing::{Letter, Mailer, Post},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream},
    time::{Instant, sleep},
};

/// A server that takes so long for each reply, or that can't be connected to.
#[derive(Clone, Copy, Debug)]
struct Slow {
    reply: Duration,
    connects: bool,
}

impl Network for Slow {
    async fn connect(&self, to: SocketAddr) -> io::Result<(AnyStream, SocketAddr)> {
        if !self.connects {
            std::future::pending::<()>().await;
        }
        let (ours, theirs) = tokio::io::duplex(4096);
        tokio::spawn(serve(theirs, self.reply));
        Ok((Box::new(ours), to))
    }

    async fn secure(
        &self,
        _: AnyStream,
        _: Option<&str>,
        _: IpAddr,
    ) -> Result<(AnyStream, TlsFacts), String> {
        Err("no TLS here".to_owned())
    }

    fn source(&self, _: SocketAddr) -> Option<IpAddr> {
        None
    }
}

/// Greets, says yes to each command and takes the text.
async fn serve(stream: DuplexStream, pause: Duration) -> io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    let mut reply = "220 mx.example";
    loop {
        sleep(pause).await;
        writer.write_all(format!("{reply}\r\n").as_bytes()).await?;
        let Some(line) = lines.next_line().await? else { return Ok(()) };
        reply = if line == "DATA" { "354 go on" } else { "250 yes" };
        if reply.starts_with("354") {
            sleep(pause).await;
            writer.write_all(b"354 go on\r\n").await?;
            while lines.next_line().await?.is_some_and(|line| line != ".") {}
            reply = "250 taken";
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_is_waited_for_as_long_as_the_answer_may_take() {
    let letter = || Letter {
        helo: Some("tester.example".to_owned()),
        reverse_path: "<norelay@tester.example>".to_owned(),
        forward_path: "<postmaster@owner.example>".to_owned(),
        text: "Subject: x\r\n\r\nx\r\n".to_owned(),
    };
    let address = IpAddr::from([192, 0, 2, 7]);
    let seconds = Duration::from_secs;
    for (reply, connects, expected) in [
        (seconds(0), true, Ok(())),
        (seconds(9), true, Ok(())),
        (seconds(30), true, Err("it took too long")),
        (seconds(50), true, Err("no answer in time to the greeting")),
        (seconds(0), false, Err("it took too long")),
    ] {
        let begun = Instant::now();
        let outcome = Post(Slow { reply, connects }).mail(address, letter()).await;
        match expected {
            Ok(()) => assert_eq!(outcome, Ok(()), "{reply:?}"),
            Err(part) => {
                let why = outcome.expect_err("it isn't taken");
                assert!(why.contains(part), "{reply:?}: {why}");
            }
        }
        assert!(begun.elapsed() < LONGEST_MAILING, "{reply:?}: {:?}", begun.elapsed());
    }
}
