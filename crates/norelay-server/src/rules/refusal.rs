//! Why something that was asked for is not done.
//!
//! Rules:
//! - Each variant says whose fault it is; the sentence says what is wrong and what to do.
//! - How a refusal is shown (a status, a document, a page) is decided in `http`, nowhere here.

use jiff::Timestamp;

use crate::store::StoreError;

/// Why something that was asked for is not done.
#[derive(Debug)]
pub enum Refusal {
    /// The request makes no sense; the sentence says why.
    Malformed(String),
    /// The request is not permitted; the sentence says why, and what would permit it.
    Forbidden(String),
    /// Too many requests for now; the sentence says which limit.
    Limited {
        /// The sentence.
        why: String,
        /// When the client may try again.
        until: Timestamp,
    },
    /// The service's own fault.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
