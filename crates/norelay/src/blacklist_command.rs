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
use norelay_core::check::Verdict;
use norelay_dns::{
    blacklist::{ListKeys, ListSubject, Standing, Survey, assess_survey},
    lookup::lists::{self, Blacklists, SurveyOptions},
};
use norelay_probe::{duration, key_file};
use norelay_render::{
    survey::{COLUMNS, csv, json, line},
    survey_text,
    text::Style,
};

use crate::{
    complaint::{Complaint, SHOWN, shown},
    option_values::{Color, one_of, parse_resolver},
    output,
};

/// Where the keys may stand, for those who keep no file.
const KEYS: &str = "NORELAY_BLACKLIST_KEYS";
/// Where the name of the file may stand.
const KEY_FILE: &str = "NORELAY_BLACKLIST_KEY_FILE";

/// What to look up, and where.
#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 not listed, 1 listed, 2 could not tell, 3 usage.\n\n\
    Keys: lines of ZONE=KEY in --key-file, or ZONE=KEY separated by spaces in \
    NORELAY_BLACKLIST_KEYS.")]
pub struct BlacklistOptions {
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
    #[arg(
        long,
        value_name = "VERDICT",
        value_parser = one_of(Verdict::ALL.iter().copied(), Verdict::to_string)
    )]
    relay_verdict: Option<Verdict>,
    /// The format of the result
    #[arg(long, short, value_enum, default_value_t)]
    output: ListingFormat,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    color: Color,
}

/// The formats of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ListingFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document a target
    Json,
    /// A table with a line a list
    Csv,
}

/// Asks about every target; the exit code is the worst state's.
pub async fn run(options: BlacklistOptions) -> Result<u8, Complaint> {
    options.color.choose();
    let targets = options
        .targets
        .iter()
        .map(|text| target(text))
        .collect::<Result<Vec<_>, _>>()?;
    let lists = Blacklists::new(options.options()?)
        .map_err(|error| Complaint::usage(format!("There is {error}.")))?;
    let mut worst = Standing::NotListed;
    if options.output == ListingFormat::Csv {
        output::print(&line(&COLUMNS))?;
    }
    for (index, target) in targets.iter().enumerate() {
        let survey = lists.survey(target).await;
        worst = worst.min(assess_survey(&survey).standing);
        let gap = if index > 0 && options.output == ListingFormat::Text { "\n" } else { "" };
        output::print(&format!("{gap}{}", options.render(&survey)))?;
    }
    Ok(worst.exit_code())
}

fn target(text: &str) -> Result<ListSubject, Complaint> {
    lists::target(text)
        .map_err(|why| Complaint::usage(format!("\"{}\" is {why}.", shown(text, SHOWN))))
}

impl BlacklistOptions {
    fn options(&self) -> Result<SurveyOptions, Complaint> {
        Ok(SurveyOptions {
            resolver: self.resolver,
            lists: self.list.clone(),
            keys: keys(self.key_file.as_deref())?,
            timeout: self.timeout,
            ..SurveyOptions::default()
        })
    }

    fn render(&self, survey: &Survey) -> String {
        let (assessment, relay) = (assess_survey(survey), self.relay_verdict);
        match self.output {
            ListingFormat::Text => survey_text::render(survey, &assessment, relay, Style::Ansi),
            ListingFormat::Json => json(survey, &assessment, relay),
            ListingFormat::Csv => csv(survey),
        }
    }
}

/// The keys of lists as the environment alone has them, for a command without a key file option.
pub fn keys_of_environment() -> Result<ListKeys, Complaint> {
    keys(std::env::var_os(KEY_FILE).as_deref().map(Path::new))
}

/// The keys of lists, from a file and from the environment; never from an argument, which every
/// user of the machine could see.
fn keys(file: Option<&Path>) -> Result<ListKeys, Complaint> {
    let in_environment = std::env::var(KEYS).unwrap_or_default();
    let in_environment: Vec<_> = in_environment.split_whitespace().collect();
    let in_environment = in_environment.join("\n");
    ListKeys::parse(&in_environment)
        .map_err(|error| Complaint::usage(format!("{KEYS} can't be used: entry {error}.")))?;
    let in_file = match file {
        Some(path) => key_lines(path)?,
        None => String::new(),
    };
    // The environment comes last, so that it adds to the file, or tries another key.
    ListKeys::parse(&format!("{in_file}\n{in_environment}"))
        .map_err(|error| Complaint::usage(format!("The keys can't be used: {error}.")))
}

/// The lines of a key file, each of which is a key.
fn key_lines(path: &Path) -> Result<String, Complaint> {
    let text = key_file::read_text(path).map_err(|error| Complaint::usage(error.to_string()))?;
    match ListKeys::parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Complaint::usage(format!(
            "The key file {} can't be used: {error}.",
            path.display()
        ))),
    }
}
