//! `norelay explain`: the catalogue, for reading.

use norelay_core::catalogue::{self, NoSelection};

use crate::{complaint::Complaint, output};

/// What to explain.
#[derive(clap::Args)]
pub struct ExplainOptions {
    /// A test by its id or number; without one, the whole catalogue is listed
    test: Option<String>,
}

/// Prints the catalogue, or one test's document.
pub fn run(options: &ExplainOptions) -> Result<u8, Complaint> {
    match &options.test {
        None => output::print(&list())?,
        Some(name) => {
            let test = catalogue::find(name).map_err(complaint)?;
            output::print(&format!("{}\n", test.document.trim_end()))?;
        }
    }
    Ok(0)
}

/// Why a selection of tests can't be run, and what the user can do.
pub fn complaint(why: NoSelection) -> Complaint {
    let advice = match &why {
        NoSelection::UnknownTest(_) => "norelay explain lists them all".to_owned(),
        NoSelection::ReadFromOthers(id) => format!("norelay explain {id} says which"),
        NoSelection::NothingLeft => "change --only or --skip".to_owned(),
    };
    Complaint::usage(format!("{why}: {advice}."))
}

fn list() -> String {
    let mut text = String::new();
    for test in catalogue::TESTS {
        let row = format!(
            "{:>3}  {:<24} {:<11} {}\n",
            test.number,
            test.id,
            test.profile.to_string(),
            test.title()
        );
        text.push_str(&row);
    }
    text
}
