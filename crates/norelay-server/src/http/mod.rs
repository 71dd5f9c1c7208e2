//! What is served over HTTP: the API and the pages.

pub mod api;
pub mod metrics;
pub mod problem;
pub mod web;
