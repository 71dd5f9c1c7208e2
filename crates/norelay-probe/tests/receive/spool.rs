//! The spool and the key file: what joins a receiver to a test that runs elsewhere.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use norelay_core::{
    event::{Event, Record},
    report::Report,
    token::TokenRole,
};
use norelay_probe::{
    key_file,
    receipt_source::ReceiptSource,
    spool::{self, Spool},
};

use super::*;

fn receiving_to(path: &Path) -> Receiving {
    let mut config = config();
    config.spool = Some(Spool::open(path).expect("the folder of the tests can be written"));
    receiving(config)
}

async fn deliver(receiving: &Receiving, recipient: &str) {
    client(receiving)
        .await
        .deliver("<>", &[recipient], "x\r\n")
        .await;
}

fn append(path: &Path, octets: &[u8]) {
    let mut file = File::options()
        .append(true)
        .open(path)
        .expect("the spool is there");
    file.write_all(octets).expect("the spool can be written");
}

/// A receipt's token, where one comes.
async fn next(receipts: &mut mpsc::Receiver<Receipt>) -> Option<(u8, TokenRole)> {
    receipts
        .recv()
        .await
        .map(|receipt| (receipt.token.test, receipt.token.role))
}

#[tokio::test]
async fn a_test_elsewhere_sees_what_is_there_and_what_comes() {
    let (path, key) = (file("followed.jsonl"), file("followed.key"));
    fs::write(&key, format!("{}\n", "07".repeat(32)))
        .expect("the folder of the tests can be written");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("the key file is ours");
    let receiving = receiving_to(&path);
    deliver(&receiving, &address(1, TokenRole::Recipient)).await;
    let source = ReceiptSource::spool(&path, &key).expect("both files are there");
    assert_eq!(source.key_of(RUN).expose(), master().for_run(RUN).expose());
    let mut followed = source.receipts_of(RUN).expect("the spool is there");
    assert_eq!(next(&mut followed).await, Some((1, TokenRole::Recipient)));
    let other_run = RunId(5);
    let of_other_run = master()
        .for_run(other_run)
        .mint(Token { run: other_run, ..token(2, TokenRole::Recipient) });
    deliver(&receiving, &format!("{of_other_run}@probe.example")).await;
    deliver(&receiving, &address(3, TokenRole::Sender)).await;
    assert_eq!(next(&mut followed).await, Some((3, TokenRole::Sender)));
    receiving.stop().await;

    // What is in the spool is an event log like any other.
    let lines = fs::read_to_string(&path).expect("the spool is text");
    let records: Vec<Record> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a record a line"))
        .collect();
    assert!(
        lines.ends_with('\n')
            && records
                .iter()
                .all(|record| matches!(record.event, Event::Received(_)))
    );
    assert_eq!((records.len(), Report::of(&records).misfits), (3, 3));
}

#[tokio::test]
async fn torn_forged_and_endless_lines_are_nobodys_evidence() {
    let path = file("torn.jsonl");
    let receiving = receiving_to(&path);
    deliver(&receiving, &address(1, TokenRole::Recipient)).await;
    receiving.stop().await;
    let line = fs::read_to_string(&path).expect("the spool is text");
    let forged = line.replace(&address(1, TokenRole::Recipient), "nobody@probe.example");
    let of_another_test = line.replace("\"test\":1", "\"test\":2");
    for octets in [
        forged.as_bytes(),
        of_another_test.as_bytes(),
        b"\xff\x00\n{}\n[]\n\n",
        &vec![b'x'; 3 << 20],
        b"\n",
        b"{\"v\":1,",
    ] {
        append(&path, octets);
    }
    let mut followed =
        spool::follow(&path, RUN, master().for_run(RUN)).expect("the spool is there");
    assert_eq!(next(&mut followed).await, Some((1, TokenRole::Recipient)));
    // The next receiver closes the torn line before its own.
    let receiving = receiving_to(&path);
    deliver(&receiving, &address(4, TokenRole::Recipient)).await;
    assert_eq!(next(&mut followed).await, Some((4, TokenRole::Recipient)));
    receiving.stop().await;
    // A new file in the place of the old one is read from its beginning.
    fs::write(&path, &line).expect("the spool can be written");
    assert_eq!(next(&mut followed).await, Some((1, TokenRole::Recipient)));
}

fn receipt(test: u8) -> Receipt {
    let token = token(test, TokenRole::Recipient);
    Receipt {
        token,
        message_token: true,
        peer: "192.0.2.1:4025".parse().expect("an address"),
        helo: "mx.example.net".into(),
        tls: false,
        reverse_path: "<>".into(),
        forward_path: format!("<{}>", address(test, TokenRole::Recipient))
            .as_str()
            .into(),
        received: Vec::new(),
        size: 3,
    }
}

