//! What delivery makes of an event, a sentence each.

use crate::cli::delivery::{duration, durations};
use crate::event::TopicName;
use crate::handler::{HandlerPolicy, Order};
use crate::outcome::Jitter;
use crate::processor::UnknownEvents;

// More delays than this are not listed one by one.
const DELAYS: u32 = 6;

/// In which order, how many at once, and for how long.
pub(super) fn delivery(policy: &HandlerPolicy) -> Vec<String> {
    let at_once = policy.concurrency;
    let mut words = vec![match policy.order {
        Order::Partition => {
            "records are handled one after the other, as they lie in the partition".to_owned()
        }
        Order::Key => format!(
            "records of one key are handled one after the other, as they lie in the partition; of different keys up to {at_once} at once"
        ),
        Order::None => format!("records are handled in any order, up to {at_once} at once"),
    }];
    if let Some(batch) = &policy.batch {
        words.push(format!(
            "it takes up to {} records at once, and the first of them waits at most {} for more",
            batch.max,
            duration(batch.wait)
        ));
    }
    words.push(match policy.timeout {
        Some(timeout) => {
            format!(
                "an attempt that takes longer than {} is cancelled and has failed",
                duration(timeout)
            )
        }
        None => "an attempt may take as long as it wants".to_owned(),
    });
    words
}

/// What a failure does.
pub(super) fn on_failure(policy: &HandlerPolicy, topic: &str, dead_letters: &str) -> Vec<String> {
    let mut words = vec![tried(policy, topic, dead_letters)];
    if policy.batch.is_some() {
        words.push("when a batch fails as a whole, its records are retried one by one".to_owned());
    }
    if policy.attempts > 1 {
        let chance = match policy.backoff.jitter {
            Jitter::None => "it waits",
            Jitter::Equal => "it waits half to all of",
            Jitter::Full => "it waits up to",
        };
        let others = match policy.order {
            Order::Partition => "the records behind it on the partition wait too",
            Order::Key => "the records of its key wait too",
            Order::None => "no other record waits for it",
        };
        words.push(format!("between the attempts {chance} {}; {others}", delays(policy)));
    }
    if policy.retry_on.is_some() {
        words.push(
            "where the error does not say itself, the function in `retry(on = ..)` says whether it is worth another attempt"
                .to_owned(),
        );
    }
    words.push(format!(
        "an error that is `.dead_letter()`, a record that cannot be decoded, and one over a limit go to `{dead_letters}` at once"
    ));
    let (first, longest) = policy.breaker.pause;
    if policy.breaker.failures > 0 {
        words.push(format!(
            "after {} failed attempts in a row its circuit breaker opens for {}, and after each further failure for longer, up to {}",
            policy.breaker.failures,
            duration(first),
            duration(longest)
        ));
    }
    words
}

fn tried(policy: &HandlerPolicy, topic: &str, dead_letters: &str) -> String {
    let times = match policy.attempts {
        1 => "once".to_owned(),
        attempts => format!("{attempts} times"),
    };
    if policy.retry_topics.is_empty() {
        return match policy.attempts {
            1 => format!(
                "a record whose handler fails or panics is not retried and goes to `{dead_letters}`"
            ),
            _ => format!(
                "a record whose handler fails or panics is tried {times} in all, then goes to `{dead_letters}`"
            ),
        };
    }
    let origin = TopicName::foreign(topic).ok();
    let waits = policy.retry_topics.iter().zip(durations(policy.retry_topics));
    let waits = waits.map(|(delay, shown)| {
        let name = origin.as_ref().and_then(|origin| origin.retry(*delay).ok());
        format!("{shown} in `{}`", name.as_ref().map_or("?", TopicName::as_str))
    });
    format!(
        "a record whose handler fails or panics is tried {times}, then waits {} and is tried once more after each, then goes to `{dead_letters}`",
        waits.collect::<Vec<_>>().join(", ")
    )
}

fn delays(policy: &HandlerPolicy) -> String {
    let last = policy.attempts - 1;
    let shown = |number| duration(policy.backoff.longest_delay(number));
    let mut delays: Vec<_> = (1..=last.min(DELAYS)).map(shown).collect();
    if last > DELAYS {
        delays.push(format!("and so on up to {}", shown(last)));
    }
    delays.join(", ")
}

/// What becomes of an event that no handler takes.
pub(super) fn unknown(unknown_events: UnknownEvents, dead_letters: &str) -> String {
    match unknown_events {
        UnknownEvents::Skip => "skipped and counted, with a warning in the log".to_owned(),
        UnknownEvents::DeadLetter => format!("goes to `{dead_letters}` as `unknown_event`"),
        UnknownEvents::Stop => "stops the service".to_owned(),
    }
}
