//! What a name may be that does not follow the convention, because others chose it.
//!
//! Only what Kafka itself refuses is refused here.

use crate::{Kind, MAX_BYTES, Text, Violation};

/// Checks a name that others chose. A topic has what Kafka takes: 1 to [`MAX_BYTES`] bytes of
/// `[a-zA-Z0-9._-]`, but neither `.` nor `..` (`Topic.validate` in Kafka's
/// `org.apache.kafka.common.internals.Topic`). An event is any text of that length without control
/// characters, which would tear apart the logs and tables it is shown in.
///
/// # Errors
///
/// The first [`Violation`] found.
///
/// ```
/// use event_names::{check_foreign, Kind, Violation};
/// assert_eq!(check_foreign(Kind::Topic, "Orders.v1"), Ok(()));
/// assert_eq!(check_foreign(Kind::Topic, "orders/v1"), Err(Violation::Character { at: 6 }));
/// assert_eq!(check_foreign(Kind::Event, "order created"), Ok(()));
/// ```
pub const fn check_foreign(kind: Kind, name: &str) -> Result<(), Violation> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Err(Violation::Empty);
    }
    if bytes.len() > MAX_BYTES {
        return Err(Violation::TooLong { bytes: bytes.len() });
    }
    if matches!((kind, bytes), (Kind::Topic, b"." | b"..")) {
        return Err(Violation::Reserved);
    }
    let mut at = 0;
    while at < bytes.len() {
        if !is_legal(kind, bytes, at) {
            return Err(Violation::Character { at });
        }
        at += 1;
    }
    Ok(())
}

/// Whether Kafka takes two topics for one: they differ, but only in `.` and `_`. The names of a
/// topic's metrics have `_` for both, so Kafka does not create the second
/// (`Topic.hasCollision` in `org.apache.kafka.common.internals.Topic`).
///
/// ```
/// use event_names::collide;
/// assert!(collide("orders.v1", "orders_v1"));
/// assert!(!collide("orders.v1", "orders-v1"));
/// assert!(!collide("orders.v1", "orders.v1"));
/// ```
#[must_use]
pub const fn collide(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut differ = false;
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            if !matches!((a[index], b[index]), (b'.', b'_') | (b'_', b'.')) {
                return false;
            }
            differ = true;
        }
        index += 1;
    }
    differ
}

/// The name with `_` for every character that is refused; empty when there is nothing else in it.
pub(crate) const fn replaced(kind: Kind, name: &str) -> Text<MAX_BYTES> {
    let bytes = name.as_bytes();
    let mut text = Text::new();
    let mut has_word = false;
    let mut index = 0;
    while index < bytes.len() {
        let end = next_character(bytes, index);
        if is_legal(kind, bytes, index) {
            has_word |= bytes[index].is_ascii_alphanumeric() || !bytes[index].is_ascii();
            text = text.push(part(name, index, end));
        } else {
            text = text.push_byte(b'_');
        }
        index = end;
    }
    if has_word && !text.is_cut() { text } else { Text::new() }
}

/// The character of `name` that begins at the byte `at`.
pub(crate) const fn character(name: &str, at: usize) -> &str {
    part(name, at, next_character(name.as_bytes(), at))
}

// Whether the character that the byte at `at` belongs to may stand in a name.
const fn is_legal(kind: Kind, bytes: &[u8], at: usize) -> bool {
    let byte = bytes[at];
    match kind {
        Kind::Topic => byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'),
        Kind::Event => !is_control(bytes, at),
    }
}

/// Whether a control character begins at the byte `at`. Those beyond ASCII are U+0080 to U+009F.
pub(crate) const fn is_control(bytes: &[u8], at: usize) -> bool {
    let beyond_ascii = bytes[at] == 0xC2 && at + 1 < bytes.len() && bytes[at + 1] < 0xA0;
    bytes[at].is_ascii_control() || beyond_ascii
}

/// Where the character after the one at `at` begins.
pub(crate) const fn next_character(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] & 0xC0 == 0x80 {
        end += 1;
    }
    end
}

/// `&text[from..to]`, which cannot be written in a `const fn`.
pub(crate) const fn part(text: &str, from: usize, to: usize) -> &str {
    let (text, _) = text.split_at(to);
    text.split_at(from).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{advice, diagnostic};

    #[test]
    fn what_kafka_takes_is_a_topic() {
        let longest = "a".repeat(249);
        for name in ["Orders.v1", "orders-v1", "_schemas", "1", "...", "a__b", "A", &longest] {
            assert_eq!(check_foreign(Kind::Topic, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_can_be_shown_is_an_event() {
        let longest = "é".repeat(124);
        for name in ["order.created", "Order created!", "..", "créée", "com.acme/Order", &longest]
        {
            assert_eq!(check_foreign(Kind::Event, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn kafkas_limits_always_hold() {
        let say = |kind, name: &str| {
            let violation = check_foreign(kind, name).expect_err(name);
            let diagnostic = diagnostic(kind, name, violation);
            format!("{}; {}", diagnostic.as_str(), advice(kind, name, violation).as_str())
        };
        for (name, message) in [
            ("", "topic name is empty; write words joined by underscores, like `\"role_events\"`"),
            (
                "..",
                "topic name is `..`, but Kafka takes neither `.` nor `..`; \
                 write words joined by underscores, like `\"role_events\"`",
            ),
            (
                "orders/v1",
                "topic `orders/v1` has the character `/`, but Kafka takes only letters, digits, \
                 `.`, `_` and `-`; write `\"orders_v1\"`",
            ),
            (
                "créée\n",
                "topic `créée\\u{a}` has the character `é`, but Kafka takes only letters, digits, \
                 `.`, `_` and `-`; write `\"cr__e_\"`",
            ),
            (
                "日本",
                "topic `日本` has the character `日`, but Kafka takes only letters, digits, \
                 `.`, `_` and `-`; write words joined by underscores, like `\"role_events\"`",
            ),
        ] {
            assert_eq!(say(Kind::Topic, name), message);
        }
        assert_eq!(
            say(Kind::Topic, &"x".repeat(250)),
            "topic name is 250 bytes long, the limit is 249; shorten it to 249 bytes or fewer"
        );
        assert_eq!(
            say(Kind::Event, "order\tcreated"),
            "event `order\\u{9}created` has the control character `\\u{9}`; \
             write `\"order_created\"`"
        );
        assert_eq!(
            say(Kind::Event, "order\u{85}"),
            "event `order\\u{85}` has the control character `\\u{85}`; write `\"order_\"`"
        );
        assert!(check_foreign(Kind::Event, &"é".repeat(125)).is_err());
    }

    #[test]
    fn what_is_suggested_can_be_written() {
        for name in ["a/b", "日 b", "\u{9f}b\u{7f}", "a b\u{0}"] {
            for kind in [Kind::Topic, Kind::Event] {
                let text = replaced(kind, name);
                assert_eq!(check_foreign(kind, text.as_str()), Ok(()), "{name:?}");
            }
        }
    }

    #[test]
    fn topics_collide_by_dots_and_underscores_only() {
        assert!(collide("a.b_c", "a_b.c"));
        for (a, b) in [("a.b", "a.b"), ("a.b", "a-b"), ("a.b", "a_bc"), ("a.b", "b_b"), ("", "")] {
            assert!(!collide(a, b), "{a} {b}");
        }
    }
}
