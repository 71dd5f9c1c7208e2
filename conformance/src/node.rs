//! An instance: one server, running in one place of a world.
//!
//! Rules:
//! * what it writes lies in memory and goes with it; its layers are never written to;
//! * all its processes hang on one that dies with us, in a process namespace of its own;
//! * it counts as started when it answers, never after a pause.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::data::{Ready, Subject, home};
use crate::failure::{Doing, Failure, Outcome};
use crate::journal;
use crate::process::{Guarded, last_lines, run, script};
use crate::world::{Place, TESTER, World};

/// Seconds within which a server must answer after its start.
const START_LIMIT: u64 = 120;
/// How often two processes are looked at, when either may end.
const POLL: Duration = Duration::from_millis(10);
/// How many lines of each log a failure report shows.
const SHOWN_LINES: usize = 40;

/// What the instance's processes are told.
const ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root"), ("LC_ALL", "C")];

/// A running server.
pub struct Node {
    folder: PathBuf,
    place: Place,
    // Dropped before the file system is taken away.
    process: Option<Mutex<Guarded>>,
}

/// What to run in an instance.
pub struct Plan<'plan> {
    /// The subject's name, that of its folder in `subjects/`.
    pub name: &'plan str,
    /// The subject.
    pub subject: &'plan Subject,
    /// The overlay's lower directories.
    pub lower: &'plan str,
    /// Shell commands between the subject's `settle` and `start`.
    pub configure: &'plan str,
}

impl Node {
    /// Starts an instance and returns at once; [`Node::await_ready`] waits for it.
    pub fn start(world: &World, place: Place, plan: &Plan<'_>) -> Outcome<Self> {
        let folder = world.room().join(place.name);
        let mut node = Self { folder, place, process: None };
        node.mount(plan)?;
        fs::write(node.root().join("run/conformance.sh"), commands(plan))
            .doing(|| "write the start script".into())?;
        for journal in &plan.subject.journals {
            journal::listen(&node.root().join(journal), &node.folder.join("journal"))?;
        }
        let console = node.folder.join("console");
        let output = File::create(&console).doing(|| format!("make {}", console.display()))?;
        let errors = output
            .try_clone()
            .doing(|| format!("share {}", console.display()))?;
        let root = node.root().display().to_string();
        let first = script(include_str!("../shell/node.sh"), &[&root, place.host]);
        let child = world
            .at(place)
            .args(["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"])
            .arg(first.get_program())
            .args(first.get_args())
            .env_clear()
            .envs(ENVIRONMENT)
            .envs([("IPV4", place.ipv4), ("IPV6", place.ipv6)])
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .doing(|| format!("start {}", plan.subject.title))?;
        node.process = Some(Mutex::new(Guarded(child)));
        Ok(node)
    }

    /// Waits until the server answers on a port, and fails with its logs if it doesn't.
    pub fn await_ready(&self, world: &World, port: u16, ready: Ready) -> Outcome<()> {
        let how = match ready {
            Ready::Greeting => "greeting",
            Ready::Connect => "connect",
        };
        let ourselves = std::env::current_exe().doing(|| "find this executable".into())?;
        let mut waiting = world.at(TESTER);
        waiting
            .arg(ourselves)
            .args(["ready", &format!("{}:{port}", self.place.ipv4), how]);
        waiting
            .arg(START_LIMIT.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut waiting = Guarded(waiting.spawn().doing(|| "wait for a server".into())?);
        let cause = loop {
            if let Some(status) = waiting.0.try_wait().doing(|| "wait for a server".into())? {
                if status.success() {
                    return Ok(());
                }
                break waiting.said();
            }
            if let Some(status) = self.ended()? {
                break format!("its first process ended ({status})");
            }
            thread::sleep(POLL);
        };
        Err(Failure::new(format!("start {}", self.place.host), format!("{cause}\n{}", self.logs())))
    }

    /// Runs shell commands in the instance as root; gives what they wrote.
    pub fn run(&self, commands: &str) -> Outcome<String> {
        let first = self.first_process()?;
        let mut command = Command::new("nsenter");
        command.args(["--target", &first, "--mount", "--uts", "--ipc", "--net", "--pid", "--root"]);
        command.env_clear().envs(ENVIRONMENT);
        command.args(["sh", "-c", &format!("exec 2>&1\ncd /root\n{commands}")]);
        run(&mut command)
    }

    /// Where a file of the instance lies.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root().join(file.trim_start_matches('/'))
    }

