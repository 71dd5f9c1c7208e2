//! A world: the network that one scenario runs in.
//!
//! Rules:
//! * every world has the same addresses and names, so that scenario files can name them;
//!   worlds can't see each other, so two scenarios may run at once;
//! * all addresses are documentation addresses (RFC 5737, RFC 3849) and no namespace has
//!   a way out: what a server sends can only reach its own world.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::failure::{Doing, Failure, Outcome};
use crate::process::{run, script};

/// Where worlds and instances live, in memory, inside the suite's own mount namespace.
pub const ROOM: &str = "/run/norelay-conformance";

/// A place in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its short name.
    pub name: &'static str,
    /// Its host name in DNS.
    pub host: &'static str,
    /// Its IPv4 address.
    pub ipv4: &'static str,
    /// Its IPv6 address.
    pub ipv6: &'static str,
}

/// The DNS server.
pub const DNS: Place =
    Place { name: "dns", host: "dns.test", ipv4: "192.0.2.53", ipv6: "2001:db8:2::53" };
/// Where norelay runs, and receives mail for the probe domains. Not in 192.0.2.0/24, which
/// Debian's sendmail refuses by default.
pub const TESTER: Place =
    Place { name: "tester", host: "tester.probe.test", ipv4: "203.0.113.2", ipv6: "2001:db8:2::2" };
/// The server under test.
pub const MX: Place =
    Place { name: "mx", host: "mx.target.test", ipv4: "198.51.100.25", ipv6: "2001:db8:25::25" };
/// A second server behind it.
pub const HUB: Place =
    Place { name: "hub", host: "hub.target.test", ipv4: "198.51.100.26", ipv6: "2001:db8:25::26" };

const PLACES: [Place; 4] = [DNS, TESTER, MX, HUB];

/// The namespaces of one scenario; they go when it is dropped.
pub struct World {
    name: String,
}

impl World {
    /// Makes the network. The name must be unlike any other world's that is there now.
    pub fn new(name: &str) -> Outcome<Self> {
        let world = Self { name: name.to_owned() };
        let nodes: String = PLACES
            .iter()
            .map(|place| format!("{} {} {}\n", place.name, place.ipv4, place.ipv6))
            .collect();
        let mut child = script(include_str!("../shell/world.sh"), &[name])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .doing(|| "start the script that makes a world".into())?;
        if let Some(mut input) = child.stdin.take() {
            input
                .write_all(nodes.as_bytes())
                .doing(|| "name the world's places".into())?;
        }
        let output = child
            .wait_with_output()
            .doing(|| "wait for a world".into())?;
        if output.status.success() {
            return Ok(world);
        }
        Err(Failure::new("make a world", String::from_utf8_lossy(&output.stderr)))
    }

    /// The directory that this world's instances live in.
    pub fn room(&self) -> PathBuf {
        PathBuf::from(ROOM).join(&self.name)
    }

    /// A command that runs a program in the network of a place.
    pub fn at(&self, place: Place) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}-{}", self.name, place.name))
            .arg("--");
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let names = PLACES.iter().map(|place| place.name).chain(["bridge"]);
        let files: Vec<_> = names
            .map(|name| format!("/run/netns/{}-{name}", self.name))
            .collect();
        // What was never made need not go. This is what `ip netns del` does, all at once.
        let _ = run(Command::new("umount").arg("-l").args(&files));
        for file in files {
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_dir_all(self.room());
    }
}
