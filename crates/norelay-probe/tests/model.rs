//! Servers made at random, of which it is known what they relay: whatever else such a server does,
//! no verdict may say otherwise, and none may be unsure without need.

mod simulation;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use norelay_core::{
    catalogue::{self, Profile},
    check::Verdict,
    event::Receipt,
    token::{Token, TokenRole},
};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use simulation::{Ran, Request, Server, key, request};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream},
    sync::mpsc,
    time::{Instant, sleep},
};

const OWN: [&str; 3] = ["target.example", "mx.target.example", "[192.0.2.7]"];
const NAMELESS: &str = "220 mx.target.example ESMTP";
const PROBE: &str = "probe.example";

/// Whom a server trusts without reason, or what address it reads as one of its own and sends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    Nobody,
    Everybody,
    NullSender,
    OwnHostSender,
    Percent,
    Bang,
    SourceRoute,
    Quoted,
    SecondAt,
    // The classic tests don't look for these.
    OwnDomainSender,
    HeloLocalhost,
    HeloOwnName,
    AnyPassword,
    Xclient,
    Piggyback,
    SecondTry,
    BeginsLikeOwn,
    Postmaster,
    // Nor do the standard ones for this.
    SenderIsRecipient,
}

const HOLES: [Hole; 19] = [
    Hole::Nobody,
    Hole::Everybody,
    Hole::NullSender,
    Hole::OwnHostSender,
    Hole::Percent,
    Hole::Bang,
    Hole::SourceRoute,
    Hole::Quoted,
    Hole::SecondAt,
    Hole::OwnDomainSender,
    Hole::HeloLocalhost,
    Hole::HeloOwnName,
    Hole::AnyPassword,
    Hole::Xclient,
    Hole::Piggyback,
    Hole::SecondTry,
    Hole::BeginsLikeOwn,
    Hole::Postmaster,
    Hole::SenderIsRecipient,
];

impl Hole {
    fn is_asked_for_in(self, profile: Profile) -> bool {
        let (classic, standard) = (&HOLES[1..9], &HOLES[1..18]);
        match profile {
            Profile::Classic => classic.contains(&self),
            Profile::Standard => standard.contains(&self),
            _ => self != Self::Nobody,
        }
    }
}

/// What becomes of a message that the server has taken for somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    ArrivesAfter(u64),
    IsLost,
    IsRefusedAtData,
    IsRefusedAfterDot,
}

/// What stands in the way of a client, however honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    /// Turns a client away for so many seconds after its first recipient.
    Greylists(u64),
    /// Bears so many connections at once.
    AtOnce(usize),
    /// Bears so many connections a minute.
    PerMinute(usize),
    /// Hangs up after so many errors on a connection.
    Errors(usize),
    /// Rejects every recipient after so many errors on a connection, as if it denied relaying. The
    /// servers that are known by name do no such thing.
    Distrusts(usize),
    /// Refuses after so many seconds.
    RefusesAfter(u64),
    /// Greets after so many seconds.
    GreetsAfter(u64),
    KnowsNoEhlo,
    OffersNoPipelining,
    /// Never answers this connection.
    Loses(usize),
    /// Can't answer the recipients of this connection for the moment.
    FailsOn(usize),
    /// Hangs up on this connection at the recipient.
    HangsUpOn(usize),
    /// Refuses a HELO name without a dot.
    WantsNames,
    /// Refuses its own domain as a stranger's sender, in these words.
    KnowsItsOwn(&'static str),
    /// Refuses us, all but our mail to postmaster, and doesn't say why.
    SparesPostmaster,
    /// Wants a sender with a domain.
    WantsSenderDomain,
    /// Has had enough after so many refusals: for ever.
    BansAfter(usize),
    /// Finds us on a blacklist.
    ListsUs,
}

impl Obstacle {
    /// Whether a patient client gets past it.
    fn can_be_met(self) -> bool {
        !matches!(self, Self::BansAfter(_) | Self::ListsUs | Self::SparesPostmaster)
    }
}

