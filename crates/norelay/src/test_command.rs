//! `norelay test`: the options, and the run of each target.

mod password;
pub mod prepared;
mod progress;
mod remote_receiver;
mod surroundings;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use norelay_core::{
    catalogue::{self, Profile, RelayTest},
    check::Verdict,
    smtp::Security,
};
use norelay_probe::{duration, network::Internet, scan::Family, target::Target};

use crate::{
    Complaint, earlier_run, explain_command,
    output::{self, Color, Format, Presented},
};

/// What to test, and how.
#[derive(clap::Args)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the documentation is the help text, where brackets are brackets"
)]
pub struct Arguments {
    /// Host names, mail domains (their mail exchangers), or addresses; HOST:PORT and [ADDRESS]:PORT
    /// work too
    #[arg(required_unless_present_any = ["resume", "retest"], conflicts_with_all = ["resume", "retest"], value_name = "TARGET")]
    targets: Vec<String>,
    /// Which tests to run
    #[arg(long, value_name = "PROFILE", default_value = "standard", value_parser = ["classic", "standard", "thorough", "intrusive"])]
    profile: String,
    /// Say that you control this target, which the intrusive profile asks for: its tests may upset
    /// a server
    #[arg(long, value_name = "TARGET")]
    i_control: Vec<String>,
    /// Run only these tests and controls (ids or numbers, separated by commas)
    #[arg(long, value_name = "TESTS", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave these tests and controls out
    #[arg(long, value_name = "TESTS", value_delimiter = ',')]
    skip: Vec<String>,
    /// The ports to test: 465 is TLS from the start, all others in the clear and after STARTTLS;
    /// without it, 25 in the classic profile, and 25, 465, 587 in the others
    #[arg(long, short, value_name = "PORTS", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    port: Vec<u16>,
    /// Run every test on every path; else paths that behave like the first one get the plain tests
    /// alone
    #[arg(long)]
    pub every_path: bool,
    /// IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 only
    #[arg(short = '6', long)]
    ipv6: bool,
    /// The foreign domain of the probe addresses: yours, with its mail coming to --receive
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// A second foreign domain, for a control; nothing is ever sent to it
    #[arg(long, value_name = "DOMAIN")]
    pub second_domain: Option<String>,
    /// A mail domain that the target hosts; found by itself where the DNS says it
    #[arg(long, value_name = "DOMAIN")]
    pub local_domain: Option<String>,
    /// A user that exists in the target's domain
    #[arg(long, value_name = "USER", default_value = "postmaster")]
    pub local_user: String,
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
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub wait: Duration,
    /// How many messages may be sent for proof
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    pub messages: usize,
    /// The address to connect from
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<IpAddr>,
    /// The address that the server should see us come from, where an address translator stands
    /// between
    #[arg(long, value_name = "ADDRESS")]
    pub seen_as_expected: Option<IpAddr>,
    /// The name to say with EHLO
    #[arg(long, value_name = "NAME")]
    pub helo: Option<String>,
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
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=64))]
    concurrency: Option<u16>,
    /// How long a connection or a reply may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// At most three refusals in ten minutes from one address, for servers that ban whoever is
    /// refused too often
    #[arg(long)]
    slow: bool,
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
    /// Write the event log to this file as it grows
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Go on with the run whose log is in this file; what was answered is not asked again
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    resume: Option<PathBuf>,
    /// Ask again what failed in the run that this JSON report is of, on the paths that it failed
    /// on, and nothing else; the verdict is about that alone
    #[arg(long, value_name = "REPORT", conflicts_with_all = ["resume", "profile", "only", "skip", "port", "ipv4", "ipv6", "every_path"])]
    retest: Option<PathBuf>,
    /// The format of the result
    #[arg(long, short, default_value = "text", value_parser = output::format_parser())]
    pub output: Format,
    /// Exit with code 2 where a closed server has such a finding: tags, or a level (info, notice,
    /// warning, error) for all that are as bad or worse
    #[arg(long, value_name = "FINDINGS", value_delimiter = ',', value_parser = output::parse_fail_on)]
    fail_on: Vec<String>,
    /// What to look up besides
    #[command(flatten)]
    pub surroundings: surroundings::Arguments,
    /// Show the dialogue while it goes on
    #[arg(long, short)]
    pub verbose: bool,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    color: Color,
}

/// Tests every target; the exit code is the worst verdict's.
pub async fn run(mut arguments: Arguments) -> Result<u8, Complaint> {
    arguments.color.choose();
    if let Some(path) = arguments.retest.take() {
        return retest(arguments, &path).await;
    }
    let tests = arguments.tests()?;
    let targets = arguments
        .targets
        .iter()
        .map(|text| text.parse::<Target>().map(|target| (text, target)));
    let targets = targets
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Complaint::usage(error.to_string()))?;
    arguments.check_control(&tests)?;
    let session = prepared::Session::begin(&arguments).await?;
    if let Some(path) = &arguments.resume {
        let log = session.resume(&arguments, path).await?;
        let presented = output::present(arguments.output, &log.log, &arguments.fail_on)?;
        return Ok(output::exit_code(arguments.output, presented, log.stopped));
    }
    let mut worst = Presented { verdict: Verdict::Unreachable, failing: false };
    for (text, target) in targets {
        let log = session.test(&arguments, &tests, text, &target).await?;
        let presented = output::present(arguments.output, &log.log, &arguments.fail_on)?;
        worst.verdict = worst.verdict.min(presented.verdict);
        worst.failing |= presented.failing;
        if log.stopped {
            return Ok(output::exit_code(arguments.output, worst, true));
        }
    }
    Ok(output::exit_code(arguments.output, worst, false))
}

