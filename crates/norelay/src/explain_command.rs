//! `norelay explain`: the catalogue, for reading.

use norelay_core::catalogue::{self, RelayTest};

use crate::{
    complaint::{Complaint, SHOWN, shown},
    output,
};

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
        Some(name) => output::print(&format!("{}\n", find(name)?.document.trim_end()))?,
    }
    Ok(0)
}

/// The test that a user names by id or number.
pub fn find(name: &str) -> Result<&'static RelayTest, Complaint> {
    let by_number = name.parse().ok().and_then(catalogue::by_number);
    by_number.or_else(|| catalogue::by_id(name)).ok_or_else(|| {
        let name = shown(name, SHOWN);
        Complaint::usage(format!("There is no test \"{name}\": norelay explain lists them all."))
    })
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