#[derive(Clone, Debug)]
struct Policy {
    greeting: &'static str,
    hole: Hole,
    fate: Fate,
    denial: &'static str,
    nobody: &'static str,
    takes_any_local_part: bool,
    obstacles: Vec<Obstacle>,
}

impl Policy {
    /// Whether a test of the profile meets what this server relays: some of its obstacles close it.
    fn has_a_hole_for(&self, profile: Profile) -> bool {
        let shut = match self.hole {
            Hole::HeloLocalhost => self.has(Obstacle::WantsNames),
            Hole::OwnHostSender | Hole::OwnDomainSender => self.words_for_its_own().is_some(),
            Hole::AnyPassword | Hole::Xclient => self.has(Obstacle::KnowsNoEhlo),
            _ => false,
        };
        self.hole.is_asked_for_in(profile) && !shut
    }

    /// Whether a client who waits five minutes gets past what stands in his way.
    fn can_be_met(&self) -> bool {
        let waits_long = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Greylists(55..));
        let longs = self
            .obstacles
            .iter()
            .filter(|obstacle| waits_long(obstacle))
            .count();
        self.obstacles.iter().all(|obstacle| obstacle.can_be_met())
            && (longs == 0 || self.obstacles.len() == 1)
    }

    fn has(&self, obstacle: Obstacle) -> bool {
        self.obstacles.contains(&obstacle)
    }

    fn words_for_its_own(&self) -> Option<&'static str> {
        self.find(
            |obstacle| if let Obstacle::KnowsItsOwn(words) = obstacle { Some(words) } else { None },
        )
    }

    /// Whether a user whom nobody has is refused in words that say no more than those for relaying,
    /// and are the same.
    fn says_the_same_to_all(&self) -> bool {
        !self.takes_any_local_part && self.denial == self.nobody
    }

    /// Whether it takes every recipient and refuses every message as relaying.
    fn refuses_all_in_words(&self) -> bool {
        let is_worded =
            !["550 Access denied", "554 5.7.1 Weiterleitung verboten"].contains(&self.denial);
        self.hole == Hole::Everybody
            && matches!(self.fate, Fate::IsRefusedAtData | Fate::IsRefusedAfterDot)
            && is_worded
    }

    fn find<T>(&self, pick: impl Fn(Obstacle) -> Option<T>) -> Option<T> {
        self.obstacles.iter().copied().find_map(pick)
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    let fates = prop_oneof![
        4 => (0_u64..60).prop_map(Fate::ArrivesAfter),
        1 => select(vec![Fate::IsLost, Fate::IsRefusedAtData, Fate::IsRefusedAfterDot]),
    ];
    let obstacles = prop_oneof![
        (5_u64..=300).prop_map(Obstacle::Greylists),
        (1_usize..6).prop_map(Obstacle::AtOnce),
        (25_usize..80).prop_map(Obstacle::PerMinute),
        (3_usize..7).prop_map(Obstacle::Errors),
        (3_usize..7).prop_map(Obstacle::Distrusts),
        (1_u64..5).prop_map(Obstacle::RefusesAfter),
        (1_u64..8).prop_map(Obstacle::GreetsAfter),
        Just(Obstacle::KnowsNoEhlo),
        Just(Obstacle::OffersNoPipelining),
        (0_usize..30).prop_map(Obstacle::Loses),
        (0_usize..30).prop_map(Obstacle::FailsOn),
        (0_usize..30).prop_map(Obstacle::HangsUpOn),
        Just(Obstacle::WantsNames),
        select(vec![
            "550 5.7.1 You are not one of us",
            "530 5.7.0 Authentication required",
            "550 Authentication required",
        ])
        .prop_map(Obstacle::KnowsItsOwn),
        Just(Obstacle::SparesPostmaster),
        Just(Obstacle::WantsSenderDomain),
        (3_usize..30).prop_map(Obstacle::BansAfter),
        Just(Obstacle::ListsUs),
    ];
    let denials = select(vec![
        "550 5.7.1 Relaying denied",
        "454 4.7.1 Relay access denied",
        "550 relay not permitted",
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
        "550 5.7.1 Unable to relay",
        "530 5.7.0 Authentication required",
        "550 Access denied",
        "554 5.7.1 Weiterleitung verboten",
    ]);
    // Of the latter two it is known that they bear many questions on a connection.
    let greetings = select(vec![
        NAMELESS,
        "220 mx.target.example ESMTP Sendmail 8.17.1.9; now",
        "220 mx.target.example ESMTP Exim 4.96 now",
    ]);
    let nobody =
        select(vec!["550 5.1.1 User unknown", "550 no such user here", "550 Access denied"]);
    (
        greetings,
        select(&HOLES[..]),
        fates,
        denials,
        nobody,
        any::<bool>(),
        prop::collection::vec(obstacles, 0..4),
    )
        .prop_map(|(greeting, hole, fate, denial, nobody, takes_any_local_part, obstacles)| {
            Policy { greeting, hole, fate, denial, nobody, takes_any_local_part, obstacles }
        })
}

