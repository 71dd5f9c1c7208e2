//! Layers: what a Debian server's packages put on a disk, kept from run to run.
//!
//! Rules:
//! * a layer is named after all that it is made of, so that a changed package list makes
//!   a new one and an old one is never changed;
//! * it is made beside its place and moved there when whole: an interrupted run leaves
//!   nothing that looks finished;
//! * the work is done in namespaces of mounts, processes and host name, which end with us.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::data::{self, Subject};
use crate::failure::{Doing, Failure, Outcome};
use crate::process::{run, script};

/// What the suite itself runs: (program, Debian package).
const TOOLS: [(&str, &str); 6] = [
    ("mmdebstrap", "mmdebstrap"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
    ("hostname", "hostname"),
    ("openssl", "openssl"),
];

/// How a layer came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provided {
    /// An earlier run had made it.
    Found,
    /// It was made now.
    Made,
}

/// Where layers are kept.
pub struct Store {
    folder: PathBuf,
    sources: Sources,
    base: PathBuf,
}

impl Store {
    /// The store of this checkout, or the one that `CONFORMANCE_CACHE` names.
    pub fn open() -> Outcome<Self> {
        let folder = std::env::var_os("CONFORMANCE_CACHE")
            .map_or_else(|| data::home().join("../target/conformance"), PathBuf::from);
        fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
        let folder = folder
            .canonicalize()
            .doing(|| format!("find {}", folder.display()))?;
        let sources = Sources::of_this_machine()?;
        let base = key(&[include_str!("../shell/base.sh"), &sources.lines]);
        let base = folder.join(format!("base-{base}"));
        Ok(Self { folder, sources, base })
    }

    /// The overlay's lower directories for a subject, if its layer is there.
    pub fn lower(&self, subject: &Subject) -> Option<String> {
        let layer = self.layer(subject);
        layer
            .is_dir()
            .then(|| format!("{}/upper:{}", layer.display(), self.base.display()))
    }

    /// Makes what is missing of the base and of one subject's layer.
    pub fn provide(&self, subject: &Subject) -> Outcome<Provided> {
        let base = self.lock(&self.base)?;
        if !self.base.is_dir() {
            self.make_base()?;
        }
        drop(base);
        let layer = self.layer(subject);
        let _ours = self.lock(&layer)?;
        if layer.is_dir() {
            return Ok(Provided::Found);
        }
        self.make_layer(&layer, subject)?;
        Ok(Provided::Made)
    }

    /// Waits until nobody else, another run of the suite included, makes a thing.
    fn lock(&self, thing: &Path) -> Outcome<File> {
        let file = thing.with_extension("lock");
        let lock = File::create(&file).doing(|| format!("make {}", file.display()))?;
        lock.lock().doing(|| format!("lock {}", file.display()))?;
        Ok(lock)
    }

    /// Where the logs of failed scenarios go.
    pub fn failed(&self) -> PathBuf {
        self.folder.join("failed")
    }

    fn layer(&self, subject: &Subject) -> PathBuf {
        let packages = subject.packages.join(" ");
        let base = self.base.display().to_string();
        let mut parts = vec![include_str!("../shell/layer.sh"), &base, &packages, &subject.preseed];
        parts.extend(Some(subject.install.as_str()).filter(|commands| !commands.is_empty()));
        self.folder
            .join(format!("{}-{}", subject.packages[0], key(&parts)))
    }

    fn make_base(&self) -> Outcome<()> {
        let (base, sources) = (&self.base, &self.sources);
        let half_made = base.with_extension("partial");
        let place = half_made.display().to_string();
        let arguments = [&place, &sources.suite, &sources.lines, &sources.proxy];
        let arguments = arguments.map(String::as_str);
        run(&mut isolated(&script(include_str!("../shell/base.sh"), &arguments)))?;
        fs::rename(&half_made, base).doing(|| format!("finish {}", base.display()))
    }

    fn make_layer(&self, layer: &Path, subject: &Subject) -> Outcome<()> {
        let half_made = layer.with_extension("partial");
        let (base, place) = (self.base.display().to_string(), half_made.display().to_string());
        let arguments = [base.as_str(), &place, &subject.preseed, &subject.packages.join(" ")];
        run(&mut isolated(&script(include_str!("../shell/layer.sh"), &arguments)))?;
        if !subject.install.is_empty() {
            // Two can't install packages on this machine at once.
            let _ours = self.lock(&self.folder.join("machine"))?;
            let install = script(
                &format!("set -eu\nlayer=$1\n{}", subject.install),
                &[&format!("{place}/upper")],
            );
            run(&mut isolated(&install))?;
        }
        fs::rename(&half_made, layer).doing(|| format!("finish {}", layer.display()))
    }
}

/// Wraps a command in namespaces that the kernel ends when this process ends.
fn isolated(command: &Command) -> Command {
    wrapped(command, &[])
}

/// The same with a network namespace, which has no way out.
pub fn isolated_with_network(command: &Command) -> Command {
    wrapped(command, &["--net"])
}

fn wrapped(command: &Command, further: &[&str]) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "KILL", "unshare", "--mount", "--uts", "--ipc"]);
    wrapped
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(further);
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped
}

/// Installs the suite's own tools where they are missing.
pub fn provide_tools() -> Outcome<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let present = |tool: &str| {
        path.split(':')
            .any(|folder| Path::new(folder).join(tool).exists())
    };
    let missing: Vec<&str> = TOOLS
        .iter()
        .filter(|(tool, _)| !present(tool))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-q", "update"]);
    run(&mut command)?;
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
        .args(["-q", "install", "-y", "--no-install-recommends"])
        .args(missing);
    run(&mut command).map(drop)
}

/// Where this machine gets Debian from.
struct Sources {
    suite: String,
    /// Lines for `sources.list`.
    lines: String,
    /// Lines for `apt.conf`.
    proxy: String,
}

impl Sources {
    /// The Debian archives among apt's sources; other vendors' are left out.
    fn of_this_machine() -> Outcome<Self> {
        let targets = run(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(ORIGIN) $(REPO_URI) $(RELEASE) $(CODENAME)",
            "Created-By: Packages",
        ]))?;
        let mut archives: Vec<Vec<&str>> = targets
            .lines()
            .map(|line| line.split_whitespace().collect())
            .filter(|words: &Vec<&str>| words.len() == 4 && words[0] == "Debian")
            .collect();
        archives.dedup();
        let main = archives
            .iter()
            .find(|words| words[2] == words[3])
            .ok_or_else(|| {
                Failure::new(
                    "find Debian's archive",
                    "apt knows no Debian source (run apt-get update)",
                )
            })?;
        let line = |words: &Vec<&str>| format!("deb {} {} main", words[1], words[2]);
        let proxy = run(Command::new("apt-config").arg("dump"))?;
        let proxy = proxy
            .lines()
            .filter(|line| line.to_lowercase().contains("::proxy"));
        Ok(Self {
            suite: main[2].to_owned(),
            lines: archives.iter().map(line).collect::<Vec<_>>().join("\n"),
            proxy: proxy.collect::<Vec<_>>().join("\n"),
        })
    }
}

/// A short name for a list of texts: 64-bit FNV-1a, which no toolchain changes.
fn key(parts: &[&str]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_where_a_part_ends() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["postfix"]), key(&["postfix"]));
    }
}
