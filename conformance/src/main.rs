//! norelay against real mail servers, each in a network namespace of its own.
//!
//! The executable runs itself several times over:
//! * as called by a person or CI, it provides layers with this machine's network;
//! * `inside`, in namespaces of its own for network, mounts and processes, it runs the
//!   trials; when it ends, however it ends, the kernel takes all of it away;
//! * `ready` and `witness`, in a tester's network, are its eyes there.

mod cure;
mod data;
mod failure;
mod guest;
mod journal;
mod layer;
mod node;
mod process;
mod report;
mod schema;
mod sink;
mod stage;
mod suite;
mod times;
mod witness;
mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use failure::{Doing, Failure, Outcome};
use layer::Provided;
use libtest_mimic::Arguments;
use suite::Judge;

/// Scenarios at once, unless `--test-threads` says otherwise: they wait more than they work.
const THREADS: usize = 12;
/// Layers that are made at once: while one is downloaded, another is unpacked.
const MAKERS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let role = arguments.get(1).map(String::as_str);
    let done = match role {
        Some("inside") => inside(&arguments[2..]),
        Some("ready") => ready(&arguments[2..]),
        Some("witness") => testify(&arguments[2..]),
        _ => outside(&arguments[1..]),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("norelay-conformance: {failure}");
        ExitCode::from(101)
    })
}

/// What a person or CI asked for.
struct Request {
    judge: Judge,
    subject: Option<String>,
    /// Arguments for the test harness: filters and the like.
    harness: Vec<String>,
}

impl Request {
    fn read(arguments: &[String]) -> Self {
        let mut request = Self {
            judge: Judge::Norelay(default_executable()),
            subject: std::env::var("SUBJECT")
                .ok()
                .filter(|subject| !subject.is_empty()),
            harness: vec!["norelay-conformance".into()],
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--witness" => request.judge = Judge::Witness,
                "--norelay" => {
                    let path = rest.next().map(PathBuf::from).unwrap_or_default();
                    request.judge = Judge::Norelay(path);
                }
                "--guest" => {
                    let path = rest.next().map(PathBuf::from).unwrap_or_default();
                    request.judge = Judge::Guest(path);
                }
                _ => request.harness.push(argument.clone()),
            }
        }
        request
    }
}

/// The norelay that was built beside this executable.
fn default_executable() -> PathBuf {
    std::env::var_os("NORELAY")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let ourselves = std::env::current_exe().unwrap_or_default();
            ourselves.with_file_name("norelay")
        })
}

/// Provides the layers, then runs the suite in namespaces that end with this process.
fn outside(arguments: &[String]) -> Outcome<ExitCode> {
    let request = Request::read(arguments);
    let listing = Arguments::from_iter(&request.harness).list;
    if !listing {
        check_executable(&request.judge)?;
        layer::provide_tools()?;
        provide_layers(&request)?;
    }
    let ourselves = std::env::current_exe().doing(|| "find this executable".into())?;
    for folder in ["/run/netns", world::ROOM] {
        std::fs::create_dir_all(folder).doing(|| format!("make {folder}"))?;
    }
    let mut inner = Command::new(ourselves);
    inner.arg("inside").args(arguments);
    let mut inner = layer::isolated_with_network(&inner);
    let status = inner
        .stdin(Stdio::null())
        .status()
        .doing(|| "enter namespaces".into())?;
    Ok(ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(101),
    ))
}

fn check_executable(judge: &Judge) -> Outcome<()> {
    match judge {
        Judge::Norelay(path) | Judge::Guest(path) if !path.is_file() => {
            Err(Failure::new(format!("find {}", path.display()), "build it, or give another path"))
        }
        _ => Ok(()),
    }
}

/// Makes the layers that the chosen scenarios need, those that are slow left out where they aren't
/// run. One that can't be had is named; its scenarios are left out, and in CI the run fails.
fn provide_layers(request: &Request) -> Outcome<()> {
    let harness = Arguments::from_iter(&request.harness);
    let runs_slow = harness.include_ignored || harness.ignored;
    let mut names = BTreeSet::from(["dns".to_owned()]);
    for (name, _, scenario) in data::scenarios()? {
        if request
            .subject
            .as_ref()
            .is_none_or(|subject| *subject == name)
            && (runs_slow || !scenario.slow)
        {
            names.extend(scenario.hub.map(|hub| hub.subject));
            names.insert(name);
        }
    }
    let mut subjects = names
        .iter()
        .map(|name| data::subject(name))
        .collect::<Outcome<Vec<_>>>()?;
    // What is built from its sources takes longest.
    subjects.sort_by_key(|subject| subject.install.is_empty());
    let (store, queue) = (layer::Store::open()?, Mutex::new(subjects.into_iter()));
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    thread::scope(|scope| {
        for _ in 0..MAKERS {
            scope.spawn(|| {
                std::iter::from_fn(next).for_each(|subject| provide_layer(&store, &subject))
            });
        }
    });
    Ok(())
}

fn provide_layer(store: &layer::Store, subject: &data::Subject) {
    let started = Instant::now();
    match store.provide(subject) {
        Ok(Provided::Made) => {
            eprintln!("made {} in {:.1} s", subject.title, started.elapsed().as_secs_f64())
        }
        Ok(Provided::Found) => {}
        Err(failure) => eprintln!("skipped: {} can't be had: {failure}", subject.title),
    }
}

/// Runs the trials; this process is the first of its process namespace.
#[expect(clippy::print_stdout, reason = "the tables belong to the results, which are printed")]
fn inside(arguments: &[String]) -> Outcome<ExitCode> {
    let request = Request::read(arguments);
    for folder in ["/run/netns", world::ROOM] {
        let mut mount = Command::new("mount");
        process::run(mount.args(["-t", "tmpfs", "-o", "mode=755", "tmpfs", folder]))?;
    }
    let trials = suite::trials(&request.judge, request.subject.as_deref())?;
    let mut arguments = Arguments::from_iter(request.harness);
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let conclusion = libtest_mimic::run(&arguments, trials);
    print!("{}{}", cure::table(), times::slowest());
    Ok(conclusion.exit_code())
}

/// `ready ADDRESS greeting|connect SECONDS`
fn ready(arguments: &[String]) -> Outcome<ExitCode> {
    let [address, how, limit] = arguments else {
        return Err(Failure::new("wait for a server", "three arguments are needed"));
    };
    let limit = suite::patience(Some(limit));
    witness::await_ready(address, how == "greeting", limit).map(|()| ExitCode::SUCCESS)
}

/// `witness MESSAGES SECONDS [WAY-IN]`
#[expect(clippy::print_stdout, reason = "the testimony goes to the trial that asked for it")]
fn testify(arguments: &[String]) -> Outcome<ExitCode> {
    let must_arrive = arguments.first().and_then(|text| text.parse().ok());
    let way_in = arguments
        .get(2)
        .map(|text| serde_json::from_str(text).doing(|| "read the way in".into()))
        .transpose()?;
    let patience = suite::patience(arguments.get(1));
    let testimony = witness::testify(must_arrive.unwrap_or(0), patience, way_in.as_ref())?;
    let text = serde_json::to_string(&testimony).doing(|| "write the testimony".into())?;
    println!("{text}");
    Ok(ExitCode::SUCCESS)
}
