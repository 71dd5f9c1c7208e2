//! `norelay receive` as a user runs it: a process, its files, its words, a raw client.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use norelay_core::{
    path::PathId,
    token::{RunId, Token, TokenRole},
};
use norelay_probe::key_file;

/// A folder for one test, empty.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("receive-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder of the tests can be written");
    folder
}

/// Ended with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn receive(folder: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_norelay"));
    command.arg("receive").args(arguments).current_dir(folder);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

const ARGUMENTS: &[&str] = &[
    "--domain=probe.example,second.example",
    "--name=mx.probe.example",
    "--listen=127.0.0.1:0",
    "--spool=spool",
    "--key-file=key",
    "--contact=https://example.org/",
];

/// Says each line, and gives the last line of each reply.
fn converse(address: &str, lines: &[&str]) -> Vec<String> {
    let stream = TcpStream::connect(address).expect("the receiver listens");
    let (mut reader, mut writer) = (BufReader::new(&stream), &stream);
    let mut replies = vec![last_line(&mut reader)];
    for line in lines {
        writer
            .write_all(format!("{line}\r\n").as_bytes())
            .expect("the receiver reads");
        replies.push(last_line(&mut reader));
    }
    replies
}

fn last_line(reader: &mut impl BufRead) -> String {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("the receiver answers");
        if line.as_bytes().get(3) != Some(&b'-') {
            return line.trim_end().to_owned();
        }
    }
}

#[test]
fn it_says_who_it_is_and_shows_and_keeps_what_comes() {
    let folder = folder("shown");
    // A spool that has grown too long, without its octets on the disk.
    let grown =
        fs::File::create(folder.join("spool")).expect("the folder of the tests can be written");
    grown.set_len(600 << 20).expect("files may have holes");
    let mut running = Running(
        receive(&folder, ARGUMENTS)
            .spawn()
            .expect("the executable is built"),
    );
    let mut errors =
        BufReader::new(running.0.stderr.take().expect("standard error is piped")).lines();
    let said: Vec<_> = errors.by_ref().map_while(Result::ok).take(5).collect();
    let address = said[0]
        .strip_prefix("norelay receives as mx.probe.example on ")
        .expect("it says who and where first");
    let address = address.trim_end_matches('.');
    for words in [
        "probe.example, second.example",
        "relays nothing",
        "--postmaster",
        "just made",
        "--receiver spool",
    ] {
        assert!(said.iter().any(|line| line.contains(words)), "{words}: {said:?}");
    }
    let key = key_file::read(&folder.join("key")).expect("the key file was made");
    let run = RunId(0xabc);
    let recipient = Token { run, path: PathId::FIRST, test: 6, role: TokenRole::Recipient };
    let token = key.for_run(run).mint(recipient);
    let rcpt = format!("RCPT TO:<{token}%second.example@mx.example>");
    let to_postmaster = ["EHLO relay.example", "MAIL FROM:<>", "RCPT TO:<postmaster>", "DATA"];
    let lines = [&to_postmaster[..], &[&rcpt, "DATA", "x\r\n.", "HELP", "QUIT"]].concat();
    let codes: Vec<_> = converse(address, &lines)
        .iter()
        .map(|line| line[..3].to_owned())
        .collect();
    assert_eq!(codes, ["220", "250", "250", "250", "550", "250", "354", "250", "214", "221"]);
    let stopped = Command::new("kill")
        .arg(running.0.id().to_string())
        .status()
        .expect("there is a kill");
    assert!(stopped.success());
    assert_eq!(running.0.wait().expect("it ends").code(), Some(0));
    let mut shown = String::new();
    running
        .0
        .stdout
        .take()
        .expect("standard output is piped")
        .read_to_string(&mut shown)
        .expect("it is text");
    assert!(
        shown.contains("run 0000000000000abc  test 6 (percent-host) on path 0: arrived, without"),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1);
    let spool = fs::read_to_string(folder.join("spool")).expect("the spool was made");
    assert!(
        spool.starts_with("{\"v\":1,") && spool.lines().count() == 1 && spool.contains(&token),
        "{spool}"
    );
    assert_eq!(
        fs::metadata(folder.join("spool.old"))
            .expect("it was laid aside")
            .len(),
        600 << 20
    );
}

#[test]
fn what_it_cannot_do_is_one_sentence_and_exit_code_3() {
    let folder = folder("complaints");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
    let listen = format!("--listen={}", taken.local_addr().expect("it listens"));
    fs::write(folder.join("bad"), "secret").expect("the folder of the tests can be written");
    for (changed, expected) in [
        ("--domain=a..b", "norelay: "),
        ("--name=-", "norelay: "),
        (&*listen, "another program listens there"),
        ("--spool=/nowhere/spool", "norelay: The spool /nowhere/spool can't be written"),
        ("--key-file=bad", "norelay: The key file bad can't be used"),
    ] {
        let option = changed.split('=').next().unwrap_or_default();
        let arguments: Vec<_> = ARGUMENTS
            .iter()
            .copied()
            .filter(|argument| !argument.starts_with(option))
            .chain([changed])
            .collect();
        let output = receive(&folder, &arguments)
            .output()
            .expect("the executable is built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(3), 1), "{changed}: {said}");
        assert!(said.contains(expected) && said.trim_end().ends_with('.'), "{changed}: {said}");
    }
}
