//! The remedy of a diagnosis as steps for an administrator: what to change where, what to run, what
//! to look at.

use serde::Serialize;

use norelay_core::{
    assess::Assessment,
    diagnosis::{Assumption, Diagnosis},
    octets::harmless,
    remedy::{self, Block, BlockPurpose, Mode, Remedy, Role, Side},
};

/// A remedy in steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// The remedy's key, `postfix/mynetworks`.
    pub key: String,
    /// What the remedy does.
    pub title: &'static str,
    /// The software that the remedy is for, if that is not known well enough, and how to find out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumes: Option<Assumption>,
    /// The command that prints the remedy's whole document.
    pub command: String,
    /// The address of the official documentation.
    pub documentation: Option<&'static str>,
    /// The steps, in order. Empty if the change is made in windows and menus, which the document
    /// names.
    pub steps: Vec<FixStep>,
}

impl Fix {
    /// What it does, with the condition that it rests on: `If this is Postfix: …`
    #[must_use]
    pub fn headline(&self) -> String {
        match &self.assumes {
            Some(assumed) => format!("{}: {}", assumed.condition(), self.title),
            None => self.title.to_owned(),
        }
    }
}

/// One step of a remedy. `catalogue/remedy/README.md` says what each mode does with the lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FixStep {
    /// What the step is for.
    pub purpose: BlockPurpose,
    /// The packaging that the step is for: the one that the server shows or, if the server shows
    /// none, each that the remedy has steps for.
    pub packaging: Option<&'static str>,
    /// What is to be done with the lines, for people.
    pub heading: String,
    /// The files to change; of several files, each that exists. Empty if the lines are commands for
    /// a root shell.
    pub files: Vec<String>,
    /// How the lines change them: `set`, `append`, `remove`, `insert` or `write`.
    pub mode: Option<&'static str>,
    /// The pattern of the line that the lines are inserted before.
    pub before: Option<String>,
    /// The pattern of the line that the lines are inserted after.
    pub after: Option<String>,
    /// The lines.
    pub lines: Vec<String>,
}

/// Returns the remedies against a diagnosed cause, the one that helps most often first. Steps are
/// for the packaging that the server shows, or for every packaging if the server shows none.
#[must_use]
pub fn fixes_of(assessment: &Assessment, diagnosis: &Diagnosis) -> Vec<Fix> {
    let software = diagnosis
        .paths
        .iter()
        .find_map(|id| assessment.software(*id));
    let packaging = software.and_then(|mta| mta.distribution);
    let remedies = diagnosis
        .remedies
        .iter()
        .filter_map(|key| remedy::by_key(key));
    remedies
        .map(|remedy| of_remedy(remedy, diagnosis, packaging))
        .collect()
}

/// Returns the remedy that helps most often.
#[must_use]
pub fn fix_of(assessment: &Assessment, diagnosis: &Diagnosis) -> Option<Fix> {
    fixes_of(assessment, diagnosis).into_iter().next()
}

fn of_remedy(remedy: &'static Remedy, diagnosis: &Diagnosis, packaging: Option<&str>) -> Fix {
    let blocks = match packaging {
        Some(_) => remedy.blocks_for(packaging),
        None => remedy.blocks(),
    };
    let blocks = blocks.unwrap_or_default();
    Fix {
        key: remedy.key(),
        title: remedy.title(),
        assumes: diagnosis.assumption_of(&remedy.key()).cloned(),
        command: format!("norelay fix {} {}", remedy.server, diagnosis.cause.word()),
        documentation: remedy.documentation(),
        steps: blocks.iter().map(|block| step(block, &blocks)).collect(),
    }
}

/// Returns one block of a remedy as a step. The heading names the packaging if other blocks are for
/// other packagings.
fn step(block: &Block<'static>, all: &[Block<'static>]) -> FixStep {
    let purpose = block.role.purpose();
    let mut beside = all.iter().filter(|other| other.role.purpose() == purpose);
    let place = match block.variant {
        _ if !beside.any(|other| other.variant != block.variant) => String::new(),
        Some(packaging) => format!("{}: ", capitalised(packaging)),
        None => "Others: ".to_owned(),
    };
    let (files, mode, before, after) = match &block.role {
        Role::Apply { files, mode } => {
            let (before, after) = match mode {
                Mode::Insert { side: Side::Before, line } => (Some(harmless(line)), None),
                Mode::Insert { side: Side::After, line } => (None, Some(harmless(line))),
                _ => (None, None),
            };
            (files.iter().map(|file| harmless(file)).collect(), Some(mode.word()), before, after)
        }
        Role::Run | Role::Reload | Role::Check => (Vec::new(), None, None, None),
    };
    let lines = block.lines.iter().map(|line| harmless(line)).collect();
    let heading = format!("{place}{}", heading(&block.role));
    FixStep { purpose, packaging: block.variant, heading, files, mode, before, after, lines }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn heading(role: &Role<'_>) -> String {
    match role {
        Role::Apply { files, mode } => {
            let how = match mode {
                Mode::Set => "set".to_owned(),
                Mode::Append => "add".to_owned(),
                Mode::Remove => "take out".to_owned(),
                Mode::Insert { side: Side::Before, line } => {
                    format!("add, before the first line like \"{line}\"")
                }
                Mode::Insert { side: Side::After, line } => {
                    format!("add, after the first line like \"{line}\"")
                }
                Mode::Write => "write this and nothing else".to_owned(),
            };
            format!("In {}, {how}", files.join(" or "))
        }
        Role::Run => "Run".to_owned(),
        Role::Reload => "Make the server read it".to_owned(),
        Role::Check => "Look at what it has read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(variant: Option<&'static str>, role: Role<'static>) -> Block<'static> {
        Block { role, variant, lines: vec!["a"] }
    }

    #[test]
    fn a_remedy_for_a_possible_software_says_so() {
        let mut fix = Fix {
            key: "postfix/mynetworks".into(),
            title: "Trust this machine",
            assumes: None,
            command: String::new(),
            documentation: None,
            steps: Vec::new(),
        };
        assert_eq!(fix.headline(), "Trust this machine");
        fix.assumes = Some(Assumption {
            remedy: fix.key.clone(),
            software: "Postfix",
            check: "`postconf mail_version` prints Postfix's version",
        });
        assert_eq!(fix.headline(), "If this is Postfix: Trust this machine");
    }

    #[test]
    fn a_step_says_to_people_and_to_machines_what_is_done() {
        let role = Role::Apply {
            files: vec!["/etc/x", "/etc/y"],
            mode: Mode::Insert { side: Side::Before, line: "end *" },
        };
        let step = step(&block(None, role), &[]);
        assert_eq!(step.heading, "In /etc/x or /etc/y, add, before the first line like \"end *\"");
        assert_eq!((step.purpose, step.mode), (BlockPurpose::Change, Some("insert")));
        assert_eq!(
            (step.before.as_deref(), step.after, step.files.len()),
            (Some("end *"), None, 2)
        );
    }

    #[test]
    fn where_the_packaging_is_not_known_each_step_says_for_whom_it_is() {
        let blocks = [
            block(Some("debian"), Role::Reload),
            block(None, Role::Reload),
            block(None, Role::Check),
        ];
        let headings: Vec<_> = blocks
            .iter()
            .map(|block| step(block, &blocks).heading)
            .collect();
        assert_eq!(
            headings,
            [
                "Debian: Make the server read it",
                "Others: Make the server read it",
                "Look at what it has read"
            ]
        );
    }
}
