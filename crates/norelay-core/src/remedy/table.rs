//! The table. One line a remedy; its document is `catalogue/remedy/<server>/<name>.md`. A server's
//! remedies stand together, and of those for one cause the most usual stands first.

use super::{RelayCause, Remedy};

macro_rules! remedies {
    ($($server:literal $name:literal $($cause:ident)+;)*) => {
        /// Every remedy.
        pub static REMEDIES: &[Remedy] = &[$(Remedy {
            server: $server,
            name: $name,
            causes: &[$(RelayCause::$cause),+],
            document: include_str!(concat!("../../catalogue/remedy/", $server, "/", $name, ".md")),
        }),*];
    };
}

#[rustfmt::skip]
remedies! {
    "postfix" "mynetworks" TrustsEveryone LostClientAddress;
    "postfix" "submission" PortWithoutRelayCheck TrustsTls;
    "postfix" "relay-restrictions" TrustsEveryone TrustsSenderDomain TrustsListedSender
        TrustsNullSender TrustsHeloName PostmasterAnywhere PortWithoutRelayCheck LateRelayCheck
        TrustsTls;
    "postfix" "untrusted-routing" PercentHack BangPath DoubleAt SourceRoute AddressSyntax
        EncapsulatedAddress MultiHop;
    "postfix" "relay-domains" RecipientDomainTooWide RelaysForSomeDomains TrustsEveryone;
    "postfix" "backup-mx" BackupMxLoose RecipientDomainTooWide RelaysForSomeDomains;
    "postfix" "xclient" TrustsXclient;
    "postfix" "proxy-protocol" TrustsProxyHeader;
    "postfix" "client-certificates" TrustsTls;
    "postfix" "qmqpd" PortWithoutRelayCheck;
    "postfix" "sasl" TrustsAnyCredentials;
    "postfix" "sasl-off" TrustsAnyCredentials;
    "postfix" "user-passwords" TrustsAnyCredentials;
    "postfix" "client-address" LostClientAddress;

    "exim" "relay-hosts" TrustsEveryone;
    "exim" "acl-accept" RelaysForSomeDomains TrustsSenderDomain TrustsListedSender TrustsNullSender
        TrustsHeloName PostmasterAnywhere TrustsEveryone SessionState LateRelayCheck;
    "exim" "local-parts" PercentHack BangPath DoubleAt SourceRoute AddressSyntax EncapsulatedAddress
        MultiHop;
    "exim" "relay-domains" RecipientDomainTooWide RelaysForSomeDomains BackupMxLoose TrustsEveryone;
    "exim" "submission" PortWithoutRelayCheck TrustsTls;
    "exim" "proxy-protocol" TrustsProxyHeader TrustsXclient;
    "exim" "authenticators" TrustsAnyCredentials;
    "exim" "client-address" LostClientAddress;

    "sendmail" "relay-features" TrustsEveryone PortWithoutRelayCheck;
    "sendmail" "relay-from" TrustsSenderDomain TrustsListedSender;
    "sendmail" "local-rules" TrustsNullSender TrustsSenderDomain TrustsListedSender TrustsHeloName
        SessionState;
    "sendmail" "loose-relay-check" PercentHack BangPath DoubleAt SourceRoute AddressSyntax
        EncapsulatedAddress MultiHop;
    "sendmail" "access" TrustsEveryone;
    "sendmail" "relay-domains" RecipientDomainTooWide RelaysForSomeDomains BackupMxLoose
        TrustsEveryone;
    "sendmail" "authentication" TrustsAnyCredentials TrustsTls;
    "sendmail" "client-address" LostClientAddress;

    "opensmtpd" "match-any" TrustsEveryone;
    "opensmtpd" "match-source" TrustsEveryone;
    "opensmtpd" "match-sender" TrustsSenderDomain TrustsListedSender TrustsNullSender
        TrustsHeloName;
    "opensmtpd" "routed-recipients" PercentHack BangPath DoubleAt SourceRoute AddressSyntax
        EncapsulatedAddress MultiHop;
    "opensmtpd" "domains" RecipientDomainTooWide RelaysForSomeDomains BackupMxLoose TrustsEveryone;
    "opensmtpd" "listeners" PortWithoutRelayCheck TrustsTls SessionState;
    "opensmtpd" "proxy-protocol" TrustsProxyHeader;
    "opensmtpd" "authentication" TrustsAnyCredentials;
    "opensmtpd" "client-address" LostClientAddress;

    "courier" "smtpaccess" TrustsEveryone LostClientAddress PortWithoutRelayCheck;
    "courier" "acceptmailfor" RecipientDomainTooWide RelaysForSomeDomains BackupMxLoose;
    "courier" "percent-relay" PercentHack DoubleAt;
    "courier" "authentication" TrustsAnyCredentials;

    "haraka" "relay-acl" TrustsEveryone LostClientAddress PortWithoutRelayCheck;
    "haraka" "recipients" RecipientDomainTooWide RelaysForSomeDomains PostmasterAnywhere
        TrustsSenderDomain TrustsListedSender TrustsNullSender TrustsHeloName PercentHack BangPath
        DoubleAt SourceRoute AddressSyntax EncapsulatedAddress;
    "haraka" "proxies" TrustsXclient TrustsProxyHeader;
    "haraka" "authentication" TrustsAnyCredentials;

    "aiosmtpd" "recipients" TrustsEveryone LostClientAddress PortWithoutRelayCheck
        RecipientDomainTooWide RelaysForSomeDomains PostmasterAnywhere BackupMxLoose
        TrustsSenderDomain TrustsListedSender TrustsNullSender TrustsHeloName PercentHack BangPath
        DoubleAt SourceRoute AddressSyntax EncapsulatedAddress MultiHop;
    "aiosmtpd" "authentication" TrustsAnyCredentials;

    "nodemailer" "recipients" TrustsEveryone LostClientAddress PortWithoutRelayCheck
        RecipientDomainTooWide RelaysForSomeDomains PostmasterAnywhere BackupMxLoose
        TrustsSenderDomain TrustsListedSender TrustsNullSender TrustsHeloName PercentHack BangPath
        DoubleAt SourceRoute AddressSyntax EncapsulatedAddress MultiHop;
    "nodemailer" "authentication" TrustsAnyCredentials;
    "nodemailer" "proxies" TrustsXclient TrustsProxyHeader;

    "nginx" "client-address" LostClientAddress TrustsEveryone PortWithoutRelayCheck;
    "nginx" "authentication" TrustsAnyCredentials;

    "dovecot" "authentication" TrustsAnyCredentials;
    "dovecot" "user-passwords" TrustsAnyCredentials;

    "msmtpd" "listen" TrustsEveryone LostClientAddress PortWithoutRelayCheck TrustsAnyCredentials;

    "qpsmtpd" "relayclients" TrustsEveryone LostClientAddress PortWithoutRelayCheck
        RecipientDomainTooWide RelaysForSomeDomains;

    "exchange" "anonymous-relay" TrustsEveryone TrustsSenderDomain TrustsListedSender
        TrustsNullSender PortWithoutRelayCheck;
    "exchange" "externally-secured" LostClientAddress TrustsEveryone TrustsTls;
    "exchange" "accepted-domains" RecipientDomainTooWide RelaysForSomeDomains;

    "exchange-online" "connectors" TrustsEveryone TrustsSenderDomain TrustsListedSender TrustsTls
        LostClientAddress;

    "hmailserver" "ip-ranges" TrustsEveryone TrustsSenderDomain TrustsListedSender
        LostClientAddress;

    "qmail" "rcpthosts" TrustsEveryone RecipientDomainTooWide RelaysForSomeDomains;
    "qmail" "relayclient" TrustsEveryone LostClientAddress PortWithoutRelayCheck;
    "qmail" "percenthack" PercentHack;
    "qmail" "authentication" TrustsAnyCredentials;

    "mailcow" "client-address" LostClientAddress TrustsEveryone;
    "docker" "client-address" LostClientAddress;
    "docker-mailserver" "client-address" LostClientAddress TrustsEveryone;
    "mailu" "client-address" LostClientAddress TrustsEveryone TrustsProxyHeader;
    "kubernetes" "client-address" LostClientAddress;
    "mail-in-a-box" "client-address" LostClientAddress TrustsEveryone;
    "zimbra" "mynetworks" TrustsEveryone LostClientAddress;
    "iredmail" "mynetworks" TrustsEveryone LostClientAddress;
    "proxmox-mail-gateway" "networks" TrustsEveryone LostClientAddress PortWithoutRelayCheck
        RecipientDomainTooWide RelaysForSomeDomains;
    "cpanel" "exim-configuration" TrustsEveryone LostClientAddress;
    "plesk" "relaying" TrustsEveryone LostClientAddress;

    "mdaemon" "relay-control" TrustsEveryone TrustsSenderDomain TrustsListedSender
        LostClientAddress;
    "mailenable" "relay" TrustsEveryone TrustsSenderDomain TrustsListedSender LostClientAddress;
    "smartermail" "relay" TrustsEveryone TrustsSenderDomain TrustsListedSender LostClientAddress;
    "stalwart" "allow-relaying" TrustsEveryone LostClientAddress TrustsSenderDomain
        TrustsListedSender TrustsProxyHeader;
    "james" "smtp-server" TrustsEveryone LostClientAddress TrustsSenderDomain TrustsListedSender;
    "kerio" "relay-control" TrustsEveryone LostClientAddress;
    "icewarp" "relay" TrustsEveryone TrustsSenderDomain TrustsListedSender LostClientAddress;
    "domino" "relay-controls" TrustsEveryone RecipientDomainTooWide RelaysForSomeDomains
        LostClientAddress;
    "groupwise" "relay" TrustsEveryone LostClientAddress;
    "communigate" "relaying" TrustsEveryone LostClientAddress RecipientDomainTooWide
        RelaysForSomeDomains;
    "powermta" "sources" TrustsEveryone LostClientAddress;
    "kumomta" "relay-hosts" TrustsEveryone LostClientAddress RecipientDomainTooWide
        RelaysForSomeDomains;
    "mailerq" "listeners" TrustsEveryone LostClientAddress;
    "barracuda" "relay" TrustsEveryone LostClientAddress RecipientDomainTooWide
        RelaysForSomeDomains;
    "fortimail" "access-control" TrustsEveryone TrustsSenderDomain TrustsListedSender
        LostClientAddress;
    "cisco-esa" "recipient-access-table" TrustsEveryone RecipientDomainTooWide RelaysForSomeDomains
        LostClientAddress;
    "sophos" "relaying" TrustsEveryone LostClientAddress;
    "axigen" "acceptance-routing" TrustsEveryone LostClientAddress;
    "forcepoint" "relay-control" TrustsEveryone RecipientDomainTooWide RelaysForSomeDomains
        TrustsSenderDomain TrustsListedSender;

    "iis" "relay-restrictions" TrustsEveryone LostClientAddress RecipientDomainTooWide
        RelaysForSomeDomains PortWithoutRelayCheck TrustsSenderDomain TrustsListedSender
        TrustsNullSender;
    "go-smtp" "recipients" TrustsEveryone LostClientAddress PortWithoutRelayCheck
        RecipientDomainTooWide RelaysForSomeDomains PostmasterAnywhere BackupMxLoose
        TrustsSenderDomain TrustsListedSender TrustsNullSender TrustsHeloName PercentHack BangPath
        DoubleAt SourceRoute AddressSyntax EncapsulatedAddress MultiHop TrustsAnyCredentials;
    "smtp-library" "recipients" TrustsEveryone LostClientAddress PortWithoutRelayCheck
        RecipientDomainTooWide RelaysForSomeDomains PostmasterAnywhere BackupMxLoose
        TrustsSenderDomain TrustsListedSender TrustsNullSender TrustsHeloName PercentHack BangPath
        DoubleAt SourceRoute AddressSyntax EncapsulatedAddress MultiHop TrustsAnyCredentials;
    "mail-catcher" "loopback" TrustsEveryone LostClientAddress PortWithoutRelayCheck
        RecipientDomainTooWide RelaysForSomeDomains PostmasterAnywhere BackupMxLoose
        TrustsSenderDomain TrustsListedSender TrustsNullSender TrustsHeloName PercentHack BangPath
        DoubleAt SourceRoute AddressSyntax EncapsulatedAddress MultiHop TrustsAnyCredentials
        TrustsTls SessionState LateRelayCheck;
    "mox" "localserve" TrustsEveryone RecipientDomainTooWide RelaysForSomeDomains
        TrustsAnyCredentials;
    "postal" "credentials" TrustsEveryone LostClientAddress TrustsProxyHeader;
    "poste-io" "client-address" LostClientAddress TrustsEveryone;
    "chasquid" "domains" TrustsEveryone RecipientDomainTooWide RelaysForSomeDomains
        TrustsAnyCredentials TrustsProxyHeader MultiHop;
    "zonemta" "feeder" TrustsEveryone PortWithoutRelayCheck TrustsAnyCredentials;
    "ibm-i" "relay" TrustsEveryone PercentHack LostClientAddress;
    "e-mailrelay" "remote-clients" TrustsEveryone LostClientAddress PortWithoutRelayCheck
        TrustsSenderDomain TrustsListedSender TrustsNullSender;
    "hestiacp" "relay-hosts" TrustsEveryone LostClientAddress;
    "directadmin" "relay-hosts" TrustsEveryone LostClientAddress TrustsSenderDomain
        TrustsListedSender;
    "ispconfig" "mynetworks" TrustsEveryone LostClientAddress RecipientDomainTooWide
        RelaysForSomeDomains;
    "froxlor" "mynetworks" TrustsEveryone LostClientAddress;
    "modoboa" "mynetworks" TrustsEveryone LostClientAddress RecipientDomainTooWide
        RelaysForSomeDomains;
    "cyberpanel" "mynetworks" TrustsEveryone LostClientAddress;
    "kolab" "mynetworks" TrustsEveryone LostClientAddress;
    "virtualmin" "local-networks" TrustsEveryone LostClientAddress;
    "simplelogin" "mynetworks" TrustsEveryone LostClientAddress;
    "synology" "smtp-authentication" TrustsEveryone LostClientAddress;
    "nixos-mailserver" "networks" TrustsEveryone LostClientAddress;
    "haproxy" "client-address" LostClientAddress;
    "traefik" "client-address" LostClientAddress;
    "k3s" "client-address" LostClientAddress;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        mta::{CLUES, NAMES},
        remedy::{Role, by_key, names::is_packaging, servers},
    };

    #[test]
    fn every_document_is_whole() {
        for remedy in REMEDIES {
            let key = remedy.key();
            assert!(remedy.document.starts_with("# "), "{key}: no title");
            assert!(
                remedy.document.contains("\n## What it may break\n"),
                "{key}: it may break nothing?"
            );
            let documentation = remedy.documentation();
            assert!(
                documentation.is_some_and(|address| address.starts_with("https://")),
                "{key}: no documentation"
            );
            assert!(std::ptr::eq(by_key(&key).expect("the key is its own"), remedy));
        }
    }

    /// The servers on which the conformance suite applies remedies.
    #[rustfmt::skip]
    const TRIED: &[&str] = &[
        "postfix", "exim", "sendmail", "opensmtpd", "courier", "haraka", "aiosmtpd", "nodemailer",
            "nginx", "dovecot", "msmtpd",
    ];

    #[test]
    fn what_was_never_tried_says_so() {
        for remedy in REMEDIES
            .iter()
            .filter(|remedy| !TRIED.contains(&remedy.server))
        {
            let says = ["tried", "remembered", "verified"]
                .iter()
                .any(|word| remedy.document.contains(word));
            assert!(says, "{}: what does it rest on?", remedy.key());
        }
    }

    #[test]
    fn every_block_can_be_read() {
        for remedy in REMEDIES {
            let blocks = remedy
                .blocks()
                .unwrap_or_else(|fault| panic!("{}: {fault}", remedy.key()));
            let changes = blocks
                .iter()
                .any(|block| matches!(block.role, Role::Apply { .. } | Role::Run));
            let has_steps = remedy.document.contains("\n## Steps\n\n1. ");
            assert!(changes || has_steps, "{}: nothing to do", remedy.key());
            for block in &blocks {
                let Role::Apply { files, .. } = &block.role else { continue };
                assert!(
                    files
                        .iter()
                        .all(|file| file.starts_with('/') || file.starts_with("./")),
                    "{}",
                    remedy.key()
                );
                assert!(block.edit("x\n").is_some());
            }
        }
    }

    #[test]
    fn a_packaging_has_its_own_changes() {
        let remedy = by_key("exim/relay-hosts").expect("it is in the table");
        let files = |variant| {
            let blocks = remedy.blocks_for(variant).expect("the blocks are blocks");
            let applied = blocks.iter().find_map(|block| match &block.role {
                Role::Apply { files, .. } => files.first().copied(),
                _ => None,
            });
            (
                applied,
                blocks
                    .iter()
                    .filter(|block| block.role == Role::Check)
                    .count(),
            )
        };
        assert_eq!(files(Some("debian")), (Some("/etc/exim4/update-exim4.conf.conf"), 1));
        assert_eq!(files(None), (Some("/etc/exim/exim.conf"), 1));
        assert_eq!(files(Some("freebsd")), files(None));
    }

    #[test]
    fn servers_are_known_and_stand_together() {
        let names: BTreeSet<&str> = NAMES.iter().map(|known| known.name).collect();
        let distributions: BTreeSet<&str> =
            CLUES.iter().filter_map(|clue| clue.distribution).collect();
        let mut seen = BTreeSet::new();
        for server in servers() {
            assert!(seen.insert(server), "{server} stands in two places");
            assert!(
                names.contains(server) || distributions.contains(server) || is_packaging(server),
                "{server}"
            );
        }
    }
}
