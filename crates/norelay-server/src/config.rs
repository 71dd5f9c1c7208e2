//! The settings.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

/// The settings of `norelay serve`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where pages and API are served.
    pub listen: SocketAddr,
    /// Whether strangers may use it.
    pub public: bool,
    /// The folder of the database and of the receiver's key.
    pub data: PathBuf,
    /// The address of the service as its users type it, without a slash at the end; for links and the check of `Host`.
    pub url: Option<String>,
    /// What tests are shown to come from, in words or addresses.
    pub source: Vec<String>,
    /// The mail address for complaints.
    pub contact: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8025)),
            public: false,
            data: PathBuf::from("norelay-data"),
            url: None,
            source: Vec::new(),
            contact: None,
        }
    }
}