    /// The number of the instance's first process, as this process namespace counts.
    fn first_process(&self) -> Outcome<String> {
        let Some(process) = &self.process else {
            return Err(Failure::new("find an instance", "it has ended"));
        };
        let outer = process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .id();
        let list = format!("/proc/{outer}/task/{outer}/children");
        let children = fs::read_to_string(&list).doing(|| format!("read {list}"))?;
        let first = children.split_whitespace().next().map(str::to_owned);
        first.ok_or_else(|| Failure::new("find an instance's first process", "it has none"))
    }

    /// How the first process ended, if it has.
    fn ended(&self) -> Outcome<Option<ExitStatus>> {
        let Some(process) = &self.process else { return Ok(None) };
        let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
        process.0.try_wait().doing(|| "look after a server".into())
    }

    /// What the instance has written: its console, and the system log.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for name in ["console", "journal"] {
            let log = fs::read(self.folder.join(name)).unwrap_or_default();
            let log = last_lines(&String::from_utf8_lossy(&log), SHOWN_LINES);
            text.push_str(&format!("--- {} {name}\n{log}\n", self.place.host));
        }
        for log in self.own_logs() {
            let lines = fs::read(&log).unwrap_or_default();
            let lines = last_lines(&String::from_utf8_lossy(&lines), SHOWN_LINES);
            text.push_str(&format!("--- {} {}\n{lines}\n", self.place.host, log.display()));
        }
        text
    }

    /// Whether it is the server of a place.
    pub fn is_at(&self, place: Place) -> bool {
        self.place.name == place.name
    }

    /// All that it has logged: the system log, and log files of its own.
    pub fn whole_logs(&self) -> String {
        let logs = self
            .own_logs()
            .into_iter()
            .chain([self.folder.join("journal")]);
        logs.map(|log| String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned())
            .collect()
    }

    /// Keeps the whole logs of a failed scenario.
    pub fn keep_logs(&self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
        let ours = ["console", "journal"].map(|name| self.folder.join(name));
        for log in self
            .own_logs()
            .into_iter()
            .chain(ours)
            .filter(|log| log.is_file())
        {
            let name = log
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let kept = folder.join(format!("{}-{name}", self.place.name));
            fs::copy(&log, &kept).doing(|| format!("keep {}", log.display()))?;
        }
        Ok(())
    }

    /// Log files that the server wrote by itself (Exim's).
    fn own_logs(&self) -> Vec<PathBuf> {
        let folder = self.root().join("var/log/exim4");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        entries.flatten().map(|entry| entry.path()).collect()
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn mount(&self, plan: &Plan<'_>) -> Outcome<()> {
        let folder = self.folder.display().to_string();
        let files = home()
            .join("subjects")
            .join(plan.name)
            .join("files")
            .display()
            .to_string();
        let shared = home().join("world/files").display().to_string();
        let arguments = [&folder, plan.lower, &files, self.place.host, self.place.ipv4, &shared];
        run(&mut script(include_str!("../shell/mount.sh"), &arguments)).map(drop)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process = None;
        // A mount that was never made need not go.
        let _ = run(Command::new("umount")
            .arg("-l")
            .arg(self.root().join("dev"))
            .arg(self.root()));
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The script that the instance's first process runs.
fn commands(plan: &Plan<'_>) -> String {
    let subject = plan.subject;
    format!(
        "set -e\n{}\n{}\n{}\nsleep infinity & wait\n",
        subject.settle, plan.configure, subject.start
    )
}
