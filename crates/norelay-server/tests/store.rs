//! The contract of the store, held by SQLite and by a real PostgreSQL alike.

mod support;

use std::{collections::BTreeSet, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use norelay_core::{
    check::Verdict,
    event::{Event, MailExchanger, Receipt, Record, Run},
    octets::Octets,
    path::PathId,
    report::Report,
    smtp::{Reply, Stage},
    token::{RunId, Token, TokenRole},
};
use norelay_server::store::{
    ApiKey, Appended, Budget, Challenge, Created, Idempotency, Job, JobId, JobState, KeyText,
    Lease, NewJob, Origin, Owner, Pinned, ProofSubject, Scope, Store, StoreError, TestRequest,
};
use support::{Folder, Postgres};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// What a server or a user may say to do harm.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE jobs; --",
    "nul\0in\0the middle",
    "\u{1b}[31m\u{202e}\u{9b}",
    "<script>alert(1)</script>",
    "\\x00 \\ \\\\",
    "💣\u{fffe}\u{10ffff}",
    "",
];

/// Runs every case on a store of its own.
macro_rules! contract {
    ($($case:ident)*) => {
        const CASES: &[&str] = &[$(stringify!($case)),*];

        async fn run(name: &str, store: Store) {
            match name {
                $(stringify!($case) => $case(store).await,)*
                _ => unreachable!("the names are those of the cases"),
            }
        }
    };
}

contract! {
    jobs_come_back_as_they_were_given
    hostile_text_survives
    logs_are_numbered_without_gaps
    appending_at_once_leaves_no_gaps
    only_the_holder_of_the_lease_writes
    a_log_has_an_end
    receipts_are_kept_once
    a_receipt_may_come_late
    the_oldest_job_is_claimed_once
    a_target_is_tested_by_one_job_at_a_time
    an_interrupted_job_takes_no_more
    orphans_are_found
    jobs_of_a_target_are_listed
    the_same_request_twice_is_one_job
    deleting_takes_everything_along
    what_has_expired_goes
    budgets_are_spent_together
    budgets_outlive_a_clock_that_was_wrong
    budgets_hold_at_once
    keys_work_until_they_are_revoked
    opt_outs_cover_their_addresses
    owners_are_of_their_asker
    challenges_are_tried_a_few_times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    for name in CASES {
        eprintln!("sqlite: {name}");
        let folder = Folder::new("sqlite");
        let store = Store::sqlite(folder.path())
            .await
            .expect("a fresh folder is usable");
        run(name, store.clone()).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let postgres = Postgres::start();
    for name in CASES {
        eprintln!("postgres: {name}");
        let store = Store::postgres(&postgres.database(name))
            .await
            .expect("a fresh database is usable");
        run(name, store.clone()).await;
        store.close().await;
    }
}

/// Now, as databases keep it.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("the present is in range")
}

fn new_job(target: &str, addresses: &[&str]) -> NewJob {
    let created = now();
    NewJob {
        id: JobId::random(),
        run: RunId(rand::random()),
        request: TestRequest { target: target.to_owned(), ..TestRequest::default() },
        origin: Origin::Here,
        asker: "net:192.0.2.0/24".to_owned(),
        pinned: pinned(addresses),
        created,
        expires: created + HOUR,
    }
}

fn pinned(addresses: &[&str]) -> Pinned {
    let addresses = addresses
        .iter()
        .map(|address| address.parse().expect("an address"))
        .collect();
    let exchanger =
        MailExchanger { name: Some("mx\0.example".to_owned()), preference: Some(10), addresses };
    Pinned {
        exchangers: vec![exchanger],
        ways: vec![(25, norelay_core::smtp::Security::Plain)],
        ..Pinned::default()
    }
}

/// What the log of a job adds up to.
async fn folded(store: &Store, id: JobId) -> Report {
    let log = store.events(id).await.expect("there is a log");
    Report::of(log.iter().map(|stored| &*stored.record))
}

async fn create(store: &Store, new: &NewJob) {
    assert_eq!(store.create_job(new, None).await.expect("kept"), Created::New);
}

async fn claim(store: &Store) -> Option<(Job, Lease)> {
    store
        .claim("me", now(), MINUTE)
        .await
        .expect("the database answers")
}

/// A running job.
async fn running(store: &Store, target: &str) -> (Job, Lease) {
    create(store, &new_job(target, &[])).await;
    claim(store).await.expect("there is one")
}

