//! `norelay receive`: the receiver alone, for tests that run elsewhere.
//!
//! It takes relay-test messages for its domains, keeps a receipt of each in a spool, and shows it.
//! A test joins it with the same spool and key file: `norelay test TARGET --domain DOMAIN
//! --receiver SPOOL --key-file FILE`.

use std::{io, net::SocketAddr, path::PathBuf};

use clap::ValueEnum;
use jiff::Timestamp;
use norelay_core::{
    catalogue::{self, TestId},
    event::{Event, Receipt, Record},
    reception::{Reception, ReceptionKey},
    token::TokenRole,
};
use norelay_probe::{
    identity, key_file,
    mailbox::Mailbox,
    receive::{ReceiverConfig, Receiving},
    spool::{MAX_SPOOL, Spool},
    target,
};
use norelay_render::json_lines;

use crate::{complaint::Complaint, interrupt, option_values::Color, output};

/// Where to receive, for whom, and where to keep it.
#[derive(clap::Args)]
pub struct ReceiveOptions {
    /// The domains whose mail comes here (their MX is this host)
    #[arg(long, value_name = "DOMAIN", required = true, value_delimiter = ',')]
    domain: Vec<String>,
    /// The file that receipts are kept in; a test elsewhere reads it. Before it has 1 GiB, the
    /// oldest are dropped: it is laid aside as FILE.old, which is read as well, and begun anew
    #[arg(long, value_name = "FILE")]
    spool: PathBuf,
    /// The file with the key that tests share; made if there is none
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT", default_value = "[::]:25", value_delimiter = ',')]
    listen: Vec<SocketAddr>,
    /// The name to greet with: this host's, as the MX names it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Take mail for postmaster and abuse too, and keep it in this mailbox; without it such mail is
    /// refused
    #[arg(long, value_name = "FILE")]
    postmaster: Option<PathBuf>,
    /// Whom HELP says to write to: an address elsewhere, or a page
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// How to show receipts
    #[arg(long, short, value_enum, default_value_t)]
    output: ReceiptFormat,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    color: Color,
}

/// How receipts are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReceiptFormat {
    /// A line for people
    #[default]
    Text,
    /// An event record
    Jsonl,
}

/// Receives until it is stopped.
pub async fn run(options: ReceiveOptions) -> Result<u8, Complaint> {
    options.color.choose();
    let domains = options.domains()?;
    let name = options.name()?.unwrap_or_else(|| domains[0].clone());
    let (key, is_new) = key_file::read_or_make(&options.key_file).map_err(unusable)?;
    let reception = Reception::new(&name, &domains, ReceptionKey::AnyRun(key));
    let receiving = options.begin(reception).map_err(unusable)?;
    options.introduce(&name, &domains, is_new, &receiving);
    show_until_stopped(&receiving, options.output).await?;
    receiving.stop().await;
    anstream::eprintln!("norelay: stopped receiving.");
    Ok(0)
}

/// The complaint about a file or socket of the receiver that can't be used.
fn unusable(error: io::Error) -> Complaint {
    Complaint::usage(error.to_string())
}

impl ReceiveOptions {
    /// The domains, in the form that the DNS has them.
    fn domains(&self) -> Result<Vec<String>, Complaint> {
        let domains = self.domain.iter().map(|name| target::host_name(name));
        let domains = domains.collect::<Result<_, _>>();
        domains.map_err(|error| Complaint::usage(error.to_string()))
    }

    /// Opens the files and listens.
    fn begin(&self, mut reception: Reception) -> io::Result<Receiving> {
        if let Some(contact) = &self.contact {
            reception = reception.with_contact(contact);
        }
        let mut config = ReceiverConfig::new(reception.with_postmaster(self.postmaster.is_some()));
        // The spool may become two files: the one that is written and the one laid aside.
        config.spool = Some(Spool::open(&self.spool)?.rotating(MAX_SPOOL / 2));
        if let Some(mailbox) = &self.postmaster {
            config.mailbox = Some(Mailbox::open(mailbox)?);
        }
        Receiving::bind(&self.listen, config)
    }

    /// The name to greet with, as given or as the machine has it.
    fn name(&self) -> Result<Option<String>, Complaint> {
        match &self.name {
            None => Ok(identity::host_name()),
            Some(name) => target::host_name(name)
                .map(Some)
                .map_err(|error| Complaint::usage(error.to_string())),
        }
    }

