//! Where a session stands, and what it has learned on the way.

use crate::{
    command::{Purpose, Stage},
    reply::Reply,
};

/// Where a session stands. The table at the head of [`session`](super) has the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The greeting is awaited.
    Greeting,
    /// The reply to EHLO or HELO is awaited.
    Hello(Channel),
    /// The reply to STARTTLS is awaited.
    StartTls,
    /// The caller makes the TLS handshake.
    Securing,
    /// TLS stands, and the answer to the line that was injected before TLS is awaited.
    Injected,
    /// The steps are said and answered.
    Steps,
    /// The reply to DATA is awaited.
    Data,
    /// The message is on its way, and the reply to its end is awaited.
    Text,
    /// QUIT has been said, and nothing but its reply matters.
    Leaving,
    /// The session is over.
    Ended,
}

/// What EHLO and HELO travel through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// TCP without TLS.
    Clear,
    /// TLS.
    Encrypted,
}

/// How far the steps have come.
#[derive(Debug, Default)]
pub(super) struct StepProgress {
    /// The index of the step that is said next.
    pub(super) next_step: usize,
    /// How many turns of the latest step have been said.
    pub(super) turns_said: usize,
    /// How many recipients have been accepted since the latest MAIL was said.
    pub(super) accepted_recipients: usize,
    /// What the server has answered to MAIL.
    pub(super) mail: MailAnswers,
}

/// What the server has answered to MAIL since the start or since the latest RSET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MailAnswers {
    /// No answer that counts.
    #[default]
    None,
    /// The latest MAIL was accepted.
    Accepted,
    /// Every MAIL was rejected.
    Rejected,
    /// The latest MAIL was rejected, and one before it was accepted.
    RejectedLater,
}

impl MailAnswers {
    /// Returns the state after the answer to a step.
    pub(super) fn after(self, stage: Stage, purpose: Purpose, reply: &Reply) -> Self {
        match stage {
            // RFC 5321 section 4.1.1.5: RSET forgets the sender.
            Stage::Rset => Self::None,
            Stage::Mail if reply.is_positive() => Self::Accepted,
            Stage::Mail if purpose == Purpose::Aside => self.after_rejected_aside(),
            Stage::Mail => self.after_rejection(),
            _ => self,
        }
    }

    fn after_rejection(self) -> Self {
        match self {
            Self::None | Self::Rejected => Self::Rejected,
            Self::Accepted | Self::RejectedLater => Self::RejectedLater,
        }
    }

    /// The rejection of an aside answers no question, so the recipient after it is still asked.
    fn after_rejected_aside(self) -> Self {
        match self {
            Self::None | Self::Rejected => Self::None,
            Self::Accepted | Self::RejectedLater => Self::Accepted,
        }
    }

    /// True if the latest MAIL was rejected.
    pub(super) fn end_rejected(self) -> bool {
        matches!(self, Self::Rejected | Self::RejectedLater)
    }
}

/// The last reply before the reply to QUIT. A server may count its replies rightly after those of
/// one kind and wrongly after those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastReply {
    /// A 2xx reply.
    Positive,
    /// Any other reply, or none.
    Negative,
}

impl LastReply {
    /// Returns the kind of a reply.
    pub(super) fn of(reply: &Reply) -> Self {
        if reply.is_positive() { Self::Positive } else { Self::Negative }
    }

    fn other(self) -> Self {
        match self {
            Self::Positive => Self::Negative,
            Self::Negative => Self::Positive,
        }
    }
}

/// When a session waits for the reply to QUIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuitReply {
    /// Always.
    Awaited,
    /// If the last reply before is of this kind.
    AwaitedAfter(LastReply),
    /// Never.
    Ignored,
}

impl QuitReply {
    /// Returns the rule without the wait after replies of one kind.
    pub(super) fn skipped_after(self, last: LastReply) -> Self {
        match self {
            Self::Awaited => Self::AwaitedAfter(last.other()),
            Self::AwaitedAfter(kind) if kind == last => Self::Ignored,
            Self::AwaitedAfter(_) | Self::Ignored => self,
        }
    }

    /// True if the session waits after a last reply of this kind.
    pub(super) fn is_awaited_after(self, last: LastReply) -> bool {
        match self {
            Self::Awaited => true,
            Self::AwaitedAfter(kind) => kind == last,
            Self::Ignored => false,
        }
    }
}

/// The latest answer to anything but QUIT.
#[derive(Clone, Copy, Debug)]
pub(super) struct LatestAnswer {
    /// The stage of the command that was answered.
    pub(super) stage: Stage,
    /// The step that was answered, if the command was a step.
    pub(super) step: Option<usize>,
    /// Its kind.
    pub(super) kind: LastReply,
}

impl Default for LatestAnswer {
    /// No answer yet: as if the greeting had been a rejection.
    fn default() -> Self {
        Self { stage: Stage::Greeting, step: None, kind: LastReply::Negative }
    }
}
