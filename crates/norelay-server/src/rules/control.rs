//! Proof of control: over a domain by DNS, over a server by a code that the server passes on.
//!
//! | method | what is done | over what it proves control |
//! |---|---|---|
//! | `dns` | a TXT record at `_norelay.DOMAIN` | the domain, and addresses whose reverse names are in it |
//! | `mail` | a code is mailed to `postmaster@DOMAIN` through the server | the address that it went through |
//! | `connect` | somebody connects from the server and reads a code | the address that they came from |
//!
//! Rules:
//! - What has to be shown is made by the service, for one client and one subject, and can't be
//!   guessed.
//! - A wrong answer counts, and after a few wrong answers a challenge ends.
//! - The mail goes to postmaster at the domain and to nobody else, through the server and no other,
//!   a few times a day.

use std::{net::IpAddr, sync::Arc, time::Duration};

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use norelay_core::token::TokenKey;
use norelay_probe::{
    identity::Identity,
    target::{Host, Target, host_name},
};
use sha2::{Digest, Sha256};

use super::{
    address,
    client::Client,
    mailing::{Letter, MAIL_TIMEOUT, Mailer},
    permission::{Permission, RESOLUTION},
    refusal::Refusal,
};
use crate::{
    config::Settings,
    store::{Budget, Challenge, JobId, Owner, ProofSubject, Store, StoreError},
};

/// How long a code counts.
pub const CODE_LIFE: SignedDuration = SignedDuration::from_mins(30);
/// How long a proof counts for a user network, which may be somebody else's tomorrow.
const LIFE_OF_NETWORK: SignedDuration = SignedDuration::from_hours(24);
/// How long a proof counts for an API key.
const LIFE_OF_KEY: SignedDuration = SignedDuration::from_hours(24 * 90);
/// The most wrong answers to one challenge.
const MAX_ATTEMPTS: u32 = 5;
/// The most answers an hour of one client, right or wrong.
const ANSWERS_HOURLY: u32 = 60;
/// The most mails a day to one domain, and through one server.
const MAILS_DAILY: u32 = 3;
/// The most codes an hour for connections from one network.
const CONNECTIONS_HOURLY: u32 = 20;
/// How long [`Control::mail_code`] may take: the client waits for what the server says.
pub const LONGEST_MAILING: Duration =
    Duration::from_secs(RESOLUTION.as_secs() + MAIL_TIMEOUT.as_secs());

/// The TXT record that proves control over a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtRecord {
    /// The name that the record belongs to.
    pub name: String,
    /// What the record says.
    pub value: String,
}

/// Asks for proofs of control, checks them and keeps them; cheap to clone.
#[derive(Clone)]
pub struct Control {
    config: Arc<Settings>,
    store: Store,
    permission: Permission,
    identity: Identity,
    key: TokenKey,
}

impl Control {
    /// Proofs of control under these settings; `key` makes the texts that have to be shown.
    #[must_use]
    pub fn new(
        config: Arc<Settings>,
        store: Store,
        permission: Permission,
        identity: Identity,
        key: TokenKey,
    ) -> Self {
        Self { config, store, permission, identity, key }
    }

