//! `norelay fix`: the remedies, for reading.

use norelay_core::remedy::{self, RelayCause, Remedy};

use crate::{
    complaint::{Complaint, SHOWN, shown},
    nearest, output,
};

/// Which remedies to show.
#[derive(clap::Args)]
pub struct FixOptions {
    /// A server or packaging, such as postfix, to list its remedies; without one, all are listed
    server: Option<String>,
    /// The name of a remedy, such as mynetworks, or a cause that a report names, such as
    /// percent_hack: shows what to do
    remedy: Option<String>,
}

/// Prints the list of all remedies, that of a server, or the documents that are asked for.
pub fn run(options: &FixOptions) -> Result<u8, Complaint> {
    let text = match (&options.server, &options.remedy) {
        (None, _) => list_all(),
        // The JSON of a report names a remedy as "postfix/mynetworks".
        (Some(key), None) if key.contains('/') => match key.to_lowercase().split_once('/') {
            Some((server, name)) => documents(server_named(server)?, name)?,
            None => String::new(),
        },
        (Some(server), None) => {
            let server = server_named(server)?;
            format!(
                "{}\nnorelay fix {server} NAME shows what to do; NAME is a remedy or a cause.\n",
                list(server, Causes::Shown)
            )
        }
        (Some(server), Some(name)) => documents(server_named(server)?, name)?,
    };
    output::print(&text)?;
    Ok(0)
}

/// The server that the user names, by our name for it, by its makers' name or by an alias.
fn server_named(typed: &str) -> Result<&'static str, Complaint> {
    if let Some(server) = remedy::server_named(typed) {
        return Ok(server);
    }
    let shown = shown(typed, SHOWN);
    if let Some(hint) = remedy::hint(typed) {
        return Err(Complaint::usage(format!("There are no remedies for \"{shown}\". {hint}")));
    }
    let names = remedy::servers().chain(remedy::aliases());
    let or = nearest::of(&typed.trim().to_lowercase(), names)
        .unwrap_or_else(|| "norelay fix lists the servers".to_owned());
    Err(Complaint::usage(format!("There are no remedies for \"{shown}\": {or}.")))
}

/// The documents of a remedy, or of all that cure a cause.
fn documents(server: &'static str, typed: &str) -> Result<String, Complaint> {
    let wanted = typed.trim().to_lowercase();
    let found: Vec<&Remedy> = match wanted.parse::<RelayCause>() {
        Ok(cause) => remedy::find(server, cause).collect(),
        Err(_) => of(server).filter(|remedy| remedy.name == wanted).collect(),
    };
    if found.is_empty() {
        return Err(not_found(server, typed, &wanted));
    }
    let documents: Vec<_> = found
        .iter()
        .map(|remedy| remedy.document.trim_end())
        .collect();
    Ok(documents.join("\n\n\n") + "\n")
}

fn not_found(server: &'static str, typed: &str, wanted: &str) -> Complaint {
    if let Ok(cause) = wanted.parse::<RelayCause>() {
        return Complaint::usage(format!(
            "There is no remedy of {server} for {cause}: norelay fix {server} shows those that \
             there are."
        ));
    }
    let names = of(server).map(|remedy| remedy.name);
    let causes = of(server)
        .flat_map(|remedy| remedy.causes)
        .map(|cause| cause.word());
    let or = nearest::of(wanted, names.chain(causes))
        .unwrap_or_else(|| format!("norelay fix {server} shows those that there are"));
    Complaint::usage(format!(
        "There is no remedy and no cause \"{}\" of {server}: {or}.",
        shown(typed, SHOWN)
    ))
}

fn of(server: &str) -> impl Iterator<Item = &'static Remedy> {
    remedy::remedies()
        .iter()
        .filter(move |remedy| remedy.server == server)
}

/// Whether a list names the causes that each remedy cures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Causes {
    Shown,
    Hidden,
}

/// The remedies of all servers.
fn list_all() -> String {
    let lists: Vec<_> = remedy::servers()
        .map(|server| list(server, Causes::Hidden))
        .collect();
    lists.join("\n")
}

/// A server's remedies: what to type, what each does and, if asked, what it cures.
fn list(server: &'static str, causes: Causes) -> String {
    let width = of(server)
        .map(|remedy| remedy.name.len())
        .max()
        .unwrap_or_default()
        + server.len()
        + 2;
    let mut text = format!("{}\n", remedy::title_of(server));
    for remedy in of(server) {
        text += &format!("  {:<width$} {}\n", format!("{server} {}", remedy.name), remedy.title());
        if causes == Causes::Shown {
            let causes: Vec<_> = remedy.causes.iter().map(|cause| cause.word()).collect();
            text += &format!("      for {}\n", causes.join(", "));
        }
    }
    text
}