/// Asks again what failed in the run of a report.
async fn retest(mut arguments: Arguments, path: &Path) -> Result<u8, Complaint> {
    let plan = earlier_run::read_plan(path)?;
    // What the earlier run was told holds for this one, unless it is told otherwise.
    let given = plan.run.domain_given.then(|| plan.run.domain.clone());
    arguments.domain = arguments.domain.or(given);
    arguments.local_domain = arguments
        .local_domain
        .or_else(|| plan.run.local_domain.clone());
    arguments.helo = arguments
        .helo
        .or_else(|| Some(plan.run.helo.clone()).filter(|helo| !helo.is_empty()));
    arguments.targets = vec![plan.target.clone()];
    let tests: Vec<_> = plan
        .paths
        .iter()
        .flat_map(|(_, tests)| tests.iter().copied())
        .collect();
    arguments.check_control(&tests)?;
    let log = prepared::Session::begin(&arguments)
        .await?
        .retest(&arguments, plan)
        .await?;
    let presented = output::present(arguments.output, &log.log, &arguments.fail_on)?;
    Ok(output::exit_code(arguments.output, presented, log.stopped))
}

impl Arguments {
    /// The profile.
    pub fn profile(&self) -> Profile {
        match self.profile.as_str() {
            "classic" => Profile::Classic,
            "thorough" => Profile::Thorough,
            "intrusive" => Profile::Intrusive,
            _ => Profile::Standard,
        }
    }

    /// What may upset a server is only for those who say that it is theirs.
    fn check_control(&self, tests: &[&'static RelayTest]) -> Result<(), Complaint> {
        let is_intrusive = tests.iter().any(|test| test.profile == Profile::Intrusive);
        match self
            .targets
            .iter()
            .find(|target| !self.i_control.contains(target))
        {
            Some(target) if is_intrusive => Err(Complaint::usage(format!(
                "Intrusive tests may upset {}: if it is yours to upset, say so with --i-control \
                 {0}.",
                norelay_core::octets::Octets::from(target.as_str())
            ))),
            _ => Ok(()),
        }
    }

    fn tests(&self) -> Result<Vec<&'static RelayTest>, Complaint> {
        let named = |names: &[String]| {
            names
                .iter()
                .map(|name| explain_command::find(name))
                .collect::<Result<Vec<_>, _>>()
        };
        let (only, skip) = (named(&self.only)?, named(&self.skip)?);
        if let Some(row) = only.iter().find(|test| !test.is_asked()) {
            return Err(Complaint::usage(format!(
                "{0} is read from the answers to other tests: norelay explain {0} says which.",
                row.id
            )));
        }
        let is_in = |list: &[&RelayTest], test: &RelayTest| {
            list.iter().any(|other| other.number == test.number)
        };
        let chosen: Vec<_> = match only.is_empty() {
            true => catalogue::select(self.profile()).collect(),
            false => catalogue::TESTS
                .iter()
                .filter(|test| is_in(&only, test))
                .collect(),
        };
        let tests: Vec<_> = chosen
            .into_iter()
            .filter(|test| !is_in(&skip, test))
            .collect();
        match tests.iter().any(|test| test.is_scored()) {
            true => Ok(tests),
            false => {
                Err(Complaint::usage("No relay test is left to run: change --only or --skip."))
            }
        }
    }

    /// The ports, and how each is protected.
    pub fn ports(&self, target: &Target) -> Vec<(u16, Security)> {
        target.ways(&self.port, self.profile())
    }

    /// The address families.
    pub fn family(&self) -> Family {
        match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }

    /// The pace and number of connections.
    pub fn concurrency(&self) -> (Option<usize>, bool) {
        (self.concurrency.map(usize::from), self.slow)
    }

    /// The network to test through.
    pub fn network(&self) -> Internet {
        Internet {
            source_address: self.source_ip,
            connect_timeout: self.timeout.min(Duration::from_secs(30)),
        }
    }
}

/// `192.0.2.53`, `[2001:db8::53]:5353`; the port is 53 where none is given.
pub fn parse_resolver(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>().ok();
    with_port
        .or_else(|| {
            text.trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .ok()
                .map(|address| SocketAddr::new(address, 53))
        })
        .ok_or_else(|| {
            "a resolver is an address such as 192.0.2.53 or [2001:db8::53]:5353".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read() {
        for (text, expected) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("ns.example", None),
        ] {
            assert_eq!(
                parse_resolver(text)
                    .ok()
                    .map(|address| address.to_string())
                    .as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
