//! The tables of the explanations.

use super::Shape;
use crate::{check::Reason, smtp::Stage};

/// Something that we say.
pub(super) struct Sent {
    pub stage: Stage,
    pub shape: Option<Shape>,
    pub text: &'static str,
    pub source: &'static str,
}

const fn says(stage: Stage, text: &'static str, source: &'static str) -> Sent {
    Sent { stage, shape: None, text, source }
}

const fn writes(stage: Stage, shape: Shape, text: &'static str, source: &'static str) -> Sent {
    Sent { stage, shape: Some(shape), text, source }
}

#[rustfmt::skip]
pub(super) static SENT: &[Sent] = &[
    says(Stage::Greeting, "Before the greeting: what a proxy would say about the client behind \
                           it. A server must believe it from its own proxies \
                           only.", "PROXY protocol"),
    says(Stage::Ehlo, "We say who we are and ask what the server offers.", "RFC 5321 section \
        4.1.1.1"),
    says(Stage::Helo, "We say who we are, in the old way.", "RFC 5321 section 4.1.1.1"),
    says(Stage::StartTls, "We ask for encryption; afterwards both begin \
                           anew.", "RFC 3207 section 4"),
    says(Stage::Auth, "We try to authenticate. Credentials that nobody has are shown; a user's \
                       are blacked out.", "RFC 4954 section 4"),
    says(Stage::Other, "A command that prepares the question.", "RFC 5321 section 4.1.1"),
    writes(Stage::Mail, Shape::Null, "A message begins, with the empty sender that bounces have. \
                                      It earns no trust.", "RFC 5321 section 4.5.5"),
    writes(Stage::Mail, Shape::Bare, "A message begins, with a sender without a domain. Some \
                                      servers complete it with their own domain and then trust \
                                      it.", "RFC 5321 section 4.1.1.2"),
    says(Stage::Mail, "A message begins: this is its sender, to whom bounces would go. Anybody \
                       can write anything here, so it earns no trust.", "RFC 5321 section 4.1.1.2"),
    writes(Stage::Rcpt, Shape::Route, "The recipient, with the way to take before the colon: \"by \
                                       way of that host\". A server may ignore the way or refuse \
                                       it; it must judge the address behind \
                                       it.", "RFC 5321 appendix F.2"),
    writes(Stage::Rcpt, Shape::Bang, "The recipient, written as a path of host names before \
                                      UUCP's exclamation marks. A server that still reads it so \
                                      sends the message on.", "RFC 976"),
    writes(Stage::Rcpt, Shape::Quoted, "The recipient, with a whole address in quotes, which is \
                                        but a local part. A server that unpacks it sends the \
                                        message on.", "RFC 5321 section 4.1.2"),
    writes(Stage::Rcpt, Shape::Percent, "The recipient, with the real address before a per cent \
                                         sign. A server that turns it into an @ sends the message \
                                         on.", "RFC 1123 section 5.2.16"),
    writes(Stage::Rcpt, Shape::DoubleAt, "The recipient, with two @: not an address. A server \
                                          that looks at the wrong one sends the message \
                                          on.", "RFC 5321 section 4.1.2"),
    writes(Stage::Rcpt, Shape::Bare, "The recipient, without a domain: a user of the server \
                                      itself.", "RFC 5321 section 4.1.1.3"),
    says(Stage::Rcpt, "The recipient: here the server decides whether it takes responsibility for \
                       a message to that address.", "RFC 5321 section 4.1.1.3"),
    says(Stage::Data, "We ask to hand over the message itself.", "RFC 5321 section 4.1.1.4"),
    says(Stage::EndOfData, "The message; a line with a single dot ends it. It says what it is and \
                            goes to nobody but norelay's own receiver.", "RFC 5321 section \
                                4.1.1.4"),
    says(Stage::Rset, "We drop the message that was begun.", "RFC 5321 section 4.1.1.5"),
    says(Stage::Quit, "We say goodbye; no message was left behind but those accepted \
                       before.", "RFC 5321 section 4.1.1.10"),
];

/// A reply that isn't a refusal.
pub(super) struct Accepted {
    pub stage: Stage,
    pub code: Option<u16>,
    /// True if it is for controls only.
    pub control: bool,
    pub text: &'static str,
    pub source: &'static str,
}

const fn accepts(stage: Stage, text: &'static str, source: &'static str) -> Accepted {
    Accepted { stage, code: None, control: false, text, source }
}

const fn accepts_with(
    stage: Stage,
    code: u16,
    text: &'static str,
    source: &'static str,
) -> Accepted {
    Accepted { stage, code: Some(code), control: false, text, source }
}