/// What the server remembers between connections.
#[derive(Debug, Default)]
struct Memory {
    connections: usize,
    open: usize,
    starts: VecDeque<Instant>,
    first_recipient: Option<Instant>,
    refusals: usize,
    relayed: bool,
    /// To whom of all the world else it would have sent a message of ours.
    strangers: Vec<String>,
}

struct Model {
    policy: Policy,
    memory: Mutex<Memory>,
    receipts: Option<mpsc::Sender<Receipt>>,
}

/// Where mail to a path goes.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    Mailbox(String),
    Elsewhere(String),
    Unreadable,
}

/// What a client has said on a connection.
#[derive(Debug, Default)]
struct Said {
    hello: String,
    reverse_path: Option<String>,
    forward_paths: Vec<String>,
    refused: Vec<String>,
    takes_a_mailbox: bool,
    is_authenticated: bool,
    errors: usize,
}

impl Model {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(self: &Arc<Self>) -> Server {
        let model = self.clone();
        Arc::new(move |_, stream| {
            let ban = model.policy.find(|obstacle| match obstacle {
                Obstacle::BansAfter(refusals) => Some(refusals),
                _ => None,
            });
            if ban.is_some_and(|refusals| model.memory().refusals >= refusals) {
                return None;
            }
            let number = {
                let mut memory = model.memory();
                memory.connections += 1;
                memory.open += 1;
                memory.connections - 1
            };
            let model = model.clone();
            Some(Box::pin(async move {
                model.serve(number, stream).await;
                model.memory().open -= 1;
            }))
        })
    }

    /// Whether this connection is one too many.
    fn is_too_much(&self) -> bool {
        let mut memory = self.memory();
        let now = Instant::now();
        memory
            .starts
            .retain(|start| now.duration_since(*start) < Duration::from_secs(60));
        memory.starts.push_back(now);
        self.policy.obstacles.iter().any(|obstacle| match obstacle {
            Obstacle::AtOnce(most) => memory.open > *most,
            Obstacle::PerMinute(most) => memory.starts.len() > *most,
            _ => false,
        })
    }

    async fn serve(&self, number: usize, stream: DuplexStream) {
        let mut stream = BufReader::new(stream);
        if self.policy.has(Obstacle::Loses(number)) {
            let mut line = String::new();
            while stream
                .read_line(&mut line)
                .await
                .is_ok_and(|length| length > 0)
            {}
            return;
        }
        if self.is_too_much() {
            let _ = stream
                .write_all(b"421 4.7.0 Too many connections\r\n")
                .await;
            return;
        }
        let pause = self.policy.find(|obstacle| match obstacle {
            Obstacle::GreetsAfter(seconds) => Some(Duration::from_secs(seconds)),
            _ => None,
        });
        sleep(pause.unwrap_or_default()).await;
        let (mut said, mut line, mut reply) =
            (Said::default(), String::new(), self.policy.greeting.to_owned());
        loop {
            let is_over = stream
                .write_all(format!("{reply}\r\n").as_bytes())
                .await
                .is_err();
            line.clear();
            if is_over || reply.starts_with("221") || reply.starts_with("421") {
                return;
            }
            if reply.starts_with("354") {
                while line != ".\r\n" {
                    line.clear();
                    if stream
                        .read_line(&mut line)
                        .await
                        .is_ok_and(|length| length == 0)
                    {
                        return;
                    }
                }
                reply = self.take(&mut said);
                continue;
            }
            if !stream
                .read_line(&mut line)
                .await
                .is_ok_and(|length| length > 0)
            {
                return;
            }
            let Some(answer) = self.answer(number, &mut said, line.trim_end()) else { return };
            reply = answer;
            if reply.starts_with('5') {
                reply = self.refuse(&mut said, reply).await;
            }
        }
    }