fn note(text: &str) -> Record {
    Record::new(
        now(),
        Event::Noted { path: None, tag: "test".to_owned(), arguments: vec![Octets::from(text)] },
    )
}

fn receipt(run: RunId, test: u8) -> Receipt {
    Receipt {
        token: Token { run, path: PathId::FIRST, test, role: TokenRole::Recipient },
        message_token: true,
        peer: "192.0.2.7:4711".parse().expect("an address"),
        helo: Octets::from("mx\0.example"),
        tls: false,
        reverse_path: Octets::from("<>"),
        forward_path: Octets::from("<x@probe.example>"),
        received: vec![Octets::from("from a by b; id 1")],
        size: 700,
    }
}

async fn jobs_come_back_as_they_were_given(store: Store) {
    let mut new = new_job("mx.example.net", &["192.0.2.7", "2001:db8::7", "192.0.2.7"]);
    new.run = RunId(u64::MAX - 1);
    new.request = TestRequest {
        ports: vec![25, 65535],
        only: vec!["null-sender".to_owned()],
        skip: vec!["bang-ip".to_owned()],
        proof: true,
        ..new.request
    };
    create(&store, &new).await;
    let job = store.job(new.id).await.expect("it is kept");
    assert_eq!(job.request, new.request);
    assert_eq!((job.id, job.run, job.asker.as_str()), (new.id, new.run, "net:192.0.2.0/24"));
    assert_eq!((job.state, job.origin, job.verdict), (JobState::Queued, Origin::Here, None));
    assert_eq!(
        (job.created, job.expires, job.started, job.finished),
        (new.created, new.expires, None, None)
    );
    assert_eq!(store.job_of_run(new.run).await.expect("by its run"), job);
    assert_eq!(store.pinned(new.id).await.expect("kept"), new.pinned);
    assert!(matches!(store.job(JobId::random()).await, Err(StoreError::NotFound)));

    let elsewhere = NewJob { origin: Origin::Elsewhere, ..new_job("laptop", &[]) };
    create(&store, &elsewhere).await;
    assert_eq!(store.job(elsewhere.id).await.expect("kept").state, JobState::Running);
}

async fn hostile_text_survives(store: Store) {
    for text in HOSTILE {
        let (job, lease) = running(&store, text).await;
        assert_eq!(job.request.target, *text);
        let mine = store
            .jobs_of(text, job.created - HOUR, 9)
            .await
            .expect("asked with the same text");
        assert_eq!(mine.iter().map(|one| one.id).collect::<Vec<_>>(), [job.id], "{text:?}");
        let why = Event::NotRun {
            path: PathId::FIRST,
            test: (*text).to_owned(),
            why: (*text).to_owned(),
        };
        let reply = Reply {
            code: 550,
            lines: vec![Octets::from(text.as_bytes()), Octets::from(&b"\xff\0\xc3("[..])],
        };
        let replied = Event::Replied {
            dialogue: 1,
            after_ms: 0,
            stage: Stage::Rcpt,
            test: None,
            purpose: None,
            reply,
        };
        let records = [note(text), Record::new(now(), why), Record::new(now(), replied)];
        store.append(&lease, &records).await.expect("kept");
        let back: Vec<_> = store
            .events(job.id)
            .await
            .expect("read")
            .iter()
            .map(|one| (*one.record).clone())
            .collect();
        assert_eq!(back, records, "{text:?}");
    }
}

async fn logs_are_numbered_without_gaps(store: Store) {
    let (job, lease) = running(&store, "a").await;
    let (other, other_lease) = running(&store, "b").await;
    store
        .append(&other_lease, &[note("of the other")])
        .await
        .expect("kept");
    let many: Vec<_> = (0..6_000).map(|number| note(&number.to_string())).collect();
    let Appended::At(stored) = store.append(&lease, &many).await.expect("kept") else {
        panic!("the lease holds")
    };
    assert!(stored.iter().map(|one| one.seq).eq(1..=6_000));
    assert_eq!(store.events(job.id).await.expect("read in pages"), stored);
    assert_eq!(store.events_since(job.id, 5_998, 10).await.expect("read"), stored[5_998..]);
    assert_eq!(store.events_since(job.id, 10, 2).await.expect("read"), stored[10..12]);
    assert_eq!(store.events_since(job.id, 6_000, 10).await.expect("read"), []);
    assert_eq!(store.job(job.id).await.expect("kept").last, 6_000);
    assert_eq!(store.events(other.id).await.expect("read").len(), 1);
    assert_eq!(folded(&store, job.id).await.notes.len(), 6_000);
}

