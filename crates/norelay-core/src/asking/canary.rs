//! The canary: a message to the run's own receiver, on the way that every other message takes.
//!
//! Rules:
//! - A run with a receiver sends one canary when it begins. The server's tests do not wait for it.
//! - Where messages did not come back, a second canary shows that the receiver still works. Only
//!   the first canary's arrival makes the second one worth sending.
//! - A canary has the null reverse-path: nobody gets a bounce.

use std::time::Duration;

use jiff::fmt::rfc2822;

use super::{
    action::{Do, PlannedCanary},
    turn::AskingTurn,
};
use crate::{
    octets::Octets,
    path::PathId,
    token::{Token, TokenRole},
};

/// How long the second canary may take. The first one had the whole run.
pub(super) const LAST_CANARY: Duration = Duration::from_secs(60);

impl AskingTurn<'_> {
    /// Has the run's next canary sent. Returns its number.
    pub(super) fn send_canary(&mut self) -> u8 {
        let number = self.report.canaries.next_number();
        let token = self.request.key.mint(Token {
            run: self.request.run,
            path: PathId::FIRST,
            test: number,
            role: TokenRole::Canary,
        });
        let domain = &self.request.domain;
        let planned = PlannedCanary {
            number,
            domain: domain.clone(),
            helo: self.request.helo.clone().unwrap_or_else(|| domain.clone()),
            recipient: format!("{token}@{domain}"),
            text: text(&token, domain, self.now.at),
            reply_timeout: self.request.reply_timeout,
        };
        self.todo.push_back(Do::SendCanary(Box::new(planned)));
        number
    }
}

/// The text of a canary: 7-bit, with CRLF line ends.
fn text(token: &str, domain: &str, at: jiff::Timestamp) -> Octets {
    let date = rfc2822::DateTimePrinter::new()
        .timestamp_to_string(&at)
        .unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "From: norelay <postmaster@{domain}>\r\n\
         To: <{token}@{domain}>\r\n\
         Date: {date}\r\n\
         Message-ID: <{token}@{domain}>\r\n\
         Subject: norelay checks its own receiver\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         norelay {version} sent this message to the mail exchanger of {domain}, to see\r\n\
         whether mail for this domain reaches the receiver of a relay test.\r\n\
         If it arrives anywhere else, the MX of {domain} does not lead to the receiver.\r\n"
    )
    .into()
}
