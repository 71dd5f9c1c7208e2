//! What a run is asked to do, and what it has to do it with.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use crate::{
    catalogue::{Credentials, Profile, RelayTest},
    event::{MailExchanger, Path, Record},
    smtp::Security,
    token::{RunId, TokenKey},
};

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// The run's name.
    pub run: RunId,
    /// The run's own key.
    pub key: TokenKey,
    /// The target as the user typed it.
    pub target: String,
    /// True if the user typed an address, which makes it the primary name of the target.
    pub address_typed: bool,
    /// The profile that the tests were chosen from.
    pub profile: Profile,
    /// The tests and controls.
    pub tests: Vec<&'static RelayTest>,
    /// The probe domain.
    pub domain: String,
    /// True if the user gave the probe domain.
    pub domain_given: bool,
    /// A second foreign domain, for a control.
    pub second_domain: Option<String>,
    /// A mail domain that the target hosts.
    pub local_domain: Option<String>,
    /// What a connection before the run has recorded: the first connection of the run's first path.
    pub introduction: Vec<Record>,
    /// A user that exists at the hosted domain.
    pub local_user: String,
    /// The same user, where the user of norelay named one: the run also logs in under this name,
    /// with a made-up password.
    pub named_user: Option<String>,
    /// Senders that the user says the server may trust, each a domain or an address.
    pub trusted_senders: Vec<String>,
    /// Domains that the server may trust as senders, by what the DNS says of it. They are other
    /// people's: no message is sent from them.
    pub found_senders: Vec<String>,
    /// The name that we say with EHLO; without one, our address as a literal.
    pub helo: Option<String>,
    /// Where a receiver listens on port 25; an unspecified address stands for our own.
    pub receivers: Vec<IpAddr>,
    /// Domains of ours that name the target as a mail exchanger.
    pub traps: Traps,
    /// The ports and how they are protected.
    pub ports: Vec<(u16, Security)>,
    /// Which address families to test.
    pub family: Family,
    /// True if every path gets every test. Otherwise the paths that behave like the first one get
    /// the plain tests alone.
    pub every_path: bool,
    /// How long a reply may take.
    pub reply_timeout: Duration,
    /// How long to wait for deferred answers and for messages to come back.
    pub wait: Duration,
    /// Connections at once, where the user chose it.
    pub concurrency: Option<usize>,
    /// True if the run stays under four rejections in ten minutes.
    pub slow: bool,
    /// How many messages may be sent for proof.
    pub max_messages: usize,
    /// A user whose mail must still go out, where one is given.
    pub credentials: Option<Credentials>,
    /// The address that the server should see us come from, where the user said it.
    pub seen_as_expected: Option<IpAddr>,
}

impl Request {
    /// The paths to a mail exchanger: every address of the family at every port.
    pub fn paths_to<'a>(&'a self, exchanger: &'a MailExchanger) -> impl Iterator<Item = Path> + 'a {
        let addresses = exchanger
            .addresses
            .iter()
            .filter(|address| self.family.has(**address));
        addresses.flat_map(|address| {
            self.ports.iter().map(|(port, security)| Path {
                host: exchanger.name.clone(),
                address: *address,
                port: *port,
                security: *security,
            })
        })
    }
}

/// Domains below the probe domain whose MX records name the receiver and the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Traps {
    /// With the receiver first.
    pub backup: Option<String>,
    /// With the target first.
    pub primary: Option<String>,
}

/// Which address families to test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// True if the address is of this family.
    #[must_use]
    pub fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Returns the text as a host name in ASCII, if the text is one.
pub type HostName = fn(&str) -> Option<String>;

/// What a run has to do its work with.
#[derive(Clone, Debug)]
pub struct Means {
    /// True if a receiver can see messages come back.
    pub receiving: bool,
    /// True if the user gave a client certificate.
    pub has_certificate: bool,
    /// Our own address on connections to each address of the target, where that is known.
    pub sources: BTreeMap<IpAddr, IpAddr>,
    /// Reads a host name, such as the name in a greeting.
    pub host_name: HostName,
    /// Returns the registrable domain that a host name belongs to.
    pub registrable: HostName,
}

impl Means {
    /// Our own address on connections to this address.
    #[must_use]
    pub fn source(&self, to: IpAddr) -> Option<IpAddr> {
        self.sources.get(&to).copied()
    }
}
