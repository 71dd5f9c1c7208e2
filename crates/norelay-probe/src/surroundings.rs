//! Looks up what surrounds a relay test, as events of the same run: DNS blacklists and posture.
//!
//! Rules:
//! - The look-ups run beside the relay test, delay the run by at most their own time limit, and
//!   change no verdict.
//! - Nothing is looked up unless the user asked for it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use norelay_core::event::{Event, MailExchanger, Record};
use norelay_dns::{
    blacklist::{ListKeys, ListSubject},
    dns_name::is_private,
    lookup::{
        dns_client::{DnsClient, NoResolver},
        lists::{Blacklists, SurveyOptions, target},
        policies::Policies,
        records,
    },
};
use tokio::time::Instant;

use crate::{
    noted::{posture_event, survey_events},
    record::Sink,
    secure,
};

/// The longest that all look-ups may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A domain with more addresses than this has a farm of servers. More listings would help nobody.
const MAX_ADDRESSES: usize = 8;

/// What to look up beside a relay test.
#[derive(Clone, Debug, Default)]
pub struct LookupSelection {
    /// The DNS blacklists, with the keys of all lists that need a key.
    pub blacklists: Option<ListKeys>,
    /// What the DNS says about the domain and the addresses.
    pub posture: bool,
}

/// The clients for the look-ups, for one run or for several runs after one another.
pub struct Surroundings {
    blacklists: Option<Blacklists>,
    dns: Option<DnsClient>,
}

impl Surroundings {
    /// Prepares what the selection names, to be asked of the given resolver or the machine's own.
    ///
    /// # Errors
    /// There is no resolver.
    pub fn new(
        selection: LookupSelection,
        resolver: Option<SocketAddr>,
    ) -> Result<Self, NoResolver> {
        let options =
            |keys| SurveyOptions { resolver, keys, timeout: TIMEOUT, ..SurveyOptions::default() };
        let blacklists = selection
            .blacklists
            .map(|keys| Blacklists::new(options(keys)))
            .transpose()?;
        let dns = selection
            .posture
            .then(|| DnsClient::new(resolver, PATIENCE))
            .transpose()?;
        Ok(Self { blacklists, dns })
    }

    /// Looks everything up and records it.
    pub async fn look(&self, domain: Option<&str>, exchangers: &[MailExchanger], sink: &dyn Sink) {
        let addresses: BTreeSet<IpAddr> = exchangers
            .iter()
            .flat_map(|exchanger| exchanger.addresses.clone())
            .collect();
        let addresses: Vec<_> = addresses.into_iter().take(MAX_ADDRESSES).collect();
        let (listings, posture) =
            tokio::join!(self.listings(domain, &addresses), self.posture(domain, &addresses));
        for event in listings.into_iter().chain(posture) {
            sink.record(&Record::new(jiff::Timestamp::now(), event));
        }
    }

    async fn listings(&self, domain: Option<&str>, addresses: &[IpAddr]) -> Vec<Event> {
        let Some(lists) = &self.blacklists else { return Vec::new() };
        // No blacklist has addresses that aren't used on the Internet.
        let addresses = addresses
            .iter()
            .filter(|address| !is_private(**address))
            .map(|address| ListSubject::Address(*address));
        let domain = domain.and_then(|domain| target(domain).ok());
        let targets: Vec<_> = addresses.chain(domain).collect();
        let surveys = lists.surveys(&targets).await;
        surveys.iter().flat_map(survey_events).collect()
    }

    async fn posture(&self, domain: Option<&str>, addresses: &[IpAddr]) -> Vec<Event> {
        let Some(dns) = &self.dns else { return Vec::new() };
        let policies = Policies::trusting(Arc::new(secure::roots().clone()));
        let dns = dns.until(Instant::now() + TIMEOUT);
        let notes = records::examine(&dns, &policies, domain, addresses).await;
        notes.into_iter().map(posture_event).collect()
    }
}