    /// An error, with what the server does to those who make them.
    async fn refuse(&self, said: &mut Said, reply: String) -> String {
        said.errors += 1;
        self.memory().refusals += 1;
        let (mut pause, mut most) = (0, usize::MAX);
        for obstacle in &self.policy.obstacles {
            match obstacle {
                Obstacle::RefusesAfter(seconds) => pause = *seconds,
                Obstacle::Errors(errors) => most = *errors,
                _ => (),
            }
        }
        sleep(Duration::from_secs(pause)).await;
        if said.errors > most { "421 4.7.0 Too many errors".to_owned() } else { reply }
    }

    /// The reply to a command; none hangs up.
    fn answer(&self, number: usize, said: &mut Said, line: &str) -> Option<String> {
        let upper = line.to_ascii_uppercase();
        let verb = upper.split([' ', ':']).next().unwrap_or_default();
        let argument = line
            .split_once(' ')
            .map(|(_, argument)| argument)
            .unwrap_or_default();
        Some(match verb {
            "EHLO" if self.policy.has(Obstacle::KnowsNoEhlo) => "502 5.5.1 what".to_owned(),
            "EHLO" | "HELO" if self.policy.has(Obstacle::WantsNames) && !argument.contains('.') => {
                "504 5.5.2 need fully-qualified hostname".to_owned()
            }
            "HELO" | "EHLO" => {
                let (errors, is_authenticated) = (said.errors, said.is_authenticated);
                *said = Said {
                    hello: argument.to_owned(),
                    errors,
                    is_authenticated,
                    ..Said::default()
                };
                let pipelining = if self.policy.has(Obstacle::OffersNoPipelining) {
                    ""
                } else {
                    "250-PIPELINING\r\n"
                };
                if verb == "HELO" {
                    "250 mx.target.example"
                } else {
                    "250-mx.target.example\r\n{}250-XCLIENT ADDR NAME\r\n250 AUTH PLAIN"
                }
                .replace("{}", pipelining)
            }
            "AUTH" if self.policy.hole == Hole::AnyPassword => {
                said.is_authenticated = true;
                "235 2.7.0 welcome".to_owned()
            }
            "AUTH" => "535 5.7.8 wrong".to_owned(),
            "XCLIENT" if self.policy.hole == Hole::Xclient => {
                *said = Said { is_authenticated: true, errors: said.errors, ..Said::default() };
                self.policy.greeting.to_owned()
            }
            "XCLIENT" => "550 5.7.0 not for you".to_owned(),
            "MAIL" => self.mail(said, argument),
            "RCPT" if said.reverse_path.is_none() => "503 5.5.1 MAIL first".to_owned(),
            "RCPT" => self.rcpt(number, said, line)?,
            "DATA" if said.forward_paths.is_empty() && !said.takes_a_mailbox => {
                "503 5.5.1 RCPT first".to_owned()
            }
            "DATA"
                if !said.forward_paths.is_empty() && self.policy.fate == Fate::IsRefusedAtData =>
            {
                self.policy.denial.to_owned()
            }
            "DATA" => "354 go ahead".to_owned(),
            "RSET" => {
                let (hello, errors, is_authenticated) =
                    (said.hello.clone(), said.errors, said.is_authenticated);
                *said = Said { hello, errors, is_authenticated, ..Said::default() };
                "250 2.0.0 ok".to_owned()
            }
            "QUIT" => "221 2.0.0 bye".to_owned(),
            _ => "502 5.5.1 what".to_owned(),
        })
    }

