//! A mail server for tests: closed, or open and relaying to one place; it can be made to wait in
//! mid-run.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a message is handed on again, and after which pause: for two minutes.
const TRIES: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(100);

/// A server that runs until the process ends.
pub struct MailServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where an open relay hands messages on; none: closed.
    relay_to: Mutex<Option<SocketAddr>>,
    /// RCPTs until now.
    recipients: Mutex<usize>,
    /// Told of every RCPT.
    asked: Condvar,
    /// RCPTs after this many wait, until it is raised.
    gate: Mutex<usize>,
    raised: Condvar,
}

impl Shared {
    /// Counts one more RCPT; returns how many came before it.
    fn count_recipient(&self) -> usize {
        let mut recipients = self.recipients.lock().expect("nobody panicked");
        *recipients += 1;
        self.asked.notify_all();
        *recipients - 1
    }
}

impl MailServer {
    /// A closed one that waits for nothing.
    pub fn closed() -> Self {
        Self::start(None, usize::MAX)
    }

    /// One that hands everything on to `relay_to`.
    pub fn open(relay_to: SocketAddr) -> Self {
        Self::start(Some(relay_to), usize::MAX)
    }

    /// One whose RCPTs after so many wait for [`MailServer::raise`].
    pub fn start(relay_to: Option<SocketAddr>, gate: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            relay_to: Mutex::new(relay_to),
            recipients: Mutex::new(0),
            asked: Condvar::new(),
            gate: Mutex::new(gate),
            raised: Condvar::new(),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { address, shared }
    }

    pub fn relay_to(&self, address: SocketAddr) {
        *self.shared.relay_to.lock().expect("nobody panicked") = Some(address);
    }

    /// RCPTs until now.
    pub fn recipients(&self) -> usize {
        *self.shared.recipients.lock().expect("nobody panicked")
    }

    /// Waits until there have been so many RCPTs.
    pub fn await_recipients(&self, count: usize) {
        let recipients = self.shared.recipients.lock().expect("nobody panicked");
        let (recipients, waited) = self
            .shared
            .asked
            .wait_timeout_while(recipients, PATIENCE, |recipients| *recipients < count)
            .expect("nobody panicked");
        assert!(!waited.timed_out(), "{recipients} recipients of {count} in {PATIENCE:?}");
    }

    /// Lets everything pass.
    pub fn raise(&self) {
        *self.shared.gate.lock().expect("nobody panicked") = usize::MAX;
        self.shared.raised.notify_all();
    }
}

#[expect(clippy::too_many_lines, reason = "one match with an arm for each command")]
fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    stream.write_all(b"220 mail.test ESMTP\r\n")?;
    let (mut sender, mut recipients) = (String::new(), Vec::new());
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let command = line.trim_end().to_owned();
        line.clear();
        let verb = command
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let relay_to = *shared.relay_to.lock().expect("nobody panicked");
        let reply: &[u8] = match verb.as_str() {
            "EHLO" | "HELO" => b"250 mail.test\r\n",
            "MAIL" => {
                sender = command;
                recipients.clear();
                b"250 2.1.0 Ok\r\n"
            }
            "RCPT" => {
                let number = shared.count_recipient();
                let gate = shared.gate.lock().expect("nobody panicked");
                drop(
                    shared
                        .raised
                        .wait_while(gate, |gate| number >= *gate)
                        .expect("nobody panicked"),
                );
                if relay_to.is_some() {
                    recipients.push(command);
                    b"250 2.1.5 Ok\r\n"
                } else {
                    b"554 5.7.1 Relay access denied\r\n"
                }
            }
            "DATA" if recipients.is_empty() => b"503 5.5.1 No valid recipients\r\n",
            "DATA" => {
                stream.write_all(b"354 End data with <CR><LF>.<CR><LF>\r\n")?;
                let mut text = String::new();
                while line != ".\r\n" {
                    text.push_str(&std::mem::take(&mut line));
                    if lines.read_line(&mut line)? == 0 {
                        // A text without its end is no message (RFC 5321 section 4.1.1.4).
                        return Ok(());
                    }
                }
                line.clear();
                stream.write_all(b"250 2.0.0 Ok: queued as 1\r\n")?;
                if let Some(to) = relay_to {
                    // As a mail server does: later, and again until it is taken.
                    let (sender, recipients) = (sender.clone(), recipients.clone());
                    std::thread::spawn(move || {
                        for _ in 0..TRIES {
                            if hand_on(to, &sender, &recipients, &text).is_ok() {
                                return;
                            }
                            std::thread::sleep(PAUSE);
                        }
                    });
                }
                continue;
            }
            "RSET" | "NOOP" => b"250 2.0.0 Ok\r\n",
            "QUIT" => {
                stream.write_all(b"221 2.0.0 Bye\r\n")?;
                return Ok(());
            }
            _ => b"502 5.5.2 Error: command not recognized\r\n",
        };
        stream.write_all(reply)?;
    }
    Ok(())
}

/// Delivers a message as a relay does.
pub fn hand_on(
    to: SocketAddr,
    sender: &str,
    recipients: &[String],
    text: &str,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    let mut expect = |code: &str| {
        let mut line = String::new();
        loop {
            line.clear();
            if replies.read_line(&mut line)? == 0 {
                return Err(std::io::Error::other("hung up"));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
        if line.starts_with(code) { Ok(()) } else { Err(std::io::Error::other(line.clone())) }
    };
    expect("220")?;
    write!(stream, "EHLO mail.test\r\n")?;
    expect("250")?;
    write!(stream, "{sender}\r\n")?;
    expect("250")?;
    for recipient in recipients {
        write!(stream, "{recipient}\r\n")?;
        expect("250")?;
    }
    write!(stream, "DATA\r\n")?;
    expect("354")?;
    write!(stream, "Received: from norelay by mail.test with ESMTP id 1\r\n{text}.\r\n")?;
    expect("250")?;
    write!(stream, "QUIT\r\n")
}
