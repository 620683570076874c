//! Why a broker's certificate is refused.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaType;

use crate::broker::kafka::open_clients::OpenClient;

/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_millis(100);

struct Verification {
    /// The first error of OpenSSL's verification, 0 while there is none.
    error: AtomicI32,
    _open: OpenClient,
}

impl ClientContext for Verification {}

/// Connects to the brokers of `config` once more and gives the code of OpenSSL's
/// [`X509_STORE_CTX_get_error`](https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/) for which
/// the certificate is refused.
///
/// librdkafka reports only that the verification failed, for every reason alike; the reason goes to a
/// callback, which rdkafka's own clients do not have.
pub(in super::super) fn certificate_error(
    config: &ClientConfig,
    timeout: Duration,
) -> Option<c_int> {
    let native = config.create_native_config().ok()?;
    // SAFETY: the configuration is alive, and so is the function.
    let set = unsafe { sys::rd_kafka_conf_set_ssl_cert_verify_cb(native.ptr(), Some(verify)) };
    if set != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
        return None;
    }
    let context = Verification { error: AtomicI32::new(0), _open: OpenClient::new() };
    let client = Client::new(config, native, RDKafkaType::RD_KAFKA_PRODUCER, context).ok()?;
    let until = Instant::now() + timeout;
    loop {
        // The broker's thread verifies; this waits for it.
        let answered = client.fetch_metadata(None, ATTEMPT).is_ok();
        let error = client.context().error.load(Ordering::Relaxed);
        if error != 0 {
            return Some(error);
        }
        if answered || Instant::now() >= until {
            return None;
        }
    }
}

/// Notes the first error; refuses what OpenSSL refuses.
unsafe extern "C" fn verify(
    _client: *mut sys::rd_kafka_t,
    _broker: *const c_char,
    _broker_id: i32,
    error: *mut c_int,
    _depth: c_int,
    _certificate: *const c_char,
    _certificate_bytes: usize,
    _text: *mut c_char,
    _text_bytes: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: librdkafka passes a valid pointer to the error of this certificate.
    let error = unsafe { *error };
    if error == 0 {
        return 1;
    }
    // SAFETY: rdkafka's `Client::new` makes its context the opaque, and the client keeps the context
    // until librdkafka's threads, which call this, have ended.
    let verification = unsafe { &*opaque.cast::<Verification>() };
    let _ = verification.error.compare_exchange(0, error, Ordering::Relaxed, Ordering::Relaxed);
    0
}