#[rustfmt::skip]
pub(super) static ACCEPTED: &[Accepted] = &[
    accepts(Stage::Greeting, "The server is ready and names itself.", "RFC 5321 section 3.1"),
    accepts(Stage::Ehlo, "The server names itself and, line by line, what it \
                          offers.", "RFC 5321 section 4.1.1.1"),
    accepts(Stage::Helo, "The server names itself.", "RFC 5321 section 4.1.1.1"),
    accepts(Stage::StartTls, "The server is ready for the TLS handshake.", "RFC 3207 section 4"),
    accepts_with(Stage::Auth, 235, "The server takes the credentials for \
                                    good.", "RFC 4954 section 6"),
    accepts_with(Stage::Auth, 334, "The server asks for the next piece of the \
                                    credentials.", "RFC 4954 section 4"),
    accepts(Stage::Auth, "The server answers the attempt.", "RFC 4954 section 4"),
    accepts(Stage::Other, "The server accepts the command.", "RFC 5321 section 4.2.1"),
    accepts(Stage::Mail, "The sender is accepted. That says nothing about relaying \
                          yet.", "RFC 5321 section 3.3"),
    Accepted { stage: Stage::Rcpt, code: None, control: true, text: "The recipient of a control \
        is accepted: it shows how the server answers to addresses that have nothing to do with \
        relaying.", source: "RFC 5321 section 3.3" },
    accepts_with(Stage::Rcpt, 251, "The recipient is accepted: the server says that the user is \
                                    elsewhere and that it will pass the message \
                                    on.", "RFC 5321 section 3.4"),
    accepts_with(Stage::Rcpt, 252, "The recipient is accepted: the server says that it can't \
                                    verify the user and will try.", "RFC 5321 section 3.5.3"),
    accepts(Stage::Rcpt, "The recipient is accepted: the server says that it will deliver to this \
                          address or pass the message on.", "RFC 5321 section 3.3"),
    accepts_with(Stage::Data, 354, "The server waits for the message.", "RFC 5321 section 4.1.1.4"),
    accepts(Stage::Data, "This answer has no meaning at this place.", "RFC 5321 section 4.3.2"),
    accepts(Stage::EndOfData, "The message is accepted: from now on the server is responsible for \
                               delivering it or for saying that it can't.", "RFC 5321 section 6.1"),
    accepts(Stage::Rset, "The message that was begun is dropped.", "RFC 5321 section 4.1.1.5"),
    accepts(Stage::Quit, "The server says goodbye.", "RFC 5321 section 4.1.1.10"),
];

/// A refusal whose code says more than its class.
pub(super) struct Code {
    pub stage: Option<Stage>,
    pub code: u16,
    pub text: &'static str,
    pub source: &'static str,
}

const fn code(code: u16, stage: Option<Stage>, text: &'static str, source: &'static str) -> Code {
    Code { stage, code, text, source }
}

#[rustfmt::skip]
pub(super) static CODES: &[Code] = &[
    code(421, None, "The server closes the connection: it is too busy, or has had enough of us. \
                     That answers no question.", "RFC 5321 section 3.8"),
    code(521, Some(Stage::Greeting), "This host takes no mail at all.", "RFC 7504 section 3"),
    code(554, Some(Stage::Greeting), "The server takes no mail from us. Others may fare \
                                      differently.", "RFC 5321 section 3.1"),
    code(535, Some(Stage::Auth), "Refused: the server does not take these \
                                  credentials.", "RFC 4954 section 6"),
    code(551, Some(Stage::Rcpt), "Refused: the server names another address for that user and \
                                  sends nothing on itself.", "RFC 5321 section 3.4"),
    code(556, None, "Refused: the recipient's domain says that it takes no \
                     mail.", "RFC 7504 section 3"),
];

/// A reason for a refusal.
pub(super) struct Because {
    pub reason: Reason,
    pub text: &'static str,
    pub source: &'static str,
}

const fn because(reason: Reason, text: &'static str, source: &'static str) -> Because {
    Because { reason, text, source }
}

#[rustfmt::skip]
pub(super) static REASONS: &[Because] = &[
    because(Reason::RelayDenied, "the server does not pass mail on from strangers. This is what a \
                                  closed server says.", "RFC 5321 section 7.9"),
    because(Reason::AuthRequired, "only who authenticates may do this. To a stranger the server \
                                   is closed.", "RFC 4954 section 6"),
    because(Reason::TlsRequired, "nothing goes on in the clear. What would be said under TLS is \
                                  not known from this.", "RFC 3207 section 4"),
    because(Reason::Reputation, "the server dislikes our address or our name. That says nothing \
                                 about other strangers.", "RFC 5321 section 7.9"),
    because(Reason::Greylisted, "the server wants us to come back later, as a test of \
                                 patience.", "RFC 6647"),
    because(Reason::SenderDomain, "the server dislikes the sender, or does not find its \
                                   domain.", "RFC 5321 section 7.9"),
    because(Reason::RecipientDomain, "the recipient's domain is not found or takes no mail. That \
                                      is not about relaying.", "RFC 7505"),
    because(Reason::UnknownUser, "the server takes the recipient for a user of its own and has \
                                  none of that name.", "RFC 5321 section 4.2.3"),
    because(Reason::Syntax, "the server does not take this for a proper address or \
                             command.", "RFC 5321 section 4.2.3"),
    because(Reason::RateLimited, "too much, too fast or too many errors. That answers no \
                                  question.", "RFC 5321 section 7.8"),
    because(Reason::Policy, "some rule of the server's, of which it does not say that it is about \
                             relaying.", "RFC 5321 section 7.9"),
    because(Reason::Unclassified, "the server does not say why.", "RFC 5321 section 4.2.1"),
];

