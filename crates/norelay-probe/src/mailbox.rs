//! The mailbox of postmaster: a file in mbox format (RFC 4155) that any mail reader opens.
//!
//! A domain that accepts mail must accept mail for postmaster (RFC 5321 section 4.5.1), and servers
//! that verify a sender's domain check for that. The receiver accepts such mail only if there is a
//! mailbox to keep it in.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use norelay_core::smtp::ReceivedMessage;

/// Octets. A mailbox that has grown beyond this keeps nothing more until its owner empties it.
const MAX_MAILBOX: u64 = 64 * 1024 * 1024;

/// An mbox file.
#[derive(Debug)]
pub struct Mailbox(Mutex<File>);

impl Mailbox {
    /// Opens a mailbox. Makes the file, for its owner only, if there is none.
    ///
    /// # Errors
    /// One sentence: the file can't be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("The mailbox {} can't be written: {error}.", path.display()),
            )
        })?;
        Ok(Self(Mutex::new(file)))
    }

    /// Appends a message, and returns when it is on the disk.
    pub(crate) fn append(&self, message: &ReceivedMessage) -> io::Result<()> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if file.metadata()?.len() > MAX_MAILBOX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        file.write_all(&entry(message, jiff::Timestamp::now()))?;
        file.sync_data()
    }
}

/// Returns a message as an mbox entry: a `From ` line, the trace that delivery adds (RFC 5321
/// section 4.4), and the text. Lines of the text end with LF, and a line that could be read as
/// another `From ` line gets a `>` in front.
fn entry(message: &ReceivedMessage, at: jiff::Timestamp) -> Vec<u8> {
    let peer = message.peer.ip();
    let (helo, reverse_path) = (&message.helo, &message.reverse_path);
    let protocol = if message.tls { "ESMTPS" } else { "ESMTP" };
    let date = at.strftime("%a %b %e %H:%M:%S %Y");
    let head = format!(
        "From MAILER-DAEMON {date}\nReturn-Path: {reverse_path}\nReceived: from {helo} ([{peer}]) \
         with {protocol}; {}\n",
        at.strftime("%a, %d %b %Y %H:%M:%S +0000")
    );
    let mut entry = head.into_bytes();
    for line in message.text.split_inclusive(|octet| *octet == b'\n') {
        if could_begin_another(line) {
            entry.push(b'>');
        }
        match line.strip_suffix(b"\r\n") {
            Some(line) => entry.extend_from_slice(&[line, b"\n"].concat()),
            None => entry.extend_from_slice(line),
        }
    }
    if !entry.ends_with(b"\n") {
        entry.push(b'\n');
    }
    entry.push(b'\n');
    entry
}

/// True if a line is `From ` behind any number of `>`. Quoting all of them can be undone.
fn could_begin_another(line: &[u8]) -> bool {
    let quotes = line.iter().take_while(|octet| **octet == b'>').count();
    line[quotes..].starts_with(b"From ")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn no_text_can_pretend_to_be_another_message() {
        let message = |text: &str| ReceivedMessage {
            peer: SocketAddr::from(([192, 0, 2, 7], 25)),
            helo: "a\nFrom x".into(),
            tls: false,
            reverse_path: "<b@c>".into(),
            forward_paths: vec!["<postmaster>".into()],
            text: text.as_bytes().to_vec(),
            size: 0,
        };
        let head = "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nReturn-Path: <b@c>\n\
                    Received: from a\\x0aFrom x ([192.0.2.7]) with ESMTP; Thu, 01 Jan 1970 \
                    00:00:00 +0000\n";
        for (text, expected) in [
            (
                "Subject: x\r\n\r\nFrom y\r\n>From z\r\n> From\r\n",
                "Subject: x\n\n>From y\n>>From z\n> From\n\n",
            ),
            ("a\nFrom b", "a\n>From b\n\n"),
            ("", "\n"),
        ] {
            let entry = entry(&message(text), jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(String::from_utf8_lossy(&entry), format!("{head}{expected}"));
        }
    }
}
