//! Proof of control: over a domain by DNS, over a server by a code that it takes in or gives out.
//!
//! | method | what is done | over what it proves control |
//! |---|---|---|
//! | `dns` | a TXT record at `_norelay.DOMAIN` | the domain, and addresses whose reverse names are in it |
//! | `mail` | a code is mailed to `postmaster@DOMAIN` through the server | the address that it went through |
//! | `connect` | somebody connects from the server and reads a code (`connect_back`) | the address that they came from |
//!
//! Rules:
//! - What has to be shown is made by us, for one asker and one subject, and can't be guessed.
//! - A wrong answer counts, and after a few there are no more.
//! - The mail goes to postmaster at the domain and to nobody else, through the server and no other,
//!   a few times a day.
//! - Opting out needs the same proofs as testing.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use data_encoding::BASE32_NOPAD;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    asking::PlannedDialogue,
    event::{Event, Path, Record},
    octets::Octets,
    smtp::{Hello, Purpose, Security, Stage, Step, Transaction},
    token::TokenKey,
};
use norelay_probe::{
    drive::{Alone, drive},
    network::{Internet, Network},
    record::Recorder,
    target::{Host, Target, host_name},
};
use sha2::{Digest, Sha256};

use crate::{
    AppState, Asker, JobId, Refusal, Store, StoreError,
    rules::permission::RESOLUTION,
    run::tester::Fence,
    store::{Budget, Challenge, Owner, Subject},
};

/// How long a code counts.
pub const CODE_LIFE: SignedDuration = SignedDuration::from_mins(30);
/// How long a proof counts for a user network, which may be somebody else's tomorrow.
const LIFE_OF_NETWORK: SignedDuration = SignedDuration::from_hours(24);
/// How long it counts for an API key.
const LIFE_OF_KEY: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Wrong answers to one challenge.
const MAX_ATTEMPTS: u32 = 5;
/// Answers an hour of one asker, right or wrong.
const ANSWERS_HOURLY: u32 = 60;
/// Mails a day to one domain, and through one server.
const MAILS_DAILY: u32 = 3;
/// How long a reply of the server may take while the code is mailed.
const REPLY_TIMEOUT: Duration = Duration::from_secs(45);
/// How long the whole mailing may take.
const MAIL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long [`mail_code`] takes at most, for who asks waits for what the server says.
pub const LONGEST_MAILING: Duration =
    Duration::from_secs(RESOLUTION.as_secs() + MAIL_TIMEOUT.as_secs());

/// The TXT record that proves control over a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtRecord {
    /// Where it belongs.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// The record that an asker has to publish for a domain. It is the same each time.
///
/// # Errors
/// The text isn't a domain.
pub fn txt_record(key: &TokenKey, asker: &Asker, domain: &str) -> Result<TxtRecord, Refusal> {
    let domain = host_name(domain).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let mut hmac =
        Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes a key of any length");
    hmac.update(format!("proof by dns\0{}\0{domain}", asker.bucket()).as_bytes());
    let octets = hmac.finalize().into_bytes();
    let code = BASE32_NOPAD.encode(&octets[..16]).to_ascii_lowercase();
    Ok(TxtRecord { name: format!("_norelay.{domain}"), value: format!("norelay-verify={code}") })
}

/// Looks for the record, and keeps the proof.
///
/// # Errors
/// It isn't there, or not yet.
pub async fn check_txt(state: &AppState, asker: &Asker, domain: &str) -> Result<Owner, Refusal> {
    let wanted = txt_record(&state.runs.proof_key(), asker, domain)?;
    count_answer(state, asker).await?;
    let texts = state.runs.permission().names().texts(&wanted.name).await;
    let texts = texts.map_err(|error| Refusal::Malformed(error.to_string()))?;
    if !texts.iter().any(|text| text.trim() == wanted.value) {
        return Err(Refusal::Forbidden(format!(
            "There is no TXT record at {} that says {}: publish it and try again; a new record \
             may take some minutes to be seen.",
            wanted.name, wanted.value
        )));
    }
    let domain = wanted.name.trim_start_matches("_norelay.").to_owned();
    keep(state, asker, Subject::Domain(domain), "DNS").await
}

