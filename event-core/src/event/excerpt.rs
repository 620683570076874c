//! Foreign text in our own messages.

/// The start of a foreign text, safe to print: at most `limit` bytes, with `…` for what is left out. What a
/// terminal would act on, or not show at all, is escaped.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let mut start = String::new();
    for character in text.chars() {
        let before = start.len();
        match character {
            '"' | '\'' | '\\' => start.push(character),
            _ => start.extend(character.escape_debug()),
        }
        if start.len() > limit {
            start.truncate(before);
            while start.len() + "…".len() > limit && start.pop().is_some() {}
            start.push('…');
            break;
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_never_longer_than_the_limit() {
        assert_eq!(excerpt("short", 64), "short");
        assert_eq!(excerpt("a\u{7}b\n", 64), r"a\u{7}b\n");
        assert_eq!(excerpt("\u{feff}a\u{202e}'\"\\", 64), r#"\u{feff}a\u{202e}'"\"#);
        for text in ["\n".repeat(100), "é".repeat(100), "x".repeat(100)] {
            let shown = excerpt(&text, 64);
            assert!(shown.len() <= 64 && shown.ends_with('…'), "{shown:?}");
        }
    }
}
