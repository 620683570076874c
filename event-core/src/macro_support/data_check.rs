//! How the data of a contract is checked that is given as JSON.

use std::marker::PhantomData;

use serde::Deserialize;

use crate::event::{Contract, DataCheck, Envelope, EnvelopeError};

/// Finds how the data of `T` is decoded. Its constant is the inherent one where `T` can be decoded, and that
/// of [`OnlySent`] where it cannot: the compiler takes the first that is there.
pub struct Checked<T>(PhantomData<T>);

impl<T: Contract + Deserialize<'static>> Checked<T> {
    /// Decodes the data and throws it away.
    pub const DATA: Option<DataCheck> = Some(check::<T>);
}

/// A contract whose type is only sent.
pub trait OnlySent {
    /// Nothing decodes it.
    const DATA: Option<DataCheck> = None;
}

impl<T> OnlySent for Checked<T> {}

fn check<T: Contract + Deserialize<'static>>(
    envelope: &'static Envelope<'static>,
) -> Result<(), EnvelopeError> {
    envelope.decode_own::<T>(T::INFO.version).map(drop)
}