    /// Tells the user the receiver's name, its addresses, its domains, and how a test uses it.
    fn introduce(&self, name: &str, domains: &[String], key_is_new: bool, receiving: &Receiving) {
        let addresses: Vec<_> = receiving
            .local_addrs()
            .iter()
            .map(ToString::to_string)
            .collect();
        let made = if key_is_new { " (just made; keep it secret)" } else { "" };
        let (spool, key_file) = (self.spool.display(), self.key_file.display());
        anstream::eprintln!("norelay receives as {name} on {}.", addresses.join(" and "));
        anstream::eprintln!(
            "  It takes messages for test tokens at {} and relays nothing; the MX of each domain \
             has to be this host.",
            domains.join(", ")
        );
        match &self.postmaster {
            Some(mailbox) => anstream::eprintln!(
                "  Mail for postmaster and abuse is kept in {}.",
                mailbox.display()
            ),
            None => anstream::eprintln!(
                "  Mail for postmaster is refused, which RFC 5321 does not allow for long: \
                 --postmaster FILE keeps it."
            ),
        }
        anstream::eprintln!("  Receipts are kept in {spool}, the key is in {key_file}{made}.");
        let domain = &domains[0];
        anstream::eprintln!(
            "  Join it: norelay test TARGET --domain {domain} --receiver {spool} --key-file \
             {key_file}"
        );
    }
}

/// Shows each receipt as it comes.
async fn show_until_stopped(receiving: &Receiving, format: ReceiptFormat) -> Result<(), Complaint> {
    let (mut receipts, mut stopped) = (receiving.receipts(), interrupt::stopped_by_user());
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            Some(receipt) = receipts.recv() => {
                let now = Timestamp::now();
                output::print(&match format {
                    ReceiptFormat::Text => line(now, &receipt),
                    ReceiptFormat::Jsonl => json_lines::render(&[Record::new(now,
                        Event::Received(receipt))]),
                })?;
            }
        }
    }
}

/// `2026-01-01T00:00:00Z  run 0123456789abcdef  test 6 (percent-host)  arrived from 192.0.2.7 …`
fn line(at: Timestamp, receipt: &Receipt) -> String {
    let Receipt { token, peer, helo, reverse_path, forward_path, .. } = receipt;
    let id = catalogue::by_number(token.test).map_or(TestId::UNKNOWN, |test| test.id);
    let what = match token.role {
        TokenRole::Sender => "came to the sender's address (a bounce or an answer)",
        _ if receipt.message_token => "arrived, with the token of its text,",
        _ => "arrived, without the token of its text,",
    };
    let tls = if receipt.tls { " under TLS" } else { "" };
    format!(
        "{at:.0}  run {}  test {} ({id}) on path {}: {what} from {} (HELO {helo}){tls}: \
         {reverse_path} -> {forward_path}\n",
        token.run,
        token.test,
        token.path,
        peer.ip().to_canonical(),
    )
}

#[cfg(test)]
mod tests {
    use norelay_core::{
        path::PathId,
        token::{RunId, Token},
    };

    use super::*;

    #[test]
    fn a_receipt_is_a_line() {
        let receipt = |role, message_token| Receipt {
            token: Token { run: RunId(0xabc), path: PathId::FIRST, test: 6, role },
            message_token,
            peer: SocketAddr::from(([192, 0, 2, 7], 25)),
            helo: "mx\u{1b}[31m".into(),
            tls: message_token,
            reverse_path: "<>".into(),
            forward_path: "<x@y>".into(),
            received: Vec::new(),
            size: 1,
        };
        let start = "1970-01-01T00:00:00Z  run 0000000000000abc  test 6 (percent-host) on path 0: ";
        let end = ": <> -> <x@y>\n";
        for (role, message_token, expected) in [
            (
                TokenRole::Recipient,
                true,
                "arrived, with the token of its text, from 192.0.2.7 (HELO mx\\x1b[31m) under TLS",
            ),
            (
                TokenRole::Recipient,
                false,
                "arrived, without the token of its text, from 192.0.2.7 (HELO mx\\x1b[31m)",
            ),
            (
                TokenRole::Sender,
                false,
                "came to the sender's address (a bounce or an answer) from 192.0.2.7 (HELO \
                 mx\\x1b[31m)",
            ),
        ] {
            assert_eq!(
                line(Timestamp::UNIX_EPOCH, &receipt(role, message_token)),
                format!("{start}{expected}{end}")
            );
        }
    }
}
