//! The settings: their names, their defaults, and from where they are taken.
//!
//! Rules:
//! - One precedence: command line, then environment, then file, then defaults. [`Layers`] is the
//!   only place that knows it.
//! - [`KEYS`] is the table of settings. The environment's names are made from it, and a test holds
//!   it equal to [`Settings`].
//! - What can't work is refused at the start, with a sentence that names the setting.
//! - Secrets show themselves to nobody who doesn't ask by name.

mod check;
mod layers;
mod settings;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use ipnet::IpNet;
use jiff::SignedDuration;
use norelay_probe::{defaults, duration};
use serde::{Deserialize, Deserializer, de::Error as _};

pub use self::{
    layers::{Layers, Misconfigured},
    settings::{KEYS, Key, SettingKind},
};

/// The settings of `norelay serve`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Where pages and API are served.
    pub listen: SocketAddr,
    /// Whether strangers may use it.
    pub public: bool,
    /// The folder of the database and of the receiver's key.
    pub data: PathBuf,
    /// PostgreSQL's address; without it, SQLite in the data folder.
    pub database: Option<Secret>,
    /// A file that holds PostgreSQL's address.
    pub database_file: Option<PathBuf>,
    /// The address of the service as its users type it, without a slash at the end; for links and
    /// the check of `Host`.
    pub url: Option<String>,
    /// What tests are shown to come from, in words or addresses.
    pub source: Vec<String>,
    /// The mail address for complaints.
    pub contact: Option<String>,
    /// Further names that `Host` may have.
    pub hosts: Vec<String>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that may read `/metrics`.
    pub metrics_from: Vec<IpNet>,
    /// Results are kept for so many days.
    pub retention_days: u32,
    /// How tests are made.
    pub test: TestSettings,
    /// The receiver.
    pub receiver: ReceiverSettings,
    /// The service that tells whoever connects their own address, as a proof of control.
    pub connect_back: ConnectBackSettings,
    /// Limits.
    pub limits: LimitSettings,
    /// TLS of pages and API.
    pub tls: TlsSettings,
    /// The log.
    pub log: LogSettings,
}

/// How tests are made.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TestSettings {
    /// The probe domain: its mail comes to the receiver.
    pub domain: Option<String>,
    /// A second foreign domain, for a control; nothing is sent to it.
    pub second_domain: String,
    /// The name to say with EHLO; without it, the machine's.
    pub helo: Option<String>,
    /// The address to connect from.
    pub source_address: Option<IpAddr>,
    /// The DNS resolver; without it, the machine's.
    pub resolver: Option<SocketAddr>,
    /// How long a reply may take.
    #[serde(deserialize_with = "read_duration")]
    pub timeout: SignedDuration,
    /// How long to wait for deferred answers and for messages to come back.
    #[serde(deserialize_with = "read_duration")]
    pub wait: SignedDuration,
    /// How many messages may be sent for the proof of one test.
    pub messages: u32,
    /// The address that servers should see us come from, behind an address translator.
    pub seen_as_expected: Option<IpAddr>,
    /// Whether DNS blacklists are asked beside a test.
    pub blacklists: bool,
    /// A file with the keys of blacklists that need one.
    pub blacklist_key_file: Option<PathBuf>,
    /// Whether it is looked at what the DNS says about domain and addresses beside a test.
    pub posture: bool,
    /// Ports that strangers may have tested.
    pub public_ports: Vec<u16>,
    /// Networks that are tested although they aren't public.
    pub allow_networks: Vec<IpNet>,
}

/// The receiver.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReceiverSettings {
    /// Where it listens; nowhere: no receiver.
    pub listen: Vec<SocketAddr>,
    /// The addresses under which others reach it at port 25; without them, those that it listens
    /// on.
    pub addresses: Vec<IpAddr>,
    /// The file of the key that tokens are made with; without it, `token.key` in the data folder.
    pub key_file: Option<PathBuf>,
    /// The name that it greets with; without it, the machine's.
    pub name: Option<String>,
}

/// The service that tells whoever connects their own address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConnectBackSettings {
    /// Where it listens; nowhere: no such proof.
    pub listen: Vec<SocketAddr>,
    /// What users are told to connect to, `HOST:PORT`; without it, the first address and port that
    /// it listens on.
    pub shown: Option<String>,
}

/// Limits. Those of askers and targets hold in public mode.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitSettings {
    /// Tests at once.
    pub running: u32,
    /// Tests that wait.
    pub queued: u32,
    /// Tests an hour of one user network (/24, /64).
    pub asker_hourly: u32,
    /// Tests an hour of the networks around it (/16, /48).
    pub wide_hourly: u32,
    /// Minutes between two tests of one address.
    pub target_minutes: u32,
    /// Tests an hour of one target network (/24, /48).
    pub target_network_hourly: u32,
    /// Tests an hour of everybody.
    pub hourly: u32,
    /// HTTP requests a minute of one user network.
    pub requests_per_minute: u32,
    /// Event streams at once of one user network.
    pub streams_per_network: u32,
    /// Event streams at once.
    pub streams: u32,
    /// HTTP connections at once of one user network, in public mode; those of trusted proxies don't
    /// count.
    pub connections_per_network: u32,
    /// HTTP connections at once.
    pub connections: u32,
}

/// TLS of pages and API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsSettings {
    /// The certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
}

/// The log.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogSettings {
    /// `text` or `json`.
    pub format: LogFormat,
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as
    /// `norelay_server=debug`.
    pub level: String,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Text that isn't shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8025)),
            public: false,
            data: settings::data_folder(),
            database: None,
            database_file: None,
            url: None,
            source: Vec::new(),
            contact: None,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            metrics_from: ["127.0.0.0/8", "::1/128"]
                .map(|text| text.parse().expect("they are networks"))
                .to_vec(),
            retention_days: 90,
            test: TestSettings::default(),
            receiver: ReceiverSettings::default(),
            connect_back: ConnectBackSettings::default(),
            limits: LimitSettings::default(),
            tls: TlsSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for TestSettings {
    fn default() -> Self {
        Self {
            domain: None,
            second_domain: defaults::SECOND_DOMAIN.to_owned(),
            helo: None,
            source_address: None,
            resolver: None,
            timeout: default_duration(defaults::REPLY_TIMEOUT),
            wait: default_duration(defaults::WAIT),
            messages: defaults::MESSAGES.into(),
            seen_as_expected: None,
            blacklists: true,
            blacklist_key_file: None,
            posture: true,
            public_ports: norelay_probe::target::MAIL_PORTS.to_vec(),
            allow_networks: Vec::new(),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            running: 50,
            queued: 200,
            asker_hourly: 10,
            wide_hourly: 60,
            target_minutes: 15,
            target_network_hourly: 30,
            hourly: 1_000,
            requests_per_minute: 300,
            streams_per_network: 20,
            streams: 1_000,
            connections_per_network: 100,
            connections: 2_000,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// Reads a length of time as the command's options have it.
fn read_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(deserializer)?;
    signed_duration(&text).map_err(D::Error::custom)
}

/// A length of time among the defaults.
fn default_duration(text: &str) -> SignedDuration {
    signed_duration(text).expect("a default is a length of time that a user could type")
}

fn signed_duration(text: &str) -> Result<SignedDuration, duration::NotADuration> {
    SignedDuration::try_from(duration::parse(text)?).map_err(|_| duration::NotADuration)
}
