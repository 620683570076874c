//! What JSON readers let pass and other readers of the same record would not.
//!
//! serde_json skips a field nobody asked for without looking at its depth or its escapes, so
//! a record could be handled here and be unreadable for the next service. These checks look at
//! the whole record, whether or not a handler reads the part.

use super::EnvelopeError;

/// The deepest nesting that is read: 127 levels, serde_json's own limit for what it decodes.
const MAX_DEPTH: usize = 127;

/// Checks the bytes that no JSON reader should accept and returns them as text.
pub(super) fn check(value: &[u8]) -> Result<&str, EnvelopeError> {
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
    if !plainly_sound(value) {
        walk(value)?;
    }
    Ok(text)
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

// Text that is not UTF-8 is told apart by its first bytes, because each kind has another remedy.
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

fn walk(value: &[u8]) -> Result<(), EnvelopeError> {
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
            (true, b'\\') => index += escape(value, index)?,
            _ => {}
        }
        index += 1;
    }
    Ok(())
}

// Returns how many bytes after the backslash at `index` belong to the escape. A high surrogate
// must be followed by a low one; either alone names no character (RFC 8259, section 8.2).
fn escape(value: &[u8], index: usize) -> Result<usize, EnvelopeError> {
    let Some(first) = code_unit(value, index) else {
        return Ok(1);
    };
    match first {
        0xD800..=0xDBFF => match code_unit(value, index + 6) {
            Some(0xDC00..=0xDFFF) => Ok(11),
            _ => Err(EnvelopeError::LoneSurrogate { byte: index }),
        },
        0xDC00..=0xDFFF => Err(EnvelopeError::LoneSurrogate { byte: index }),
        _ => Ok(5),
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
            assert!(check(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in
            [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\u0041""#, r#""\ud83dx""#, r#""\ud83d\ud83d""#]
        {
            assert!(
                matches!(check(bad.as_bytes()), Err(EnvelopeError::LoneSurrogate { .. })),
                "{bad}"
            );
        }
    }
}