/// Mails a code to postmaster at a domain, through the server at an address that the domain's mail
/// goes to.
///
/// # Errors
/// The address isn't one of the domain's, or mustn't be connected to; the server doesn't take the
/// mail.
pub async fn mail_code(
    state: &AppState,
    mailer: &dyn Mailer,
    asker: &Asker,
    domain: &str,
    address: IpAddr,
) -> Result<Challenge, Refusal> {
    let domain = host_name(domain).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let permission = state.runs.permission();
    let target = Target { host: Host::MailDomain(domain.clone()), port: None };
    let resolving = tokio::time::timeout(RESOLUTION, permission.names().exchangers(&target)).await;
    let exchangers = resolving
        .map_err(|_| {
            Refusal::Malformed(format!("{domain} could not be looked up in time: try again."))
        })?
        .map_err(|error| Refusal::Malformed(error.to_string()))?;
    // Otherwise anybody could have mail sent to anybody's server.
    if !exchangers
        .iter()
        .any(|exchanger| exchanger.addresses.contains(&address))
    {
        return Err(Refusal::Forbidden(format!("{address} is not a mail exchanger of {domain}.")));
    }
    if let Some(class) = permission.rule().objection(address) {
        return Err(Refusal::Forbidden(format!("{address} is {class}.")));
    }
    let now = Timestamp::now();
    let day = SignedDuration::from_hours(24);
    let daily = |bucket: String| Budget { bucket, limit: MAILS_DAILY, window: day };
    let budgets = [
        daily(format!("mail:{domain}")),
        daily(format!("mail:{address}")),
        daily(format!("mail-asker:{}", asker.bucket())),
    ];
    if let Err(exceeded) = state
        .store
        .spend(now, &budgets)
        .await
        .map_err(Refusal::Store)?
    {
        let why = "Enough codes were mailed there for today.".to_owned();
        return Err(Refusal::Limited { why, until: exceeded.until });
    }
    let code = JobId::random().to_string();
    let challenge = Challenge {
        id: JobId::random(),
        subject: Subject::Network(host_network(address)),
        asker: asker.bucket(),
        method: "mail".to_owned(),
        purpose: domain.clone(),
        secret: digest(&code),
        attempts: 0,
        created: now,
        expires: now + CODE_LIFE,
    };
    state
        .store
        .create_challenge(&challenge)
        .await
        .map_err(Refusal::Store)?;
    let letter = letter(state, &domain, &code);
    mailer.mail(address, letter).await.map_err(|why| {
        Refusal::Forbidden(format!(
            "{address} did not take the mail for postmaster@{domain}: {why}"
        ))
    })?;
    Ok(challenge)
}

/// Checks the code that was mailed, and keeps the proof.
///
/// # Errors
/// It is wrong, or too late, or was tried too often.
pub async fn check_mailed(
    state: &AppState,
    asker: &Asker,
    id: JobId,
    code: &str,
) -> Result<Owner, Refusal> {
    count_answer(state, asker).await?;
    let wrong = || {
        Refusal::Forbidden("This code is wrong, has expired, or was tried too often.".to_owned())
    };
    let challenge = match state
        .store
        .try_challenge(id, Timestamp::now(), MAX_ATTEMPTS)
        .await
    {
        Ok(challenge) => challenge,
        Err(StoreError::NotFound) => return Err(wrong()),
        Err(error) => return Err(Refusal::Store(error)),
    };
    let is_right =
        bool::from(subtle::ConstantTimeEq::ct_eq(&challenge.secret[..], &digest(&tidy(code))[..]));
    if !is_right || challenge.method != "mail" || challenge.asker != asker.bucket() {
        return Err(wrong());
    }
    meet(state, asker, challenge, "mail to postmaster").await
}

/// A code for whoever can read what is sent to a connection from this address.
///
/// # Errors
/// The store's.
pub async fn code_for_address(
    store: &Store,
    address: IpAddr,
    now: Timestamp,
) -> Result<String, StoreError> {
    let id = JobId::random();
    let challenge = Challenge {
        id,
        subject: Subject::Network(host_network(address)),
        asker: String::new(),
        method: "connect".to_owned(),
        purpose: String::new(),
        secret: Vec::new(),
        attempts: 0,
        created: now,
        expires: now + CODE_LIFE,
    };
    store.create_challenge(&challenge).await?;
    Ok(id.to_string())
}

