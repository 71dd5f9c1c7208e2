//! One command line of a client, as the receiver reads it (RFC 5321 section 4.1).
//!
//! Rules:
//! - Reading never fails. A line that is no command is a [`ClientCommand`] too, which names the
//!   reply that the line deserves.
//! - A path is kept as the client wrote it, with quotes, routes and wrong characters. How a relay
//!   has mangled the path is evidence.
//! - No reply repeats what the client said.

use crate::octets::Octets;

/// One command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCommand {
    /// `EHLO` with a name.
    Ehlo(Octets),
    /// `HELO` with a name.
    Helo(Octets),
    /// `MAIL FROM:` with a path, brackets included, and the size that `SIZE=` announced (RFC 1870).
    Mail {
        /// The reverse-path.
        path: Octets,
        /// The announced size in octets.
        size: Option<u64>,
    },
    /// `RCPT TO:` with a path, brackets included.
    Rcpt(Octets),
    /// `DATA`.
    Data,
    /// `RSET`.
    Rset,
    /// `NOOP`.
    Noop,
    /// `VRFY`.
    Vrfy,
    /// `HELP`.
    Help,
    /// `QUIT`.
    Quit,
    /// `STARTTLS` (RFC 3207).
    StartTls,
    /// A command of SMTP that is not offered here, such as `BDAT`, `AUTH`, `ETRN` or `EXPN`.
    NotOffered,
    /// A known command with a wrong argument.
    BadArgument(&'static str),
    /// A parameter of MAIL or RCPT that is not offered (RFC 5321 section 4.1.1.11).
    UnknownParameter,
    /// Another protocol: the client of a web server or of TLS, or a program that writes binary.
    OtherProtocol,
    /// A line that is no command of SMTP.
    Unknown,
}

/// SMTP commands that are known and not offered (RFC 821, 1985, 2645, 3030, 4954, 4865, 2852).
const NOT_OFFERED: &[&str] =
    &["AUTH", "BDAT", "EXPN", "SEND", "SOML", "SAML", "TURN", "ETRN", "ATRN", "BURL", "XCLIENT"];
/// The methods of HTTP (RFC 9110 section 9), and `PRI` of HTTP/2. A web page can make a browser
/// send such requests to any port.
const HTTP_METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"];

impl ClientCommand {
    /// Reads a line without its CRLF.
    #[must_use]
    pub fn parse(line: &[u8]) -> Self {
        if line
            .first()
            .is_some_and(|first| !first.is_ascii_alphabetic() && *first != b' ')
        {
            // Every command of SMTP begins with a letter. TLS begins with 0x16, JSON with a brace.
            return Self::OtherProtocol;
        }
        let line = line.trim_ascii();
        let end = line
            .iter()
            .position(|octet| matches!(octet, b' ' | b'\t'))
            .unwrap_or(line.len());
        let (verb, argument) = (&line[..end], line[end..].trim_ascii());
        match verb.to_ascii_uppercase().as_slice() {
            b"EHLO" => named(argument, Self::Ehlo),
            b"HELO" => named(argument, Self::Helo),
            b"MAIL" => mail(argument),
            b"RCPT" => rcpt(argument),
            b"DATA" => bare(argument, Self::Data),
            b"RSET" => bare(argument, Self::Rset),
            b"QUIT" => bare(argument, Self::Quit),
            b"STARTTLS" => bare(argument, Self::StartTls),
            b"NOOP" => Self::Noop,
            b"HELP" => Self::Help,
            b"VRFY" => Self::Vrfy,
            _ if is_among(verb, NOT_OFFERED) => Self::NotOffered,
            _ if is_among(verb, HTTP_METHODS) => Self::OtherProtocol,
            _ => Self::Unknown,
        }
    }
}

/// True if a verb is one of these words, in any case.
fn is_among(verb: &[u8], words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| verb.eq_ignore_ascii_case(word.as_bytes()))
}

/// Makes a command that needs a name.
fn named(name: &[u8], make: fn(Octets) -> ClientCommand) -> ClientCommand {
    if name.is_empty() {
        ClientCommand::BadArgument("give your host name")
    } else {
        make(name.into())
    }
}

/// Returns a command that allows no argument, if it came without one.
fn bare(argument: &[u8], command: ClientCommand) -> ClientCommand {
    if argument.is_empty() { command } else { ClientCommand::BadArgument("no argument is allowed") }
}

fn mail(argument: &[u8]) -> ClientCommand {
    let Some((path, parameters)) = path_after(argument, b"FROM:") else {
        return ClientCommand::BadArgument("say MAIL FROM:<path>");
    };
    let mut size = None;
    // Only the parameters of extensions that the reply to EHLO offers: SIZE, 8BITMIME, SMTPUTF8.
    for (name, value) in parameters {
        match (name.as_str(), value.as_deref()) {
            ("SIZE", Some(octets)) => match octets.parse() {
                Ok(octets) => size = Some(octets),
                Err(_) => return ClientCommand::BadArgument("SIZE takes a number of octets"),
            },
            ("BODY", Some("7BIT" | "8BITMIME")) | ("SMTPUTF8", None) => {}
            ("BODY", _) => return ClientCommand::BadArgument("BODY takes 7BIT or 8BITMIME"),
            _ => return ClientCommand::UnknownParameter,
        }
    }
    ClientCommand::Mail { path, size }
}

