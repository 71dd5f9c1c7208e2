//! Holds the table in `docs/catalogue.md` equal to the catalogue. `UPDATE=1 cargo test -p
//! norelay-core --test table` writes it anew.

#![allow(
    clippy::disallowed_methods,
    reason = "a test of a document reads the document, and writes it when asked to"
)]

use norelay_core::catalogue::{Line, PathKind, RelayTest, TESTS};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/catalogue.md");
const BEGIN: &str = "<!-- The table begins: made from the catalogue, not by hand. -->\n";
const END: &str = "<!-- The table ends. -->\n";

/// Code in a cell: `|` would end the cell, even in a code span.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.is_empty() { String::new() } else { format!("`{}`", text.trim()) }
}

/// What is said besides MAIL and RCPT.
fn besides(test: &RelayTest) -> String {
    let said = test.dialogue.iter().filter_map(|line| match line {
        Line::Preface(preface) => Some(format!("first {}", code(preface))),
        Line::Helo(name) => Some(code(&format!("HELO {name}"))),
        Line::NoHello => Some("no HELO".to_owned()),
        Line::Requires(keyword) => Some(format!("if {keyword} is offered")),
        Line::Chunking => Some("BDAT".to_owned()),
        Line::Protocol(protocol) => Some(
            format!("{protocol:?} at port {}", protocol.port())
                .to_uppercase()
                .replace("AT PORT", "at port"),
        ),
        Line::ReadFrom(others) => Some(format!(
            "read from {}",
            others
                .iter()
                .map(|id| code(id))
                .collect::<Vec<_>>()
                .join(", ")
        )),
        Line::OnPath(PathKind::V6) => Some("over IPv6".to_owned()),
        Line::OnPath(PathKind::StartTls) => Some("under STARTTLS".to_owned()),
        Line::OnPath(PathKind::Ports(ports)) => {
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            Some(format!("at port {}", ports.join(", ")))
        }
        Line::ClientCertificate(_) => Some("under TLS, with a client's certificate".to_owned()),
        Line::BehindStartTls => Some("behind `STARTTLS`, in the clear".to_owned()),
        Line::Smuggle(end) => {
            Some(format!("a text with {} before commands and another text", code(end)))
        }
        Line::Credentials => Some("AUTH as a user".to_owned()),
        Line::Say(_, _, line) => Some(code(line)),
        Line::Exchange(_, line, turns) => Some(
            [&[*line], *turns]
                .concat()
                .into_iter()
                .map(code)
                .collect::<Vec<_>>()
                .join(" "),
        ),
        Line::EachMailAndRcpt => Some("for each of several domains".to_owned()),
        Line::Mail | Line::Rcpt | Line::Ambiguous => None,
    });
    said.collect::<Vec<_>>().join(", ")
}

fn row(test: &RelayTest) -> String {
    let says = |line| test.dialogue.contains(&line);
    let each = says(Line::EachMailAndRcpt);
    let mail = if says(Line::Mail) || each { code(test.reverse_path) } else { String::new() };
    let rcpt = if says(Line::Rcpt) || each { code(test.forward_path) } else { String::new() };
    let document = format!("../crates/norelay-core/catalogue/relay/{}.md", test.id);
    let RelayTest { number, id, profile, .. } = test;
    format!(
        "| {number} | [{id}]({document}) | {} | {profile} | {mail} | {rcpt} | {} |\n",
        test.title(),
        besides(test)
    )
}

fn table() -> String {
    let head = "| No. | Id | Title | Profile | `MAIL FROM:` | `RCPT TO:` | Besides \
                |\n|---|---|---|---|---|---|---|\n";
    TESTS
        .iter()
        .map(row)
        .fold(head.to_owned(), |table, row| table + &row)
}

#[test]
fn the_documented_table_is_the_catalogue() {
    let document = std::fs::read_to_string(DOCUMENT).expect("the document is in the repository");
    let (before, rest) = document
        .split_once(BEGIN)
        .expect("the document has a place for the table");
    let (found, after) = rest
        .split_once(END)
        .expect("the place for the table has an end");
    let made = format!("\n{}\n", table());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(DOCUMENT, [before, BEGIN, &made, END, after].concat())
            .expect("the document can be written");
    } else {
        assert!(
            found == made,
            "docs/catalogue.md is not the catalogue: run `UPDATE=1 cargo test -p norelay-core \
             --test table`"
        );
    }
}
