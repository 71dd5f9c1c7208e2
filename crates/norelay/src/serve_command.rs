//! `norelay serve`: pages, API, queue and receiver in one process.
//!
//! Settings come from the command line, else from the environment (`NORELAY_…`), else from the
//! file, else they are the defaults; `--settings` lists them.

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf};

use norelay_server::{
    Settings, Store,
    config::{KEYS, Layers, LogFormat, Misconfigured},
    service::{self, Addresses},
    store::{ApiKey, KeyText, Scope},
};
use tracing_subscriber::EnvFilter;

use crate::{complaint::Complaint, interrupt, option_values::one_of, output};

/// What to serve, and how.
#[derive(clap::Args)]
pub struct ServeOptions {
    /// A file of settings (TOML)
    #[arg(long, value_name = "FILE", env = "NORELAY_CONFIG")]
    config: Option<PathBuf>,
    /// Where pages and API are served [default: 127.0.0.1:8025]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Let strangers use it, within limits
    #[arg(long)]
    public: bool,
    /// The folder of the database and of the receiver's key
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The address of the service as its users type it
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The probe domain: its mail comes to --receive
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Where the receiver listens
    #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',')]
    receive: Vec<SocketAddr>,
    /// Any other setting
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Check the settings and stop
    #[arg(long)]
    check_config: bool,
    /// List the settings, with their names in the environment, and stop
    #[arg(long = "settings")]
    list_settings: bool,
    /// Copy the SQLite database into a new file, also while the service runs, and stop
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// Make an API key of this name, print it, and stop
    #[arg(long, value_name = "NAME")]
    new_key: Option<String>,
    /// The scopes of the new key
    #[arg(
        long,
        value_name = "SCOPES",
        value_delimiter = ',',
        default_value = "test",
        requires = "new_key",
        value_parser = one_of(Scope::ALL, |scope| scope.word().to_owned())
    )]
    scopes: Vec<Scope>,
    /// The networks that the new key may test with all rights
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', requires = "new_key")]
    networks: Vec<String>,
}

/// Serves until it is told to stop.
pub async fn run(options: ServeOptions) -> Result<u8, Complaint> {
    if options.list_settings {
        return list_settings();
    }
    let config = options
        .settings()
        .map_err(|Misconfigured(sentence)| Complaint::usage(sentence))?;
    if options.check_config {
        output::print("The settings are in order.\n")?;
        return Ok(0);
    }
    if let Some(file) = &options.backup {
        return back_up(&config, file).await;
    }
    if let Some(name) = &options.new_key {
        return new_key(&config, name, &options).await;
    }
    begin_log(&config)?;
    let mut stopped = interrupt::stopped_by_user();
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let scheme = if config.tls.certificate.is_some() { "https" } else { "http" };
    service::serve(config, |addresses| introduce(scheme, addresses), stop)
        .await
        .map_err(|error| Complaint::usage(error.to_string()))?;
    Ok(0)
}

impl ServeOptions {
    /// The settings, from the layers in their order of precedence.
    fn settings(&self) -> Result<Settings, Misconfigured> {
        let mut layers = Layers::default();
        if let Some(file) = &self.config {
            layers = layers.file(file)?;
        }
        layers = layers.environment(std::env::vars_os())?;
        // --set comes before the flags of their own names, which are more explicit.
        for setting in &self.settings {
            let (name, value) = setting.split_once('=').ok_or_else(|| {
                Misconfigured(format!("--set {setting}: a setting is NAME=VALUE."))
            })?;
            layers = layers.flag(name, value)?;
        }
        let receive: Vec<_> = self.receive.iter().map(ToString::to_string).collect();
        let flags = [
            ("listen", self.listen.map(|listen| listen.to_string())),
            ("public", self.public.then(|| "true".to_owned())),
            ("data", self.data.as_ref().map(|data| data.display().to_string())),
            ("url", self.url.clone()),
            ("test.domain", self.domain.clone()),
            ("receiver.listen", (!receive.is_empty()).then(|| receive.join(","))),
        ];
        let mut given = flags
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        given
            .try_fold(layers, |layers, (name, value)| layers.flag(name, &value))?
            .config()
    }
}

/// Tells the user where the service is: the first thing that a new user has to know.
fn introduce(scheme: &str, addresses: &Addresses) {
    if let Some(http) = addresses.http {
        anstream::eprintln!(
            "norelay serves on {scheme}://{http}/ (or behind your proxy); Ctrl-C stops it."
        );
    }
    for receiver in &addresses.receiver {
        anstream::eprintln!("  The receiver listens on {receiver}.");
    }
    for door in &addresses.connect_back {
        anstream::eprintln!("  Whoever connects to {door} is told their own address.");
    }
}

/// Begins to log, as the settings say.
fn begin_log(config: &Settings) -> Result<(), Complaint> {
    let level = &config.log.level;
    let filter = EnvFilter::try_new(level)
        .map_err(|_| Complaint::usage(format!("log.level: {level:?} is no filter.")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A log on a full disk is no reason to end: by default a line that can't be written is said on
    // standard error, and panics where that is full too.
    let log = log.log_internal_errors(false);
    let begun = match config.log.format {
        LogFormat::Json => log.json().try_init(),
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    begun.map_err(|error| Complaint::internal(format!("The log can't begin: {error}.")))
}

/// Prints the reference of the settings.
fn list_settings() -> Result<u8, Complaint> {
    let width = KEYS
        .iter()
        .map(|key| key.name.len())
        .max()
        .unwrap_or_default();
    let lines = KEYS.iter().map(|key| {
        format!("{:width$}  {}\n{:width$}  {}\n", key.name, key.purpose, "", key.variable())
    });
    output::print(&lines.collect::<String>())?;
    Ok(0)
}

/// Copies SQLite's database into a file.
async fn back_up(config: &Settings, file: &std::path::Path) -> Result<u8, Complaint> {
    if config.database.is_some() {
        return Err(Complaint::usage(
            "This service keeps its data in PostgreSQL: back it up with pg_dump.",
        ));
    }
    let copied = Store::back_up(&config.data, file).await;
    copied.map_err(|error| Complaint::usage(format!("The database can't be copied: {error}.")))?;
    Ok(0)
}

/// Makes an API key and prints its secret, this once.
async fn new_key(config: &Settings, name: &str, options: &ServeOptions) -> Result<u8, Complaint> {
    let networks = options.networks.iter().map(|text| text.parse());
    let networks = networks.collect::<Result<Vec<_>, _>>();
    let networks =
        networks.map_err(|_| Complaint::usage("A network is something like 192.0.2.0/24."))?;
    let text = KeyText::random();
    let key = ApiKey {
        id: text.id().to_owned(),
        name: name.to_owned(),
        scopes: options.scopes.clone(),
        networks,
        hourly: ApiKey::HOURLY,
        created: jiff::Timestamp::now(),
        expires: None,
        revoked: None,
    };
    let store = service::open_store(config)
        .await
        .map_err(|error| Complaint::usage(error.to_string()))?;
    let kept = store.create_key(&key, &text).await;
    kept.map_err(|error| Complaint::usage(format!("The key can't be kept: {error}.")))?;
    store.close().await;
    output::print(&format!("{}\n", text.expose()))?;
    Ok(0)
}
