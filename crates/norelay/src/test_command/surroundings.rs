//! What `norelay test --blacklists` and `--posture` have looked up around the relay test.

use std::{net::SocketAddr, path::Path};

use norelay_probe::surroundings::{Surroundings, Wanted};

use crate::{Complaint, blacklist_command};

/// What to look up besides.
#[derive(clap::Args)]
#[group(id = "surroundings", multiple = true)]
pub struct Arguments {
    /// Ask the DNS blacklists about the target's addresses and domain, too (keys as for norelay
    /// blacklist, from the environment)
    #[arg(long)]
    blacklists: bool,
    /// Look at what the DNS says about the target's domain and addresses, too: MX, SPF, DMARC,
    /// MTA-STS (whose policy is fetched over HTTPS), TLS-RPT, DANE, reverse names
    #[arg(long)]
    posture: bool,
}

/// Prepares what was asked for.
pub fn prepare(
    arguments: &Arguments,
    resolver: Option<SocketAddr>,
) -> Result<Surroundings, Complaint> {
    let blacklists = match arguments.blacklists {
        true => Some(blacklist_command::keys(
            std::env::var_os(blacklist_command::KEY_FILE)
                .as_deref()
                .map(Path::new),
        )?),
        false => None,
    };
    Surroundings::new(Wanted { blacklists, posture: arguments.posture }, resolver)
        .map_err(|error| Complaint::usage(format!("There is {error}.")))
}
