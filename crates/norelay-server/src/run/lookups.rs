//! Look-ups in DNS blacklists that people ask for on a page.
//!
//! Rules:
//! - Strangers have limits as for tests, in budgets of their own, and may ask about addresses that
//!   may be tested.
//! - The resolver, the lists and their keys are the service's: nobody chooses them.
//! - A look-up ends within `NAMES` and `TIMEOUT` together, whatever the lists do; at most `AT_ONCE`
//!   go on at once.
//! - What was looked up a moment ago is not asked again: the lists are other people's servers.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use norelay_core::{catalogue, check::Verdict};
use norelay_dns::{
    blacklist::{ListSubject, NotASubject, Survey},
    dns_name::is_private,
    lookup::lists::{self, Blacklists, SurveyOptions},
};
use norelay_probe::target::Host;
use tokio::sync::Semaphore;

use crate::{
    config::Settings,
    rules::{client::Client, permission::Permission, refusal::Refusal},
    store::{Job, JobId, JobState, Store, TestRequest},
};

/// The names and addresses of a domain's exchangers have so long.
const NAMES: Duration = Duration::from_secs(5);
/// All lists together have so long.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Each look-up asks a few dozen lists.
const AT_ONCE: usize = 8;
/// More addresses of one domain than this are a farm, whose lists nobody reads.
const MAX_ADDRESSES: usize = 6;
/// How long a look-up serves the next client in public mode.
const FRESH: Duration = Duration::from_secs(300);
/// The most look-ups that are kept.
const MOST: usize = 256;

/// The look-ups of a service; cheap to clone.
#[derive(Clone)]
pub struct Lookups {
    config: Arc<Settings>,
    permission: Permission,
    places: Arc<Semaphore>,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

/// When it was looked up, by the clock that measures and by the one that is shown.
type Kept = (Instant, Arc<Lookup>);

/// The result of a look-up.
#[derive(Debug)]
pub struct Lookup {
    /// When.
    pub at: Timestamp,
    /// The target, and the addresses of its mail exchangers where it is a domain.
    pub surveys: Vec<Survey>,
}

impl Lookups {
    /// No look-up yet, under these settings.
    #[must_use]
    pub fn new(config: Arc<Settings>, permission: Permission) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { config, permission, places, kept: Arc::default() }
    }

    /// Looks an address or a domain up.
    ///
    /// # Errors
    /// The reason why nothing is looked up.
    pub async fn look_up(&self, asker: &Client, text: &str) -> Result<Arc<Lookup>, Refusal> {
        let target = lists::target(text).map_err(|why| not_a_target(text, why))?;
        self.permission.may_look_up(addresses(&target)).await?;
        let name = target.to_string();
        if let Some(lookup) = self.kept(&name) {
            return Ok(lookup);
        }
        // The place comes before the budget: a client that we can't serve now pays nothing.
        let _place = self.places.try_acquire().map_err(|_| busy())?;
        self.permission
            .spend_look_up(asker, Timestamp::now())
            .await?;
        let mut targets = vec![target];
        targets.extend(exchangers(&self.permission, &targets[0]).await);
        let lists = Blacklists::new(options(&self.config)).map_err(|error| {
            tracing::warn!(%error, "blacklists can't be asked");
            Refusal::Malformed(
                "This service has no DNS resolver, so that no list can be asked.".to_owned(),
            )
        })?;
        let lookup =
            Arc::new(Lookup { at: Timestamp::now(), surveys: lists.surveys(&targets).await });
        self.keep(name, lookup.clone());
        Ok(lookup)
    }

    /// In private mode no look-up is kept: an administrator who got off a list wants to see that.
    fn kept(&self, name: &str) -> Option<Arc<Lookup>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, lookup) = kept.get(name).filter(|_| self.config.public)?;
        (at.elapsed() < FRESH).then(|| lookup.clone())
    }

    fn keep(&self, name: String, lookup: Arc<Lookup>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Old look-ups go whenever a new one comes, so no task has to clean up.
        kept.retain(|_, (at, _)| at.elapsed() < FRESH);
        if kept.len() < MOST {
            kept.insert(name, (Instant::now(), lookup));
        }
    }
}

fn not_a_target(text: &str, why: NotASubject) -> Refusal {
    let text: String = norelay_core::octets::harmless(text.trim())
        .chars()
        .take(80)
        .collect();
    Refusal::Malformed(match text.is_empty() {
        true => "Type an address or a domain.".to_owned(),
        false => format!("“{text}” is {why}."),
    })
}

