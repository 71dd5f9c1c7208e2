//! `norelay blacklist`: what the DNS blacklists say about addresses and domains, each list
//! self-tested first.
//!
//! Exit codes: 0 not listed, 1 listed, 2 could not tell, 3 usage.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use norelay_core::{check::Verdict, render::text::Style};
use norelay_dns::{
    blacklist::{Keys, State, Survey, Target, judge},
    lookup::lists::{self, Blacklists, Options},
};
use norelay_probe::{duration, key_file};
use norelay_render::{
    survey::{COLUMNS, csv, json, line},
    survey_text,
};

use crate::{
    Complaint,
    output::{self, Color},
    test_command::parse_resolver,
};

/// Where the keys may stand, for those who keep no file.
const KEYS: &str = "NORELAY_BLACKLIST_KEYS";
/// Where the name of the file may stand.
pub const KEY_FILE: &str = "NORELAY_BLACKLIST_KEY_FILE";

/// What to look up, and where.
#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 not listed, 1 listed, 2 could not tell, 3 usage.\n\n\
    Keys: lines of ZONE=KEY in --key-file, or ZONE=KEY separated by spaces in \
    NORELAY_BLACKLIST_KEYS.")]
pub struct Arguments {
    /// Addresses or domains
    #[arg(required = true, value_name = "ADDRESS|DOMAIN")]
    targets: Vec<String>,
    /// Ask these lists only: zones, also of lists that norelay doesn't know; "default"; or "all"
    /// for doubtful ones too
    #[arg(long, value_name = "ZONES", value_delimiter = ',')]
    list: Vec<String>,
    /// The DNS resolver to ask: best a recursive one of your own, since many lists don't answer
    /// public ones
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = parse_resolver)]
    resolver: Option<SocketAddr>,
    /// The file with the keys of lists that need one
    #[arg(long, value_name = "FILE", env = KEY_FILE)]
    key_file: Option<PathBuf>,
    /// How long a target may take, with all lists
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration::parse)]
    timeout: Duration,
    /// What the relay test said of this server; the way off a list is shown when it is closed
    #[arg(long, value_name = "VERDICT", value_enum)]
    relay_verdict: Option<Relay>,
    /// The format of the result
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    color: Color,
}

/// The formats of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document a target
    Json,
    /// A table with a line a list
    Csv,
}

/// The verdicts of a relay test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Relay {
    Open,
    Suspect,
    Inconclusive,
    Closed,
    Unreachable,
}

impl From<Relay> for Verdict {
    fn from(relay: Relay) -> Self {
        match relay {
            Relay::Open => Self::OpenRelay,
            Relay::Suspect => Self::Suspect,
            Relay::Inconclusive => Self::Inconclusive,
            Relay::Closed => Self::Closed,
            Relay::Unreachable => Self::Unreachable,
        }
    }
}

/// Asks about every target; the exit code is the worst state's.
pub async fn run(arguments: Arguments) -> Result<u8, Complaint> {
    arguments.color.choose();
    let targets = arguments
        .targets
        .iter()
        .map(|text| target(text))
        .collect::<Result<Vec<_>, _>>()?;
    let lists = Blacklists::new(arguments.options()?)
        .map_err(|error| Complaint::usage(format!("There is {error}.")))?;
    let mut worst = State::NotListed;
    if arguments.output == Format::Csv {
        output::print(&line(&COLUMNS))?;
    }
    for (index, target) in targets.iter().enumerate() {
        let survey = lists.survey(target).await;
        worst = worst.min(judge(&survey).state);
        let gap = if index > 0 && arguments.output == Format::Text { "\n" } else { "" };
        output::print(&format!("{gap}{}", arguments.render(&survey)))?;
    }
    Ok(worst.exit_code())
}

fn target(text: &str) -> Result<Target, Complaint> {
    lists::target(text).map_err(|why| {
        let text: String = text
            .chars()
            .filter(|character| !character.is_control())
            .take(60)
            .collect();
        Complaint::usage(format!("\"{text}\" is {why}."))
    })
}

impl Arguments {
    fn options(&self) -> Result<Options, Complaint> {
        Ok(Options {
            resolver: self.resolver,
            lists: self.list.clone(),
            keys: keys(self.key_file.as_deref())?,
            timeout: self.timeout,
            ..Options::default()
        })
    }

    fn render(&self, survey: &Survey) -> String {
        let (judgement, relay) = (judge(survey), self.relay_verdict.map(Verdict::from));
        match self.output {
            Format::Text => survey_text::render(survey, &judgement, relay, Style::Ansi),
            Format::Json => json(survey, &judgement, relay),
            Format::Csv => csv(survey),
        }
    }
}

/// The keys of lists, from a file and from the environment; never from an argument, which every
/// user of the machine could see.
pub fn keys(file: Option<&Path>) -> Result<Keys, Complaint> {
    let in_environment = std::env::var(KEYS)
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("\n");
    Keys::parse(&in_environment)
        .map_err(|error| Complaint::usage(format!("{KEYS} can't be used: entry {error}.")))?;
    let in_file = match file {
        Some(path) => {
            let text =
                key_file::read_text(path).map_err(|error| Complaint::usage(error.to_string()))?;
            let unusable = |error| {
                Complaint::usage(format!("The key file {} can't be used: {error}.", path.display()))
            };
            Keys::parse(&text).map_err(unusable)?;
            text
        }
        None => String::new(),
    };
    // The environment comes last: it is for what the file doesn't have, or to try another key.
    Keys::parse(&format!("{in_file}\n{in_environment}"))
        .map_err(|error| Complaint::usage(format!("The keys can't be used: {error}.")))
}
