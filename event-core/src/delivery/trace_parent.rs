//! The trace that a record belongs to.

use super::RecordRef;

/// The trace that a record belongs to, as its header `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent<'a> {
    /// The trace: 32 hexadecimal digits.
    pub trace_id: &'a str,
    /// The span in which the record was sent: 16 hexadecimal digits.
    pub parent_id: &'a str,
}

impl<'a> TraceParent<'a> {
    /// Reads `version-traceid-parentid-flags` (W3C Trace Context, section 3.2); `None` for anything
    /// else.
    #[must_use]
    pub fn parse(header: &'a str) -> Option<Self> {
        let mut parts = header.split('-').skip(1);
        let trace_id = parts.next().filter(|part| is_id(part, 32))?;
        let parent_id = parts.next().filter(|part| is_id(part, 16))?;
        Some(TraceParent { trace_id, parent_id })
    }
}

// Nothing but zeros means none.
fn is_id(part: &str, digits: usize) -> bool {
    part.len() == digits
        && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        && part.bytes().any(|byte| byte != b'0')
}

impl<'a> RecordRef<'a> {
    /// The trace that the record belongs to, when it has the header and it is in order. Of several
    /// headers the last counts.
    #[must_use]
    pub fn trace_parent(&self) -> Option<TraceParent<'a>> {
        TraceParent::parse(std::str::from_utf8(self.header("traceparent")?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_order_is_a_trace() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = TraceParent::parse(header).unwrap();
        assert_eq!(trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.parent_id, "b7ad6b7169203331");
        let zero = header.replace(|c: char| c.is_ascii_alphanumeric(), "0");
        let long = header.replace("0af7", "0af70");
        for wrong in
            ["", "00", "00-0af7-b7ad-01", &header[..40], &header.replace('f', "g"), &long, &zero]
        {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
    }
}
