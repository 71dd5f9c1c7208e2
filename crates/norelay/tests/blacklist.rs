//! `norelay blacklist` as a user runs it: a process, its words, its exit code, against a real DNS
//! server on loopback.

#[path = "../../norelay-dns/tests/dns/mod.rs"]
mod dns;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use dns::{Unbound, Zone};

const ZONES: &[Zone<'static>] = &[
    Zone::Holds(
        "clean.test",
        &["2.0.0.127.clean.test. A 127.0.0.2", "test.clean.test. A 127.0.0.2"],
    ),
    Zone::Holds(
        "zen.spamhaus.org",
        &[
            "2.0.0.127.zen.spamhaus.org. A 127.0.0.2",
            "25.2.0.192.zen.spamhaus.org. A 127.0.0.4",
            "25.2.0.192.zen.spamhaus.org. TXT \"https://www.spamhaus.org/query/ip/192.0.2.25\"",
        ],
    ),
    Zone::Everything("world.test", &["A 127.0.0.2"]),
    Zone::Holds(
        "s3cret.zen.dq.spamhaus.net",
        &[
            "2.0.0.127.s3cret.zen.dq.spamhaus.net. A 127.0.0.2",
            "25.2.0.192.s3cret.zen.dq.spamhaus.net. A 127.0.0.11",
        ],
    ),
];

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("blacklist-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder of the tests can be written");
    folder
}

fn norelay(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_norelay"));
    command
        .arg("blacklist")
        .args(arguments)
        .env_remove("NORELAY_BLACKLIST_KEYS")
        .env_remove("NORELAY_BLACKLIST_KEY_FILE");
    command
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    command.output().expect("the executable was built")
}

