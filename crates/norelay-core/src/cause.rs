//! Why a server relays: the causes that a diagnosis names, and that remedies are for.
//!
//! The catalogue names the cause that an acceptance of a test points to, so the causes stand below
//! the catalogue, apart from the remedies.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! causes {
    ($($variant:ident $word:literal $clause:literal;)*) => {
        /// What makes a server relay for outsiders.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum RelayCause {
            $(#[doc = $clause] $variant,)*
        }

        impl RelayCause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that stands for the cause in JSON and on the command line.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }

            /// The cause as a clause whose subject is the server.
            #[must_use]
            pub fn clause(self) -> &'static str {
                match self {
                    $(Self::$variant => $clause),*
                }
            }
        }
    };
}

causes! {
    TrustsEveryone "trusts_everyone" "relays for every client";
    LostClientAddress "lost_client_address" "sees a trusted address in the place of the client's";
    TrustsSenderDomain "trusts_sender_domain" "relays for whoever names a sender in its own domain";
    TrustsListedSender "trusts_listed_sender" "relays for whoever names a sender on its list";
    TrustsNullSender "trusts_null_sender" "relays for whoever names no sender";
    TrustsHeloName "trusts_helo_name" "relays for whoever says the right name with HELO";
    TrustsAnyCredentials "trusts_any_credentials" "accepts made-up credentials";
    TrustsTls "trusts_tls" "relays for whoever uses TLS";
    TrustsXclient "trusts_xclient" "lets strangers say with XCLIENT who they are";
    TrustsProxyHeader "trusts_proxy_header" "lets strangers say with a PROXY header who they are";
    PortWithoutRelayCheck "port_without_relay_check" "has a port without the check of the others";
    PercentHack "percent_hack" "sends user%domain@own on to user@domain";
    BangPath "bang_path" "sends domain!user on to user@domain";
    SourceRoute "source_route" "follows source routes, @own:user@domain";
    DoubleAt "double_at" "sends user@domain@own, or the same in quotes, on to user@domain";
    AddressSyntax "address_syntax" "reads an address one way when it checks and another when it \
                                    delivers";
    EncapsulatedAddress "encapsulated_address" "unpacks an address from a local part and sends \
                                                the mail there";
    RecipientDomainTooWide "recipient_domain_too_wide" "counts foreign domains among those that \
                                                        it takes mail for";
    RelaysForSomeDomains "relays_for_some_domains" "accepts mail for some domains of others";
    PostmasterAnywhere "postmaster_anywhere" "takes mail for postmaster of every domain";
    BackupMxLoose "backup_mx_loose" "takes mail for every domain whose MX records name it";
    LateRelayCheck "late_relay_check" "checks relaying only after RCPT, where a message with \
                                       several recipients escapes it";
    SessionState "session_state" "forgets its check in the course of a session";
    MultiHop "multi_hop" "hands mail to a server that relays whatever comes from it";
}

impl fmt::Display for RelayCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text isn't a cause.
#[derive(Debug, PartialEq, Eq)]
pub struct NotACause;

impl std::str::FromStr for RelayCause {
    type Err = NotACause;

    /// `trusts_everyone` or `trusts-everyone`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.replace('-', "_");
        Self::ALL
            .iter()
            .copied()
            .find(|cause| cause.word() == word)
            .ok_or(NotACause)
    }
}