fn rcpt(argument: &[u8]) -> ClientCommand {
    match path_after(argument, b"TO:") {
        None => ClientCommand::BadArgument("say RCPT TO:<path>"),
        Some((_, parameters)) if !parameters.is_empty() => ClientCommand::UnknownParameter,
        // RFC 5321 section 4.1.1.3: a forward-path is never null.
        Some((path, _)) if path.as_bytes() == b"<>" => {
            ClientCommand::BadArgument("a recipient is never null")
        }
        Some((path, _)) => ClientCommand::Rcpt(path),
    }
}

/// The parameters of MAIL or RCPT, in upper case: keyword and value.
type Parameters = Vec<(String, Option<String>)>;

/// Returns the path and the parameters. Spaces after the colon are accepted, as in other servers.
fn path_after(argument: &[u8], keyword: &[u8]) -> Option<(Octets, Parameters)> {
    let (start, rest) = argument.split_at_checked(keyword.len())?;
    let rest = rest.trim_ascii_start();
    if !start.eq_ignore_ascii_case(keyword) || rest.is_empty() {
        return None;
    }
    let (path, parameters) = rest.split_at(path_length(rest));
    Some((path.into(), parse_parameters(parameters)))
}

/// Returns the length of the path. The path ends after a `>` that is not in quotes and is followed
/// by a space or by nothing. A path without such a `>` (without brackets, or with broken quotes)
/// ends before the first space.
fn path_length(text: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (index, octet) in text.iter().enumerate().filter(|_| text.starts_with(b"<")) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted && matches!(text.get(index + 1), None | Some(b' ' | b'\t')) => {
                return index + 1;
            }
            _ => {}
        }
    }
    text.iter()
        .position(|octet| matches!(octet, b' ' | b'\t'))
        .unwrap_or(text.len())
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`, in upper case.
fn parse_parameters(text: &[u8]) -> Parameters {
    let text = String::from_utf8_lossy(text).to_ascii_uppercase();
    let mut parameters = Vec::new();
    for word in text.split_ascii_whitespace() {
        parameters.push(match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.to_owned(), None),
        });
    }
    parameters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mail(path: &str, size: Option<u64>) -> ClientCommand {
        ClientCommand::Mail { path: path.into(), size }
    }

    #[test]
    fn lines_are_read_as_a_server_reads_them() {
        for (line, expected) in [
            ("EHLO mx.example", ClientCommand::Ehlo("mx.example".into())),
            ("ehlo  [192.0.2.7] ", ClientCommand::Ehlo("[192.0.2.7]".into())),
            ("HELO a b", ClientCommand::Helo("a b".into())),
            ("EHLO", ClientCommand::BadArgument("give your host name")),
            ("MAIL FROM:<>", mail("<>", None)),
            ("mail from: <a@b> size=12 BODY=8bitmime SMTPUTF8", mail("<a@b>", Some(12))),
            ("MAIL FROM:a@b", mail("a@b", None)),
            ("MAIL FROM:<\"a> b\"@c> SIZE=1", mail("<\"a> b\"@c>", Some(1))),
            ("MAIL FROM:<a>b@c>", mail("<a>b@c>", None)),
            ("MAIL FROM:<\"a@b>", mail("<\"a@b>", None)),
            ("MAIL FROM:<a@b> SIZE=x", ClientCommand::BadArgument("SIZE takes a number of octets")),
            (
                "MAIL FROM:<a@b> SIZE=-1",
                ClientCommand::BadArgument("SIZE takes a number of octets"),
            ),
            (
                "MAIL FROM:<a@b> BODY=BINARYMIME",
                ClientCommand::BadArgument("BODY takes 7BIT or 8BITMIME"),
            ),
            ("MAIL FROM:<a@b> RET=HDRS", ClientCommand::UnknownParameter),
            ("MAIL FROM:", ClientCommand::BadArgument("say MAIL FROM:<path>")),
            ("MAIL <a@b>", ClientCommand::BadArgument("say MAIL FROM:<path>")),
            ("RCPT TO:<\"u@d\"@mx>", ClientCommand::Rcpt("<\"u@d\"@mx>".into())),
            ("RCPT TO:<@a,@b:u@d>", ClientCommand::Rcpt("<@a,@b:u@d>".into())),
            ("RCPT TO:u%d", ClientCommand::Rcpt("u%d".into())),
            ("RCPT TO:<>", ClientCommand::BadArgument("a recipient is never null")),
            ("RCPT TO:<a@b> NOTIFY=NEVER", ClientCommand::UnknownParameter),
            ("DATA", ClientCommand::Data),
            ("data ", ClientCommand::Data),
            ("DATA x", ClientCommand::BadArgument("no argument is allowed")),
            ("NOOP whatever", ClientCommand::Noop),
            ("BDAT 10 LAST", ClientCommand::NotOffered),
            ("auth plain", ClientCommand::NotOffered),
            ("GET / HTTP/1.1", ClientCommand::OtherProtocol),
            ("\x16\x03\x01", ClientCommand::OtherProtocol),
            ("{\"jsonrpc\"", ClientCommand::OtherProtocol),
            ("HELLO there", ClientCommand::Unknown),
            ("", ClientCommand::Unknown),
            (" ", ClientCommand::Unknown),
        ] {
            assert_eq!(ClientCommand::parse(line.as_bytes()), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(verb in "(MAIL FROM:|RCPT TO:|)", line: Vec<u8>) {
            let _ = ClientCommand::parse(&[verb.as_bytes(), &line].concat());
        }
    }
}
