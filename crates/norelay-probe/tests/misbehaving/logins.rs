//! Servers that defend themselves against failed logins. All of them offer AUTH on three ports.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use norelay_core::{
    catalogue::{self, Profile},
    check::Verdict::{Closed, Inconclusive},
    smtp::Security,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    time::Instant,
};

use crate::{
    Row, check, row,
    servers::GREETING,
    simulation::{Request, Server, closed},
};

const OFFERS: &str = "250-mx.target.example\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n";
const FAILED: &str = "535 5.7.8 Error: authentication failed\r\n";

/// How a server answers a failed login with these credentials: after a while, with a reply.
type Guard = Arc<dyn Fn(&str) -> (Duration, &'static str) + Send + Sync>;

/// A server in order that lets nobody log in, and has this guard.
fn guarded(guard: Guard, serves: impl Fn() -> bool + Send + Sync + 'static) -> Server {
    Arc::new(move |_, stream| {
        let guard = guard.clone();
        serves().then(|| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                let mut stream = BufReader::new(stream);
                let (mut said, mut line) = (GREETING.to_owned(), String::new());
                let mut turns: Vec<String> = Vec::new();
                while stream.write_all(said.as_bytes()).await.is_ok() {
                    line.clear();
                    if !matches!(stream.read_line(&mut line).await, Ok(length) if length > 0) {
                        return;
                    }
                    let line = line.trim_end();
                    said = if line == "*" {
                        turns.clear();
                        "501 5.7.0 Authentication aborted\r\n".to_owned()
                    } else if line == "AUTH LOGIN" || turns.len() == 1 {
                        turns.push(line.to_owned());
                        "334 \r\n".to_owned()
                    } else if line.starts_with("AUTH ") || turns.len() == 2 {
                        turns.push(line.to_owned());
                        let (after, reply) = guard(&credentials(&std::mem::take(&mut turns)));
                        tokio::time::sleep(after).await;
                        reply.to_owned()
                    } else if line.starts_with("EHLO") {
                        OFFERS.to_owned()
                    } else {
                        closed(line)
                    };
                }
            })
        })
    })
}

/// The credentials of a login, the same in whatever mechanism.
fn credentials(turns: &[String]) -> String {
    let decoded = |text: &str| {
        let octets = data_encoding::BASE64.decode(text.as_bytes());
        String::from_utf8_lossy(&octets.unwrap_or_default()).into_owned()
    };
    match turns {
        [plain] => decoded(plain.trim_start_matches("AUTH PLAIN ")),
        [_, user, password] => format!("\0{}\0{}", decoded(user), decoded(password)),
        _ => String::new(),
    }
}

/// Dovecot behind Postfix: each failed login doubles the delay, the same one again does not, and
/// after fifteen seconds all are forgotten. Postfix waits for ten seconds.
fn raising_its_delay() -> Server {
    let state = Mutex::new((0_u32, None::<Instant>, BTreeSet::new()));
    let guard = move |credentials: &str| {
        let mut state = state.lock().expect("no test panics with it");
        let (penalty, latest, known) = &mut *state;
        if latest.is_some_and(|latest| latest.elapsed() >= Duration::from_secs(15)) {
            *penalty = 0;
        }
        let delay = if *penalty == 0 { 0 } else { 15.min(2 << *penalty) };
        if known.insert(credentials.to_owned()) {
            *penalty += 1;
            *latest = Some(Instant::now() + Duration::from_secs(delay + 2));
        }
        match delay + 2 {
            after @ ..10 => (Duration::from_secs(after), FAILED),
            _ => (
                Duration::from_secs(10),
                "454 4.7.0 Temporary authentication failure: Connection lost to authentication \
                 server\r\n",
            ),
        }
    };
    guarded(Arc::new(guard), || true)
}

/// fail2ban with its defaults, in short: a ban after so many failed logins.
fn banning_after(most: usize) -> Server {
    let failures = Arc::<Mutex<usize>>::default();
    let count = failures.clone();
    let guard = move |_: &str| {
        *count.lock().expect("no test panics with it") += 1;
        (Duration::ZERO, FAILED)
    };
    guarded(Arc::new(guard), move || *failures.lock().expect("no test panics with it") < most)
}

fn standard(request: &mut Request) {
    request.tests = catalogue::select(Profile::Standard).collect();
    request.ports = [25, 587, 2525].map(|port| (port, Security::Plain)).to_vec();
}

fn naming_alice(request: &mut Request) {
    standard(request);
    (request.local_user, request.named_user) = ("alice".to_owned(), Some("alice".to_owned()));
}

fn thorough(request: &mut Request) {
    standard(request);
    request.profile = Profile::Thorough;
    let tests = catalogue::select(Profile::Thorough);
    request.tests = tests.filter(|test| test.protocol().is_none()).collect();
}

fn rows() -> Vec<Row> {
    vec![
        row("raises its delay", raising_its_delay(), Closed, 40, 90).asked(standard),
        row("raises its delay, with a user", raising_its_delay(), Closed, 90, 90)
            .asked(naming_alice),
        row("raises its delay, with names of roles", raising_its_delay(), Closed, 240, 160)
            .asked(thorough),
        row("bans after five failed logins", banning_after(5), Closed, 20, 90).asked(standard),
        row("bans after five failed logins of a user", banning_after(5), Inconclusive, 120, 110)
            .asked(naming_alice),
        row("defers every login", guarded(Arc::new(deferring), || true), Inconclusive, 320, 90)
            .asked(standard),
    ]
}

fn deferring(_: &str) -> (Duration, &'static str) {
    (Duration::ZERO, "454 4.7.0 Temporary authentication failure: generic failure\r\n")
}

#[tokio::test(start_paused = true)]
async fn servers_that_defend_themselves_against_logins() {
    check(rows()).await;
}

/// A server locks an account after five failed logins: no run comes to five in one name.
#[tokio::test(start_paused = true)]
async fn no_account_is_locked() {
    for (name, change) in [
        ("standard", standard as fn(&mut Request)),
        ("with a user", naming_alice),
        ("thorough", thorough),
    ] {
        let failures = Arc::<Mutex<Vec<String>>>::default();
        let noted = failures.clone();
        let guard = move |credentials: &str| {
            let user = credentials.split('\0').nth(1).unwrap_or_default();
            let user = user.split('@').next().unwrap_or_default().to_owned();
            noted.lock().expect("no test panics with it").push(user);
            (Duration::ZERO, FAILED)
        };
        let mut request = crate::simulation::request();
        change(&mut request);
        let server = guarded(Arc::new(guard), || true);
        crate::simulation::run(request, server, None).await;
        let failures = failures.lock().expect("no test panics with it");
        let of = |user: &str| failures.iter().filter(|failed| *failed == user).count();
        let most = failures.iter().map(|user| of(user)).max();
        assert!(most <= Some(4), "{name}: {failures:?}");
        let expected = match name {
            "standard" => 3,
            "with a user" => 7,
            _ => 16,
        };
        assert_eq!(failures.len(), expected, "{name}: {failures:?}");
    }
}
