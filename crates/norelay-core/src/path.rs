//! What names a path to a server within a run, and what it leads to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

/// A path's number within its run: paths are numbered in the order in which they are added.
///
/// The number is one octet everywhere: in tokens, events and stored data.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PathId(u8);

impl PathId {
    /// The first path of a run.
    pub const FIRST: Self = Self(0);

    /// The path with this number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The path's place in a list of all paths of the run.
    #[must_use]
    pub fn place(self) -> usize {
        usize::from(self.0)
    }

    /// Every possible path, in order; what exceeds one octet can't be a path.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + Clone {
        (0..=u8::MAX).map(Self)
    }
}

impl fmt::Display for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address and port: paths to the same endpoint differ by their protection alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl From<Endpoint> for SocketAddr {
    fn from(Endpoint { address, port }: Endpoint) -> Self {
        Self::new(address, port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_its_number() {
        assert_eq!(serde_json::to_string(&PathId::new(7)).expect("numbers are JSON"), "7");
        assert_eq!(serde_json::from_str::<PathId>("7").expect("7 is one octet"), PathId::new(7));
        assert!(serde_json::from_str::<PathId>("256").is_err(), "256 is more than one octet");
        assert_eq!(format!("{:>3}", PathId::new(7)), "  7");
    }
}
