//! A stage: a world with its servers running, and what norelay and the witness say of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::data::{self, Ready, Scenario};
use crate::failure::{Doing, Failure, Outcome};
use crate::layer::Store;
use crate::node::{Node, Plan};
use crate::process::{Guarded, last_lines};
use crate::report::{Run, asked_again, connections, contradictions, limits_met};
use crate::schema;
use crate::witness::{Testimony, must_arrive};
use crate::world::{DNS, HUB, MX, Place, TESTER, World};

/// How many of the servers' lines a failure shows.
const SHOWN_LINES: usize = 60;
/// How long a server may take until it has read a changed configuration: some do it after the
/// command that asks for it has ended.
const RELOAD_LIMIT: Duration = Duration::from_secs(60);

/// A world with its servers running. The nodes go before their world.
pub struct Stage {
    nodes: Vec<Node>,
    world: World,
    store: Arc<Store>,
}

/// What came of a run of norelay.
pub struct Heard {
    /// Its report, or nothing.
    pub report: Value,
    with_receiver: bool,
    code: Option<i32>,
    seconds: f64,
    /// Its event log, JSON lines.
    log: String,
    /// Its standard output and standard error.
    said: [String; 2],
}

impl Heard {
    /// norelay's mistakes, with its report.
    pub fn complaints(&self, scenario: &Scenario, mta: Option<&str>) -> Vec<String> {
        let run = Run {
            report: &self.report,
            code: self.code,
            with_receiver: self.with_receiver,
            mta,
            seconds: self.seconds,
            log: &self.log,
        };
        let how = if self.with_receiver { "with a receiver:" } else { "without a receiver:" };
        let mut complaints = run.complaints(&scenario.expect);
        if scenario.interrupt_at.is_some() {
            complaints.extend(asked_again(&self.log));
        }
        complaints.extend(schema::complaints(&self.report));
        self.explained(how, complaints)
    }

    /// Complaints with the report that they are about, where there are any.
    pub fn explained(&self, how: &str, mut complaints: Vec<String>) -> Vec<String> {
        if !complaints.is_empty() {
            complaints.insert(0, how.into());
            complaints.extend(self.said.clone());
        }
        complaints
    }

    /// The verdict's word.
    pub fn verdict(&self) -> String {
        self.report["verdict"]
            .as_str()
            .unwrap_or("missing")
            .to_owned()
    }

    /// Whether it says closed.
    pub fn is_closed(&self) -> bool {
        self.report["verdict"] == "closed"
    }
}

impl Stage {
    /// Starts everything.
    pub fn set(store: &Arc<Store>, subject: &str, scenario: &Scenario) -> Outcome<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("w{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut stage =
            Self { nodes: Vec::new(), world: World::new(&name)?, store: Arc::clone(store) };
        let records = format!(
            "cat > /etc/nsd/root.zone <<'END'\n{}\n{}\nEND\n",
            include_str!("../world/root.zone"),
            scenario.records
        );
        let dns = stage.start("dns", DNS, &records)?;
        dns.await_ready(&stage.world, 53, Ready::Connect)?;
        let server = stage.start(subject, MX, &scenario.configure)?;
        if let Some(hub) = &scenario.hub {
            let node = stage.start(&hub.subject, HUB, &hub.configure)?;
            node.await_ready(&stage.world, 25, Ready::Greeting)?;
            stage.nodes.push(node);
        }
        server.await_ready(&stage.world, 25, scenario.ready)?;
        stage.nodes.extend([server, dns]);
        Ok(stage)
    }

    /// The failure of a scenario, with the servers' logs, which are kept whole as well.
    pub fn disagreement(&self, title: &str, complaints: &[String]) -> Outcome<Failure> {
        let kept = self.store.failed().join(title.replace("::", "-"));
        let mut logs = String::new();
        for node in &self.nodes {
            node.keep_logs(&kept)?;
            logs.push_str(&last_lines(&node.logs(), SHOWN_LINES));
        }
        let complaints = complaints.join("\n");
        fs::write(kept.join("complaints"), &complaints)
            .doing(|| format!("write to {}", kept.display()))?;
        let cause = format!("{complaints}\n{logs}\nwhole logs: {}", kept.display());
        Ok(Failure::new(format!("agree with {title}"), cause))
    }

    fn start(&self, name: &str, place: Place, configure: &str) -> Outcome<Node> {
        let subject = data::subject(name)?;
        let lower = self.store.lower(&subject);
        let missing = || Failure::new(format!("find {}", subject.title), "its layer is missing");
        let lower = lower.ok_or_else(missing)?;
        Node::start(&self.world, place, &Plan { name, subject: &subject, lower: &lower, configure })
    }

