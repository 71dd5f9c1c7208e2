//! Limits of the moment: connections, event streams and requests of one network. (What is limited
//! by the hour is in `store::limits`.)
//!
//! Rules:
//! - User networks are counted, never addresses: with IPv6, everybody has 2^64 addresses.
//! - Memory is bounded: a network that has sent no request of late is forgotten.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use governor::{Quota, RateLimiter, clock::Clock, state::keyed::DashMapStateStore};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use super::{address, client::Client, refusal::Refusal};
use crate::config::{LimitSettings, Settings};

/// A number of places at once: in all, and for one network.
#[derive(Clone, Debug)]
pub struct Places {
    taken: Arc<Mutex<Taken>>,
    of_network: u32,
    of_all: u32,
}

#[derive(Debug, Default)]
struct Taken {
    by_network: HashMap<IpNet, u32>,
    all: u32,
}

/// One of the places. Dropping the value gives the place back.
#[derive(Debug)]
pub struct HeldPlace {
    places: Places,
    network: Option<IpNet>,
}

impl Places {
    /// This many places, of which one network may have `of_network`.
    #[must_use]
    pub fn new(of_network: u32, of_all: u32) -> Self {
        Self { taken: Arc::default(), of_network, of_all }
    }

    /// Returns a place, if one is free. A client without a network counts only among all: many
    /// clients may come through one proxy.
    #[must_use]
    pub fn enter(&self, network: Option<IpNet>) -> Option<HeldPlace> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Both bounds are checked under one lock, so that two clients don't get the last place.
        if taken.all >= self.of_all {
            return None;
        }
        if let Some(network) = network {
            let of_network = taken.by_network.get(&network).copied().unwrap_or(0);
            if of_network >= self.of_network {
                return None;
            }
            taken.by_network.insert(network, of_network + 1);
        }
        taken.all += 1;
        Some(HeldPlace { places: self.clone(), network })
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(network) = self.network
            && let Some(count) = taken.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&network);
            }
        }
    }
}

/// The event streams that are open.
#[derive(Clone, Debug)]
pub struct Streams {
    places: Places,
}

impl Streams {
    /// As many places as the settings allow. In private mode one network may have all of them.
    #[must_use]
    pub fn new(config: &Settings) -> Self {
        let limits = &config.limits;
        let of_network = if config.public { limits.streams_per_network } else { limits.streams };
        Self { places: Places::new(of_network, limits.streams) }
    }

    /// Returns a place for a client's stream.
    ///
    /// # Errors
    /// The client, or the service, has too many streams.
    pub fn enter(&self, asker: &Client) -> Result<HeldPlace, Refusal> {
        self.places
            .enter(Some(address::user_network(asker.address)))
            .ok_or_else(|| Refusal::Limited {
                why: "Too many event streams are open: close some.".to_owned(),
                until: Timestamp::now() + SignedDuration::from_secs(30),
            })
    }
}

/// Requests of one network in a minute.
#[derive(Clone)]
pub struct Requests {
    by_network: Arc<RateLimiter<IpNet, DashMapStateStore<IpNet>, RequestClock>>,
}

/// The clock that requests are counted by. A test may stop the clock, so that its requests come at
/// once on a slow machine too.
#[derive(Clone, Copy, Debug)]
pub enum RequestClock {
    /// The machine's, which goes on whoever sets the time of day.
    OfMachine,
    /// A clock that stands still.
    Stopped(Instant),
}

impl Clock for RequestClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        match self {
            Self::OfMachine => Instant::now(),
            Self::Stopped(moment) => *moment,
        }
    }
}

/// More networks than this are not remembered without looking for those that can be forgotten.
const MANY: usize = 10_000;

impl Requests {
    /// As many requests as the settings allow. The requests of a whole minute may come at once: a
    /// page with its assets is a burst.
    #[must_use]
    pub fn new(limits: &LimitSettings, clock: RequestClock) -> Self {
        let quota = Quota::per_minute(
            NonZeroU32::new(limits.requests_per_minute).unwrap_or(NonZeroU32::MIN),
        );
        let by_network = RateLimiter::new(quota, DashMapStateStore::default(), clock);
        Self { by_network: Arc::new(by_network) }
    }

    /// Counts a request of a network.
    ///
    /// # Errors
    /// The network has sent too many requests. The value is the time of the next one.
    pub fn count(&self, network: IpNet) -> Result<(), Timestamp> {
        if self.by_network.len() > MANY {
            self.by_network.retain_recent();
        }
        self.by_network.check_key(&network).map_err(|until| {
            let wait = until.wait_time_from(self.by_network.clock().now());
            Timestamp::now()
                + SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_mins(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(address: &str) -> Client {
        Client::anonymous(address.parse().expect("an address"))
    }

    #[test]
    fn streams_are_counted_by_network_and_given_back() {
        let limits =
            LimitSettings { streams_per_network: 2, streams: 3, ..LimitSettings::default() };
        let streams = Streams::new(&Settings { public: true, limits, ..Settings::default() });
        let first = streams
            .enter(&asker("2001:db8::1"))
            .expect("there is place");
        let second = streams
            .enter(&asker("2001:db8::ffff:1"))
            .expect("there is place");
        assert!(streams.enter(&asker("2001:db8::2")).is_err(), "the same /64");
        let third = streams
            .enter(&asker("2001:db8:0:1::1"))
            .expect("another /64");
        assert!(streams.enter(&asker("192.0.2.1")).is_err(), "three in all");
        drop(second);
        let again = streams
            .enter(&asker("2001:db8::3"))
            .expect("a place was given back");
        drop((first, third, again));
        assert!(
            streams
                .places
                .taken
                .lock()
                .expect("nobody panicked")
                .by_network
                .is_empty()
        );
    }

    #[test]
    fn who_has_no_network_counts_among_all() {
        let places = Places::new(1, 3);
        let network =
            |address: &str| Some(address::user_network(address.parse().expect("an address")));
        let proxied = (places.enter(None), places.enter(None));
        assert!(proxied.0.is_some() && proxied.1.is_some());
        let one = places.enter(network("192.0.2.1"));
        assert!(one.is_some() && places.enter(None).is_none(), "three in all");
        drop(proxied);
        assert!(places.enter(network("192.0.2.2")).is_none(), "one of a network");
        assert!(places.enter(network("198.51.100.1")).is_some());
    }

    #[test]
    fn requests_are_counted_by_network() {
        let limits = LimitSettings { requests_per_minute: 3, ..LimitSettings::default() };
        let requests = Requests::new(&limits, RequestClock::Stopped(Instant::now()));
        let network = |address: &str| address::user_network(address.parse().expect("an address"));
        for number in 0..3 {
            assert!(
                requests
                    .count(network(&format!("2001:db8::{number}")))
                    .is_ok()
            );
        }
        let before = Timestamp::now();
        let until = requests
            .count(network("2001:db8::9"))
            .expect_err("the fourth in this /64");
        // Three in a minute are one in twenty seconds.
        let wait = SignedDuration::from_secs(20);
        assert!((before + wait..=Timestamp::now() + wait).contains(&until), "{until}");
        assert!(requests.count(network("2001:db8:0:1::")).is_ok());
    }
}
