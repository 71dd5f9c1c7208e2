use std::collections::VecDeque;

use super::{queue::SPACING, *};
use crate::smtp::Reply;

const LIMITS: PathLimits = PathLimits {
    window: 2,
    max_window: 8,
    deadline: Duration::from_secs(300),
    pipelining: true,
    answered: 0,
};
const QUICK: Duration = Duration::from_millis(10);

fn closing() -> Ending {
    let reply = Reply { code: 421, lines: vec!["too many connections".into()] };
    Ending::Interrupted(Cause::Closing { stage: Stage::Greeting, reply })
}

fn disconnected(stage: Stage) -> Ending {
    Ending::Interrupted(Cause::Disconnected { stage, error: None })
}

fn greylisted(retry_after: Option<u64>) -> Ending {
    Ending::Deferred {
        reason: Reason::Greylisted,
        retry_after: retry_after.map(Duration::from_secs),
    }
}

/// A simulated server: every dialogue takes `took` and ends as `answer(start, now, open)` says.
/// Gives the end, the number of dialogues and the most that were open at once.
fn simulate(
    jobs: usize,
    limits: PathLimits,
    mut answer: impl FnMut(Start, Duration, usize) -> (Ending, Duration),
) -> (Scheduler, Duration, usize, usize) {
    let mut scheduler = Scheduler::new(jobs, limits);
    let mut now = Duration::ZERO;
    let mut open: Vec<(Duration, Duration, usize, Ending)> = Vec::new();
    let (mut dialogues, mut most) = (0, 0);
    loop {
        let until = match scheduler.next(now) {
            Action::Finish => return (scheduler, now, dialogues, most),
            Action::Start(start) => {
                dialogues += 1;
                assert!(dialogues < 1000, "the scheduler hammers");
                let (ending, took) = answer(start, now, open.len() + 1);
                open.push((now + took, took, start.job, ending));
                most = most.max(open.len());
                continue;
            }
            Action::Wait { until, .. } => until,
        };
        open.sort_by_key(|(end, ..)| *end);
        match (until, open.first()) {
            (Some(until), first) if first.is_none_or(|(end, ..)| until < *end) => now = until,
            (_, Some(_)) => {
                let (end, took, job, ending) = open.remove(0);
                now = end;
                scheduler.finished(job, &ending, took, now);
            }
            (_, None) => panic!("the scheduler waits for nothing"),
        }
    }
}

#[test]
fn the_window_grows_to_its_maximum_and_not_beyond() {
    let took = Duration::from_millis(200);
    let (_, end, dialogues, most) = simulate(22, LIMITS, |_, _, _| (Ending::Answered, took));
    assert_eq!((dialogues, most), (22, 8));
    // Two, four, eight, eight.
    assert!(end <= took * 4 + SPACING * 22, "{end:?}");
}

#[test]
fn no_two_connections_start_at_the_same_moment() {
    let mut starts = Vec::new();
    let limits = PathLimits { window: 24, max_window: 24, ..LIMITS };
    simulate(22, limits, |_, now, _| {
        starts.push(now);
        (Ending::Answered, Duration::from_millis(200))
    });
    assert!(starts.windows(2).all(|two| two[1] - two[0] >= SPACING), "{starts:?}");
}

#[test]
fn a_server_that_bears_two_connections_is_asked_everything() {
    let (scheduler, end, dialogues, _) = simulate(22, LIMITS, |_, _, open| match open {
        ..=2 => (Ending::Answered, QUICK),
        _ => (closing(), QUICK),
    });
    assert!(scheduler.blocked().is_none());
    assert!(dialogues < 60 && end < Duration::from_secs(60), "{dialogues} in {end:?}");
}

