//! What an interrupt leaves behind: what is known so far, a log that a later run goes on with, and
//! nothing open.

#[path = "../../norelay-dns/tests/dns/loopback.rs"]
mod loopback;
mod servers;

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use servers::{answer, listen};

/// Nothing that is waited for here takes so long, and everything that is interrupted would take
/// longer.
const SOON: Duration = Duration::from_secs(90);
/// How long everything that is interrupted would wait for its server.
const LONGER: &str = "--timeout=10m";
/// An interrupt that was lost is repeated after this time.
const AGAIN: Duration = Duration::from_millis(100);

/// A command that runs, and its lines of progress.
struct Running {
    child: Child,
    progress: mpsc::Receiver<String>,
}

fn start(arguments: &[&str]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_norelay"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executable is built");
    let (sender, progress) = mpsc::channel();
    let errors = BufReader::new(child.stderr.take().expect("standard error is piped"));
    std::thread::spawn(move || {
        errors
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    Running { child, progress }
}

impl Running {
    fn await_line(&self, words: &str) {
        let started = Instant::now();
        while let Ok(line) = self
            .progress
            .recv_timeout(SOON.saturating_sub(started.elapsed()))
        {
            if line.contains(words) {
                return;
            }
        }
        panic!("no line of progress says {words:?}");
    }

    /// True if it says no more, and ends within this time.
    fn has_ended_within(&self, time: Duration) -> bool {
        self.progress.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Disconnected)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        assert!(sent.is_ok(), "kill is installed");
    }

    /// Its exit code and what it said, within the time that an interrupt may take.
    fn end(mut self) -> (Option<i32>, String) {
        let interrupted = Instant::now();
        let mut said = String::new();
        let _ = self
            .child
            .stdout
            .take()
            .expect("standard output is piped")
            .read_to_string(&mut said);
        let code = self.child.wait().expect("a child can be waited for").code();
        assert!(interrupted.elapsed() < SOON, "it took {:?}", interrupted.elapsed());
        (code, said)
    }
}

fn log(name: &str) -> PathBuf {
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("interrupt-{name}.jsonl"));
    let _ = std::fs::remove_file(&log);
    log
}

/// The events of a log, by name.
fn events(log: &PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(log).expect("the log was kept");
    let records = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a whole line"));
    records
        .map(|record| {
            record["event"]
                .as_str()
                .expect("an event has a name")
                .to_owned()
        })
        .collect()
}

/// What a silent server tells of its callers.
#[derive(Debug, PartialEq)]
enum Told {
    Called(SocketAddr),
    Gone,
}

/// A server that says nothing at all, and tells when somebody calls, in the order of the calls, and
/// when a caller has gone.
fn silent() -> (SocketAddr, mpsc::Receiver<Told>) {
    let (tell, told) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        while let Ok((mut stream, caller)) = listener.accept() {
            let _ = tell.send(Told::Called(caller));
            let tell = tell.clone();
            std::thread::spawn(move || {
                let _ = stream.read_to_end(&mut Vec::new());
                let _ = tell.send(Told::Gone);
            });
        }
    });
    (address, told)
}

/// A server that puts every recipient off until it is told to relay nothing.
fn greylisting(
    is_over: Arc<AtomicBool>,
    recipients: Arc<AtomicUsize>,
) -> impl Fn(TcpStream) + Send + Sync {
    move |stream| {
        answer(stream, "220 mx.example.net ESMTP\r\n", |line| {
            match line.split([' ', ':']).next() {
                Some("RCPT") if line.contains("<POSTMASTER@") => "250 2.1.5 Ok",
                Some("RCPT") if is_over.load(Ordering::Relaxed) => {
                    recipients.fetch_add(1, Ordering::Relaxed);
                    "550 5.7.1 Relaying denied"
                }
                Some("RCPT") => "450 4.2.0 Greylisted, come back later",
                Some("QUIT") => "221 bye",
                _ => "250 ok",
            }
        });
    }
}

fn taking_messages(stream: TcpStream) {
    let in_text = AtomicBool::new(false);
    answer(stream, "220 mx.example.net ESMTP\r\n", |line| match line {
        "." => {
            in_text.store(false, Ordering::Relaxed);
            "250 2.0.0 queued"
        }
        // Nothing is answered within a text.
        _ if in_text.load(Ordering::Relaxed) => "",
        "DATA" => {
            in_text.store(true, Ordering::Relaxed);
            "354 go on"
        }
        "QUIT" => "221 bye",
        _ => "250 ok",
    });
}

