//! How long each scenario took, so that the slowest can be named.

use std::sync::Mutex;
use std::time::Duration;

/// How many are named; `CONFORMANCE_SHOW` names all.
const SHOWN: usize = 10;

static TIMES: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// Keeps the time of a scenario.
pub fn note(title: &str, time: Duration) {
    if let Ok(mut times) = TIMES.lock() {
        times.push((time, title.to_owned()));
    }
}

/// The slowest scenarios, the slowest first; nothing where there is just one.
pub fn slowest() -> String {
    let Ok(mut times) = TIMES.lock() else { return String::new() };
    if times.len() < 2 {
        return String::new();
    }
    times.sort_by(|one, other| other.cmp(one));
    let shown = if std::env::var_os("CONFORMANCE_SHOW").is_some() { times.len() } else { SHOWN };
    let total: Duration = times.iter().map(|(time, _)| *time).sum();
    let mut text = format!(
        "\n{:.0} seconds of scenarios, several at once; the slowest:\n",
        total.as_secs_f64()
    );
    for (time, title) in times.iter().take(shown) {
        text.push_str(&format!("{:6.1} {title}\n", time.as_secs_f64()));
    }
    text
}