async fn appending_at_once_leaves_no_gaps(store: Store) {
    let (job, lease) = running(&store, "a").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20_u8 {
        let (store, lease) = (store.clone(), lease.clone());
        tasks.spawn(async move {
            let records = vec![note(&number.to_string()); 5];
            let appended = store.append(&lease, &records).await.expect("kept");
            assert!(matches!(appended, Appended::At(_)));
            store
                .record_receipt(&receipt(job.run, number), now())
                .await
                .expect("kept")
                .expect("new")
        });
    }
    let mut seen = 0;
    // Who reads while others write never sees a number whose predecessor is missing: here, each
    // time that one of the others has ended.
    while let Some(done) = tasks.join_next().await {
        done.expect("no task fails");
        let since = store.events_since(job.id, seen, 1_000).await.expect("read");
        assert!(
            since
                .iter()
                .map(|one| one.seq)
                .eq(seen + 1..=seen + i64::try_from(since.len()).expect("few"))
        );
        seen += i64::try_from(since.len()).expect("few");
    }
    let all = store.events(job.id).await.expect("read");
    assert!(all.iter().map(|one| one.seq).eq(1..=120));
}

async fn only_the_holder_of_the_lease_writes(store: Store) {
    let (job, lease) = running(&store, "a").await;
    for stranger in [
        Lease { worker: "other".to_owned(), ..lease.clone() },
        Lease { attempt: 2, ..lease.clone() },
        Lease { job: JobId::random(), ..lease.clone() },
    ] {
        assert_eq!(
            store
                .append(&stranger, &[note("x")])
                .await
                .expect("answered"),
            Appended::Lost,
            "{stranger:?}"
        );
        assert!(
            !store
                .renew(&stranger, now() + HOUR)
                .await
                .expect("answered")
        );
        assert!(!store.release(&stranger).await.expect("answered"));
    }
    assert!(store.renew(&lease, now() + HOUR).await.expect("answered"));
    assert!(store.release(&lease).await.expect("answered"));
    assert_eq!(store.job(job.id).await.expect("kept").state, JobState::Queued);
    assert_eq!(store.append(&lease, &[note("x")]).await.expect("answered"), Appended::Lost);

    let (again, lease) = claim(&store).await.expect("it is queued again");
    assert_eq!((again.id, again.attempt, again.started), (job.id, 2, job.started));
    assert!(matches!(store.append(&lease, &[note("x")]).await.expect("answered"), Appended::At(_)));
    assert!(
        store
            .finish(job.id, JobState::Finished, Some(Verdict::Closed), now())
            .await
            .expect("answered")
    );
    assert!(
        !store
            .finish(job.id, JobState::Interrupted, None, now())
            .await
            .expect("answered"),
        "it is over"
    );
    assert_eq!(store.append(&lease, &[note("x")]).await.expect("answered"), Appended::Lost);
    assert_eq!(store.job(job.id).await.expect("kept").verdict, Some(Verdict::Closed));
}

async fn a_log_has_an_end(store: Store) {
    let store = store.with_max_records(10);
    let (job, lease) = running(&store, "a").await;
    assert!(matches!(
        store
            .append(&lease, &vec![note("x"); 9])
            .await
            .expect("answered"),
        Appended::At(_)
    ));
    assert_eq!(
        store
            .append(&lease, &vec![note("x"); 2])
            .await
            .expect("answered"),
        Appended::Full
    );
    assert!(matches!(
        store
            .append(&lease, &vec![note("x"); 1])
            .await
            .expect("answered"),
        Appended::At(_)
    ));
    assert_eq!(store.append(&lease, &[note("x")]).await.expect("answered"), Appended::Full);
    // The end of the run can always be said, and proof always be kept.
    assert_eq!(
        store
            .append_note(job.id, note("end"))
            .await
            .expect("kept")
            .seq,
        11
    );
    let kept = store
        .record_receipt(&receipt(job.run, 1), now())
        .await
        .expect("kept");
    assert_eq!(kept.expect("new").1.seq, 12);
}

