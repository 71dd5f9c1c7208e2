//! The executable: reads the command line, runs one command, prints its result, exits with its
//! code.
//!
//! Rules:
//! - Standard output is the result alone; progress and complaints go to standard error.
//! - A complaint is one sentence that says what to do.
//! - Exit codes are promises: 0 closed, 1 open, 2 suspect or inconclusive, 3 usage or
//!   configuration, 4 unreachable, 5 a fault of norelay's own.

mod blacklist_command;
mod complaint;
mod earlier_run;
mod explain_command;
mod fix_command;
mod folded_log;
mod interrupt;
mod nearest;
mod option_values;
mod output;
mod receive_command;
mod replay_command;
#[cfg(feature = "server")]
mod serve_command;
mod test_command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "server")]
use crate::serve_command::ServeOptions;
use crate::{
    blacklist_command::BlacklistOptions, complaint::Complaint, explain_command::ExplainOptions,
    fix_command::FixOptions, receive_command::ReceiveOptions, replay_command::ReplayOptions,
    test_command::TestOptions,
};

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
    Test(Box<TestOptions>),
    /// Ask the DNS blacklists about addresses and domains, each list self-tested first
    Blacklist(BlacklistOptions),
    /// Explain the tests: the whole catalogue, or one test
    Explain(ExplainOptions),
    /// Show the remedies: the servers, or what closes one of them
    Fix(FixOptions),
    /// Receive what comes back, for tests that run elsewhere
    Receive(Box<ReceiveOptions>),
    /// Judge a stored event log again; sends nothing
    Replay(ReplayOptions),
    /// Serve the web page, the API and the receiver in one process
    #[cfg(feature = "server")]
    Serve(Box<ServeOptions>),
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
            return complain(&Complaint::internal(format!("The runtime can't start: {error}.")));
        }
    };
    let result = runtime.block_on(run(cli.command));
    // A look-up or a connection that is still under way would delay the exit for nothing.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(complaint) => complain(&complaint),
    }
}

async fn run(command: Command) -> Result<u8, Complaint> {
    match command {
        Command::Test(options) => test_command::run(*options).await,
        Command::Blacklist(options) => blacklist_command::run(options).await,
        Command::Explain(options) => explain_command::run(&options),
        Command::Fix(options) => fix_command::run(&options),
        Command::Receive(options) => receive_command::run(*options).await,
        Command::Replay(options) => replay_command::run(&options),
        #[cfg(feature = "server")]
        Command::Serve(options) => serve_command::run(*options).await,
    }
}

fn complain(complaint: &Complaint) -> ExitCode {
    anstream::eprintln!("norelay: {}", complaint.sentence);
    ExitCode::from(complaint.code)
}
