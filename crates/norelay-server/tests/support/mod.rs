//! What the tests of this crate share: folders that go away, and a PostgreSQL of their own.
//!
//! Rules:
//! - A missing PostgreSQL fails the test with a sentence that says what to install; nothing is
//!   skipped in silence.
//! - It listens on a socket in its own folder, runs as an unprivileged user, and dies with the
//!   test.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod http;
pub mod mail;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

/// Longer than PostgreSQL takes to start, also after it was killed.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A folder that is removed with its content.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("norelay-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A PostgreSQL server for one test.
pub struct Postgres {
    folder: Folder,
    server: Option<Child>,
}

fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<_> = versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|file| file.exists())
        .collect();
    found.sort();
    found
        .pop()
        .unwrap_or_else(|| panic!("PostgreSQL's {name} is missing: install the package postgresql"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self")
        .map(|own| std::os::unix::fs::MetadataExt::uid(&own))
        .is_ok_and(|uid| uid == 0)
}

/// A command that runs as a user that PostgreSQL accepts, and dies with this process.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
    }
    command.arg("--").arg(program).stdin(Stdio::null());
    command
}

fn succeed(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What came of a start; else what PostgreSQL said before it ended.
#[derive(Debug, PartialEq)]
enum Started {
    Yes,
    No(String),
}

/// Reads PostgreSQL's log to its end, and tells when it is ready.
fn await_start(log: ChildStderr, tell: &mpsc::Sender<Started>) {
    let mut said = String::new();
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        if line.contains("database system is ready to accept connections") {
            let _ = tell.send(Started::Yes);
        }
        said = said + &line + "\n";
    }
    let _ = tell.send(Started::No(said));
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub fn start() -> Self {
        let folder = Folder::new("postgres");
        if is_root() {
            succeed(
                Command::new("chown")
                    .arg("nobody:nogroup")
                    .arg(folder.path()),
            );
        }
        let data = folder.path().join("data");
        let mut initdb = unprivileged(&program("initdb"));
        succeed(
            initdb
                .args([
                    "--username=norelay",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--no-locale",
                    "--no-sync",
                    "-D",
                ])
                .arg(data),
        );
        let mut postgres = Self { folder, server: None };
        postgres.resume();
        postgres
    }

    /// Starts it (again).
    pub fn resume(&mut self) {
        let mut command = unprivileged(&program("postgres"));
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .arg("-k")
            .arg(self.folder.path());
        command
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut server = command.spawn().expect("setpriv is part of util-linux");
        let stderr = server.stderr.take().expect("standard error is piped");
        self.server = Some(server);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || await_start(stderr, &tell));
        let started = told.recv_timeout(START_LIMIT);
        assert_eq!(started, Ok(Started::Yes), "PostgreSQL does not start");
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        // The postmaster's children notice its death and go; `pg_ctl` waits until the last has
        // gone.
        let mut stop = unprivileged(&program("pg_ctl"));
        succeed(
            stop.args(["stop", "-w", "-m", "immediate", "-D"])
                .arg(self.folder.path().join("data")),
        );
        if let Some(mut server) = self.server.take() {
            drop(server.wait());
        }
    }

    /// Makes a database, and gives its address.
    pub fn database(&self, name: &str) -> String {
        let mut create = Command::new(program("createdb"));
        succeed(
            create
                .arg("-h")
                .arg(self.folder.path())
                .args(["-U", "norelay", name]),
        );
        self.address(name)
    }

    /// The address of a database.
    pub fn address(&self, name: &str) -> String {
        let folder = self
            .folder
            .path()
            .to_str()
            .expect("the folder's name is ours")
            .replace('/', "%2F");
        format!("postgres://norelay@{folder}/{name}")
    }

    /// Its folder, for `pg_dump -h`.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// One of PostgreSQL's own programs.
    pub fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .arg("-h")
            .arg(self.folder.path())
            .args(["-U", "norelay"]);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
    }
}
