//! What routes a record without reading it: one look at the bytes and at the first key.

use memchr::{memchr, memchr2_iter};

use super::MAX_EVENT_TYPE_BYTES;
use super::blank::is_blank;
use super::error_offset::offset_in;
use super::strict::MAX_DEPTH;

/// A record that may be read in one pass: UTF-8 without an escape, that nests within the
/// limit if it is JSON, and whose first key is `eventType`. Whether it is JSON is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// The whole record.
    pub text: &'a str,
    /// The name as it stands in the record, well formed or not.
    pub event_type: &'a str,
}

/// The name of the event where it stands in a record, of which no more is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameAt {
    start: usize,
    end: usize,
}

impl NameAt {
    /// Finds the name, when its key is the first.
    pub(crate) fn of(value: &[u8]) -> Option<Self> {
        let std::ops::Range { start, end } = event_type(value)?;
        Some(NameAt { start, end })
    }

    /// The name in the record in which it was found; `None` when it is not UTF-8.
    pub(crate) fn text(self, value: &[u8]) -> Option<&str> {
        std::str::from_utf8(value.get(self.start..self.end)?).ok()
    }
}

impl<'a> Scanned<'a> {
    /// Looks at a record whose name was found; `None` where [`Envelope::read`](super::Envelope::read) decides.
    ///
    /// A record that is no event may pass: who routes by it reads the record before anything comes of it.
    pub(crate) fn of(value: &'a [u8], name: NameAt) -> Option<Self> {
        // An escape is what makes a text something else than its bytes.
        if memchr(b'\\', value).is_some() || may_be_too_deep(value) {
            return None;
        }
        let text = simdutf8::basic::from_utf8(value).ok()?;
        Some(Scanned { text, event_type: text.get(name.start..name.end)? })
    }

    /// Where the record goes on behind the name.
    pub(super) fn behind_event_type(&self) -> Option<usize> {
        Some(offset_in(self.text, self.event_type)? + self.event_type.len() + 1)
    }
}

/// Finds the name and looks at the rest.
#[cfg(any(test, fuzzing))]
pub(crate) fn scan(value: &[u8]) -> Option<Scanned<'_>> {
    Scanned::of(value, NameAt::of(value)?)
}

// Nesting needs two bytes a level, and cannot exceed the number of opening brackets.
fn may_be_too_deep(value: &[u8]) -> bool {
    value.len() > 2 * MAX_DEPTH && memchr2_iter(b'{', b'[', value).nth(MAX_DEPTH).is_some()
}