/// Checks a code that a connection was told, and keeps the proof.
///
/// # Errors
/// There is no such code.
pub async fn check_connected(
    state: &AppState,
    asker: &Asker,
    code: &str,
) -> Result<Owner, Refusal> {
    count_answer(state, asker).await?;
    let wrong = || Refusal::Forbidden("This code is wrong or has expired.".to_owned());
    let id: JobId = tidy(code).parse().map_err(|_| wrong())?;
    match state.store.challenge(id, Timestamp::now()).await {
        Ok(challenge) if challenge.method == "connect" => {
            meet(state, asker, challenge, "connect-back").await
        }
        Ok(_) | Err(StoreError::NotFound) => Err(wrong()),
        Err(error) => Err(Refusal::Store(error)),
    }
}

/// Keeps an opt-out of a network over all of which who asks has shown control.
///
/// # Errors
/// No proof covers it.
pub async fn opt_out(state: &AppState, asker: &Asker, network: &IpNet) -> Result<(), Refusal> {
    let proof = covering(state, asker, network).await?;
    state
        .store
        .opt_out(network, &proof, Timestamp::now())
        .await
        .map_err(Refusal::Store)
}

/// Takes an opt-out back.
///
/// # Errors
/// No proof covers it, or there is none.
pub async fn opt_in(state: &AppState, asker: &Asker, network: &IpNet) -> Result<(), Refusal> {
    covering(state, asker, network).await?;
    state.store.opt_in(network).await.map_err(Refusal::Store)
}

/// The proof that covers a whole network.
async fn covering(state: &AppState, asker: &Asker, network: &IpNet) -> Result<String, Refusal> {
    if !state.config.public || asker.may(crate::store::Scope::Admin) {
        return Ok("the operator".to_owned());
    }
    let of_key = asker
        .key
        .iter()
        .filter(|_| asker.may(crate::store::Scope::Prove))
        .flat_map(|key| &key.networks);
    if of_key.into_iter().any(|own| own.contains(network)) {
        return Ok("an API key".to_owned());
    }
    let owned = state
        .store
        .owned_by(&asker.bucket(), Timestamp::now())
        .await
        .map_err(Refusal::Store)?;
    let found = owned
        .into_iter()
        .find(|owner| matches!(&owner.subject, Subject::Network(own) if own.contains(network)));
    found.map(|owner| format!("{} {}", owner.proof, owner.subject)).ok_or_else(|| {
        Refusal::Forbidden(format!(
            "Nothing shows yet that {network} is yours: see /verify. For a whole network write to \
             {}.",
            state.config.contact.as_deref().unwrap_or("the operator")
        ))
    })
}

async fn meet(
    state: &AppState,
    asker: &Asker,
    challenge: Challenge,
    proof: &str,
) -> Result<Owner, Refusal> {
    // Of two who answer at once, one meets it.
    if !state
        .store
        .end_challenge(challenge.id)
        .await
        .map_err(Refusal::Store)?
    {
        return Err(Refusal::Forbidden("This code was used already.".to_owned()));
    }
    keep(state, asker, challenge.subject, proof).await
}

async fn keep(
    state: &AppState,
    asker: &Asker,
    subject: Subject,
    proof: &str,
) -> Result<Owner, Refusal> {
    let created = Timestamp::now();
    let life = if asker.key.is_some() { LIFE_OF_KEY } else { LIFE_OF_NETWORK };
    let owner = Owner {
        subject,
        asker: asker.bucket(),
        proof: proof.to_owned(),
        created,
        expires: created + life,
    };
    state
        .store
        .keep_owner(&owner)
        .await
        .map_err(Refusal::Store)?;
    tracing::info!(subject = %owner.subject, asker = owner.asker, proof, "control was shown");
    Ok(owner)
}

async fn count_answer(state: &AppState, asker: &Asker) -> Result<(), Refusal> {
    let bucket = format!("answer:{}", asker.bucket());
    let budget = Budget { bucket, limit: ANSWERS_HOURLY, window: SignedDuration::from_hours(1) };
    match state
        .store
        .spend(Timestamp::now(), &[budget])
        .await
        .map_err(Refusal::Store)?
    {
        Ok(()) => Ok(()),
        Err(exceeded) => Err(Refusal::Limited {
            why: "Too many answers: come back later.".to_owned(),
            until: exceeded.until,
        }),
    }
}

fn host_network(address: IpAddr) -> IpNet {
    IpNet::from(address.to_canonical())
}

