//! The runs of one `norelay test`: what they share (resolver, identity, receiver), and one target's
//! run.

use std::{collections::BTreeSet, fs::File, net::SocketAddr, path::Path, sync::Arc};

use norelay_core::{
    catalogue::{self, Credentials, RelayTest, TestId},
    event::{Event, Receipt, Record, Run},
    report::Report,
    retest::Plan,
    token::{RunId, TokenKey},
};
use norelay_probe::{
    errand::Errand,
    identity::{Identity, SECOND_DOMAIN},
    key_file,
    network::Internet,
    receipts::ReceiptSource,
    record::Sink,
    resolve::{ResolveError, Resolver},
    scan::{self, Request, Scan},
    secure::client_identity::ClientIdentity,
    surroundings::Surroundings,
    target::{Host, Target},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

use super::{
    Arguments, password,
    progress::Progress,
    remote_receiver::{self, ProofService, Reception},
    surroundings,
};
use crate::{Complaint, earlier_run, folded_log::FoldedLog};

/// What the runs of one command share.
pub struct Session {
    resolver: Resolver,
    identity: Identity,
    second_domain: String,
    receipts: Option<ReceiptSource>,
    service: Option<ProofService>,
    surroundings: Surroundings,
    credentials: Option<Credentials>,
    client_identity: Option<Arc<ClientIdentity>>,
    stop: watch::Receiver<bool>,
}

/// The log of one target's run.
pub struct Log {
    /// Its records, folded.
    pub log: FoldedLog,
    /// Whether the user stopped it.
    pub stopped: bool,
}

impl Session {
    /// Checks what was asked, and prepares what all targets share.
    pub async fn begin(arguments: &Arguments) -> Result<Self, Complaint> {
        let resolver = Resolver::new(
            arguments.resolver,
            arguments.timeout.min(std::time::Duration::from_secs(5)),
        )
        .map_err(|error| Complaint::usage(error.to_string()))?;
        let named = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => norelay_probe::target::host_name(name)
                .map(Some)
                .map_err(|error| Complaint::usage(error.to_string())),
        };
        let given = named(&arguments.domain)?;
        let second_domain =
            named(&arguments.second_domain)?.unwrap_or_else(|| SECOND_DOMAIN.to_owned());
        let service = match arguments
            .receiver
            .as_deref()
            .filter(|receiver| remote_receiver::is_url(receiver))
        {
            Some(url) => Some(ProofService::find(url).await?),
            None => None,
        };
        let given = service
            .as_ref()
            .map(|service| service.domain.clone())
            .or(given);
        let identity = Identity::find(given, arguments.helo.clone(), &resolver).await;
        let credentials = password::credentials(arguments)?;
        let client_identity = client_identity(arguments)?;
        let receipts = receipt_source(arguments, &identity.domain, identity.helo.as_deref())?;
        let surroundings = surroundings::prepare(&arguments.surroundings, arguments.resolver)?;
        let stop = stopped_by_user();
        Ok(Self {
            resolver,
            identity,
            second_domain,
            receipts,
            service,
            surroundings,
            credentials,
            client_identity,
            stop,
        })
    }

    /// Tests one target.
    pub async fn test(
        &self,
        arguments: &Arguments,
        tests: &[&'static RelayTest],
        text: &str,
        target: &Target,
    ) -> Result<Log, Complaint> {
        let progress = Arc::new(Progress::new(
            arguments.verbose,
            log_file(arguments.log.as_deref())?,
            FoldedLog::default(),
        ));
        let (run, key, receipts) = self.reception(text).await?;
        match self.resolver.exchangers(target).await {
            Err(error) => self.record_unresolved(progress.as_ref(), arguments, run, text, &error),
            Ok(exchangers) => {
                self.refuse_own_receiver(&exchangers).await?;
                let local_domain = self.local_domain(arguments, target, &exchangers).await;
                let address_typed = matches!(target.host, Host::Address(_));
                let request = Request {
                    local_domain,
                    address_typed,
                    target: text.to_owned(),
                    ports: arguments.ports(target),
                    traps: self.traps(tests, &exchangers).await,
                    ..self.request(arguments, tests, run, key)
                };
                let errand = Errand {
                    request,
                    exchangers,
                    known: Report::default(),
                    client_identity: self.client_identity.clone(),
                    network: Arc::new(arguments.network()),
                    resolver: Some(&self.resolver),
                    surroundings: Some(&self.surroundings),
                    sink: progress.clone(),
                    receipts,
                    stop: self.stop.clone(),
                };
                errand.run().await;
            }
        }
        Ok(self.log_of(&progress))
    }

    /// Asks again what failed in an earlier run.
    pub async fn retest(&self, arguments: &Arguments, plan: Plan) -> Result<Log, Complaint> {
        let progress = Arc::new(Progress::new(
            arguments.verbose,
            log_file(arguments.log.as_deref())?,
            FoldedLog::default(),
        ));
        let (run, key, receipts) = self.reception(&plan.target).await?;
        let exchangers = scan::exchangers_of(&plan.paths);
        self.refuse_own_receiver(&exchangers).await?;
        let note = plan.note();
        let tests: BTreeSet<_> = plan
            .paths
            .iter()
            .flat_map(|(_, tests)| tests.iter().map(|test| test.id))
            .collect();
        let tests: Vec<_> = catalogue::TESTS
            .iter()
            .filter(|test| tests.contains(&test.id))
            .collect();
        let request = Request {
            address_typed: plan
                .target
                .parse::<Target>()
                .is_ok_and(|target| matches!(target.host, Host::Address(_))),
            target: plan.target,
            profile: plan.run.profile,
            traps: self.traps(&tests, &exchangers).await,
            ..self.request(arguments, &tests, run, key)
        };
        self.scan(arguments, request, &progress, receipts)
            .again(plan.paths, note)
            .await;
        Ok(self.log_of(&progress))
    }

    /// Goes on with the run whose log is in a file; what it does is appended there.
    pub async fn resume(&self, arguments: &Arguments, path: &Path) -> Result<Log, Complaint> {
        let old = earlier_run::read_log(path)?;
        if self.service.is_some() {
            return Err(Complaint::usage(
                "A run whose messages went to a service can't be resumed: start it anew.",
            ));
        }
        let report = old.report().clone();
        let shown = path.display();
        let (Some(run), false) = (report.run.clone(), report.paths().next().is_none()) else {
            return Err(Complaint::usage(format!(
                "{shown} is not the log of a run that can go on: start it anew."
            )));
        };
        if self.receipts.is_some() && run.domain != self.identity.domain {
            let sentence = format!(
                "The run in {shown} is for the probe domain {}: give it with --domain.",
                run.domain
            );
            return Err(Complaint::usage(sentence));
        }
        let of_paths = report.paths().flat_map(|path| &path.facts.tests);
        let of_run = run.tests.iter().map(|word| TestId::named(word));
        let tests: BTreeSet<_> = of_run.chain(of_paths.copied()).collect();
        let tests: Vec<_> = catalogue::TESTS
            .iter()
            .filter(|test| tests.contains(&test.id))
            .collect();
        let (key, receipts) = self.key_and_receipts(run.run)?;
        let request = Request {
            target: run.target.clone(),
            address_typed: run
                .target
                .parse::<Target>()
                .is_ok_and(|target| matches!(target.host, Host::Address(_))),
            profile: run.profile,
            domain: run.domain,
            domain_given: run.domain_given,
            local_domain: run.local_domain,
            traps: self.traps(&tests, &report.exchangers).await,
            ..self.request(arguments, &tests, run.run, key)
        };
        let progress = Arc::new(Progress::new(arguments.verbose, log_file(Some(path))?, old));
        self.scan(arguments, request, &progress, receipts)
            .resume(report)
            .await;
        Ok(self.log_of(&progress))
    }

    /// A run that can begin.
    fn scan(
        &self,
        arguments: &Arguments,
        request: Request,
        progress: &Arc<Progress>,
        receipts: Option<mpsc::Receiver<Receipt>>,
    ) -> Scan<Internet> {
        let network = Arc::new(arguments.network());
        let (sink, stop) = (progress.clone(), self.stop.clone());
        let client_identity = self.client_identity.clone();
        Scan { request, client_identity, network, sink, receipts, stop }
    }

    /// A run's name and key, and where its messages are seen.
    async fn reception(
        &self,
        target: &str,
    ) -> Result<(RunId, TokenKey, Option<mpsc::Receiver<Receipt>>), Complaint> {
        if let Some(service) = &self.service {
            let Reception { run, key, receipts } = service.begin(target).await?;
            return Ok((run, key, Some(receipts)));
        }
        let run = RunId(rand::random());
        let (key, receipts) = self.key_and_receipts(run)?;
        Ok((run, key, receipts))
    }

    fn log_of(&self, progress: &Progress) -> Log {
        let (log, file_error) = progress.finish();
        if let Some(error) = file_error {
            anstream::eprintln!("norelay: the log could not be written to its end: {error}.");
        }
        Log { log, stopped: *self.stop.borrow() }
    }

    fn key_and_receipts(
        &self,
        run: RunId,
    ) -> Result<(TokenKey, Option<mpsc::Receiver<Receipt>>), Complaint> {
        let Some(source) = &self.receipts else { return Ok((TokenKey::new(rand::random()), None)) };
        let receipts = source
            .receipts_of(run)
            .map_err(|error| Complaint::usage(error.to_string()))?;
        Ok((source.key_of(run), Some(receipts)))
    }

    /// The receiver of the probe domain takes its mail from everybody: tested itself, it would look
    /// open.
    async fn refuse_own_receiver(
        &self,
        exchangers: &[norelay_core::event::MailExchanger],
    ) -> Result<(), Complaint> {
        if self.receipts.is_none() && self.service.is_none() {
            return Ok(());
        }
        for (_, host) in self
            .resolver
            .mx(&self.identity.domain)
            .await
            .unwrap_or_default()
        {
            let own = self.resolver.addresses(&host).await.unwrap_or_default();
            if exchangers
                .iter()
                .flat_map(|exchanger| &exchanger.addresses)
                .any(|address| own.contains(address))
            {
                let domain = &self.identity.domain;
                return Err(Complaint::usage(format!(
                    "The target takes the mail of the probe domain {domain} itself, so nothing \
                     could be told: give another --domain."
                )));
            }
        }
        Ok(())
    }

    /// The domains of ours that name the target as an exchanger, where some test asks for them.
    async fn traps(
        &self,
        tests: &[&'static RelayTest],
        exchangers: &[norelay_core::event::MailExchanger],
    ) -> scan::Traps {
        match tests
            .iter()
            .any(|test| test.uses("backup_trap") || test.uses("primary_trap"))
        {
            true => self.resolver.traps(&self.identity.domain, exchangers).await,
            false => scan::Traps::default(),
        }
    }

    /// What is the same for every target.
    fn request(
        &self,
        arguments: &Arguments,
        tests: &[&'static RelayTest],
        run: RunId,
        key: TokenKey,
    ) -> Request {
        let (concurrency, slow) = arguments.concurrency();
        Request {
            run,
            key,
            target: String::new(),
            address_typed: false,
            profile: arguments.profile(),
            tests: tests.to_vec(),
            domain: self.identity.domain.clone(),
            domain_given: self.identity.domain_given,
            second_domain: Some(self.second_domain.clone()),
            local_domain: arguments.local_domain.clone(),
            introduction: Vec::new(),
            local_user: arguments.local_user.clone(),
            helo: self.identity.helo.clone(),
            receivers: arguments
                .receive
                .iter()
                .filter(|at| at.port() == 25)
                .map(SocketAddr::ip)
                .collect(),
            traps: scan::Traps::default(),
            ports: Vec::new(),
            family: arguments.family(),
            every_path: arguments.every_path,
            reply_timeout: arguments.timeout,
            wait: arguments.wait,
            concurrency,
            slow,
            max_messages: arguments.messages,
            credentials: self.credentials.clone(),
            seen_as_expected: arguments.seen_as_expected,
        }
    }

    /// A mail domain of the target: as given, as typed, or as the DNS says.
    async fn local_domain(
        &self,
        arguments: &Arguments,
        target: &Target,
        exchangers: &[norelay_core::event::MailExchanger],
    ) -> Option<String> {
        if let Some(domain) = arguments
            .local_domain
            .as_deref()
            .or_else(|| target.domain(exchangers))
        {
            return Some(domain.to_owned());
        }
        let name = exchangers.first()?.name.as_ref()?;
        self.resolver.domain_served_by(name).await
    }

    /// A target without a server is a run without a path.
    fn record_unresolved(
        &self,
        sink: &dyn Sink,
        arguments: &Arguments,
        run: RunId,
        text: &str,
        error: &ResolveError,
    ) {
        let started = Event::RunStarted(Run {
            run,
            target: text.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: arguments.profile(),
            domain: self.identity.domain.clone(),
            domain_given: self.identity.domain_given,
            helo: self.identity.helo.clone().unwrap_or_default(),
            local_domain: arguments.local_domain.clone(),
            receiving: false,
            seen_as_expected: arguments.seen_as_expected,
            tests: Vec::new(),
        });
        let arguments = vec![error.to_string().into()];
        let noted = Event::Noted { path: None, tag: "unresolved".to_owned(), arguments };
        for event in [started, noted, Event::RunFinished { stopped: false }] {
            sink.record(&Record::new(jiff::Timestamp::now(), event));
        }
    }
}

/// The certificate to show as a client.
fn client_identity(arguments: &Arguments) -> Result<Option<Arc<ClientIdentity>>, Complaint> {
    let (Some(certificate), Some(key)) = (&arguments.client_cert, &arguments.client_key) else {
        return Ok(None);
    };
    let identity = ClientIdentity::read(certificate, key);
    let identity = identity.map_err(|error| {
        Complaint::usage(format!("The client certificate can't be used: {error}."))
    })?;
    Ok(Some(Arc::new(identity)))
}

/// The file that a log is appended to.
fn log_file(path: Option<&Path>) -> Result<Option<File>, Complaint> {
    let opened = path.map(|path| {
        let opened = File::options().create(true).append(true).open(path);
        opened.map_err(|error| {
            Complaint::usage(format!("The log {} can't be written: {error}.", path.display()))
        })
    });
    opened.transpose()
}

/// Where messages that come back are seen: here, elsewhere, or nowhere.
fn receipt_source(
    arguments: &Arguments,
    domain: &str,
    name: Option<&str>,
) -> Result<Option<ReceiptSource>, Complaint> {
    let source = match (&arguments.receiver, &arguments.key_file) {
        _ if !arguments.receive.is_empty() && arguments.domain.is_none() => {
            return Err(Complaint::usage(
                "A receiver needs --domain: the domain whose mail comes to it.",
            ));
        }
        (_, key_file) if !arguments.receive.is_empty() => {
            // With a key of its own, a run that is resumed knows the messages that it sent before.
            let key = match key_file {
                Some(path) => key_file::read_or_make(path).map(|(key, _)| key),
                None => Ok(TokenKey::new(rand::random())),
            };
            let name = name.unwrap_or(domain);
            key.and_then(|key| {
                ReceiptSource::here(&arguments.receive, name, &[domain.to_owned()], key)
            })
            .map(Some)
        }
        (Some(url), _) if remote_receiver::is_url(url) => Ok(None),
        (Some(spool), Some(key_file)) if arguments.domain.is_some() => {
            ReceiptSource::spool(Path::new(spool), key_file).map(Some)
        }
        (Some(_), _) => {
            return Err(Complaint::usage("A spool needs --domain and --key-file as well."));
        }
        _ => Ok(None),
    };
    source.map_err(|error| Complaint::usage(error.to_string()))
}

/// The exit code of whoever is interrupted once more while stopping: that of a program that SIGINT
/// ends, for a shell.
const INTERRUPTED: i32 = 130;

/// Becomes true at the first interrupt or request to terminate. What takes too long to stop ends
/// with a second interrupt.
pub fn stopped_by_user() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    // They are listened to from now on, not from when the task first runs.
    let (mut interrupts, mut terminations) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    tokio::spawn(async move {
        tokio::select! {
            () = next(&mut interrupts) => {}
            () = next(&mut terminations) => {}
        }
        let _ = stop.send(true);
        next(&mut interrupts).await;
        std::process::exit(INTERRUPTED);
    });
    stopped
}

/// The next of such signals; none ever comes where they can't be listened to.
async fn next(signals: &mut std::io::Result<Signal>) {
    match signals {
        Ok(signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}
