//! What JSON readers let pass and other readers of the same record would not.
//!
//! serde_json skips a field nobody asked for without looking at its depth, so a record could be handled
//! here and be unreadable for the next service. These checks look at the whole record, whether or not a
//! handler reads the part. Escapes that name no character are found too; what becomes of these, the
//! rules say.

use super::EnvelopeError;

/// The deepest nesting that is read: 127 levels, serde_json's own limit for what it decodes.
pub(super) const MAX_DEPTH: usize = 127;

/// Checks the bytes that no JSON reader should accept and returns them as text, with the place of the
/// first escape that is half of a surrogate pair.
pub(super) fn check(value: &[u8]) -> Result<(&str, Option<usize>), EnvelopeError> {
    let Ok(text) = std::str::from_utf8(value) else {
        return Err(not_text(value));
    };
    if value.starts_with(b"\xEF\xBB\xBF") {
        return Err(EnvelopeError::ByteOrderMark("UTF-8"));
    }
    if let [0, _, _, _, _, ..] = value {
        return Err(EnvelopeError::SchemaRegistryFraming);
    }
    // Nesting cannot exceed the number of opening brackets, and most records have few and no
    // escape: this look is one vectorised pass, the walk is not.
    let lone_surrogate = if plainly_sound(value) { None } else { walk(value)? };
    Ok((text, lone_surrogate))
}

/// The last escape before `end` that is half of a surrogate pair, in a text that was checked before.
pub(super) fn lone_surrogate_before(text: &str, end: usize) -> Option<usize> {
    let (value, mut found, mut index) = (text.as_bytes(), None, 0);
    while index < end {
        match value.get(index)? {
            b'\\' => {
                let (bytes, is_lone) = escape(value, index);
                found = if is_lone { Some(index) } else { found };
                index += 1 + bytes;
            }
            _ => index += 1,
        }
    }
    found
}

// Whether there are too few brackets for the limit and no escape at all.
fn plainly_sound(value: &[u8]) -> bool {
    let (mut brackets, mut escapes) = (0_usize, 0_u8);
    // Chunks that a byte can count are what lets the compiler use whole registers of bytes.
    for chunk in value.chunks(128) {
        let mut opening = 0_u8;
        for byte in chunk {
            // `[` and `{` differ in this bit only.
            opening += u8::from(byte | 0x20 == b'{');
            escapes |= u8::from(*byte == b'\\');
        }
        brackets += usize::from(opening);
    }
    brackets <= MAX_DEPTH && escapes == 0
}

// Text that is not UTF-8 is distinguished by its first bytes, because each kind has another remedy.
fn not_text(value: &[u8]) -> EnvelopeError {
    match value {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => EnvelopeError::ByteOrderMark("UTF-16"),
        [0, _, _, _, _, ..] => EnvelopeError::SchemaRegistryFraming,
        [0x1F, 0x8B, ..] => EnvelopeError::Compressed("gzip"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => EnvelopeError::Compressed("zstd"),
        [0x04, 0x22, 0x4D, 0x18, ..] => EnvelopeError::Compressed("lz4"),
        _ => EnvelopeError::NotUtf8 {
            byte: std::str::from_utf8(value).map_or_else(|e| e.valid_up_to(), str::len),
        },
    }
}

fn walk(value: &[u8]) -> Result<Option<usize>, EnvelopeError> {
    let mut lone_surrogate = None;
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut index = 0;
    while index < value.len() {
        match (in_string, value[index]) {
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(EnvelopeError::TooDeep { limit: MAX_DEPTH, byte: index });
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (_, b'"') => in_string = !in_string,
            (true, b'\\') => {
                let (bytes, is_lone) = escape(value, index);
                if is_lone && lone_surrogate.is_none() {
                    lone_surrogate = Some(index);
                }
                index += bytes;
            }
            _ => {}
        }
        index += 1;
    }
    Ok(lone_surrogate)
}

// Returns how many bytes after the backslash at `index` belong to the escape, and whether it is half of
// a pair. A high surrogate must be followed by a low one; either alone names no character (RFC 8259,
// section 8.2).
fn escape(value: &[u8], index: usize) -> (usize, bool) {
    let Some(first) = code_unit(value, index) else {
        return (1, false);
    };
    match first {
        0xD800..=0xDBFF => match code_unit(value, index + 6) {
            Some(0xDC00..=0xDFFF) => (11, false),
            _ => (5, true),
        },
        0xDC00..=0xDFFF => (5, true),
        _ => (5, false),
    }
}

fn code_unit(value: &[u8], index: usize) -> Option<u16> {
    let escape = value.get(index..index + 6)?;
    let digits = escape.strip_prefix(br"\u")?;
    digits.iter().try_fold(0_u16, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        [b"[".repeat(levels), b"]".repeat(levels)].concat()
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert!(check(&nested(127)).is_ok());
        assert_eq!(check(&nested(128)), Err(EnvelopeError::TooDeep { limit: 127, byte: 127 }));
        let in_text = format!(r#"{{"a": "\"{}"}}"#, "[".repeat(500));
        assert!(check(in_text.as_bytes()).is_ok());
        let wide = format!("[{}]", "[],".repeat(500));
        assert!(check(wide.as_bytes()).is_ok());
    }

    #[test]
    fn surrogates_must_come_in_pairs() {
        for good in [r#""\ud83d\ude00""#, r#""\u00f1""#, r#""\\ud800""#, r#""\u0000""#] {
            assert_eq!(check(good.as_bytes()), Ok((good, None)));
            assert_eq!(lone_surrogate_before(good, good.len()), None);
        }
        for bad in
            [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\u0041""#, r#""\ud83dx""#, r#""\ud83d\ud83d""#]
        {
            assert_eq!(check(bad.as_bytes()), Ok((bad, Some(1))));
            assert!(lone_surrogate_before(bad, bad.len()).is_some(), "{bad}");
        }
    }
}
