//! Between the types of Rust and of the databases.
//!
//! Rules:
//! - A value that can't be read back is an error that names its column, never a default.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use norelay_core::{check::Verdict, octets::Octets, token::RunId};

use super::{error::StoreError, model::JobId};

pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn time(column: &'static str, millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|_| StoreError::Damaged(column))
}

pub(super) fn maybe_time(
    column: &'static str,
    millis: Option<i64>,
) -> Result<Option<Timestamp>, StoreError> {
    millis.map(|millis| time(column, millis)).transpose()
}

pub(super) fn job_id(octets: Vec<u8>) -> Result<JobId, StoreError> {
    octets
        .try_into()
        .map(JobId)
        .map_err(|_| StoreError::Damaged("id"))
}

/// SQL's integers have a sign; the run's name has none.
pub(super) fn run_number(run: RunId) -> i64 {
    i64::from_ne_bytes(run.0.to_ne_bytes())
}

pub(super) fn run_of(number: i64) -> RunId {
    RunId(u64::from_ne_bytes(number.to_ne_bytes()))
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The first and the last address of a network.
pub(super) fn range(network: &IpNet) -> (Vec<u8>, Vec<u8>) {
    (octets(network.network()), octets(network.broadcast()))
}

pub(super) fn verdict_of(word: &str) -> Result<Verdict, StoreError> {
    word.parse().map_err(|_| StoreError::Damaged("verdict"))
}

/// Text that a user gave, as PostgreSQL can keep it: it knows no NUL.
pub(super) fn text(given: &str) -> String {
    Octets::from(given).to_string()
}

/// The inverse of [`text`].
pub(super) fn of_text(kept: &str) -> String {
    Octets::unescape(kept).to_text()
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("what is stored as JSON has string keys")
}

pub(super) fn of_json<T: serde::de::DeserializeOwned>(
    column: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged(column))
}
