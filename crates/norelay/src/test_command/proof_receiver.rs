//! Where the messages that prove a relay are seen: in this process, in a spool, or at a service.

use std::path::Path;

use norelay_core::{
    event::Receipt,
    token::{RunId, TokenKey},
};
use norelay_probe::{identity::Identity, key_file, receipt_source::ReceiptSource};
use tokio::sync::mpsc;

use super::{
    options::TestOptions,
    remote_receiver::{self, RemoteReceiver},
};
use crate::complaint::Complaint;

/// What sees the messages that come back.
pub enum ProofReceiver {
    /// Nothing: no message is sent.
    Missing,
    /// A receiver in this process, or the spool of one that runs elsewhere.
    Source(ReceiptSource),
    /// A `norelay serve` that runs elsewhere.
    Remote(RemoteReceiver),
}

/// A run's name and key, and the messages that come back to the run.
pub struct RunReception {
    /// The run's name.
    pub run: RunId,
    /// The run's own key.
    pub key: TokenKey,
    /// The messages. Without a receiver, nothing is sent past RCPT.
    pub receipts: Option<mpsc::Receiver<Receipt>>,
}

impl ProofReceiver {
    /// The receiver that the options name, unless a service is one already.
    pub fn prepare(options: &TestOptions, identity: &Identity) -> Result<Self, Complaint> {
        let is_domain_given = options.probe.domain.is_some();
        let proof = &options.proof;
        if !proof.receive.is_empty() {
            return match is_domain_given {
                true => built_in(options, identity),
                false => Err(Complaint::usage(
                    "A receiver needs --domain: the domain whose mail comes to it.",
                )),
            };
        }
        match (&proof.receiver, &proof.key_file) {
            (None, _) => Ok(Self::Missing),
            (Some(url), _) if remote_receiver::is_url(url) => Ok(Self::Missing),
            (Some(spool), Some(key_file)) if is_domain_given => {
                let source = ReceiptSource::spool(Path::new(spool), key_file);
                source.map(Self::Source).map_err(|error| unusable(&error))
            }
            (Some(_), _) => Err(Complaint::usage("A spool needs --domain and --key-file as well.")),
        }
    }

    /// Begins a new run at this target.
    pub async fn begin(&self, target: &str) -> Result<RunReception, Complaint> {
        match self {
            Self::Remote(service) => service.begin(target).await,
            _ => self.reception_of(RunId(rand::random())),
        }
    }

    /// The key and the messages of a run that has a name already.
    pub fn reception_of(&self, run: RunId) -> Result<RunReception, Complaint> {
        match self {
            Self::Source(source) => {
                let receipts = source.receipts_of(run).map_err(|error| unusable(&error))?;
                Ok(RunReception { run, key: source.key_of(run), receipts: Some(receipts) })
            }
            Self::Remote(_) | Self::Missing => {
                Ok(RunReception { run, key: TokenKey::new(rand::random()), receipts: None })
            }
        }
    }
}

/// A receiver in this process.
fn built_in(options: &TestOptions, identity: &Identity) -> Result<ProofReceiver, Complaint> {
    // With a key of its own, a run that is resumed knows the messages that it sent before.
    let key = match &options.proof.key_file {
        Some(path) => {
            key_file::read_or_make(path)
                .map_err(|error| unusable(&error))?
                .0
        }
        None => TokenKey::new(rand::random()),
    };
    let name = identity.helo.as_ref().unwrap_or(&identity.domain);
    let domains = [identity.domain.clone()];
    let source = ReceiptSource::here(&options.proof.receive, name, &domains, key);
    source
        .map(ProofReceiver::Source)
        .map_err(|error| unusable(&error))
}

/// A file or socket of the receiver can't be used.
fn unusable(error: &std::io::Error) -> Complaint {
    Complaint::usage(error.to_string())
}
