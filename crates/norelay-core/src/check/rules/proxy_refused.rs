//! The test sends a proxy's header or command, and the server rejected it.
//!
//! Source: a server that expects no header sees a client that talks before the greeting (RFC 5321
//! section 4.3.1). Postfix rejects an XCLIENT that it does not trust with `550 5.7.0 Error:
//! insufficient authorization`.

use crate::{
    catalogue::Group,
    check::{
        circumstances::{Circumstances, may_pass_later},
        judgement::{TestJudgement, Weight},
        reason::Reason,
    },
    smtp::Stage,
};

/// Answers for refusals of what a proxy would say.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, _) = judged.outcome.refusal()?;
    let is_answer = match stage {
        // A client without a header gets further, so the server rejects the header.
        Stage::Greeting | Stage::Ehlo | Stage::Helo => on.controls.accept_postmaster,
        Stage::Other => {
            !may_pass_later(reason) && !matches!(reason, Reason::Reputation | Reason::TlsRequired)
        }
        _ => false,
    };
    (is_answer && judged.test.group == Group::Proxy).then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::weigh::rules::rows::check;

    #[test]
    fn the_header_or_the_command_is_refused() {
        for (asked, expected) in [
            (
                &[
                    ("proxy-v1-loopback", Stage::Greeting, "554 talk in turn"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                Some(Weight::Denial),
            ),
            (&[("proxy-v1-loopback", Stage::Greeting, "554 talk in turn")][..], None),
            (
                &[
                    ("foreign-to-foreign", Stage::Greeting, "554 talk in turn"),
                    ("ctl-postmaster", Stage::Rcpt, "250 ok"),
                ][..],
                None,
            ),
        ] {
            check(weigh, asked, expected);
        }
    }
}
