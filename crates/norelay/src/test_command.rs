//! `norelay test`: the run of each target, and the exit code of them all.

mod options;
mod password;
mod prepared;
mod progress;
mod proof_receiver;
mod remote_receiver;

use std::path::Path;

use norelay_core::{check::Verdict, retest::Plan};
use norelay_probe::target::Target;

pub use self::options::TestOptions;
use self::prepared::{EndedRun, Prepared};
use crate::{
    complaint::Complaint,
    earlier_run,
    output::{self, FailOn, Presented, ResultFormat},
};

/// Tests every target. The exit code is the worst verdict's.
pub async fn run(mut options: TestOptions) -> Result<u8, Complaint> {
    options.output.color.choose();
    let outcome = Presentation {
        format: options.output.output,
        fail_on: std::mem::take(&mut options.output.fail_on),
    };
    if let Some(path) = options.log.retest.take() {
        return retest(options, &path, &outcome).await;
    }
    let tests = options.tests.tests()?;
    let targets = targets(&options.targets)?;
    options.check_control(&tests)?;
    options.check_users(&tests)?;
    options.check_senders(&tests)?;
    let resumed = options.log.resume.take();
    let prepared = Prepared::new(options).await?;
    if let Some(path) = resumed {
        return outcome.of(&prepared.resume(&path).await?);
    }
    let mut worst = Presented { verdict: Verdict::Unreachable, failing: false };
    for (text, target) in &targets {
        let ended = prepared.test(&tests, text, target).await?;
        let presented = outcome.present(&ended)?;
        worst.verdict = worst.verdict.min(presented.verdict);
        worst.failing |= presented.failing;
        // The user wants an end, and not the next target.
        if ended.stopped {
            return Ok(output::exit_code(outcome.format, worst, true));
        }
    }
    Ok(output::exit_code(outcome.format, worst, false))
}

/// Asks again what failed in the run of a report.
async fn retest(
    mut options: TestOptions,
    path: &Path,
    outcome: &Presentation,
) -> Result<u8, Complaint> {
    let plan = earlier_run::read_plan(path)?;
    keep_what_was_told(&mut options, &plan);
    options.targets = vec![plan.target.clone()];
    let of_paths = plan.paths.iter().flat_map(|(_, tests)| tests);
    let tests: Vec<_> = of_paths.copied().collect();
    options.check_control(&tests)?;
    let prepared = Prepared::new(options).await?;
    outcome.of(&prepared.retest(plan).await?)
}

/// What the earlier run was told holds for this run, unless the options say otherwise.
fn keep_what_was_told(options: &mut TestOptions, plan: &Plan) {
    let earlier = &plan.run;
    if options.probe.domain.is_none() && earlier.domain_given {
        options.probe.domain = Some(earlier.domain.clone());
    }
    if options.probe.helo.is_none() && !earlier.helo.is_empty() {
        options.probe.helo = Some(earlier.helo.clone());
    }
    if options.target.local_user.is_none() {
        options.target.local_user = earlier.local_user.clone();
    }
    options.target.keep_senders(&earlier.trusted_senders);
    if options.target.local_domain.is_empty() {
        options
            .target
            .local_domain
            .extend(earlier.local_domain.clone());
    }
}

/// The targets as they were typed and as they were understood.
fn targets(texts: &[String]) -> Result<Vec<(String, Target)>, Complaint> {
    let mut targets = Vec::new();
    for text in texts {
        let target = text.parse::<Target>();
        let target = target.map_err(|error| Complaint::usage(error.to_string()))?;
        targets.push((text.clone(), target));
    }
    Ok(targets)
}

/// How results are shown, and which findings make the command fail.
struct Presentation {
    format: ResultFormat,
    fail_on: Vec<FailOn>,
}

impl Presentation {
    /// Shows the result of one run.
    fn present(&self, ended: &EndedRun) -> Result<Presented, Complaint> {
        output::present(self.format, &ended.log, &self.fail_on)
    }

    /// Shows the result of the only run. Returns the exit code.
    fn of(&self, ended: &EndedRun) -> Result<u8, Complaint> {
        Ok(output::exit_code(self.format, self.present(ended)?, ended.stopped))
    }
}