async fn receipts_are_kept_once(store: Store) {
    let (job, lease) = running(&store, "a").await;
    let first = receipt(job.run, 1);
    let (id, stored) = store
        .record_receipt(&first, now())
        .await
        .expect("kept")
        .expect("new");
    assert_eq!((id, stored.seq), (job.id, 1));
    assert_eq!(stored.record.event, Event::Received(first.clone()));
    let again = Receipt { peer: "192.0.2.7:4712".parse().expect("an address"), ..first.clone() };
    for (message, is_new) in [
        (first.clone(), false),
        (again, false),
        (receipt(job.run, 2), true),
        (Receipt { peer: "192.0.2.8:4711".parse().expect("an address"), ..first.clone() }, true),
        (Receipt { received: vec![Octets::from("from a by b; id 2")], ..first.clone() }, true),
        (Receipt { message_token: false, ..first.clone() }, true),
        (receipt(job.run, 2), false),
    ] {
        let kept = store
            .record_receipt(&message, now() + SECOND)
            .await
            .expect("answered");
        assert_eq!(kept.is_some(), is_new, "{message:?}");
    }
    store
        .append(&lease, &[note("after them")])
        .await
        .expect("kept");
    assert!(
        store
            .events(job.id)
            .await
            .expect("read")
            .iter()
            .map(|one| one.seq)
            .eq(1..=6),
        "no number is lost"
    );
    let stranger = store.record_receipt(&receipt(RunId(1), 1), now()).await;
    assert!(matches!(stranger, Err(StoreError::NotFound)));

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (store, message) = (store.clone(), receipt(job.run, 9));
        tasks.spawn(async move {
            store
                .record_receipt(&message, now())
                .await
                .expect("answered")
                .is_some()
        });
    }
    assert_eq!(
        tasks
            .join_all()
            .await
            .into_iter()
            .filter(|kept| *kept)
            .count(),
        1
    );
}

async fn a_receipt_may_come_late(store: Store) {
    let (job, lease) = running(&store, "a").await;
    let run = Run { run: job.run, ..started(&job) };
    store
        .append(&lease, &[Record::new(now(), Event::RunStarted(run))])
        .await
        .expect("kept");
    store
        .append(&lease, &[Record::new(now(), Event::RunFinished { stopped: false })])
        .await
        .expect("kept");
    assert!(
        store
            .finish(job.id, JobState::Finished, Some(Verdict::Suspect), now())
            .await
            .expect("answered")
    );
    store
        .record_receipt(&receipt(job.run, 1), now())
        .await
        .expect("kept")
        .expect("new");
    store
        .note_verdict(job.id, Verdict::OpenRelay)
        .await
        .expect("kept");
    assert_eq!(folded(&store, job.id).await.receipts.len(), 1);
    let job = store.job(job.id).await.expect("kept");
    assert_eq!(
        (job.state, job.verdict, job.last),
        (JobState::Finished, Some(Verdict::OpenRelay), 3)
    );
}

fn started(job: &Job) -> Run {
    serde_json::from_value(serde_json::json!({
        "run": job.run, "target": "a", "profile": "classic", "domain": "probe.example",
            "domain_given": true,
        "helo": "probe.example", "local_domain": null, "receiving": true, "version": "0"
    }))
    .expect("a run")
}

async fn the_oldest_job_is_claimed_once(store: Store) {
    assert_eq!(claim(&store).await, None);
    let mut created = Vec::new();
    for number in 0..12_i64 {
        let mut new = new_job(&number.to_string(), &[]);
        new.created = new.created - HOUR + SECOND * i32::try_from(number).expect("few");
        create(&store, &new).await;
        created.push(new.id);
    }
    create(&store, &NewJob { origin: Origin::Elsewhere, ..new_job("laptop", &[]) }).await;
    let (first, lease) = claim(&store).await.expect("there is one");
    assert_eq!((first.id, lease.attempt, first.state), (created[0], 1, JobState::Running));
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..12 {
        let store = store.clone();
        tasks.spawn(async move {
            store
                .claim(&format!("w{worker}"), now(), MINUTE)
                .await
                .expect("answered")
        });
    }
    let claimed: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .flatten()
        .map(|(job, _)| job.id)
        .collect();
    assert_eq!(claimed.len(), 11);
    assert_eq!(
        claimed.into_iter().collect::<BTreeSet<_>>(),
        created[1..].iter().copied().collect()
    );
    assert_eq!(store.count(JobState::Running).await.expect("counted"), 12);
    assert_eq!(
        store
            .open_jobs_of("net:192.0.2.0/24")
            .await
            .expect("counted"),
        12
    );
    assert_eq!(
        store
            .open_jobs_of("net:198.51.100.0/24")
            .await
            .expect("counted"),
        0
    );
}

