//! When messages are left where they are, in librdkafka's queue.
//!
//! A partition that is paused loses what was fetched ahead of it, and fetches it again afterwards. So before
//! one has to pause, nothing more is taken while every lane has enough to do: librdkafka's queue fills up to
//! its own limits then, and nothing is lost. What must not happen is that a partition waits behind the
//! messages of another one whose lane is slow: so this ends at once when a partition has nothing to do and
//! records are known to wait for it, and now and then to look what lies behind.
//!
//! # Backpressure
//!
//! Backpressure is by bytes, in two steps. While every lane has enough in flight for some milliseconds (half of
//! what its partition may have now, 2 MiB at most), the consumer thread takes nothing more (`broker::kafka::hold`):
//! what librdkafka fetched ahead waits in its queue, up to the limits of that, and nothing is lost. That ends when
//! a partition has little to do and records are known to wait for it; where that is not known, a little is taken
//! now and then to see what lies behind. Records of which none comes for a second are no longer waited for: they
//! may be those of an open transaction. A partition whose records stay in memory all the same is paused: when it has
//! handed over, and not yet dropped, more than an equal share of half of the limit and more than the others leave
//! of the other half. It goes on at half of that. A pause throws away what was fetched ahead of the partition,
//! which is why it comes last; a partition that waits never stops the others. The thread polls meanwhile, so the
//! group does not take it for dead. What is copied out of a batch because it waits counts too, until it is settled;
//! when delayed records are all of what a partition may have, it is paused until some of them are settled. A
//! partition that is given up or lost is resumed first: for librdkafka a pause outlives the assignment.
//!
//! Of `max_in_flight_bytes` a quarter is what the clients of a group may fetch ahead
//! (`queued.max.messages.kbytes`), the rest is the budget of what is handed over. Beside that a client has one
//! answer of a broker in memory (`fetch.max.bytes`, which is no more than that quarter), and some 400 bytes of
//! librdkafka's own for each record that is fetched ahead (`queued.min.messages`).

use std::time::{Duration, Instant};

/// How often it is looked whether a lane needs more.
const HOLD_POLL: Duration = Duration::from_millis(1);
/// The same where nothing was settled since it was looked the last time: handlers are paused, or wait for long.
const LONGEST_POLL: Duration = Duration::from_millis(20);
/// After so long a little is taken, because the next message may be of a partition that has little to do.
const LOOK_BEHIND: Duration = Duration::from_millis(5);
/// The same where all have enough: so long partitions whose records stay in memory are not yet paused.
const LOOK_ANYWAY: Duration = Duration::from_millis(100);

/// What the partitions that are fetched need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// None has enough in flight, or one that has not is known to have records.
    More,
    /// Some have enough, and of the others nothing is known to be there.
    Perhaps,
    /// All have enough.
    Nothing,
}

/// How much is taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    All,
    Little,
    Nothing,
}

/// Since when nothing is taken.
#[derive(Default)]
pub(super) struct Hold {
    since: Option<Instant>,
    poll: Duration,
    in_flight: usize,
}

impl Hold {
    pub(super) fn take(&mut self, need: Need, now: Instant) -> Take {
        let limit = match need {
            Need::More => {
                self.since = None;
                return Take::All;
            }
            Need::Perhaps => LOOK_BEHIND,
            Need::Nothing => LOOK_ANYWAY,
        };
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) < limit {
            return Take::Nothing;
        }
        self.since = Some(now);
        Take::Little
    }

    /// Whether messages are left where they are.
    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// How long to wait before the next look, with so many bytes in flight now.
    pub(super) fn poll(&mut self, in_flight: usize) -> Duration {
        let stands_still = in_flight == std::mem::replace(&mut self.in_flight, in_flight);
        self.poll = if stands_still { (self.poll * 2).min(LONGEST_POLL) } else { HOLD_POLL };
        self.poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_all_have_enough_little_is_taken_and_seldom() {
        let (mut hold, began) = (Hold::default(), Instant::now());
        let mut taken = |need, ms| hold.take(need, began + Duration::from_millis(ms));
        assert_eq!(taken(Need::More, 0), Take::All);
        let at = [1, 50, 100, 101, 102, 201].map(|ms| taken(Need::Nothing, ms));
        use Take::{Little, Nothing};
        assert_eq!(at, [Nothing, Nothing, Nothing, Little, Nothing, Little]);
        // What has nothing to do may lie behind.
        assert_eq!([202, 206].map(|ms| taken(Need::Perhaps, ms)), [Nothing, Little]);
        assert_eq!(taken(Need::More, 207), Take::All);
        assert_eq!(taken(Need::Perhaps, 208), Nothing);
    }

    #[test]
    fn while_nothing_is_settled_it_seldom_looks() {
        let mut hold = Hold::default();
        let polls = [7, 7, 7, 7, 7, 7, 7].map(|bytes| hold.poll(bytes).as_millis());
        assert_eq!(polls, [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!([6, 6, 5].map(|bytes| hold.poll(bytes).as_millis()), [1, 2, 1]);
    }
}
