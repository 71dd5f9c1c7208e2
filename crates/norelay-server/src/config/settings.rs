//! The table of settings, and what it is good for: the environment's names, and the reference.

use std::path::PathBuf;

/// How the text of a setting is read where it isn't TOML: in the environment and on the command
/// line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Text, as it was typed.
    Text,
    /// A number without a sign.
    Number,
    /// `true` or `false`.
    Flag,
    /// Texts, separated by commas.
    Texts,
    /// Numbers, separated by commas.
    Numbers,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in the file, with its section before a dot.
    pub name: &'static str,
    /// How the text of the setting is read.
    pub kind: SettingKind,
    /// The purpose of the setting, with its default.
    pub purpose: &'static str,
}

impl Key {
    /// Its name in the environment: `NORELAY_` and the name in capitals, with `_` for `-` and `.`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("NORELAY_{}", self.name.to_ascii_uppercase().replace(['-', '.'], "_"))
    }
}

macro_rules! keys {
    ($($name:literal $kind:ident $purpose:literal;)*) => {
        /// Every setting.
        pub const KEYS: &[Key] = &[$(Key { name: $name, kind: SettingKind::$kind,
            purpose: $purpose }),*];
    };
}

#[rustfmt::skip]
keys! {
    "listen" Text "Where pages and API are served; 127.0.0.1:8025 by default.";
    "public" Flag "Whether strangers may use it; false by default.";
    "data" Text "The folder of the database and of the receiver's key; $STATE_DIRECTORY, else \
                 $XDG_DATA_HOME/norelay, else ~/.local/share/norelay.";
    "database" Text "PostgreSQL's address, postgres://…; without it, SQLite in the data folder. \
                     Secret.";
    "database-file" Text "A file that holds PostgreSQL's address.";
    "url" Text "The address of the service as its users type it, such as https://norelay.example; \
                needed in public mode.";
    "source" Texts "What tests are shown to come from: addresses or names.";
    "contact" Text "The mail address for complaints; needed in public mode.";
    "hosts" Texts "Further names under which the service may be asked for.";
    "trusted-proxies" Texts "Networks whose X-Forwarded-For is believed; none by default.";
    "metrics-from" Texts "Networks that may read /metrics; this machine by default.";
    "retention-days" Number "Results are kept for so many days; 90 by default.";
    "test.domain" Text "The probe domain: its mail comes to the receiver; without it, the \
                        machine's own domain.";
    "test.second-domain" Text "A second foreign domain, for a control; nothing is sent to it; \
                               example.net by default.";
    "test.helo" Text "The name to say with EHLO; the machine's by default.";
    "test.source-address" Text "The address to connect from.";
    "test.resolver" Text "The DNS resolver, ADDRESS:PORT; the machine's by default.";
    "test.timeout" Text "How long a reply may take; 60s by default.";
    "test.wait" Text "How long to wait for deferred answers and for messages to come back; 5m by \
                      default.";
    "test.messages" Number "How many messages may be sent for the proof of one test; 3 by default.";
    "test.seen-as-expected" Text "The address that servers should see tests come from, where an \
                                  address translator stands between.";
    "test.blacklists" Flag "Whether DNS blacklists are asked beside a test; true by default.";
    "test.blacklist-key-file" Text "A file with the keys of blacklists that need one, a line \
                                    ZONE=KEY each.";
    "test.posture" Flag "Whether it is looked at what the DNS says about domain and addresses \
                         beside a test; true by default.";
    "test.public-ports" Numbers "Ports that strangers may have tested; 25,465,587 by default.";
    "test.allow-networks" Texts "Networks that are tested although they aren't public; none by \
                                 default.";
    "receiver.listen" Texts "Where the receiver listens, such as [::]:25; nowhere by default: \
                             then nothing is proved.";
    "receiver.addresses" Texts "The addresses under which others reach the receiver at port 25; \
                                those that it listens on by default.";
    "receiver.key-file" Text "The file of the key that tokens are made with; token.key in the \
                              data folder by default.";
    "receiver.name" Text "The name that the receiver greets with; the machine's by default.";
    "connect-back.listen" Texts "Where the service listens that tells whoever connects their own \
                                 address, as a proof of control; nowhere by default.";
    "connect-back.shown" Text "What users are told to connect to, HOST:PORT.";
    "limits.running" Number "Tests at once; 50 by default.";
    "limits.queued" Number "Tests that wait; 200 by default.";
    "limits.asker-hourly" Number "Tests an hour of one user network (/24, /64); 10 by default.";
    "limits.wide-hourly" Number "Tests an hour of the network around it (/16, /48); 60 by default.";
    "limits.target-minutes" Number "Minutes between two tests of one address; 15 by default.";
    "limits.target-network-hourly" Number "Tests an hour of one target network (/24, /48); 30 by \
                                           default.";
    "limits.hourly" Number "Tests an hour of everybody; 1000 by default.";
    "limits.requests-per-minute" Number "HTTP requests a minute of one user network; 300 by \
                                         default.";
    "limits.streams-per-network" Number "Event streams at once of one user network; 20 by default.";
    "limits.streams" Number "Event streams at once; 1000 by default.";
    "limits.connections-per-network" Number "HTTP connections at once of one user network in \
                                             public mode, those of trusted proxies aside; 100 by \
                                             default.";
    "limits.connections" Number "HTTP connections at once; 2000 by default.";
    "tls.certificate" Text "The certificate chain for pages and API, a PEM file; without it, \
                            plain HTTP.";
    "tls.key" Text "Its key, a PEM file.";
    "log.format" Text "text or json; text by default.";
    "log.level" Text "What is logged: error, warn, info, debug, or a filter such as \
                      norelay_server=debug; info by default.";
}

/// Returns the data folder if no setting names one.
pub(super) fn data_folder() -> PathBuf {
    let of_environment = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    // systemd gives several folders with colons between them; ours is one.
    of_environment("STATE_DIRECTORY")
        .or_else(|| of_environment("XDG_DATA_HOME").map(|folder| folder.join("norelay")))
        .or_else(|| of_environment("HOME").map(|folder| folder.join(".local/share/norelay")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/norelay"))
}
