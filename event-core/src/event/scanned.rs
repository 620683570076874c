//! What a scan of a record finds without parsing it.

/// A record of which a scan found the name of the event.
#[derive(Clone, Copy, Debug)]
pub struct Scanned<'a> {
    /// The whole record.
    pub text: &'a str,
    /// The event's name.
    pub event_type: &'a str,
}

impl<'a> Scanned<'a> {
    /// Scans a value; `None` when it is unusual, so that only parsing it says what it is.
    pub(crate) fn of(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let open = value.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
        if open > 64 || value.contains(&b'\\') {
            return None;
        }
        let rest = text.trim_ascii_start().strip_prefix('{')?.trim_ascii_start();
        let rest = rest.strip_prefix("\"eventType\"")?.trim_ascii_start();
        let rest = rest.strip_prefix(':')?.trim_ascii_start().strip_prefix('"')?;
        let (event_type, _) = rest.split_once('"')?;
        (event_type.len() <= super::MAX_EVENT_TYPE_BYTES).then_some(Scanned { text, event_type })
    }
}
