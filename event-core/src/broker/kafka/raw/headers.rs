//! The headers of a received message, without an allocation.
//!
//! librdkafka keeps the bytes that they have on the wire, and makes a buffer, a reader and a list of them
//! when it is asked, also to find that there are none. That costs as much as all else that is done for a
//! record on the consumer thread. So here they are read where they are.

use std::slice;
use std::sync::LazyLock;

use rdkafka::bindings as sys;

/// The versions of librdkafka of which [`Message`] is a copy: 2.12.1.
const KNOWN: [i32; 1] = [0x020c_01ff];

/// librdkafka refuses more.
const MAX_HEADERS: i64 = 100_000;

/// `rd_kafka_msg_t` of `rdkafka_msg.h`: what lies around an `rd_kafka_message_t` that was received.
#[repr(C)]
struct Message {
    public: sys::rd_kafka_message_t,
    link: [*mut Message; 2],
    flags: i32,
    timestamp_type: i32,
    timestamp: i64,
    parsed_headers: *mut sys::rd_kafka_headers_t,
    status: i32,
    broker_id: i32,
    headers_len: i32,
    headers: *const u8,
}

/// The bytes of the headers of a message; `None` where they are not known, and librdkafka has to be asked.
///
/// # Safety
///
/// `message` must be a message that was received by librdkafka, without an error, and that lives for `'a`.
pub(super) unsafe fn on_the_wire<'a>(message: *const sys::rd_kafka_message_t) -> Option<&'a [u8]> {
    static IS_KNOWN: LazyLock<bool> = LazyLock::new(|| {
        // SAFETY: it has no conditions.
        KNOWN.contains(&unsafe { sys::rd_kafka_version() })
    });
    if !*IS_KNOWN {
        return None;
    }
    // SAFETY: in this version each message is the first field of a `Message`.
    let message = unsafe { &*message.cast::<Message>() };
    let (len, value) = (usize::try_from(message.headers_len).ok()?, &message.public);
    // They are bytes of the record, behind its value. Of a value that is empty or null it is not known where
    // that would be.
    let is_behind = !value.payload.is_null()
        && message.headers == value.payload.cast::<u8>().cast_const().wrapping_add(value.len);
    if !is_behind {
        return None;
    }
    // SAFETY: librdkafka has seen to it that the record holds so many bytes there, and its buffer lives
    // with the message.
    Some(unsafe { slice::from_raw_parts(message.headers, len) })
}

/// Calls `each` with the name and value of each header in order. As librdkafka does, it takes bytes that
/// are not headers for none.
pub(super) fn for_each(bytes: &[u8], mut each: impl FnMut(&[u8], Option<&[u8]>)) {
    if let Some(count) = count(bytes) {
        let mut rest = Wire(bytes);
        rest.number();
        for _ in 0..count {
            if let Some((name, value)) = rest.header() {
                each(name, value);
            }
        }
    }
}

/// How many headers there are, if all of them can be read.
fn count(bytes: &[u8]) -> Option<i64> {
    // Mostly there is none.
    if bytes == [0] {
        return None;
    }
    let mut rest = Wire(bytes);
    let count = rest.number().filter(|count| (1..=MAX_HEADERS).contains(count))?;
    for _ in 0..count {
        rest.header()?;
    }
    Some(count)
}

/// The bytes that are not yet read.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn header(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let len = self.number()?;
        let name = self.bytes(len)?;
        match self.number()? {
            -1 => Some((name, None)),
            len => Some((name, Some(self.bytes(len)?))),
        }
    }

    fn bytes(&mut self, len: i64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A zig-zag number of seven bits a byte, the lowest first.
    fn number(&mut self) -> Option<i64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn read(bytes: &[u8]) -> Read {
        let mut read = Vec::new();
        for_each(bytes, |name, value| read.push((name.to_vec(), value.map(<[u8]>::to_vec))));
        read
    }

    #[test]
    fn headers_are_read_as_they_are_written() {
        assert_eq!(read(&[0]), []);
        // Null and empty are different, and a name is bytes.
        let bytes = [&[6, 2][..], b"a", &[2, b'x', 2, 0xff, 1, 0, 0]].concat();
        let header = |name: &[u8], value: Option<&[u8]>| (name.to_vec(), value.map(<[u8]>::to_vec));
        let expected = [header(b"a", Some(b"x")), header(&[0xff], None), header(b"", Some(b""))];
        assert_eq!(read(&bytes), expected);
        let long = [&[2, 0x90, 3][..], &[b'n'; 200], &[0x90, 3], &[b'v'; 200]].concat();
        assert_eq!(read(&long), [header(&[b'n'; 200], Some(&[b'v'; 200]))]);
    }

    #[test]
    fn what_are_no_headers_are_none() {
        let whole = [&[4, 2][..], b"a", &[2, b'x', 2, b'b', 2, b'y']].concat();
        assert_eq!(read(&whole).len(), 2);
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), [], "{len}");
        }
        // Fewer than none, more than librdkafka takes, a name that is null, a number without an end.
        for bytes in [&[1, 0][..], &[0xc2, 0x9a, 0x0c], &[2, 1, 0], &[0xff; 11], &[2, 0, 3, 0]] {
            assert_eq!(read(bytes), [], "{bytes:?}");
        }
    }

    #[test]
    fn this_version_of_librdkafka_is_known() {
        // SAFETY: it has no conditions.
        let version = unsafe { sys::rd_kafka_version() };
        assert!(
            KNOWN.contains(&version),
            "compare `Message` with `rd_kafka_msg_t` of {version:#x}, and `on_the_wire` with what \
             `rd_kafka_msgset_reader_msg_v2` leaves there"
        );
    }
}