    /// The record that a client has to publish for a domain. The record is the same each time.
    ///
    /// # Errors
    /// The text isn't a domain.
    pub fn txt_record(&self, asker: &Client, domain: &str) -> Result<TxtRecord, Refusal> {
        let domain = host_name(domain).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.key.expose())
            .expect("HMAC takes a key of any length");
        // The client is in the text, so a record that one client published proves nothing for
        // another.
        hmac.update(format!("proof by dns\0{}\0{domain}", asker.bucket()).as_bytes());
        let octets = hmac.finalize().into_bytes();
        let code = BASE32_NOPAD.encode(&octets[..16]).to_ascii_lowercase();
        Ok(TxtRecord {
            name: format!("_norelay.{domain}"),
            value: format!("norelay-verify={code}"),
        })
    }

    /// Looks for the record, and keeps the proof.
    ///
    /// # Errors
    /// The record isn't there, or not yet.
    pub async fn check_txt(&self, asker: &Client, domain: &str) -> Result<Owner, Refusal> {
        let wanted = self.txt_record(asker, domain)?;
        // Counted before the look-up: each try costs a question to somebody else's DNS server.
        self.count_answer(asker).await?;
        let texts = self.permission.names().texts(&wanted.name).await;
        let texts = texts.map_err(|error| Refusal::Malformed(error.to_string()))?;
        if !texts.iter().any(|text| text.trim() == wanted.value) {
            return Err(Refusal::Forbidden(format!(
                "There is no TXT record at {} that says {}: publish it and try again; a new record \
                 may take some minutes to be seen.",
                wanted.name, wanted.value
            )));
        }
        let domain = wanted.name.trim_start_matches("_norelay.").to_owned();
        self.keep(asker, ProofSubject::Domain(domain), "DNS").await
    }

    /// Mails a code to postmaster at a domain, through the server at an address that the domain's
    /// mail goes to.
    ///
    /// # Errors
    /// The address isn't one of the domain's, or must not be connected to; or the server rejects
    /// the mail.
    pub async fn mail_code(
        &self,
        mailer: &dyn Mailer,
        asker: &Client,
        domain: &str,
        address: IpAddr,
    ) -> Result<Challenge, Refusal> {
        let domain = host_name(domain).map_err(|error| Refusal::Malformed(error.to_string()))?;
        self.check_exchanger(&domain, address).await?;
        // A domain may name any address as its exchanger, one inside our network too.
        if let Some(class) = self.permission.rule().objection(address) {
            return Err(Refusal::Forbidden(format!("{address} is {class}.")));
        }
        let now = Timestamp::now();
        self.spend_mail(asker, &domain, address, now).await?;
        let code = JobId::random().to_string();
        let challenge = Challenge {
            id: JobId::random(),
            subject: ProofSubject::Network(host_network(address)),
            asker: asker.bucket(),
            method: "mail".to_owned(),
            purpose: domain.clone(),
            secret: digest(&code),
            attempts: 0,
            created: now,
            expires: now + CODE_LIFE,
        };
        // Stored before the mail leaves, so that a quick answer finds its challenge.
        self.store.create_challenge(&challenge).await?;
        let letter = self.letter(&domain, &code);
        mailer.mail(address, letter).await.map_err(|why| {
            Refusal::Forbidden(format!(
                "{address} did not take the mail for postmaster@{domain}: {why}"
            ))
        })?;
        Ok(challenge)
    }

    /// Checks that the domain's mail goes to the address: otherwise anybody could have mail sent to
    /// anybody's server.
    async fn check_exchanger(&self, domain: &str, address: IpAddr) -> Result<(), Refusal> {
        let target = Target { host: Host::MailDomain(domain.to_owned()), port: None };
        let resolving = self.permission.names().exchangers(&target);
        let exchangers = tokio::time::timeout(RESOLUTION, resolving)
            .await
            .map_err(|_| {
                Refusal::Malformed(format!("{domain} could not be looked up in time: try again."))
            })?
            .map_err(|error| Refusal::Malformed(error.to_string()))?;
        let is_exchanger = exchangers
            .iter()
            .any(|exchanger| exchanger.addresses.contains(&address));
        match is_exchanger {
            true => Ok(()),
            false => {
                Err(Refusal::Forbidden(format!("{address} is not a mail exchanger of {domain}.")))
            }
        }
    }

    /// Spends one mail of the day's: of the domain, of the server, and of the client.
    async fn spend_mail(
        &self,
        asker: &Client,
        domain: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let buckets = [
            format!("mail:{domain}"),
            format!("mail:{address}"),
            format!("mail-asker:{}", asker.bucket()),
        ];
        let window = SignedDuration::from_hours(24);
        let budgets = buckets.map(|bucket| Budget { bucket, limit: MAILS_DAILY, window });
        self.store.spend(now, &budgets).await?.map_err(|exceeded| {
            let why = "Enough codes were mailed there for today.".to_owned();
            Refusal::Limited { why, until: exceeded.until }
        })
    }

    /// Checks the code that was mailed, and keeps the proof.
    ///
    /// # Errors
    /// The code is wrong, or too late, or was tried too often.
    pub async fn check_mailed(
        &self,
        asker: &Client,
        id: JobId,
        code: &str,
    ) -> Result<Owner, Refusal> {
        self.count_answer(asker).await?;
        let wrong = || {
            Refusal::Forbidden(
                "This code is wrong, has expired, or was tried too often.".to_owned(),
            )
        };
        let tried = self
            .store
            .try_challenge(id, Timestamp::now(), MAX_ATTEMPTS)
            .await;
        let challenge = match tried {
            Ok(challenge) => challenge,
            Err(StoreError::NotFound) => return Err(wrong()),
            Err(error) => return Err(Refusal::Store(error)),
        };
        // In constant time: the time of an answer must not tell how much of a guess is right.
        let is_right = bool::from(subtle::ConstantTimeEq::ct_eq(
            &challenge.secret[..],
            &digest(&tidy(code))[..],
        ));
        if !is_right || challenge.method != "mail" || challenge.asker != asker.bucket() {
            return Err(wrong());
        }
        self.meet(asker, challenge, "mail to postmaster").await
    }

    /// Returns a code for whoever can read what is sent to a connection from this address; none
    /// where the address' network had enough codes for this hour.
    ///
    /// # Errors
    /// The store's.
    pub async fn code_for_address(&self, address: IpAddr) -> Result<Option<String>, StoreError> {
        let now = Timestamp::now();
        let budget = Budget {
            bucket: format!("connect:{}", address::user_network(address)),
            limit: CONNECTIONS_HOURLY,
            window: SignedDuration::from_hours(1),
        };
        if self.store.spend(now, &[budget]).await?.is_err() {
            return Ok(None);
        }
        let id = JobId::random();
        let challenge = Challenge {
            id,
            subject: ProofSubject::Network(host_network(address)),
            asker: String::new(),
            method: "connect".to_owned(),
            purpose: String::new(),
            secret: Vec::new(),
            attempts: 0,
            created: now,
            expires: now + CODE_LIFE,
        };
        self.store.create_challenge(&challenge).await?;
        Ok(Some(id.to_string()))
    }

    /// Checks a code that a connection was told, and keeps the proof.
    ///
    /// # Errors
    /// There is no such code.
    pub async fn check_connected(&self, asker: &Client, code: &str) -> Result<Owner, Refusal> {
        self.count_answer(asker).await?;
        let wrong = || Refusal::Forbidden("This code is wrong or has expired.".to_owned());
        let id: JobId = tidy(code).parse().map_err(|_| wrong())?;
        match self.store.challenge(id, Timestamp::now()).await {
            Ok(challenge) if challenge.method == "connect" => {
                self.meet(asker, challenge, "connect-back").await
            }
            Ok(_) | Err(StoreError::NotFound) => Err(wrong()),
            Err(error) => Err(Refusal::Store(error)),
        }
    }

    /// Ends a challenge that was met, and keeps the proof.
    async fn meet(
        &self,
        asker: &Client,
        challenge: Challenge,
        proof: &str,
    ) -> Result<Owner, Refusal> {
        // Of two clients that answer at once, one meets the challenge.
        if !self.store.end_challenge(challenge.id).await? {
            return Err(Refusal::Forbidden("This code was used already.".to_owned()));
        }
        self.keep(asker, challenge.subject, proof).await
    }

    /// Keeps a proof of control for a client.
    async fn keep(
        &self,
        asker: &Client,
        subject: ProofSubject,
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
        self.store.keep_owner(&owner).await?;
        tracing::info!(subject = %owner.subject, asker = owner.asker, proof, "control was shown");
        Ok(owner)
    }

    /// Counts an answer of a client, so that codes can't be tried out.
    async fn count_answer(&self, asker: &Client) -> Result<(), Refusal> {
        let bucket = format!("answer:{}", asker.bucket());
        let window = SignedDuration::from_hours(1);
        let budget = Budget { bucket, limit: ANSWERS_HOURLY, window };
        let spent = self.store.spend(Timestamp::now(), &[budget]).await?;
        spent.map_err(|exceeded| Refusal::Limited {
            why: "Too many answers: come back later.".to_owned(),
            until: exceeded.until,
        })
    }

    /// The letter that brings a code to postmaster at a domain.
    fn letter(&self, domain: &str, code: &str) -> Letter {
        let identity = &self.identity;
        let sender = format!("norelay@{}", identity.domain);
        let service = self.config.url.as_deref().unwrap_or("a norelay service");
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
}

fn host_network(address: IpAddr) -> IpNet {
    IpNet::from(address.to_canonical())
}

fn digest(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}

/// A code without the blanks, hyphens and capitals that people add when they type it.
fn tidy(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect::<String>()
        .to_ascii_lowercase()
}