    /// The witness's complaints about the scenario itself.
    pub fn hear_witness(&self, scenario: &Scenario) -> Outcome<Vec<String>> {
        let ourselves = std::env::current_exe().doing(|| "find this executable".into())?;
        let mut command = self.world.at(TESTER);
        command
            .arg(ourselves)
            .args(["witness", &must_arrive(scenario).to_string()])
            .arg(scenario.patience.to_string());
        if let Some(way_in) = &scenario.way_in {
            command.arg(serde_json::to_string(way_in).doing(|| "write the way in".into())?);
        }
        let text = crate::process::run(&mut command)?;
        let testimony: Testimony =
            serde_json::from_str(&text).doing(|| "read the testimony".into())?;
        let mut complaints = contradictions(&testimony, &scenario.expect);
        if !complaints.is_empty() {
            complaints.push(testimony.text());
        } else if std::env::var_os("CONFORMANCE_SHOW").is_some() {
            eprintln!("{}\n{}", scenario.summary, testimony.text());
        }
        Ok(complaints)
    }

    /// Runs norelay, with further options.
    pub fn hear(
        &self,
        executable: &Path,
        scenario: &Scenario,
        with_receiver: bool,
        further: &[String],
    ) -> Outcome<Heard> {
        // It ends with the run.
        let _receiver = (with_receiver && scenario.receiver_apart)
            .then(|| self.receiver(executable))
            .transpose()?;
        let mut command = self.world.at(TESTER);
        command.arg(executable).args(["test", &scenario.target]);
        self.direct(&mut command, scenario, with_receiver);
        command
            .args(["--profile", &scenario.profile])
            .args(&scenario.options)
            .args(further);
        let Some(words) = &scenario.interrupt_at else {
            return self.run(scenario, with_receiver, &command);
        };
        self.interrupt(scenario, &command, words)?;
        let mut command = self.world.at(TESTER);
        command.arg(executable).arg("test");
        self.direct(&mut command, scenario, with_receiver);
        command
            .args(beside_the_tests(&scenario.options))
            .args(further)
            .arg("--resume")
            .arg(self.log());
        self.run(scenario, with_receiver, &command)
    }

    /// Where the event log of a run is.
    fn log(&self) -> PathBuf {
        self.world.room().join("events")
    }

    /// Starts a run and interrupts it once its progress has such words; its log stays.
    fn interrupt(&self, scenario: &Scenario, inner: &Command, words: &str) -> Outcome<()> {
        let mut command = bounded(scenario, inner);
        command.arg("--verbose").arg("--log").arg(self.log());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut running = Guarded(command.spawn().doing(|| "start norelay".into())?);
        let errors = running.0.stderr.take().map(BufReader::new);
        let mut progress = errors
            .into_iter()
            .flat_map(BufRead::lines)
            .map_while(Result::ok);
        if !progress.any(|line| line.contains(words)) {
            return Err(Failure::new(
                "interrupt norelay",
                format!("its progress never says {words:?}"),
            ));
        }
        let pid = running.0.id().to_string();
        crate::process::run(Command::new("kill").args(["-INT", &pid]))?;
        progress.for_each(drop);
        let status = running.0.wait().doing(|| "wait for norelay".into())?;
        match status.code() {
            Some(2) => Ok(()),
            _ => Err(Failure::new("interrupt norelay", format!("it ended with {status}"))),
        }
    }

    /// Starts a receiver of its own, and waits until it greets.
    fn receiver(&self, executable: &Path) -> Outcome<Guarded> {
        let [spool, key] = self.shared();
        let address = format!("{}:25", TESTER.ipv4);
        let mut command = self.world.at(TESTER);
        command.arg(executable).args([
            "receive",
            "--domain",
            "probe.test",
            "--spool",
            &spool,
            "--key-file",
            &key,
        ]);
        command
            .args(["--listen", &address])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let receiver = Guarded(command.spawn().doing(|| "start a receiver".into())?);
        let ourselves = std::env::current_exe().doing(|| "find this executable".into())?;
        crate::process::run(
            self.world
                .at(TESTER)
                .arg(ourselves)
                .args(["ready", &address, "greeting", "120"]),
        )?;
        Ok(receiver)
    }

    /// The spool and the key that a test and a receiver share.
    fn shared(&self) -> [String; 2] {
        ["spool", "key"].map(|name| self.world.room().join(name).display().to_string())
    }

    fn run(&self, scenario: &Scenario, with_receiver: bool, inner: &Command) -> Outcome<Heard> {
        let (mut command, log) = (bounded(scenario, inner), self.log());
        if !inner.get_args().any(|argument| argument == "--resume") {
            command.arg("--log").arg(&log);
        }
        let started = Instant::now();
        let output = command
            .stdin(Stdio::null())
            .output()
            .doing(|| "start norelay".into())?;
        let said =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        let report: Value = serde_json::from_str(&said[0]).unwrap_or(Value::Null);
        let seconds = started.elapsed().as_secs_f64();
        let events = fs::read_to_string(&log).unwrap_or_default();
        // The next run's log is its own.
        let _ = fs::remove_file(&log);
        if std::env::var_os("CONFORMANCE_SHOW").is_some() {
            let (verdict, connections) = (&report["verdict"], connections(&events));
            eprintln!(
                "{verdict} after {seconds:.1} s, connections by path {connections:?}: {}",
                report["summary"]
            );
        }
        Ok(Heard { report, with_receiver, code: output.status.code(), seconds, log: events, said })
    }

