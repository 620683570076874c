//! The value of a record, for people and for programs.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::operations::printable;

/// A value inside our own JSON: as it stands where it is JSON, as text otherwise.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum JsonOrText<'a> {
    Json(Cow<'a, RawValue>),
    Text(String),
}

impl<'a> From<&'a [u8]> for JsonOrText<'a> {
    fn from(value: &'a [u8]) -> Self {
        match serde_json::from_slice(value) {
            Ok(json) => JsonOrText::Json(Cow::Borrowed(json)),
            Err(_) => JsonOrText::Text(printable(value)),
        }
    }
}

impl JsonOrText<'_> {
    /// The same on one line.
    pub(super) fn on_one_line(self) -> Self {
        let JsonOrText::Json(json) = self else { return self };
        if !json.get().contains(['\n', '\r']) {
            return JsonOrText::Json(json);
        }
        // Between its tokens there may be line breaks, within one there is none.
        let line: String = json.get().split(['\n', '\r']).map(str::trim).collect();
        match RawValue::from_string(line) {
            Ok(line) => JsonOrText::Json(Cow::Owned(line)),
            Err(_) => JsonOrText::Json(json),
        }
    }
}

/// The lines of a value, safe to print: JSON is indented, and otherwise left as it stands, with its
/// order, its numbers and what is there twice.
pub(super) fn lines(value: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(value).ok();
    let is_json = serde_json::from_slice::<IgnoredAny>(value).is_ok();
    match text.filter(|_| is_json) {
        Some(json) => indented(json).lines().map(|line| printable(line.as_bytes())).collect(),
        None => vec![printable(value)],
    }
}

// Of a text that is JSON: only the spaces between its tokens change.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(2 * json.len());
    let (mut depth, mut in_text, mut escaped, mut is_open) = (0_usize, false, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    for character in json.chars() {
        if in_text {
            out.push(character);
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(character, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        // After what opens and before what closes; an empty pair is left together.
        if is_open != closes {
            line(&mut out, depth);
        }
        is_open = false;
        out.push(character);
        match character {
            '"' => in_text = true,
            '{' | '[' => (depth, is_open) = (depth + 1, true),
            ',' => line(&mut out, depth),
            ':' => out.push(' '),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_nothing_else_of_it_changes() {
        let json = br#"{"b":1.50, "a":[ {}, [],1e400,"x\"{,\\"], "b" :null}"#;
        let expected = "\
{
  \"b\": 1.50,
  \"a\": [
    {},
    [],
    1e400,
    \"x\\\"{,\\\\\"
  ],
  \"b\": null
}";
        assert_eq!(lines(json).join("\n"), expected);
        assert_eq!(lines(b" 7 "), ["7"]);
    }

    #[test]
    fn what_is_no_json_is_one_line() {
        assert_eq!(lines(b"{oops\n\xFF\x1b[2J"), ["{oops\\n\\xFF\\u{1b}[2J"]);
        assert_eq!(lines(b""), [""]);
    }

    #[test]
    fn json_of_several_lines_is_written_on_one() {
        let value = &b"{\r\n  \"b\": 1.50,\n  \"a\": [\n    1,\r    \" x\\n \"\n  ]\n}\n"[..];
        let json = JsonOrText::from(value).on_one_line();
        assert_eq!(serde_json::to_string(&json).unwrap(), r#"{"b": 1.50,"a": [1," x\n "]}"#);
    }

    #[test]
    fn json_inside_json_is_left_as_it_stands() {
        let json = serde_json::to_string(&JsonOrText::from(&br#"{"b":1.50,"a":1}"#[..])).unwrap();
        assert_eq!(json, r#"{"b":1.50,"a":1}"#);
        let text = serde_json::to_string(&JsonOrText::from(&b"{oops"[..])).unwrap();
        assert_eq!(text, r#""{oops""#);
    }
}
