//! Proofs of control.

use std::net::IpAddr;

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::extract::{Body, Id, QueryParameters};
use crate::{
    http::{problem::Problem, state::AppState},
    rules::{client::Client, mailing::Post},
    store::Owner,
};

/// A proof that counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Proof)]
pub(super) struct ShownProof {
    /// Over what: a domain or a network.
    #[schema(example = "192.0.2.7/32")]
    subject: String,
    /// How it was given.
    method: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// Until when it counts.
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
}

impl From<Owner> for ShownProof {
    fn from(owner: Owner) -> Self {
        Self {
            subject: owner.subject.to_string(),
            method: owner.proof,
            created: owner.created,
            expires: owner.expires,
        }
    }
}

/// List your proofs.
///
/// Yours are those of the API key that is shown, or of your network (/24 or /64).
#[utoipa::path(
    get, path = "/proofs", tag = "proofs", operation_id = "listProofs", security((), ("key" = [])),
    responses((status = 200, description = "Those that count now, newest \
                                            first.", body = Vec<ShownProof>))
)]
pub(super) async fn list(
    State(state): State<AppState>,
    asker: Client,
) -> Result<Json<Vec<ShownProof>>, Problem> {
    let owned = state
        .store
        .owned_by(&asker.bucket(), Timestamp::now())
        .await?;
    Ok(Json(owned.into_iter().map(ShownProof::from).collect()))
}

/// A domain.
#[derive(Debug, Deserialize, ToSchema, utoipa::IntoParams)]
#[schema(as = Domain)]
#[serde(deny_unknown_fields)]
pub(super) struct ProvedDomain {
    /// The domain.
    #[schema(example = "example.net")]
    domain: String,
}

/// A TXT record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Record)]
pub(super) struct ShownRecord {
    /// Where it belongs.
    #[schema(example = "_norelay.example.net")]
    name: String,
    /// What it says.
    value: String,
}

/// Read which TXT record proves control over a domain.
#[utoipa::path(
    get, path = "/proofs/dns", tag = "proofs", operation_id = "showProofRecord", security((),
        ("key" = [])),
    params(ProvedDomain),
    responses(
        (status = 200, description = "The record to publish.", body = ShownRecord),
        (status = 422, description = "That is no domain.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn record(
    State(state): State<AppState>,
    asker: Client,
    QueryParameters(asked): QueryParameters<ProvedDomain>,
) -> Result<Json<ShownRecord>, Problem> {
    let record = state.runs.control().txt_record(&asker, &asked.domain)?;
    Ok(Json(ShownRecord { name: record.name, value: record.value }))
}

/// Prove control over a domain by the TXT record.
///
/// It counts for hosts in the domain whose addresses have reverse names in it.
#[utoipa::path(
    post, path = "/proofs/dns", tag = "proofs", operation_id = "proveByDns", security((),
        ("key" = [])),
    request_body = ProvedDomain,
    responses(
        (status = 201, description = "The record is there.", body = ShownProof),
        (status = 403, description = "It isn't.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many tries.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn dns(
    State(state): State<AppState>,
    asker: Client,
    Body(asked): Body<ProvedDomain>,
) -> Result<(StatusCode, Json<ShownProof>), Problem> {
    let owner = state
        .runs
        .control()
        .check_txt(&asker, &asked.domain)
        .await?;
    Ok((StatusCode::CREATED, Json(owner.into())))
}

/// Through which server a code is to be mailed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mail {
    /// The domain whose postmaster gets the code.
    #[schema(example = "example.net")]
    domain: String,
    /// The address of the server, one of the domain's mail exchangers.
    #[schema(value_type = String, example = "192.0.2.7")]
    address: IpAddr,
}

/// A code is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Mailed {
    /// The name of the proof that was begun.
    id: String,
    /// Until when the code can be given.
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
}

/// Have a code mailed to postmaster, through the server.
#[utoipa::path(
    post, path = "/proofs/mail", tag = "proofs", operation_id = "mailProofCode", security((),
        ("key" = [])),
    request_body = Mail,
    responses(
        (status = 202, description = "The server has taken it.", body = Mailed),
        (status = 403, description = "The server isn't the domain's, or didn't take \
                                      it.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Enough for today.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn mail(
    State(state): State<AppState>,
    asker: Client,
    Body(asked): Body<Mail>,
) -> Result<(StatusCode, Json<Mailed>), Problem> {
    let post = Post(state.config.network());
    let challenge = state
        .runs
        .control()
        .mail_code(&post, &asker, &asked.domain, asked.address)
        .await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(Mailed { id: challenge.id.to_string(), expires: challenge.expires }),
    ))
}

/// A code.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Code)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofCode {
    /// The code, as it was shown.
    code: String,
}

/// Prove control over a server by the code that was mailed.
#[utoipa::path(
    post, path = "/proofs/mail/{id}", tag = "proofs", operation_id = "proveByMail", security((),
        ("key" = [])),
    params(("id" = String, Path, description = "The name of the proof that was begun.")),
    request_body = ProofCode,
    responses(
        (status = 201, description = "It is the code.", body = ShownProof),
        (status = 403, description = "It isn't.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many tries.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn mailed(
    State(state): State<AppState>,
    asker: Client,
    Id(id): Id,
    Body(asked): Body<ProofCode>,
) -> Result<(StatusCode, Json<ShownProof>), Problem> {
    let owner = state
        .runs
        .control()
        .check_mailed(&asker, id, &asked.code)
        .await?;
    Ok((StatusCode::CREATED, Json(owner.into())))
}

/// Prove control over a server by the code that a connection from it was told.
#[utoipa::path(
    post, path = "/proofs/connect", tag = "proofs", operation_id = "proveByConnection", security((),
        ("key" = [])),
    request_body = ProofCode,
    responses(
        (status = 201, description = "It is a code.", body = ShownProof),
        (status = 403, description = "It isn't.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many tries.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn connect(
    State(state): State<AppState>,
    asker: Client,
    Body(asked): Body<ProofCode>,
) -> Result<(StatusCode, Json<ShownProof>), Problem> {
    let owner = state
        .runs
        .control()
        .check_connected(&asker, &asked.code)
        .await?;
    Ok((StatusCode::CREATED, Json(owner.into())))
}
