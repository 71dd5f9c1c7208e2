//! Proof of control, by forms: what has to be shown, and whether it is.
//!
//! Rules:
//! - Every way works without scripts: a form shows what to do, another one checks it.
//! - What counts and for how long is decided in `proof`; this only asks and tells.

use std::net::IpAddr;

use askama::Template;
use axum::{
    Form,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    problem_page,
    shell::{self, Shell},
    view::time,
};
use crate::{
    http::{problem::correctable, state::AppState},
    rules::{client::Client, control::TxtRecord, mailing::Post, refusal::Refusal},
    store::Owner,
};

#[derive(Template)]
#[template(path = "pages/verify.html")]
struct Verify {
    shell: Shell,
    /// The form in which something went wrong, and the sentence about it.
    problem: Option<(&'static str, String)>,
    /// The proofs: their subject, how control was shown, and until when the proof counts.
    shown: Vec<(String, String, String)>,
    domain: String,
    record: Option<TxtRecord>,
    /// A code that was mailed: its name, its recipient, and until when the code counts.
    mailed: Option<(String, String, String)>,
    /// Host and port to connect to.
    door: Option<(String, String)>,
}

/// The fields of all forms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ControlForm {
    domain: String,
    address: String,
    id: String,
    code: String,
}

/// A page under way.
struct Draft<'a> {
    state: &'a AppState,
    asker: &'a Client,
    asked: &'a ControlForm,
}

/// `GET /verify?domain=…`
pub async fn verify(
    State(state): State<AppState>,
    asker: Client,
    Query(asked): Query<ControlForm>,
) -> Response {
    let draft = Draft { state: &state, asker: &asker, asked: &asked };
    if asked.domain.is_empty() {
        return draft.page(StatusCode::OK, None, None).await;
    }
    match state.runs.control().txt_record(&asker, &asked.domain) {
        Ok(_) => draft.page(StatusCode::OK, None, None).await,
        Err(refusal) => draft.refused("dns", refusal).await,
    }
}

/// `POST /verify/dns`: looks for the record.
pub async fn dns(
    State(state): State<AppState>,
    asker: Client,
    Form(asked): Form<ControlForm>,
) -> Response {
    let draft = Draft { state: &state, asker: &asker, asked: &asked };
    draft
        .answer("dns", state.runs.control().check_txt(&asker, &asked.domain).await)
        .await
}

/// `POST /verify/mail`: has a code mailed.
pub async fn mail(
    State(state): State<AppState>,
    asker: Client,
    Form(asked): Form<ControlForm>,
) -> Response {
    let draft = Draft { state: &state, asker: &asker, asked: &asked };
    let Ok(address) = asked.address.trim().parse::<IpAddr>() else {
        let why = "Type the address of the server that takes the domain's mail, such as 192.0.2.7."
            .to_owned();
        return draft.refused("mail", Refusal::Malformed(why)).await;
    };
    let post = Post(state.config.network());
    match state
        .runs
        .control()
        .mail_code(&post, &asker, &asked.domain, address)
        .await
    {
        Ok(challenge) => {
            let to = format!("postmaster@{}", asked.domain);
            let mailed = (challenge.id.to_string(), to, time::clock(challenge.expires));
            draft.page(StatusCode::OK, None, Some(mailed)).await
        }
        Err(refusal) => draft.refused("mail", refusal).await,
    }
}

/// `POST /verify/mailed`: checks the code that was mailed.
pub async fn mailed(
    State(state): State<AppState>,
    asker: Client,
    Form(asked): Form<ControlForm>,
) -> Response {
    let draft = Draft { state: &state, asker: &asker, asked: &asked };
    let outcome = match asked.id.parse() {
        Ok(id) => {
            state
                .runs
                .control()
                .check_mailed(&asker, id, &asked.code)
                .await
        }
        Err(_) => Err(Refusal::Malformed("Have a code mailed first.".to_owned())),
    };
    draft.answer("mail", outcome).await
}

/// `POST /verify/connect`: checks the code that a connection was told.
pub async fn connect(
    State(state): State<AppState>,
    asker: Client,
    Form(asked): Form<ControlForm>,
) -> Response {
    let draft = Draft { state: &state, asker: &asker, asked: &asked };
    draft
        .answer(
            "connect",
            state
                .runs
                .control()
                .check_connected(&asker, &asked.code)
                .await,
        )
        .await
}

impl Draft<'_> {
    /// The answer to a form that checks a proof: the list of proofs, or the form with what is
    /// wrong.
    async fn answer(&self, form: &'static str, outcome: Result<Owner, Refusal>) -> Response {
        match outcome {
            Ok(_) => Redirect::to("/verify#shown").into_response(),
            Err(refusal) => self.refused(form, refusal).await,
        }
    }

    async fn refused(&self, form: &'static str, refusal: Refusal) -> Response {
        match correctable(refusal) {
            Ok((status, why)) => self.page(status, Some((form, why)), None).await,
            Err(refusal) => problem_page::refused(self.state, refusal),
        }
    }

    async fn page(
        &self,
        status: StatusCode,
        problem: Option<(&'static str, String)>,
        mailed: Option<(String, String, String)>,
    ) -> Response {
        let owned = self
            .state
            .store
            .owned_by(&self.asker.bucket(), Timestamp::now())
            .await
            // Without the list of proofs, the forms still work.
            .unwrap_or_default();
        let line =
            |owner: Owner| (owner.subject.to_string(), owner.proof, time::stamp(owner.expires));
        let control = self.state.runs.control();
        let page = Verify {
            shell: Shell::new(self.state, "/verify", "Proof of control"),
            problem,
            shown: owned.into_iter().map(line).collect(),
            record: control.txt_record(self.asker, &self.asked.domain).ok(),
            domain: self.asked.domain.clone(),
            mailed: mailed.or_else(|| self.mailed_before()),
            door: door(self.state),
        };
        shell::page(status, &page)
    }

    /// Returns the code that was mailed before, so that a typing error can be corrected.
    fn mailed_before(&self) -> Option<(String, String, String)> {
        let id: crate::store::JobId = self.asked.id.parse().ok()?;
        Some((id.to_string(), "postmaster".to_owned(), String::new()))
    }
}

/// Where to connect to for a code: `HOST:PORT` in two words, as `nc` wants them.
fn door(state: &AppState) -> Option<(String, String)> {
    let settings = &state.config.connect_back;
    let shown = settings
        .shown
        .clone()
        .or_else(|| settings.listen.first().map(ToString::to_string))?;
    let (host, port) = shown.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.to_owned()))
}
