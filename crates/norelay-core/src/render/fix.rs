//! The remedy of a diagnosis as steps that somebody can take: what to change where, what to run, what to look at.

use crate::{
    diagnosis::Diagnosis,
    mta,
    octets::harmless,
    remedy::{self, Block, Mode, Role, Side},
    report::Report,
};

/// A remedy in steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does.
    pub title: &'static str,
    /// The command that prints it with all that is to be known about it.
    pub command: String,
    /// The address of the official documentation.
    pub documentation: Option<&'static str>,
    /// The steps, in order; none where the change is made in windows and menus: the document says which.
    pub steps: Vec<Step>,
}

/// One step of a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is to be done with the lines.
    pub heading: String,
    /// The lines.
    pub lines: Vec<String>,
}

/// The remedy that helps most often against a diagnosed cause, for the packaging that the server shows.
#[must_use]
pub fn fix_of(report: &Report, diagnosis: &Diagnosis) -> Option<Fix> {
    let remedy = remedy::by_key(diagnosis.remedy.as_deref()?)?;
    let software = diagnosis.paths.iter().find_map(|path| mta::identify(report, *path));
    let blocks = remedy.blocks().unwrap_or_default();
    Some(Fix {
        title: remedy.title(),
        command: format!("norelay fix {} {}", remedy.server, diagnosis.cause.word()),
        documentation: remedy.documentation(),
        steps: of_packaging(&blocks, software.and_then(|mta| mta.distribution)).map(step).collect(),
    })
}

/// The blocks for a packaging, and those for the plain software whose role it has no own block for.
fn of_packaging<'a>(
    blocks: &'a [Block<'static>],
    packaging: Option<&'a str>,
) -> impl Iterator<Item = &'a Block<'static>> {
    let is_own = move |block: &Block<'_>| block.variant.is_some() && block.variant == packaging;
    blocks.iter().filter(move |block| {
        let has_own = blocks.iter().any(|other| is_own(other) && kind(&other.role) == kind(&block.role));
        is_own(block) || (block.variant.is_none() && !has_own)
    })
}

fn kind(role: &Role<'_>) -> u8 {
    match role {
        // What is changed in a file and what is changed by a command are one kind: the change.
        Role::Apply { .. } | Role::Run => 0,
        Role::Reload => 1,
        Role::Check => 2,
    }
}

fn step(block: &Block<'static>) -> Step {
    let heading = match &block.role {
        Role::Apply { files, mode } => {
            let how = match mode {
                Mode::Set => "set".to_owned(),
                Mode::Append => "add".to_owned(),
                Mode::Remove => "take out".to_owned(),
                Mode::Insert { side: Side::Before, line } => format!("add, before the first line like \"{line}\""),
                Mode::Insert { side: Side::After, line } => format!("add, after the first line like \"{line}\""),
                Mode::Write => "write this and nothing else".to_owned(),
            };
            format!("In {}, {how}", files.join(" or "))
        }
        Role::Run => "Run".to_owned(),
        Role::Reload => "Make the server read it".to_owned(),
        Role::Check => "Look at what it has read".to_owned(),
    };
    Step { heading, lines: block.lines.iter().map(|line| harmless(line)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(role: Role<'static>, variant: Option<&'static str>, line: &'static str) -> Block<'static> {
        Block { role, variant, lines: vec![line] }
    }

    #[test]
    fn a_packaging_gets_its_own_change_and_the_plain_rest() {
        let apply =
            Role::Apply { files: vec!["/etc/x", "/etc/y"], mode: Mode::Insert { side: Side::Before, line: "end *" } };
        let blocks = [
            block(apply, None, "a"),
            block(Role::Run, Some("debian"), "b"),
            block(Role::Run, Some("docker"), "c"),
            block(Role::Reload, None, "d"),
            block(Role::Check, None, "e"),
            block(Role::Check, Some("docker"), "f"),
        ];
        for (packaging, expected) in
            [(None, "ade"), (Some("debian"), "bde"), (Some("docker"), "cdf"), (Some("unheard of"), "ade")]
        {
            let lines: String = of_packaging(&blocks, packaging).flat_map(|block| block.lines.clone()).collect();
            assert_eq!(lines, expected, "{packaging:?}");
        }
        assert_eq!(step(&blocks[0]).heading, "In /etc/x or /etc/y, add, before the first line like \"end *\"");
    }
}
