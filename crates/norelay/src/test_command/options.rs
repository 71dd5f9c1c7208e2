//! The options of `norelay test`, in groups that the help shows under headings.
//!
//! Rules:
//! - An option belongs to the group of what it is about. A new option is a field here, and one
//!   place that reads the field.
//! - Names, defaults and conflicts are promises to scripts.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use norelay_core::{
    catalogue::{Profile, RelayTest, Selection, words::TRUSTED_SENDERS},
    smtp::Security,
};
use norelay_probe::{
    defaults, duration,
    network::Internet,
    scan::Family,
    target::{Target, host_name},
};

use crate::{
    complaint::Complaint,
    explain_command,
    option_values::{Color, one_of, parse_resolver},
    output::{FailOn, ResultFormat, parse_fail_on, result_format},
};

/// What to test, and how.
#[derive(clap::Args)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the documentation is the help text, where brackets are brackets"
)]
pub struct TestOptions {
    /// Host names, mail domains (their mail exchangers), or addresses; HOST:PORT and [ADDRESS]:PORT
    /// work too
    #[arg(
        required_unless_present_any = ["resume", "retest"],
        conflicts_with_all = ["resume", "retest"],
        value_name = "TARGET"
    )]
    pub targets: Vec<String>,
    #[command(flatten)]
    pub target: TargetOptions,
    #[command(flatten)]
    pub tests: ChoiceOptions,
    #[command(flatten)]
    pub probe: ProbeOptions,
    #[command(flatten)]
    pub proof: ProofOptions,
    #[command(flatten)]
    pub connection: ConnectionOptions,
    #[command(flatten)]
    pub authentication: AuthenticationOptions,
    #[command(flatten)]
    pub surroundings: SurroundingsOptions,
    #[command(flatten)]
    pub log: LogOptions,
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Where the target is reached, and what is known of its mail.
#[derive(clap::Args)]
#[command(next_help_heading = "Target")]
pub struct TargetOptions {
    /// The ports to test: 465 is TLS from the start, all others in the clear and after STARTTLS;
    /// without it, 25 in the classic profile, and 25, 465, 587 in the others
    #[arg(
        long,
        short,
        value_name = "PORTS",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    port: Vec<u16>,
    /// IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 only
    #[arg(short = '6', long)]
    ipv6: bool,
    /// A mail domain that the target hosts; found by itself where the DNS says it. Further ones are
    /// asked as --trusted-sender
    #[arg(long, value_name = "DOMAIN")]
    pub local_domain: Vec<String>,
    /// A sender that the target may trust: a domain or an address. norelay asks whether the target
    /// relays for this sender, and proves it by a message. May be given several times
    #[arg(long, value_name = "SENDER", value_parser = sender)]
    trusted_sender: Vec<String>,
    /// A user that exists in the target's domain (without it, postmaster). If the server offers
    /// AUTH, norelay also tries to log in as this user, with one made-up password that must fail
    #[arg(long, value_name = "USER")]
    pub local_user: Option<String>,
    /// Say that you control this target, which the intrusive profile asks for: its tests may upset
    /// a server
    #[arg(long, value_name = "TARGET")]
    i_control: Vec<String>,
}

/// Which tests are asked.
#[derive(clap::Args)]
#[command(next_help_heading = "Tests")]
pub struct ChoiceOptions {
    /// Which tests to run
    #[arg(
        long,
        value_name = "PROFILE",
        default_value_t,
        value_parser = one_of(Profile::ALL.iter().copied(), Profile::to_string)
    )]
    pub profile: Profile,
    /// Run only these tests and controls (ids or numbers, separated by commas)
    #[arg(long, value_name = "TESTS", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave these tests and controls out
    #[arg(long, value_name = "TESTS", value_delimiter = ',')]
    skip: Vec<String>,
    /// Run every test on every path; else paths that behave like the first one get the plain tests
    /// alone
    #[arg(long)]
    pub every_path: bool,
}

