//! The server does not offer the extension that the test needs. The server said so on this path,
//! under the path's own protection, and never otherwise.
//!
//! Source: RFC 5321 section 4.1.1.1. The reply to EHLO has a keyword for each extension that the
//! server supports.

use crate::{
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
        outcome::Outcome,
    },
    smtp::End,
};

/// Answers for tests that were not run for want of an extension.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let Outcome::NotRun { .. } = judged.outcome else { return None };
    let keyword = judged.test.requirement(on.path.destination().security)?;
    // If no connection got as far as a list of extensions, the end of the latest dialogue counts.
    let has_no_list = on.path.offered().next().is_none();
    let is_missing = on.path.never_offers(keyword) || (has_no_list && is_said(on, judged, keyword));
    is_missing.then_some(Weight::NotOffered)
}

/// True if the latest dialogue of the test ended because the server does not offer the keyword.
fn is_said(on: Circumstances<'_>, judged: &TestJudgement, keyword: &str) -> bool {
    let latest = judged.dialogues.last();
    let latest = latest.and_then(|number| on.path.report.dialogues.get(number));
    let end = latest.and_then(|dialogue| dialogue.end.as_ref());
    matches!(end, Some(End::NotOffered(missing)) if missing == keyword)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::weigh::rules::rows::{story::Story, told},
        smtp::{Security, Stage},
    };

    #[test]
    fn the_extension_is_in_no_list() {
        for (test, hello, expected) in [
            ("xclient-loopback", "250 mx.target.example", Some(Weight::NotOffered)),
            ("xclient-loopback", "250-mx.target.example / XCLIENT NAME", None),
            // No list was seen at all.
            ("xclient-loopback", "550 go away", Some(Weight::NotOffered)),
            ("foreign-to-foreign", "250 mx.target.example", None),
        ] {
            let mut story = Story::begin(false);
            let path = story.path("192.0.2.7", 25, Security::Plain, &[test]);
            let ehlo = [(Stage::Ehlo, "EHLO probe.example", hello)];
            story.dialogue(path, "foreign-to-foreign", false, &ehlo);
            let greeting = [(Stage::Greeting, "", "220 mx.target.example")];
            story.dialogue_ending(path, test, &greeting, End::NotOffered("XCLIENT".to_owned()));
            assert_eq!(told(weigh, story, path, test), expected, "{test} {hello}");
        }
    }
}
