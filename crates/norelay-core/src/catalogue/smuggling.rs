//! SMTP smuggling: a text that contains what looks like its end, then commands, then another text.
//!
//! Rules:
//! - Both messages go to a token of ours and to the mailbox of `--local-user`, and to no one else.
//! - Each message says what it is. The second one has a token of its own as its recipient, so that
//!   norelay knows the message when it arrives alone.

/// The text, as a template. `{end}` stands for what the server may read as the end of data. The
/// text includes its real end.
pub(super) const TEXT: &str = concat!(
    "From: SMTP smuggling test <{sender}@{domain}>\\x0d\\x0a",
    "To: <{local_user}@{local_domain}>\\x0d\\x0a",
    "Message-ID: <{text_token}@{domain}>\\x0d\\x0a",
    "Subject: SMTP smuggling test, the outer message\\x0d\\x0a",
    "Auto-Submitted: auto-generated\\x0d\\x0a",
    "X-Norelay-Token: {text_token}\\x0d\\x0a",
    "\\x0d\\x0a",
    "Sent by norelay for the administrator of this server. What follows is part\\x0d\\x0a",
    "of this text. A server that makes a second message of it can be abused.",
    "{end}",
    "MAIL FROM:<{sender}@{domain}>\\x0d\\x0a",
    "RCPT TO:<{inner}@{domain}>\\x0d\\x0a",
    "RCPT TO:<{local_user}@{local_domain}>\\x0d\\x0a",
    "DATA\\x0d\\x0a",
    "From: SMTP smuggling test <{sender}@{domain}>\\x0d\\x0a",
    "To: <{local_user}@{local_domain}>\\x0d\\x0a",
    "Message-ID: <{inner}@{domain}>\\x0d\\x0a",
    "Subject: SMTP smuggling test, the smuggled message\\x0d\\x0a",
    "Auto-Submitted: auto-generated\\x0d\\x0a",
    "X-Norelay-Token: {text_token}\\x0d\\x0a",
    "\\x0d\\x0a",
    "If this is a message of its own, the server took something else than\\x0d\\x0a",
    "<CR><LF>.<CR><LF> for the end of the one before.\\x0d\\x0a",
    ".\\x0d\\x0a",
);