/// Who the probe says it is.
#[derive(clap::Args)]
#[command(next_help_heading = "Our own names")]
pub struct ProbeOptions {
    /// The foreign domain of the probe addresses: yours, with its mail coming to --receive
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// A second foreign domain, for a control; nothing is ever sent to it
    #[arg(long, value_name = "DOMAIN")]
    pub second_domain: Option<String>,
    /// The name to say with EHLO
    #[arg(long, value_name = "NAME")]
    pub helo: Option<String>,
}

/// How messages prove that the server relays.
#[derive(clap::Args)]
#[command(next_help_heading = "Proof")]
pub struct ProofOptions {
    /// Run the built-in receiver for --domain here while testing: proof by a message that comes
    /// back
    #[arg(long, value_name = "ADDR:PORT")]
    pub receive: Vec<SocketAddr>,
    /// A receiver that runs elsewhere: the spool file that `norelay receive` writes (with --domain
    /// and --key-file), or the address of a `norelay serve`, https://… (NORELAY_API_KEY holds its
    /// key, if it wants one)
    #[arg(long, value_name = "SPOOL|URL", conflicts_with = "receive")]
    pub receiver: Option<String>,
    /// The key file that the receiver elsewhere uses; with --receive, the key of the built-in one,
    /// so that a resumed run knows its messages
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// How long to wait for deferred answers and for messages to come back
    #[arg(
        long,
        value_name = "DURATION",
        default_value = defaults::WAIT,
        value_parser = duration::parse
    )]
    pub wait: Duration,
    /// How many messages may be sent for proof
    #[arg(long, value_name = "NUMBER", default_value_t = usize::from(defaults::MESSAGES))]
    pub messages: usize,
}

/// How the probe connects.
#[derive(clap::Args)]
#[command(next_help_heading = "Connection")]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the documentation is the help text, where brackets are brackets"
)]
pub struct ConnectionOptions {
    /// The address to connect from
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<IpAddr>,
    /// The address that the server should see us come from, where an address translator stands
    /// between
    #[arg(long, value_name = "ADDRESS")]
    pub seen_as_expected: Option<IpAddr>,
    /// A certificate to show under TLS, in PEM, with those of its authorities: whether a server
    /// trusts all that such an authority has signed
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// The private key of the client certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// The DNS resolver to ask
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = parse_resolver)]
    pub resolver: Option<SocketAddr>,
    /// Connections at once to a server; without it, two at first and more while the server bears
    /// them
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub concurrency: Option<u16>,
    /// How long a connection or a reply may take
    #[arg(
        long,
        value_name = "DURATION",
        default_value = defaults::REPLY_TIMEOUT,
        value_parser = duration::parse
    )]
    pub timeout: Duration,
    /// Stop after this time, all targets together; the verdict is about what was answered by then
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub max_time: Option<Duration>,
    /// At most three refusals in ten minutes from one address, for servers that ban whoever is
    /// refused too often
    #[arg(long)]
    pub slow: bool,
}

/// The user whose mail must still go out after authentication.
#[derive(clap::Args)]
#[command(next_help_heading = "Authentication")]
pub struct AuthenticationOptions {
    /// Check that this user's mail still goes out after authentication; the password comes from a
    /// prompt, or from --password-file or --password-fd
    #[arg(long, value_name = "USER")]
    pub auth: Option<String>,
    /// The file whose first line is the password for --auth
    #[arg(long, value_name = "FILE", requires = "auth")]
    pub password_file: Option<PathBuf>,
    /// The file descriptor whose first line is the password for --auth
    #[arg(long, value_name = "NUMBER", requires = "auth", conflicts_with = "password_file")]
    pub password_fd: Option<u16>,
}

/// What is looked up beside the relay test.
#[derive(clap::Args)]
#[command(next_help_heading = "Surroundings")]
pub struct SurroundingsOptions {
    /// Ask the DNS blacklists about the target's addresses and domain, too (keys as for norelay
    /// blacklist, from the environment)
    #[arg(long)]
    pub blacklists: bool,
    /// Look at what the DNS says about the target's domain and addresses, too: MX, SPF, DMARC,
    /// MTA-STS (whose policy is fetched over HTTPS), TLS-RPT, DANE, reverse names
    #[arg(long)]
    pub posture: bool,
}

