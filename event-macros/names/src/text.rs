//! A string that `const fn` can build, for messages made while compiling.

use crate::foreign::{is_control, next_character, part};

/// Text of at most `N` bytes, built by chained `const` calls. What does not fit is cut at a
/// character boundary.
#[derive(Clone, Copy, Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
    cut: bool,
}

impl<const N: usize> Text<N> {
    /// The empty text.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "`Default` is not const, and nothing else is needed"
    )]
    pub const fn new() -> Self {
        Text { bytes: [0; N], len: 0, cut: false }
    }

    /// Appends `text`.
    #[must_use]
    pub const fn push(self, text: &str) -> Self {
        self.push_capped(text, usize::MAX)
    }

    /// Appends at most `limit` bytes of `text`, with `…` in place of what is left out.
    #[must_use]
    pub const fn push_capped(mut self, text: &str, limit: usize) -> Self {
        let bytes = text.as_bytes();
        let room = N - self.len;
        let mut take = if bytes.len() < limit { bytes.len() } else { limit };
        let shortened = take < bytes.len();
        if take > room {
            take = room;
            self.cut = true;
        }
        while take < bytes.len() && bytes[take] & 0xC0 == 0x80 {
            take -= 1;
        }
        let mut index = 0;
        while index < take {
            self.bytes[self.len + index] = bytes[index];
            index += 1;
        }
        self.len += take;
        if shortened && !self.cut { self.push("…") } else { self }
    }

    /// Appends at most some `limit` bytes of `text` like [`push_capped`](Self::push_capped), with
    /// control characters as `\u{9}`.
    #[must_use]
    pub const fn push_escaped(mut self, text: &str, limit: usize) -> Self {
        let bytes = text.as_bytes();
        let start = self.len;
        let mut index = 0;
        while index < bytes.len() {
            if self.len - start >= limit {
                return self.push("…");
            }
            let end = next_character(bytes, index);
            if is_control(bytes, index) {
                // The last byte of a control character is its number, beyond ASCII as well.
                self = self.push("\\u{").push_hex(bytes[end - 1]).push("}");
            } else {
                self = self.push(part(text, index, end));
            }
            index = end;
        }
        self
    }

    const fn push_hex(self, byte: u8) -> Self {
        let text = if byte >= 16 { self.push_hex(byte / 16) } else { self };
        text.push_byte(b"0123456789abcdef"[(byte % 16) as usize])
    }

    /// Appends one ASCII byte.
    #[must_use]
    pub const fn push_byte(mut self, byte: u8) -> Self {
        assert!(byte.is_ascii());
        if self.len < N {
            self.bytes[self.len] = byte;
            self.len += 1;
        } else {
            self.cut = true;
        }
        self
    }

    /// Appends `number` in decimal digits.
    #[must_use]
    pub const fn push_number(self, number: usize) -> Self {
        let text = if number >= 10 { self.push_number(number / 10) } else { self };
        text.push_byte(b'0' + (number % 10) as u8)
    }

    /// The text as a string.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether something did not fit.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

/// Whether two texts are equal, which `==` cannot say in a `const fn`.
#[must_use]
pub const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}