/// An EHLO keyword.
pub(super) struct Keyword {
    pub keyword: &'static str,
    pub text: &'static str,
    pub source: &'static str,
}

const fn offers(keyword: &'static str, text: &'static str, source: &'static str) -> Keyword {
    Keyword { keyword, text, source }
}

#[rustfmt::skip]
pub(super) static KEYWORDS: &[Keyword] = &[
    offers("PIPELINING", "Commands may be sent without waiting for each answer.", "RFC 2920"),
    offers("SIZE", "The largest message that it takes, in octets.", "RFC 1870"),
    offers("8BITMIME", "Texts may have octets above 127.", "RFC 6152"),
    offers("STARTTLS", "The connection can be put under TLS.", "RFC 3207"),
    offers("AUTH", "Clients may authenticate, by these mechanisms.", "RFC 4954"),
    offers("ENHANCEDSTATUSCODES", "Replies begin with a code like 5.7.1 that says \
                                   more.", "RFC 2034"),
    offers("DSN", "Senders may ask for reports of delivery.", "RFC 3461"),
    offers("ETRN", "A host may ask for the mail that waits for it.", "RFC 1985"),
    offers("VRFY", "The server can be asked whether a user exists.", "RFC 5321 section 3.5"),
    offers("EXPN", "The server can be asked who is on a list.", "RFC 5321 section 3.5"),
    offers("HELP", "The server explains its commands.", "RFC 5321 section 4.1.1.8"),
    offers("CHUNKING", "Texts may be sent in pieces of known size, by BDAT.", "RFC 3030"),
    offers("BINARYMIME", "Texts may be binary.", "RFC 3030"),
    offers("SMTPUTF8", "Addresses may have letters beyond ASCII.", "RFC 6531"),
    offers("DELIVERBY", "Senders may set a time for delivery.", "RFC 2852"),
    offers("REQUIRETLS", "Senders may demand TLS on the whole way.", "RFC 8689"),
    offers("LIMITS", "The server says its limits.", "RFC 9422"),
    offers("BURL", "Texts may be fetched from an IMAP server.", "RFC 4468"),
    offers("FUTURERELEASE", "Messages may be held for later.", "RFC 4865"),
    offers("MT-PRIORITY", "Messages may have a priority.", "RFC 6710"),
    offers("NO-SOLICITING", "The server says that it wants no advertisements.", "RFC 3865"),
    offers("XCLIENT", "A proxy may say who the client really is. Nobody but the server's own \
                       proxies should be offered this.", "Postfix XCLIENT_README"),
    offers("XFORWARD", "A filter may say who the client was, for the log. Nobody but the server's \
                        own filters should be offered this.", "Postfix XFORWARD_README"),
];

/// What most closed servers say to a foreign recipient.
pub(super) const USUAL_DENIAL: &str = "550 5.7.1 and words such as \"relaying denied\"";

/// A closed server's answer to a foreign recipient.
pub(super) struct Closed {
    pub mta: &'static str,
    pub answer: &'static str,
}

const fn closed(mta: &'static str, answer: &'static str) -> Closed {
    Closed { mta, answer }
}

/// Seen on real servers in their default configurations, or read in their sources.
#[rustfmt::skip]
pub(super) static CLOSED: &[Closed] = &[
    closed("postfix", "454 4.7.1 <…>: Relay access denied"),
    closed("exim", "550 relay not permitted"),
    closed("sendmail", "550 5.7.1 <…>... Relaying denied"),
    closed("opensmtpd", "550 Invalid recipient"),
    closed("qmail", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
    closed("courier", "513 Relaying denied."),
    closed("haraka", "550 I cannot deliver mail for <…>"),
    closed("hmailserver", "550 Delivery is not allowed to this address."),
    closed("stalwart", "550 5.1.2 Relay not allowed."),
    closed("james", "550 5.7.1 Requested action not taken: relaying denied"),
    closed("exchange-online", "550 5.7.64 TenantAttribution; Relay Access Denied SMTP"),
];
