//! The store: jobs, their event logs, receipts, keys, opt-outs and proofs of control; in SQLite or
//! PostgreSQL.
//!
//! Rules:
//! - The same SQL runs on both, and one suite of tests holds both to it (`tests/store.rs`).
//! - A log is appended to and never changed; records become visible in the order of their numbers,
//!   without gaps.
//! - What was reported as done is done after a kill, and a message that comes twice is kept once.
//! - Nothing here judges, permits or connects.

mod codec;
mod database;
mod error;
mod jobs;
mod keys;
mod limits;
mod log;
mod model;
mod owners;
mod pool;
mod row;
mod schema;

pub use self::{
    database::{MAX_RECORDS, Store},
    error::StoreError,
    jobs::{Created, Idempotency, NewJob},
    keys::KeyText,
    limits::{Budget, Exceeded},
    log::{Appended, Lease},
    model::{
        ApiKey, Challenge, Job, JobId, JobState, NotAJobId, OnePath, OptOut, Origin, Owner, Pinned,
        ProofSubject, Scope, Stored, TestRequest,
    },
};
