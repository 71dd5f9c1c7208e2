//! The password of `--auth`: from a prompt, a file or a file descriptor, never from an argument
//! that others can see.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use norelay_core::catalogue::{Credentials, Mechanism};

use super::Arguments;
use crate::Complaint;

/// Longer than any password that a server takes (RFC 4616 leaves it open; SMTP lines have 512
/// octets).
const MAX_PASSWORD: u64 = 1024;

/// The credentials that the user asked to check with.
pub fn credentials(arguments: &Arguments) -> Result<Option<Credentials>, Complaint> {
    let Some(user) = &arguments.auth else { return Ok(None) };
    let password = match (&arguments.password_file, arguments.password_fd) {
        (Some(path), _) => first_line(path)?,
        // The descriptors of a process are files of its own folder; opening one reads what the
        // shell put there.
        (None, Some(number)) => first_line(Path::new(&format!("/proc/self/fd/{number}")))?,
        (None, None) => prompted(user)?,
    };
    match password.is_empty() {
        true => Err(Complaint::usage("The password is empty: nothing can be checked with it.")),
        false => {
            Ok(Some(Credentials { user: user.clone(), password, mechanism: Mechanism::Plain }))
        }
    }
}

fn first_line(path: &Path) -> Result<String, Complaint> {
    let mut line = String::new();
    let read = File::open(path)
        .and_then(|file| BufReader::new(file.take(MAX_PASSWORD)).read_line(&mut line));
    match read {
        Ok(_) => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => Err(Complaint::usage(format!(
            "The password can't be read from {}: {error}.",
            path.display()
        ))),
    }
}

fn prompted(user: &str) -> Result<String, Complaint> {
    let user: String = user
        .chars()
        .filter(|character| !character.is_control())
        .take(80)
        .collect();
    rpassword::prompt_password(format!("Password of {user}: ")).map_err(|error| {
        Complaint::usage(format!(
            "There is no terminal to ask for the password ({error}): use --password-file or \
             --password-fd."
        ))
    })
}
