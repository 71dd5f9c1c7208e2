//! A real DNS server on loopback: unbound, with the zones that a test gives it.
//!
//! Rules:
//! - It asks nobody: what it doesn't hold, it forwards to a port of its own address where nothing
//!   listens.
//! - It ends with the test, and leaves nothing behind.
//! - Where unbound is missing, the test fails and says what to install.

#![allow(dead_code, reason = "each suite uses a part of it")]

pub mod loopback;
pub mod signed;

use std::{
    fmt::Write as _,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// The name by which a test knows that the server answers.
const READY: &str = "ready.norelay.example";
/// A start is tried again with another port: for a moment, some client's socket that is bound to
/// all addresses may have the port.
const TRIES: usize = 5;
/// A question is asked again after this time, and so often.
const RETRY: Duration = Duration::from_millis(100);
const QUESTIONS: usize = 1200;

/// How a zone behaves. Records are lines as in a zone file, with names in full.
#[derive(Clone, Copy)]
pub enum Zone<'a> {
    /// It holds these records, and says NXDOMAIN to all else.
    Holds(&'a str, &'a [&'a str]),
    /// It answers every name below it with these, given as type and data.
    Everything(&'a str, &'a [&'a str]),
    /// It holds these records, and says nothing to all else.
    Silent(&'a str, &'a [&'a str]),
    /// REFUSED.
    Refuses(&'a str),
    /// SERVFAIL.
    Fails(&'a str),
    /// NXDOMAIN to all that no other zone holds; not beside a zone that fails.
    NothingElse,
    /// The root's NS records. Nobody else on loopback could answer for them.
    Root,
}

/// The running server.
pub struct Unbound {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    folder: PathBuf,
}

impl Unbound {
    /// Starts it and waits until it answers.
    pub fn start(zones: &[Zone<'_>]) -> Self {
        Self::configured(|address| configuration(address, zones))
    }

    /// As [`Unbound::start`], with a configuration for an address.
    fn configured(configuration: impl Fn(SocketAddr) -> String) -> Self {
        let binary = binary("unbound");
        for _ in 0..TRIES {
            let folder = new_folder();
            let address = loopback::own();
            fs::write(folder.join("unbound.conf"), configuration(address))
                .expect("the folder is ours");
            let log = File::create(folder.join("log")).expect("the folder is ours");
            let child = Command::new(&binary)
                .args(["-d", "-c"])
                .arg(folder.join("unbound.conf"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("unbound was found and can be run");
            let mut server = Self { child, address, folder };
            if server.is_ready() {
                return server;
            }
        }
        panic!("unbound did not answer on loopback in {TRIES} tries");
    }

    /// What it was asked, a line each, such as `2.0.0.127.bl.example. A IN`.
    pub fn questions(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("log")).expect("the log is ours");
        let asked = log
            .lines()
            .filter_map(|line| line.split_once(" info: 127.0.0.1 "));
        asked
            .map(|(_, question)| question.to_owned())
            .filter(|question| !question.starts_with(READY))
            .collect()
    }

    fn is_ready(&mut self) -> bool {
        is_answering(&mut self.child, self.address, READY)
    }
}

/// Whether a server answers about a name, before it ends.
fn is_answering(child: &mut Child, address: SocketAddr, name: &str) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    socket
        .set_read_timeout(Some(RETRY))
        .expect("the time isn't zero");
    for _ in 0..QUESTIONS {
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        // A refused datagram shows as an error of the next call: both mean "not yet".
        let _ = socket.send_to(&question(name), address);
        if socket.recv(&mut [0; 512]).is_ok() {
            return true;
        }
    }
    false
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn binary(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found
        .unwrap_or_else(|| panic!("these tests need {name}: apt-get install unbound nsd ldnsutils"))
}

fn new_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("norelay-dns-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
    folder
}

fn question(name: &str) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("labels are short"));
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

fn configuration(address: SocketAddr, zones: &[Zone<'_>]) -> String {
    let (ip, port) = (address.ip(), address.port());
    let mut server = format!(
        "server:\n interface: {ip}@{port}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n \
         pidfile: \"\"\n \
         use-syslog: no\n log-queries: yes\n do-ip6: no\n num-threads: 1\n \
         module-config: \"iterator\"\n \
         do-not-query-localhost: no\n local-zone: \"test.\" nodefault\n local-data: \"{READY}. A \
         127.0.0.2\"\n"
    );
    let mut rest = format!(
        "remote-control:\n control-enable: no\nforward-zone:\n name: \".\"\n forward-addr: {ip}@1\n"
    );
    let mut local = |zone: &str, kind: &str, records: &mut dyn Iterator<Item = String>| {
        let _ = writeln!(server, " local-zone: \"{zone}.\" {kind}");
        for record in records {
            let _ = writeln!(server, " local-data: '{record}'");
        }
    };
    for zone in zones {
        match zone {
            Zone::Holds(zone, records) => {
                local(zone, "static", &mut records.iter().map(|&record| record.to_owned()))
            }
            Zone::Silent(zone, records) => {
                local(zone, "deny", &mut records.iter().map(|&record| record.to_owned()))
            }
            Zone::Everything(zone, data) => {
                local(zone, "redirect", &mut data.iter().map(|data| format!("{zone}. {data}")))
            }
            Zone::NothingElse => local("", "static", &mut std::iter::empty()),
            Zone::Root => {
                local("", "transparent", &mut std::iter::once(". NS root.example.".to_owned()))
            }
            Zone::Refuses(zone) => local(zone, "refuse", &mut std::iter::empty()),
            // A zone that never came from its primary has no answer: SERVFAIL at once.
            Zone::Fails(zone) => {
                let _ = write!(
                    rest,
                    "auth-zone:\n name: \"{zone}.\"\n primary: {ip}@1\n for-downstream: yes\n \
                     for-upstream: yes\n fallback-enabled: no\n"
                );
            }
        }
    }
    server + &rest
}