async fn a_target_is_tested_by_one_job_at_a_time(store: Store) {
    let first = new_job("a", &["192.0.2.1", "2001:db8::1"]);
    let second = new_job("b", &["2001:db8::1", "192.0.2.9"]);
    let third = new_job("c", &["192.0.2.9"]);
    for (job, age) in [(&first, 3), (&second, 2), (&third, 1)] {
        create(&store, &NewJob { created: now() - MINUTE * age, ..job.clone() }).await;
    }
    assert_eq!(claim(&store).await.map(|(job, _)| job.id), Some(first.id));
    assert_eq!(
        claim(&store).await.map(|(job, _)| job.id),
        Some(third.id),
        "the second shares an address with the first"
    );
    assert_eq!(claim(&store).await, None);
    store
        .finish(first.id, JobState::Finished, None, now())
        .await
        .expect("answered");
    assert_eq!(claim(&store).await, None, "the second shares an address with the third");
    store
        .finish(third.id, JobState::Finished, None, now())
        .await
        .expect("answered");
    assert_eq!(claim(&store).await.map(|(job, _)| job.id), Some(second.id));
}

async fn an_interrupted_job_takes_no_more(store: Store) {
    let (job, lease) = running(&store, "a").await;
    store.append(&lease, &[note("x")]).await.expect("kept");
    let end = || Record::new(now(), Event::RunFinished { stopped: true });
    let stored = store
        .interrupt(job.id, end())
        .await
        .expect("answered")
        .expect("it was running");
    assert_eq!((stored.seq, &stored.record.event), (2, &Event::RunFinished { stopped: true }));
    assert_eq!(store.append(&lease, &[note("x")]).await.expect("answered"), Appended::Lost);
    assert_eq!(store.interrupt(job.id, end()).await.expect("answered"), None, "it is over");
    assert_eq!(store.job(job.id).await.expect("kept").state, JobState::Interrupted);
    let queued = new_job("b", &[]);
    create(&store, &queued).await;
    assert!(
        store
            .interrupt(queued.id, end())
            .await
            .expect("answered")
            .is_some()
    );
    assert_eq!(claim(&store).await, None);
}

async fn orphans_are_found(store: Store) {
    let (job, lease) = running(&store, "a").await;
    create(&store, &new_job("queued", &[])).await;
    create(&store, &NewJob { origin: Origin::Elsewhere, ..new_job("laptop", &[]) }).await;
    let found = async |at, dead| {
        let orphans = store.orphans(at, dead).await.expect("answered");
        orphans
            .into_iter()
            .map(|(job, lease)| (job.id, lease))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(now(), None).await, []);
    assert_eq!(found(now(), Some("other")).await, []);
    assert_eq!(found(now(), Some("me")).await, [(job.id, lease.clone())]);
    assert_eq!(found(now() + HOUR, None).await, [(job.id, lease.clone())]);
    assert!(
        store
            .renew(&lease, now() + HOUR * 2)
            .await
            .expect("answered")
    );
    assert_eq!(found(now() + HOUR, None).await, []);
}

async fn jobs_of_a_target_are_listed(store: Store) {
    let mut ids = Vec::new();
    for age in [50, 40, 30, 20, 10] {
        let created = now() - MINUTE * age;
        let new = NewJob { created, ..new_job("mx.example.net", &["192.0.2.7"]) };
        create(&store, &new).await;
        ids.push(new.id);
    }
    create(&store, &new_job("other.example.net", &["192.0.2.8"])).await;
    create(&store, &NewJob { origin: Origin::Elsewhere, ..new_job("mx.example.net", &[]) }).await;
    let ids_of = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
    let since = now() - MINUTE * 35;
    let newest_first = [ids[4], ids[3], ids[2]];
    assert_eq!(
        ids_of(
            store
                .jobs_of("mx.example.net", since, 9)
                .await
                .expect("listed")
        ),
        newest_first
    );
    assert_eq!(
        ids_of(
            store
                .jobs_of("mx.example.net", since, 2)
                .await
                .expect("listed")
        ),
        newest_first[..2]
    );
    let address: IpAddr = "192.0.2.7".parse().expect("an address");
    assert_eq!(ids_of(store.jobs_at(address, since, 9).await.expect("listed")), newest_first);
    assert_eq!(store.recent_jobs(9).await.expect("listed").len(), 6);
    let last = store.job(ids[4]).await.expect("kept");
    assert_eq!(store.previous(&last).await.expect("answered"), None, "none has finished");
    for id in [ids[0], ids[2]] {
        store
            .finish(id, JobState::Finished, Some(Verdict::Closed), now())
            .await
            .expect("answered");
    }
    assert_eq!(
        store
            .previous(&last)
            .await
            .expect("answered")
            .map(|job| job.id),
        Some(ids[2])
    );
    let third = store.job(ids[2]).await.expect("kept");
    assert_eq!(
        store
            .previous(&third)
            .await
            .expect("answered")
            .map(|job| job.id),
        Some(ids[0])
    );
}

