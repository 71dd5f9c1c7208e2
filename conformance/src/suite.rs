//! The trials: one for each scenario.
//!
//! Rules:
//! * a scenario passes only if norelay is right without a receiver and with one, in this
//!   order, since a run without a receiver leaves no message behind;
//! * what fails is shown with the report and the servers' own logs.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, path::PathBuf};

use libtest_mimic::{Completion, Trial};
use serde_json::Value;

use crate::data::{self, Ready, Scenario};
use crate::failure::{Doing, Failure, Outcome};
use crate::layer::Store;
use crate::node::{Node, Plan};
use crate::process::last_lines;
use crate::report::{Run, connections, contradictions, limits_met};
use crate::witness::Testimony;
use crate::world::{DNS, HUB, MX, TESTER, World};

/// What looks at the servers.
#[derive(Debug, Clone)]
pub enum Judge {
    /// The executable under test.
    Norelay(PathBuf),
    /// The suite's own dialogue: are the scenarios what they claim to be?
    Witness,
}

/// How many of the servers' lines a failure shows.
const SHOWN_LINES: usize = 60;

/// The trials of all scenarios; those whose layers are missing can't be had.
pub fn trials(judge: &Judge, subject: Option<&str>) -> Outcome<Vec<Trial>> {
    let store = Arc::new(Store::open()?);
    let scenarios = data::scenarios()?.into_iter();
    let wanted = scenarios.filter(|(name, ..)| subject.is_none_or(|subject| subject == name));
    Ok(wanted
        .map(|(subject, name, scenario)| {
            let (judge, store) = (judge.clone(), Arc::clone(&store));
            let title = format!("{subject}::{name}");
            Trial::ignorable_test(title.clone(), move || {
                if let Some(absent) = absent(&store, &subject, &scenario)? {
                    return Ok(Completion::ignored_with(absent));
                }
                perform(&judge, &store, &title, &subject, &scenario)?;
                Ok(Completion::Completed)
            })
        })
        .collect())
}

/// Names the server of a scenario that can't be had: a skip, and in CI a failure.
fn absent(store: &Store, subject: &str, scenario: &Scenario) -> Outcome<Option<String>> {
    let hub = scenario.hub.as_ref().map(|hub| hub.subject.as_str());
    for name in ["dns", subject].into_iter().chain(hub) {
        let subject = data::subject(name)?;
        if store.lower(&subject).is_none() {
            let skip = format!("{} can't be had here", subject.title);
            return match std::env::var_os("CI") {
                Some(_) => Err(Failure::new("skip a scenario in CI", skip)),
                None => Ok(Some(skip)),
            };
        }
    }
    Ok(None)
}

fn perform(judge: &Judge, store: &Arc<Store>, title: &str, subject: &str, scenario: &Scenario) -> Outcome<()> {
    let mut stage = Stage::set(store, subject, scenario)?;
    let complaints = match judge {
        Judge::Witness => stage.hear_witness(scenario)?,
        Judge::Norelay(executable) => {
            let mut complaints = stage.run_norelay(executable, scenario, false)?;
            if scenario.fresh {
                complaints.extend(stage.limits_met(scenario));
                stage = Stage::set(store, subject, scenario)?;
            }
            complaints.extend(stage.run_norelay(executable, scenario, true)?);
            complaints.extend(stage.limits_met(scenario));
            complaints
        }
    };
    if complaints.is_empty() { Ok(()) } else { Err(stage.disagreement(title, &complaints)?) }
}

/// A world with its servers running. The nodes go before their world.
struct Stage {
    nodes: Vec<Node>,
    world: World,
    store: Arc<Store>,
}

impl Stage {
    fn set(store: &Arc<Store>, subject: &str, scenario: &Scenario) -> Outcome<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("w{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut stage = Self { nodes: Vec::new(), world: World::new(&name)?, store: Arc::clone(store) };
        let records = format!(
            "cat > /etc/nsd/root.zone <<'END'\n{}\n{}\nEND\n",
            include_str!("../world/root.zone"),
            scenario.records
        );
        let mut dns = stage.start("dns", DNS, &records)?;
        dns.await_ready(&stage.world, 53, Ready::Connect)?;
        let mut server = stage.start(subject, MX, &scenario.configure)?;
        if let Some(hub) = &scenario.hub {
            let mut node = stage.start(&hub.subject, HUB, &hub.configure)?;
            node.await_ready(&stage.world, 25, Ready::Greeting)?;
            stage.nodes.push(node);
        }
        server.await_ready(&stage.world, 25, scenario.ready)?;
        stage.nodes.extend([server, dns]);
        Ok(stage)
    }

