//! What the text, the JSON, the transcripts and the JSON lines of every log keep to, whoever wrote
//! the log.

#[path = "../../norelay-core/tests/arbitrary/mod.rs"]
mod arbitrary;

use arbitrary::record;
use norelay_core::{
    assess::assess,
    check::Verdict,
    event::{Event, Path, Record},
    path::PathId,
    replay::read_log,
    report::Report,
    smtp::Security,
};
use norelay_render::{Options, json, json_lines, text, transcript};
use proptest::{collection::vec, prelude::*};

fn render_all(report: &Report) -> Verdict {
    let assessment = assess(report);
    let judgement = &assessment.judgement;
    let shown = text::render(report, &assessment, &Options { style: text::Style::Ansi });
    assert!(shown.contains(judgement.verdict.word()));
    assert_eq!(json::value(report, &assessment)["verdict"], judgement.verdict.word());
    for judged in judgement
        .paths
        .iter()
        .flat_map(|path| path.tests.iter().chain(&path.controls))
    {
        assert_eq!(text::progress(judged).lines().count(), 1);
    }
    for dialogue in report.dialogues.values() {
        let explained = transcript::explained_lines(dialogue, None);
        assert!(
            explained
                .iter()
                .all(|line| !line.contains(char::is_control))
        );
    }
    judgement.verdict
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_log_panics(records in vec(record(), 0..60)) {
        render_all(&Report::of(&records));
    }

    #[test]
    fn every_log_can_be_read_back(records in vec(record(), 0..20)) {
        let log = read_log(&json_lines::render(&records));
        prop_assert_eq!((log.records, log.damaged), (records, vec![]));
    }
}

#[test]
fn as_many_paths_as_a_token_can_name() {
    let destination =
        |port| Path { host: None, address: [192, 0, 2, 7].into(), port, security: Security::Plain };
    let records: Vec<_> = PathId::all()
        .chain([PathId::FIRST])
        .map(|path| Event::PathAdded {
            path,
            destination: destination(path.number().into()),
            tests: vec!["foreign-to-foreign".to_owned()],
        })
        .map(|event| Record::new(jiff::Timestamp::UNIX_EPOCH, event))
        .collect();
    let report = Report::of(&records);
    assert_eq!((report.paths().len(), report.misfits), (256, 1));
    assert_eq!(assess(&report).judgement.paths.len(), 256);
    assert_eq!(render_all(&report), Verdict::Unreachable);
}
