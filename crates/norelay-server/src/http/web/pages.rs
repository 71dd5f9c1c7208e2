//! The state that the pages keep between requests.

use jiff::Timestamp;

use super::screens::Screens;
use crate::{http::state::AppState, run::lookups::Lookups};

/// The state that the pages keep between requests; cheap to clone.
#[derive(Clone)]
pub struct Pages {
    /// The results that somebody looks at, rendered.
    pub screens: Screens,
    /// The look-ups in blacklists.
    pub lookups: Lookups,
    /// When the service was started.
    pub since: Timestamp,
}

impl Pages {
    /// The state before the first request.
    #[must_use]
    pub fn new(state: &AppState) -> Self {
        let lookups = Lookups::new(state.config.clone(), state.runs.permission().clone());
        Self { screens: Screens::default(), lookups, since: Timestamp::now() }
    }

    /// The address of the service, without a slash at the end.
    #[must_use]
    pub fn url(&self, state: &AppState) -> String {
        state
            .config
            .url
            .clone()
            .unwrap_or_else(|| format!("http://{}", state.config.listen))
    }
}
