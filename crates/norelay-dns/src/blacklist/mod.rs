//! DNS blacklists: which exist, how each is asked, what its answers mean, and how to get off it.
//!
//! Rules:
//! - A list is believed only after its self-test (RFC 5782 section 5): what must be listed is, what
//!   must not be is not. A list that fails it is *unknown*: never "listed", never "not listed".
//! - An answer that says "you may not ask", or that no list can have given, is *unknown* as well,
//!   with the reason.
//! - A dead list is named as dead and never asked.
//! - What is only remembered is marked in the table ([`Provenance::Remembered`]) and never said as
//!   certain.
//! - Nothing here depends on a relay test: who shows the way off a list first looks whether the
//!   relay is closed.
//! - A key is a secret: it is in the names that are asked, and in nothing that is shown.

mod known_lists;
mod list;
mod list_keys;
pub mod listing;
pub mod plan;
mod public_resolvers;
pub mod standing;
pub mod subject;
mod unknown;

pub use self::{
    known_lists::{LISTS, by_zone},
    list::{
        Access, AnswerCode, Blacklist, CodeMeaning, Impact, Liveness, Pattern, Points, Provenance,
        QueryKind, Removal, Sense, Statement,
    },
    list_keys::{BadKeyLine, ListKeys},
    listing::{DnsAnswer, Health, ListEntry, Listing, health, read},
    plan::{Enquiry, Planned, SelfTest, plan},
    public_resolvers::is_public_resolver,
    standing::{ListReading, Standing, Survey, SurveyAssessment, assess_survey},
    subject::{ListSubject, NotASubject},
    unknown::UnknownReason,
};
