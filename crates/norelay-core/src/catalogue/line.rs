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
    /// The test's MAIL and RCPT for each listed domain, each pair a transaction. Several rejected
    /// recipients in one transaction are a flood to sendmail (`BadRcptThrottle`).
    EachMailAndRcpt,
    /// Another command.
    Say(Stage, Purpose, &'static str),
    /// A command with the lines that answer its 334s.
    Exchange(Purpose, &'static str, &'static [&'static str]),
    /// The EHLO keyword that the next line needs, with its parameters, if any: `AUTH PLAIN`.
    Requires(&'static str),
    /// BDAT in the place of DATA.
    Chunking,
    /// No dialogue of its own: the plain test on a path of this kind answers the row.
    OnPath(PathKind),
    /// The addresses of MAIL and RCPT and a message in this protocol, at the protocol's own port.
    Protocol(Protocol),
    /// No dialogue of its own: the answers to these tests answer the row.
    ReadFrom(&'static [&'static str]),
    /// The client uses TLS and shows a certificate.
    ClientCertificate(Certificate),
    /// The next line travels in the clear, right behind STARTTLS.
    BehindStartTls,
    /// The server may read a line as two, and answer twice.
    Ambiguous,
    /// A text with these octets before other commands and a second text.
    Smuggle(&'static str),
    /// AUTH with the credentials of a user, if the run has some.
    Credentials,
}

/// How a path differs from the only path that the ancestor tested: port 25 in the clear over IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// An IPv6 address.
    V6,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// One of these ports.
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
    /// A certificate that norelay has made and signed itself.
    SelfSigned,
    /// A certificate of the user's, from an authority that the server may trust.
    Given,
}

/// The reverse-path of an outside sender: a token at the probe domain.
pub const FOREIGN_SENDER: &str = "<{sender}@{domain}>";

/// MAIL and RCPT.
pub const PLAIN: &[Line] = &[Line::Mail, Line::Rcpt];
