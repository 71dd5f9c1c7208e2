//! A small signed world (DNSSEC): nsd serves a root zone that ldns has signed, and unbound
//! validates what it says.
//!
//! | zone | delegated | unbound says |
//! |---|---|---|
//! | the root, with the names that a test gives | | authentic |
//! | `insecure.` | without DS | not authentic |
//! | `bogus.` | with the DS of a key that has signed nothing | SERVFAIL |

use super::*;

/// The signed world, which ends with the test.
pub struct Signed {
    nsd: Child,
    /// The resolver that validates.
    pub resolver: Unbound,
    folder: PathBuf,
}

impl Signed {
    /// Signs and serves these records of the root zone, and those of the two below.
    pub fn start(root: &[&str], insecure: &[&str], bogus: &[&str]) -> Self {
        let folder = new_folder();
        let key = |zone| run(&folder, "ldns-keygen", &["-k", "-a", "ECDSAP256SHA256", zone]);
        let (root_key, other_key) = (key("."), key("bogus."));
        let delegation =
            fs::read_to_string(folder.join(format!("{other_key}.ds"))).expect("it was made");
        let zone = |name: &str, records: &[&str]| {
            let head =
                format!("{name} 3600 SOA ns.root.example. x.root.example. 1 3600 600 86400 60\n");
            let records: String = records.iter().map(|record| format!("{record}\n")).collect();
            format!("$TTL 60\n{head}{name} NS ns.root.example.\n{records}")
        };
        let below = "ns.root.example. A 127.0.0.1\ninsecure. NS ns.root.example.\nbogus. NS \
                     ns.root.example.\n";
        let text = zone(".", root) + below + &delegation;
        for (file, text) in [
            ("root", text),
            ("insecure", zone("insecure.", insecure)),
            ("bogus", zone("bogus.", bogus)),
        ] {
            fs::write(folder.join(file), text).expect("the folder is ours");
        }
        run(&folder, "ldns-signzone", &["-o", ".", "root", &root_key]);
        let (nsd, server) = serve(&folder);
        let anchor = folder.join(format!("{root_key}.key"));
        let resolver = Unbound::configured(|address| validating(address, server, &anchor));
        Self { nsd, resolver, folder }
    }
}

impl Drop for Signed {
    fn drop(&mut self) {
        // Its own children end with it, if it is asked.
        let _ = Command::new("kill").arg(self.nsd.id().to_string()).status();
        let _ = self.nsd.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs a program in a folder, and gives the first word that it says.
fn run(folder: &PathBuf, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(binary(program))
        .args(arguments)
        .current_dir(folder)
        .output();
    let output = output.expect("the program was found and can be run");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn serve(folder: &PathBuf) -> (Child, SocketAddr) {
    for _ in 0..TRIES {
        let address = loopback::own();
        let mut text = format!(
            "server:\n server-count: 1\n username: \"\"\n ip-address: {}@{}\n database: \"\"\n \
             pidfile: \"\"\n \
             xfrdfile: \"xfrd\"\n zonelistfile: \"zones\"\n xfrdir: \".\"\n \
             logfile: \"nsd.log\"\n zonesdir: \".\"\n\
             remote-control:\n control-enable: no\n",
            address.ip(),
            address.port()
        );
        for (zone, file) in [(".", "root.signed"), ("insecure", "insecure"), ("bogus", "bogus")] {
            let _ = write!(text, "zone:\n name: \"{zone}\"\n zonefile: \"{file}\"\n");
        }
        fs::write(folder.join("nsd.conf"), text).expect("the folder is ours");
        let mut nsd = Command::new(binary("nsd"))
            .args(["-d", "-c", "nsd.conf"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nsd was found and can be run");
        if is_answering(&mut nsd, address, "ns.root.example") {
            return (nsd, address);
        }
    }
    panic!("nsd did not answer on loopback in {TRIES} tries");
}

fn validating(address: SocketAddr, server: SocketAddr, anchor: &std::path::Path) -> String {
    let (ip, port, server) =
        (address.ip(), address.port(), format!("{}@{}", server.ip(), server.port()));
    let stubs = [".", "insecure.", "bogus."]
        .map(|zone| format!("stub-zone:\n name: \"{zone}\"\n stub-addr: {server}\n"));
    format!(
        "server:\n interface: {ip}@{port}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n \
         pidfile: \"\"\n \
         use-syslog: no\n do-ip6: no\n num-threads: 1\n module-config: \"validator iterator\"\n \
         trust-anchor-file: \"{}\"\n do-not-query-localhost: no\n local-data: \"{READY}. A \
         127.0.0.2\"\n\
         remote-control:\n control-enable: no\n{}",
        anchor.display(),
        stubs.concat()
    )
}
