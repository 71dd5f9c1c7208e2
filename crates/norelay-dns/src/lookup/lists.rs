//! Asks blacklists: each one's self-test first, many at once, within one time for the whole run.
//!
//! Rules:
//! - The run ends in time, whatever the lists do. A list without an answer by then is unknown.
//! - A list is tested once for all targets of a run, and asked about a target only after it passed.
//! - One list gets one question at a time, a pause apart; the number of lists asked at once is
//!   bounded.
//! - Dead lists, and those whose key is missing, get no question.
//! - A key is in the names that are asked, and in nothing that is shown or logged.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use norelay_smtp::octets::Octets;
use tokio::{
    sync::{OnceCell, Semaphore},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::dns_client::{DnsClient, NoResolver};
use crate::blacklist::{
    DnsAnswer, Enquiry, Health, ListKeys, ListReading, ListSubject, Listing, NotASubject, Planned,
    QueryKind, Survey, UnknownReason, health, is_public_resolver, plan, read,
};

/// Lists that are asked at once, as long as no option says otherwise.
const CONCURRENCY: usize = 32;
/// SPFBL has the strictest published limit: a question every 100 milliseconds.
const PACE: Duration = Duration::from_millis(100);
/// Time for a whole run.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to ask.
#[derive(Clone, Debug)]
pub struct SurveyOptions {
    /// The resolver; the machine's own where none is given.
    pub resolver: Option<SocketAddr>,
    /// Zones, `default` or `all`; empty for the usual lists.
    pub lists: Vec<String>,
    /// The keys of lists.
    pub keys: ListKeys,
    /// The time within which a run ends.
    pub timeout: Duration,
    /// The longest that one question may take. No question takes more than half of the run.
    pub patience: Duration,
    /// How many lists are asked at once.
    pub concurrency: usize,
    /// The pause between two questions to one list.
    pub pace: Duration,
}

impl Default for SurveyOptions {
    fn default() -> Self {
        Self {
            resolver: None,
            lists: Vec::new(),
            keys: ListKeys::default(),
            timeout: TIMEOUT,
            patience: PATIENCE,
            concurrency: CONCURRENCY,
            pace: PACE,
        }
    }
}

/// Reads what a user types: an address or a domain, also in its own script, and finds the
/// registered domain.
///
/// # Errors
/// The text is neither, or an address that no list can have.
pub fn target(text: &str) -> Result<ListSubject, NotASubject> {
    let text = text.trim();
    let ascii = match text.parse::<ListSubject>() {
        Err(NotASubject::Neither) => {
            idna::domain_to_ascii(text).map_err(|_| NotASubject::Neither)?
        }
        _ => text.to_owned(),
    };
    Ok(match ascii.parse()? {
        ListSubject::Domain { name, .. } => {
            let registered = psl::domain_str(&name)
                .filter(|registered| *registered != name)
                .map(str::to_owned);
            ListSubject::Domain { name, registered }
        }
        address @ ListSubject::Address(_) => address,
    })
}

/// The lists, asked through one resolver during one run. Results of self-tests are remembered.
#[derive(Clone)]
pub struct Blacklists {
    surveyor: Arc<Surveyor>,
}

/// The self-tests of a run, by zone and kind of question.
type SelfTests = HashMap<(String, QueryKind), Arc<OnceCell<Health>>>;

struct Surveyor {
    dns: DnsClient,
    options: SurveyOptions,
    self_tests: Mutex<SelfTests>,
    permits: Semaphore,
}

impl Blacklists {
    /// Sets up the resolver.
    ///
    /// # Errors
    /// There is no resolver.
    pub fn new(options: SurveyOptions) -> Result<Self, NoResolver> {
        // Half of the run, so that a silent list is known as silent before the run ends.
        let dns = DnsClient::new(options.resolver, options.patience.min(options.timeout / 2))?;
        let permits = Semaphore::new(options.concurrency.max(1));
        Ok(Self {
            surveyor: Arc::new(Surveyor { dns, options, self_tests: Mutex::default(), permits }),
        })
    }

    /// Asks the lists about one target.
    pub async fn survey(&self, target: &ListSubject) -> Survey {
        let started = Instant::now();
        let options = &self.surveyor.options;
        let planned = plan(target, &options.lists, &options.keys);
        let readings = self
            .readings(planned, started, started + options.timeout)
            .await;
        let servers = self.surveyor.dns.servers();
        Survey {
            target: target.to_string(),
            resolvers: servers.iter().map(ToString::to_string).collect(),
            public_resolver: servers.iter().any(|server| is_public_resolver(server.ip())),
            readings,
            elapsed_ms: elapsed_ms(started),
        }
    }

    /// Asks the lists about several targets at once. Returns the surveys in the order of the
    /// targets. Each list is tested once and asked about each target.
    pub async fn surveys(&self, targets: &[ListSubject]) -> Vec<Survey> {
        let mut tasks = JoinSet::new();
        for (index, target) in targets.iter().cloned().enumerate() {
            let lists = self.clone();
            tasks.spawn(async move { (index, lists.survey(&target).await) });
        }
        let mut surveys = tasks.join_all().await;
        surveys.sort_by_key(|(index, _)| *index);
        surveys.into_iter().map(|(_, survey)| survey).collect()
    }

    /// Returns the readings, in the order of the plan.
    async fn readings(
        &self,
        planned: Vec<Planned>,
        started: Instant,
        deadline: Instant,
    ) -> Vec<ListReading> {
        let mut tasks = JoinSet::new();
        let mut readings = Vec::with_capacity(planned.len());
        for (index, step) in planned.into_iter().enumerate() {
            readings.push(match step {
                Planned::Settled(reading) => reading,
                Planned::Ask(enquiry) => {
                    let unfinished =
                        enquiry.reading(Listing::unknown(UnknownReason::Unfinished), 0);
                    let surveyor = Arc::clone(&self.surveyor);
                    tasks.spawn(async move { (index, surveyor.ask(&enquiry).await) });
                    unfinished
                }
            });
        }
        // Lists without an answer at the deadline keep the reading "unfinished" from above.
        while let Ok(Some(done)) = timeout_at(deadline, tasks.join_next()).await {
            if let Ok((index, reading)) = done {
                readings[index] = reading;
            }
        }
        for reading in readings
            .iter_mut()
            .filter(|reading| reading.listing == Listing::unknown(UnknownReason::Unfinished))
        {
            reading.elapsed_ms = elapsed_ms(started);
        }
        readings
    }
}

impl Surveyor {
    async fn ask(&self, enquiry: &Enquiry) -> ListReading {
        let Ok(_permit) = self.permits.acquire().await else {
            return enquiry.reading(Listing::unknown(UnknownReason::Unfinished), 0);
        };
        let started = Instant::now();
        let mut pace = ListPace { pause: self.options.pace, next: started };
        let listing = match self.health(enquiry, &mut pace).await {
            Health::Unhealthy(why) => Listing::unknown(why),
            Health::Healthy => self.listing(enquiry, &mut pace).await,
        };
        enquiry.reading(listing, elapsed_ms(started))
    }

    /// Returns the result of the list's self-test, which is done once in a run.
    async fn health(&self, enquiry: &Enquiry, pace: &mut ListPace) -> Health {
        // The lock is held only to find the cell: a self-test takes seconds, and other lists go on.
        let cell = {
            let mut tests = self
                .self_tests
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                tests
                    .entry((enquiry.zone.clone(), enquiry.kind))
                    .or_default(),
            )
        };
        *cell.get_or_init(|| self.self_test(enquiry, pace)).await
    }

    async fn self_test(&self, enquiry: &Enquiry, pace: &mut ListPace) -> Health {
        let unlisted = self.answer(&enquiry.self_test.unlisted, pace).await;
        let mut listed = Vec::new();
        let mut outcome = health(enquiry.list, &listed, &unlisted);
        for name in &enquiry.self_test.listed {
            // A list that lists everything, refuses or is silent is not asked again.
            if outcome != Health::Unhealthy(UnknownReason::SelfTestMissed) {
                break;
            }
            listed.push(self.answer(name, pace).await);
            outcome = health(enquiry.list, &listed, &unlisted);
        }
        outcome
    }

    async fn listing(&self, enquiry: &Enquiry, pace: &mut ListPace) -> Listing {
        let mut listing = Listing::NotListed;
        for name in &enquiry.questions {
            let answer = self.answer(name, pace).await;
            // The list's own words cost another question, so only a listing asks for them.
            let mut said = read(enquiry.list, &answer, &[]);
            if matches!(said, Listing::Listed { .. }) {
                said = read(enquiry.list, &answer, &self.reasons(name, pace).await);
            }
            listing = listing.and(said);
        }
        listing
    }

    async fn answer(&self, name: &str, pace: &mut ListPace) -> DnsAnswer {
        pace.wait().await;
        match self.dns.a(name).await {
            Ok(addresses) if addresses.is_empty() => DnsAnswer::Nothing,
            Ok(addresses) => DnsAnswer::Addresses(addresses),
            Err(failure) => DnsAnswer::Failed(failure),
        }
    }

    /// Returns the list's own words. A listing stands without them.
    async fn reasons(&self, name: &str, pace: &mut ListPace) -> Vec<Octets> {
        pace.wait().await;
        self.dns
            .txt(name)
            .await
            .unwrap_or_default()
            .into_iter()
            .map(Octets::from)
            .collect()
    }
}

/// When one list may be asked again.
struct ListPace {
    pause: Duration,
    next: Instant,
}

impl ListPace {
    /// Waits until the list may be asked again.
    async fn wait(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.pause;
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
