//! The commands in flight: said, and not answered yet.
//!
//! Rules:
//! - A reply belongs to the oldest command (RFC 2920 section 3.2: replies come in the order of
//!   their commands).
//! - No reply belongs to a command that the caller has not fetched for sending yet.

use std::collections::VecDeque;

use crate::command::Stage;

/// A command that awaits its reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingCommand {
    /// Where in the dialogue the command stands.
    pub(super) stage: Stage,
    /// The index of the step that the command is, if it is one.
    pub(super) step: Option<usize>,
}

/// The commands that await their replies, oldest first.
#[derive(Debug, Default)]
pub(super) struct Flight {
    commands: VecDeque<PendingCommand>,
    /// How many commands have been fetched for sending. They are the oldest ones.
    transmitted: usize,
}

impl Flight {
    /// Adds a command whose octets have still to be fetched.
    pub(super) fn push(&mut self, command: PendingCommand) {
        self.commands.push_back(command);
    }

    /// Records that the caller has fetched all octets.
    pub(super) fn transmit(&mut self) {
        self.transmitted = self.commands.len();
    }

    /// Removes the command that a reply belongs to and returns it. Returns `None` if the server
    /// cannot have seen any command that awaits a reply.
    pub(super) fn pop_answered(&mut self) -> Option<PendingCommand> {
        self.transmitted = self.transmitted.checked_sub(1)?;
        self.commands.pop_front()
    }

    /// True if no reply is awaited.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The stage of the command that is answered next.
    pub(super) fn oldest(&self) -> Option<Stage> {
        self.commands.front().map(|command| command.stage)
    }

    /// The stage of the command that was said last.
    pub(super) fn latest(&self) -> Option<Stage> {
        self.commands.back().map(|command| command.stage)
    }

    /// True if all commands are of these stages.
    pub(super) fn is_all_of(&self, stages: &[Stage]) -> bool {
        self.commands
            .iter()
            .all(|command| stages.contains(&command.stage))
    }
}