async fn the_same_request_twice_is_one_job(store: Store) {
    let once = Idempotency { digest: [1; 32], fingerprint: [2; 32] };
    let clash = Idempotency { digest: [1; 32], fingerprint: [3; 32] };
    assert_eq!(store.recall(&once).await.expect("answered"), None);
    let first = new_job("a", &["192.0.2.7"]);
    assert_eq!(store.create_job(&first, Some(&once)).await.expect("kept"), Created::New);
    let second = new_job("a", &["192.0.2.7"]);
    assert_eq!(
        store
            .create_job(&second, Some(&once))
            .await
            .expect("answered"),
        Created::Before(first.id)
    );
    assert_eq!(
        store
            .create_job(&second, Some(&clash))
            .await
            .expect("answered"),
        Created::Clash
    );
    assert!(matches!(store.job(second.id).await, Err(StoreError::NotFound)));
    assert_eq!(store.recall(&once).await.expect("answered"), Some(Created::Before(first.id)));
    assert_eq!(store.recall(&clash).await.expect("answered"), Some(Created::Clash));

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        let once = Idempotency { digest: [9; 32], fingerprint: [2; 32] };
        tasks.spawn(async move {
            store
                .create_job(&new_job("b", &[]), Some(&once))
                .await
                .expect("answered")
        });
    }
    let made = tasks.join_all().await;
    assert_eq!(
        made.iter()
            .filter(|created| **created == Created::New)
            .count(),
        1
    );
    assert_eq!(
        store
            .jobs_of("b", now() - HOUR, 99)
            .await
            .expect("listed")
            .len(),
        1
    );
}

async fn deleting_takes_everything_along(store: Store) {
    let new = new_job("a", &["192.0.2.7"]);
    let once = Idempotency { digest: [1; 32], fingerprint: [2; 32] };
    store.create_job(&new, Some(&once)).await.expect("kept");
    let (job, lease) = claim(&store).await.expect("there is one");
    store.append(&lease, &[note("x")]).await.expect("kept");
    store
        .record_receipt(&receipt(job.run, 1), now())
        .await
        .expect("kept");
    store.delete_job(job.id).await.expect("deleted");
    assert!(matches!(store.delete_job(job.id).await, Err(StoreError::NotFound)));
    assert!(matches!(store.job(job.id).await, Err(StoreError::NotFound)));
    assert_eq!(store.events(job.id).await.expect("answered"), []);
    assert!(matches!(store.pinned(job.id).await, Err(StoreError::NotFound)));
    assert_eq!(store.recall(&once).await.expect("answered"), None);
    assert_eq!(
        store.append(&lease, &[note("x")]).await.expect("answered"),
        Appended::Lost,
        "its worker learns of it"
    );
    assert!(matches!(store.append_note(job.id, note("x")).await, Err(StoreError::NotFound)));
    assert!(matches!(
        store.record_receipt(&receipt(job.run, 1), now()).await,
        Err(StoreError::NotFound)
    ));
}

async fn what_has_expired_goes(store: Store) {
    let old = NewJob { expires: now() - SECOND, ..new_job("old", &["192.0.2.7"]) };
    let young = new_job("young", &["192.0.2.7"]);
    create(&store, &old).await;
    create(&store, &young).await;
    assert!(
        matches!(store.job(old.id).await, Err(StoreError::NotFound)),
        "it isn't shown even before it is gone"
    );
    assert_eq!(store.recent_jobs(9).await.expect("listed").len(), 1);
    assert_eq!(store.delete_expired(now()).await.expect("answered"), 1);
    assert_eq!(store.delete_expired(now()).await.expect("answered"), 0);
    assert!(matches!(store.pinned(old.id).await, Err(StoreError::NotFound)));
    assert!(store.job(young.id).await.is_ok());
    let minute = |bucket: &str| Budget { bucket: bucket.to_owned(), limit: 1, window: HOUR * 24 };
    store
        .spend(now(), &[minute("x")])
        .await
        .expect("answered")
        .expect("the first");
    store.delete_expired(now()).await.expect("answered");
    store
        .spend(now(), &[minute("x")])
        .await
        .expect("answered")
        .expect_err("still remembered");
    store
        .delete_expired(now() + HOUR * 26)
        .await
        .expect("answered");
    store
        .spend(now(), &[minute("x")])
        .await
        .expect("answered")
        .expect("forgotten");
}

