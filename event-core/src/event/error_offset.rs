//! Where in a record an error is.
//!
//! serde_json counts lines and columns from the start of what it was given, which may be a part of
//! the record. People look for a byte in the value on the topic. Only errors come here, so that
//! reading a sound record remembers nothing.

use std::ops::Range;

/// Where `part` lies in `whole`; `None` when it is no part of it.
pub(super) fn offset_in(whole: &str, part: &str) -> Option<usize> {
    let offset = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (offset + part.len() <= whole.len()).then_some(offset)
}

/// What serde_json says, without where.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map(str::to_owned).unwrap_or(text)
}

/// The byte of `json` that its grammar refuses; its length when it is cut off.
pub(super) fn refused_byte(json: &str, error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return json.len();
    }
    let byte = bytes_read(json, error).saturating_sub(1);
    match reason(error) {
        // Skipping a text stops before such a character, reading it stops after.
        reason if reason.starts_with("control character") => {
            let found = json.bytes().skip(byte).position(|b| b < b' ');
            byte + found.unwrap_or(0)
        }
        // The digits of an escape are read at once.
        reason if reason.starts_with("invalid escape") => {
            let read = &json.as_bytes()[..json.len().min(byte + 1)];
            read.iter().rposition(|b| *b == b'\\').unwrap_or(byte)
        }
        _ => byte,
    }
}

/// Where the part of `json` begins that did not fit a type. Of a value that is wrong, that is the
/// value; where a field is missing, or the type checks by itself what was read, the end of it.
pub(super) fn refused_value(json: &str, error: &serde_json::Error) -> usize {
    let read = bytes_read(json, error);
    let reason = reason(error);
    // Such a value is refused before it is entered, unless it stands where a struct does.
    let closed = match reason.split(',').next() {
        Some("invalid type: map") => Some(b'{'),
        Some("invalid type: sequence") if !reason.contains("expected struct") => Some(b'['),
        _ => None,
    };
    if closed.is_some() && json.as_bytes().get(read) == closed.as_ref() {
        return read;
    }
    last_token(&json.as_bytes()[..json.len().min(read)])
}

/// The same, where a type may check by itself what it has read: serde_json then stops behind the object
/// that the value lies in. `reason_at` says what is wrong when only so many bytes are read: as soon as the
/// wrong value is read, and no earlier, that is what was wrong with all of them.
pub(super) fn refused_value_by(
    json: &str,
    error: &serde_json::Error,
    reason_at: &dyn Fn(usize) -> Option<String>,
) -> usize {
    let refused = refused_value(json, error);
    let reason = reason(error);
    let is_end = matches!(json.as_bytes().get(refused), Some(b'}' | b']'));
    if !is_end {
        return refused;
    }
    let (mut too_few, mut enough) = (0, refused + 1);
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        match reason_at(json.floor_char_boundary(middle)) {
            Some(found) if found == reason => enough = middle,
            _ => too_few = middle,
        }
    }
    last_token(&json.as_bytes()[..enough.min(json.len())])
}

// How many bytes serde_json had read: the column counts those of the last line.
fn bytes_read(json: &str, error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let lines = json.split_inclusive('\n').take(lines_before);
    (lines.map(str::len).sum::<usize>() + error.column()).min(json.len())
}

// Where the last token of a JSON text begins that may end anywhere.
fn last_token(json: &[u8]) -> usize {
    tokens(json).last().map_or(0, |token| token.start)
}

/// The tokens of a JSON text that may end anywhere.
pub(super) fn tokens(json: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut index = 0;
    std::iter::from_fn(move || {
        let blanks = json.get(index..)?.iter().take_while(|b| b" \t\r\n".contains(b)).count();
        index += blanks;
        let rest = json.get(index..)?;
        let first = rest.first()?;
        let bytes = match first {
            b'"' => text_len(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => {
                rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count()
            }
        };
        let begins = index;
        index += bytes.max(1);
        Some(begins..index.min(json.len()))
    })
}

pub(super) fn text_len(json: &[u8]) -> usize {
    let mut escaped = true;
    let end = json.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 1)
}

#[cfg(test)]
mod tests;
