//! How the rows of a rule are checked: a story is told, and the rule is asked about its first test.

#![cfg(test)]

#[path = "../../../tests/story/mod.rs"]
pub(super) mod story;

use story::Story;

use crate::{
    catalogue::by_id,
    check::{
        boilerplate, circumstances::Circumstances, judge::outcomes, judgement::Weight, weigh::Weigh,
    },
    path::PathId,
    smtp::{Security, Stage},
};

/// Checks what a rule answers about the first of these tests, each answered so on one path.
#[track_caller]
pub(super) fn check(weigh: Weigh, asked: &[(&str, Stage, &str)], expected: Option<Weight>) {
    let tests: Vec<_> = asked.iter().map(|(test, ..)| *test).collect();
    let mut story = Story::begin(true);
    let path = story.path("192.0.2.7", 25, Security::Plain, &tests);
    for (test, stage, answer) in asked {
        story.answered(path, test, *stage, answer);
    }
    assert_eq!(told(weigh, story, path, tests[0]), expected, "{asked:?}");
}

/// Returns what a rule answers about a test on this path of a story.
pub(super) fn told(weigh: Weigh, story: Story, path: PathId, test: &str) -> Option<Weight> {
    let report = story.end();
    let unknown_users = boilerplate::unknown_user_rejections(&report);
    let path = report.path(path).expect("the story has the path");
    let (tests, controls) = outcomes(path, &unknown_users);
    let on = Circumstances::of(path, &tests, &controls, &unknown_users);
    let test = by_id(test).expect("the catalogue has the test").id;
    let judged = tests
        .iter()
        .chain(&controls)
        .find(|judged| judged.test.id == test);
    weigh(on, judged.expect("the path was asked the test"))
}