    fn mail(&self, said: &mut Said, argument: &str) -> String {
        let path = argument.split_once(':').map_or("", |(_, path)| path);
        let address = path
            .split(' ')
            .next()
            .unwrap_or_default()
            .trim_matches(['<', '>']);
        if self.policy.has(Obstacle::WantsSenderDomain)
            && !address.is_empty()
            && !address.contains('@')
        {
            return "553 5.5.4 Domain name required for sender address".to_owned();
        }
        if let Some(words) = self.policy.words_for_its_own()
            && OWN.iter().any(|own| address.ends_with(&format!("@{own}")))
        {
            return words.to_owned();
        }
        said.reverse_path = Some(address.to_owned());
        "250 2.1.0 ok".to_owned()
    }

    fn rcpt(&self, number: usize, said: &mut Said, line: &str) -> Option<String> {
        if self.policy.has(Obstacle::ListsUs) {
            let listed = "554 5.7.1 Service unavailable; Client host [198.51.100.9] blocked using \
                          zen.spamhaus.org";
            return Some(listed.to_owned());
        }
        let distrusts = self.policy.find(|obstacle| match obstacle {
            Obstacle::Distrusts(errors) if self.policy.greeting == NAMELESS => Some(errors),
            _ => None,
        });
        if distrusts.is_some_and(|errors| said.errors >= errors) {
            return Some(self.policy.denial.to_owned());
        }
        if self.policy.has(Obstacle::HangsUpOn(number)) {
            return None;
        }
        if self.policy.has(Obstacle::FailsOn(number)) {
            return Some("451 4.3.0 Temporary lookup failure".to_owned());
        }
        let first = *self
            .memory()
            .first_recipient
            .get_or_insert_with(Instant::now);
        let greylists = self.policy.find(|obstacle| match obstacle {
            Obstacle::Greylists(seconds) => Some(Duration::from_secs(seconds)),
            _ => None,
        });
        if greylists.is_some_and(|time| first.elapsed() < time) {
            return Some("450 4.2.0 Greylisted, please come back later".to_owned());
        }
        let path = line.split_once(':').map_or("", |(_, path)| path);
        let destination = self.destination(path);
        if self.policy.has(Obstacle::SparesPostmaster)
            && destination != Destination::Mailbox("postmaster".to_owned())
        {
            return Some("550 Go away".to_owned());
        }
        let reply = match destination {
            Destination::Unreadable => "501 5.1.3 Bad recipient address syntax",
            Destination::Mailbox(user)
                if self.policy.takes_any_local_part || user == "postmaster" =>
            {
                said.takes_a_mailbox = true;
                "250 2.1.5 ok"
            }
            Destination::Mailbox(_) => self.policy.nobody,
            Destination::Elsewhere(address) if self.relays(said, path, &address) => {
                said.forward_paths.push(address);
                "250 2.1.5 ok"
            }
            Destination::Elsewhere(address) => {
                said.refused.push(address);
                self.policy.denial
            }
        };
        Some(reply.to_owned())
    }

    /// Reads a path as this server does: one that leads elsewhere by way of it is elsewhere only if
    /// it honours that.
    fn destination(&self, path: &str) -> Destination {
        let Some(inside) = path
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .map(|(inside, _)| inside)
        else {
            return Destination::Unreadable;
        };
        let address = match inside.split_once(':') {
            Some((route, address)) if route.starts_with('@') => address,
            _ => inside,
        };
        let (local, domain) = match address.rsplit_once('@') {
            Some((local, domain)) if !address.ends_with('"') => (local, domain),
            _ => (address, OWN[0]),
        };
        if domain.is_empty() || local.is_empty() {
            return Destination::Unreadable;
        }
        if !OWN.contains(&domain) {
            return Destination::Elsewhere(address.to_owned());
        }
        match self.sent_on(local) {
            // It may lead on, by way of this server once more.
            Some(address) => self.destination(&format!("<{address}>")),
            None => Destination::Mailbox(local.to_owned()),
        }
    }

