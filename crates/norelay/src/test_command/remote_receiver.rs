//! A `norelay serve` elsewhere as the receiver of a test here: `norelay test --receiver https://…`.
//!
//! A machine behind NAT can test a server, but no message can reach that machine. The service names
//! the run, gives it a key, and tells which messages came.
//!
//! Rules:
//! - The service is believed only as far as its tokens are genuine. A receipt whose addresses have
//!   no token of this run is left out.
//! - A service that doesn't answer is asked again until the test is over. The service keeps what
//!   came meanwhile.

use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use norelay_core::{
    event::Receipt,
    reception::is_genuine,
    token::{RunId, TokenKey},
};
use reqwest::{Client, RequestBuilder, Url};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tokio::sync::mpsc;

use super::proof_receiver::RunReception;
use crate::complaint::Complaint;

/// The variable with the API key, if the service wants one.
const KEY_VARIABLE: &str = "NORELAY_API_KEY";
/// How long an answer may take, beyond what it was asked to wait.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long the service is asked to wait for a message, in seconds.
const WAIT: u32 = 20;
/// The pause after an error.
const PAUSE: Duration = Duration::from_secs(2);
/// How many receipts may wait for the run.
const MAX_AWAITED: usize = 256;

/// The service, as a receiver.
pub struct RemoteReceiver {
    client: Client,
    url: Url,
    key: Option<String>,
    /// The probe domain, whose mail comes to the service.
    pub domain: String,
}

#[derive(Deserialize)]
struct ServiceDescription {
    domain: String,
    receives: bool,
}

#[derive(Deserialize)]
struct NewReception {
    id: String,
    run: RunId,
    key: String,
}

#[derive(Deserialize)]
struct StoredReceipt {
    number: i64,
    #[serde(rename = "at")]
    _at: Timestamp,
    receipt: Receipt,
}

#[derive(Deserialize)]
struct ServiceProblem {
    detail: String,
}

/// True if the text names a service, and not a file.
pub fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

impl RemoteReceiver {
    /// Asks the service what it is.
    pub async fn find(url: &str) -> Result<Self, Complaint> {
        Self::described(url)
            .await
            .map_err(|why| Complaint::usage(format!("The receiver {url} can't be used: {why}.")))
    }

    /// The service, or a clause that says what is wrong.
    async fn described(url: &str) -> Result<Self, String> {
        let base = Url::parse(&format!("{}/api/v1/", url.trim_end_matches('/')))
            .map_err(|error| error.to_string())?;
        let client = Client::builder()
            .timeout(TIMEOUT + Duration::from_secs(WAIT.into()))
            .build()
            .map_err(|error| error.to_string())?;
        let key = std::env::var(KEY_VARIABLE)
            .ok()
            .filter(|key| !key.is_empty());
        let mut service = Self { client, url: base, key, domain: String::new() };
        let described: ServiceDescription = answer(service.get("service")).await?;
        if !described.receives {
            return Err("it has no receiver".to_owned());
        }
        service.domain = norelay_probe::target::host_name(&described.domain)
            .map_err(|error| error.to_string())?;
        Ok(service)
    }

    /// Begins a run. To be called within a tokio runtime.
    pub async fn begin(&self, target: &str) -> Result<RunReception, Complaint> {
        self.begun(target).await.map_err(|why| {
            Complaint::usage(format!("The receiver {} did not begin: {why}.", self.url))
        })
    }

    /// A run's name, key and messages, or a clause that says what is wrong.
    async fn begun(&self, target: &str) -> Result<RunReception, String> {
        let wanted = self
            .authorized(self.client.post(self.at("receptions")))
            .json(&json!({"target": target}));
        let made: NewReception = answer(wanted).await?;
        let octets = HEXLOWER
            .decode(made.key.as_bytes())
            .ok()
            .and_then(|octets| octets.try_into().ok());
        let key = TokenKey::new(octets.ok_or("its key is none")?);
        let (sender, receipts) = mpsc::channel(MAX_AWAITED);
        let follower = ReceiptFollower {
            client: self.client.clone(),
            url: self.at(&format!("receptions/{}/receipts", made.id)),
            api_key: self.key.clone(),
            run: made.run,
            key: key.clone(),
        };
        tokio::spawn(follower.follow(sender));
        Ok(RunReception { run: made.run, key, receipts: Some(receipts) })
    }

    fn at(&self, path: &str) -> Url {
        self.url
            .join(path)
            .expect("the paths are ours, and ids have letters and digits")
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.authorized(self.client.get(self.at(path)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }
}

/// Follows one reception at a service.
struct ReceiptFollower {
    client: Client,
    url: Url,
    api_key: Option<String>,
    run: RunId,
    key: TokenKey,
}

impl ReceiptFollower {
    /// Hands on the receipts that come, until the run awaits no more.
    async fn follow(self, receipts: mpsc::Sender<Receipt>) {
        let mut since = 0;
        while !receipts.is_closed() {
            let mut request = self
                .client
                .get(self.url.clone())
                .query(&[("since", since), ("wait", WAIT.into())]);
            if let Some(key) = &self.api_key {
                request = request.bearer_auth(key);
            }
            let arrived: Vec<StoredReceipt> = tokio::select! {
                arrived = answer(request) => match arrived {
                    Ok(arrived) => arrived,
                    // A service that is away keeps the messages, so the question can wait.
                    Err(_) => {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
                () = receipts.closed() => return,
            };
            for StoredReceipt { number, receipt, .. } in arrived {
                since = since.max(number);
                // The service may be another's: only the run's key shows that a message is ours.
                let is_ours = receipt.token.run == self.run && is_genuine(&self.key, &receipt);
                if is_ours && receipts.send(receipt).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The answer, or a clause that says what is wrong.
async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, String> {
    let response = request.send().await.map_err(|error| clause(&error))?;
    let status = response.status();
    if status.is_success() {
        return response
            .json()
            .await
            .map_err(|_| "its answer is not understood".to_owned());
    }
    let says = response
        .json::<ServiceProblem>()
        .await
        .map(|problem| problem.detail);
    Err(says.map_or_else(
        |_| format!("it answers {status}"),
        |says| says.trim_end_matches('.').to_owned(),
    ))
}

/// The innermost cause of an error. The outer causes name the address, which the sentence of the
/// complaint has already.
fn clause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    norelay_core::octets::Octets::from(cause.to_string()).to_string()
}
