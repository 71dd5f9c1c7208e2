//! The fenced blocks of a remedy: what to change in which file, how to make the server read it, how
//! to look at it.

use std::fmt;

use serde::Serialize;

/// A fenced block that a machine can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// What it is for.
    pub role: Role<'a>,
    /// The packaging that it is for; `None` where it is for the plain software.
    pub variant: Option<&'a str>,
    /// Its lines.
    pub lines: Vec<&'a str>,
}

/// What a block is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role<'a> {
    /// A change to a file; of several files, to each that exists.
    Apply {
        /// Where.
        files: Vec<&'a str>,
        /// How.
        mode: Mode<'a>,
    },
    /// Commands for a shell that make the change, where it isn't in a file.
    Run,
    /// Commands for a shell that make the server read what was changed.
    Reload,
    /// Commands for a shell that show what the server has read.
    Check,
}

/// What a block does, by whatever means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockPurpose {
    /// The block changes the configuration.
    Change,
    /// The block makes the server read the configuration.
    Reload,
    /// The block shows what the server has read.
    Check,
}

impl Role<'_> {
    /// Returns what a block of this role does.
    #[must_use]
    pub fn purpose(&self) -> BlockPurpose {
        match self {
            Self::Apply { .. } | Self::Run => BlockPurpose::Change,
            Self::Reload => BlockPurpose::Reload,
            Self::Check => BlockPurpose::Check,
        }
    }
}

/// How the lines of a block change a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode<'a> {
    /// `name = value` (or `name='value'`, `name: value`): replaces the line that sets the same
    /// name, and the indented lines that continue that line. Without such a line, comes last.
    Set,
    /// Comes last, unless the file has the line already.
    Append,
    /// Removes the rows of lines that are like the block's, apart from blanks around them. `*`
    /// stands for anything, `\*` for an asterisk.
    Remove,
    /// Comes before or after the first line that is like this one. Without such a line, comes last.
    Insert {
        /// On which side of that line.
        side: Side,
        /// The line, `*` standing for anything.
        line: &'a str,
    },
    /// Replaces the whole file.
    Write,
}

impl Mode<'_> {
    /// Returns the word that stands for the mode in a document and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Append => "append",
            Self::Remove => "remove",
            Self::Insert { .. } => "insert",
            Self::Write => "write",
        }
    }

    /// Returns the mode that a word stands for, with the pattern of an insertion.
    ///
    /// # Errors
    /// What is wrong, as a clause.
    pub fn of<'a>(
        word: &str,
        before: Option<&'a str>,
        after: Option<&'a str>,
    ) -> Result<Mode<'a>, &'static str> {
        match (word, before, after) {
            ("insert", Some(line), None) => Ok(Mode::Insert { side: Side::Before, line }),
            ("insert", None, Some(line)) => Ok(Mode::Insert { side: Side::After, line }),
            ("insert", ..) => Err("an insertion needs before= or after="),
            (_, Some(_), _) | (_, _, Some(_)) => Err("only an insertion has before= or after="),
            ("set", ..) => Ok(Mode::Set),
            ("append", ..) => Ok(Mode::Append),
            ("remove", ..) => Ok(Mode::Remove),
            ("write", ..) => Ok(Mode::Write),
            _ => Err("the mode is unknown"),
        }
    }
}

/// On which side of a line an insertion goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Above it.
    Before,
    /// Below it.
    After,
}

/// What is wrong with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the document, counted from one.
    pub line: usize,
    /// What is wrong, as a clause.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Reads the blocks of a document; fences of other kinds are for people.
pub(super) fn parse(document: &str) -> Result<Vec<Block<'_>>, Fault> {
    let mut blocks = Vec::new();
    let mut lines = document.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(opening) = line.strip_prefix("```") else { continue };
        let mut content = Vec::new();
        loop {
            match lines.next() {
                Some(("```", _)) => break,
                Some((line, _)) => content.push(line),
                None => {
                    return Err(Fault { line: number, what: "the block has no end".to_owned() });
                }
            }
        }
        let fault = |what: &str| Fault { line: number, what: what.to_owned() };
        if let Some((role, variant)) = opened(opening).map_err(fault)? {
            if content.is_empty() {
                return Err(fault("the block is empty"));
            }
            blocks.push(Block { role, variant, lines: content });
        }
    }
    Ok(blocks)
}

