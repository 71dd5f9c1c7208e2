//! The names by which people and fingerprints find a remedy: packagings, aliases, and hints for
//! software that has none.
//!
//! Rules:
//! - An alias stands for a server with remedies that really fit, never for one that is only like it.
//! - Names are compared without case, blanks and punctuation: `poste.io` is `poste-io`.

use super::servers;
use crate::mta::{self, NAMES};

/// Ways to run a server, whose names are no server's, as their makers write them.
const PACKAGINGS: &[(&str, &str)] = &[
    ("cpanel", "cPanel"),
    ("cyberpanel", "CyberPanel"),
    ("directadmin", "DirectAdmin"),
    ("docker", "Docker and Podman"),
    ("docker-mailserver", "docker-mailserver"),
    ("froxlor", "Froxlor"),
    ("haproxy", "HAProxy"),
    ("hestiacp", "HestiaCP and VestaCP"),
    ("iredmail", "iRedMail"),
    ("ispconfig", "ISPConfig"),
    ("k3s", "k3s"),
    ("kolab", "Kolab"),
    ("kubernetes", "Kubernetes"),
    ("mail-catcher", "Mail catchers for tests (Mailpit, MailHog and others)"),
    ("mail-in-a-box", "Mail-in-a-Box"),
    ("mailu", "Mailu"),
    ("modoboa", "Modoboa"),
    ("nixos-mailserver", "Simple NixOS Mailserver"),
    ("plesk", "Plesk"),
    ("poste-io", "poste.io"),
    ("proxmox-mail-gateway", "Proxmox Mail Gateway"),
    ("simplelogin", "SimpleLogin"),
    ("smtp-library", "Programs written with an SMTP library"),
    ("synology", "Synology MailPlus Server and Mail Server"),
    ("traefik", "Traefik"),
    ("virtualmin", "Virtualmin and Webmin"),
    ("zimbra", "Zimbra"),
];

/// Other names, and the server whose remedies fit.
#[rustfmt::skip]
const ALIASES: &[(&str, &[&str])] = &[
    ("aiosmtpd", &["python-smtpd", "smtpd.py"]),
    ("cisco-esa", &["ironport", "asyncos"]),
    ("cpanel", &["whm"]),
    ("docker", &["podman", "docker-compose", "containerd", "docker-swarm"]),
    ("docker-mailserver", &["dms"]),
    ("domino", &["lotus", "lotus-notes", "notes"]),
    ("e-mailrelay", &["emailrelay"]),
    ("exchange-online", &["office365", "microsoft365", "o365", "m365"]),
    ("exim", &["exim4"]),
    ("go-smtp", &["maddy"]),
    ("hestiacp", &["hestia", "vestacp", "vesta", "myvesta"]),
    ("ibm-i", &["as400", "iseries", "i5os", "os400"]),
    ("icewarp", &["merak"]),
    ("iis", &["iis-smtp", "smtpsvc", "microsoft-iis", "windows-smtp"]),
    ("kubernetes", &["k8s", "helm", "microk8s", "rke2", "openshift", "metallb"]),
    ("k3s", &["klipper", "servicelb", "k3d"]),
    ("mail-catcher", &[
        "mailpit", "mailhog", "mailcatcher", "maildev", "smtp4dev", "greenmail", "inbucket", "papercut", "mailtrap",
        "fake-smtp-server", "fakesmtp", "dumbster", "mailslurper", "mailcrab",
    ]),
    ("mail-in-a-box", &["miab", "mailinabox"]),
    ("nixos-mailserver", &["nixos", "simple-nixos-mailserver", "snm"]),
    ("nodemailer", &["smtp-server"]),
    ("poste-io", &["poste"]),
    ("proxmox-mail-gateway", &["pmg", "proxmox"]),
    ("simplelogin", &["simple-login"]),
    ("smtp-library", &["mhale-smtpd", "smtpserver-net", "subethasmtp", "twisted"]),
    ("synology", &["mailplus", "dsm", "synology-mailplus"]),
    ("virtualmin", &["webmin"]),
    ("zimbra", &["zcs"]),
    ("zonemta", &["wildduck", "zone-mta"]),
];

const HOSTED: &str = "This is a hosted service, so its provider decides who may relay. If a message \
                      came back through it, tell the provider, and look for a connector, an allowed \
                      address or a leaked password in your account.";
const OLD: &str = "This software is no longer maintained, and norelay has no remedy for it: it should \
                   not face the Internet. Let a maintained server accept the mail and hand on what is \
                   for your domains.";