#[test]
fn a_ban_is_noticed_and_not_hammered() {
    let mut answered = 0;
    let (scheduler, end, dialogues, _) = simulate(22, LIMITS, |_, _, _| {
        answered += 1;
        let refused = Cause::ConnectFailed { refused: true, error: "refused".into() };
        if answered <= 5 {
            (Ending::Answered, QUICK)
        } else {
            (Ending::Interrupted(refused), QUICK)
        }
    });
    assert_eq!(scheduler.blocked(), Some(&Cause::Blocked { answered: 5 }));
    assert!(dialogues < 22 && end < Duration::from_secs(120), "{dialogues} in {end:?}");
}

#[test]
fn ten_connections_in_ten_minutes_are_waited_for_where_there_is_time() {
    // As Debian's sendmail has it, which counts those that it turns away as well.
    for (minutes, blocked) in [(15, None), (5, Some(&Cause::Blocked { answered: 10 }))] {
        let limits = PathLimits { deadline: Duration::from_secs(minutes * 60), ..LIMITS };
        let mut counted = VecDeque::<Duration>::new();
        let (scheduler, end, dialogues, _) = simulate(16, limits, |_, now, _| {
            counted.retain(|time| *time + Duration::from_secs(600) > now);
            counted.push_back(now);
            if counted.len() <= 10 { (Ending::Answered, QUICK) } else { (closing(), QUICK) }
        });
        assert_eq!(scheduler.blocked(), blocked);
        assert!(dialogues <= 16 + 20, "{dialogues}");
        assert!(end < limits.deadline, "{end:?}");
    }
}

#[test]
fn a_closed_port_is_given_up_at_once() {
    let refused = Cause::ConnectFailed { refused: true, error: "refused".into() };
    let (scheduler, end, dialogues, _) =
        simulate(22, LIMITS, |_, _, _| (Ending::Interrupted(refused.clone()), QUICK));
    assert_eq!(scheduler.blocked(), Some(&refused));
    assert!(dialogues <= 2 && end <= QUICK + SPACING);
}

#[test]
fn greylisting_is_met_with_patience_up_to_the_deadline() {
    for (named, deadline, expected_end, expected_dialogues) in
        [(Some(60), 300, 61, 8), (None, 300, 60, 8), (None, 30, 0, 4), (Some(600), 300, 0, 4)]
    {
        let limits = PathLimits { deadline: Duration::from_secs(deadline), ..LIMITS };
        let (_, end, dialogues, _) = simulate(4, limits, |start, _, _| match start.attempt {
            0 => (greylisted(named), QUICK),
            _ => (Ending::Answered, QUICK),
        });
        assert_eq!(
            (end.as_secs(), dialogues),
            (expected_end, expected_dialogues),
            "{named:?} {deadline}"
        );
    }
}

#[test]
fn a_test_that_breaks_its_dialogue_is_asked_four_times_and_never_more() {
    let (scheduler, _, dialogues, _) = simulate(4, LIMITS, |start, _, _| match start.job {
        2 => (disconnected(Stage::Rcpt), QUICK),
        _ => (Ending::Answered, QUICK),
    });
    assert!(scheduler.blocked().is_none());
    assert_eq!(dialogues, 7);
}

#[test]
fn a_server_that_only_breaks_is_given_up_soon() {
    let timed_out = Cause::TimedOut { stage: Stage::Greeting };
    for (answers, expected) in [(0, 3), (4, 22)] {
        let mut count = 0;
        let (scheduler, _, dialogues, _) = simulate(22, LIMITS, |_, _, _| {
            count += 1;
            let ending = if count <= answers {
                Ending::Answered
            } else {
                Ending::Interrupted(timed_out.clone())
            };
            (ending, QUICK)
        });
        assert_eq!(scheduler.blocked(), Some(&timed_out));
        assert!(dialogues <= expected, "{dialogues}");
    }
}

#[test]
fn helo_follows_a_server_that_hangs_up_on_ehlo() {
    let mut helos = 0;
    simulate(3, LIMITS, |start, _, _| {
        helos += usize::from(start.helo);
        if start.helo { (Ending::Answered, QUICK) } else { (disconnected(Stage::Ehlo), QUICK) }
    });
    assert!((3..=4).contains(&helos), "{helos}");
}

