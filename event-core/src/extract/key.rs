//! The record's key.

use std::future::{Ready, ready};

use bytes::Bytes;

use super::FromDelivery;
use crate::delivery::Delivery;
use crate::event::excerpt;
use crate::outcome::Rejection;

/// The key of the record, as a number, a text or bytes. A record without a key is rejected as
/// `key_missing`, one whose key is not of the type as `key_mismatch`; `Option<Key<T>>` takes a record
/// without one.
///
/// ```
/// use event_core::prelude::*;
///
/// #[event_handler(topic = "role_events", event = tombstone)]
/// async fn forget_role(Key(role_id): Key<i64>) {
///     println!("role {role_id} is gone");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<K>(pub K);

/// What a record's key can be read as.
#[diagnostic::on_unimplemented(
    message = "a record's key cannot be read as `{Self}`",
    label = "not the type of a key",
    note = "a key is read as an integer, a `bool`, a `char`, a `String`, a `&str`, a `Uuid`, `Bytes` or `&[u8]`; write `Key<String>` in place of `Key<{Self}>`, or implement `event_core::extract::FromKey` for a type of your own"
)]
pub trait FromKey<'a>: Sized {
    /// Reads the key.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn from_key(key: &'a [u8]) -> Result<Self, String>;
}

impl<'a, K: FromKey<'a> + Send + 'a> FromDelivery<'a> for Key<K> {
    #[expect(
        refining_impl_trait,
        reason = "with a future that has a name, a key that does not fit is reported once"
    )]
    fn from_delivery(delivery: &'a Delivery<'a>) -> Ready<Result<Self, Rejection>> {
        ready(match delivery.record.key {
            Some(key) => read(key),
            None => Err(Rejection::Absent { what: "key" }),
        })
    }
}

fn read<'a, K: FromKey<'a>>(key: &'a [u8]) -> Result<Key<K>, Rejection> {
    K::from_key(key).map(Key).map_err(|problem| Rejection::Refused {
        code: "key_mismatch",
        message: format!("the key `{}` {problem}", shown(key)),
    })
}

fn shown(key: &[u8]) -> String {
    excerpt(&String::from_utf8_lossy(key), 64)
}

impl<'a> FromKey<'a> for &'a [u8] {
    fn from_key(key: &'a [u8]) -> Result<Self, String> {
        Ok(key)
    }
}

impl<'a> FromKey<'a> for Bytes {
    fn from_key(key: &'a [u8]) -> Result<Self, String> {
        Ok(Bytes::copy_from_slice(key))
    }
}

impl<'a> FromKey<'a> for &'a str {
    fn from_key(key: &'a [u8]) -> Result<Self, String> {
        std::str::from_utf8(key)
            .map_err(|error| format!("is not UTF-8 from byte {} on", error.valid_up_to()))
    }
}

impl<'a> FromKey<'a> for String {
    fn from_key(key: &'a [u8]) -> Result<Self, String> {
        <&str>::from_key(key).map(str::to_owned)
    }
}

macro_rules! keys_by_from_str {
    ($($Type:ty),*) => {$(
        impl<'a> FromKey<'a> for $Type {
            fn from_key(key: &'a [u8]) -> Result<Self, String> {
                <&str>::from_key(key)?
                    .parse()
                    .map_err(|error| format!("is not {}: {error}", stringify!($Type)))
            }
        }
    )*};
}

keys_by_from_str!(
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
