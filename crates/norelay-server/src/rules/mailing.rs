//! Mailing a letter to postmaster through one server, for a proof of control.
//!
//! Rules:
//! - The letter goes through the given address and no other.
//! - Only a positive reply after the text counts as taken; otherwise the last reply says why not.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use norelay_core::{
    asking::PlannedDialogue,
    event::{Event, Path, Record},
    octets::Octets,
    smtp::{Hello, Purpose, Security, Stage, Step, Transaction},
};
use norelay_probe::{
    drive::{Alone, drive},
    network::{Internet, Network},
    record::Recorder,
};

use super::fence::Fence;

/// How long a reply of the server may take while the letter is mailed.
const REPLY_TIMEOUT: Duration = Duration::from_secs(45);
/// How long the whole mailing may take.
pub const MAIL_TIMEOUT: Duration = Duration::from_secs(60);

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

/// Brings letters to a server: the probe, or a double in tests.
pub trait Mailer: Send + Sync {
    /// Brings a letter to the server at an address.
    ///
    /// # Errors
    /// The reason why the server didn't accept the letter.
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
            // The letter goes through this server or not at all: the fence refuses all others.
            let network = Arc::new(Fence::around(self.0.clone(), &[exchanger]));
            let bringing = bring(network, address, letter);
            tokio::time::timeout(MAIL_TIMEOUT, bringing)
                .await
                .unwrap_or_else(|_| Err("it took too long".to_owned()))
        })
    }
}

/// Mails a letter in one dialogue, without TLS.
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
        // The plainest dialogue: any server can read it, and nothing here is a test.
        pipelining: false,
        awaits_quit_reply: true,
        chunking: false,
        injects: false,
        ambiguous: false,
    };
    // Port 25, where the domain's mail goes: a submission service would want a password.
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

/// Returns whether the letter was accepted. Only a positive reply after the text counts: a server
/// may accept the recipient and reject the message. The error is the last thing that went wrong.
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
