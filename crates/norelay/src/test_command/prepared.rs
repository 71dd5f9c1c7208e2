//! What the targets of one `norelay test` share, and the run of one target: new, asked again, or
//! resumed.

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use norelay_core::{
    catalogue::{self, Credentials, RelayTest, TestId},
    check::Observation,
    event::{Event, MailExchanger, Receipt, Record, Run},
    octets::Octets,
    report::Report,
    retest::Plan,
    token::RunId,
};
use norelay_probe::{
    canary::CanaryMail,
    defaults,
    errand::Errand,
    identity::Identity,
    network::Internet,
    record::Sink,
    resolve::{ResolveError, Resolver},
    scan::{self, Inbox, Request, Scan},
    secure::client_identity::ClientIdentity,
    surroundings::{LookupSelection, Surroundings},
    target::{self, Host, Target},
};
use tokio::sync::{mpsc, watch};

use super::{
    options::{ConnectionOptions, TestOptions},
    password,
    progress::Progress,
    proof_receiver::{ProofReceiver, RunReception},
    remote_receiver::{self, RemoteReceiver},
};
use crate::{
    blacklist_command, complaint::Complaint, earlier_run, folded_log::FoldedLog, interrupt,
};

/// What the runs of one command share.
pub struct Prepared {
    options: TestOptions,
    resolver: Resolver,
    identity: Identity,
    second_domain: String,
    receiver: ProofReceiver,
    surroundings: Surroundings,
    credentials: Option<Credentials>,
    client_identity: Option<Arc<ClientIdentity>>,
    stop: watch::Receiver<bool>,
}

/// A run that has ended.
pub struct EndedRun {
    /// Its log.
    pub log: FoldedLog,
    /// True if the user stopped the run.
    pub stopped: bool,
}

impl Prepared {
    /// Checks the options, and prepares what all targets share.
    pub async fn new(options: TestOptions) -> Result<Self, Complaint> {
        let server = options.connection.resolver;
        let patience = options.connection.timeout.min(defaults::LONGEST_LOOK_UP);
        let resolver =
            Resolver::new(server, patience).map_err(|error| Complaint::usage(error.to_string()))?;
        let domain = checked_name(options.probe.domain.as_deref())?;
        let second_domain = checked_name(options.probe.second_domain.as_deref())?
            .unwrap_or_else(|| defaults::SECOND_DOMAIN.to_owned());
        let remote = remote_receiver(&options).await?;
        // A service receives the mail of its own probe domain, whatever the user gave.
        let domain = match &remote {
            Some(service) => Some(service.domain.clone()),
            None => domain,
        };
        let identity = Identity::find(domain, options.probe.helo.clone(), &resolver).await;
        // The prompt comes before the first connection to the target: a server would not wait.
        let credentials = password::credentials(&options.authentication)?;
        let client_identity = client_identity(&options.connection)?;
        let receiver = match remote {
            Some(service) => ProofReceiver::Remote(service),
            None => ProofReceiver::prepare(&options, &identity)?,
        };
        let surroundings = surroundings(&options)?;
        let stop = stopped(options.connection.max_time);
        Ok(Self {
            options,
            resolver,
            identity,
            second_domain,
            receiver,
            surroundings,
            credentials,
            client_identity,
            stop,
        })
    }

