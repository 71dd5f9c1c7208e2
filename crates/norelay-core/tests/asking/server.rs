//! A server as a file of rules, and a request as a line of words.
//!
//! ```text
//! # what the scenario shows
//! request: classic concurrency=6        (words; see `request`)
//! host: host-7.isp.example              (the host name; unknown)
//! ports: 25 25+starttls                 (with addresses: one, two)
//! receiver                              (a receiver that nothing but canaries reach)
//! deaf receiver                         (a receiver that nothing reaches)
//! relays                                (accepted messages come back)
//! at once 3: 421 4.7.0 too many connections
//! greets after: 1                       (so many seconds; what it rejects, it rejects at once)
//! errors 3: 421 4.7.0 too many errors   (answers the third rejected RCPT on a connection, and each
//!                                        RCPT behind it)
//! greeting 4-: 554 5.7.1 go away        (from the fourth connection on)
//! greeting: 220 mx.target.example ESMTP
//! RCPT TO:<postmaster@: 250 ok          (the first rule whose beginning fits answers)
//! MAIL FROM:<*@mx.target: 550 no        (a beginning, and what stands somewhere behind it)
//! ```
//!
//! Replies of several lines are parted by ` / `; `(closes)`, `(silent)` and `(refused)` are answers
//! too, and `421 … (closes)` says something first.

use std::{net::IpAddr, time::Duration};

use norelay_core::{
    asking::{Family, Request, Traps},
    catalogue::{self, Profile},
    smtp::Security,
    token::{RunId, TokenKey},
};

/// What a server does with a connection or a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Says(String),
    SaysAndCloses(String),
    Closes,
    Silent,
    Refused,
}

/// A server by rules.
pub struct Server {
    /// The target's host name: what the DNS says of the address, where an address was typed.
    pub host: Option<String>,
    pub addresses: Vec<IpAddr>,
    /// Ports of other protocols than SMTP that accept connections.
    pub ports: Vec<u16>,
    pub relays: bool,
    pub receiving: bool,
    /// True if no message reaches the receiver, a canary included.
    pub is_receiver_deaf: bool,
    /// How long the server waits before it greets.
    pub greeting_pause: Duration,
    at_once: Option<(usize, Answer)>,
    errors: Option<(usize, Answer)>,
    rules: Vec<Rule>,
}

struct Rule {
    from: usize,
    beginning: String,
    /// What the line has behind its beginning.
    within: String,
    answer: Answer,
}

impl Rule {
    fn fits(&self, line: &str) -> bool {
        let line = line.to_ascii_uppercase();
        let behind = line.strip_prefix(&self.beginning.to_ascii_uppercase());
        behind.is_some_and(|behind| behind.contains(&self.within.to_ascii_uppercase()))
    }
}

impl Server {
    /// The answer to the nth connection, beside so many others.
    pub fn greeting(&self, nth: usize, beside: usize, port: u16) -> Answer {
        if let Some((most, answer)) = &self.at_once
            && beside >= *most
        {
            return answer.clone();
        }
        let of_port = self.answer(nth, &format!("greeting on {port}"));
        if of_port == Answer::Silent { self.answer(nth, "greeting") } else { of_port }
    }

    /// The answer to a line on the nth connection, after so many rejections, which are counted.
    pub fn counting_answer(&self, nth: usize, line: &str, rejections: &mut usize) -> Answer {
        let own = self.answer(nth, line);
        let Some((from, answer)) = self.errors.as_ref().filter(|_| line.starts_with("RCPT")) else {
            return own;
        };
        let is_rejection = matches!(&own, Answer::Says(says) if says.starts_with(['4', '5']));
        *rejections += usize::from(is_rejection || *rejections >= *from);
        if *rejections >= *from { answer.clone() } else { own }
    }

    /// The answer to a line on the nth connection.
    pub fn answer(&self, nth: usize, line: &str) -> Answer {
        let rule = self
            .rules
            .iter()
            .find(|rule| nth >= rule.from && rule.fits(line));
        rule.map_or(Answer::Silent, |rule| rule.answer.clone())
    }
}

fn answer(text: &str) -> Answer {
    let (said, closes) = match text.strip_suffix("(closes)") {
        Some(said) => (said.trim_end(), true),
        None => (text, false),
    };
    let octets = said
        .split(" / ")
        .map(|line| format!("{line}\r\n"))
        .collect();
    match (said, closes) {
        ("", true) => Answer::Closes,
        ("(silent)", _) => Answer::Silent,
        ("(refused)", _) => Answer::Refused,
        (_, true) => Answer::SaysAndCloses(octets),
        (_, false) => Answer::Says(octets),
    }
}

