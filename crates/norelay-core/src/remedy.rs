//! Remedies: what closes a relay, for each server and cause. A table of lines and a document each
//! (`catalogue/remedy/<server>/<name>.md`); `catalogue/remedy/README.md` says how one is written.
//!
//! Rules:
//! - What a machine needs stands in fenced blocks, and nowhere else: the suite applies them as they
//!   are printed.
//! - Nothing here touches a file: [`Block::edit`] returns the new content, and the caller writes
//!   it.

mod block;
mod names;
mod table;

pub use self::{
    block::{Block, BlockPurpose, Fault, Mode, Role, Side},
    names::{aliases, hint, server_named, title_of},
    table::REMEDIES,
};
pub use crate::cause::{NotACause, RelayCause};

/// One way to close a server.
#[derive(Debug)]
pub struct Remedy {
    /// The software or packaging: a name of [`crate::mta::NAMES`], or a distribution that its clues
    /// tell.
    pub server: &'static str,
    /// Its name among the server's remedies.
    pub name: &'static str,
    /// What it cures.
    pub causes: &'static [RelayCause],
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

/// The remedies of a server for a cause, the most usual first. A server without remedies of its own
/// may have those of another name, as each mail catcher has those of all.
pub fn find(server: &str, cause: RelayCause) -> impl Iterator<Item = &'static Remedy> {
    let server = names::server_of(server);
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

/// The servers that have remedies, in the table's order.
pub fn servers() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    REMEDIES
        .iter()
        .map(|remedy| remedy.server)
        .filter(move |server| std::mem::replace(&mut last, server) != *server)
}
