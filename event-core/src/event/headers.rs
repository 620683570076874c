//! Headers of a record, as bytes: Kafka promises neither UTF-8 nor unique names.

use bytes::Bytes;

/// One header. A null value and an empty one are different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name, usually UTF-8, but any bytes are legal.
    pub name: Bytes,
    /// The value; `None` is Kafka's null.
    pub value: Option<Bytes>,
}

/// The headers of a record in their order, repeated names included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Headers(Vec::new())
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.0.push(Header { name: name.into(), value: Some(value.into()) });
    }

    /// Appends a header that was read from a record, null value included.
    pub fn push_header(&mut self, header: Header) {
        self.0.push(header);
    }

    /// The value of the last header called `name`, as Kafka's own clients resolve repeats.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|header| header.name == name.as_bytes())?;
        found.value.as_deref()
    }

    /// The same, when it is UTF-8 text.
    #[must_use]
    pub fn get_text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        Headers(headers.into_iter().collect())
    }
}
