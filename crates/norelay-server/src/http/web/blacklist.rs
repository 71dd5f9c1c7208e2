//! Blacklists: a form, and what the lists say.
//!
//! Rules:
//! - Listings come first, then what isn't known and why, then the rest; dead lists are named and
//!   were not asked.
//! - Whatever is to be done begins with closing the relay; the way off a list is shown only where a
//!   test says closed.
//! - Nothing is looked up but by the form, which is sent from our own pages (`guard`).

use std::cmp::Reverse;

use askama::Template;
use axum::{
    Extension, Form,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;
use norelay_core::{check::Verdict, octets::harmless};
use norelay_dns::blacklist::{
    Impact, ListReading, Listing, Standing, Survey, UnknownReason, assess_survey,
};
use norelay_render::delisting::advice;
use serde::Deserialize;

use super::{
    pages::Pages,
    problem_page,
    shell::{self, Shell},
    view::{
        in_settings,
        mark::{self, Mark},
        time,
    },
};
use crate::{
    http::{headers::no_store, problem::correctable, state::AppState},
    rules::client::Client,
    run::lookups::{CoveringTest, Lookup},
    store::JobId,
};

#[derive(Template)]
#[template(path = "blacklist.html")]
struct BlacklistPage<'a> {
    shell: Shell,
    target: &'a str,
    test: &'a str,
    problem: &'a str,
    at: Option<Timestamp>,
    results: Vec<ShownSurvey>,
    relay: Option<ShownVerdict>,
    /// The way off a list is asked for, and no test says closed.
    test_first: Option<&'a str>,
}

/// The relay test that the advice rests on.
struct ShownVerdict {
    id: JobId,
    mark: Mark,
    word: &'static str,
    when: String,
}

/// The listings of one address or domain.
struct ShownSurvey {
    target: String,
    mark: Mark,
    word: &'static str,
    summary: String,
    hints: Vec<String>,
    asked: String,
    listed: Vec<ListLine>,
    /// The lists that matter, or all if there are few.
    unknown: Vec<ListLine>,
    /// The others.
    unknown_little: Vec<ListLine>,
    vouched: Vec<ListLine>,
    clean: Vec<ListLine>,
    keyless: Vec<ListLine>,
    dead: Vec<ListLine>,
}

/// The listing by one list.
struct ListLine {
    zone: String,
    operator: String,
    impact: &'static str,
    matters: bool,
    mark: Mark,
    word: &'static str,
    /// Its answers in words, or why nothing is known.
    says: Vec<String>,
    /// The list's own words.
    reasons: Vec<String>,
    self_test: &'static str,
    took: String,
    advice: Vec<Piece>,
}

/// Words, or an address to go to.
enum Piece {
    Words(String),
    Address(String),
}

/// The fields of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LookUpForm {
    target: String,
    /// A test of that server, whose verdict decides the advice.
    test: String,
}

/// `GET /blacklist`: the form; `?target=` fills it in.
pub async fn show(State(state): State<AppState>, Query(asked): Query<LookUpForm>) -> Response {
    page(&state, &asked, StatusCode::OK, "", None).await
}

/// `POST /blacklist`
pub async fn look_up(
    State(state): State<AppState>,
    Extension(pages): Extension<Pages>,
    asker: Client,
    Form(asked): Form<LookUpForm>,
) -> Response {
    match pages.lookups.look_up(&asker, &asked.target).await {
        Ok(lookup) => page(&state, &asked, StatusCode::OK, "", Some(&lookup)).await,
        Err(refusal) => match correctable(refusal) {
            Ok((status, why)) => page(&state, &asked, status, &why, None).await,
            Err(refusal) => problem_page::refused(&state, refusal),
        },
    }
}

