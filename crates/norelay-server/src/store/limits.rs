//! What counts against limits: spendings, by bucket and time.
//!
//! Rules:
//! - Counting and spending are one step: of two requests at once for the last place, one gets it.
//! - They are apart from jobs: a result that is deleted gives nothing back, and a restart forgets
//!   nothing.
//! - What was spent in the future, by a clock that was wrong, counts as spent now: nobody waits
//!   until that time comes.

use jiff::{SignedDuration, Timestamp};

use super::{
    codec::{millis, time},
    database::Store,
    error::StoreError,
    pool::{on, transact},
};

/// So many spendings of a bucket in so much time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What is counted, such as `asker:192.0.2.0/24`.
    pub bucket: String,
    /// How many.
    pub limit: u32,
    /// In how much time, up to the present.
    pub window: SignedDuration,
}

/// A budget that is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which of those given.
    pub index: usize,
    /// When there is something in it again.
    pub until: Timestamp,
}

impl Store {
    /// Spends one from each budget, or from none.
    ///
    /// # Errors
    /// The database's.
    pub async fn spend(
        &self,
        now: Timestamp,
        budgets: &[Budget],
    ) -> Result<Result<(), Exceeded>, StoreError> {
        const TURN: &str = "UPDATE turns SET turn = turn + 1 WHERE name = 'spend'";
        const PRESENT: &str = "UPDATE spent SET at = $1 WHERE at > $1";
        const NTH: &str =
            "SELECT at FROM spent WHERE bucket = $1 AND at > $2 ORDER BY at DESC LIMIT 1 OFFSET $3";
        const SPEND: &str = "INSERT INTO spent (bucket, at) VALUES ($1, $2)";
        // Apart from the step itself, which leaves nothing behind where a budget is used up.
        on!(write self, |db| sqlx::query(PRESENT).bind(millis(now)).execute(db).await.map(drop))?;
        transact!(self, |tx| {
            sqlx::query(TURN).execute(&mut *tx).await?;
            for (index, budget) in budgets.iter().enumerate() {
                let since = millis(now.saturating_sub(budget.window).unwrap_or(Timestamp::MIN));
                let Some(before_last) = budget.limit.checked_sub(1) else {
                    return Ok(Err(Exceeded {
                        index,
                        until: now.saturating_add(budget.window).unwrap_or(Timestamp::MAX),
                    }));
                };
                // If there are as many as the limit, the oldest of them must leave the window
                // first.
                let oldest: Option<(i64,)> = sqlx::query_as(NTH)
                    .bind(&budget.bucket)
                    .bind(since)
                    .bind(i64::from(before_last))
                    .fetch_optional(&mut *tx)
                    .await?;
                if let Some((oldest,)) = oldest {
                    let until = time("at", oldest)?
                        .saturating_add(budget.window)
                        .unwrap_or(Timestamp::MAX);
                    return Ok(Err(Exceeded { index, until }));
                }
            }
            for budget in budgets {
                sqlx::query(SPEND)
                    .bind(&budget.bucket)
                    .bind(millis(now))
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(Ok(()))
    }
}