    /// Tests one target.
    pub async fn test(
        &self,
        tests: &[&'static RelayTest],
        text: &str,
        target: &Target,
    ) -> Result<EndedRun, Complaint> {
        let progress = self.progress(FoldedLog::default(), self.options.log.log.as_deref())?;
        let reception = self.receiver.begin(text).await?;
        match self.resolver.exchangers(target).await {
            Err(error) => self.record_unresolved(progress.as_ref(), reception.run, text, &error),
            Ok(exchangers) => {
                self.refuse_own_receiver(&exchangers).await?;
                let mut request = self.request(tests, &reception);
                request.target = text.to_owned();
                request.address_typed = matches!(target.host, Host::Address(_));
                request.local_domain = self.local_domain(target, &exchangers).await;
                request.ports = self.options.ports(target);
                request.traps = self.traps(tests, &exchangers).await;
                let errand = Errand {
                    request,
                    exchangers,
                    known: Report::default(),
                    client_identity: self.client_identity.clone(),
                    network: self.network(),
                    resolver: Some(&self.resolver),
                    surroundings: Some(&self.surroundings),
                    sink: progress.clone(),
                    inbox: self.inbox(reception.receipts),
                    stop: self.stop.clone(),
                };
                errand.run().await;
            }
        }
        Ok(self.ended(&progress))
    }

    /// Asks again what failed in an earlier run.
    pub async fn retest(&self, plan: Plan) -> Result<EndedRun, Complaint> {
        let progress = self.progress(FoldedLog::default(), self.options.log.log.as_deref())?;
        let reception = self.receiver.begin(&plan.target).await?;
        let exchangers = scan::exchangers_of(&plan.paths);
        self.refuse_own_receiver(&exchangers).await?;
        let note = plan.note();
        let of_paths = plan.paths.iter().flat_map(|(_, tests)| tests);
        let tests = catalogue::in_display_order(of_paths.copied());
        let mut request = self.request(&tests, &reception);
        request.address_typed = is_address(&plan.target);
        request.target = plan.target;
        request.profile = plan.run.profile;
        request.traps = self.traps(&tests, &exchangers).await;
        self.scan(request, reception, &progress)
            .again(plan.paths, note)
            .await;
        Ok(self.ended(&progress))
    }

    /// Goes on with the run whose log is in a file, and appends to this file.
    pub async fn resume(&self, path: &Path) -> Result<EndedRun, Complaint> {
        let log = earlier_run::read_log(path)?;
        // The log goes to the live view and grows there. The scan needs the report as it is now.
        let report = log.report().clone();
        let run = self.resumable(&report, path)?;
        let of_paths = report.paths().flat_map(|path| &path.facts.tests);
        let of_run = run.tests.iter().map(|word| TestId::named(word));
        let ids = of_run.chain(of_paths.copied());
        let tests = catalogue::in_display_order(ids.filter_map(TestId::test));
        // Under the run's old name, so that the messages of the first attempt count as well.
        let reception = self.receiver.reception_of(run.run)?;
        let mut request = self.request(&tests, &reception);
        request.address_typed = is_address(&run.target);
        request.target = run.target;
        request.profile = run.profile;
        request.domain = run.domain;
        request.domain_given = run.domain_given;
        if let Some(user) = run.named_user {
            (request.local_user, request.named_user) = (user.clone(), Some(user));
        }
        request.local_domain = run.local_domain;
        request.trusted_senders = run.trusted_senders;
        request.traps = self.traps(&tests, &report.exchangers).await;
        let progress = self.progress(log, Some(path))?;
        self.scan(request, reception, &progress)
            .resume(report)
            .await;
        Ok(self.ended(&progress))
    }

    /// The run of an earlier log, if norelay can go on with it.
    fn resumable(&self, report: &Report, path: &Path) -> Result<Run, Complaint> {
        if matches!(self.receiver, ProofReceiver::Remote(_)) {
            return Err(Complaint::usage(
                "A run whose messages went to a service can't be resumed: start it anew.",
            ));
        }
        let shown = path.display();
        let (Some(run), false) = (report.run.clone(), report.paths().next().is_none()) else {
            return Err(Complaint::usage(format!(
                "{shown} is not the log of a run that can go on: start it anew."
            )));
        };
        if matches!(self.receiver, ProofReceiver::Source(_)) && run.domain != self.identity.domain {
            return Err(Complaint::usage(format!(
                "The run in {shown} is for the probe domain {}: give it with --domain.",
                run.domain
            )));
        }
        Ok(run)
    }

    /// What a scan is asked in every run. The caller adds what the target decides.
    fn request(&self, tests: &[&'static RelayTest], reception: &RunReception) -> Request {
        let TestOptions { target, tests: choice, proof, connection, .. } = &self.options;
        Request {
            run: reception.run,
            key: reception.key.clone(),
            target: String::new(),
            address_typed: false,
            profile: choice.profile,
            tests: tests.to_vec(),
            domain: self.identity.domain.clone(),
            domain_given: self.identity.domain_given,
            second_domain: Some(self.second_domain.clone()),
            local_domain: target.local_domain.first().cloned(),
            introduction: Vec::new(),
            local_user: target.local_user().to_owned(),
            named_user: target.local_user.clone(),
            trusted_senders: target.trusted_senders(),
            found_senders: Vec::new(),
            helo: self.identity.helo.clone(),
            receivers: proof.receivers(),
            traps: scan::Traps::default(),
            ports: Vec::new(),
            family: target.family(),
            every_path: choice.every_path,
            reply_timeout: connection.timeout,
            wait: proof.wait,
            concurrency: connection.concurrency.map(usize::from),
            slow: connection.slow,
            max_messages: proof.messages,
            credentials: self.credentials.clone(),
            seen_as_expected: connection.seen_as_expected,
        }
    }

    /// A scan that can begin.
    fn scan(
        &self,
        request: Request,
        reception: RunReception,
        progress: &Arc<Progress>,
    ) -> Scan<Internet> {
        Scan {
            request,
            client_identity: self.client_identity.clone(),
            network: self.network(),
            sink: progress.clone(),
            inbox: self.inbox(reception.receipts),
            stop: self.stop.clone(),
        }
    }

    /// What sees the messages of a run come back, if there is a receiver.
    fn inbox(&self, receipts: Option<mpsc::Receiver<Receipt>>) -> Option<Inbox> {
        let resolver = Some(self.resolver.clone());
        let canaries = Arc::new(CanaryMail { resolver, network: self.network() });
        receipts.map(|receipts| Inbox { receipts, canaries })
    }

    fn network(&self) -> Arc<Internet> {
        Arc::new(self.options.connection.network())
    }

    /// What shows a run that goes on from this log, and appends the run's records to a file.
    fn progress(&self, log: FoldedLog, file: Option<&Path>) -> Result<Arc<Progress>, Complaint> {
        let file = file.map(append_to).transpose()?;
        Ok(Arc::new(Progress::new(self.options.output.verbose, file, log)))
    }

    fn ended(&self, progress: &Progress) -> EndedRun {
        let (log, file_error) = progress.finish();
        if let Some(error) = file_error {
            anstream::eprintln!("norelay: the log could not be written to its end: {error}.");
        }
        EndedRun { log, stopped: *self.stop.borrow() }
    }

    /// Refuses to test the receiver of the probe domain itself: it accepts the probe domain's mail
    /// from everybody, so it would look open.
    async fn refuse_own_receiver(&self, exchangers: &[MailExchanger]) -> Result<(), Complaint> {
        if matches!(self.receiver, ProofReceiver::Missing) {
            return Ok(());
        }
        let domain = &self.identity.domain;
        for (_, host) in self.resolver.mx(domain).await.unwrap_or_default() {
            let own = self.resolver.addresses(&host).await.unwrap_or_default();
            let mut tested = exchangers.iter().flat_map(|exchanger| &exchanger.addresses);
            if tested.any(|address| own.contains(address)) {
                return Err(Complaint::usage(format!(
                    "The target takes the mail of the probe domain {domain} itself, so nothing \
                     could be told: give another --domain."
                )));
            }
        }
        Ok(())
    }

    /// The domains of ours that name the target as an exchanger. They are looked up only if a test
    /// uses them.
    async fn traps(
        &self,
        tests: &[&'static RelayTest],
        exchangers: &[MailExchanger],
    ) -> scan::Traps {
        let mut tests = tests.iter();
        match tests.any(|test| test.uses("backup_trap") || test.uses("primary_trap")) {
            true => self.resolver.traps(&self.identity.domain, exchangers).await,
            false => scan::Traps::default(),
        }
    }

    /// A mail domain of the target: as given, as typed, or as the DNS says.
    async fn local_domain(&self, target: &Target, exchangers: &[MailExchanger]) -> Option<String> {
        let given = self.options.target.local_domain.first().map(String::as_str);
        if let Some(domain) = given.or_else(|| target.domain(exchangers)) {
            return Some(domain.to_owned());
        }
        let name = exchangers.first()?.name.as_ref()?;
        self.resolver.domain_served_by(name).await
    }

    /// Records a run without a path: the target has no server.
    fn record_unresolved(&self, sink: &dyn Sink, run: RunId, text: &str, error: &ResolveError) {
        let TestOptions { target, tests, connection, .. } = &self.options;
        let started = Event::RunStarted(Run {
            run,
            target: text.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: tests.profile,
            domain: self.identity.domain.clone(),
            domain_given: self.identity.domain_given,
            helo: self.identity.helo.clone().unwrap_or_default(),
            local_domain: target.local_domain.first().cloned(),
            named_user: target.local_user.clone(),
            trusted_senders: target.trusted_senders(),
            receiving: false,
            seen_as_expected: connection.seen_as_expected,
            tests: Vec::new(),
        });
        let unresolved = Observation::Unresolved { sentence: Octets::from(error.to_string()) };
        for event in [started, unresolved.event(None), Event::RunFinished { stopped: false }] {
            sink.record(&Record::new(jiff::Timestamp::now(), event));
        }
    }
}

/// A host name of an option, in the form that the DNS has it.
fn checked_name(name: Option<&str>) -> Result<Option<String>, Complaint> {
    name.map(target::host_name)
        .transpose()
        .map_err(|error| Complaint::usage(error.to_string()))
}

/// Becomes true when the user stops the command, or when this time is over.
fn stopped(max_time: Option<Duration>) -> watch::Receiver<bool> {
    let mut by_user = interrupt::stopped_by_user();
    let Some(max_time) = max_time else { return by_user };
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        // The sender waits for signals as long as the process lives, so this ends by the wish or
        // by the time.
        let _ = tokio::time::timeout(max_time, by_user.wait_for(|stop| *stop)).await;
        let _ = stop.send(true);
    });
    stopped
}

/// The service that `--receiver` names, if it names one.
async fn remote_receiver(options: &TestOptions) -> Result<Option<RemoteReceiver>, Complaint> {
    match &options.proof.receiver {
        Some(url) if remote_receiver::is_url(url) => RemoteReceiver::find(url).await.map(Some),
        _ => Ok(None),
    }
}

/// The certificate to show as a client.
fn client_identity(options: &ConnectionOptions) -> Result<Option<Arc<ClientIdentity>>, Complaint> {
    let (Some(certificate), Some(key)) = (&options.client_cert, &options.client_key) else {
        return Ok(None);
    };
    let identity = ClientIdentity::read(certificate, key).map_err(|error| {
        Complaint::usage(format!("The client certificate can't be used: {error}."))
    })?;
    Ok(Some(Arc::new(identity)))
}

/// What looks up blacklists and posture, as far as the user asked for them.
fn surroundings(options: &TestOptions) -> Result<Surroundings, Complaint> {
    let blacklists = match options.surroundings.blacklists {
        true => Some(blacklist_command::keys_of_environment()?),
        false => None,
    };
    let wanted = LookupSelection { blacklists, posture: options.surroundings.posture };
    Surroundings::new(wanted, options.connection.resolver)
        .map_err(|error| Complaint::usage(format!("There is {error}.")))
}

/// True if the target was typed as an address.
fn is_address(target: &str) -> bool {
    target
        .parse::<Target>()
        .is_ok_and(|target| matches!(target.host, Host::Address(_)))
}

/// Opens a log to append to.
fn append_to(path: &Path) -> Result<File, Complaint> {
    let opened = File::options().create(true).append(true).open(path);
    opened.map_err(|error| {
        Complaint::usage(format!("The log {} can't be written: {error}.", path.display()))
    })
}
