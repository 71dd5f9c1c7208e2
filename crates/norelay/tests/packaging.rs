//! What is packaged, held to the programs that will read it.

#![cfg(feature = "server")]

#[path = "../../norelay-dns/tests/dns/loopback.rs"]
mod loopback;
mod served;
#[path = "../../norelay-server/tests/support/mod.rs"]
mod support;

use std::{fs, net::SocketAddr, path::Path, process::Command};

/// `systemd-analyze` knows every directive and adds up what the sandbox leaves open, in tenths: 25
/// is "OK".
#[test]
fn the_unit_is_understood_by_systemd_and_leaves_little_open() {
    let unit = include_str!("../../../packaging/norelay.service");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unit");
    fs::create_dir_all(&folder).expect("the folder of the tests can be written");
    let file = folder.join("norelay.service");
    fs::write(&file, unit.replace("/usr/bin/norelay", env!("CARGO_BIN_EXE_norelay")))
        .expect("it can be written");
    for arguments in [&["verify"][..], &["security", "--offline=true", "--threshold=25"]] {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&file)
            .output();
        let output = output.expect("systemd-analyze is part of Debian's systemd");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(arguments[0] != "verify" || said.is_empty(), "{said}");
    }
}

/// The settings that unit and container give are settings.
#[test]
fn the_container_gives_settings_that_exist() {
    let container = include_str!("../../../packaging/Containerfile");
    let line = container
        .lines()
        .find_map(|line| line.strip_prefix("ENV "))
        .expect("it sets the environment");
    let variables = line.split(' ').filter_map(|pair| pair.split_once('='));
    let output = Command::new(env!("CARGO_BIN_EXE_norelay"))
        .args(["serve", "--check-config"])
        .env_remove("NORELAY_CONFIG")
        .envs(variables)
        .output()
        .expect("the executable was built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The container's health check says yes while the service answers, and no afterwards.
#[test]
fn the_container_knows_whether_it_is_healthy() {
    let container = include_str!("../../../packaging/Containerfile");
    let check = container
        .lines()
        .find_map(|line| line.strip_prefix("HEALTHCHECK CMD "))
        .expect("it has a check");
    let folder = support::Folder::new("healthy");
    let service = served::start(folder.path(), served::receiver_address(), None);
    let is_healthy = |service: SocketAddr| {
        let there = format!("/dev/tcp/{}/{}", service.ip(), service.port());
        let check = check.replace("/dev/tcp/localhost/8025", &there);
        let words: Vec<String> = serde_json::from_str(&check).expect("it is a list of words");
        assert!(check.contains(&there), "{check}");
        Command::new(&words[0])
            .args(&words[1..])
            .output()
            .expect("bash is installed")
            .status
            .success()
    };
    assert!(is_healthy(service.http));
    service.kill();
    // The service's own port may be another's by now.
    assert!(!is_healthy(loopback::unused()));
}
