//! Questions to one DNS resolver, for blacklists and posture.
//!
//! Rules:
//! - Every question ends within its time. An answer without records is not a failure, and a
//!   failure is never taken for an answer without records.
//! - Names are asked as they are: no search list, no hosts file.
//! - What comes back is bounded.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::{Message, Query, ResponseCode},
        rr::{Name, RData, Record, RecordType},
    },
};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

use crate::unanswered::Failure;

/// More records than any honest answer has.
const MAX_RECORDS: usize = 64;
/// Questions under way at once, over all names; the library's own limit of 32 would queue them
/// within their time.
const MAX_ACTIVE: usize = 1_024;
/// A lost packet is asked for once more within the time of a question.
const RETRIES: usize = 1;

/// There is no resolver to ask.
#[derive(Debug)]
pub struct NoResolver(String);

impl NoResolver {
    fn because(error: NetError) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for NoResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "no DNS resolver could be set up ({}); choose one with --resolver ADDRESS",
            self.0
        )
    }
}

impl std::error::Error for NoResolver {}

/// A resolver, and how long a question may take.
#[derive(Clone)]
pub struct DnsClient {
    resolver: TokioResolver,
    servers: Vec<SocketAddr>,
    patience: Duration,
    deadline: Option<Instant>,
}

impl DnsClient {
    /// Sets up the given resolver, or the machine's own. `patience` is the time for one question,
    /// with its repetition.
    ///
    /// # Errors
    /// The machine's configuration can't be read, or names no resolver.
    pub fn new(server: Option<SocketAddr>, patience: Duration) -> Result<Self, NoResolver> {
        let config = match server {
            Some(server) => ResolverConfig::from_name_servers(vec![name_server(server)]),
            None => {
                let (config, _) = hickory_resolver::system_conf::read_system_conf()
                    .map_err(NoResolver::because)?;
                ResolverConfig::from_name_servers(config.name_servers)
            }
        };
        let servers = addresses(&config);
        if servers.is_empty() {
            return Err(NoResolver("the machine's configuration names none".to_owned()));
        }
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options(patience);
        Ok(Self {
            resolver: builder.build().map_err(NoResolver::because)?,
            servers,
            patience,
            deadline: None,
        })
    }

    /// Returns the same client with a deadline for all its questions. A question after the deadline
    /// is unfinished at once.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// Returns the resolvers that are asked.
    #[must_use]
    pub fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// Returns the records of one type, and none if the name or the type doesn't exist.
    ///
    /// # Errors
    /// The question has no answer.
    pub async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, Failure> {
        let mut name = Name::from_ascii(name).map_err(|_| Failure::Malformed)?;
        // A final dot: otherwise the library would try it under the machine's search list.
        name.set_fqdn(true);
        let now = Instant::now();
        // A question that is cut short by the run's deadline says nothing about the server.
        let (end, overdue) = match self.deadline {
            Some(deadline) if deadline < now + self.patience => (deadline, Failure::Unfinished),
            _ => (now + self.patience, Failure::TimedOut),
        };
        match timeout_at(end, self.resolver.lookup(name, kind)).await {
            Err(_) => Err(overdue),
            Ok(Ok(lookup)) => Ok(lookup.answers().iter().take(MAX_RECORDS).cloned().collect()),
            Ok(Err(error)) => match failure(&error) {
                Some(failure) => Err(failure),
                None => Ok(Vec::new()),
            },
        }
    }

    /// True if the resolver says that everything in its answer is signed and valid. The AD bit asks
    /// for that (RFC 6840 section 5.7). A resolver that doesn't validate never says so.
    ///
    /// # Errors
    /// The question has no answer.
    pub async fn is_authenticated(&self, name: &str, kind: RecordType) -> Result<bool, Failure> {
        let mut name = Name::from_ascii(name).map_err(|_| Failure::Malformed)?;
        name.set_fqdn(true);
        let mut question = Message::query();
        question.metadata.recursion_desired = true;
        question.metadata.authentic_data = true;
        question.add_query(Query::query(name, kind));
        let octets = question.to_vec().map_err(|_| Failure::Malformed)?;
        let server = *self.servers.first().ok_or(Failure::Unreachable)?;
        let now = Instant::now();
        let end = self
            .deadline
            .map_or(now + self.patience, |deadline| deadline.min(now + self.patience));
        let answered = timeout_at(end, exchange(server, &octets, question.metadata.id));
        answered
            .await
            .map_err(|_| Failure::TimedOut)?
            .map_err(|_| Failure::Unreachable)
    }

    /// Returns the IPv4 addresses of a name.
    ///
    /// # Errors
    /// The question has no answer.
    pub async fn a(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let records = self.records(name, RecordType::A).await?;
        Ok(ip_addresses(&records))
    }

    /// Returns the addresses of a name, of both families.
    ///
    /// # Errors
    /// One family has no answer, and the other has no address.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let (four, six) =
            tokio::join!(self.records(name, RecordType::A), self.records(name, RecordType::AAAA));
        let mut addresses = Vec::new();
        for records in [&four, &six].into_iter().flatten() {
            addresses.extend(ip_addresses(records));
        }
        match four.and(six) {
            Err(failure) if addresses.is_empty() => Err(failure),
            _ => Ok(addresses),
        }
    }

    /// Returns the texts of a name, the character-strings of each joined (RFC 7208 section 3.3).
    ///
    /// # Errors
    /// The question has no answer.
    pub async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, Failure> {
        let records = self.records(name, RecordType::TXT).await?;
        let texts = records.into_iter().filter_map(|record| match record.data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        });
        Ok(texts.collect())
    }
}

/// Returns the addresses in A and AAAA records. An answer may hold CNAME records, too.
fn ip_addresses(records: &[Record]) -> Vec<IpAddr> {
    records
        .iter()
        .filter_map(|record| record.data.ip_addr())
        .collect()
}

/// Asks once by UDP. Returns the AD bit of the answer, which a truncated answer has, too.
async fn exchange(server: SocketAddr, question: &[u8], id: u16) -> io::Result<bool> {
    let any: SocketAddr =
        if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        match Message::from_vec(&answer[..length]) {
            Ok(answer) if answer.metadata.id == id => return Ok(answer.metadata.authentic_data),
            // A datagram with another id is no answer to this question, and may be forged.
            _ => {}
        }
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    config
}

fn addresses(config: &ResolverConfig) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = config
        .name_servers()
        .iter()
        .flat_map(|server| {
            server
                .connections
                .iter()
                .map(|connection| SocketAddr::new(server.ip, connection.port))
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn options(patience: Duration) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = patience / (u32::try_from(RETRIES).unwrap_or(u32::MAX).saturating_add(1));
    options.attempts = RETRIES;
    options.max_active_requests = MAX_ACTIVE;
    options.use_hosts_file = ResolveHosts::Never;
    options
}

/// Returns why a question has no answer, and none if the answer says that there are no records.
fn failure(error: &NetError) -> Option<Failure> {
    Some(match error {
        NetError::Dns(DnsError::NoRecordsFound(_)) => return None,
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => Failure::ServerFailure,
        NetError::Dns(_) => Failure::Refused,
        NetError::Timeout | NetError::Busy => Failure::TimedOut,
        NetError::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failure::TimedOut,
        NetError::Io(_) | NetError::NoConnections => Failure::Unreachable,
        _ => Failure::Malformed,
    })
}
