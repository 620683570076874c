//! The record key of a contract.

use std::borrow::Cow;
use std::sync::Arc;

/// A value that can be a record's key: it becomes text, and records of one key keep their
/// order because they share a partition.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a record",
    label = "not a key",
    note = "a key is an integer, a `bool`, a string, a `Uuid`, or an `Option` of these; for your own type implement `event_core::event::RecordKey`"
)]
pub trait RecordKey {
    /// The key as text; `None` writes a record without a key, which goes to any partition.
    fn record_key(&self) -> Option<Cow<'_, str>>;
}

macro_rules! keys_by_display {
    ($($Type:ty),*) => {$(
        impl RecordKey for $Type {
            fn record_key(&self) -> Option<Cow<'_, str>> {
                Some(Cow::Owned(self.to_string()))
            }
        }
    )*};
}

keys_by_display!(
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    bool,
    char,
    uuid::Uuid
);

macro_rules! keys_by_str {
    ($($Type:ty),*) => {$(
        impl RecordKey for $Type {
            fn record_key(&self) -> Option<Cow<'_, str>> {
                Some(Cow::Borrowed(self))
            }
        }
    )*};
}

keys_by_str!(str, String, Box<str>, Arc<str>, Cow<'_, str>);

impl<K: RecordKey + ?Sized> RecordKey for &K {
    fn record_key(&self) -> Option<Cow<'_, str>> {
        (**self).record_key()
    }
}

impl<K: RecordKey> RecordKey for Option<K> {
    fn record_key(&self) -> Option<Cow<'_, str>> {
        self.as_ref().and_then(RecordKey::record_key)
    }
}