fn words(output: &Output) -> (String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("the output is UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_exit_code_and_the_words_say_what_is_known() {
    let server = Unbound::start(ZONES);
    let resolver = format!("--resolver={}", server.address);
    for (arguments, code, said, unsaid) in [
        (
            "192.0.2.25 --list=clean.test",
            0,
            "192.0.2.25 is not listed: 1 list answered.",
            "LISTED:",
        ),
        (
            "192.0.2.25 --list=clean.test,zen.spamhaus.org",
            1,
            "192.0.2.25 is listed: on 1 of 2 lists that answered.",
            "https://check",
        ),
        (
            "192.0.2.25 --list=zen.spamhaus.org",
            1,
            "-> First close the relay, or prove it closed",
            "https://check",
        ),
        (
            "192.0.2.25 --list=zen.spamhaus.org --relay-verdict=open",
            1,
            "-> First close the relay: it is open",
            "https://check",
        ),
        (
            "192.0.2.25 --list=zen.spamhaus.org --relay-verdict=closed",
            1,
            "https://check.spamhaus.org/",
            "First close",
        ),
        ("192.0.2.25 --list=world.test", 2, "it lists what must never be listed", "NOT LISTED"),
        (
            "192.0.2.25 --list=clean.test,dul.dnsbl.sorbs.net",
            0,
            "switched off on 5 June 2024",
            "UNKNOWN",
        ),
        (
            "192.0.2.25 --list=combined.mail.abusix.zone",
            2,
            "NEEDS A KEY (--key-file), not asked",
            "UNKNOWN",
        ),
        ("spam.example --list=clean.test", 0, "spam.example is not listed", "UNKNOWN"),
        (
            "192.0.2.25 192.0.2.26 --list=zen.spamhaus.org",
            1,
            "192.0.2.26 is not listed: 1 list answered.",
            "UNKNOWN",
        ),
    ] {
        let arguments: Vec<_> = arguments.split(' ').chain([resolver.as_str()]).collect();
        let output = norelay(&arguments, &[]);
        let (shown, complaint) = words(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {shown}{complaint}");
        assert!(shown.contains(said) && !shown.contains(unsaid), "{arguments:?}: {shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert_eq!(complaint, "");
    }
}

#[test]
fn what_cannot_be_asked_is_a_matter_of_usage() {
    for (arguments, said) in [
        (
            "10.0.0.1",
            "norelay: \"10.0.0.1\" is an address that isn't used on the Internet: no list can \
             have it.\n",
        ),
        ("nonsense", "norelay: \"nonsense\" is neither an address nor a domain.\n"),
        ("192.0.2.1 --key-file=/nonexistent/file", "there is no such file"),
        ("192.0.2.1 --timeout=0", "a duration is something like 30s"),
        ("192.0.2.1 --relay-verdict=perhaps", "invalid value 'perhaps'"),
        ("--list=clean.test", "required arguments"),
    ] {
        let output = norelay(&arguments.split(' ').collect::<Vec<_>>(), &[]);
        let (shown, complaint) = words(&output);
        assert_eq!(
            (output.status.code(), shown.as_str()),
            (Some(3), ""),
            "{arguments}: {complaint}"
        );
        assert!(complaint.contains(said), "{arguments}: {complaint}");
    }
}

#[test]
fn json_and_csv_carry_the_same_facts() {
    let server = Unbound::start(ZONES);
    let resolver = format!("--resolver={}", server.address);
    let ask = |format: &str| {
        let output = norelay(
            &[
                "192.0.2.25",
                "--list=clean.test,zen.spamhaus.org,world.test",
                &resolver,
                "-o",
                format,
            ],
            &[],
        );
        assert_eq!(output.status.code(), Some(1));
        words(&output).0
    };
    let document: serde_json::Value = serde_json::from_str(&ask("json")).expect("it is JSON");
    assert_eq!(
        (&document["schema"], &document["state"]),
        (&"norelay.blacklist/1".into(), &"listed".into())
    );
    let states: Vec<_> = (0..3)
        .map(|index| document["lists"][index]["state"].as_str().expect("a state"))
        .collect();
    assert_eq!(states, ["not_listed", "listed", "unknown"]);
    assert_eq!(document["lists"][1]["reasons"][0], "https://www.spamhaus.org/query/ip/192.0.2.25");
    assert_eq!(document["lists"][2]["why"], "lists_everything");
    let table = ask("csv");
    let lines: Vec<_> = table.split("\r\n").collect();
    assert_eq!(
        lines[0],
        "target,zone,operator,sense,impact,state,answers,meanings,reasons,why,elapsed_ms"
    );
    assert!(
        lines[2].starts_with("192.0.2.25,zen.spamhaus.org,Spamhaus,against,high,listed,127.0.0.4,"),
        "{table}"
    );
    assert_eq!(lines.len(), 5, "{table}");
}

#[test]
fn keys_come_from_a_file_or_the_environment_and_are_never_shown() {
    use std::os::unix::fs::PermissionsExt;
    let server = Unbound::start(ZONES);
    let resolver = format!("--resolver={}", server.address);
    let folder = folder("keys");
    let write = |name: &str, text: &str, mode: u32| {
        let path = folder.join(name);
        fs::write(&path, text).expect("the folder is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the file is ours");
        path.to_str().expect("the path is UTF-8").to_owned()
    };
    let good = write("good", "# DQS\nzen.spamhaus.org = s3cret\n", 0o600);
    let bad = write("bad", "zen.spamhaus.org s3cret\n", 0o600);
    let public = write("public", "zen.spamhaus.org=s3cret\n", 0o644);
    let file = |path: &str| format!("--key-file={path}");
    for (option, environment, code, said) in [
        (file(&good), vec![], 1, "127.0.0.11  PBL"),
        (
            "--color=never".to_owned(),
            vec![("NORELAY_BLACKLIST_KEYS", "zen.spamhaus.org=s3cret other.example=k")],
            1,
            "127.0.0.11  PBL",
        ),
        (
            "--color=never".to_owned(),
            vec![("NORELAY_BLACKLIST_KEY_FILE", good.as_str())],
            1,
            "127.0.0.11  PBL",
        ),
        ("--color=never".to_owned(), vec![], 1, "127.0.0.4  XBL"),
        (file(&bad), vec![], 3, "line 1 isn't ZONE=KEY"),
        (file(&public), vec![], 3, "everybody can read it"),
        (
            "--color=never".to_owned(),
            vec![("NORELAY_BLACKLIST_KEYS", "s3cret")],
            3,
            "isn't ZONE=KEY",
        ),
    ] {
        let output =
            norelay(&["192.0.2.25", "--list=zen.spamhaus.org", &resolver, &option], &environment);
        let (shown, complaint) = words(&output);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{option} {environment:?}: {shown}{complaint}"
        );
        assert!(
            format!("{shown}{complaint}").contains(said),
            "{option} {environment:?}: {shown}{complaint}"
        );
        assert!(!format!("{shown}{complaint}").contains("s3cret"), "{shown}{complaint}");
    }
}