async fn page(
    state: &AppState,
    asked: &LookUpForm,
    status: StatusCode,
    problem: &str,
    lookup: Option<&Lookup>,
) -> Response {
    // The way off a list depends on whether the server relays, so a test of the server is looked
    // for.
    let relay = match lookup {
        Some(lookup) => {
            CoveringTest::find(&state.store, state.config.public, asked.test.parse().ok(), lookup)
                .await
        }
        None => None,
    };
    let results: Vec<_> = lookup
        .into_iter()
        .flat_map(|lookup| &lookup.surveys)
        .map(|survey| {
            let covering = relay.as_ref().filter(|relay| relay.covers(&survey.target));
            shown(survey, covering.map(|relay| relay.verdict), state.config.public)
        })
        .collect();
    let is_listed = results.iter().any(|result| !result.listed.is_empty());
    let page = BlacklistPage {
        shell: Shell::new(state, "/blacklist", "DNS blacklists"),
        target: &asked.target,
        test: &asked.test,
        problem,
        at: lookup.map(|lookup| lookup.at),
        relay: relay.as_ref().map(|relay| {
            let (mark, word) = mark::of_verdict(relay.verdict);
            ShownVerdict { id: relay.job.id, mark, word, when: time::stamp(relay.job.created) }
        }),
        test_first: (is_listed && relay.is_none()).then_some(asked.target.trim()),
        results,
    };
    no_store(shell::page(status, &page))
}

/// As many lists without an answer are shown one by one, even if they matter little.
const FEW: usize = 6;

/// The survey as the page shows it. `relay` is the verdict of a test of the same server.
fn shown(survey: &Survey, relay: Option<Verdict>, public: bool) -> ShownSurvey {
    let assessment = assess_survey(survey);
    let (mark, word) = of_state(assessment.standing, assessment.worst);
    let pick = |is: fn(&ListReading) -> bool| {
        let mut readings: Vec<_> = survey
            .readings
            .iter()
            .filter(|reading| is(reading))
            .collect();
        // The lists that most receivers ask come first.
        readings.sort_by_key(|reading| Reverse(reading.impact));
        readings
            .into_iter()
            .map(|reading| line(reading, relay))
            .collect::<Vec<_>>()
    };
    let unknown = pick(|reading| matches!(reading.listing, Listing::Unknown { .. }));
    let (unknown, unknown_little) = match unknown.len() > FEW {
        true => unknown.into_iter().partition(|line| line.matters),
        false => (unknown, Vec::new()),
    };
    ShownSurvey {
        target: harmless(&survey.target),
        mark,
        word,
        summary: harmless(&assessment.summary),
        hints: assessment
            .hints
            .iter()
            .map(|hint| in_settings(&harmless(hint)))
            .collect(),
        // The address of our resolver is not shown in public mode.
        asked: match public {
            true => time::length(survey.elapsed_ms),
            false => format!(
                "{} through {}",
                time::length(survey.elapsed_ms),
                survey.resolvers.join(", ")
            ),
        },
        listed: pick(|reading| reading.listing.is_against()),
        vouched: pick(|reading| {
            matches!(reading.listing, Listing::Listed { .. }) && !reading.listing.is_against()
        }),
        unknown,
        unknown_little,
        clean: pick(|reading| reading.listing == Listing::NotListed),
        keyless: pick(|reading| reading.listing == Listing::NeedsKey),
        dead: pick(|reading| matches!(reading.listing, Listing::Dead { .. })),
    }
}

/// The mark and word of a survey.
fn of_state(state: Standing, worst: Option<Impact>) -> (Mark, &'static str) {
    match (state, worst) {
        (Standing::Listed, Some(Impact::High | Impact::Medium)) => (mark::OPEN, "Listed"),
        (Standing::Listed, _) => (mark::SUSPECT, "Listed, where few look"),
        (Standing::Unknown, _) => (mark::UNKNOWN, "Could not tell"),
        (Standing::NotListed, _) => (mark::CLOSED, "Not listed"),
    }
}

