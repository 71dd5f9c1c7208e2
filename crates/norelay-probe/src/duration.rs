//! Lengths of time as a user types them, in options of the command and settings of the service.

use std::{fmt, time::Duration};

/// The shortest length of time that an option or setting accepts.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest length of time that an option or setting accepts.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// The text is no length of time, or one out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADuration;

impl fmt::Display for NotADuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration is something like 30s, 5m or 2h, up to seven days")
    }
}

impl std::error::Error for NotADuration {}

/// Reads `90s`, `5m` or `1h 30m`, the "friendly" format of jiff, or ISO 8601. A number alone is
/// seconds.
///
/// # Errors
/// The text is no length of time from one millisecond to seven days.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let signed: jiff::SignedDuration = text.parse().map_err(|_| NotADuration)?;
            Duration::try_from(signed).map_err(|_| NotADuration)?
        }
    };
    match (SHORTEST..=LONGEST).contains(&duration) {
        true => Ok(duration),
        false => Err(NotADuration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("90", Some(90)),
            ("5m", Some(300)),
            ("1h 30m", Some(5400)),
            ("0s", None),
            ("8d", None),
            ("x", None),
            ("-1s", None),
        ] {
            assert_eq!(parse(text).ok().map(|duration| duration.as_secs()), seconds, "{text}");
        }
    }
}
