//! `norelay serve` as a process.

#![allow(dead_code, reason = "each suite looks at other things")]

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::http::{self, get};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Service {
    pub process: Child,
    pub http: SocketAddr,
}

pub fn free_address() -> SocketAddr {
    /// Below the ports that systems give to clients (Linux: 32768), or another test's connection
    /// could take it before the service does.
    const PORTS: std::ops::Range<u32> = 12_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    loop {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + number % (PORTS.end - PORTS.start);
        let address = SocketAddr::from((
            [127, 0, 0, 1],
            u16::try_from(port).expect("the range has ports alone"),
        ));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The shell makes a write beyond the limit of a file's size an error instead of a signal
/// (`no_file_grows`).
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#, env!("CARGO_BIN_EXE_norelay")]);
    command
        .arg("serve")
        .arg("--data")
        .arg(folder)
        .env_remove("NORELAY_CONFIG")
        .stdin(Stdio::null());
    command
}

/// Starts a service whose receiver keeps its address over restarts.
pub fn start(folder: &Path, receiver: SocketAddr, database: Option<&str>) -> Service {
    start_by(command(folder), receiver, database)
}

/// As [`start`], by a command of one's own.
pub fn start_by(mut command: Command, receiver: SocketAddr, database: Option<&str>) -> Service {
    let http = free_address();
    command.args([
        "--listen",
        &http.to_string(),
        "--receive",
        &receiver.to_string(),
        "--domain",
        "probe.example",
    ]);
    command.args([
        "--set",
        "test.timeout=60s",
        "--set",
        "test.wait=60s",
        "--set",
        "log.level=warn",
    ]);
    if let Some(database) = database {
        command.env("NORELAY_DATABASE", database);
    }
    let process = command
        .stdout(Stdio::null())
        .spawn()
        .expect("the executable was built");
    let mut service = Service { process, http };
    until("the service listens", || {
        assert!(service.process.try_wait().expect("it is ours").is_none(), "the service has ended");
        TcpStream::connect(service.http).is_ok()
    });
    service
}

impl Service {
    /// Makes the disk full for this process, or gives it room again.
    pub fn no_file_grows(&self, is_full: bool) {
        let limit = if is_full { "--fsize=0:unlimited" } else { "--fsize=unlimited:unlimited" };
        let set = Command::new("prlimit")
            .args(["--pid", &self.process.id().to_string(), limit])
            .status();
        assert!(set.expect("util-linux is installed").success());
    }

    /// As `kill -9`.
    pub fn kill(mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
    }

    pub fn follow(&self, id: &str) -> Vec<Value> {
        let answer = get(self.http, &format!("/api/v1/tests/{id}/events"));
        assert_eq!(answer.status, 200, "{answer:?}");
        http::records(&answer)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let given_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < given_up, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

pub fn count(records: &[Value], event: &str) -> usize {
    records
        .iter()
        .filter(|record| record["event"] == event)
        .count()
}