    /// The failure of a scenario, with the servers' logs, which are kept whole as well.
    fn disagreement(&self, title: &str, complaints: &[String]) -> Outcome<Failure> {
        let kept = self.store.failed().join(title.replace("::", "-"));
        let mut logs = String::new();
        for node in &self.nodes {
            node.keep_logs(&kept)?;
            logs.push_str(&last_lines(&node.logs(), SHOWN_LINES));
        }
        let complaints = complaints.join("\n");
        fs::write(kept.join("complaints"), &complaints).doing(|| format!("write to {}", kept.display()))?;
        let cause = format!("{complaints}\n{logs}\nwhole logs: {}", kept.display());
        Ok(Failure::new(format!("agree with {title}"), cause))
    }

    fn start(&self, name: &str, place: crate::world::Place, configure: &str) -> Outcome<Node> {
        let subject = data::subject(name)?;
        let lower = self.store.lower(&subject);
        let missing = || Failure::new(format!("find {}", subject.title), "its layer is missing");
        let lower = lower.ok_or_else(missing)?;
        Node::start(&self.world, place, &Plan { name, subject: &subject, lower: &lower, configure })
    }

    /// The witness's complaints about the scenario itself.
    fn hear_witness(&self, scenario: &Scenario) -> Outcome<Vec<String>> {
        let ourselves = std::env::current_exe().doing(|| "find this executable".into())?;
        let mut command = self.world.at(TESTER);
        command.arg(ourselves).args(["witness", &scenario.patience.to_string()]);
        let text = crate::process::run(&mut command)?;
        let testimony: Testimony = serde_json::from_str(&text).doing(|| "read the testimony".into())?;
        let mut complaints = contradictions(&testimony, &scenario.expect);
        if !complaints.is_empty() {
            complaints.push(testimony.text());
        } else if std::env::var_os("CONFORMANCE_SHOW").is_some() {
            eprintln!("{}\n{}", scenario.summary, testimony.text());
        }
        Ok(complaints)
    }

    /// norelay's mistakes, with its report.
    fn run_norelay(&self, executable: &PathBuf, scenario: &Scenario, with_receiver: bool) -> Outcome<Vec<String>> {
        let mut command = Command::new("timeout");
        // What stands in for norelay to measure it takes its time.
        let limit = std::env::var("CONFORMANCE_TIME_LIMIT").unwrap_or_else(|_| scenario.time_limit.to_string());
        command.args(["--signal=KILL", &limit]);
        let inner = self.norelay(executable, scenario, with_receiver);
        let log = self.world.room().join(format!("events-{with_receiver}"));
        command.arg(inner.get_program()).args(inner.get_args()).arg("--log").arg(&log);
        let started = Instant::now();
        let output =
            command.stdin(std::process::Stdio::null()).output().doing(|| format!("start {}", executable.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let report: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let seconds = started.elapsed().as_secs_f64();
        let log = fs::read_to_string(log).unwrap_or_default();
        let run = Run { report: &report, code: output.status.code(), with_receiver, seconds, log: &log };
        if std::env::var_os("CONFORMANCE_SHOW").is_some() {
            let (verdict, connections) = (&report["verdict"], connections(&log));
            eprintln!("{verdict} after {seconds:.1} s, connections by path {connections:?}: {}", report["summary"]);
        }
        let mut complaints = run.complaints(&scenario.expect);
        if !complaints.is_empty() {
            let how = if with_receiver { "with a receiver:" } else { "without a receiver:" };
            complaints.insert(0, how.into());
            complaints.push(text.into_owned());
            complaints.push(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(complaints)
    }

    /// The lines of the tested server's own log that no server would write who has time for us.
    fn limits_met(&self, scenario: &Scenario) -> Vec<String> {
        let server = self.nodes.iter().find(|node| node.is_at(MX));
        server.map(|server| limits_met(&server.whole_logs(), &scenario.expect)).unwrap_or_default()
    }

    fn norelay(&self, executable: &PathBuf, scenario: &Scenario, with_receiver: bool) -> Command {
        let mut command = self.world.at(TESTER);
        command.arg(executable).args(["test", &scenario.target, "--domain", "probe.test"]);
        command.args(["--resolver", DNS.ipv4, "--helo", TESTER.host]);
        command.args(["--local-domain", "target.test", "--output", "json"]);
        if with_receiver {
            command.args(["--receive", &format!("{}:25", TESTER.ipv4)]);
        }
        command.args(["--profile", &scenario.profile, "--wait", &scenario.wait]).args(&scenario.options);
        command
    }
}

/// How long the witness waits for mail.
pub fn patience(argument: Option<&String>) -> Duration {
    Duration::from_secs(argument.and_then(|text| text.parse().ok()).unwrap_or(4))
}
