//! The witness: a second opinion on a scenario that shares no code with norelay.
//!
//! It asks the seventeen questions with its own dialogue, sends a message wherever it
//! may, and looks at what arrives. A scenario that isn't what it claims to be is found
//! here, before norelay is blamed (or praised) for its verdict.
//!
//! Rule: patient and simple; two connections at once, one test each.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::data::{Scenario, Tls, WayIn};
use crate::failure::{Failure, Outcome};
use crate::sink::{Arrival, Sink};
use crate::world::{MX, TESTER};

/// Seconds that a reply may take.
const REPLY_LIMIT: Duration = Duration::from_secs(120);
/// How long the messages may take that the scenario says must arrive.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(120);
/// How often a test that was put off or interrupted is tried again.
const TRIES: u32 = 6;
/// The first pause before it is; the next ones grow.
const PAUSE: Duration = Duration::from_secs(1);

/// (id, reverse-path, forward-path); `S` and `R` stand for the token local parts, `H` for
/// the host, `I` for its address literal and `D` for the probe domain, each in braces.
const TESTS: [(&str, &str, &str); 17] = [
    ("foreign-to-foreign", "{S}@{D}", "{R}@{D}"),
    ("bare-sender", "{S}", "{R}@{D}"),
    ("null-sender", "", "{R}@{D}"),
    ("target-host-sender", "{S}@{H}", "{R}@{D}"),
    ("target-ip-sender", "{S}@{I}", "{R}@{D}"),
    ("percent-host", "{S}@{H}", "{R}%{D}@{H}"),
    ("percent-ip", "{S}@{H}", "{R}%{D}@{I}"),
    ("quoted-at", "{S}@{H}", "\"{R}@{D}\""),
    ("quoted-percent", "{S}@{H}", "\"{R}%{D}\""),
    ("double-at-host", "{S}@{H}", "{R}@{D}@{H}"),
    ("quoted-at-host", "{S}@{H}", "\"{R}@{D}\"@{H}"),
    ("double-at-ip", "{S}@{H}", "{R}@{D}@{I}"),
    ("source-route-host", "{S}@{H}", "@{H}:{R}@{D}"),
    ("source-route-ip", "{S}@{H}", "@{I}:{R}@{D}"),
    ("bang-bare", "{S}@{H}", "{D}!{R}"),
    ("bang-host", "{S}@{H}", "{D}!{R}@{H}"),
    ("bang-ip", "{S}@{H}", "{D}!{R}@{I}"),
];

/// What the witness saw of one test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sight {
    /// The test's id.
    pub id: String,
    /// The last reply, with the command that it answered.
    pub reply: String,
    /// Whether the server took the whole message.
    pub taken: bool,
    /// Whether the message arrived at the probe domain.
    pub arrived: bool,
}

/// Everything that the witness saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Testimony {
    /// One entry a test.
    pub tests: Vec<Sight>,
    /// What came of the scenario's way in, where it has one.
    pub way_in: Option<Sight>,
    /// Messages that came to a token sender instead: bounces.
    pub bounces: usize,
    /// The answer to `RCPT TO:<postmaster@target.test>`, which must be accepted.
    pub postmaster: String,
}

impl Testimony {
    /// A line a test, for people.
    pub fn text(&self) -> String {
        let mark = |is_so: bool, word: &'static str| if is_so { word } else { "" };
        let mut text = String::new();
        for sight in self.tests.iter().chain(&self.way_in) {
            let (taken, arrived) = (mark(sight.taken, "taken"), mark(sight.arrived, "arrived"));
            text.push_str(&format!("  {:20} {taken:5} {arrived:7} {}\n", sight.id, sight.reply));
        }
        text.push_str(&format!("  bounces: {}\n  postmaster: {}", self.bounces, self.postmaster));
        text
    }
}

/// Returns how many messages must arrive where the scenario is what it claims to be.
pub fn must_arrive(scenario: &Scenario) -> usize {
    let expect = &scenario.expect;
    let relayed = TESTS
        .iter()
        .filter(|(id, ..)| expect.relayed.iter().any(|relayed| relayed == id));
    let by_the_way_in = usize::from(expect.relays());
    let relayed = if scenario.way_in.is_some() { by_the_way_in } else { relayed.count() };
    relayed + usize::from(expect.findings.iter().any(|tag| tag == "backscatter"))
}

