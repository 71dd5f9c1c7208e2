//! What a report means, as a whole: made once for each state of a report, and shown by every
//! output.
//!
//! Rules:
//! - An output shows what stands in the assessment. No output judges, diagnoses or recognizes
//!   software by itself (`norelay-core/tests/assessment.rs` reads the sources).
//! - Besides this file, only `asking` calls `check::judge`, to learn what is still open.

use std::{collections::BTreeMap, net::IpAddr};

use crate::{
    advice::{self, AdviceStep},
    check::{
        self, Judgement,
        finding::{self, Finding},
        receiver::{self, ReceiverCheck},
    },
    diagnosis::{self, Diagnosis, Technique},
    mta::{self, Mta},
    path::PathId,
    report::{PathView, Report},
    seen::{self, SeenAddress},
};

/// What a report means.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// The verdicts on the server, on each path and on each test.
    pub judgement: Judgement,
    /// What is worth knowing beside the verdict, the worst first.
    pub findings: Vec<Finding>,
    /// Why the server relays, the surest cause first. Empty if the server accepted nothing.
    pub causes: Vec<Diagnosis>,
    /// How the server refuses.
    pub techniques: Vec<Technique>,
    /// What to do next, the most urgent step first.
    pub advice: Vec<AdviceStep>,
    /// Whether the run's receiver was shown to work. `None` if the run has no receiver.
    pub receiver: Option<ReceiverCheck>,
    servers: BTreeMap<PathId, ServerTraits>,
}

/// What the server on one path shows of itself.
#[derive(Clone, Debug)]
struct ServerTraits {
    software: Option<Mta>,
    seen: Option<SeenAddress>,
}

/// Makes the assessment of a report. Each state of a report needs this once.
#[must_use]
pub fn assess(report: &Report) -> Assessment {
    let judgement = judgement(report);
    let servers = report.paths().map(|path| (path.id, ServerTraits::of(path)));
    Assessment {
        findings: finding::findings(report, &judgement),
        causes: diagnosis::diagnose(report, &judgement),
        techniques: diagnosis::techniques(report, &judgement),
        advice: advice::steps(report, &judgement),
        receiver: receiver::check(report),
        servers: servers.collect(),
        judgement,
    }
}

/// Makes only the judgement, for a caller that shows a single test or needs the verdict alone: the
/// rest of an assessment takes several times as long.
#[must_use]
pub fn judgement(report: &Report) -> Judgement {
    check::judge(report)
}

/// Recognizes the software on one path, for a caller that shows a single dialogue while the run
/// goes on.
#[must_use]
pub fn software(path: PathView<'_>) -> Option<Mta> {
    mta::identify(path)
}

impl Assessment {
    /// Returns what the software on a path seems to be. `None` if the server shows nothing of it.
    #[must_use]
    pub fn software(&self, path: PathId) -> Option<&Mta> {
        self.servers.get(&path)?.software.as_ref()
    }

    /// Returns what the server on a path said about our address. `None` if the server said
    /// nothing.
    #[must_use]
    pub fn seen(&self, path: PathId) -> Option<&SeenAddress> {
        self.servers.get(&path)?.seen.as_ref()
    }

    /// Returns the address that the server on a path sees us come from, if the server said so.
    #[must_use]
    pub fn seen_as(&self, path: PathId) -> Option<IpAddr> {
        self.seen(path).map(|seen| seen.sighting.address)
    }
}

impl ServerTraits {
    fn of(path: PathView<'_>) -> Self {
        Self { software: mta::identify(path), seen: seen::on_path(path) }
    }
}