#[test]
fn added_delay_halves_the_window() {
    let mut count = 0;
    let (scheduler, ..) = simulate(16, LIMITS, |_, _, _| {
        count += 1;
        (Ending::Answered, if count > 10 { QUICK + Duration::from_secs(1) } else { QUICK })
    });
    assert!(scheduler.window() <= 2, "{}", scheduler.window());
}

#[test]
fn a_server_that_bears_a_few_questions_on_a_connection_is_asked_on_the_next() {
    let (scheduler, end, dialogues, most) =
        simulate(1, LIMITS, |start, _, _| match start.attempt {
            ..9 => (Ending::Continued, QUICK),
            _ => (Ending::Answered, QUICK),
        });
    assert!(scheduler.blocked().is_none());
    assert_eq!((dialogues, most), (10, 1));
    assert!(end < Duration::from_secs(1), "{end:?}");
}

#[test]
fn a_limit_of_connections_at_once_costs_no_pause() {
    let refused = Cause::ConnectFailed { refused: true, error: "refused".into() };
    for (most_served, window, max_window, took, expected_end) in [
        // Exim with `--concurrency 24`, and Courier, which answers a refusal after eight seconds.
        (20, 24, 24, 100, Duration::from_millis(400)),
        (5, 2, 8, 8000, Duration::from_secs(60)),
        (1, 2, 8, 10, Duration::from_secs(3)),
    ] {
        for shut in [closing(), disconnected(Stage::Greeting), Ending::Interrupted(refused.clone())]
        {
            let limits = PathLimits { window, max_window, deadline: Duration::ZERO, ..LIMITS };
            // The server notices after a while that a connection has ended.
            let mut counted_until = Vec::new();
            let (scheduler, end, dialogues, _) = simulate(22, limits, |_, now, _| {
                if counted_until.iter().filter(|until| **until > now).count() >= most_served {
                    return (shut.clone(), QUICK);
                }
                let took = Duration::from_millis(took);
                counted_until.push(now + took + QUICK);
                (Ending::Answered, took)
            });
            assert_eq!((scheduler.blocked(), counted_until.len()), (None, 22), "{most_served}");
            assert!(end <= expected_end, "{most_served}: {end:?}");
            assert!(dialogues <= 22 + 6, "{most_served}: {dialogues}");
        }
    }
}

#[test]
fn what_is_too_much_at_once_is_soon_learnt() {
    let mut shut_out = Vec::new();
    let (scheduler, ..) = simulate(60, LIMITS, |_, now, open| match open {
        ..=5 => (Ending::Answered, Duration::from_millis(100)),
        _ => {
            shut_out.push(now);
            (closing(), QUICK)
        }
    });
    let most = scheduler.most_at_once();
    assert!(most.is_some_and(|most| (4..=7).contains(&most)), "{most:?}");
    assert!(shut_out.len() <= 8, "{shut_out:?}");
}

#[test]
fn a_limit_by_the_clock_is_tried_without_a_pause_only_once() {
    // Ten connections in a minute, those that are turned away not counted.
    for took in [QUICK, Duration::from_secs(8)] {
        let (mut served, mut shut_out) = (VecDeque::<Duration>::new(), Vec::new());
        let (scheduler, ..) = simulate(22, LIMITS, |_, now, _| {
            served.retain(|time| *time + Duration::from_secs(60) > now);
            if served.len() < 10 {
                served.push_back(now);
                return (Ending::Answered, took);
            }
            shut_out.push(now);
            (closing(), QUICK)
        });
        assert!(scheduler.blocked().is_none());
        // Those that were under way together; half as many at once, and a quarter; then one or two
        // after each pause.
        let first = shut_out[0] + QUICK;
        let in_the_minute = shut_out
            .iter()
            .filter(|time| **time >= first && time.as_secs() < 60);
        assert!(in_the_minute.count() <= 4 + 2 + 4, "{shut_out:?}");
        assert!(shut_out.len() <= 20, "{shut_out:?}");
    }
}
