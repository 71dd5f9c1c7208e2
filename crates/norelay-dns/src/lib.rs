//! What the DNS says about a mail server and its domain: the DNS blacklists, and the posture (MX,
//! SPF, DMARC, MTA-STS, TLS-RPT, TLSA, reverse names).
//!
//! Rules of this crate:
//! - The crate knows nothing of relaying: no relay test, event, report or verdict. Its findings
//!   become events in `norelay-probe` and text in `norelay-render`.
//! - [`blacklist`] and [`posture`] do no I/O and have no clock: tables, the names to ask for, the
//!   meaning of answers. Without the feature `lookup` nothing else is built.
//! - [`lookup`] does the I/O. It asks within bounds and decides nothing.
//! - Imports run one way (`norelay-core/tests/imports.rs` reads them).

pub mod blacklist;
pub mod dns_name;
#[cfg(feature = "lookup")]
pub mod lookup;
pub mod posture;
pub mod unanswered;