fn budget(bucket: &str, limit: u32) -> Budget {
    Budget { bucket: bucket.to_owned(), limit, window: HOUR }
}

async fn budgets_are_spent_together(store: Store) {
    let start = now();
    let spend = async |after: SignedDuration, budgets: &[Budget]| {
        store.spend(start + after, budgets).await.expect("answered")
    };
    for minute in 0..3 {
        let both = [budget("asker", 3), budget("all", 100)];
        assert_eq!(spend(MINUTE * minute, &both).await, Ok(()), "minute {minute}");
    }
    let exceeded = spend(MINUTE * 3, &[budget("all", 100), budget("asker", 3)])
        .await
        .expect_err("the fourth");
    assert_eq!((exceeded.index, exceeded.until), (1, start + HOUR));
    // What was refused has cost nothing: "all" was spent three times.
    assert_eq!(spend(MINUTE * 3, &[budget("all", 4)]).await, Ok(()));
    assert_eq!(
        spend(MINUTE * 3, &[budget("all", 4)])
            .await
            .map_err(|exceeded| exceeded.index),
        Err(0)
    );
    assert_eq!(
        spend(HOUR - SECOND, &[budget("asker", 3)])
            .await
            .map_err(|exceeded| exceeded.until),
        Err(start + HOUR)
    );
    assert_eq!(spend(HOUR, &[budget("asker", 3)]).await, Ok(()));
    assert!(spend(HOUR, &[budget("none", 0)]).await.is_err());
    assert_eq!(spend(HOUR, &[]).await, Ok(()));
}

async fn budgets_outlive_a_clock_that_was_wrong(store: Store) {
    let start = now();
    let spend = async |at: Timestamp| {
        store
            .spend(at, &[budget("asker", 2)])
            .await
            .expect("answered")
    };
    for _ in 0..2 {
        assert_eq!(spend(start + HOUR * 24 * 365).await, Ok(()));
    }
    // The clock is set right: what was spent counts, for as long as it would have.
    assert_eq!(spend(start).await.map_err(|exceeded| exceeded.until), Err(start + HOUR));
    assert_eq!(spend(start + HOUR + SECOND).await, Ok(()));
}

async fn budgets_hold_at_once(store: Store) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        tasks.spawn(async move {
            store
                .spend(now(), &[budget("a", 5), budget("b", 100)])
                .await
                .expect("answered")
                .is_ok()
        });
    }
    assert_eq!(
        tasks
            .join_all()
            .await
            .into_iter()
            .filter(|spent| *spent)
            .count(),
        5
    );
}

async fn keys_work_until_they_are_revoked(store: Store) {
    let text = KeyText::random();
    let key = ApiKey {
        id: text.id().to_owned(),
        name: "mail\0team 'x'".to_owned(),
        scopes: vec![Scope::Test, Scope::Receive],
        networks: vec![
            "192.0.2.0/24".parse().expect("a network"),
            "2001:db8::/32".parse().expect("a network"),
        ],
        hourly: 100,
        created: now(),
        expires: Some(now() + HOUR),
        revoked: None,
    };
    store.create_key(&key, &text).await.expect("kept");
    let shown = KeyText::parse(&text.expose()).expect("it is a key's text");
    assert_eq!(store.key(&shown, now()).await.expect("it works"), key);
    assert_eq!(store.keys().await.expect("listed"), std::slice::from_ref(&key));
    assert!(matches!(store.key(&shown, now() + HOUR).await, Err(StoreError::NotFound)), "expired");
    let secret = text.expose();
    let other_end = if secret.ends_with('a') { 'b' } else { 'a' };
    for forged in [
        format!("norelay_{}_{}", text.id(), "a".repeat(52)),
        format!("norelay_{}_{}", "0".repeat(12), &secret[secret.len() - 52..]),
        format!("{}{other_end}", &secret[..secret.len() - 1]),
    ] {
        let forged = KeyText::parse(&forged).expect("it has the form");
        assert!(matches!(store.key(&forged, now()).await, Err(StoreError::NotFound)), "{forged:?}");
    }
    for malformed in [
        "",
        "norelay",
        "norelay__",
        "norelay_x_y",
        "Bearer x",
        &secret[1..],
        &format!("{secret}\0"),
        &format!("{secret}a"),
    ] {
        assert_eq!(KeyText::parse(malformed), None, "{malformed}");
    }
    assert!(!format!("{text:?}").contains(&secret[secret.len() - 52..]));
    store.revoke_key(text.id(), now()).await.expect("revoked");
    assert!(matches!(store.revoke_key(text.id(), now()).await, Err(StoreError::NotFound)));
    assert!(matches!(store.key(&shown, now()).await, Err(StoreError::NotFound)));
}

