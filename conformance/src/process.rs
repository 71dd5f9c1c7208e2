//! Programs that the suite runs.
//!
//! Rules:
//! * none reads standard input: CI has none;
//! * the shell scripts of `shell/` are part of this executable, so that it works from
//!   any directory;
//! * a child that stays is killed when its owner is dropped.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use crate::failure::{Doing, Failure, Outcome};

/// How many of a failed program's last lines are shown.
const SHOWN_LINES: usize = 15;

/// Runs a program to its end and returns what it wrote on standard output.
pub fn run(command: &mut Command) -> Outcome<String> {
    let name = describe(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("start {name}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    let cause = format!("{}\n{}", output.status, last_lines(&said, SHOWN_LINES));
    Err(Failure::new(format!("run {name}"), cause))
}

/// A shell script of `shell/` with its arguments.
pub fn script(text: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(text)
        .arg("conformance")
        .args(arguments);
    command
}

/// The last lines of a text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A child process that ends with its owner.
pub struct Guarded(pub Child);

impl Guarded {
    /// What an ended child wrote on a piped standard error.
    pub fn said(&mut self) -> String {
        let mut text = String::new();
        if let Some(errors) = self.0.stderr.as_mut() {
            // Half a message is better than none.
            let _ = errors.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself, which is just as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command in one short line: scripts and their text are left out.
fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy());
    words.extend(
        arguments
            .filter(|text| !text.contains('\n'))
            .map(String::from),
    );
    words.join(" ")
}
