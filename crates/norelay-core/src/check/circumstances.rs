//! What a rule sees beside the test itself: the path, and what the controls on the path show.
//!
//! Rules:
//! - Everything here is read from the outcomes of a path, before any test has a weight.
//! - A control is evidence about the server: whether it accepts any local part, and whether it
//!   accepts mail from us at all.

use super::{
    boilerplate,
    judgement::TestJudgement,
    message_rejection,
    outcome::Outcome,
    reason::{self, Reason},
};
use crate::{
    catalogue::{Group, RelayTest, Strength, TestRole},
    report::{PathView, Report},
    smtp::{Reply, Stage},
};

/// What is known of a path when its tests are weighed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    /// The path.
    pub(super) path: PathView<'a>,
    /// What its controls show.
    pub(super) controls: Controls<'a>,
    /// True if the server accepts every recipient and refuses every message as relaying.
    pub(super) refuses_every_message: bool,
}

/// What the controls of a path show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Controls<'a> {
    /// True if the server accepts a made-up user, and so any local part.
    pub(super) accept_any_local_part: bool,
    /// True if the server accepts postmaster of the hosted domain, and so some mail from us.
    pub(super) accept_postmaster: bool,
    /// True if the probe domain is the user's own. Such a domain exists and accepts mail.
    pub(super) probe_domain_exists: bool,
    /// The replies that refuse or defer a made-up user, at the hosted domain and at the host.
    pub(super) unknown_users: [Option<&'a Reply>; 2],
    /// The replies that refuse or defer a made-up user anywhere in the run: some paths are asked
    /// less than others.
    unknown_users_anywhere: &'a [Reply],
    /// The reply that refuses or defers the plain test.
    plain: Option<&'a Reply>,
}

impl<'a> Circumstances<'a> {
    /// Reads what the outcomes of a path show. `unknown_users` are the replies that refuse made-up
    /// users anywhere in the run.
    pub(super) fn of(
        path: PathView<'a>,
        tests: &'a [TestJudgement],
        controls: &'a [TestJudgement],
        unknown_users: &'a [Reply],
    ) -> Self {
        let plain = tests.iter().find(|judged| judged.test.is(TestRole::Plain));
        let plain = plain.and_then(|judged| boilerplate::rcpt_rejection(&judged.outcome));
        let shown = Controls::shown_by(path.report, controls, unknown_users);
        Self {
            path,
            controls: Controls { plain, ..shown },
            refuses_every_message: message_rejection::refuses_every_message(path, tests),
        }
    }

    /// Returns where, why and in which words a test was refused, if the refusal may be a denial.
    ///
    /// A rejection of postmaster at our domain is no denial if the plain test was rejected
    /// otherwise. Then the recipient passed the relay check, and a later check rejected it, such as
    /// one that asks our host whether the mailbox exists.
    pub(super) fn denial_of(self, judged: &TestJudgement) -> Option<(Stage, Reason, &Reply)> {
        let (stage, reason, reply) = judged.outcome.refusal()?;
        let is_denial = !judged.test.is_for_postmaster()
            || self.controls.plain_is_refused_alike(stage, reason, reply);
        is_denial.then_some((stage, reason, reply))
    }
}

impl<'a> Controls<'a> {
    /// True if the plain test was refused with this reply, but for the addresses in it.
    pub(super) fn plain_is_refused_in_words(&self, reply: &Reply) -> bool {
        self.plain
            .is_some_and(|plain| reason::is_same(plain, reply))
    }

    fn shown_by(report: &Report, controls: &'a [TestJudgement], anywhere: &'a [Reply]) -> Self {
        let outcome = |role| Some(&controls.iter().find(|judged| judged.test.is(role))?.outcome);
        let accepts = |role| matches!(outcome(role), Some(Outcome::Accepted { .. }));
        Self {
            accept_any_local_part: boilerplate::UNKNOWN_USERS.into_iter().any(accepts),
            accept_postmaster: accepts(TestRole::Postmaster),
            probe_domain_exists: report.run.as_ref().is_some_and(|run| run.domain_given),
            unknown_users: boilerplate::UNKNOWN_USERS
                .map(|role| outcome(role).and_then(boilerplate::rcpt_rejection)),
            unknown_users_anywhere: anywhere,
            plain: None,
        }
    }

    /// True if everybody but postmaster is rejected in these words: a made-up user of the server,
    /// and also the plain test if this test has an odder recipient. Such a rejection is about the
    /// client, unless the reply speaks of the recipient.
    pub(super) fn refuse_everybody_alike(&self, test: &RelayTest, reply: &Reply) -> bool {
        let is_same = |other: &Reply| reason::is_same(other, reply);
        self.unknown_users_anywhere.iter().any(is_same)
            && (test.strength == Strength::Strong || self.plain.is_some_and(is_same))
            && !reason::is_about_recipient(reply)
    }

    /// True if the rejection says that relaying is denied, or the plain test was rejected alike.
    fn plain_is_refused_alike(&self, stage: Stage, reason: Reason, reply: &Reply) -> bool {
        let is_denial = matches!(reason, Reason::RelayDenied | Reason::AuthRequired);
        let is_as_plain =
            |plain| reason::is_same(plain, reply) || Reason::of(stage, plain) == reason;
        is_denial || stage != Stage::Rcpt || self.plain.is_some_and(is_as_plain)
    }
}

/// The ports for users who authenticate: RFC 8314 section 3.3 (465) and RFC 6409 section 3.1 (587).
pub(crate) const SUBMISSION_PORTS: [u16; 2] = [465, 587];

/// True for a path to a submission port whose server offers AUTH. Many servers offer AUTH only
/// under TLS, so the other paths to the same port count as well.
pub(super) fn is_for_users(path: PathView<'_>) -> bool {
    SUBMISSION_PORTS.contains(&path.destination().port)
        && path.at_endpoint().any(|path| path.offers("AUTH"))
}

/// Returns the other paths to the host of this path, at whatever address or port.
pub(super) fn others_to_host(path: PathView<'_>) -> impl Iterator<Item = PathView<'_>> {
    path.others()
        .filter(move |other| other.destination().is_to_host_of(path.destination()))
}

/// True if a rejection at this stage is about the sender, the recipient or the message, and not
/// about the connection.
pub(super) fn is_about_envelope(stage: Stage) -> bool {
    !matches!(stage, Stage::Greeting | Stage::Ehlo | Stage::Helo | Stage::StartTls)
}

/// True if the sender was accepted before this stage.
pub(super) fn is_at_recipient(stage: Stage) -> bool {
    matches!(stage, Stage::Rcpt | Stage::Data | Stage::EndOfData)
}

/// True if the same client may be accepted at a later time.
pub(super) fn may_pass_later(reason: Reason) -> bool {
    matches!(reason, Reason::Greylisted | Reason::RateLimited)
}

/// True if the test is about the form of the recipient, or about what comes before RCPT.
pub(super) fn has_odd_recipient(test: &RelayTest) -> bool {
    !matches!(test.group, Group::Plain | Group::Sender | Group::Hello | Group::Path)
}
