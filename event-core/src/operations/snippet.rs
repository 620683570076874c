//! The line of a value around one byte, safe to print.

use std::fmt::Write;

// How many bytes are shown on each side.
const AROUND: usize = 40;

/// Where a byte of a value is, with what is around it, safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The line, from 1 on.
    pub line: usize,
    /// In characters, from 1 on.
    pub column: usize,
    /// An excerpt of the line.
    pub text: String,
    /// What stands under it: spaces, then the caret.
    pub caret: String,
}

impl Snippet {
    /// The snippet around `byte`; the end of `value` for one beyond it.
    #[must_use]
    pub fn find(value: &[u8], byte: usize) -> Self {
        let byte = byte.min(value.len());
        let (before, after) = value.split_at(byte);
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line_end = after.iter().position(|b| *b == b'\n').map_or(value.len(), |at| byte + at);
        let mut start = byte.saturating_sub(AROUND).max(line_start);
        // A character has at most four bytes; more of these are no text.
        for _ in 0..3 {
            if start > line_start && is_inside_character(value, start) {
                start -= 1;
            }
        }
        let mut end = byte.saturating_add(AROUND).min(line_end);
        for _ in 0..3 {
            if end < line_end && is_inside_character(value, end) {
                end += 1;
            }
        }
        let mut text = String::new();
        if start > line_start {
            text.push('…');
        }
        text.push_str(&printable(&value[start..byte]));
        let caret = format!("{:1$}^", "", text.chars().count());
        text.push_str(&printable(&value[byte..end]));
        if end < line_end {
            text.push('…');
        }
        Snippet {
            line: 1 + before.iter().filter(|b| **b == b'\n').count(),
            column: 1 + String::from_utf8_lossy(&value[line_start..byte]).chars().count(),
            text,
            caret,
        }
    }
}

fn is_inside_character(value: &[u8], at: usize) -> bool {
    value.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
}

/// Foreign bytes as text: what a terminal would act on, or not show at all, is escaped; bytes that are
/// no text are shown as numbers.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\'' | '\\' => text.push(character),
                _ => text.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a text cannot fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &[u8], byte: usize) -> (usize, usize, String) {
        let Snippet { line, column, text, caret } = Snippet::find(value, byte);
        (line, column, format!("{text}\n{caret}"))
    }

    #[test]
    fn the_caret_stands_under_the_byte() {
        assert_eq!(shown(b"{\"id\":x}", 6), (1, 7, "{\"id\":x}\n      ^".into()));
        assert_eq!(shown(b"{\n  \"id\":x\n}", 9), (2, 8, "  \"id\":x\n       ^".into()));
        let umlauts = "{\"ä\":\"ö\",x}".as_bytes();
        assert_eq!(shown(umlauts, 12), (1, 11, "{\"ä\":\"ö\",x}\n          ^".into()));
    }

    #[test]
    fn what_is_no_text_or_acts_on_a_terminal_is_escaped() {
        assert_eq!(
            shown(b"a\x1b[2J\xFF\xC3(", 6),
            (1, 7, "a\\u{1b}[2J\\xFF\\xC3(\n              ^".into())
        );
        let hidden = "a\u{202e}b\u{200b}c".as_bytes();
        assert_eq!(shown(hidden, 8).2, "a\\u{202e}b\\u{200b}c\n                  ^");
    }

    #[test]
    fn of_a_long_line_only_the_surroundings_are_shown() {
        let value = "é".repeat(1000);
        let snippet = Snippet::find(value.as_bytes(), 1000);
        assert_eq!(snippet.text, format!("…{}…", "é".repeat(40)));
        assert_eq!((snippet.column, snippet.caret.len()), (501, 22));
        let odd = Snippet::find(value.as_bytes(), 1001);
        assert!(odd.text.starts_with("…é") && odd.text.ends_with("é…"), "{odd:?}");
    }

    #[test]
    fn the_end_is_a_place_too() {
        assert_eq!(shown(b"", 0), (1, 1, "\n^".into()));
        assert_eq!(shown(b"{", 1), (1, 2, "{\n ^".into()));
        assert_eq!(shown(b"{", 99), (1, 2, "{\n ^".into()));
    }
}
