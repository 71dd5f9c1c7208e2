//! `norelay serve` as a process.

#![allow(dead_code, reason = "each suite looks at other things")]

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use serde_json::Value;

use crate::{loopback, support::http};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// What the service says of itself when everything listens, up to its address.
const SERVES: &str = "norelay serves on http://";

pub struct Service {
    pub process: Child,
    pub http: SocketAddr,
    /// Collects what the service says on standard error.
    log: Option<JoinHandle<Vec<String>>>,
}

/// Returns an address for a receiver, which is free whenever no service of this test has it.
pub fn receiver_address() -> SocketAddr {
    loopback::own()
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
    command.args(["--receive", &receiver.to_string(), "--domain", "probe.example"]);
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
    spawn(command)
}

/// Starts a service on a port that the system gives, and waits until the service says which.
pub fn spawn(mut command: Command) -> Service {
    let mut process = command
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executable was built");
    let stderr = process.stderr.take().expect("standard error is piped");
    let (tell, told) = mpsc::channel();
    let log = std::thread::spawn(move || collect(stderr, &tell));
    let Ok(http) = told.recv_timeout(PATIENCE) else {
        drop(process.kill());
        panic!("the service does not listen: {:?} {:?}", process.wait(), log.join());
    };
    Service { process, http, log: Some(log) }
}

/// Returns the lines of standard error once the service has ended; tells its address at once.
fn collect(stderr: ChildStderr, address: &mpsc::Sender<SocketAddr>) -> Vec<String> {
    let mut said = Vec::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let serves = line.strip_prefix(SERVES);
        if let Some(http) = serves.and_then(|rest| rest.split('/').next()?.parse().ok()) {
            let _ = address.send(http);
        }
        said.push(line);
    }
    said
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
    pub fn kill(self) {
        drop(self);
    }

    /// As `kill -9`; returns everything that the service said on standard error.
    pub fn log(mut self) -> String {
        self.end()
    }

    /// Stops the service as the system does, and waits until it has ended.
    pub fn stop(mut self) {
        let sent = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        assert!(sent.expect("kill is installed").success());
        let status = self.process.wait().expect("it is ours");
        assert!(status.success(), "{status}: {}", self.end());
    }

    fn end(&mut self) -> String {
        drop(self.process.kill());
        drop(self.process.wait());
        let lines = self.log.take().and_then(|log| log.join().ok());
        lines.unwrap_or_default().join("\n")
    }

    pub fn follow(&self, id: &str) -> Vec<Value> {
        http::follow(self.http, id)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let log = self.end();
        if std::thread::panicking() {
            eprintln!("the service said: {log}");
        }
    }
}