    /// The address that a local part means, on a server that honours its form.
    fn sent_on(&self, local: &str) -> Option<String> {
        let is_quoted = local.starts_with('"');
        match self.policy.hole {
            Hole::Percent if !is_quoted => local
                .rsplit_once('%')
                .map(|(user, domain)| format!("{user}@{domain}")),
            Hole::Bang if !is_quoted => local
                .split_once('!')
                .map(|(domain, user)| format!("{user}@{domain}")),
            Hole::SecondAt if !is_quoted => local.contains('@').then(|| local.to_owned()),
            Hole::Quoted if is_quoted => Some(local.trim_matches('"'))
                .filter(|inside| inside.contains('@'))
                .map(str::to_owned),
            _ => None,
        }
    }

    /// Whether mail to somewhere else is taken.
    fn relays(&self, said: &Said, path: &str, address: &str) -> bool {
        let sender = said.reverse_path.as_deref().unwrap_or_default();
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        match self.policy.hole {
            Hole::Nobody => false,
            Hole::Everybody => true,
            Hole::NullSender => sender.is_empty(),
            Hole::OwnHostSender => sender.ends_with("@mx.target.example"),
            Hole::OwnDomainSender => sender.ends_with("@target.example"),
            Hole::HeloLocalhost => said.hello == "localhost",
            Hole::HeloOwnName => said.hello == "mx.target.example",
            Hole::SenderIsRecipient => sender == address,
            Hole::AnyPassword | Hole::Xclient => said.is_authenticated,
            Hole::Piggyback => said.takes_a_mailbox,
            Hole::SecondTry => said.refused.iter().any(|refused| refused == address),
            Hole::Postmaster => address.starts_with("postmaster@"),
            Hole::BeginsLikeOwn => domain.starts_with("target.example"),
            Hole::SourceRoute => OWN.iter().any(|own| path.starts_with(&format!("<@{own}:"))),
            // Of these servers only the forms lead elsewhere.
            Hole::Percent | Hole::Bang | Hole::SecondAt | Hole::Quoted => {
                !path.contains(&format!("<{address}>"))
            }
        }
    }

    /// A text is over: what is for elsewhere goes there.
    fn take(&self, said: &mut Said) -> String {
        let paths = std::mem::take(&mut said.forward_paths);
        let is_nobodys = |path: &&String| {
            // However freely it is read: without comments, final dots and what belongs to groups.
            let path = path.replace("(@target.example)", "").to_ascii_lowercase();
            let domain = path
                .rsplit_once('@')
                .map_or("", |(_, domain)| domain)
                .trim_end_matches(['.', ';', ' ']);
            let is_ours = domain == PROBE || domain.ends_with(".probe.example");
            !is_ours && !["localhost", "[127.0.0.1]"].contains(&domain)
        };
        self.memory()
            .strangers
            .extend(paths.iter().filter(is_nobodys).cloned());
        match self.policy.fate {
            Fate::IsRefusedAfterDot if !paths.is_empty() => return self.policy.denial.to_owned(),
            Fate::ArrivesAfter(seconds) => paths
                .iter()
                .for_each(|path| self.deliver(said, path, seconds)),
            _ => (),
        }
        said.reverse_path = None;
        "250 2.0.0 queued".to_owned()
    }

    fn deliver(&self, said: &Said, path: &str, seconds: u64) {
        self.memory().relayed = true;
        let sender = said.reverse_path.as_deref().unwrap_or_default();
        let token = match path.starts_with("postmaster@") {
            true => key()
                .find(sender.as_bytes())
                .map(|token| Token { role: TokenRole::Recipient, ..token }),
            false => key().find(path.as_bytes()),
        };
        let (Some(receipts), Some(token)) = (self.receipts.clone(), token) else { return };
        let receipt = Receipt {
            token,
            message_token: true,
            peer: ([192, 0, 2, 7], 50_000).into(),
            helo: "mx.target.example".into(),
            tls: false,
            reverse_path: format!("<{sender}>").as_str().into(),
            forward_path: format!("<{path}>").as_str().into(),
            received: Vec::new(),
            size: 1000,
        };
        tokio::spawn(async move {
            sleep(Duration::from_secs(seconds)).await;
            let _ = receipts.send(receipt).await;
        });
    }
}

