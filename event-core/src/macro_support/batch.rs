//! Runs a handler of several records at once.

use crate::delivery::Delivery;
use crate::extract::{Taken, Taking};
use crate::handler::BatchFuture;
use crate::outcome::{Error, Outcome, Rejection};

/// Makes the batch with `take`, runs the handler on what fits, and gives each delivery its outcome in
/// order. What does not fit is rejected alone, and the handler is not called when nothing fits.
///
/// `run` makes the other arguments from the first delivery of the batch; when one cannot be made, that
/// holds for the whole batch.
pub fn batch<'a, B, R, W>(
    deliveries: &'a [Delivery<'a>],
    take: fn(&'a [Delivery<'a>]) -> Taking<'a, B>,
    run: impl FnOnce(B, &'a Delivery<'a>) -> W + Send + 'a,
    into_outcomes: fn(R, &[&Delivery<'_>]) -> Vec<Outcome>,
) -> BatchFuture<'a>
where
    B: Send + 'a,
    R: 'a,
    W: Future<Output = Result<R, Rejection>> + Send + 'a,
{
    Box::pin(async move {
        let Taken { batch, deliveries, rejections } = take(deliveries).await;
        let outcomes = match deliveries.first() {
            Some(first) => match run(batch, first).await {
                Ok(returned) => into_outcomes(returned, &deliveries).into_iter().map(Ok).collect(),
                Err(rejection) => for_each(rejection, deliveries.len()),
            },
            None => Vec::new(),
        };
        let mut outcomes = outcomes.into_iter();
        let each = rejections.into_iter().map(|rejection| match rejection {
            Some(rejection) => Err(rejection),
            // There is one for each that was taken; were one missing, its record would be tried again.
            None => outcomes.next().unwrap_or_else(missing),
        });
        each.collect()
    })
}

fn missing() -> Result<Outcome, Rejection> {
    Ok(Outcome::Failed(Error::msg("the batch has no outcome for this record")))
}

// An argument was made from the first record and speaks of it: when there are several, each is tried
// alone, with arguments of its own.
fn for_each(rejection: Rejection, count: usize) -> Vec<Result<Outcome, Rejection>> {
    if count == 1 {
        return vec![Err(rejection)];
    }
    let error = match rejection {
        Rejection::Failed(error) => error,
        other => Error::from(other),
    };
    (0..count).map(|_| Ok(Outcome::Failed(error.again()))).collect()
}