fn digest(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}

/// A code as it was made, whatever people put around and into it.
fn tidy(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// A message to postmaster.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The name for EHLO.
    pub helo: Option<String>,
    /// What follows `MAIL FROM:`.
    pub reverse_path: String,
    /// What follows `RCPT TO:`.
    pub forward_path: String,
    /// The text, with CRLF.
    pub text: String,
}

fn letter(state: &AppState, domain: &str, code: &str) -> Letter {
    let identity = state.runs.identity();
    let sender = format!("norelay@{}", identity.domain);
    let service = state.config.url.as_deref().unwrap_or("a norelay service");
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_string(&Timestamp::now())
        .unwrap_or_default();
    let text = format!(
        "From: norelay <{sender}>\r\nTo: postmaster@{domain}\r\nDate: {date}\r\nMessage-ID: \
         <{}@{}>\r\n\
         Subject: norelay: a code that proves that this server is yours\r\nAuto-Submitted: \
         auto-generated\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         Somebody asked {service}\r\n\
         to test this mail server for open relaying, and says to be in charge of it.\r\n\
         If that is you, type this code there:\r\n\r\n    {code}\r\n\r\n\
         It counts for {} minutes. If it isn't you, do nothing: without the code\r\n\
         no message is sent through your server. How to be left alone is said at\r\n\
         {service}/optout\r\n",
        JobId::random(),
        identity.domain,
        CODE_LIFE.as_mins(),
    );
    Letter {
        helo: identity.helo.clone(),
        reverse_path: format!("<{sender}>"),
        forward_path: format!("<postmaster@{domain}>"),
        text,
    }
}

/// Whoever brings a letter to a server: the probe, and in tests another.
pub trait Mailer: Send + Sync {
    /// Brings it; an error says why the server didn't take it.
    fn mail(&self, address: IpAddr, letter: Letter) -> BoxFuture<'_, Result<(), String>>;
}

/// A network that letters are brought over.
#[derive(Clone, Debug)]
pub struct Post<N = Internet>(pub N);

impl<N: Network + Clone> Mailer for Post<N> {
    fn mail(&self, address: IpAddr, letter: Letter) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let exchanger = norelay_core::event::MailExchanger {
                name: None,
                preference: None,
                addresses: vec![address],
            };
            let network = Arc::new(Fence::around(self.0.clone(), &[exchanger]));
            let bringing = bring(network, address, letter);
            tokio::time::timeout(MAIL_TIMEOUT, bringing)
                .await
                .unwrap_or_else(|_| Err("it took too long".to_owned()))
        })
    }
}

async fn bring<N: Network>(network: Arc<N>, address: IpAddr, letter: Letter) -> Result<(), String> {
    let helo = letter.helo.unwrap_or_else(|| "localhost".to_owned());
    let transaction = Transaction {
        preface: Octets::default(),
        hello: Hello::Ehlo(helo),
        security: Security::Plain,
        steps: vec![
            Step::mail(&Octets::from(letter.reverse_path)),
            Step::rcpt(Purpose::Question, &Octets::from(letter.forward_path)),
        ],
        message: Some(Octets::from(letter.text)),
        pipelining: false,
        awaits_quit_reply: true,
        chunking: false,
        injects: false,
        ambiguous: false,
    };
    let way = Path { host: None, address, port: 25, security: Security::Plain };
    let planned = PlannedDialogue::alone(way, transaction.clone(), REPLY_TIMEOUT);
    let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
    let hearing = heard.clone();
    let recorder = Recorder::new(Arc::new(move |record: &Record| {
        hearing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record.event.clone());
    }));
    drive(network, &recorder, &Alone, &planned, (transaction, Vec::new())).await;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    judge(&heard)
}

/// Taken is what was answered so after the text; otherwise the last word of the server says why
/// not.
fn judge(heard: &[Event]) -> Result<(), String> {
    let mut last = "it did not answer".to_owned();
    for event in heard {
        match event {
            Event::Replied { stage: Stage::EndOfData, reply, .. } if reply.is_positive() => {
                return Ok(());
            }
            Event::Replied { reply, .. } if reply.is_negative() => last = reply.to_string(),
            Event::Ended { end: norelay_core::smtp::End::Interrupted(cause), .. } => {
                last = cause.to_string()
            }
            _ => {}
        }
    }
    Err(last)
}