#[test]
fn an_interrupt_while_the_server_is_silent_drops_its_connections() {
    let ((server, told), log) = (silent(), log("silent"));
    let address = server.to_string();
    let shown = log.to_string_lossy().into_owned();
    let running = start(&[
        "test",
        &address,
        "--profile",
        "classic",
        "--domain",
        "probe.test",
        "--log",
        &shown,
        LONGER,
    ]);
    let first = told.recv_timeout(SOON);
    assert!(matches!(first, Ok(Told::Called(_))), "{first:?}");
    running.signal("-INT");
    let (code, said) = running.end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("VERDICT"), "{said}");
    assert_eq!(events(&log).last().map(String::as_str), Some("run_finished"));
    // Calls are told in their order: after ours, no other comes.
    let last = TcpStream::connect(server).expect("the server listens");
    let ours = Told::Called(last.local_addr().expect("it is connected"));
    let (mut called, mut gone) = (1, 0);
    loop {
        match told.recv_timeout(SOON).expect("our call is told") {
            Told::Gone => gone += 1,
            call if call == ours => break,
            Told::Called(_) => called += 1,
        }
    }
    while gone < called {
        let next = told.recv_timeout(SOON);
        assert_eq!(next, Ok(Told::Gone), "{} connections that nobody closed", called - gone);
        gone += 1;
    }
}

#[test]
fn what_was_interrupted_while_greylisted_is_gone_on_with() {
    let (is_over, recipients) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let address = listen(greylisting(is_over.clone(), recipients.clone())).to_string();
    let log = log("greylisted");
    let shown = log.to_string_lossy().into_owned();
    let only = [
        "--only",
        "foreign-to-foreign,null-sender,ctl-postmaster",
        "--domain",
        "probe.test",
        "--verbose",
    ];
    let running = start(&[&["test", &address, "--log", &shown][..], &only].concat());
    running.await_line("greylisted; asking again at");
    running.signal("-INT");
    let (code, said) = running.end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("VERDICT inconclusive") && said.contains("reylist"), "{said}");

    is_over.store(true, Ordering::Relaxed);
    let resumed = start(&["test", "--resume", &shown, "--domain", "probe.test"]);
    let (code, said) = resumed.end();
    assert_eq!((code, recipients.load(Ordering::Relaxed)), (Some(0), 2), "{said}");
    assert!(said.contains("VERDICT closed"), "{said}");
    let events = events(&log);
    assert_eq!(
        events
            .iter()
            .filter(|event| *event == "run_finished")
            .count(),
        2
    );
    assert_eq!(events.iter().filter(|event| *event == "resumed").count(), 1);
}

#[test]
fn an_interrupt_while_a_message_is_awaited_tells_what_was_accepted() {
    let address = listen(taking_messages).to_string();
    let receiver = loopback::own().to_string();
    let log = log("proof");
    let shown = log.to_string_lossy().into_owned();
    let running = start(&[
        "test",
        &address,
        "--only",
        "foreign-to-foreign",
        "--domain",
        "probe.test",
        "--receive",
        &receiver,
        "--log",
        &shown,
        "--verbose",
    ]);
    running.await_line("waiting for the messages to come back until");
    running.signal("-TERM");
    let (code, said) = running.end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("VERDICT suspect"), "{said}");
    assert_eq!(events(&log).last().map(String::as_str), Some("run_finished"));
}

/// A resolver that never answers is waited for; a second interrupt doesn't.
#[test]
fn a_second_interrupt_ends_at_once() {
    let resolver = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    let address = resolver.local_addr().expect("it is bound").to_string();
    let running = start(&[
        "test",
        "mx.example.net",
        "--resolver",
        &address,
        "--domain",
        "probe.test",
        LONGER,
    ]);
    resolver
        .set_read_timeout(Some(SOON))
        .expect("a time-out can be set");
    assert!(resolver.recv(&mut [0; 512]).is_ok(), "the resolver is asked");
    let interrupted = Instant::now();
    running.signal("-INT");
    // Two signals that come together are one: so they come until the command has ended, and with it
    // its standard error.
    while !running.has_ended_within(AGAIN) {
        assert!(interrupted.elapsed() < SOON, "a second interrupt does not end it");
        running.signal("-INT");
    }
    assert_eq!(running.end().0, Some(130));
}

/// A process that is killed in the middle of a line: what has its answer keeps it, and nothing is
/// read from half a line.
#[test]
fn a_killed_run_is_gone_on_with() {
    let (is_over, recipients) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let address = listen(greylisting(is_over.clone(), recipients.clone())).to_string();
    let log = log("killed");
    let shown = log.to_string_lossy().into_owned();
    let only = [
        "--only",
        "foreign-to-foreign,null-sender,ctl-postmaster",
        "--domain",
        "probe.test",
        "--verbose",
    ];
    let mut running = start(&[&["test", &address, "--log", &shown][..], &only].concat());
    running.await_line("greylisted; asking again at");
    running.child.kill().expect("it is ours");
    running.child.wait().expect("it is ours");
    let before = std::fs::read_to_string(&log).expect("the log was kept");
    let (half, _) = before.split_at(before.len() - 20);
    std::fs::write(&log, half).expect("the folder of tests can be written to");

    is_over.store(true, Ordering::Relaxed);
    let (code, said) = start(&["test", "--resume", &shown, "--domain", "probe.test"]).end();
    assert_eq!((code, recipients.load(Ordering::Relaxed)), (Some(0), 2), "{said}");
    assert!(said.contains("VERDICT closed"), "{said}");
    let again = start(&["replay", &shown]).end();
    assert!(again.0 == Some(0) && again.1.contains("VERDICT closed"), "{again:?}");
}