    /// A command in the network of a place.
    pub fn at(&self, place: Place) -> Command {
        self.world.at(place)
    }

    /// Waits until the server under test can be asked, again.
    pub fn await_server(&self, scenario: &Scenario) -> Outcome<()> {
        self.server()?.await_ready(&self.world, 25, scenario.ready)
    }

    /// Runs norelay on a server that has been told to read a remedy, until it has.
    pub fn hear_cured(&self, executable: &Path, scenario: &Scenario) -> Outcome<Heard> {
        let asked = Instant::now();
        let options = self.as_alice(scenario)?;
        self.await_server(scenario)?;
        loop {
            let heard = self.hear(executable, scenario, true, &options)?;
            if heard.is_closed() || asked.elapsed() > RELOAD_LIMIT {
                return Ok(heard);
            }
        }
    }

    /// Runs norelay on what failed before alone.
    pub fn hear_again(
        &self,
        executable: &Path,
        scenario: &Scenario,
        before: &Heard,
    ) -> Outcome<Heard> {
        let file = self.world.room().join("report.json");
        fs::write(&file, &before.said[0]).doing(|| "write a report".into())?;
        let mut command = self.world.at(TESTER);
        command
            .arg(executable)
            .args(["test", "--output", "json", "--resolver", DNS.ipv4, "--retest"])
            .arg(&file);
        command.args(["--receive", &format!("{}:25", TESTER.ipv4), "--wait", &scenario.wait]);
        command.args(beside_the_tests(&scenario.options));
        self.run(scenario, true, &command)
    }

    /// The options that let alice send mail, where the scenario has her.
    pub fn as_alice(&self, scenario: &Scenario) -> Outcome<Vec<String>> {
        if !scenario.user {
            return Ok(Vec::new());
        }
        let file = self.world.room().join("password");
        fs::write(&file, "right\n").doing(|| "write a password".into())?;
        let file = file.display().to_string();
        // A password goes over TLS alone, which the classic profile leaves out unless it is given a
        // port.
        let port = (scenario.profile == "classic").then_some(["--port", "25"]);
        let options = ["--auth", "alice", "--password-file", &file]
            .into_iter()
            .chain(port.into_iter().flatten());
        Ok(options.map(str::to_owned).collect())
    }

    /// The lines of the tested server's own log that no server would write who has time for us.
    pub fn limits_met(&self, scenario: &Scenario) -> Vec<String> {
        self.server()
            .map(|server| limits_met(&server.whole_logs(), &scenario.expect))
            .unwrap_or_default()
    }

    /// The server under test.
    pub fn server(&self) -> Outcome<&Node> {
        let server = self.nodes.iter().find(|node| node.is_at(MX));
        server.ok_or_else(|| Failure::new("find the server", "it was never started"))
    }

    /// Tells norelay who it is, what it may know, and how to answer.
    fn direct(&self, command: &mut Command, scenario: &Scenario, with_receiver: bool) {
        let domain = scenario.domain.as_str();
        command.args(["--domain", domain, "--resolver", DNS.ipv4, "--helo", TESTER.host]);
        command.args([
            "--local-domain",
            "target.test",
            "--output",
            "json",
            "--wait",
            &scenario.wait,
        ]);
        match (with_receiver, scenario.receiver_apart) {
            (true, true) => {
                let [spool, key] = self.shared();
                command.args(["--receiver", &spool, "--key-file", &key]);
            }
            (true, false) => {
                command.args(["--receive", &format!("{}:25", TESTER.ipv4)]);
                if scenario.interrupt_at.is_some() {
                    let [_, key] = self.shared();
                    command.args(["--key-file", &key]);
                }
            }
            (false, _) => {}
        }
    }
}

/// A run of norelay that is killed when its time is over.
fn bounded(scenario: &Scenario, inner: &Command) -> Command {
    let mut command = Command::new("timeout");
    // What stands in for norelay to measure it takes its time.
    let limit =
        std::env::var("CONFORMANCE_TIME_LIMIT").unwrap_or_else(|_| scenario.time_limit.to_string());
    // Without --foreground, `timeout` hands a signal on twice, to the program and to its group, and a
    // second interrupt ends norelay at once.
    command
        .args(["--foreground", "--signal=KILL", &limit])
        .arg(inner.get_program())
        .args(inner.get_args());
    command
}

/// The options that don't say what is asked where: a report says that.
fn beside_the_tests(options: &[String]) -> Vec<&String> {
    let mut is_value = false;
    let kept = options.iter().filter(|option| {
        let chooses = ["--port", "--only", "--skip"].contains(&option.as_str());
        let goes = chooses || is_value || ["--every-path", "-4", "-6"].contains(&option.as_str());
        is_value = chooses;
        !goes
    });
    kept.collect()
}
