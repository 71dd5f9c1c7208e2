//! Opting out: whose network it is, takes it out, with the same proofs as for testing.

use std::net::IpAddr;

use askama::Template;
use axum::{Form, extract::State, http::StatusCode, response::Response};
use ipnet::IpNet;
use serde::Deserialize;

use super::{
    problem_page,
    shell::{self, Shell},
};
use crate::{
    http::state::AppState,
    rules::{client::Client, opt_out, refusal::Refusal},
    store::StoreError,
};

#[derive(Template)]
#[template(path = "pages/optout.html")]
struct OptOutPage<'a> {
    shell: Shell,
    contact: Option<&'a str>,
    network: &'a str,
    problem: &'a str,
    done: &'a str,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OptOutForm {
    network: String,
    /// `out` or `in`.
    what: String,
}

/// `GET /optout`
pub async fn show(State(state): State<AppState>) -> Response {
    page(&state, StatusCode::OK, "", "", "")
}

/// `POST /optout`
pub async fn change(
    State(state): State<AppState>,
    asker: Client,
    Form(asked): Form<OptOutForm>,
) -> Response {
    let network = asked.network.trim();
    let Some(parsed) = network_of(network) else {
        let problem = "Type a network, such as 192.0.2.0/24, or one address.";
        return page(&state, StatusCode::UNPROCESSABLE_ENTITY, network, problem, "");
    };
    let (outcome, done) = match asked.what.as_str() {
        "in" => (
            opt_out::opt_in(&state.config, &state.store, &asker, &parsed).await,
            format!("{parsed} may be tested again."),
        ),
        _ => (
            opt_out::opt_out(&state.config, &state.store, &asker, &parsed).await,
            format!("{parsed} is no longer tested from here."),
        ),
    };
    match outcome {
        Ok(()) => page(&state, StatusCode::OK, network, "", &done),
        Err(Refusal::Store(StoreError::NotFound)) => {
            page(&state, StatusCode::NOT_FOUND, network, "This network has not opted out.", "")
        }
        Err(Refusal::Forbidden(why)) => page(&state, StatusCode::FORBIDDEN, network, &why, ""),
        Err(refusal) => problem_page::refused(&state, refusal),
    }
}

/// A network, or an address as the network of one.
fn network_of(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>()
        .ok()
        .or_else(address)
        .map(|network| network.trunc())
}

fn page(
    state: &AppState,
    status: StatusCode,
    network: &str,
    problem: &str,
    done: &str,
) -> Response {
    let shell = Shell::new(state, "/optout", "Opt out");
    let contact = state.config.contact.as_deref();
    shell::page(status, &OptOutPage { shell, contact, network, problem, done })
}