fn busy() -> Refusal {
    let until = Timestamp::now() + SignedDuration::from_secs(30);
    Refusal::Limited {
        why: "Too many look-ups are under way: try again in half a minute.".to_owned(),
        until,
    }
}

fn options(config: &Settings) -> SurveyOptions {
    // The keys were read at the start as well. If the file has become unreadable since, the lists
    // that need no key can still be asked.
    let keys = config.blacklist_keys().unwrap_or_default();
    SurveyOptions {
        resolver: config.test.resolver,
        keys,
        timeout: TIMEOUT,
        ..SurveyOptions::default()
    }
}

fn addresses(target: &ListSubject) -> Option<IpAddr> {
    match target {
        ListSubject::Address(address) => Some(*address),
        ListSubject::Domain { .. } => None,
    }
}

/// The addresses of a domain's mail exchangers, or of a host, as far as they may be tested; none
/// where the DNS has none in time.
async fn exchangers(permission: &Permission, target: &ListSubject) -> Vec<ListSubject> {
    let ListSubject::Domain { name, .. } = target else { return Vec::new() };
    let host = norelay_probe::target::Target { host: Host::Name(name.clone()), port: None };
    let found = tokio::time::timeout(NAMES, permission.names().exchangers(&host)).await;
    let mut addresses: Vec<IpAddr> = found
        .ok()
        .and_then(Result::ok)
        .into_iter()
        .flatten()
        .flat_map(|exchanger| exchanger.addresses)
        .collect();
    addresses.dedup();
    let mut targets = Vec::new();
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        // A name may lead to any address. No list can have a private one, and asking about the
        // others needs the same permission as a target that was typed.
        if !is_private(address) && permission.may_look_up(Some(address)).await.is_ok() {
            targets.push(ListSubject::Address(address.to_canonical()));
        }
    }
    targets
}

/// A relay test that says whether what was looked up relays: the one that is named, or in private
/// mode the last one.
pub struct CoveringTest {
    /// The test.
    pub job: Job,
    /// The verdict of the test.
    pub verdict: Verdict,
    addresses: Vec<IpAddr>,
    local_domain: Option<String>,
}

impl CoveringTest {
    /// Finds the test.
    pub async fn find(
        store: &Store,
        public: bool,
        named: Option<JobId>,
        lookup: &Lookup,
    ) -> Option<Self> {
        let mut jobs = Vec::new();
        if let Some(id) = named {
            jobs.extend(store.job(id).await.ok());
        }
        // In public mode, only clients who have a result's link may read the result.
        if !public {
            let targets = lookup
                .surveys
                .iter()
                .filter_map(|survey| survey.target.parse::<IpAddr>().ok());
            for address in targets {
                jobs.extend(
                    store
                        .jobs_at(address, Timestamp::UNIX_EPOCH, 5)
                        .await
                        .unwrap_or_default(),
                );
            }
        }
        for job in jobs {
            // One test or one path alone says nothing about the server.
            let is_about_server = is_about_server(&job.request) && job.state == JobState::Finished;
            let Some(verdict) = job.verdict.filter(|_| is_about_server) else { continue };
            let Ok(pinned) = store.pinned(job.id).await else { continue };
            let addresses = pinned
                .addresses()
                .map(|address| address.to_canonical())
                .collect();
            let test = Self { job, verdict, addresses, local_domain: pinned.local_domain };
            if lookup
                .surveys
                .iter()
                .any(|survey| test.covers(&survey.target))
            {
                return Some(test);
            }
        }
        None
    }

    /// True if the test was about this address, or about the servers of this domain.
    #[must_use]
    pub fn covers(&self, target: &str) -> bool {
        match target.parse::<IpAddr>() {
            Ok(address) => self.addresses.contains(&address.to_canonical()),
            Err(_) => {
                self.local_domain.as_deref() == Some(target) || self.job.request.target == target
            }
        }
    }
}

/// True if a request asks every path all tests that need no proof of control. Tests beyond these
/// may be left out.
fn is_about_server(request: &TestRequest) -> bool {
    let is_beyond_strangers =
        |name: &String| catalogue::find(name).is_ok_and(|test| !test.is_asked_by_rcpt());
    request.only.is_empty()
        && request.path.is_none()
        && request.skip.iter().all(is_beyond_strangers)
}