fn line(reading: &ListReading, relay: Option<Verdict>) -> ListLine {
    let (mark, word) = match &reading.listing {
        Listing::Listed { .. } if !reading.listing.is_against() => {
            (mark::CLOSED, "Vouched for, or remarked on")
        }
        Listing::Listed { .. } if reading.impact >= Impact::Medium => (mark::OPEN, "Listed"),
        Listing::Listed { .. } if reading.impact == Impact::Low => (mark::SUSPECT, "Listed"),
        Listing::Listed { .. } => (mark::QUIET, "Listed"),
        Listing::NotListed => (mark::CLOSED, "Not listed"),
        Listing::Unknown { .. } => (mark::UNKNOWN, "Unknown"),
        Listing::Dead { .. } => (mark::QUIET, "Dead"),
        Listing::NeedsKey => (mark::QUIET, "Needs a key"),
    };
    let (says, reasons) = words(&reading.listing);
    ListLine {
        zone: harmless(&reading.zone),
        operator: reading
            .operator
            .as_deref()
            .map(harmless)
            .unwrap_or_default(),
        impact: impact(reading.impact),
        matters: reading.impact >= Impact::Medium,
        mark,
        word,
        says,
        reasons,
        self_test: self_test(&reading.listing),
        took: time::length(reading.elapsed_ms),
        // Without a test, the page says once that the test comes first, and not at each list.
        advice: match relay.is_some() || reading.impact == Impact::Ignorable {
            true => pieces(&advice(reading, relay)),
            false => Vec::new(),
        },
    }
}

fn words(listing: &Listing) -> (Vec<String>, Vec<String>) {
    match listing {
        Listing::Listed { entries, reasons } => {
            let says = entries.iter().map(|entry| match &entry.meaning {
                Some(meaning) => format!("{}: {}", entry.answer, harmless(meaning)),
                None => entry.answer.to_string(),
            });
            (says.collect(), reasons.iter().map(ToString::to_string).collect())
        }
        Listing::Unknown { why, answers } => {
            let answers: Vec<_> = answers.iter().map(ToString::to_string).collect();
            let answered = if answers.is_empty() {
                String::new()
            } else {
                format!(" ({})", answers.join(", "))
            };
            (vec![format!("{}{answered}", capital(why.clause()))], Vec::new())
        }
        Listing::Dead { evidence } => (vec![harmless(evidence)], Vec::new()),
        Listing::NotListed | Listing::NeedsKey => (Vec::new(), Vec::new()),
    }
}

fn capital(clause: &str) -> String {
    let mut letters = clause.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

fn impact(impact: Impact) -> &'static str {
    match impact {
        Impact::High => "to very many",
        Impact::Medium => "to some",
        Impact::Low => "to few",
        Impact::Ignorable => "to hardly anybody",
    }
}

/// How the list's own test went (RFC 5782 section 5).
fn self_test(listing: &Listing) -> &'static str {
    match listing {
        Listing::Listed { .. } | Listing::NotListed => "passed",
        Listing::Unknown {
            why:
                UnknownReason::SelfTestMissed
                | UnknownReason::ListsEverything
                | UnknownReason::Rewritten,
            ..
        } => "failed",
        Listing::Unknown { .. } => "no result",
        Listing::Dead { .. } | Listing::NeedsKey => "not asked",
    }
}

/// Splits sentences into words and links. The sentences are our own, from the table of lists, so
/// every link in them may be shown.
fn pieces(sentences: &[String]) -> Vec<Piece> {
    let words = sentences.iter().flat_map(|sentence| sentence.split(' '));
    let mut pieces: Vec<Piece> = Vec::new();
    for word in words {
        match (word.starts_with("https://") || word.starts_with("http://"), pieces.last_mut()) {
            (true, _) => pieces.push(Piece::Address(word.to_owned())),
            (false, Some(Piece::Words(text))) => {
                text.push(' ');
                text.push_str(word);
            }
            (false, _) => pieces.push(Piece::Words(word.to_owned())),
        }
    }
    pieces
}
