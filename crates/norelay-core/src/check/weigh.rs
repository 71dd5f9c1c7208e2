//! The table of rules that give each test its weight.
//!
//! Rules:
//! - [`RULES`] is in order: the first rule that answers decides. What no rule answers is
//!   [`Weight::Unknown`].
//! - A rule has a file of its own below `check/rules/`, with its source and its rows of tests. A
//!   new rule touches that file and this one.
//! - Denials come before the doubts about a rejected message, so that a message that was rejected
//!   as relaying is a denial.

use super::{
    circumstances::Circumstances,
    judgement::{TestJudgement, WeighingRule, Weight},
};
use crate::catalogue::RelayTest;

/// The files of the rules, which stand beside this file in `check/rules/`.
#[path = "rules"]
pub(crate) mod rules {
    pub(super) mod accepted;
    pub(super) mod bad_sequence;
    pub(super) mod by_comparison;
    pub(super) mod certificate_refused;
    pub(super) mod credentials_refused;
    pub(super) mod cut_short;
    pub(super) mod line_not_split;
    pub(super) mod listed_sender;
    pub(super) mod local_delivery;
    pub(crate) mod login_accepted;
    pub(super) mod malformed_recipient;
    pub(super) mod message_refused;
    pub(super) mod name_refused;
    pub(super) mod not_offered;
    pub(super) mod nothing_to_ask;
    pub(crate) mod other_domain;
    pub(super) mod path_not_offered;
    pub(super) mod proxy_refused;
    pub(super) mod queue_refused;
    pub(super) mod relayed;
    pub(super) mod relaying_denied;
    mod rows;
    pub(super) mod sender_refused;
    pub(super) mod submission_only;
    pub(super) mod submission_port;
    pub(super) mod taken_for_unknown_user;
    pub(super) mod tls_required;
    pub(super) mod unknown_user;
    pub(super) mod unroutable_recipient;
}

/// What a rule answers about a test: a weight, or `None` if the rule does not apply.
pub(crate) type Weigh = fn(Circumstances<'_>, &TestJudgement) -> Option<Weight>;

/// Which rows of the catalogue a rule is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleScope {
    /// The scored tests.
    OfTests,
    /// The controls, and whatever else is not scored.
    OfControls,
}

/// A row of the table: a rule, the rows of the catalogue that it is asked about, and its function.
struct Entry {
    rule: WeighingRule,
    scope: RuleScope,
    weigh: Weigh,
}

impl Entry {
    fn is_about(&self, test: &RelayTest) -> bool {
        test.is_scored() == (self.scope == RuleScope::OfTests)
    }
}

macro_rules! rules {
    ($($scope:ident $name:ident $says:literal;)*) => {
        /// Every rule; the first that answers decides.
        static RULES: &[Entry] = &[$(Entry {
            rule: WeighingRule { name: stringify!($name), says: $says },
            scope: RuleScope::$scope,
            weigh: rules::$name::weigh,
        }),*];
    };
}

rules! {
    OfControls other_domain "a server that accepts mail for another foreign domain is not closed, \
                             even if it refuses the probe's domain";
    OfControls listed_sender "a server that accepts mail to other domains from a sender that anybody \
                              can name is not closed";

    // Accepted.
    OfTests relayed "a message that came back through the server proves that it relays";
    OfTests local_delivery "the server accepts any local part, and the message did not come back: \
                            it was delivered locally";
    OfTests nothing_to_ask "the server refuses every message as relaying, so what it accepts \
                            before the message does not count";
    OfTests accepted "an accepted recipient may be relayed to, but nothing has come back";

    // Refusals of relaying, in words.
    OfTests relaying_denied "the reply says that relaying is denied or needs authentication";
    OfTests tls_required "the reply asks for TLS, and the same test is judged under TLS";
    OfTests login_accepted "the server accepted made-up credentials, and refused the sender or \
                            the recipient for another reason than relaying";
    OfTests sender_refused "the test is about the sender, and the sender was refused";
    OfTests malformed_recipient "the form of the recipient is what the test tries, and the server \
                                 refused it as malformed";
    OfTests unknown_user "the server took the recipient for an unknown user of its own, so it does \
                          not relay to that address";
    OfTests unroutable_recipient "the server found no route for the encapsulated address, although \
                                  the probe's domain exists";

    // Refusals of relaying, by comparison.
    OfTests by_comparison "mail to postmaster is accepted from the same client, and this \
                           recipient is refused";
    OfTests taken_for_unknown_user "the server refuses this recipient in the same words as an \
                                    unknown user";
    OfTests submission_port "this port is for users who authenticate, and the same server accepts \
                             mail to postmaster on another port";
    OfTests submission_only "this port is for users who authenticate, and the server rejects \
                             everybody else, whatever the recipient";

    // Refusals of what else a test tries.
    OfTests proxy_refused "the server refused the proxy's header or command that the test sends";
    OfTests queue_refused "the server refused the message in the protocol that the test speaks";
    OfTests line_not_split "the server refused the line as malformed, so it did not read two \
                            commands in it";
    OfTests credentials_refused "the server refused the credentials that the test makes up";
    OfTests bad_sequence "the server refused the order of commands that the test tries";
    OfTests name_refused "the server refused the HELO name that the test gives, and accepts mail \
                          from others";
    OfTests certificate_refused "TLS failed only for the client certificate that the test shows";

    // What is left.
    OfTests message_refused "the recipient was accepted and only the message was refused, so \
                             another message might pass";
    OfTests path_not_offered "the server does not offer STARTTLS, so this path does not exist";
    OfTests not_offered "the server does not offer the extension that the test needs";
    OfTests cut_short "the server asked for a message although it refused every recipient, so the \
                       rest of the test could not be asked";
}

/// Returns the weight of a test, and the rule that decided it.
pub(super) fn weigh(
    circumstances: Circumstances<'_>,
    judged: &TestJudgement,
) -> (Weight, Option<&'static WeighingRule>) {
    let deciding = RULES
        .iter()
        .filter(|entry| entry.is_about(judged.test))
        .find_map(|entry| Some(((entry.weigh)(circumstances, judged)?, &entry.rule)));
    match deciding {
        Some((weight, rule)) => (weight, Some(rule)),
        None => (Weight::Unknown, None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A name is a promise to scripts, and a clause is shown behind "because".
    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_clause() {
        let names: BTreeSet<_> = RULES.iter().map(|entry| entry.rule.name).collect();
        assert_eq!(names.len(), RULES.len());
        for Entry { rule, .. } in RULES {
            let is_snake_case = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(rule.name.chars().all(is_snake_case), "{}", rule.name);
            let (begins, ends) = (rule.says.chars().next(), rule.says.chars().last());
            assert!(begins.is_some_and(|letter| !letter.is_whitespace()), "{}", rule.name);
            assert!(ends.is_some_and(char::is_alphanumeric), "{}: {}", rule.name, rule.says);
        }
    }
}
