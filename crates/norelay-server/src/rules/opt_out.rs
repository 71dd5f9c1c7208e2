//! Opting out: the owner of a network has it left alone.
//!
//! Rules:
//! - Opting out, and taking an opt-out back, need the same proofs of control as testing.

use ipnet::IpNet;
use jiff::Timestamp;

use super::{client::Client, refusal::Refusal};
use crate::{
    config::Settings,
    store::{ProofSubject, Scope, Store},
};

/// Keeps an opt-out of a network over all of which who asks has shown control.
///
/// # Errors
/// No proof covers it.
pub async fn opt_out(
    config: &Settings,
    store: &Store,
    asker: &Client,
    network: &IpNet,
) -> Result<(), Refusal> {
    let proof = covering(config, store, asker, network).await?;
    store
        .opt_out(network, &proof, Timestamp::now())
        .await
        .map_err(Refusal::Store)
}

/// Takes an opt-out back.
///
/// # Errors
/// No proof covers it, or there is none.
pub async fn opt_in(
    config: &Settings,
    store: &Store,
    asker: &Client,
    network: &IpNet,
) -> Result<(), Refusal> {
    covering(config, store, asker, network).await?;
    store.opt_in(network).await.map_err(Refusal::Store)
}

/// The proof that covers a whole network.
async fn covering(
    config: &Settings,
    store: &Store,
    asker: &Client,
    network: &IpNet,
) -> Result<String, Refusal> {
    if !config.public || asker.may(Scope::Admin) {
        return Ok("the operator".to_owned());
    }
    let of_key = asker
        .key
        .iter()
        .filter(|_| asker.may(Scope::Prove))
        .flat_map(|key| &key.networks);
    if of_key.into_iter().any(|own| own.contains(network)) {
        return Ok("an API key".to_owned());
    }
    let owned = store.owned_by(&asker.bucket(), Timestamp::now()).await?;
    let found = owned.into_iter().find(
        |owner| matches!(&owner.subject, ProofSubject::Network(own) if own.contains(network)),
    );
    found.map(|owner| format!("{} {}", owner.proof, owner.subject)).ok_or_else(|| {
        Refusal::Forbidden(format!(
            "Nothing shows yet that {network} is yours: see /verify. For a whole network write to \
             {}.",
            config.contact.as_deref().unwrap_or("the operator")
        ))
    })
}
