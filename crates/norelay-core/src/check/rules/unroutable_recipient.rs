//! An encapsulated address at the server's own domain that the server cannot route, although the
//! probe's domain exists: the server did not read the foreign domain in the address.
//!
//! Source: RFC 3463 section 3.2 (`X.1.2`, bad destination system address). Exchange writes foreign
//! addresses in this form (`IMCEASMTP-`).

use crate::{
    catalogue::{Group, Strength},
    check::{
        circumstances::{Circumstances, is_at_recipient},
        judgement::{TestJudgement, Weight},
        reason::Reason,
    },
};

/// Answers for encapsulated recipients whose domain the server does not find.
pub(in crate::check) fn weigh(on: Circumstances<'_>, judged: &TestJudgement) -> Option<Weight> {
    let (stage, reason, _) = on.denial_of(judged)?;
    let is_encapsulated =
        judged.test.group == Group::Syntax && judged.test.strength == Strength::Weak;
    let is_answer = reason == Reason::RecipientDomain && is_at_recipient(stage);
    (is_answer && is_encapsulated && on.controls.probe_domain_exists).then_some(Weight::Denial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::weigh::rules::rows::check, smtp::Stage};

    #[test]
    fn only_an_encapsulated_address_reads_as_the_servers_own() {
        const UNROUTABLE: &str = "550 5.1.2 Host or domain name not found";
        for (test, reply, expected) in [
            ("imceasmtp-domain", UNROUTABLE, Some(Weight::Denial)),
            ("foreign-to-foreign", UNROUTABLE, None),
            ("imceasmtp-domain", "550 no", None),
        ] {
            check(weigh, &[(test, Stage::Rcpt, reply)], expected);
        }
    }
}
