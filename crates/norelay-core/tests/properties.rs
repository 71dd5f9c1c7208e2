//! What the verdict of every log keeps to, whoever wrote the log.

mod arbitrary;

use arbitrary::record;
use norelay_core::{
    check::{Verdict, judge},
    replay::read_log,
    report::Report,
};
use proptest::{collection::vec, prelude::*};

const OPEN: [&str; 2] = [include_str!("logs/open.jsonl"), include_str!("logs/multihop.jsonl")];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None,
        ..ProptestConfig::with_cases(64) })]

    /// Once a message has come back, nothing that is said later unsays it.
    #[test]
    fn nothing_makes_an_open_server_better(log in 0..OPEN.len(), more in vec(record(), 1..20)) {
        let mut report = Report::of(&read_log(OPEN[log]).records);
        prop_assert_eq!(judge(&report).verdict, Verdict::OpenRelay);
        for record in &more {
            report.apply(record);
            prop_assert_eq!(judge(&report).verdict, Verdict::OpenRelay);
        }
    }
}

#[test]
fn an_open_server_stays_open_from_the_proof_to_the_end_of_the_log() {
    for log in OPEN {
        let mut report = Report::default();
        let mut verdicts = Vec::new();
        for record in read_log(log).records {
            report.apply(&record);
            verdicts.push(judge(&report).verdict);
        }
        let first = verdicts
            .iter()
            .position(|verdict| *verdict == Verdict::OpenRelay)
            .expect("the log has a proof");
        assert!(
            first > 10
                && verdicts[first..]
                    .iter()
                    .all(|verdict| *verdict == Verdict::OpenRelay)
        );
    }
}
