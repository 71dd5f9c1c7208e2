//! The table, the only place where a test is named. One row a test; its document is
//! `catalogue/relay/<id>.md`.
//!
//! Rules:
//! - A row has number, id, profile, group and strength; then reverse-path, forward-path and
//!   dialogue; then only those columns in which it differs from its group: `role` for what code
//!   asks for by name, `asked` for its place in the asking order, `on EveryPath`, and `cause`.
//! - Code names a test by its role, never by its id (`norelay-core/tests/literals.rs`).
//! - Where an address was typed, it is the primary name of the target and the host name the
//!   secondary one, as in the ancestor: so `{primary}` and `{secondary}`, not "name" and "address".

use super::{
    AskedOn,
    AskingOrder::{First, Last, Unscored},
    Certificate, Group,
    Line::{self, *},
    PLAIN, PathKind, Profile, RelayTest, Strength, TestId, TestRole,
};
use crate::{
    cause::RelayCause,
    smtp::{
        Purpose::{Attempt, Question},
        Stage,
        netstring::Protocol,
    },
};

/// Extended addresses may be written only where they were announced (RFC 6531 section 3.4).
const SMTPUTF8: &[Line] = &[Requires("SMTPUTF8"), Mail, Rcpt];
/// A recipient that the server must accept, before the recipient in question.
const LOCAL_RCPT: Line = Say(Stage::Rcpt, Attempt, "RCPT TO:<{local_user}@{local_domain}>");
const FIRST_MAIL: Line = Say(Stage::Mail, Attempt, "MAIL FROM:<{sender}@{domain}>");
/// Other ports where providers and appliances accept mail; asked if the user names the port.
const OTHER_PORTS: &[u16] = &[24, 26, 588, 1025, 2525, 2526, 8025, 10025];
/// A token of ours, which no server has to accept.
const TOKEN_RCPT: Line = Say(Stage::Rcpt, Attempt, "RCPT TO:<{user}@{domain}>");
const DATA: Line = Say(Stage::Data, Attempt, "DATA");
/// The other verbs of RFC 821 that begin a transaction.
const SOML: Line = Say(Stage::Mail, Attempt, "SOML FROM:<{sender}@{domain}>");
const SAML: Line = Say(Stage::Mail, Attempt, "SAML FROM:<{sender}@{domain}>");
const SEND: Line = Say(Stage::Mail, Attempt, "SEND FROM:<{sender}@{domain}>");
/// A session begins anew after XCLIENT.
const EHLO_AGAIN: Line = Say(Stage::Ehlo, Question, "EHLO {helo}");
/// No identity to act as, a made-up user and a made-up password (RFC 4616).
const NOBODY_PLAIN: &str = "AUTH PLAIN {base64:\\x00{nobody}\\x00{password}}";
/// A user who exists, with a made-up password (RFC 4616).
const USER_PLAIN: &str = "AUTH PLAIN {base64:\\x00{login}\\x00{password}}";
/// The same user by the whole address, which is the user name on many servers.
const ADDRESS_PLAIN: &str = "AUTH PLAIN {base64:\\x00{login}@{local_domain}\\x00{password}}";
/// The same user and password, to act as a user of the target (RFC 4616).
const AS_LOCAL_USER: &str =
    "AUTH PLAIN {base64:{local_user}@{local_domain}\\x00{nobody}\\x00{password}}";
/// A made-up user, and a digest that fits no password (RFC 2195).
const CRAM_MD5_DIGEST: &str = "{base64:{nobody} 0123456789abcdef0123456789abcdef}";
/// NTLM's NEGOTIATE_MESSAGE with the flags UNICODE, OEM, REQUEST_TARGET and NTLM, and no names
/// (MS-NLMP section 2.2.1.1).
const NTLM_NEGOTIATE: &str = "{base64:NTLMSSP\\x00\\x01\\x00\\x00\\x00\\x07\\x02\\x00\\x00\
    \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00}";
/// Its AUTHENTICATE_MESSAGE for the null session: no user, no domain, one zero octet as response,
/// and the flags UNICODE, REQUEST_TARGET, NTLM and ANONYMOUS (MS-NLMP section 3.2.5.1.2).
const NTLM_NOBODY: &str = "{base64:NTLMSSP\\x00\\x03\\x00\\x00\\x00\
    \\x01\\x00\\x01\\x00\\x40\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x41\\x00\\x00\\x00\
    \\x00\\x00\\x00\\x00\\x40\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x40\\x00\\x00\\x00\
    \\x00\\x00\\x00\\x00\\x40\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x41\\x00\\x00\\x00\
    \\x05\\x0a\\x00\\x00\\x00}";
