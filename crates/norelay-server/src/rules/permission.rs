//! Decides whether a test may run: once, for pages and API alike.
//!
//! Rules:
//! - A target is resolved once, here. Every address is classified, and what may be tested is
//!   pinned; nothing is looked up again.
//! - No client chooses sender, recipient or text. Without proof of control, a test ends at RCPT and
//!   sends no message.
//! - An opt-out holds for every client, even for the owner of the network. The owner takes the
//!   opt-out back before a test.
//! - Private mode serves the people of this machine: only the queue is limited, and every class of
//!   address may be tested.

use std::{net::IpAddr, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    catalogue::{self, NoSelection, Profile, RelayTest, Selection},
    event::MailExchanger,
    smtp::Security,
};
use norelay_probe::{
    scan::Traps,
    target::{Host, Target},
};

use crate::{
    config::Settings,
    rules::{
        address::{self, AddressRule},
        client::Client,
        names::Names,
        refusal::Refusal,
    },
    store::{Budget, Job, JobState, OnePath, Pinned, ProofSubject, Scope, Store, TestRequest},
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How long all look-ups of one target may take together.
pub const RESOLUTION: Duration = Duration::from_secs(20);
/// The most addresses of one target: 16 exchangers with 4 addresses each are more than any domain
/// needs.
const MAX_ADDRESSES: usize = 64;
/// The most ports of one test.
const MAX_PORTS: usize = 16;
/// The most names in `only` and in `skip`: more than the catalogue has.
const MAX_NAMES: usize = 300;

/// The rules of one service, with what they ask: the store and the DNS.
#[derive(Clone)]
pub struct Permission {
    config: Arc<Settings>,
    store: Store,
    names: Arc<dyn Names>,
    rule: Arc<AddressRule>,
}

/// What a client gets.
#[derive(Debug)]
pub enum Permit {
    /// A new test of the pinned addresses.
    Test(Pinned),
    /// The result of this recent job, in place of a new test.
    Recent(Box<Job>),
}

impl Permission {
    /// The rules of these settings.
    #[must_use]
    pub fn new(config: Arc<Settings>, store: Store, names: Arc<dyn Names>) -> Self {
        let own = config
            .source
            .iter()
            .filter_map(|text| text.parse().ok())
            .chain(config.test.source_address)
            .collect();
        let rule = AddressRule {
            public_only: config.public,
            allowed: config.test.allow_networks.clone(),
            own,
        };
        Self { config, store, names, rule: Arc::new(rule) }
    }

    /// The rule for addresses.
    #[must_use]
    pub fn rule(&self) -> &AddressRule {
        &self.rule
    }

    /// The DNS.
    #[must_use]
    pub fn names(&self) -> &dyn Names {
        self.names.as_ref()
    }

    /// Checks a request and resolves its target. Spends nothing.
    ///
    /// # Errors
    /// The reason why the test can't run, or may not.
    pub async fn pin(&self, asker: &Client, request: &TestRequest) -> Result<Pinned, Refusal> {
        if asker.key.is_some() && !asker.may(Scope::Test) {
            return Err(Refusal::Forbidden(
                "This API key may not start tests: it lacks the scope \"test\".".to_owned(),
            ));
        }
        choose(request)?;
        let target: Target =
            request
                .target
                .parse()
                .map_err(|error: norelay_probe::target::NotATarget| {
                    Refusal::Malformed(error.to_string())
                })?;
        let ways = self.ways(request, &target)?;
        if request.proof && self.config.receiver.listen.is_empty() {
            return Err(Refusal::Malformed(
                "This service has no receiver, so that it can't prove anything by arrival."
                    .to_owned(),
            ));
        }
        let resolving = async {
            let pinned = self.resolve(&target, ways).await?;
            self.check_own_receiver(&pinned).await?;
            Ok::<_, Refusal>(pinned)
        };
        let too_slow = |_| {
            Refusal::Malformed(format!(
                "{} could not be looked up in time: try again.",
                shown(&request.target)
            ))
        };
        let mut pinned = tokio::time::timeout(RESOLUTION, resolving)
            .await
            .map_err(too_slow)??;
        // Before the opt-outs: of the target's other addresses none is tested.
        if let Some(path) = &request.path {
            keep_one(&mut pinned, path)?;
        }
        self.check_opt_outs(pinned.addresses()).await?;
        if self.config.public {
            self.check_rights(asker, request, &pinned).await?;
        }
        Ok(pinned)
    }

    async fn resolve(
        &self,
        target: &Target,
        ways: Vec<(u16, Security)>,
    ) -> Result<Pinned, Refusal> {
        let unresolved =
            |error: norelay_probe::resolve::ResolveError| Refusal::Malformed(error.to_string());
        let mut exchangers = self.names.exchangers(target).await.map_err(unresolved)?;
        let local_domain = match target.domain(&exchangers) {
            Some(domain) => Some(domain.to_owned()),
            None => match exchangers
                .first()
                .and_then(|exchanger| exchanger.name.clone())
            {
                Some(host) => self.names.domain_served_by(&host).await,
                None => None,
            },
        };
        // An address that may not be tested is left out and noted in the report. The target's other
        // addresses are tested all the same.
        let mut refused = Vec::new();
        let mut left = MAX_ADDRESSES;
        for exchanger in &mut exchangers {
            exchanger
                .addresses
                .retain(|address| match self.rule.objection(*address) {
                    Some(class) => {
                        refused.push((*address, class.clause().to_owned()));
                        false
                    }
                    None => {
                        let fits = left > 0;
                        left = left.saturating_sub(1);
                        fits
                    }
                });
        }
        exchangers.retain(|exchanger| !exchanger.addresses.is_empty());
        match (exchangers.is_empty(), refused.first()) {
            (false, _) => {
                let address_typed = matches!(target.host, Host::Address(_));
                let traps = self.traps(&exchangers).await;
                Ok(Pinned { exchangers, refused, local_domain, address_typed, ways, traps })
            }
            (true, Some((address, class))) => Err(Refusal::Forbidden(format!(
                "{address} is {class}: this service tests public addresses of others only."
            ))),
            (true, None) => Err(Refusal::Malformed(
                "No mail exchanger of this target has an address.".to_owned(),
            )),
        }
    }

    /// Looks up the trap domains of the probe domain. Traps prove nothing without a receiver, and a
    /// probe domain that isn't ours has none.
    async fn traps(&self, exchangers: &[MailExchanger]) -> Traps {
        match &self.config.test.domain {
            Some(domain) if !self.config.receiver.listen.is_empty() => {
                self.names.traps(domain, exchangers).await
            }
            _ => Traps::default(),
        }
    }

    fn ways(
        &self,
        request: &TestRequest,
        target: &Target,
    ) -> Result<Vec<(u16, Security)>, Refusal> {
        // Without proof of control only the public ports may be tested, so they are the default.
        let is_default =
            request.ports.is_empty() && request.profile != Profile::Classic && self.config.public;
        let mut ports =
            if is_default { self.config.test.public_ports.clone() } else { request.ports.clone() };
        ports.sort_unstable();
        ports.dedup();
        if ports.contains(&0) || target.port == Some(0) || ports.len() > MAX_PORTS {
            return Err(Refusal::Malformed(format!(
                "Ports are from 1 to 65535, at most {MAX_PORTS} of them."
            )));
        }
        Ok(target.ports_to_test(&ports, request.profile))
    }

    /// Refuses to test the receiver of the probe domain: the receiver accepts the probe domain's
    /// mail from everybody, so the receiver would look open.
    async fn check_own_receiver(&self, pinned: &Pinned) -> Result<(), Refusal> {
        let listen = &self.config.receiver.listen;
        let Some(domain) = self
            .config
            .test
            .domain
            .clone()
            .filter(|_| !listen.is_empty())
        else {
            return Ok(());
        };
        // The DNS may not know the receiver yet, so its own sockets count as well.
        let is_own_port = listen
            .iter()
            .any(|own| pinned.ways.iter().any(|(port, _)| *port == own.port()));
        let is_here = is_own_port && pinned.addresses().any(address::is_of_this_machine);
        let target = Target { host: Host::MailDomain(domain.clone()), port: None };
        let receivers = self.names.exchangers(&target).await.unwrap_or_default();
        let mut own = receivers.iter().flat_map(|exchanger| &exchanger.addresses);
        if is_here || own.any(|own| pinned.addresses().any(|address| address == *own)) {
            return Err(Refusal::Forbidden(format!(
                "This server takes the mail of the probe domain {domain} itself, so that nothing \
                 could be told."
            )));
        }
        Ok(())
    }

    /// Checks that an address may be looked up in blacklists. Every address that may be tested may
    /// be looked up. A domain (`None`) always may: opt-outs are for networks.
    ///
    /// # Errors
    /// The reason why the address may not.
    pub async fn may_look_up(&self, address: Option<IpAddr>) -> Result<(), Refusal> {
        if let Some((address, class)) =
            address.and_then(|address| Some((address, self.rule.objection(address)?)))
        {
            return Err(Refusal::Forbidden(format!(
                "{address} is {}: this service looks up public addresses only.",
                class.clause()
            )));
        }
        self.check_opt_outs(address.into_iter()).await
    }

    /// Spends what a look-up in blacklists costs. A client has as many look-ups an hour as tests,
    /// in budgets of their own.
    ///
    /// # Errors
    /// A limit is reached.
    pub async fn spend_look_up(&self, asker: &Client, now: Timestamp) -> Result<(), Refusal> {
        if !self.config.public {
            return Ok(());
        }
        let mut costs = self.costs_of_asker(asker);
        for cost in &mut costs {
            cost.budget.bucket.insert_str(0, "look-up:");
        }
        self.pay(&costs, now).await
    }

    /// Spends what a reception costs. A reception receives the messages of a test that runs outside
    /// this service.
    ///
    /// # Errors
    /// The API key may not receive, or the limit is reached.
    pub async fn spend_reception(&self, asker: &Client, now: Timestamp) -> Result<(), Refusal> {
        if asker.key.is_some() && !asker.may(Scope::Receive) {
            return Err(Refusal::Forbidden(
                "This API key may not receive: it lacks the scope \"receive\".".to_owned(),
            ));
        }
        if !self.config.public {
            return Ok(());
        }
        let hourly = self.config.limits.asker_hourly;
        let limit = asker.key.as_ref().map_or(hourly, |key| key.hourly);
        let cost = Cost::hourly(
            format!("receive:{}", asker.bucket()),
            limit,
            "Your network has asked for enough receptions for this hour.",
        );
        self.pay(&[cost], now).await
    }

    async fn pay(&self, costs: &[Cost], now: Timestamp) -> Result<(), Refusal> {
        let budgets: Vec<Budget> = costs.iter().map(|cost| cost.budget.clone()).collect();
        let spent = self.store.spend(now, &budgets).await?;
        spent.map_err(|exceeded| limited(costs[exceeded.index].why, exceeded.until))
    }

    async fn check_opt_outs(&self, addresses: impl Iterator<Item = IpAddr>) -> Result<(), Refusal> {
        for address in addresses {
            if let Some(opt_out) = self.store.opt_out_of(address).await? {
                return Err(Refusal::Forbidden(format!(
                    "The owner of {} doesn't want its servers to be tested from here.",
                    opt_out.network
                )));
            }
        }
        Ok(())
    }

    /// Checks that the client controls every address, if the request has anything that needs
    /// control.
    async fn check_rights(
        &self,
        asker: &Client,
        request: &TestRequest,
        pinned: &Pinned,
    ) -> Result<(), Refusal> {
        let needs = [
            (request.proof, "Proof by a message that comes back"),
            (!is_for_strangers(request), "The thorough profile"),
            (
                !pinned
                    .ways
                    .iter()
                    .all(|(port, _)| self.config.test.public_ports.contains(port)),
                "This port",
            ),
        ];
        let Some((_, what)) = needs.into_iter().find(|(is_asked, _)| *is_asked) else {
            return Ok(());
        };
        if self.controls(asker, pinned).await? {
            return Ok(());
        }
        Err(Refusal::Forbidden(needs_control(what)))
    }

    /// Returns the request as it may run. Without control over the target, the tests that go past
    /// RCPT are added to the request's `skip`, so the report tells what was left out.
    ///
    /// # Errors
    /// Nothing is left, or the store's.
    pub async fn confine(
        &self,
        asker: &Client,
        request: TestRequest,
        pinned: &Pinned,
    ) -> Result<TestRequest, Refusal> {
        if !self.config.public || self.controls(asker, pinned).await? {
            return Ok(request);
        }
        let beyond = choose(&request)?
            .into_iter()
            .filter(|test| !test.is_asked_by_rcpt());
        let skip = request
            .skip
            .iter()
            .cloned()
            .chain(beyond.map(|test| test.id.into()))
            .collect();
        let confined = TestRequest { skip, ..request };
        choose(&confined)
            .map_err(|_| Refusal::Forbidden(needs_control("A test that says more than RCPT")))?;
        Ok(confined)
    }

    /// True if the client has shown control over every address.
    ///
    /// # Errors
    /// The store's.
    pub async fn controls(&self, asker: &Client, pinned: &Pinned) -> Result<bool, Refusal> {
        let owned = self
            .store
            .owned_by(&asker.bucket(), Timestamp::now())
            .await?;
        // The networks of a key count without a further proof: the administrator gave them.
        let of_key = asker
            .key
            .iter()
            .filter(|_| asker.may(Scope::Prove))
            .flat_map(|key| key.networks.iter().copied());
        let shown = owned.iter().filter_map(|owner| match &owner.subject {
            ProofSubject::Network(network) => Some(*network),
            ProofSubject::Domain(_) => None,
        });
        let networks: Vec<_> = of_key.chain(shown).collect();
        for exchanger in &pinned.exchangers {
            let name = exchanger.name.as_deref();
            for address in &exchanger.addresses {
                let is_in_network = networks.iter().any(|network| network.contains(address));
                if !is_in_network && !self.is_of_domain(&owned, name, *address).await {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// True if a domain's owner controls an address: a name of the domain leads to the address,
    /// *and* the address' reverse name is in the domain. Anybody can point a name at any address,
    /// but only the address' owner writes the reverse zone.
    async fn is_of_domain(
        &self,
        owned: &[crate::store::Owner],
        name: Option<&str>,
        address: IpAddr,
    ) -> bool {
        let domains: Vec<&str> = owned
            .iter()
            .filter_map(|owner| match &owner.subject {
                ProofSubject::Domain(domain) => Some(domain.as_str()),
                ProofSubject::Network(_) => None,
            })
            .filter(|domain| name.is_some_and(|name| is_within(name, domain)))
            .collect();
        if domains.is_empty() {
            return false;
        }
        let reverse = self.names.name_of(address).await;
        reverse.is_some_and(|reverse| domains.iter().any(|domain| is_within(&reverse, domain)))
    }

    /// Spends what a test costs, or returns the recent job that replaces the test. To be called
    /// once at a time, since counting and storing a job are two steps.
    ///
    /// # Errors
    /// A limit is reached.
    pub async fn spend(
        &self,
        asker: &Client,
        request: &TestRequest,
        pinned: Pinned,
        now: Timestamp,
    ) -> Result<Permit, Refusal> {
        let queued = self.store.count(JobState::Queued).await?;
        if queued >= u64::from(self.config.limits.queued) {
            return Err(limited(
                "Too many tests are waiting: try again in a few minutes.",
                now + SignedDuration::from_mins(2),
            ));
        }
        if !self.config.public {
            return Ok(Permit::Test(pinned));
        }
        let is_owner = self.controls(asker, &pinned).await?;
        // Owners repeat tests while they change their server.
        if !is_owner && let Some(job) = self.recent(request, &pinned, now).await? {
            return Ok(Permit::Recent(Box::new(job)));
        }
        if asker.key.is_none() {
            self.check_one_at_a_time(asker, now).await?;
        }
        let costs = self.costs(asker, &pinned, is_owner);
        self.pay(&costs, now).await?;
        Ok(Permit::Test(pinned))
    }

    /// Returns the last job with the same request about the same addresses, if that job is too
    /// young for a new test.
    async fn recent(
        &self,
        request: &TestRequest,
        pinned: &Pinned,
        now: Timestamp,
    ) -> Result<Option<Job>, Refusal> {
        let since = now - SignedDuration::from_mins(self.config.limits.target_minutes.into());
        let Some(address) = pinned.addresses().next() else { return Ok(None) };
        for job in self.store.jobs_at(address, since, 5).await? {
            // A clock that was wrong may have stored jobs of the future. Such a job would block its
            // target until that time comes.
            let is_same = job.state != JobState::Interrupted
                && job.created <= now
                && TestRequest { target: String::new(), ..job.request.clone() }
                    == TestRequest { target: String::new(), ..request.clone() };
            if is_same
                && self.store.pinned(job.id).await.is_ok_and(|other| {
                    other.addresses().eq(pinned.addresses()) && other.ways == pinned.ways
                })
            {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    async fn check_one_at_a_time(&self, asker: &Client, now: Timestamp) -> Result<(), Refusal> {
        let open = self.store.open_jobs_of(&asker.bucket()).await?;
        if open == 0 {
            return Ok(());
        }
        Err(limited(
            "One test at a time: yours is still running.",
            now + SignedDuration::from_secs(30),
        ))
    }

    fn costs_of_asker(&self, asker: &Client) -> Vec<Cost> {
        let limits = &self.config.limits;
        let mut costs = match &asker.key {
            Some(key) => {
                vec![Cost::hourly(
                    asker.bucket(),
                    key.hourly,
                    "This API key has used up its tests for this hour.",
                )]
            }
            None => vec![
                Cost::hourly(
                    asker.bucket(),
                    limits.asker_hourly,
                    "Your network has used up its tests for this hour.",
                ),
                Cost::hourly(
                    format!("wide:{}", address::wide_network(asker.address)),
                    limits.wide_hourly,
                    "The networks around yours have used up their tests for this hour.",
                ),
            ],
        };
        costs.push(Cost::hourly(
            "all".to_owned(),
            limits.hourly,
            "This service has used up its tests for this hour.",
        ));
        costs
    }

    fn costs(&self, asker: &Client, pinned: &Pinned, is_owner: bool) -> Vec<Cost> {
        let limits = &self.config.limits;
        let mut costs = self.costs_of_asker(asker);
        // The target's budgets protect a server from others, not from its owner.
        if !is_owner {
            let pause = SignedDuration::from_mins(limits.target_minutes.into());
            let mut networks: Vec<_> = pinned.addresses().map(address::target_network).collect();
            networks.sort_unstable();
            networks.dedup();
            costs.extend(networks.into_iter().map(|network| {
                Cost::hourly(
                    format!("target-net:{network}"),
                    limits.target_network_hourly,
                    "This server's network was tested often enough for this hour.",
                )
            }));
            costs.extend(pinned.addresses().map(|address| Cost {
                budget: Budget { bucket: format!("target:{address}"), limit: 1, window: pause },
                why: "This server was tested a short while ago.",
            }));
        }
        costs.retain(|cost| cost.budget.window > SignedDuration::ZERO);
        costs
    }
}

/// A budget, and the sentence for a client when the budget is used up.
struct Cost {
    budget: Budget,
    why: &'static str,
}

impl Cost {
    fn hourly(bucket: String, limit: u32, why: &'static str) -> Self {
        Self { budget: Budget { bucket, limit, window: HOUR }, why }
    }
}

fn limited(why: &str, until: Timestamp) -> Refusal {
    Refusal::Limited { why: why.to_owned(), until }
}

fn shown(text: &str) -> String {
    norelay_core::octets::Octets::from(text.chars().take(80).collect::<String>()).to_string()
}

/// True if a name is a domain or below the domain.
pub(crate) fn is_within(name: &str, domain: &str) -> bool {
    name == domain
        || name
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

fn needs_control(what: &str) -> String {
    format!("{what} needs proof that the server is yours: see /verify.")
}

/// True if every test of the request may be asked without proof of control.
fn is_for_strangers(request: &TestRequest) -> bool {
    request.profile <= Profile::Standard
        && request
            .only
            .iter()
            .all(|name| catalogue::find(name).is_ok_and(|test| test.profile <= Profile::Standard))
}

/// Returns the tests that a request asks for.
///
/// # Errors
/// A name isn't known or can't be asked for, or nothing is left.
pub fn choose(request: &TestRequest) -> Result<Vec<&'static RelayTest>, Refusal> {
    let TestRequest { profile, only, skip, .. } = request;
    let selection = Selection {
        profile: *profile,
        only: &only[..only.len().min(MAX_NAMES)],
        skip: &skip[..skip.len().min(MAX_NAMES)],
    };
    selection.tests().map_err(|why| {
        let advice = match &why {
            NoSelection::UnknownTest(_) => "/tests lists them".to_owned(),
            NoSelection::ReadFromOthers(id) => format!("/tests/{id} says which"),
            NoSelection::NothingLeft => "change \"only\" or \"skip\"".to_owned(),
        };
        Refusal::Malformed(format!("{why}: {advice}."))
    })
}

/// Drops every address and port but those of one path.
fn keep_one(pinned: &mut Pinned, path: &OnePath) -> Result<(), Refusal> {
    for exchanger in &mut pinned.exchangers {
        exchanger
            .addresses
            .retain(|address| *address == path.address);
    }
    pinned
        .exchangers
        .retain(|exchanger| !exchanger.addresses.is_empty());
    pinned.ways.retain(|way| *way == (path.port, path.security));
    match pinned.exchangers.is_empty() || pinned.ways.is_empty() {
        false => Ok(()),
        true => Err(Refusal::Malformed(format!(
            "{}:{} ({}) is no longer a path of this target: test the target anew.",
            path.address, path.port, path.security
        ))),
    }
}
