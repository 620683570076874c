//! How long members of the mock cluster's groups may be silent.

use std::ffi::c_int;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as sys;
use rdkafka::client::Client;

/// Sets the times of groups with the new protocol on the cluster that `client` brings with it;
/// without one there is nothing to set.
pub(in super::super) fn set_session<C: ClientContext>(
    client: &Client<C>,
    session_timeout: Duration,
    heartbeat_interval: Duration,
) {
    // SAFETY: the client is alive.
    let cluster = unsafe { sys::rd_kafka_handle_mock_cluster(client.native_ptr()) };
    if cluster.is_null() {
        return;
    }
    // SAFETY: the cluster lives as long as the client that is borrowed here, and takes its lock.
    unsafe {
        sys::rd_kafka_mock_set_group_consumer_session_timeout_ms(cluster, ms(session_timeout));
        sys::rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(
            cluster,
            ms(heartbeat_interval),
        );
    }
}

fn ms(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}