const FRONT: &str = "This is a firewall or proxy that rewrites SMTP. The server behind it decides who \
                     may relay: test that one, and see its remedies.";
const UNWRITTEN: &str = "norelay knows this software and has no remedy for it yet. Look in its \
                         documentation for relaying, trusted hosts and local networks: let it relay \
                         for authenticated users and for addresses that you name.";
const HONEYPOT: &str = "This is a honeypot or a simulator, which accepts everything on purpose and \
                        relays nothing. If it is yours and sends mail on, turn that off.";

/// What to say of software without a remedy.
#[rustfmt::skip]
const HINTS: &[(&str, &[&str])] = &[
    (HOSTED, &["amazon-ses", "gmail", "mailgun", "mimecast", "proofpoint"]),
    (OLD, &["appleshare", "eims", "fwtk", "mail-max", "ntmail", "post-office", "webshield",
        "winroute"]),
    (FRONT, &["cisco-pix", "firewall-1"]),
    (HONEYPOT, &["heralding", "inetsim", "mailoney"]),
];

/// Returns what a server or a packaging that has remedies is called.
#[must_use]
pub fn title_of(server: &'static str) -> &'static str {
    let packaging = PACKAGINGS.iter().find(|(name, _)| *name == server);
    packaging.map_or_else(|| mta::title_of(server), |(_, title)| title)
}

/// True if the name is a way to run a server, not a server.
#[cfg(test)]
pub(super) fn is_packaging(name: &str) -> bool {
    PACKAGINGS.iter().any(|(known, _)| *known == name)
}

/// Returns every other name of a server that has remedies.
pub fn aliases() -> impl Iterator<Item = &'static str> {
    ALIASES.iter().flat_map(|(_, names)| names.iter().copied())
}

/// Returns the server whose remedies a name of the fingerprint has: its own, or those that its
/// alias stands for.
pub(super) fn server_of(name: &str) -> &str {
    let stands_for = ALIASES.iter().find(|(_, names)| names.contains(&name));
    stands_for.map_or(name, |(server, _)| server)
}

/// Returns the server with remedies that a user names: by its name, its title or an alias.
#[must_use]
pub fn server_named(typed: &str) -> Option<&'static str> {
    let wanted = plain(typed);
    for server in servers() {
        if plain(server) == wanted || plain(title_of(server)) == wanted {
            return Some(server);
        }
    }
    let (server, _) = ALIASES
        .iter()
        .find(|(_, names)| names.iter().any(|name| plain(name) == wanted))?;
    Some(server)
}

/// Returns what to do about software that the fingerprint knows and that has no remedy, in
/// sentences; `None` for a name that nothing knows.
#[must_use]
pub fn hint(typed: &str) -> Option<&'static str> {
    let wanted = plain(typed);
    let known = NAMES
        .iter()
        .find(|known| plain(known.name) == wanted || plain(known.title) == wanted)?;
    let special = HINTS.iter().find(|(_, names)| names.contains(&known.name));
    Some(special.map_or(UNWRITTEN, |(sentences, _)| *sentences))
}

/// Returns a name in lower case, without what is no letter or digit.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_alias_is_no_server_and_stands_for_one() {
        let known: BTreeSet<&str> = servers().collect();
        let mut seen = BTreeSet::new();
        for (server, names) in ALIASES {
            assert!(known.contains(server), "{server} has no remedies");
            for name in *names {
                assert!(seen.insert(plain(name)), "{name} stands for two servers");
                assert!(!known.contains(name), "{name} has remedies of its own");
            }
        }
    }

    /// What the fingerprint knows has a remedy or a hint, or is in a list that may only shrink.
    #[test]
    fn the_software_without_a_remedy_is_listed() {
        let listed: Vec<&str> = include_str!("../../tests/no-remedy.txt")
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let without: Vec<&str> = NAMES
            .iter()
            .map(|known| known.name)
            .filter(|name| server_named(name).is_none() && hint(name) == Some(UNWRITTEN))
            .collect();
        assert_eq!(without, listed, "a remedy came: take its line out of tests/no-remedy.txt");
    }

    #[test]
    fn hints_are_for_software_that_is_known_and_has_no_remedy() {
        for name in HINTS.iter().flat_map(|(_, names)| *names) {
            assert!(NAMES.iter().any(|known| known.name == *name), "{name}");
            assert!(server_named(name).is_none(), "{name} has a remedy");
        }
    }
}