/// Reads a scenario: the server and what is asked of it.
pub fn read(text: &str) -> (Server, Request) {
    let mut request = request();
    let mut server = Server {
        host: Some("mx.target.example".into()),
        addresses: vec![[192, 0, 2, 7].into()],
        ports: Vec::new(),
        relays: false,
        receiving: false,
        is_receiver_deaf: false,
        greeting_pause: Duration::ZERO,
        at_once: None,
        errors: None,
        rules: Vec::new(),
    };
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name {
            "request" => value
                .split(' ')
                .for_each(|word| word_of_request(&mut request, word)),
            "ports" => request.ports = value.split(' ').map(port).collect(),
            "addresses" => {
                let addresses = value.split(' ');
                server.addresses = addresses
                    .map(|text| text.parse().expect("an address"))
                    .collect();
            }
            "greets after" => {
                server.greeting_pause = Duration::from_secs(value.parse().expect("seconds"));
            }
            "accepts" => {
                server.ports = value
                    .split(' ')
                    .map(|text| text.parse().expect("a port"))
                    .collect();
            }
            "host" => server.host = Some(value.to_owned()).filter(|name| name != "unknown"),
            "receiver" => server.receiving = true,
            "deaf receiver" => (server.receiving, server.is_receiver_deaf) = (true, true),
            "relays" => (server.relays, server.receiving) = (true, true),
            _ => match name.rsplit_once(' ') {
                Some(("at once", most)) => server.at_once = Some((number(most), answer(value))),
                Some(("errors", from)) => server.errors = Some((number(from), answer(value))),
                _ => server.rules.push(rule(line)),
            },
        }
    }
    (server, request)
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// `RCPT TO:<a@ 4-: 550 no`: the beginning of a line, the first connection, and the answer.
fn rule(line: &str) -> Rule {
    let (condition, said) = line.split_once(": ").expect("a rule has an answer");
    let (beginning, from) = match condition.rsplit_once(' ') {
        Some((beginning, from)) if from.ends_with('-') => {
            (beginning, from.trim_end_matches('-').parse().expect("a number"))
        }
        _ => (condition, 1),
    };
    let (beginning, within) = beginning.split_once('*').unwrap_or((beginning, ""));
    let (beginning, within) = (beginning.to_owned(), within.to_owned());
    Rule { from, beginning, within, answer: answer(said) }
}

fn port(text: &str) -> (u16, Security) {
    let (port, security) = match text.split_once('+') {
        Some((port, "starttls")) => (port, Security::StartTls),
        Some((port, "tls")) => (port, Security::Tls),
        _ => (text, Security::Plain),
    };
    (port.parse().expect("a port"), security)
}

fn word_of_request(request: &mut Request, word: &str) {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let number = || value.parse().expect("a number");
    match name {
        "classic" => {}
        "standard" => select(request, Profile::Standard),
        "thorough" => select(request, Profile::Thorough),
        "only" => request.tests = value.split(',').map(test).collect(),
        "also" => request.tests.extend(value.split(',').map(test)),
        "concurrency" => request.concurrency = Some(number()),
        "messages" => request.max_messages = number(),
        "wait" => request.wait = Duration::from_secs(value.parse().expect("seconds")),
        "address" => request.address_typed = true,
        "trusted" => request.trusted_senders = value.split(',').map(str::to_owned).collect(),
        "found" => request.found_senders = value.split(',').map(str::to_owned).collect(),
        "local" => request.local_domain = Some(value.to_owned()).filter(|name| !name.is_empty()),
        "slow" => request.slow = true,
        "user" => {
            (request.local_user, request.named_user) = (value.to_owned(), Some(value.to_owned()));
        }
        "every-path" => request.every_path = true,
        _ => panic!("a request has no word {word}"),
    }
}

fn select(request: &mut Request, profile: Profile) {
    request.profile = profile;
    request.tests = catalogue::select(profile).collect();
}

fn test(id: &str) -> &'static catalogue::RelayTest {
    catalogue::by_id(id).unwrap_or_else(|| panic!("the catalogue has no {id}"))
}

/// The classic profile at port 25, with all that it needs.
fn request() -> Request {
    Request {
        run: RunId(1),
        key: TokenKey::new([7; 32]),
        target: "mx.target.example".into(),
        address_typed: false,
        profile: Profile::Classic,
        tests: catalogue::select(Profile::Classic).collect(),
        domain: "probe.example".into(),
        domain_given: true,
        second_domain: Some("probe2.example".into()),
        local_domain: Some("target.example".into()),
        introduction: Vec::new(),
        local_user: "postmaster".into(),
        named_user: None,
        trusted_senders: Vec::new(),
        found_senders: Vec::new(),
        helo: Some("tester.probe.example".into()),
        receivers: Vec::new(),
        traps: Traps::default(),
        ports: vec![(25, Security::Plain)],
        family: Family::Any,
        every_path: false,
        reply_timeout: Duration::from_secs(60),
        wait: Duration::from_secs(300),
        concurrency: None,
        slow: false,
        max_messages: 3,
        credentials: None,
        seen_as_expected: None,
    }
}
