//! Remedies: what closes a relay, for each server and cause. A table of lines and a document each
//! (`catalogue/remedy/<server>/<name>.md`); `catalogue/remedy/README.md` says how one is written.
//!
//! Rules:
//! - What a machine needs stands in fenced blocks, and nowhere else: the suite applies them as they
//!   are printed.
//! - Nothing here touches a file: [`Block::edit`] says what a file becomes, and whoever owns it
//!   writes it.

mod block;
mod table;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    block::{Block, Fault, Mode, Purpose, Role, Side},
    table::REMEDIES,
};

macro_rules! causes {
    ($($variant:ident $word:literal $clause:literal;)*) => {
        /// What makes a server relay for strangers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Cause {
            $(#[doc = $clause] $variant,)*
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that stands for it in JSON and on the command line.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }

            /// What it means, as a clause whose subject is the server.
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
    TrustsNullSender "trusts_null_sender" "relays for whoever names no sender";
    TrustsHeloName "trusts_helo_name" "relays for whoever says the right name with HELO";
    TrustsAnyCredentials "trusts_any_credentials" "takes credentials that nobody has";
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
    PostmasterAnywhere "postmaster_anywhere" "takes mail for postmaster of every domain";
    BackupMxLoose "backup_mx_loose" "takes mail for every domain whose MX records name it";
    LateRelayCheck "late_relay_check" "checks relaying only after RCPT, where a message with \
                                       several recipients escapes it";
    SessionState "session_state" "forgets its check in the course of a session";
    MultiHop "multi_hop" "hands mail to a server that relays whatever comes from it";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text isn't a cause.
#[derive(Debug, PartialEq, Eq)]
pub struct NotACause;

impl std::str::FromStr for Cause {
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

/// One way to close a server.
#[derive(Debug)]
pub struct Remedy {
    /// The software or packaging: a name of [`crate::mta::NAMES`], or a distribution that its clues
    /// tell.
    pub server: &'static str,
    /// Its name among the server's remedies.
    pub name: &'static str,
    /// What it cures.
    pub causes: &'static [Cause],
    /// Its document, in Markdown; the first line is its title.
    pub document: &'static str,
}

impl Remedy {
    /// What it is called, from its document's heading.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.document
            .lines()
            .next()
            .unwrap_or(self.name)
            .trim_start_matches(['#', ' '])
    }

    /// `postfix/mynetworks`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// The blocks that a machine reads, in order.
    ///
    /// # Errors
    /// The first block that isn't one; the tests hold that there is none.
    pub fn blocks(&self) -> Result<Vec<Block<'static>>, Fault> {
        block::parse(self.document)
    }

    /// The blocks for one packaging (`debian`), or for the plain software: a packaging's own
    /// changes, reloads and checks stand for the plain ones.
    ///
    /// # Errors
    /// As [`Remedy::blocks`].
    pub fn blocks_for(&self, variant: Option<&str>) -> Result<Vec<Block<'static>>, Fault> {
        let blocks = self.blocks()?;
        let is_for = |block: &Block<'_>| variant.is_some() && block.variant == variant;
        let own: Vec<_> = blocks
            .iter()
            .filter(|block| is_for(block))
            .map(|block| block.role.purpose())
            .collect();
        let wanted = blocks
            .into_iter()
            .filter(|block| match own.contains(&block.role.purpose()) {
                true => is_for(block),
                false => block.variant.is_none(),
            });
        Ok(wanted.collect())
    }

    /// The address of the maker's documentation.
    #[must_use]
    pub fn documentation(&self) -> Option<&'static str> {
        let (_, section) = self.document.split_once("\n## Documentation\n")?;
        let (_, address) = section.split_once('<')?;
        address.split_once('>').map(|(address, _)| address)
    }
}

/// All remedies, a server's together.
#[must_use]
pub fn remedies() -> &'static [Remedy] {
    REMEDIES
}

/// The remedies of a server for a cause, the most usual first.
pub fn find(server: &str, cause: Cause) -> impl Iterator<Item = &'static Remedy> {
    REMEDIES
        .iter()
        .filter(move |remedy| remedy.server == server && remedy.causes.contains(&cause))
}

/// The remedy with this key.
#[must_use]
pub fn by_key(key: &str) -> Option<&'static Remedy> {
    let (server, name) = key.split_once('/')?;
    REMEDIES
        .iter()
        .find(|remedy| remedy.server == server && remedy.name == name)
}

/// Ways to run a server, whose names are no server's, as their makers write them.
const PACKAGINGS: &[(&str, &str)] = &[
    ("docker", "Docker and Podman"),
    ("mailu", "Mailu"),
    ("kubernetes", "Kubernetes"),
    ("mail-in-a-box", "Mail-in-a-Box"),
    ("zimbra", "Zimbra"),
    ("iredmail", "iRedMail"),
    ("proxmox-mail-gateway", "Proxmox Mail Gateway"),
    ("cpanel", "cPanel"),
    ("plesk", "Plesk"),
];

/// What a server or a packaging that has remedies is called.
#[must_use]
pub fn title_of(server: &'static str) -> &'static str {
    let packaging = PACKAGINGS.iter().find(|(name, _)| *name == server);
    packaging.map_or_else(|| crate::mta::title_of(server), |(_, title)| title)
}

/// The servers that have remedies, in the table's order.
pub fn servers() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    REMEDIES
        .iter()
        .map(|remedy| remedy.server)
        .filter(move |server| std::mem::replace(&mut last, server) != *server)
}
