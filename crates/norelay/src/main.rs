//! The executable: reads the command line, runs one command, prints its result, exits with its
//! code.
//!
//! Rules:
//! - Standard output is the result alone; progress and complaints go to standard error.
//! - A complaint is one sentence that says what to do.
//! - Exit codes are promises: 0 closed, 1 open, 2 suspect or inconclusive, 3 usage or
//!   configuration, 4 unreachable, 5 a fault of norelay's own.

mod blacklist_command;
mod earlier_run;
mod explain_command;
mod fix_command;
mod folded_log;
mod nearest;
mod output;
mod receive_command;
mod replay_command;
#[cfg(feature = "server")]
mod serve_command;
mod test_command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tells on evidence whether a stranger can send mail through a server to somewhere else.
#[derive(Parser)]
#[command(name = "norelay", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 closed, 1 open relay, 2 suspect or inconclusive, 3 usage, 4 \
                  unreachable, 5 internal."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Test a server: a host name, a mail domain (its mail exchangers), or an address
    Test(Box<test_command::Arguments>),
    /// Ask the DNS blacklists about addresses and domains, each list self-tested first
    Blacklist(blacklist_command::Arguments),
    /// Explain the tests: the whole catalogue, or one test
    Explain(explain_command::Arguments),
    /// Show the remedies: the servers, or what closes one of them
    Fix(fix_command::Arguments),
    /// Receive what comes back, for tests that run elsewhere
    Receive(Box<receive_command::Arguments>),
    /// Judge a stored event log again; sends nothing
    Replay(replay_command::Arguments),
    /// Serve the web page, the API and the receiver in one process
    #[cfg(feature = "server")]
    Serve(Box<serve_command::Arguments>),
}

/// A command that can't do what it was asked: one sentence, and the exit code.
#[derive(Debug)]
pub struct Complaint {
    /// The exit code.
    pub code: u8,
    /// The sentence.
    pub sentence: String,
}

impl Complaint {
    /// The user typed something that can't be.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self { code: 3, sentence: sentence.into() }
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 3 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return complain(&Complaint {
                code: 5,
                sentence: format!("The runtime can't start: {error}."),
            });
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Test(arguments) => test_command::run(*arguments).await,
            Command::Blacklist(arguments) => blacklist_command::run(arguments).await,
            Command::Explain(arguments) => explain_command::run(&arguments),
            Command::Fix(arguments) => fix_command::run(&arguments),
            Command::Receive(arguments) => receive_command::run(*arguments).await,
            Command::Replay(arguments) => replay_command::run(&arguments),
            #[cfg(feature = "server")]
            Command::Serve(arguments) => serve_command::run(*arguments).await,
        }
    });
    // A look-up or a connection that is still under way is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(complaint) => complain(&complaint),
    }
}

fn complain(complaint: &Complaint) -> ExitCode {
    anstream::eprintln!("norelay: {}", complaint.sentence);
    ExitCode::from(complaint.code)
}
