//! The layers of settings, and the one order in which they count.

use std::{ffi::OsString, fmt, path::Path};

use serde::Deserialize;
use toml::{Table, Value};

use super::{KEYS, Key, SettingKind, Settings, check};

/// More than this is no file of settings.
const MAX_FILE: u64 = 1 << 20;

/// The settings can't work: one sentence that names the setting and says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misconfigured(pub String);

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misconfigured {}

/// The layers, collected; later ones count more.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    table: Table,
}

impl Layers {
    /// Adds a file of settings.
    ///
    /// # Errors
    /// The file can't be read, or isn't TOML.
    pub fn file(mut self, path: &Path) -> Result<Self, Misconfigured> {
        let wrong = |error: String| {
            Misconfigured(format!("The settings in {} can't be read: {error}", path.display()))
        };
        let size = std::fs::metadata(path)
            .map_err(|error| wrong(format!("{error}.")))?
            .len();
        if size > MAX_FILE {
            return Err(wrong("the file is too large.".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("{error}.")))?;
        // The parser shows the line at fault, which may hold a secret: only its message is passed
        // on.
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| wrong(format!("{}.", error.message())))?;
        merge(&mut self.table, table);
        Ok(self)
    }

    /// Adds the environment.
    ///
    /// # Errors
    /// The setting can't have this value.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Misconfigured> {
        for (name, value) in variables {
            let Some(key) = name
                .to_str()
                .and_then(|name| KEYS.iter().find(|key| key.variable() == name))
            else {
                continue;
            };
            let text = value
                .to_str()
                .ok_or_else(|| Misconfigured(format!("{} isn't UTF-8.", key.variable())))?;
            let value = read(key, text)
                .map_err(|error| Misconfigured(format!("{}: {error}", key.variable())))?;
            set(&mut self.table, key.name, value);
        }
        Ok(self)
    }

    /// Adds one setting from the command line.
    ///
    /// # Errors
    /// There is no such setting, or the text can't be its value.
    pub fn flag(mut self, name: &str, text: &str) -> Result<Self, Misconfigured> {
        let key = KEYS.iter().find(|key| key.name == name);
        let key = key.ok_or_else(|| {
            Misconfigured(format!(
                "There is no setting {name:?}: `norelay serve --settings` lists them."
            ))
        })?;
        let value = read(key, text).map_err(|error| Misconfigured(format!("{name}: {error}")))?;
        set(&mut self.table, key.name, value);
        Ok(self)
    }

    /// The settings, checked.
    ///
    /// # Errors
    /// The first setting that can't work, or that doesn't fit another.
    pub fn config(self) -> Result<Settings, Misconfigured> {
        let config = Settings::deserialize(Value::Table(self.table));
        let mut config = config.map_err(|error| {
            Misconfigured(format!("The settings can't be read: {}.", error.message()))
        })?;
        check::check(&mut config)?;
        Ok(config)
    }
}

fn read(key: &Key, text: &str) -> Result<Value, String> {
    let number = |text: &str| {
        let number = text
            .trim()
            .parse::<u32>()
            .map_err(|_| format!("{text:?} is not a number."))?;
        Ok(Value::Integer(number.into()))
    };
    let list = || text.split(',').map(str::trim).filter(|one| !one.is_empty());
    match key.kind {
        SettingKind::Text => Ok(Value::String(text.to_owned())),
        SettingKind::Number => number(text),
        SettingKind::Flag => text
            .trim()
            .parse()
            .map(Value::Boolean)
            .map_err(|_| format!("{text:?} is neither true nor false.")),
        SettingKind::Texts => {
            Ok(Value::Array(list().map(|one| Value::String(one.to_owned())).collect()))
        }
        SettingKind::Numbers => list()
            .map(number)
            .collect::<Result<_, String>>()
            .map(Value::Array),
    }
}

fn set(table: &mut Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => drop(table.insert(name.to_owned(), value)),
        Some((section, rest)) => {
            let section = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            // A section that is no table is an error that the type finds later.
            if let Value::Table(section) = section {
                set(section, rest, value);
            }
        }
    }
}

fn merge(into: &mut Table, from: Table) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}
