//! What answers amount to.

mod story;

use norelay_core::{
    check::{Verdict, verdict::judge},
    smtp::{Security, Stage},
};
use story::Story;

#[test]
fn a_refusal_acquits_only_by_relay_policy_or_by_comparison_at_the_recipient() {
    let postmaster = (Stage::Rcpt, "250 ok");
    for (answer, control, expected) in [
        ((Stage::Rcpt, "454 4.7.1 <u@probe.example>: Relay access denied"), None, Verdict::Closed),
        (
            (Stage::EndOfData, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
            None,
            Verdict::Closed,
        ),
        ((Stage::Rcpt, "550 no"), None, Verdict::Inconclusive),
        ((Stage::Rcpt, "550 no"), Some(postmaster), Verdict::Closed),
        ((Stage::Rcpt, "550 5.7.1 Access denied"), Some(postmaster), Verdict::Closed),
        // A message that a filter dislikes was a message to be relayed.
        ((Stage::EndOfData, "550 no"), Some(postmaster), Verdict::Suspect),
        ((Stage::EndOfData, "554 5.7.1 spam message rejected"), Some(postmaster), Verdict::Suspect),
        ((Stage::Data, "550 Access denied"), Some(postmaster), Verdict::Suspect),
        ((Stage::Rcpt, "554 5.7.1 listed in dnsbl"), Some(postmaster), Verdict::Inconclusive),
        ((Stage::Rcpt, "450 4.2.0 Greylisted"), Some(postmaster), Verdict::Inconclusive),
        ((Stage::Rcpt, "550 Unrouteable address"), Some(postmaster), Verdict::Inconclusive),
        ((Stage::Rcpt, "250 ok"), Some(postmaster), Verdict::Suspect),
    ] {
        let mut story = Story::begin(true);
        let path = story.path("192.0.2.7", 25, Security::Plain, &["foreign-to-foreign", "ctl-postmaster"]);
        story.answered(path, "foreign-to-foreign", answer.0, answer.1);
        if let Some((stage, reply)) = control {
            story.answered(path, "ctl-postmaster", stage, reply);
        }
        assert_eq!(judge(&story.end()).verdict, expected, "{answer:?} {control:?}");
    }
}