/// Reads what stands behind the fence: a role, and words with values, which have quotation marks if
/// they contain blanks. `None` for a block that is not for machines.
fn opened(opening: &str) -> Result<Option<(Role<'_>, Option<&str>)>, &'static str> {
    let (name, mut rest) = opening.split_once(' ').unwrap_or((opening, ""));
    let (mut file, mut mode, mut before, mut after, mut variant) = (None, None, None, None, None);
    if !matches!(name, "apply" | "run" | "reload" | "check") {
        return Ok(None);
    }
    while !rest.is_empty() {
        let (word, value, tail) = attribute(rest).ok_or("an attribute is not word=value")?;
        let place = match word {
            "file" => &mut file,
            "mode" => &mut mode,
            "before" => &mut before,
            "after" => &mut after,
            "variant" => &mut variant,
            _ => return Err("an attribute is unknown"),
        };
        *place = Some(value);
        rest = tail;
    }
    let role = match (name, file, mode) {
        ("apply", Some(file), Some(mode)) => {
            Role::Apply { files: file.split(',').collect(), mode: Mode::of(mode, before, after)? }
        }
        ("apply", ..) => return Err("a change needs file= and mode="),
        (_, Some(_), _) | (_, _, Some(_)) => return Err("commands have no file and no mode"),
        ("run", ..) => Role::Run,
        ("reload", ..) => Role::Reload,
        _ => Role::Check,
    };
    Ok(Some((role, variant)))
}

/// Splits off the first `word=value`. Returns the word, the value, and the rest.
fn attribute(text: &str) -> Option<(&str, &str, &str)> {
    let (word, rest) = text.split_once('=')?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
    };
    Some((word, value, rest.trim_start()))
}

impl Block<'_> {
    /// Returns the file's content after this block; `None` for a block of commands.
    #[must_use]
    pub fn edit(&self, text: &str) -> Option<String> {
        let Role::Apply { mode, .. } = &self.role else { return None };
        let mut lines: Vec<&str> = text.lines().collect();
        match mode {
            Mode::Set => self.lines.iter().for_each(|line| set(&mut lines, line)),
            Mode::Append => {
                let missing: Vec<&str> = self
                    .lines
                    .iter()
                    .copied()
                    .filter(|line| !has(&lines, line))
                    .collect();
                lines.extend(missing);
            }
            Mode::Remove => remove(&mut lines, &self.lines),
            Mode::Insert { side, line } => {
                let found = lines.iter().position(|present| is_like(line, present));
                let place = found.map_or(lines.len(), |at| at + usize::from(*side == Side::After));
                lines.splice(place..place, self.lines.iter().copied());
            }
            Mode::Write => lines.clone_from(&self.lines),
        }
        let mut edited = lines.join("\n");
        edited.push('\n');
        Some(edited)
    }

    /// Returns the words in braces that the administrator must fill in: `{domain}` is a mail domain
    /// that the server hosts, `{network}` a network whose hosts may relay.
    #[must_use]
    pub fn placeholders(&self) -> Vec<&str> {
        let words = ["{domain}", "{network}", "{address}", "{host}"];
        let used = |word: &&str| self.lines.iter().any(|line| line.contains(*word));
        words.into_iter().filter(used).collect()
    }
}

/// True if the lines contain this line, apart from blanks at its end.
fn has(lines: &[&str], line: &str) -> bool {
    lines
        .iter()
        .any(|present| present.trim_end() == line.trim_end())
}

/// Returns the name that a line sets: all before the first `=` or `:`, without blanks.
fn name_of(line: &str) -> Option<&str> {
    let end = line.find(['=', ':'])?;
    (!line.starts_with([' ', '\t', '#'])).then(|| line[..end].trim_end())
}

fn set<'a>(lines: &mut Vec<&'a str>, line: &'a str) {
    let name = name_of(line);
    let Some(first) = lines
        .iter()
        .position(|present| name.is_some() && name_of(present) == name)
    else {
        return lines.push(line);
    };
    // A later line that sets the same would win: all of them go.
    let mut kept: Vec<&str> = lines[..first].to_vec();
    kept.push(line);
    let mut goes = false;
    for present in &lines[first..] {
        let continues = present.starts_with([' ', '\t']) && goes;
        goes = continues || name_of(present) == name;
        if !goes {
            kept.push(present);
        }
    }
    *lines = kept;
}

/// Takes out each row of lines that is like the wanted one.
fn remove(lines: &mut Vec<&str>, wanted: &[&str]) {
    let mut start = 0;
    while start + wanted.len() <= lines.len() {
        let row = &lines[start..start + wanted.len()];
        if row
            .iter()
            .zip(wanted)
            .all(|(line, pattern)| is_like(pattern, line))
        {
            lines.drain(start..start + wanted.len());
        } else {
            start += 1;
        }
    }
}

/// What stands for an asterisk of the line while lines are compared.
const ASTERISK: &str = "\u{1}";

