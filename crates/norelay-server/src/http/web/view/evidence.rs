//! The proof of an open relay: when a message was sent, through what, when it arrived, and from
//! which address.

use jiff::Timestamp;
use norelay_core::{
    catalogue::TestId,
    check::{Hops, Outcome, TestJudgement, receipts_of},
    event::Receipt,
    report::{Dialogue, PathView},
    smtp::Stage,
};

use super::{RunView, path_name, time};

/// More proofs than these stand in the tests below; a card is no list.
pub const MOST_ON_CARD: usize = 3;

/// One message that came back.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The test's number.
    pub number: u8,
    /// The test's title.
    pub title: &'static str,
    /// The path that the message went through.
    pub through: String,
    /// When its text was handed to the server.
    pub sent: Option<Timestamp>,
    /// When the message came to the receiver.
    pub arrived: Timestamp,
    /// The address that delivered the message.
    pub from: String,
    /// True if the target itself delivered the message.
    pub direct: bool,
    /// The name that the deliverer gave itself.
    pub helo: String,
    /// Envelope as it was sent.
    pub envelope: Vec<String>,
    /// The stations of the message by its `Received` fields, newest first.
    pub received: Vec<String>,
}

impl Evidence {
    /// `3.1 s`, where both times are known.
    #[must_use]
    pub fn took(&self) -> Option<String> {
        self.sent
            .map(|sent| time::length(time::between(sent, self.arrived)))
    }
}

/// All proofs of a run, by path and test.
#[must_use]
pub fn proofs(seen: RunView) -> Vec<Evidence> {
    let mut proofs = Vec::new();
    for (path, judged) in seen.report.paths().zip(&seen.judgement().paths) {
        proofs.extend(
            judged
                .tests
                .iter()
                .filter_map(|judged| proof_of(path, judged)),
        );
    }
    proofs
}

/// The proof of one test, if its message came back.
#[must_use]
pub fn proof_of(path: PathView<'_>, judged: &TestJudgement) -> Option<Evidence> {
    let Outcome::Relayed { from, hops } = judged.outcome else { return None };
    let arrived = receipts_of(path, judged.test).find(|(_, receipt)| deliverer(receipt) == from);
    let (arrived, receipt) = arrived?;
    let sending = path
        .dialogues_of(judged.test.id)
        .filter_map(|(_, dialogue)| sent_in(dialogue))
        .next_back();
    Some(Evidence {
        number: judged.test.number,
        title: judged.test.title(),
        through: path_name(path.destination()),
        sent: sending.map(|(sent, _)| sent),
        arrived: *arrived,
        from: from.to_string(),
        direct: hops == Hops::Direct,
        helo: receipt.helo.to_string(),
        envelope: sending
            .map(|(_, dialogue)| envelope(dialogue, judged.test.id))
            .unwrap_or_default(),
        received: receipt.received.iter().map(ToString::to_string).collect(),
    })
}

fn deliverer(receipt: &Receipt) -> std::net::IpAddr {
    receipt.peer.ip().to_canonical()
}

/// When a dialogue handed over the text of a message.
fn sent_in(dialogue: &Dialogue) -> Option<(Timestamp, &Dialogue)> {
    let text = dialogue
        .exchanges
        .iter()
        .find(|exchange| exchange.stage == Stage::EndOfData)?;
    text.sent
        .as_ref()
        .map(|(ms, _)| (time::after(dialogue.opened, *ms), dialogue))
}

fn envelope(dialogue: &Dialogue, test: TestId) -> Vec<String> {
    let commands = dialogue
        .answers_for(test)
        .filter(|exchange| matches!(exchange.stage, Stage::Mail | Stage::Rcpt));
    commands
        .filter_map(|exchange| exchange.sent.as_ref().map(|(_, line)| line.to_string()))
        .collect()
}