/// The PROXY protocol's second version: its signature, PROXY over TCP and IPv4, twelve octets, from
/// 127.0.0.1 port 12345 to 127.0.0.1 port 25.
const PROXY_V2: &str = "\\x0d\\x0a\\x0d\\x0a\\x00\\x0d\\x0aQUIT\\x0a\\x21\\x11\\x00\\x0c\
    \\x7f\\x00\\x00\\x01\\x7f\\x00\\x00\\x01\\x30\\x39\\x00\\x19";

/// A row has its fixed columns, and behind its dialogue those optional columns that it needs:
/// `role`, `asked`, `on` and `cause`. A plain relay test needs none of them.
macro_rules! tests {
    ($($number:literal $id:literal $profile:ident $group:ident $strength:ident
       $reverse_path:literal $forward_path:literal $dialogue:expr
       $(, role $role:ident)? $(, asked $order:expr)? $(, on $paths:ident)?
       $(, cause $cause:ident)?;)*) => {
        /// Every test and control, in display order.
        pub static TESTS: &[RelayTest] = &[$(RelayTest {
            number: $number,
            id: TestId::of_row($id),
            profile: Profile::$profile,
            group: Group::$group,
            strength: Strength::$strength,
            reverse_path: $reverse_path,
            forward_path: $forward_path,
            dialogue: { const DIALOGUE: &[Line] = $dialogue; DIALOGUE },
            role: given!(None $(, Some(TestRole::$role))?),
            order: given!(Group::$group.order() $(, $order)?),
            paths: given!(AskedOn::FirstPath $(, AskedOn::$paths)?),
            cause: given!(Group::$group.cause() $(, Some(RelayCause::$cause))?),
            document: include_str!(concat!("../../catalogue/relay/", $id, ".md")),
        }),*];
    };
}

/// Returns what a row gives for a column, or the default of its group.
macro_rules! given {
    ($default:expr) => {
        $default
    };
    ($default:expr, $given:expr) => {
        $given
    };
}

