//! The recipient was accepted, and the message was rejected for another reason than relaying.
//!
//! Source: no document; the rule follows from the order of the commands. RCPT was accepted first,
//! so the rejection may be about the message alone.

use crate::{
    check::{
        circumstances::Circumstances,
        judgement::{TestJudgement, Weight},
    },
    smtp::Stage,
};

/// Answers for refusals of the message.
pub(in crate::check) fn weigh(_: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, ..) = judged.outcome.refusal()?;
    matches!(stage, Stage::Data | Stage::EndOfData).then_some(Weight::Suspicion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;

    #[test]
    fn a_refused_message_is_a_suspicion() {
        for (asked, expected) in [
            (&[("foreign-to-foreign", Stage::EndOfData, "550 spam")][..], Some(Weight::Suspicion)),
            (&[("foreign-to-foreign", Stage::Data, "550 no")][..], Some(Weight::Suspicion)),
            (&[("foreign-to-foreign", Stage::Rcpt, "550 no")][..], None),
        ] {
            check(weigh, asked, expected);
        }
    }
}