async fn opt_outs_cover_their_addresses(store: Store) {
    for network in ["192.0.2.0/24", "198.51.100.7/32", "2001:db8:1::/48", "192.0.2.0/24"] {
        store
            .opt_out(&network.parse().expect("a network"), "dns TXT", now())
            .await
            .expect("kept");
    }
    for (address, network) in [
        ("192.0.2.0", Some("192.0.2.0/24")),
        ("192.0.2.255", Some("192.0.2.0/24")),
        ("::ffff:192.0.2.9", Some("192.0.2.0/24")),
        ("192.0.3.0", None),
        ("192.0.1.255", None),
        ("198.51.100.7", Some("198.51.100.7/32")),
        ("198.51.100.8", None),
        ("2001:db8:1:ffff::1", Some("2001:db8:1::/48")),
        ("2001:db8:2::1", None),
        ("2001:db8::ffff", None),
    ] {
        let found = store
            .opt_out_of(address.parse().expect("an address"))
            .await
            .expect("answered");
        assert_eq!(
            found.map(|opt_out| opt_out.network.to_string()).as_deref(),
            network,
            "{address}"
        );
    }
    assert_eq!(store.opt_outs(9).await.expect("listed").len(), 3);
    store
        .opt_in(&"192.0.2.0/24".parse().expect("a network"))
        .await
        .expect("removed");
    assert_eq!(
        store
            .opt_out_of("192.0.2.1".parse().expect("an address"))
            .await
            .expect("answered"),
        None
    );
}

async fn owners_are_of_their_asker(store: Store) {
    let owner = |subject: ProofSubject, asker: &str, age: SignedDuration| Owner {
        subject,
        asker: asker.to_owned(),
        proof: "connect-back".to_owned(),
        created: now() - age,
        expires: now() - age + HOUR,
    };
    let domain = ProofSubject::Domain("example.net".to_owned());
    let network = ProofSubject::Network("192.0.2.7/32".parse().expect("a network"));
    for one in [
        owner(domain.clone(), "net:198.51.100.0/24", MINUTE),
        owner(network.clone(), "net:198.51.100.0/24", MINUTE * 2),
        owner(domain.clone(), "net:203.0.113.0/24", HOUR + SECOND),
    ] {
        store.keep_owner(&one).await.expect("kept");
    }
    let of = async |asker| {
        let owned = store.owned_by(asker, now()).await.expect("listed");
        owned
            .into_iter()
            .map(|owner| owner.subject)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("net:198.51.100.0/24").await, [domain.clone(), network]);
    assert_eq!(of("net:203.0.113.0/24").await, [], "expired");
    store
        .keep_owner(&owner(domain.clone(), "net:203.0.113.0/24", SignedDuration::ZERO))
        .await
        .expect("kept");
    assert_eq!(of("net:203.0.113.0/24").await, [domain]);
    assert_eq!(of("net:192.0.2.0/24").await, []);
}

async fn challenges_are_tried_a_few_times(store: Store) {
    let new = Challenge {
        id: JobId::random(),
        subject: ProofSubject::Domain("example.net".to_owned()),
        asker: "net:192.0.2.0/24".to_owned(),
        method: "mail".to_owned(),
        purpose: "test".to_owned(),
        secret: vec![0, 255, 7],
        attempts: 0,
        created: now(),
        expires: now() + HOUR,
    };
    store.create_challenge(&new).await.expect("kept");
    assert_eq!(store.challenge(new.id, now()).await.expect("kept"), new);
    for attempts in 1..=3 {
        let tried = store
            .try_challenge(new.id, now(), 3)
            .await
            .expect("may be tried");
        assert_eq!(tried, Challenge { attempts, ..new.clone() });
    }
    assert!(matches!(store.try_challenge(new.id, now(), 3).await, Err(StoreError::NotFound)));
    assert!(matches!(store.challenge(new.id, now() + HOUR).await, Err(StoreError::NotFound)));
    assert!(store.end_challenge(new.id).await.expect("answered"));
    assert!(!store.end_challenge(new.id).await.expect("answered"), "it is met once");
}