#[rustfmt::skip]
tests! {
    // The seventeen.
    1 "foreign-to-foreign" Classic Plain Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" PLAIN,
        role Plain, asked First(1), on EveryPath;
    2 "bare-sender" Classic Sender Strong
        "<{sender}>" "<{user}@{domain}>" PLAIN;
    3 "null-sender" Classic Sender Strong
        "<>" "<{user}@{domain}>" PLAIN,
        role NullSender, asked First(4), cause TrustsNullSender;
    4 "target-host-sender" Classic Sender Strong
        "<{sender}@{primary}>" "<{user}@{domain}>" PLAIN,
        role OwnHostSender, asked First(3), on EveryPath;
    5 "target-ip-sender" Classic Sender Strong
        "<{sender}@{secondary}>" "<{user}@{domain}>" PLAIN;
    6 "percent-host" Classic Percent Weak
        "<{sender}@{primary}>" "<{user}%{domain}@{primary}>" PLAIN,
        asked First(5);
    7 "percent-ip" Classic Percent Weak
        "<{sender}@{primary}>" "<{user}%{domain}@{secondary}>" PLAIN;
    8 "quoted-at" Classic At Weak
        "<{sender}@{primary}>" "<\"{user}@{domain}\">" PLAIN;
    9 "quoted-percent" Classic Percent Weak
        "<{sender}@{primary}>" "<\"{user}%{domain}\">" PLAIN;
    10 "double-at-host" Classic At Weak
        "<{sender}@{primary}>" "<{user}@{domain}@{primary}>" PLAIN,
        asked First(6);
    11 "quoted-at-host" Classic At Weak
        "<{sender}@{primary}>" "<\"{user}@{domain}\"@{primary}>" PLAIN;
    12 "double-at-ip" Classic At Weak
        "<{sender}@{primary}>" "<{user}@{domain}@{secondary}>" PLAIN;
    13 "source-route-host" Classic Route Strong
        "<{sender}@{primary}>" "<@{primary}:{user}@{domain}>" PLAIN,
        asked First(7);
    14 "source-route-ip" Classic Route Strong
        "<{sender}@{primary}>" "<@{secondary}:{user}@{domain}>" PLAIN;
    15 "bang-bare" Classic Bang Weak
        "<{sender}@{primary}>" "<{domain}!{user}>" PLAIN;
    16 "bang-host" Classic Bang Weak
        "<{sender}@{primary}>" "<{domain}!{user}@{primary}>" PLAIN,
        asked First(8);
    17 "bang-ip" Classic Bang Weak
        "<{sender}@{primary}>" "<{domain}!{user}@{secondary}>" PLAIN;

    // Trust in the sender.
    18 "same-as-recipient-sender" Thorough Sender Strong
        "<{user}@{domain}>" "<{user}@{domain}>" PLAIN;
    19 "localhost-sender" Standard Sender Strong
        "<{sender}@localhost>" "<{user}@{domain}>" PLAIN;
    20 "loopback-ip-sender" Thorough Sender Strong
        "<{sender}@[127.0.0.1]>" "<{user}@{domain}>" PLAIN;
    21 "postmaster-host-sender" Standard Sender Strong
        "<postmaster@{host}>" "<{user}@{domain}>" PLAIN;
    22 "local-domain-sender" Standard Sender Strong
        "<{sender}@{local_domain}>" "<{user}@{domain}>" PLAIN,
        role OwnDomainSender, on EveryPath;
    23 "local-user-sender" Standard Sender Strong
        "<{local_user}@{local_domain}>" "<{user}@{domain}>" PLAIN;
    24 "root-sender" Thorough Sender Strong
        "<root@{local_domain}>" "<{user}@{domain}>" PLAIN;
    25 "bare-postmaster-sender" Thorough Sender Strong
        "<postmaster>" "<{user}@{domain}>" PLAIN;
    26 "random-subdomain-sender" Thorough Sender Strong
        "<{sender}@{unknown}.{domain}>" "<{user}@{domain}>" PLAIN;
    27 "other-own-host-sender" Thorough Sender Strong
        "<{sender}@{second_domain}>" "<{user}@{domain}>" PLAIN;
    28 "routed-sender" Thorough Sender Strong
        "<@{host}:{sender}@{domain}>" "<{user}@{domain}>" PLAIN;
    29 "percent-sender" Thorough Sender Strong
        "<{sender}%{domain}@{local_domain}>" "<{user}@{domain}>" PLAIN;
    30 "double-bounce-sender" Thorough Sender Strong
        "<#@[]>" "<{user}@{domain}>" PLAIN,
        cause TrustsNullSender;
    31 "auth-param-sender" Thorough Sender Strong
        "<{sender}@{domain}> AUTH={local_user}@{local_domain}" "<{user}@{domain}>" PLAIN;

    // Recipients routed through a name of the server.
    32 "percent-domain" Standard Percent Weak
        "<{sender}@{domain}>" "<{user}%{domain}@{local_domain}>" PLAIN;
    33 "double-at-domain" Standard At Weak
        "<{sender}@{domain}>" "<{user}@{domain}@{local_domain}>" PLAIN;
    34 "quoted-at-domain" Standard At Weak
        "<{sender}@{domain}>" "<\"{user}@{domain}\"@{local_domain}>" PLAIN;
    35 "source-route-domain" Standard Route Strong
        "<{sender}@{domain}>" "<@{local_domain}:{user}@{domain}>" PLAIN;
    36 "bang-domain" Standard Bang Weak
        "<{sender}@{domain}>" "<{domain}!{user}@{local_domain}>" PLAIN;
    37 "quoted-percent-domain" Thorough Percent Weak
        "<{sender}@{domain}>" "<\"{user}%{domain}\"@{local_domain}>" PLAIN;
    38 "quoted-bang-domain" Thorough Bang Weak
        "<{sender}@{domain}>" "<\"{domain}!{user}\"@{local_domain}>" PLAIN;
    39 "quoted-route-domain" Thorough Route Weak
        "<{sender}@{domain}>" "<\"@{domain}:{user}\"@{local_domain}>" PLAIN;
    40 "quoted-at-ip" Standard At Weak
        "<{sender}@{domain}>" "<\"{user}@{domain}\"@{literal}>" PLAIN;
    41 "quoted-whole-path" Thorough At Weak
        "<{sender}@{domain}>" "<\"{user}@{domain}@{host}\">" PLAIN;
    42 "percent-bare" Standard Percent Weak
        "<{sender}@{domain}>" "<{user}%{domain}>" PLAIN;
    43 "percent-trailing-at" Standard Percent Weak
        "<{sender}@{domain}>" "<{user}%{domain}@>" PLAIN;
    44 "at-trailing-at" Standard At Weak
        "<{sender}@{domain}>" "<{user}@{domain}@>" PLAIN;
    45 "percent-localhost" Standard Percent Weak
        "<{sender}@{domain}>" "<{user}%{domain}@localhost>" PLAIN;
    46 "double-at-localhost" Thorough At Weak
        "<{sender}@{domain}>" "<{user}@{domain}@localhost>" PLAIN;
    47 "percent-loopback-ip" Thorough Percent Weak
        "<{sender}@{domain}>" "<{user}%{domain}@[127.0.0.1]>" PLAIN;
    48 "source-route-localhost" Thorough Route Strong
        "<{sender}@{domain}>" "<@localhost:{user}@{domain}>" PLAIN;
    49 "double-percent" Thorough Percent Weak
        "<{sender}@{domain}>" "<{user}%{domain}%{host}@{local_domain}>" PLAIN;
    50 "bang-then-percent" Thorough Bang Weak
        "<{sender}@{domain}>" "<{domain}!{user}%{local_domain}@{host}>" PLAIN;
    51 "bang-path-two-hop" Thorough Bang Weak
        "<{sender}@{domain}>" "<{host}!{domain}!{user}>" PLAIN;
    52 "source-route-two-hop" Thorough Route Strong
        "<{sender}@{domain}>" "<@{host},@{local_domain}:{user}@{domain}>" PLAIN;
    53 "source-route-percent" Thorough Route Weak
        "<{sender}@{domain}>" "<@{host}:{user}%{domain}@{local_domain}>" PLAIN;
    54 "route-via-foreign" Thorough Route Weak
        "<{sender}@{domain}>" "<@{domain}:{user}@{local_domain}>" PLAIN;
    55 "backslash-at" Thorough At Weak
        "<{sender}@{domain}>" "<{user}\\\\@{domain}@{local_domain}>" PLAIN;

    // Recipients whose last domain is foreign, and how lists of domains are compared.
    56 "double-at-foreign-last" Standard RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@{local_domain}@{domain}>" PLAIN;
    57 "quoted-local-foreign" Standard RecipientDomain Strong
        "<{sender}@{domain}>" "<\"{user}@{local_domain}\"@{domain}>" PLAIN;
    58 "percent-local-foreign" Thorough RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}%{local_domain}@{domain}>" PLAIN;
    59 "local-domain-as-label" Standard RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@{local_domain}.{domain}>" PLAIN;
    60 "local-domain-in-localpart" Thorough RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}.{local_domain}@{domain}>" PLAIN;
    61 "upper-case-domain" Thorough RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@{upper:{domain}}>" PLAIN;
    62 "trailing-dot" Thorough RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@{domain}.>" PLAIN;
    63 "mx-backup-trap" Standard RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@{backup_trap}>" PLAIN,
        cause BackupMxLoose;
    64 "mx-primary-trap" Standard RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@{primary_trap}>" PLAIN,
        cause BackupMxLoose;
    65 "receiver-literal" Standard RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@[{v4:{receiver}}]>" PLAIN;
    66 "receiver-literal-v6" Thorough RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@[IPv6:{v6:{receiver}}]>" PLAIN;
    67 "receiver-literal-mapped" Thorough RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@[IPv6:::ffff:{v4:{receiver}}]>" PLAIN;
    68 "receiver-bare-ip" Thorough RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@{v4:{receiver}}>" PLAIN;
    69 "receiver-decimal" Thorough RecipientDomain Strong
        "<{sender}@{domain}>" "<{user}@#{decimal:{receiver}}>" PLAIN;

    // Ways to write a path.
    70 "no-brackets" Standard Syntax Strong
        "<{sender}@{domain}>" "{user}@{domain}" PLAIN;
    71 "space-after-colon" Thorough Syntax Strong
        "<{sender}@{domain}>" " <{user}@{domain}>" PLAIN;
    72 "tab-after-colon" Thorough Syntax Strong
        "<{sender}@{domain}>" "\\x09<{user}@{domain}>" PLAIN;
    73 "double-brackets" Thorough Syntax Strong
        "<{sender}@{domain}>" "<<{user}@{domain}>>" PLAIN;
    74 "phrase-address" Thorough Syntax Strong
        "<{sender}@{domain}>" "\"postmaster@{local_domain}\" <{user}@{domain}>" PLAIN;
    75 "comment-suffix" Thorough Syntax Strong
        "<{sender}@{domain}>" "<{user}@{domain}(@{local_domain})>" PLAIN;
    76 "comment-prefix" Thorough Syntax Strong
        "<{sender}@{domain}>" "<(@{local_domain}){user}@{domain}>" PLAIN;
    77 "group-syntax" Thorough Syntax Strong
        "<{sender}@{domain}>" "<g:{user}@{domain};>" PLAIN;
    78 "comma-list" Intrusive Syntax Strong
        "<{sender}@{domain}>" "<{local_user}@{local_domain},{user}@{domain}>" PLAIN;
    79 "empty-quotes-prefix" Thorough Syntax Strong
        "<{sender}@{domain}>" "<\"\"{user}@{domain}>" PLAIN;
    80 "inner-space" Thorough Syntax Strong
        "<{sender}@{domain}>" "<{user}@{domain} >" PLAIN;
    81 "orcpt-mismatch" Thorough Syntax Strong
        "<{sender}@{domain}>" "<{user}@{domain}> \
            ORCPT=rfc822;{local_user}@{local_domain} NOTIFY=NEVER"
        &[Mail, Requires("DSN"), Rcpt];
    82 "imceasmtp-host" Standard Syntax Weak
        "<{sender}@{domain}>" "<IMCEASMTP-{user}+40{imcea:{domain}}@{host}>" PLAIN,
        cause EncapsulatedAddress;
    83 "imceasmtp-domain" Standard Syntax Weak
        "<{sender}@{domain}>" "<IMCEASMTP-{user}+40{imcea:{domain}}@{local_domain}>" PLAIN,
        cause EncapsulatedAddress;
    84 "srs0-forged" Standard Syntax Weak
        "<{sender}@{domain}>" "<SRS0=AAAA=AA={domain}={user}@{local_domain}>" PLAIN,
        cause EncapsulatedAddress;
    85 "srs1-forged" Thorough Syntax Weak
        "<{sender}@{domain}>" "<SRS1=AAAA={domain}==AAAA=AA={domain}={user}@{local_domain}>" PLAIN,
        cause EncapsulatedAddress;
    86 "verp-encoded" Thorough Syntax Weak
        "<{sender}@{domain}>" "<bounces+{user}={domain}@{local_domain}>" PLAIN,
        cause EncapsulatedAddress;
    87 "x400-dda" Thorough Syntax Weak
        "<{sender}@{domain}>" "<\"/DDA:RFC-822={user}(a){domain}/\"@{local_domain}>" PLAIN,
        cause EncapsulatedAddress;
    88 "fullwidth-at" Thorough Syntax Weak
        "<{sender}@{domain}> SMTPUTF8" "<{user}\u{ff20}{domain}@{local_domain}>" SMTPUTF8;
    89 "ideographic-dot" Thorough Syntax Strong
        "<{sender}@{domain}> SMTPUTF8" "<{user}@{ideographic:{domain}}>" SMTPUTF8;
    90 "hibit-at" Intrusive Syntax Weak
        "<{sender}@{domain}>" "<{user}\\xc0{domain}@{local_domain}>" PLAIN;
    91 "hibit-percent" Intrusive Syntax Weak
        "<{sender}@{domain}>" "<{user}\\xa5{domain}@{local_domain}>" PLAIN;
    92 "nul-truncation" Intrusive Syntax Strong
        "<{sender}@{domain}>" "<{user}@{domain}\\x00@{local_domain}>" PLAIN;
    93 "bare-cr-command" Intrusive Syntax Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>\\x0dRCPT TO:<{user}@{domain}>"
        &[Ambiguous, Mail, Rcpt];
    94 "bare-lf-command" Intrusive Syntax Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>\\x0aRCPT TO:<{user}@{domain}>"
        &[Ambiguous, Mail, Rcpt];
    95 "overlong-path" Intrusive Syntax Strong
        "<{sender}@{domain}>" "<{fill:{user}@{domain}}.{local_domain}>" PLAIN;

    // Trust in the name given with HELO.
    96 "helo-localhost" Standard Hello Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Helo("localhost"), Mail, Rcpt],
        role HeloLocalhost;
    97 "helo-localhost-localdomain" Standard Hello Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Helo("localhost.localdomain"), Mail, Rcpt];
    98 "helo-target-host" Standard Hello Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Helo("{host}"), Mail, Rcpt];
    99 "helo-local-domain" Standard Hello Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Helo("{local_domain}"), Mail, Rcpt];
    100 "helo-target-ip" Standard Hello Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Helo("{literal}"), Mail, Rcpt];
    101 "helo-loopback-ip" Standard Hello Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Helo("[127.0.0.1]"), Mail, Rcpt];
    102 "no-helo" Thorough Hello Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[NoHello, Mail, Rcpt],
        cause SessionState;
    103 "ehlo-plain" Standard Hello Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" PLAIN,
        cause SessionState;

    // What comes with the path.
    104 "plain-ipv6" Standard Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[OnPath(PathKind::V6), Mail, Rcpt];
    105 "plain-starttls" Standard Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[OnPath(PathKind::StartTls), Mail, Rcpt];
    106 "plain-port-465" Standard Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[OnPath(PathKind::Ports(&[465])), Mail, Rcpt];
    107 "plain-port-587" Standard Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[OnPath(PathKind::Ports(&[587])), Mail, Rcpt];
    108 "plain-port-2525" Standard Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[OnPath(PathKind::Ports(OTHER_PORTS)), Mail,
            Rcpt];
    109 "plain-selfsigned-clientcert" Thorough Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[ClientCertificate(Certificate::SelfSigned), Mail, Rcpt];
    110 "plain-public-clientcert" Thorough Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[ClientCertificate(Certificate::Given), Mail, Rcpt];
    111 "plain-bdat" Thorough Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Chunking, Requires("CHUNKING"), Mail, Rcpt],
        cause SessionState;
    112 "qmqp-open" Thorough Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Line::Protocol(Protocol::Qmqp), Mail, Rcpt],
        cause PortWithoutRelayCheck;
    113 "qmtp-open" Thorough Path Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Line::Protocol(Protocol::Qmtp), Mail, Rcpt],
        cause PortWithoutRelayCheck;

    // States that a session should have left, or never entered.
    114 "piggyback-recipient" Standard State Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Mail, LOCAL_RCPT, Rcpt];
    115 "data-after-refused" Standard State Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Mail, Say(Stage::Rcpt, Attempt, "RCPT TO:<{user}@{domain}>"), DATA, Rcpt];
    116 "second-transaction" Thorough State Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[FIRST_MAIL, LOCAL_RCPT, Say(Stage::Rset, Attempt, "RSET"), Mail, Rcpt];
    117 "rcpt-before-mail" Thorough State Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Rcpt];
    118 "soml-saml-send" Thorough State Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[SOML, SAML, SEND, Rcpt];
    119 "data-before-mail" Intrusive State Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[DATA, Mail, Rcpt];
    120 "after-failed-auth" Standard State Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH PLAIN"), Exchange(Attempt, NOBODY_PLAIN, &[]), Mail, Rcpt],
        role AfterFailedAuth, asked Last;
    121 "after-aborted-auth" Thorough State Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH LOGIN"), Exchange(Attempt, "AUTH LOGIN", &[]), Mail, Rcpt],
        asked Last;

    // Made-up credentials.
    122 "auth-plain-random" Standard Auth Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH PLAIN"), Exchange(Question, NOBODY_PLAIN, &[]), Mail, Rcpt],
        role UnknownCredentials;
    123 "auth-login-random" Standard Auth Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH LOGIN"),
            Exchange(Question, "AUTH LOGIN", &["{base64:{nobody}}", "{base64:{password}}"]), Mail,
            Rcpt];
    124 "auth-crammd5-bogus" Standard Auth Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH CRAM-MD5"), Exchange(Question, "AUTH CRAM-MD5", &[CRAM_MD5_DIGEST]), Mail,
            Rcpt];
    125 "auth-plain-empty" Thorough Auth Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH PLAIN"), Exchange(Question, "AUTH PLAIN {base64:\\x00\\x00}", &[]), Mail,
            Rcpt];
    126 "auth-anonymous" Standard Auth Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH ANONYMOUS"),
            Exchange(Question, "AUTH ANONYMOUS {base64:{sender}@{domain}}", &[]), Mail, Rcpt];
    127 "auth-external-empty" Thorough Auth Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH EXTERNAL"), Exchange(Question, "AUTH EXTERNAL =", &[]), Mail, Rcpt];
    128 "auth-ntlm-null" Thorough Auth Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH NTLM"), Exchange(Question, "AUTH NTLM", &[NTLM_NEGOTIATE, NTLM_NOBODY]),
            Mail, Rcpt];
    129 "auth-plain-authzid" Standard Auth Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("AUTH PLAIN"), Exchange(Question, AS_LOCAL_USER, &[]), Mail, Rcpt];

    // What a proxy would have said.
    131 "xclient-loopback" Standard Proxy Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("XCLIENT"), Say(Stage::Other, Question, "XCLIENT ADDR=127.0.0.1 NAME=localhost"),
            EHLO_AGAIN, Mail, Rcpt],
        cause TrustsXclient;
    132 "xclient-login" Thorough Proxy Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Requires("XCLIENT LOGIN"), Say(Stage::Other, Question, "XCLIENT LOGIN={local_user}"),
            EHLO_AGAIN, Mail, Rcpt],
        cause TrustsXclient;
    133 "proxy-v1-loopback" Thorough Proxy Strong
        "<{sender}@{domain}>" "<{user}@{domain}>"
        &[Preface("PROXY TCP4 127.0.0.1 127.0.0.1 12345 25\\x0d\\x0a"), Mail, Rcpt];
    134 "proxy-v2-loopback" Thorough Proxy Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Preface(PROXY_V2), Mail, Rcpt];
    135 "proxy-local" Thorough Proxy Strong
        "<{sender}@{domain}>" "<{user}@{domain}>" &[Preface("PROXY UNKNOWN\\x0d\\x0a"), Mail, Rcpt];

    // Controls.
    136 "ctl-local-nx" Classic Control Weak
        "<{sender}@{domain}>" "<{unknown}@{local_domain}>" PLAIN,
        role UnknownUser;
    137 "ctl-host-nx" Classic Control Weak
        "<{sender}@{domain}>" "<{unknown}@{host}>" PLAIN,
        role UnknownUserAtHost;
    138 "ctl-foreign-invalid" Classic Control Strong
        "<{sender}@{domain}>" "<{user}@{unknown}.invalid>" PLAIN,
        role ImpossibleForeign;
    139 "ctl-second-foreign" Classic Control Strong
        "<{sender}@{domain}>" "<{user}@{second_domain}>" PLAIN,
        role SecondForeign;
    140 "ctl-postmaster" Classic Control Weak
        "<{sender}@{domain}>" "<postmaster@{local_domain}>" PLAIN,
        role Postmaster, asked First(2), on EveryPath;
    141 "ctl-bare-postmaster" Thorough Control Weak
        "<{sender}@{domain}>" "<postmaster>" PLAIN,
        role BarePostmaster;

    // Adjacent: never scored as relaying.
    142 "backscatter" Thorough Adjacent Weak
        "<{sender}@{domain}>" "<{unknown}@{local_domain}>" PLAIN,
        role Backscatter;
    143 "spoof-local-to-local" Standard Adjacent Weak
        "<{local_user}@{local_domain}>" "<{local_user}@{local_domain}>" PLAIN,
        role SpoofedUser;
    144 "recipient-enumeration" Standard Adjacent Weak
        "<{sender}@{domain}>" "<{unknown}@{local_domain}>"
        &[ReadFrom(&["ctl-local-nx", "ctl-postmaster"]), Mail, Rcpt];
    145 "vrfy-disclosure" Standard Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Say(Stage::Other, Attempt, "VRFY {unknown}"),
            Say(Stage::Other, Question, "VRFY {local_user}")],
        role Vrfy;
    146 "expn-disclosure" Standard Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Say(Stage::Other, Attempt, "EXPN {unknown}"),
            Say(Stage::Other, Question, "EXPN {local_user}")],
        role Expn;
    147 "etrn-open" Thorough Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Requires("ETRN"), Say(Stage::Other, Question, "ETRN {unknown}.invalid")],
        role Etrn;
    148 "turn-open" Thorough Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Say(Stage::Other, Question, "TURN")],
        role Turn;
    149 "auth-cleartext" Standard Adjacent Weak
        "<{sender}@{domain}>" "<{user}@{domain}>" &[ReadFrom(&["foreign-to-foreign"]), Mail, Rcpt];
    150 "starttls-injection" Thorough Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[BehindStartTls, Say(Stage::Other, Question, "NOOP")],
        role StartTlsInjection;
    151 "smuggle-lf-dot-lf" Intrusive Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Mail, TOKEN_RCPT, LOCAL_RCPT, Smuggle("\\x0a.\\x0a")];
    152 "smuggle-lf-dot-crlf" Intrusive Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Mail, TOKEN_RCPT, LOCAL_RCPT, Smuggle("\\x0a.\\x0d\\x0a")];
    153 "smuggle-cr-dot-crlf" Intrusive Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Mail, TOKEN_RCPT, LOCAL_RCPT, Smuggle("\\x0d.\\x0d\\x0a")];
    154 "smuggle-cr-dot-cr" Intrusive Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Mail, TOKEN_RCPT, LOCAL_RCPT, Smuggle("\\x0d.\\x0d")];
    155 "smuggle-lf-dot-cr" Intrusive Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Mail, TOKEN_RCPT, LOCAL_RCPT, Smuggle("\\x0a.\\x0d")];
    156 "smuggle-cr-dot-lf" Intrusive Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Mail, TOKEN_RCPT, LOCAL_RCPT, Smuggle("\\x0d.\\x0a")];
    157 "smuggle-crlf-nul-dot-crlf" Intrusive Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[Mail, TOKEN_RCPT, LOCAL_RCPT, Smuggle("\\x0d\\x0a\\x00.\\x0d\\x0a")];
    158 "unresolvable-sender" Standard Adjacent Weak
        "<{sender}@{unknown}.invalid>" "<{local_user}@{local_domain}>" PLAIN,
        role UnresolvableSender;
    159 "lmtp-exposed" Thorough Adjacent Weak
        "<{sender}@{domain}>" "<{local_user}@{local_domain}>"
        &[NoHello, Say(Stage::Other, Question, "LHLO {helo}")],
        role Lmtp;

    // Run where a user and a password are given.
    160 "ctl-authenticated" Thorough Control Strong
        "<{authenticated_user}>" "<{user}@{domain}>" &[Credentials, Mail, Rcpt],
        role Authenticated;

    // Scored again: numbers are given in the order of their finding.
    161 "postmaster-recipient" Standard RecipientDomain Strong
        "<{sender}@{domain}>" "<postmaster@{domain}>" PLAIN,
        role ForeignPostmaster, cause PostmasterAnywhere;
    162 "mailer-daemon-sender" Thorough Sender Strong
        "<MAILER-DAEMON@{local_domain}>" "<{user}@{domain}>" PLAIN;

    // Existing users and a made-up password. The sender is the user: a server may let users send
    // under their own addresses alone.
    163 "auth-plain-user" Standard Auth Strong
        "<{login}@{local_domain}>" "<{user}@{domain}>"
        &[Requires("AUTH PLAIN"), Exchange(Question, USER_PLAIN, &[]), Mail, Rcpt];
    164 "auth-login-user" Standard Auth Strong
        "<{login}@{local_domain}>" "<{user}@{domain}>"
        &[Requires("AUTH LOGIN"),
            Exchange(Question, "AUTH LOGIN", &["{base64:{login}}", "{base64:{password}}"]), Mail,
            Rcpt];
    165 "auth-plain-address" Standard Auth Strong
        "<{login}@{local_domain}>" "<{user}@{domain}>"
        &[Requires("AUTH PLAIN"), Exchange(Question, ADDRESS_PLAIN, &[]), Mail, Rcpt];
    166 "auth-login-address" Standard Auth Strong
        "<{login}@{local_domain}>" "<{user}@{domain}>"
        &[Requires("AUTH LOGIN"),
            Exchange(Question, "AUTH LOGIN",
                &["{base64:{login}@{local_domain}}", "{base64:{password}}"]), Mail, Rcpt];

    // Names that the server gives itself, where they differ from what other tests ask.
    167 "own-name-sender" Classic Sender Strong
        "<{sender}@{own_name}>" "<{user}@{domain}>" PLAIN;
    168 "second-own-name-sender" Classic Sender Strong
        "<{sender}@{second_own_name}>" "<{user}@{domain}>" PLAIN;
    169 "third-own-name-sender" Classic Sender Strong
        "<{sender}@{third_own_name}>" "<{user}@{domain}>" PLAIN;

    // Senders that the user says the server may trust.
    170 "trusted-sender" Classic Sender Strong
        "<{trusted_sender}>" "<{user}@{domain}>" PLAIN,
        cause TrustsListedSender;
    171 "second-trusted-sender" Classic Sender Strong
        "<{second_trusted_sender}>" "<{user}@{domain}>" PLAIN,
        cause TrustsListedSender;
    172 "third-trusted-sender" Classic Sender Strong
        "<{third_trusted_sender}>" "<{user}@{domain}>" PLAIN,
        cause TrustsListedSender;
    173 "fourth-trusted-sender" Classic Sender Strong
        "<{fourth_trusted_sender}>" "<{user}@{domain}>" PLAIN,
        cause TrustsListedSender;

    // Other domains than ours that a list may have. No message is ever sent for these.
    174 "ctl-listed-senders" Standard Control Strong
        "<{unknown}@{listed_domain}>" "<{user}@{domain}>" &[EachMailAndRcpt],
        role ListedSenders, asked Unscored;
    175 "ctl-provider-recipients" Standard Control Strong
        "<{sender}@{domain}>" "<{unknown}@{listed_domain}>" &[EachMailAndRcpt],
        role ProviderRecipients, asked Unscored;

    // More names of the server.
    177 "fourth-own-name-sender" Classic Sender Strong
        "<{sender}@{fourth_own_name}>" "<{user}@{domain}>" PLAIN;
    178 "fifth-own-name-sender" Classic Sender Strong
        "<{sender}@{fifth_own_name}>" "<{user}@{domain}>" PLAIN;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bystanders_get_no_message() {
        let spared = |id: &str| {
            crate::catalogue::by_id(id)
                .expect("the id is in the table")
                .spares_bystanders()
        };
        for id in [
            "foreign-to-foreign",
            "percent-domain",
            "data-after-refused",
            "second-transaction",
            "rcpt-before-mail",
            "postmaster-recipient",
        ] {
            assert!(spared(id), "{id}");
        }
        for id in [
            "piggyback-recipient",
            "comma-list",
            "bare-lf-command",
            "smuggle-lf-dot-lf",
            "spoof-local-to-local",
            "ctl-postmaster",
            "backscatter",
        ] {
            assert!(!spared(id), "{id}");
        }
    }

    #[test]
    fn every_role_is_the_role_of_one_row() {
        for role in TestRole::ALL {
            let rows: Vec<_> = TESTS.iter().filter(|test| test.is(*role)).collect();
            assert_eq!(rows.len(), 1, "{role:?}: {rows:?}");
        }
    }

    #[test]
    fn no_two_tests_have_the_same_place_among_the_first() {
        let mut places: Vec<_> = TESTS
            .iter()
            .filter_map(|test| match test.order {
                First(place) => Some(place),
                _ => None,
            })
            .collect();
        places.sort_unstable();
        assert!((1..).zip(&places).all(|(place, found)| place == *found), "{places:?}");
    }

    #[test]
    fn numbers_and_ids_are_unique_and_in_order() {
        assert!(TESTS.is_sorted_by(|a, b| a.number < b.number));
        let mut ids: Vec<_> = TESTS.iter().map(|test| test.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), TESTS.len());
        assert!((1..=17).eq(TESTS.iter().take(17).map(|test| test.number)));
    }
}