async fn run(policy: &Policy, profile: Profile, receives: bool) -> (Ran, Memory) {
    let (sender, receipts) = mpsc::channel(100);
    let model = Arc::new(Model {
        policy: policy.clone(),
        memory: Mutex::default(),
        receipts: receives.then_some(sender),
    });
    let tests = catalogue::select(profile)
        .filter(|test| test.protocol().is_none())
        .collect();
    let asked = Request { tests, profile, ..request() };
    let ran = simulation::run(asked, model.server(), receives.then_some(receipts)).await;
    let memory = std::mem::take(&mut *model.memory());
    (ran, memory)
}

/// What may be said of such a server, best first.
fn allowed(policy: &Policy, profile: Profile, receives: bool) -> &'static [Verdict] {
    use Verdict::{Closed, Inconclusive, OpenRelay, Suspect};
    let can_be_met = policy.can_be_met();
    let arrives = matches!(policy.fate, Fate::ArrivesAfter(_));
    match (policy.has_a_hole_for(profile), receives) {
        (true, _) if policy.has(Obstacle::ListsUs) || policy.has(Obstacle::SparesPostmaster) => {
            &[Inconclusive]
        }
        // Its message would go to a mailbox of the server's as well, so none is sent.
        (true, true) if policy.hole == Hole::Piggyback => &[Suspect, Inconclusive],
        (true, true) if arrives && can_be_met => &[OpenRelay],
        (true, true) if arrives => &[OpenRelay, Suspect, Inconclusive],
        (true, true) if policy.fate == Fate::IsLost => &[Suspect, Inconclusive],
        // Whatever is asked, the same message is refused.
        (true, true) if policy.refuses_all_in_words() && can_be_met => &[Closed],
        (true, true) => &[Suspect, Inconclusive, Closed],
        (true, false) if can_be_met => &[Suspect],
        (true, false) => &[Suspect, Inconclusive],
        (false, _) if !can_be_met => &[Closed, Inconclusive, Suspect],
        // They may be about us.
        (false, _) if policy.says_the_same_to_all() => &[Closed, Inconclusive],
        (false, false) if policy.takes_any_local_part => &[Suspect],
        (false, _) => &[Closed],
    }
}

#[test]
fn no_verdict_contradicts_what_a_server_does() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    // The same servers at every run; PROPTEST_CASES asks for more of them.
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let profiles = select(vec![Profile::Classic, Profile::Standard, Profile::Thorough]);
    let told = runner.run(&(policies(), profiles, any::<bool>()), |(policy, profile, receives)| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let (ran, memory) = runtime.block_on(run(&policy, profile, receives));
        let (verdict, allowed) = (ran.judgement.verdict, allowed(&policy, profile, receives));
        prop_assert!(
            allowed.contains(&verdict),
            "{verdict:?}, not {allowed:?}: {}",
            ran.judgement.summary
        );
        prop_assert_eq!(verdict == Verdict::OpenRelay, memory.relayed && receives);
        prop_assert!(memory.strangers.is_empty(), "messages to {:?}", memory.strangers);
        Ok(())
    });
    if let Err(contradiction) = told {
        panic!("{contradiction}");
    }
}

/// Chance makes few of these.
#[tokio::test(start_paused = true)]
async fn whoever_refuses_every_message_as_relaying_is_closed() {
    for fate in [Fate::IsRefusedAtData, Fate::IsRefusedAfterDot] {
        for profile in [Profile::Classic, Profile::Standard, Profile::Thorough] {
            let policy = Policy {
                greeting: "220 mx.target.example ESMTP",
                hole: Hole::Everybody,
                fate,
                denial: "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
                nobody: "550 5.1.1 User unknown",
                takes_any_local_part: false,
                obstacles: Vec::new(),
            };
            let (ran, memory) = run(&policy, profile, true).await;
            let summary = &ran.judgement.summary;
            assert_eq!(ran.judgement.verdict, Verdict::Closed, "{fate:?} {profile}: {summary}");
            assert!(!memory.relayed && memory.strangers.is_empty(), "{fate:?} {profile}");
        }
    }
}