/// The log of this run, and runs before it.
#[derive(clap::Args)]
#[command(next_help_heading = "Log and earlier runs")]
pub struct LogOptions {
    /// Write the event log to this file as it grows
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Go on with the run whose log is in this file; what was answered is not asked again
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    pub resume: Option<PathBuf>,
    /// Ask again what failed in the run that this JSON report is of, on the paths that it failed
    /// on, and nothing else; the verdict is about that alone
    #[arg(
        long,
        value_name = "REPORT",
        conflicts_with_all = [
            "resume", "profile", "only", "skip", "port", "ipv4", "ipv6", "every_path"
        ]
    )]
    pub retest: Option<PathBuf>,
}

/// How the result is shown.
#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// The format of the result
    #[arg(long, short, default_value = "text", value_parser = result_format())]
    pub output: ResultFormat,
    /// Exit with code 2 where a closed server has such a finding: tags, or a level (info, notice,
    /// warning, error) for all that are as bad or worse
    #[arg(
        long,
        value_name = "FINDINGS",
        value_delimiter = ',',
        value_parser = parse_fail_on
    )]
    pub fail_on: Vec<FailOn>,
    /// Show the dialogue while it goes on
    #[arg(long, short)]
    pub verbose: bool,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,
}

impl TestOptions {
    /// Refuses intrusive tests at a target of which the user has not said that it is theirs.
    pub fn check_control(&self, tests: &[&'static RelayTest]) -> Result<(), Complaint> {
        let is_intrusive = tests.iter().any(|test| test.profile == Profile::Intrusive);
        match self
            .targets
            .iter()
            .find(|target| !self.target.i_control.contains(target))
        {
            Some(target) if is_intrusive => Err(Complaint::usage(format!(
                "Intrusive tests may upset {}: if it is yours to upset, say so with --i-control \
                 {0}.",
                norelay_core::octets::Octets::from(target.as_str())
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses more trusted senders than there are tests, and such a test without a sender.
    pub fn check_senders(&self, tests: &[&'static RelayTest]) -> Result<(), Complaint> {
        let (given, most) = (self.target.trusted_senders().len(), TRUSTED_SENDERS.len());
        if given > most {
            return Err(Complaint::usage(format!(
                "{given} trusted senders are too many: at most {most}, with each further \
                 --local-domain."
            )));
        }
        let has_none = |test: &&&RelayTest| {
            test.trusted_sender_place()
                .is_some_and(|place| place >= given)
        };
        match tests.iter().find(has_none) {
            Some(test) if !self.tests.only.is_empty() => Err(Complaint::usage(format!(
                "{} asks with a sender that you name: give one with --trusted-sender.",
                test.id
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses to ask for a test of a user by itself without a user.
    pub fn check_users(&self, tests: &[&'static RelayTest]) -> Result<(), Complaint> {
        let has_users = self.target.local_user.is_some() || self.tests.profile >= Profile::Thorough;
        match tests.iter().find(|test| test.is_for_users()) {
            Some(test) if !self.tests.only.is_empty() && !has_users => Err(Complaint::usage(
                format!("{} logs in as a user who exists: name one with --local-user.", test.id),
            )),
            _ => Ok(()),
        }
    }

    /// The ports of a target, and how each is protected.
    pub fn ports(&self, target: &Target) -> Vec<(u16, Security)> {
        target.ports_to_test(&self.target.port, self.tests.profile)
    }
}

impl ChoiceOptions {
    /// The tests and controls that the options choose.
    pub fn tests(&self) -> Result<Vec<&'static RelayTest>, Complaint> {
        let Self { profile, only, skip, .. } = self;
        let selection = Selection { profile: *profile, only, skip };
        selection.tests().map_err(explain_command::complaint)
    }
}

impl ProofOptions {
    /// The addresses at which other servers deliver to the built-in receiver.
    pub fn receivers(&self) -> Vec<IpAddr> {
        let mail = self.receive.iter().filter(|at| at.port() == 25);
        mail.map(SocketAddr::ip).collect()
    }
}

/// Reads a sender: a domain, or an address whose domain becomes ASCII.
fn sender(text: &str) -> Result<String, String> {
    let (user, domain) = match text.rsplit_once('@') {
        Some((user, domain)) => (Some(user), domain),
        None => (None, text),
    };
    let domain = host_name(domain).map_err(|error| error.to_string())?;
    let is_plain = |user: &str| {
        let is_of_path =
            |octet: u8| octet.is_ascii_graphic() && !b"<>()[]\\,;:\"@".contains(&octet);
        !user.is_empty() && user.bytes().all(is_of_path)
    };
    match user {
        None => Ok(domain),
        Some(user) if is_plain(user) => Ok(format!("{user}@{domain}")),
        Some(_) => Err("a sender is a domain, or an address such as news@example.net".to_owned()),
    }
}

impl TargetOptions {
    /// A user that exists in the target's domain.
    pub fn local_user(&self) -> &str {
        self.local_user.as_deref().unwrap_or(defaults::LOCAL_USER)
    }

    /// The senders that the target may trust: as given, and the further mail domains.
    pub fn trusted_senders(&self) -> Vec<String> {
        let further = self.local_domain.iter().skip(1);
        self.trusted_sender.iter().chain(further).cloned().collect()
    }

    /// Asks with the senders of an earlier run, unless the options name some.
    pub fn keep_senders(&mut self, earlier: &[String]) {
        if self.trusted_senders().is_empty() {
            self.trusted_sender = earlier.to_vec();
        }
    }

    /// The address families.
    pub fn family(&self) -> Family {
        match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }
}

impl ConnectionOptions {
    /// The network to test through.
    pub fn network(&self) -> Internet {
        Internet {
            source_address: self.source_ip,
            connect_timeout: self.timeout.min(defaults::LONGEST_CONNECT),
        }
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use clap::Parser;
    use norelay_server::{Settings, config::KEYS};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: TestOptions,
    }

    #[test]
    fn a_sender_is_a_domain_or_an_address() {
        for (text, expected) in [
            ("Partner.example", Some("partner.example")),
            ("news@partner.example", Some("news@partner.example")),
            ("a> b@partner.example", None),
            ("@partner.example", None),
            ("news@", None),
            ("news@partner.example\r\nDATA", None),
        ] {
            assert_eq!(sender(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn options_and_settings_have_the_same_defaults() {
        let TestOptions { target, probe, proof, connection, .. } =
            Line::parse_from(["test", "mx.example.net"]).options;
        let settings = Settings::default();
        assert_eq!(connection.timeout, settings.test.timeout.unsigned_abs());
        assert_eq!(proof.wait, settings.test.wait.unsigned_abs());
        assert_eq!(proof.messages, settings.test.messages as usize);
        assert_eq!(target.local_user(), defaults::LOCAL_USER);
        assert_eq!(settings.test.second_domain, defaults::SECOND_DOMAIN);
        assert_eq!(probe.second_domain, None, "the default counts");
        let network = connection.network();
        assert_eq!(network.connect_timeout, settings.network().connect_timeout);
        assert_eq!(network.source_address, settings.network().source_address);
    }

    #[test]
    fn the_reference_of_the_settings_has_the_defaults() {
        for (name, default) in [
            ("test.timeout", defaults::REPLY_TIMEOUT),
            ("test.wait", defaults::WAIT),
            ("test.messages", &defaults::MESSAGES.to_string()),
            ("test.second-domain", defaults::SECOND_DOMAIN),
        ] {
            let key = KEYS.iter().find(|key| key.name == name);
            let purpose = key.map_or("", |key| key.purpose);
            assert!(purpose.ends_with(&format!("{default} by default.")), "{name}: {purpose}");
        }
    }
}
