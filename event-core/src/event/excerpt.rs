//! Foreign text in our own messages.

/// The start of a foreign text, safe to print: at most `limit` bytes, with `…` for what is left out. What a
/// terminal would act on, or not show at all, is escaped. A mark that combines with the character before it
/// stays as it is.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let mut start = String::new();
    for character in text.chars() {
        let before = start.len();
        match character {
            ' '..='~' => start.push(character),
            _ => start.push_str(&escaped(character, before == 0)),
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

// `char` escapes a mark that combines, for it has nothing to combine with there; `str` does not, unless it is the
// first.
fn escaped(character: char, is_first: bool) -> String {
    let text: String = [' ', character].into_iter().skip(is_first.into()).collect();
    text.escape_debug().skip((!is_first).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_combines_is_printed_as_it_is_written() {
        for text in ["cafe\u{301}", "ภาษาไทย ที่นี่", "हिन्दी", "\u{2764}\u{fe0f} a", "한글", "日本語"]
        {
            assert_eq!(excerpt(text, 64), text);
        }
        for (text, shown) in [
            ("\u{301}e", r"\u{301}e"),
            ("a\u{202e}b\u{2066}", r"a\u{202e}b\u{2066}"),
            ("a\u{200b}\u{200d}\u{feff}\u{ad}", r"a\u{200b}\u{200d}\u{feff}\u{ad}"),
            ("a\u{a0}\u{2028}\u{3000}", r"a\u{a0}\u{2028}\u{3000}"),
            ("a\u{1b}[2J\u{9b}\u{7f}\0", r"a\u{1b}[2J\u{9b}\u{7f}\0"),
        ] {
            assert_eq!(excerpt(text, 64), shown);
        }
    }

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
