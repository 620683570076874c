//! What every broker behind the ports must do, as a user of it would notice.
//!
//! A test binary names a [`TestCluster`] and gets all of these tests: `contract!(start())`.
//! Nothing here sleeps: a test waits for an event, or fails at a deadline.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod consuming;
mod group;
mod inspecting;
mod member;
mod metadata;
mod producing;

use event_core::broker::Broker;

pub use consuming::*;
pub use group::*;
pub use inspecting::*;
pub use member::{Member, Seen, TIMEOUT, fill, record, subscription, topic};
pub use metadata::*;
pub use producing::*;

/// A cluster to run the contract against.
pub trait TestCluster: Send + Sync + 'static {
    type Broker: Broker;

    /// A way to the cluster.
    fn broker(&self) -> Self::Broker;

    /// Makes a topic; it is usable when this returns.
    fn create_topic(&self, name: &str, partitions: i32) -> impl Future<Output = ()> + Send;

    /// A way to an address where nobody listens, and the address; `None` for a cluster that has
    /// no address.
    fn unreachable(&self) -> Option<(Self::Broker, String)> {
        None
    }

    /// How long the metadata of a commit may be; `None` for a cluster without limit.
    fn max_metadata_bytes(&self) -> Option<usize> {
        None
    }

    /// Whether a member with a name keeps its partitions while it is restarted.
    fn has_named_members(&self) -> bool {
        true
    }

    /// A size of record that is refused; `None` for a cluster without limit.
    fn too_large_bytes(&self) -> Option<usize> {
        None
    }
}

/// Makes one test of each item of the contract. Attributes after the cluster go onto each test.
#[macro_export]
macro_rules! contract {
    ($start:expr $(, #[$attribute:meta])*) => {
        $crate::contract! {
            @each $start, [$(#[$attribute])*],
            records_arrive_as_they_were_sent
            a_topic_that_others_named_is_like_any_other
            records_of_a_partition_arrive_in_order
            a_new_group_starts_at_the_earliest_record
            a_group_resumes_where_it_was_closed
            asynchronous_commits_count
            commits_are_reported
            a_dropped_consumer_repeats_what_was_not_committed
            fetching_stops_at_the_byte_budget
            a_paused_fetch_is_reported
            a_partition_whose_records_are_held_stops_no_other
            a_revocation_waits_for_release_and_commits_it
            a_kept_partition_is_committed_while_another_is_waited_for
            a_partition_that_went_while_paused_is_read_when_it_comes_back
            progress_of_an_old_epoch_is_not_committed
            a_storm_of_joins_loses_nothing
            a_record_is_acknowledged_with_its_place
            a_key_has_one_partition
            the_order_of_sends_is_kept
            an_unknown_topic_is_an_error
            a_record_that_is_too_large_is_an_error
            flush_waits_for_what_was_sent
            topics_are_found_by_name
            nobody_at_the_address_is_an_error_that_names_it
            a_topic_is_made_once
            a_topic_that_cannot_be_created_is_reported_alone
            watermarks_say_what_a_partition_holds
            an_offset_is_found_by_its_time
            committed_offsets_of_a_group_are_read
            an_idle_group_can_be_reset
            a_group_with_members_is_not_reset
            a_reader_reads_from_to
            a_reader_follows
            a_reader_leaves_the_group_alone
            a_reader_of_a_missing_topic_says_so
            an_unanswered_request_times_out
            metadata_comes_back_to_the_next_member
            metadata_goes_over_with_a_revocation
            metadata_over_the_limit_is_refused
            a_named_member_keeps_its_partitions_through_a_restart
        }
    };
    (@each $start:expr, $attributes:tt, $($name:ident)*) => {
        $($crate::contract! { @one $start, $attributes, $name })*
    };
    (@one $start:expr, [$(#[$attribute:meta])*], $name:ident) => {
        $(#[$attribute])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let cluster = $start;
            $crate::$name(&cluster).await;
        }
    };
}