/// Runs in the tester's namespace and prints the testimony as JSON. Waits for so many messages as
/// long as a busy machine takes, and for others that were taken as long as the scenario says.
pub fn testify(
    must_arrive: usize,
    patience: Duration,
    way_in: Option<&WayIn>,
) -> Outcome<Testimony> {
    let sink = Sink::listen(&format!("{}:25", TESTER.ipv4))?;
    let sights: Vec<Sight> = thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            scope.spawn(move || {
                let numbers = (half..TESTS.len()).step_by(2);
                numbers
                    .map(|number| (number, ask(number)))
                    .collect::<Vec<_>>()
            })
        });
        let mut asked: Vec<_> = halves
            .into_iter()
            .filter_map(|half| half.join().ok())
            .flatten()
            .collect();
        asked.sort_by_key(|(number, _)| *number);
        asked.into_iter().map(|(_, sight)| sight).collect()
    });
    let through = way_in
        .and_then(|way| way.recipient.as_deref())
        .unwrap_or(THROUGH);
    let way_in = way_in.map(|way| attempt("the way in", ("witness@probe.test", through), way));
    let taken = sights
        .iter()
        .chain(&way_in)
        .filter(|sight| sight.taken)
        .count();
    sink.wait(ARRIVAL_LIMIT, |arrivals| arrivals.len() >= must_arrive);
    let arrivals = sink.wait(patience, |arrivals| arrivals.len() >= taken);
    Ok(conclude(sights, way_in, through, &arrivals))
}

fn conclude(
    mut tests: Vec<Sight>,
    mut way_in: Option<Sight>,
    through: &str,
    arrivals: &[Arrival],
) -> Testimony {
    let paths: Vec<&String> = arrivals
        .iter()
        .flat_map(|mail| &mail.forward_paths)
        .collect();
    let seen: BTreeSet<usize> = (0..tests.len())
        .filter(|number| paths.iter().any(|path| path.contains(&recipient(*number))))
        .collect();
    for (number, sight) in tests.iter_mut().enumerate() {
        sight.arrived = seen.contains(&number);
    }
    if let Some(sight) = &mut way_in {
        sight.arrived = paths.iter().any(|path| path.contains(through));
    }
    let bounces = paths.iter().filter(|path| path.contains("sender")).count();
    let postmaster =
        transact("witness@probe.test", "postmaster@target.test", false, &WayIn::default());
    let postmaster = postmaster.map_or_else(|failure| failure.to_string(), |(reply, _)| reply);
    Testimony { tests, way_in, bounces, postmaster }
}

/// The recipient of the scenario's way in, where any will do.
const THROUGH: &str = "through@probe.test";

fn recipient(number: usize) -> String {
    format!("token{number:02}r")
}

/// Whether some test was put off for good; the others then are not tried again.
static HOPELESS: AtomicBool = AtomicBool::new(false);

/// Asks one test until there is an answer that isn't for later.
fn ask(number: usize) -> Sight {
    let (id, from, to) = TESTS[number];
    let words = |text: &str| {
        text.replace("{S}", &format!("sender{number:02}s"))
            .replace("{R}", &recipient(number))
            .replace("{D}", "probe.test")
            .replace("{H}", MX.host)
            .replace("{I}", &format!("[{}]", MX.ipv4))
    };
    attempt(id, (&words(from), &words(to)), &WayIn::default())
}

/// One test, repeated while the server puts it off.
fn attempt(id: &str, (from, to): (&str, &str), way: &WayIn) -> Sight {
    let mut sight = Sight { id: id.into(), reply: String::new(), taken: false, arrived: false };
    for attempt in 1..=TRIES {
        match transact(from, to, true, way) {
            Ok((reply, taken)) => (sight.reply, sight.taken) = (reply, taken),
            Err(failure) => sight.reply = format!("421 {failure}"),
        }
        if !is_for_later(&sight.reply) || HOPELESS.load(Ordering::Relaxed) {
            break;
        }
        HOPELESS.fetch_or(attempt == TRIES, Ordering::Relaxed);
        thread::sleep(PAUSE * attempt);
    }
    sight
}

fn is_for_later(reply: &str) -> bool {
    let text = reply.to_lowercase();
    text.contains("421 ") || text.contains("greylist") || text.contains("try again")
}

/// One transaction on a fresh connection: the last reply, and whether the message was taken.
fn transact(from: &str, to: &str, with_message: bool, way: &WayIn) -> Outcome<(String, bool)> {
    let mut dialogue = Dialogue::open(way)?;
    for command in [format!("EHLO {}", way.hello.as_deref().unwrap_or(TESTER.host))]
        .iter()
        .chain(&way.says)
    {
        dialogue.say(command)?;
    }
    let commands = [
        (format!("MAIL FROM:<{from}>"), "2"),
        (format!("RCPT TO:<{to}>"), "2"),
        ("DATA".to_owned(), "3"),
        (message(to), "2"),
    ];
    let count = if with_message { commands.len() } else { 2 };
    let mut last = String::new();
    for (command, wanted) in &commands[..count] {
        let reply = dialogue.say(command)?;
        let verb = command.split([' ', ':']).next().unwrap_or_default();
        let verb = if verb == "From" { "dot" } else { verb };
        last = format!("{verb}: {reply}");
        if !reply.starts_with(wanted) {
            return Ok((last, false));
        }
    }
    Ok((last, with_message))
}

