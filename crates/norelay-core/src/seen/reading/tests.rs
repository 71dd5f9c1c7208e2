use proptest::prelude::*;

use super::*;
use crate::octets::Octets;

fn reply(text: &str) -> Reply {
    let code = text[..3].parse().expect("a reply begins with a code");
    Reply { code, lines: text[4..].split(" / ").map(Octets::from).collect() }
}

/// What servers say, a table in a file.
#[test]
fn addresses_are_read_where_they_are_the_clients() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for line in include_str!("../../../tests/seen.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let cells: Vec<&str> = line.splitn(5, " | ").collect();
        let [place, server, said, expected, text] = cells[..] else { panic!("five cells: {line}") };
        let said = if said == "-" { "tester.probe.example" } else { said };
        let read = match place {
            "hello" => in_hello(&reply(text), said),
            "refusal" => in_refusal(&reply(text)),
            "received" => in_trace(text, said, ""),
            _ => panic!("an unknown place: {line}"),
        };
        let read = read.map_or_else(|| "none".to_owned(), |address| address.to_string());
        if read != expected {
            wrong.push(format!("{server}: {text}\n    has {expected}, read {read}"));
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "{} of {checked} misread:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked >= 140, "{checked}");
}

#[test]
fn nothing_is_read_from_nothing() {
    for (field, said) in
        [("from x (y [198.51.100.9]) by mx", ""), ("", "x"), ("from ", "x"), ("from x", "x")]
    {
        assert_eq!(in_trace(field, said, ""), None, "{field}");
    }
    assert_eq!(in_hello(&Reply { code: 250, lines: Vec::new() }, "x"), None);
    assert_eq!(in_refusal(&Reply { code: 550, lines: Vec::new() }), None);
}

/// A proxy that says HELO with its own name: the id in the answer shows whose field it is.
#[test]
fn a_field_is_known_by_its_id() {
    let field = "from mx.target.example (localhost [127.0.0.1]) by mx.target.example (Postfix) \
                 with SMTP id 601501C5 for <u@probe.example>; Tue, 24 Nov 2026";
    let loopback = Some(IpAddr::from([127, 0, 0, 1]));
    for (answer, expected) in [
        ("2.0.0 Ok: queued as 601501C5", loopback),
        ("OK id=601501c5", loopback),
        ("2.0.0 Ok: queued as 701501C5", None),
        ("2.0.0 Ok: queued as A601501C5", None),
        ("", None),
    ] {
        assert_eq!(in_trace(field, "tester.probe.example", answer), expected, "{answer}");
    }
    let short = field.replace("601501C5", "26");
    assert_eq!(in_trace(&short, "tester.probe.example", "26 received"), None);
}

/// The real refusals of the reason table: their client is 192.0.2.1, and whoever else they name is
/// somebody else.
#[test]
fn refusals_of_the_reason_table() {
    let mut read = 0;
    for line in include_str!("../../../tests/replies.txt")
        .lines()
        .filter(|line| line.contains(" | "))
    {
        let text = line.splitn(3, '|').nth(2).unwrap_or_default().trim();
        if let Some(address) = in_refusal(&reply(&format!(
            "{} {}",
            &text[..3],
            text[3..].trim_start_matches(['-', ' '])
        ))) {
            assert!(["192.0.2.1", "192.0.2.55"].contains(&address.to_string().as_str()), "{text}");
            read += 1;
        }
    }
    assert!(read >= 25, "{read}");
}

proptest! {
    #[test]
    fn no_text_panics(code in 200_u16..600, octets: Vec<u8>, text in "(from |by |HELO \
        |helo=|é|[(\\[<>;:@. ]|198.51.100.9|\\]|\\)|client ){0,16}") {
        for line in [Octets::from(octets), Octets::from(text.as_str())] {
            let shown = line.to_text();
            let reply = Reply { code, lines: vec![line] };
            let _ = (in_hello(&reply, &text), in_refusal(&reply), in_trace(&shown, "198.51.100.9", &text), in_trace(&text, "helo", &shown));
        }
    }
}
