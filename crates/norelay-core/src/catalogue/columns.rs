//! What stands in the columns of the table: the group, profile, strength and role of a test, when
//! it is asked, and on which paths.

use crate::cause::RelayCause;

norelay_smtp::words! {
    /// What makes a server fall for a test: tests of one group have one cause.
    pub enum Group {
        /// Nothing: the plain question is enough.
        Plain = "plain",
        /// Trust in the reverse-path.
        Sender = "sender",
        /// `user%domain`.
        Percent = "percent",
        /// A second `@`, or one in quotes.
        At = "at",
        /// A source route, `@host:user@domain`.
        Route = "route",
        /// A bang path, `domain!user`.
        Bang = "bang",
        /// Other ways to write a recipient, and encapsulated addresses.
        Syntax = "syntax",
        /// How the list of permitted recipient domains is compared or found.
        RecipientDomain = "recipient_domain",
        /// Trust in the name given with HELO.
        Hello = "hello",
        /// Trust that comes with a port, an address family or TLS.
        Path = "path",
        /// A state that a session should have left.
        State = "state",
        /// Trust in credentials of any kind.
        Auth = "auth",
        /// Trust in what a proxy would have said.
        Proxy = "proxy",
        /// What must be accepted or refused if the server is in order: never scored as relaying.
        Control = "control",
        /// Other things worth knowing: never scored as relaying.
        Adjacent = "adjacent",
    }
}

impl Group {
    /// Returns the cause that an acceptance of such a test points to: `None` for the plain
    /// question, which needs other paths beside it, and for what is not scored.
    pub(super) const fn cause(self) -> Option<RelayCause> {
        match self {
            Self::Sender => Some(RelayCause::TrustsSenderDomain),
            Self::Percent => Some(RelayCause::PercentHack),
            Self::At => Some(RelayCause::DoubleAt),
            Self::Route => Some(RelayCause::SourceRoute),
            Self::Bang => Some(RelayCause::BangPath),
            Self::Syntax => Some(RelayCause::AddressSyntax),
            Self::RecipientDomain => Some(RelayCause::RecipientDomainTooWide),
            Self::Hello => Some(RelayCause::TrustsHeloName),
            Self::Path => Some(RelayCause::TrustsTls),
            Self::State => Some(RelayCause::SessionState),
            Self::Auth => Some(RelayCause::TrustsAnyCredentials),
            Self::Proxy => Some(RelayCause::TrustsProxyHeader),
            Self::Plain | Self::Control | Self::Adjacent => None,
        }
    }

    /// Returns when the tests of the group are asked, where their rows say nothing else.
    pub(super) const fn order(self) -> AskingOrder {
        match self {
            // Failed logins are what fail2ban and its kind ban for, so they come last.
            Self::Auth => AskingOrder::Last,
            // If the server shuts us out, the scored tests should have been asked first.
            Self::Adjacent => AskingOrder::Unscored,
            _ => AskingOrder::Usual,
        }
    }
}

norelay_smtp::words! {
    /// Which runs a test belongs to; each profile contains the ones before it.
    #[derive(Default)]
    pub enum Profile {
        /// The seventeen, and the controls that judge them.
        Classic = "classic",
        /// What every run should ask today.
        #[default]
        Standard = "standard",
        /// Everything that is harmless.
        Thorough = "thorough",
        /// Tests that may upset a server: only for the server's own administrator.
        Intrusive = "intrusive",
    }
}

/// How much an acceptance of the recipient shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// The recipient is plainly in another domain.
    Strong,
    /// Servers that accept any local part of their own domain accept the recipient too, and relay
    /// nothing.
    Weak,
}

/// When a test is asked on a path; the earlier variants first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AskingOrder {
    /// The most telling questions, in this order: a server that shuts us out after five refusals
    /// has answered these.
    First(u8),
    /// In the display order.
    Usual,
    /// The tests that need an extension: by then many connections have shown what the server
    /// offers.
    Extension,
    /// The tests that are not scored.
    Unscored,
    /// The tests that a server may ban us for.
    Last,
}

/// The paths of a host that a test is asked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedOn {
    /// The first path that speaks SMTP, and every path whose answers differ from the first one's.
    FirstPath,
    /// Every path.
    EveryPath,
}

macro_rules! roles {
    ($($(#[$note:meta])* $role:ident,)*) => {
        /// The tests that code asks for by what they are. Each is the role of one row, so that no
        /// code needs its number or id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TestRole {
            $($(#[$note])* $role,)*
        }

        impl TestRole {
            /// Every role.
            pub const ALL: &'static [Self] = &[$(Self::$role),*];
        }
    };
}

roles! {
    /// The plain question: a foreign sender, a foreign recipient, nothing else.
    Plain,
    /// No sender.
    NullSender,
    /// A sender at the server's own host name.
    OwnHostSender,
    /// A sender in the server's own mail domain.
    OwnDomainSender,
    /// The plain question after HELO localhost.
    HeloLocalhost,
    /// The plain question after an AUTH that failed.
    AfterFailedAuth,
    /// The plain question after an AUTH with a made-up user and password.
    UnknownCredentials,
    /// A recipient who is postmaster of the probe domain.
    ForeignPostmaster,
    /// A control: a made-up recipient in the server's own domain.
    UnknownUser,
    /// A control: a made-up recipient at the server's host name.
    UnknownUserAtHost,
    /// A control: a recipient in a domain that can't exist.
    ImpossibleForeign,
    /// A control: a recipient in a second foreign domain.
    SecondForeign,
    /// A control: senders in domains that lists of trusted senders contain.
    ListedSenders,
    /// A control: recipients in domains of large providers.
    ProviderRecipients,
    /// A control: postmaster of the server's own domain.
    Postmaster,
    /// A control: postmaster without a domain.
    BarePostmaster,
    /// A made-up recipient, whose acceptance may make the server send a bounce.
    Backscatter,
    /// A sender and a recipient who are users of the server.
    SpoofedUser,
    /// VRFY of a made-up user and of one who exists.
    Vrfy,
    /// EXPN of a made-up user and of one who exists.
    Expn,
    /// ETRN.
    Etrn,
    /// TURN.
    Turn,
    /// A command in the clear behind STARTTLS.
    StartTlsInjection,
    /// A sender in a domain that can't exist.
    UnresolvableSender,
    /// LHLO.
    Lmtp,
    /// A control: a user of the server who authenticates.
    Authenticated,
}