fn message(to: &str) -> String {
    format!("From: witness@probe.test\r\nSubject: witness\r\n\r\nA test, meant for {to}.\r\n.")
}

/// A client's side of one connection.
struct Dialogue {
    input: Box<dyn BufRead>,
    output: Box<dyn Write>,
}

impl Dialogue {
    fn open(way: &WayIn) -> Outcome<Self> {
        let address = way
            .address
            .clone()
            .unwrap_or_else(|| format!("{}:25", MX.ipv4));
        let failed = |error: std::io::Error| Failure::new("connect", error);
        let mut dialogue = match way.tls {
            Some(tls) => Self::secured(&address, tls).map_err(failed)?,
            None => Self::plain(&address).map_err(failed)?,
        };
        if let Some(first) = &way.first {
            dialogue.tell(first)?;
        }
        // After STARTTLS a server doesn't greet again.
        let greeting =
            if way.tls == Some(Tls::Starttls) { "220".into() } else { dialogue.reply()? };
        if greeting.starts_with("220") {
            return Ok(dialogue);
        }
        Err(Failure::new("be greeted", greeting))
    }

    fn plain(address: &str) -> std::io::Result<Self> {
        let output = TcpStream::connect(address)?;
        output.set_read_timeout(Some(REPLY_LIMIT))?;
        Ok(Self::over(output.try_clone()?, output))
    }

    /// A connection under TLS, by OpenSSL's own client: the opinion is to be a second one.
    fn secured(address: &str, tls: Tls) -> std::io::Result<Self> {
        let mut client = Command::new("timeout");
        client.args([
            &REPLY_LIMIT.as_secs().to_string(),
            "openssl",
            "s_client",
            "-quiet",
            "-connect",
            address,
        ]);
        client.args(if tls == Tls::Starttls { &["-starttls", "smtp"][..] } else { &[] });
        client
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut client = client.spawn()?;
        let (input, output) = (client.stdout.take(), client.stdin.take());
        let missing = || std::io::Error::other("openssl has no pipes");
        Ok(Self::over(input.ok_or_else(missing)?, output.ok_or_else(missing)?))
    }

    fn over(input: impl Read + 'static, output: impl Write + 'static) -> Self {
        Self { input: Box::new(BufReader::new(input)), output: Box::new(output) }
    }

    fn tell(&mut self, line: &str) -> Outcome<()> {
        let sent = self
            .output
            .write_all(format!("{line}\r\n").as_bytes())
            .and_then(|()| self.output.flush());
        sent.map_err(|error| Failure::new("send", error))
    }

    fn say(&mut self, command: &str) -> Outcome<String> {
        self.tell(command)?;
        self.reply()
    }

    /// The last line of a reply, which may have several (RFC 5321 section 4.2.1).
    fn reply(&mut self) -> Outcome<String> {
        loop {
            let mut line = String::new();
            let length = self.input.read_line(&mut line);
            if length.map_err(|error| Failure::new("read a reply", error))? == 0 {
                return Err(Failure::new("read a reply", "the server closed the connection"));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}

/// Waits until a server answers: the suite's way to know that an instance has started.
pub fn await_ready(address: &str, greeting: bool, limit: Duration) -> Outcome<()> {
    let deadline = Instant::now() + limit;
    let mut last = String::from("it was never tried");
    while Instant::now() < deadline {
        match answers(address, greeting) {
            Ok(()) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
        // The interval of a poll, not a wait for something to have happened.
        thread::sleep(Duration::from_millis(25));
    }
    Err(Failure::new(format!("reach {address} within {} s", limit.as_secs()), last))
}

fn answers(address: &str, greeting: bool) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    if !greeting {
        return Ok(());
    }
    stream.set_read_timeout(Some(REPLY_LIMIT))?;
    let mut line = String::new();
    let mut input = BufReader::new(stream.try_clone()?);
    input.read_line(&mut line)?;
    if !line.starts_with("220") {
        return Err(std::io::Error::other(format!("it greeted with {line:?}")));
    }
    // Leaving without QUIT would be an error in the server's log.
    while line.as_bytes().get(3) == Some(&b'-') {
        line.clear();
        input.read_line(&mut line)?;
    }
    stream.write_all(b"QUIT\r\n")?;
    line.clear();
    input.read_line(&mut line).map(drop)
}
