//! The settings: one precedence, every key known, what can't work refused with a sentence.

mod support;

use std::{ffi::OsString, fs};

use norelay_server::config::{KEYS, Layers, Misconfigured, SettingKind, Settings};
use support::Folder;

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect()
}

fn load(
    file: &str,
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Settings, Misconfigured> {
    let folder = Folder::new("config");
    let path = folder.path().join("norelay.toml");
    fs::write(&path, file).expect("the folder is ours");
    let layers = Layers::default()
        .file(&path)?
        .environment(environment(variables))?;
    flags
        .iter()
        .try_fold(layers, |layers, (name, value)| layers.flag(name, value))?
        .config()
}

#[test]
fn flags_count_more_than_the_environment_and_that_more_than_the_file() {
    let file = "listen = \"127.0.0.1:1\"\nretention-days = 1\n[limits]\nrunning = 1\nqueued = \
                1\nhourly = 1\n";
    let variables = [
        ("NORELAY_RETENTION_DAYS", "2"),
        ("NORELAY_LIMITS_QUEUED", "2"),
        ("NORELAY_LIMITS_HOURLY", "2"),
        ("NORELAY_OTHER", "x"),
    ];
    let config = load(file, &variables, &[("limits.hourly", "3")]).expect("it works");
    let got = (
        config.listen.port(),
        config.limits.running,
        config.retention_days,
        config.limits.queued,
        config.limits.hourly,
    );
    assert_eq!(got, (1, 1, 2, 2, 3));
    assert_eq!(config.limits.asker_hourly, 10, "the rest is the default");
}

#[test]
fn every_key_is_a_setting_and_has_its_kind() {
    for key in KEYS {
        let values: &[&str] = match key.kind {
            SettingKind::Text => &[
                "127.0.0.1:25",
                "192.0.2.7",
                "example.net",
                "https://a.example",
                "5m",
                "json",
                "postgres://a/b",
                "/nowhere",
            ],
            SettingKind::Number => &["7"],
            SettingKind::Flag => &["false"],
            SettingKind::Texts => &[
                "127.0.0.1:0",
                "192.0.2.0/24, 2001:db8::/32",
                "192.0.2.7, 2001:db8::7",
                "a.example",
            ],
            SettingKind::Numbers => &["25, 2525"],
        };
        let known = |value: &str| match Layers::default()
            .flag(key.name, value)
            .expect("it has the kind")
            .config()
        {
            Ok(_) => true,
            // Settings that need others are known all the same.
            Err(Misconfigured(sentence)) => [
                "belong together",
                "needs test.domain",
                "can't be read: No such file",
                "there is no such file",
            ]
            .iter()
            .any(|part| sentence.contains(part)),
        };
        assert!(values.iter().any(|value| known(value)), "{}", key.name);
        assert!(key.purpose.ends_with('.'), "{}", key.name);
    }
}

/// What is written in the type and what in the table is the same: all keys together, and nothing
/// else, are the type.
#[test]
fn the_table_names_every_setting() {
    let unknown = load("no-such-setting = 1", &[], &[])
        .expect_err("it isn't known")
        .0;
    let limits = load("[limits]\nno-such-setting = 1", &[], &[])
        .expect_err("it isn't known")
        .0;
    let listed = |text: &str| text.matches('`').count() / 2 - 1;
    let top = KEYS.iter().filter(|key| !key.name.contains('.')).count();
    let sections = ["test", "receiver", "connect-back", "limits", "tls", "log"];
    assert_eq!(listed(&unknown), top + sections.len(), "{unknown}");
    let of_limits = KEYS
        .iter()
        .filter(|key| key.name.starts_with("limits."))
        .count();
    assert_eq!(listed(&limits), of_limits, "{limits}");
}

#[test]
fn what_cannot_work_is_refused_with_a_sentence() {
    for (file, part) in [
        ("listen = 5", "invalid type"),
        ("listen = \"nowhere\"", "socket address"),
        ("lisen = \"127.0.0.1:1\"", "unknown field `lisen`"),
        ("url = \"ftp://a\"", "url must be"),
        ("url = \"https://a.example/path\"", "url must be"),
        ("database = \"mysql://secret-word@host/\"", "database must begin"),
        ("database = \"postgres://a\"\ndatabase-file = \"/x\"", "either database or"),
        ("database-file = \"/no/such/file\"", "can't be read"),
        ("[tls]\nkey = \"k.pem\"", "belong together"),
        ("[receiver]\nlisten = [\"127.0.0.1:2525\"]", "needs test.domain"),
        ("[limits]\nrunning = 0", "at least 1"),
        ("[limits]\nrunning = -1", "invalid value"),
        ("[test]\ntimeout = \"0s\"", "a duration is"),
        ("[test]\ntimeout = \"8d\"", "a duration is"),
        ("[test]\ndomain = \"a b\"", "not a host name"),
        ("[test]\nallow-networks = [\"192.0.2.0\"]", "invalid"),
        ("public = true", "Public mode needs url"),
        ("public = true\nurl = \"https://a.example\"", "Public mode needs contact"),
        (
            "public = true\nurl = \"https://a.example\"\ncontact = \"a@a.example\"",
            "Public mode needs test.domain",
        ),
        ("= \"secret-word\"", "can't be read"),
    ] {
        let Err(Misconfigured(sentence)) = load(file, &[], &[]) else {
            panic!("{file:?} was taken")
        };
        assert!(sentence.contains(part) && sentence.ends_with('.'), "{file:?}: {sentence}");
        assert!(!sentence.contains("secret-word"), "{sentence}");
    }
    for (name, value) in [
        ("no.such", "1"),
        ("limits.running", "many"),
        ("public", "yes"),
        ("test.public-ports", "25,x"),
    ] {
        assert!(load("", &[], &[(name, value)]).is_err(), "{name}");
    }
}

#[test]
fn secrets_are_not_shown_and_may_come_from_a_file() {
    let folder = Folder::new("secret");
    let file = folder.path().join("database");
    fs::write(&file, "postgres://norelay:secret-word@db.example/norelay\n")
        .expect("the folder is ours");
    let config = load("", &[("NORELAY_DATABASE_FILE", file.to_str().expect("UTF-8"))], &[])
        .expect("it works");
    assert_eq!(
        config.database.as_ref().expect("it was read").expose(),
        "postgres://norelay:secret-word@db.example/norelay"
    );
    assert!(!format!("{config:?}").contains("secret-word"));
}

/// The example shows every setting, and each of its lines works when its mark is taken away.
#[test]
fn the_example_file_shows_every_setting() {
    let example = include_str!("../../../packaging/norelay.toml");
    load(example, &[], &[]).expect("the example works as it is");
    let settings: String = example
        .lines()
        .map(|line| {
            let is_setting = line.strip_prefix('#').is_some_and(|rest| {
                rest.starts_with(|first: char| first.is_ascii_lowercase()) && rest.contains(" = ")
            });
            format!("{}\n", if is_setting { &line[1..] } else { line })
        })
        .collect();
    let table: toml::Table = settings.parse().expect("the example is TOML");
    for key in KEYS {
        let found = match key.name.split_once('.') {
            None => table.get(key.name),
            Some((section, name)) => table.get(section).and_then(|section| section.get(name)),
        };
        assert!(found.is_some(), "{} is not in the example", key.name);
    }
    let shown = settings
        .replace("database-file =", "#database-file =")
        .replace("blacklist-key-file =", "#blacklist-key-file =");
    let config = load(&shown, &[], &[]).expect("every example can be a setting");
    let defaults = Settings::default();
    assert_eq!(
        format!("{:?}", config.limits),
        format!("{:?}", defaults.limits),
        "the example's limits are the defaults"
    );
    assert_eq!((config.listen, config.retention_days), (defaults.listen, defaults.retention_days));
}
