//! One line of a test's dialogue, as the table writes it.

use std::net::IpAddr;

use crate::smtp::{Purpose, Security, Stage, netstring::Protocol};

/// One line of a test's dialogue, as a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Octets before the greeting.
    Preface(&'static str),
    /// HELO in the place of EHLO.
    Helo(&'static str),
    /// Neither HELO nor EHLO.
    NoHello,
    /// The test's MAIL.
    Mail,
    /// The test's RCPT.
    Rcpt,
    /// Another command.
    Say(Stage, Purpose, &'static str),
    /// A command with the lines that answer its 334s.
    Exchange(Purpose, &'static str, &'static [&'static str]),
    /// The EHLO keyword that the next line needs, with its parameters, if any: `AUTH PLAIN`.
    Requires(&'static str),
    /// BDAT in the place of DATA.
    Chunking,
    /// The plain test, where a path is such: it is asked there in any case, and has no dialogue of
    /// its own.
    OnPath(PathKind),
    /// Not in SMTP: MAIL's and RCPT's addresses and a message in this protocol, at its own port.
    Protocol(Protocol),
    /// No dialogue of its own: it is read from the answers to these tests.
    ReadFrom(&'static [&'static str]),
    /// Under TLS, by a client who shows a certificate.
    ClientCertificate(Certificate),
    /// The next line travels in the clear, right behind STARTTLS.
    BehindStartTls,
    /// The server may take a line for two, and answer twice.
    Ambiguous,
    /// A text with these octets before other commands and a second text.
    Smuggle(&'static str),
    /// AUTH with the credentials of a user, where the run has some.
    Credentials,
}

/// How a path differs from the only path that the ancestor tested: port 25 in the clear over IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// An IPv6 address.
    V6,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// Such a port.
    Ports(&'static [u16]),
}

impl PathKind {
    /// True if a path to this address and port, with this protection, is of this kind.
    pub(super) fn includes(self, address: IpAddr, port: u16, security: Security) -> bool {
        match self {
            Self::V6 => address.is_ipv6(),
            Self::StartTls => security == Security::StartTls,
            Self::Ports(ports) => ports.contains(&port),
        }
    }
}

/// The certificate that a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// One that it has made and signed itself.
    SelfSigned,
    /// One of the user's, from an authority that the server may trust.
    Given,
}

/// The reverse-path of a stranger: a token at the probe domain.
pub const FOREIGN_SENDER: &str = "<{sender}@{domain}>";

/// MAIL and RCPT.
pub const PLAIN: &[Line] = &[Line::Mail, Line::Rcpt];
