//! What holds for every log, whoever wrote it.

#[path = "../../norelay-core/tests/arbitrary/mod.rs"]
mod arbitrary;

use norelay_core::{check, report::Report};
use norelay_render::{Format, render};
use proptest::{collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_log_panics_or_breaks_a_format(records in vec(arbitrary::record(), 0..60)) {
        let report = Report::of(&records);
        let judgement = check::judge(&report);
        for format in Format::ALL {
            let text = render(*format, &report, &judgement);
            let acts = text.contains(|character: char| character.is_control() && !matches!(character, '\n' | '\r'));
            prop_assert!(text.ends_with('\n') && !acts, "{}", format);
        }
        let sarif = render(Format::Sarif, &report, &judgement);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&sarif).is_ok());
        let table = render(Format::Csv, &report, &judgement);
        let mut rows = csv::Reader::from_reader(table.as_bytes());
        prop_assert!(rows.records().all(|row| row.is_ok_and(|row| row.len() == 20)));
    }
}
