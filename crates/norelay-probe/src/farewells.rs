//! What the dialogues of a path tell each other of the server's habits: how late it greets, and
//! whether it gives one reply a command.
//!
//! Rules:
//! - Until the reply to QUIT has shown after a refusal that refusals come alone, every dialogue
//!   that a refusal ends waits for that reply; so for acceptances. A server may be in order with
//!   those that it accepts and in none with others.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use norelay_core::{
    report::Dialogue,
    smtp::{LastReply, Reply, Session, Stage},
};
use tokio::sync::Semaphore;

/// What is known of the ends of a path's dialogues.
#[derive(Debug)]
pub struct Farewells {
    /// Whether one has shown that a refusal, and that an acceptance is one reply.
    orderly: [AtomicBool; 2],
    /// The latest that a greeting has come, in milliseconds; 0 before the first.
    greeted_ms: AtomicU64,
    /// A permit for each dialogue that was greeted.
    pub greeted: Semaphore,
    /// A permit for each dialogue that has come to where only the reply to QUIT is awaited.
    pub leaving: Semaphore,
}

impl Default for Farewells {
    fn default() -> Self {
        let (greeted, leaving) = (Semaphore::new(0), Semaphore::new(0));
        Self { orderly: Default::default(), greeted_ms: AtomicU64::new(0), greeted, leaving }
    }
}

impl Farewells {
    /// How late greetings have come so far, once one has.
    #[must_use]
    pub fn latest_greeting(&self) -> Option<Duration> {
        let latest = self.greeted_ms.load(Ordering::Relaxed);
        (latest > 0).then(|| Duration::from_millis(latest))
    }

    /// What other dialogues have shown, this one need not.
    pub fn spare(&self, session: &mut Session) {
        for (orderly, after) in self
            .orderly
            .iter()
            .zip([LastReply::Negative, LastReply::Positive])
        {
            if orderly.load(Ordering::Relaxed) {
                session.skip_quit_reply(after);
            }
        }
    }

    /// Learns from a dialogue that is over.
    pub fn note(&self, dialogue: &Dialogue) {
        let greeting = dialogue
            .exchanges
            .iter()
            .find(|exchange| exchange.stage == Stage::Greeting);
        let greeted = greeting.filter(|exchange| {
            exchange
                .reply
                .as_ref()
                .is_some_and(|reply| reply.code == 220)
        });
        if let Some(after) = greeted.and_then(|exchange| exchange.replied_ms) {
            self.greeted_ms.fetch_max(after.max(1), Ordering::Relaxed);
        }
        if dialogue
            .reply_at(Stage::Quit)
            .is_some_and(|reply| reply.code == 221)
        {
            let mut before = dialogue
                .exchanges
                .iter()
                .rev()
                .filter(|exchange| exchange.stage != Stage::Quit);
            let last = before.find_map(|exchange| exchange.reply.as_ref());
            let after_positive = last.is_some_and(Reply::is_positive);
            self.orderly[usize::from(after_positive)].store(true, Ordering::Relaxed);
        }
    }
}
