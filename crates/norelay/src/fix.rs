//! `norelay fix`: the remedies, for reading.

use norelay_core::remedy::{self, Cause, Remedy};

use crate::{Complaint, output};

/// Which remedies to show.
#[derive(clap::Args)]
pub struct Arguments {
    /// A server or packaging, such as postfix; without one, all are listed
    mta: Option<String>,
    /// A cause that a report names, such as percent_hack
    cause: Option<String>,
}

/// Prints the list of servers, a server's remedies, or those for a cause.
pub fn run(arguments: &Arguments) -> Result<u8, Complaint> {
    let Some(mta) = &arguments.mta else {
        output::print(&list())?;
        return Ok(0);
    };
    let mta = mta.to_lowercase();
    let server = remedy::servers().find(|server| *server == mta).ok_or_else(|| {
        Complaint::usage(format!("There are no remedies for \"{}\": norelay fix lists the servers.", shown(&mta)))
    })?;
    let remedies: Vec<&Remedy> = match &arguments.cause {
        None => remedy::remedies().iter().filter(|remedy| remedy.server == server).collect(),
        Some(cause) => {
            let known = cause.parse::<Cause>().map_err(|_| {
                let causes: Vec<_> = Cause::ALL.iter().map(|cause| cause.word()).collect();
                Complaint::usage(format!("There is no cause \"{}\": there are {}.", shown(cause), causes.join(", ")))
            })?;
            remedy::find(server, known).collect()
        }
    };
    if remedies.is_empty() {
        return Err(Complaint::usage(format!(
            "There is no remedy of {server} for this cause: norelay fix {server} shows those that there are."
        )));
    }
    let documents: Vec<_> = remedies.iter().map(|remedy| remedy.document.trim_end()).collect();
    output::print(&(documents.join("\n\n\n") + "\n"))?;
    Ok(0)
}

fn list() -> String {
    let rows = remedy::servers().map(|server| {
        let of_server: Vec<_> = remedy::remedies().iter().filter(|remedy| remedy.server == server).collect();
        let mut causes: Vec<_> =
            of_server.iter().flat_map(|remedy| remedy.causes.iter().map(|cause| cause.word())).collect();
        causes.sort_unstable();
        causes.dedup();
        format!("{server:<22} {}\n{:22} {}\n", remedy::title_of(server), "", causes.join(", "))
    });
    rows.collect()
}

fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(60).collect()
}