// Where the name stands, when its key is the first.
fn event_type(value: &[u8]) -> Option<std::ops::Range<usize>> {
    let rest = trim_start(value).strip_prefix(b"{")?;
    let rest = trim_start(rest).strip_prefix(br#""eventType""#)?;
    let rest = trim_start(rest).strip_prefix(b":")?;
    let rest = trim_start(rest).strip_prefix(br#"""#)?;
    let longest = rest.get(..=MAX_EVENT_TYPE_BYTES).unwrap_or(rest);
    let length = text_length(longest)?;
    // With an escape it is another name than its bytes.
    let name = longest.get(..length)?;
    if name.contains(&b'\\') || is_blank_name(name) {
        return None;
    }
    let start = value.len() - rest.len();
    Some(start..start + length)
}

// Nearly every name begins with a letter.
fn is_blank_name(name: &[u8]) -> bool {
    !name.first().is_some_and(u8::is_ascii_alphanumeric)
        && std::str::from_utf8(name).is_ok_and(is_blank)
}

/// The bytes before the quote that ends a text; `None` when it does not end, or has a byte that JSON allows as
/// an escape only.
pub(super) fn text_length(text: &[u8]) -> Option<usize> {
    let length = memchr(b'"', text)?;
    // Without an early end, so that many are looked at at once.
    let is_allowed = text.iter().take(length).fold(true, |allowed, byte| allowed & (*byte >= b' '));
    is_allowed.then_some(length)
}

/// The same without the white space of JSON at the start.
pub(super) fn trim_start(mut json: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = json {
        json = rest;
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Envelope;

    fn name(value: impl AsRef<[u8]>) -> Option<String> {
        scan(value.as_ref()).map(|scanned| scanned.event_type.to_owned())
    }

    #[test]
    fn the_name_is_found_as_the_first_key() {
        for value in [
            r#"{"eventType":"X"}"#,
            " \t\r\n{ \t\r\n\"eventType\" \t\r\n: \t\r\n\"X\" , \"a\":[]}\n",
            r#"{"eventType":"X","data":{"note":"ñ 😀"}}"#,
        ] {
            assert_eq!(name(value).as_deref(), Some("X"), "{value}");
            assert_eq!(Envelope::read(value.as_bytes()).unwrap().event_type(), "X");
        }
        for blank in ["", " ", "  ", "\u{a0}", "\u{3164}\u{200b} "] {
            assert_eq!(name(format!(r#"{{"eventType":"{blank}"}}"#)), None, "{blank:?}");
        }
        assert_eq!(name(r#"{"eventType":" X"}"#).as_deref(), Some(" X"));
        let longest = "ñ".repeat(MAX_EVENT_TYPE_BYTES / 2) + "n";
        assert_eq!(name(format!(r#"{{"eventType":"{longest}"}}"#)), Some(longest));
    }

    #[test]
    fn what_is_unusual_is_not_scanned() {
        let too_long = "N".repeat(MAX_EVENT_TYPE_BYTES + 1);
        for value in [
            "",
            " ",
            "null",
            "[]",
            "{}",
            r#"["eventType","X"]"#,
            r#"{"data":{},"eventType":"X"}"#,
            r#"{"eventType":7}"#,
            r#"{"eventType":null}"#,
            r#"{"eventType""#,
            r#"{"eventType":"X"#,
            "{\"eventType\":\"X\n\"}",
            "\u{feff}{\"eventType\":\"X\"}",
            "\0{\"eventType\":\"X\"}",
            // White space elsewhere, not in JSON.
            "\u{c}{\"eventType\":\"X\"}",
            "{\"eventType\":\u{a0}\"X\"}",
            r#"{"eventType":"X","a":"\n"}"#,
            r#"{"event\u0054ype":"X"}"#,
            &format!(r#"{{"eventType":"{too_long}"}}"#),
            &format!(r#"{{"eventType":"X","a":{}{}}}"#, "[".repeat(127), "]".repeat(127)),
        ] {
            assert_eq!(name(value), None, "{value}");
        }
        assert_eq!(name(b"{\"eventType\":\"X\",\"a\":\"\xC3\"}"), None);
        assert_eq!(name(b"{\"eventType\":\"\xF0\x9F\"}"), None);
    }

    // By its bytes it would go to the handler of what no other takes.
    #[test]
    fn a_name_with_an_escape_is_not_found() {
        for value in [
            r#"{"eventType":"CLAIM\u005fADDED"}"#,
            r#"{"eventType":"CLAIM\"ADDED"}"#,
            r#"{"eventType":"\\"}"#,
        ] {
            assert!(NameAt::of(value.as_bytes()).is_none(), "{value}");
        }
        let elsewhere = r#"{"eventType":"CLAIM_ADDED","a":"\n"}"#.as_bytes();
        assert_eq!(NameAt::of(elsewhere).unwrap().text(elsewhere), Some("CLAIM_ADDED"));
        assert!(scan(elsewhere).is_none());
    }

    #[test]
    fn nesting_up_to_the_limit_is_scanned() {
        let deep = format!(r#"{{"eventType":"X","a":{}{}}}"#, "[".repeat(126), "]".repeat(126));
        assert_eq!(name(&deep).as_deref(), Some("X"));
        assert!(Envelope::read(deep.as_bytes()).is_ok());
    }

    #[test]
    fn the_name_ends_where_the_record_goes_on() {
        let scanned = scan(br#"{"eventType" : "X" , "a":1}"#).unwrap();
        let behind = scanned.behind_event_type().unwrap();
        assert_eq!(&scanned.text[behind..], r#" , "a":1}"#);
    }
}
