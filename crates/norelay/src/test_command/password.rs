//! The password of `--auth`: from a prompt, a file or a file descriptor, never from an argument
//! that other users of the machine can see.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use norelay_core::catalogue::{Credentials, Mechanism};

use super::options::AuthenticationOptions;
use crate::complaint::{Complaint, shown};

/// The longest password that is read. No server accepts a longer one: RFC 4616 sets no limit, but
/// lines of SMTP end at 512 octets.
const MAX_PASSWORD: u64 = 1024;
/// As much of a user's name as the prompt shows.
const SHOWN_USER: usize = 80;

/// The credentials that the user asked to check with.
pub fn credentials(options: &AuthenticationOptions) -> Result<Option<Credentials>, Complaint> {
    let Some(user) = &options.auth else { return Ok(None) };
    let password = match (&options.password_file, options.password_fd) {
        (Some(path), _) => first_line(path)?,
        // The descriptors of a process are files in a folder of the process. Opening such a file
        // reads what the shell put there.
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
    let prompt = format!("Password of {}: ", shown(user, SHOWN_USER));
    rpassword::prompt_password(prompt).map_err(|error| {
        Complaint::usage(format!(
            "There is no terminal to ask for the password ({error}): use --password-file or \
             --password-fd."
        ))
    })
}