#[test]
fn a_spool_whose_receipts_are_all_kept_elsewhere_begins_anew() {
    let path = file("settled.jsonl");
    let receipts: Vec<_> = (1..=3).map(receipt).collect();
    let spool = Spool::open(&path).expect("the folder of the tests can be written");
    spool.append(&receipts[..2]).expect("there is room");
    spool.settle(1).expect("nothing to do yet");
    spool.append(&receipts[2..]).expect("there is room");
    spool.settle(1).expect("nothing to do yet");
    assert_eq!(
        fs::read_to_string(&path)
            .expect("it is there")
            .lines()
            .count(),
        3,
        "one is kept nowhere else"
    );
    spool.settle(1).expect("it can be cut");
    assert_eq!(fs::metadata(&path).expect("it is there").len(), 0);
    spool.append(&receipts[..1]).expect("there is room");
    assert_eq!(
        fs::read_to_string(&path)
            .expect("it is there")
            .lines()
            .count(),
        1,
        "it begins at its beginning"
    );
    drop(spool);
    // What another process has left nobody here can settle.
    let spool = Spool::open(&path).expect("the folder of the tests can be written");
    spool.append(&receipts[1..2]).expect("there is room");
    spool.settle(1).expect("nothing to do yet");
    assert_eq!(
        fs::read_to_string(&path)
            .expect("it is there")
            .lines()
            .count(),
        2
    );
}

#[tokio::test]
async fn a_spool_that_has_grown_is_laid_aside_and_followed_all_the_same() {
    let path = file("rotating.jsonl");
    let aside = file("rotating.jsonl.old");
    assert_eq!(aside, spool::laid_aside(&path));
    let spool = Spool::open(&path)
        .expect("the folder of the tests can be written")
        .rotating(0);
    let lines = |path: &Path| {
        fs::read_to_string(path)
            .expect("it is there")
            .lines()
            .count()
    };
    let follow = || spool::follow(&path, RUN, master().for_run(RUN)).expect("the spool is there");
    spool.append(&[receipt(1)]).expect("there is room");
    let mut followed = follow();
    assert_eq!(next(&mut followed).await, Some((1, TokenRole::Recipient)));
    for test in 2..=4 {
        spool
            .append(&[receipt(test), receipt(test + 10)])
            .expect("there is always room");
        assert_eq!(next(&mut followed).await, Some((test, TokenRole::Recipient)));
        assert_eq!(next(&mut followed).await, Some((test + 10, TokenRole::Recipient)));
        assert_eq!(
            (lines(&path), lines(&aside)),
            (2, if test == 2 { 1 } else { 2 }),
            "the oldest are gone"
        );
    }
    // Who comes later reads what was laid aside first.
    let mut late = follow();
    for test in [3, 13, 4, 14] {
        assert_eq!(next(&mut late).await, Some((test, TokenRole::Recipient)));
    }
    // It is still ours alone.
    assert!(
        Spool::open(&path)
            .expect_err("it is locked")
            .to_string()
            .contains("in use by another receiver")
    );
    // What came between the last look and the laying aside isn't lost.
    let end = |octets: &[u8]| append(&path, octets);
    let line = fs::read_to_string(&path)
        .expect("it is text")
        .lines()
        .next()
        .expect("a line")
        .to_owned();
    end(format!("{line}\n{line}\n").as_bytes());
    spool.append(&[receipt(5)]).expect("there is always room");
    for test in [4, 4, 5] {
        assert_eq!(next(&mut followed).await, Some((test, TokenRole::Recipient)));
    }
    spool.append(&[receipt(6)]).expect("there is always room");
    assert_eq!(next(&mut followed).await, Some((6, TokenRole::Recipient)), "nothing is read twice");
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_taken() {
    let mut config = config();
    config.spool =
        Some(Spool::open(Path::new("/dev/full")).expect("the full device can be opened"));
    let receiving = receiving(config);
    let mut receipts = receiving.receipts();
    let mut client = client(&receiving).await;
    client
        .begin("<>", &[&address(1, TokenRole::Recipient)])
        .await;
    assert_eq!(client.say("x\r\n.").await, "");
    assert_eq!(drain(&mut receipts), []);
}

#[tokio::test]
async fn trouble_with_files_is_said_in_a_sentence() {
    let path = file("locked.jsonl");
    let _locked = Spool::open(&path).expect("the folder of the tests can be written");
    let (missing, public, wrong) = (file("missing"), file("public.key"), file("wrong.key"));
    fs::write(&public, "07".repeat(32)).expect("the folder of the tests can be written");
    fs::set_permissions(&public, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("the key file is ours");
    let (_, made) = key_file::read_or_make(&wrong).expect("the folder of the tests can be written");
    assert!(
        made && !key_file::read_or_make(&wrong)
            .expect("the key file is good")
            .1
    );
    fs::write(&wrong, "secret").expect("the folder of the tests can be written");
    for (error, expected) in [
        (Spool::open(&path).map(drop), "is in use by another receiver."),
        (Spool::open(Path::new("/nowhere/spool")).map(drop), "can't be written: No such file"),
        (
            key_file::read(&missing).map(drop),
            "can't be used: there is no such file; `norelay receive` makes it.",
        ),
        (key_file::read(&public).map(drop), "can't be used: everybody can read it; say chmod 600."),
        (
            key_file::read(&wrong).map(drop),
            "can't be used: it holds no key of 64 hexadecimal digits.",
        ),
        (
            spool::follow(&missing, RUN, master()).map(drop),
            "can't be read: there is no such file; start `norelay receive` with this spool first.",
        ),
    ] {
        let error = error.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