/// Returns the text with one blank for each row of blanks, and none around it.
fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True if a line is like a pattern: blanks around it aside, a row of blanks for each blank, `*`
/// for anything, `\*` for an asterisk.
fn is_like(pattern: &str, line: &str) -> bool {
    let pattern = single_spaced(&pattern.replace("\\*", ASTERISK));
    let line = single_spaced(&line.replace('*', ASTERISK));
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(opening: &str, content: &str, text: &str) -> String {
        let document = format!("# x\n\n```apply file=/f {opening}\n{content}\n```\n");
        let blocks = parse(&document).expect("the block is one");
        blocks[0].edit(text).expect("it is a change")
    }

    #[test]
    fn files_are_changed_as_the_mode_says() {
        for (opening, content, text, expected) in [
            ("mode=set", "a = 1", "b = 2\n", "b = 2\na = 1\n"),
            ("mode=set", "a = 1", "a = 2\n  3\nb = 2\n", "a = 1\nb = 2\n"),
            ("mode=set", "a = 1", "x\na=2\nb = 2\na = 4\n\t5\n", "x\na = 1\nb = 2\n"),
            ("mode=set", "a = 1", "# a = 2\naa = 3\n", "# a = 2\naa = 3\na = 1\n"),
            ("mode=set", "dc='1'\nb = 2", "dc='*'\n", "dc='1'\nb = 2\n"),
            (
                "mode=set",
                "hostlist h = 1",
                "hostlist g = 2\nhostlist h = *\n",
                "hostlist g = 2\nhostlist h = 1\n",
            ),
            ("mode=append", "a\nb", "a\n", "a\nb\n"),
            ("mode=append", "a", "", "a\n"),
            (
                "mode=remove",
                "match from any *",
                "match  from any for x\nmatch auth\n",
                "match auth\n",
            ),
            (
                "mode=remove",
                "accept\nsenders = *",
                "x\n  accept\n    senders = :\n\n  accept\n    hosts = :\n",
                "x\n\n  accept\n    hosts = :\n",
            ),
            ("mode=remove", "a", "a\na\nb\n", "b\n"),
            (
                "mode=insert before=\"match *\"",
                "new",
                "x\nmatch a\nmatch b\n",
                "x\nnew\nmatch a\nmatch b\n",
            ),
            ("mode=insert before=none", "new", "x\n", "x\nnew\n"),
            ("mode=insert after=acl:", "new", "x\nacl:\n  y\nacl:\n", "x\nacl:\nnew\n  y\nacl:\n"),
            ("mode=insert after=acl:", "new", "x\nacl:\n", "x\nacl:\nnew\n"),
            ("mode=write", "a", "b\nc\n", "a\n"),
        ] {
            assert_eq!(edited(opening, content, text), expected, "{opening} {content:?} {text:?}");
        }
    }

    #[test]
    fn lines_are_compared_loosely() {
        for (pattern, line, expected) in [
            ("a", " a ", true),
            ("a b", "a\t b", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*a", "a", false),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "axcxb", false),
            ("a = \\*", "a = *", true),
            ("a = \\*", "a = 1", false),
            ("a*", "a*", true),
            ("*b", "*b", true),
            ("FEATURE(`x')*", "FEATURE(`x')dnl", true),
        ] {
            assert_eq!(is_like(pattern, line), expected, "{pattern} {line}");
        }
    }

    #[test]
    fn what_is_no_block_is_said() {
        for (document, expected) in [
            ("```apply file=/f mode=set\na = 1", "line 1: the block has no end"),
            ("x\n```apply file=/f\na\n```", "line 2: a change needs file= and mode="),
            ("```apply file=/f mode=odd\na\n```", "line 1: the mode is unknown"),
            (
                "```apply file=/f mode=insert\na\n```",
                "line 1: an insertion needs before= or after=",
            ),
            (
                "```apply file=/f mode=insert before=a after=b\na\n```",
                "line 1: an insertion needs before= or after=",
            ),
            (
                "```apply file=/f mode=set before=x\na\n```",
                "line 1: only an insertion has before= or after=",
            ),
            ("```apply file=/f mode=set odd=1\na\n```", "line 1: an attribute is unknown"),
            ("```apply file\na\n```", "line 1: an attribute is not word=value"),
            ("```reload file=/f\na\n```", "line 1: commands have no file and no mode"),
            ("```check\n```", "line 1: the block is empty"),
        ] {
            assert_eq!(
                parse(document).map_err(|fault| fault.to_string()),
                Err(expected.to_owned()),
                "{document}"
            );
        }
        assert_eq!(parse("```smtp\nx\n```\n"), Ok(Vec::new()));
    }
}
