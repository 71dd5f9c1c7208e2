//! What `norelay test --blacklists` and `--posture` look up around the relay test, as events of the same run.
//!
//! Rules:
//! - It goes on beside the relay test, never delays it by more than its own time, and changes no verdict.
//! - Nothing is looked up unless it was asked for.

use std::{collections::BTreeSet, net::IpAddr, net::SocketAddr, path::Path, time::Duration};

use norelay_core::{
    blacklist::{Target, notes, target::is_private},
    event::{Event, MailExchanger, Record},
};
use norelay_probe::{
    blacklist::{Blacklists, Options},
    dns::Dns,
    posture,
    record::Sink,
};
use tokio::time::Instant;

use crate::{Complaint, blacklist};

/// The longest that it may take, and how long one question of it.
const TIMEOUT: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(5);
/// More addresses than this are a farm, whose lists nobody reads.
const MAX_ADDRESSES: usize = 8;

/// What to look up besides.
#[derive(clap::Args)]
#[group(id = "surroundings", multiple = true)]
pub struct Arguments {
    /// Ask the DNS blacklists about the target's addresses and domain, too (keys as for norelay blacklist, from the
    /// environment)
    #[arg(long)]
    blacklists: bool,
    /// Look at what the DNS says about the target's domain and addresses, too: MX, SPF, DMARC, MTA-STS, TLS-RPT, DANE,
    /// reverse names
    #[arg(long)]
    posture: bool,
}

/// What looks it up.
pub struct Surroundings {
    blacklists: Option<Blacklists>,
    dns: Option<Dns>,
}

impl Surroundings {
    /// Prepares what was asked for.
    pub fn new(arguments: &Arguments, resolver: Option<SocketAddr>) -> Result<Self, Complaint> {
        let no_resolver = |error: norelay_probe::dns::NoResolver| Complaint::usage(format!("There is {error}."));
        let blacklists = match arguments.blacklists {
            true => {
                let file = std::env::var_os(blacklist::KEY_FILE);
                let keys = blacklist::keys(file.as_deref().map(Path::new))?;
                let options = Options { resolver, keys, timeout: TIMEOUT, ..Options::default() };
                Some(Blacklists::new(options).map_err(no_resolver)?)
            }
            false => None,
        };
        let dns = arguments.posture.then(|| Dns::new(resolver, PATIENCE)).transpose().map_err(no_resolver)?;
        Ok(Self { blacklists, dns })
    }

    /// Looks everything up and records it.
    pub async fn look(&self, domain: Option<&str>, exchangers: &[MailExchanger], sink: &dyn Sink) {
        let addresses: BTreeSet<IpAddr> = exchangers.iter().flat_map(|exchanger| exchanger.addresses.clone()).collect();
        let addresses: Vec<_> = addresses.into_iter().take(MAX_ADDRESSES).collect();
        let (listings, posture) = tokio::join!(self.listings(domain, &addresses), self.posture(domain, &addresses));
        for event in listings.into_iter().chain(posture) {
            sink.record(&Record::new(jiff::Timestamp::now(), event));
        }
    }

    /// All targets at once: a list is tested once and asked about each.
    async fn listings(&self, domain: Option<&str>, addresses: &[IpAddr]) -> Vec<Event> {
        let Some(lists) = &self.blacklists else { return Vec::new() };
        // No list knows an address that isn't used on the Internet.
        let addresses =
            addresses.iter().filter(|address| !is_private(**address)).map(|address| Target::Address(*address));
        let domain = domain.and_then(|domain| norelay_probe::blacklist::target(domain).ok());
        let mut tasks = tokio::task::JoinSet::new();
        for (index, target) in addresses.chain(domain).enumerate() {
            let lists = lists.clone();
            tasks.spawn(async move { (index, lists.survey(&target).await) });
        }
        let mut surveys = tasks.join_all().await;
        surveys.sort_by_key(|(index, _)| *index);
        surveys.iter().flat_map(|(_, survey)| notes(survey, None)).collect()
    }

    async fn posture(&self, domain: Option<&str>, addresses: &[IpAddr]) -> Vec<Event> {
        let Some(dns) = &self.dns else { return Vec::new() };
        let addresses: Vec<_> = addresses.iter().map(|address| (None, *address)).collect();
        posture::examine(&dns.until(Instant::now() + TIMEOUT), domain, &addresses).await
    }
}
