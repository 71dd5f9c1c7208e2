//! The runs of one `norelay test`: what they share (resolver, identity, receiver), and one target's run.

use std::{fs::File, path::Path, sync::Arc};

use norelay_core::{
    catalogue::RelayTest,
    event::{Event, Record, Run},
    token::{RunId, TokenKey},
};
use norelay_probe::{
    receipts::ReceiptSource,
    record::Sink,
    resolve::{ResolveError, Resolver},
    scan::{self, Request},
    target::{Host, Target},
};
use tokio::sync::watch;

use crate::{Complaint, identity, progress::Progress, test::Arguments};

/// What the runs of one command share.
pub struct Session {
    resolver: Resolver,
    domain: String,
    domain_given: bool,
    second_domain: String,
    helo: Option<String>,
    receipts: Option<ReceiptSource>,
    stop: watch::Receiver<bool>,
}

/// The log of one target's run.
pub struct Log {
    /// Its records.
    pub records: Vec<Record>,
    /// Whether the user stopped it.
    pub stopped: bool,
}

impl Session {
    /// Checks what was asked, and prepares what all targets share.
    pub async fn begin(arguments: &Arguments) -> Result<Self, Complaint> {
        let resolver = Resolver::new(arguments.resolver, arguments.timeout.min(std::time::Duration::from_secs(5)))
            .map_err(|error| Complaint::usage(error.to_string()))?;
        let named = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => {
                norelay_probe::target::host_name(name).map(Some).map_err(|error| Complaint::usage(error.to_string()))
            }
        };
        let given = named(&arguments.domain)?;
        let second_domain = named(&arguments.second_domain)?.unwrap_or_else(|| identity::SECOND_DOMAIN.to_owned());
        let helo = arguments.helo.clone().or_else(identity::host_name);
        let domain_given = given.is_some();
        let domain = match given {
            Some(domain) => domain,
            None => identity::own_domain(&resolver).await.unwrap_or_else(|| identity::FALLBACK_DOMAIN.to_owned()),
        };
        let receipts = receipt_source(arguments, &domain, helo.as_deref())?;
        Ok(Self { resolver, domain, domain_given, second_domain, helo, receipts, stop: stopped_by_user() })
    }

    /// Tests one target.
    pub async fn test(
        &self,
        arguments: &Arguments,
        tests: &[&'static RelayTest],
        text: &str,
        target: &Target,
    ) -> Result<Log, Complaint> {
        let file = arguments.log.as_ref().map(|path| {
            let opened = File::options().create(true).append(true).open(path);
            opened.map_err(|error| Complaint::usage(format!("The log {} can't be written: {error}.", path.display())))
        });
        let progress = Arc::new(Progress::new(arguments.verbose, file.transpose()?));
        let run = RunId(rand::random());
        let key = match &self.receipts {
            Some(source) => source.key_of(run),
            None => TokenKey::new(rand::random()),
        };
        let receipts = self.receipts.as_ref().map(|source| source.receipts_of(run)).transpose();
        let receipts = receipts.map_err(|error| Complaint::usage(error.to_string()))?;
        match self.resolver.exchangers(target).await {
            Err(error) => self.record_unresolved(progress.as_ref(), arguments, run, text, &error),
            Ok(exchangers) => {
                let request = self.request(arguments, tests, text, target, (run, key), &exchangers).await;
                let network = Arc::new(arguments.network());
                scan::scan(request, exchangers, network, progress.clone(), receipts, self.stop.clone()).await;
            }
        }
        let (records, file_error) = progress.log();
        if let Some(error) = file_error {
            anstream::eprintln!("norelay: the log could not be written to its end: {error}.");
        }
        Ok(Log { records, stopped: *self.stop.borrow() })
    }

    async fn request(
        &self,
        arguments: &Arguments,
        tests: &[&'static RelayTest],
        text: &str,
        target: &Target,
        (run, key): (RunId, TokenKey),
        exchangers: &[norelay_core::event::MailExchanger],
    ) -> Request {
        let (concurrency, slow) = arguments.concurrency();
        Request {
            run,
            key,
            target: text.to_owned(),
            address_typed: matches!(target.host, Host::Address(_)),
            profile: arguments.profile(),
            tests: tests.to_vec(),
            domain: self.domain.clone(),
            domain_given: self.domain_given,
            second_domain: Some(self.second_domain.clone()),
            local_domain: self.local_domain(arguments, target, exchangers).await,
            local_user: arguments.local_user.clone(),
            helo: self.helo.clone(),
            ports: arguments.ports(target),
            family: arguments.family(),
            reply_timeout: arguments.timeout,
            wait: arguments.wait,
            concurrency,
            slow,
            max_messages: arguments.messages,
        }
    }

    /// A mail domain of the target: as given, as typed, or as the DNS says.
    async fn local_domain(
        &self,
        arguments: &Arguments,
        target: &Target,
        exchangers: &[norelay_core::event::MailExchanger],
    ) -> Option<String> {
        if arguments.local_domain.is_some() {
            return arguments.local_domain.clone();
        }
        match &target.host {
            Host::MailDomain(domain) => Some(domain.clone()),
            Host::Name(name) if exchangers.iter().any(|exchanger| exchanger.preference.is_some()) => Some(name.clone()),
            _ => self.resolver.domain_served_by(exchangers.first()?.name.as_deref()?).await,
        }
    }

    /// A target without a server is a run without a path.
    fn record_unresolved(&self, sink: &dyn Sink, arguments: &Arguments, run: RunId, text: &str, error: &ResolveError) {
        let started = Event::RunStarted(Run {
            run,
            target: text.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: arguments.profile(),
            domain: self.domain.clone(),
            domain_given: self.domain_given,
            helo: self.helo.clone().unwrap_or_default(),
            local_domain: arguments.local_domain.clone(),
            receiving: false,
        });
        let arguments = vec![error.to_string().into()];
        let noted = Event::Noted { path: None, tag: "unresolved".to_owned(), arguments };
        for event in [started, noted, Event::RunFinished { stopped: false }] {
            sink.record(&Record::new(jiff::Timestamp::now(), event));
        }
    }
}

/// Where messages that come back are seen: here, elsewhere, or nowhere.
fn receipt_source(arguments: &Arguments, domain: &str, name: Option<&str>) -> Result<Option<ReceiptSource>, Complaint> {
    let source = match (&arguments.receiver, &arguments.key_file) {
        _ if !arguments.receive.is_empty() => {
            ReceiptSource::here(&arguments.receive, name.unwrap_or(domain), &[domain.to_owned()]).map(Some)
        }
        (Some(spool), Some(key_file)) => ReceiptSource::spool(Path::new(spool), key_file).map(Some),
        _ => Ok(None),
    };
    source.map_err(|error| Complaint::usage(error.to_string()))
}

/// Becomes true at the first interrupt or request to terminate.
pub fn stopped_by_user() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let interrupted = tokio::signal::ctrl_c();
        let terminated = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupted => {}
            () = terminated => {}
        }
        let _ = stop.send(true);
    });
    stopped
}
