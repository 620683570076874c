//! The address of the admin port of a running service.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// The address of the admin port, once the service runs and if it has one. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct AdminAddress(Arc<OnceLock<SocketAddr>>);

impl AdminAddress {
    /// The address.
    #[must_use]
    pub fn get(&self) -> Option<SocketAddr> {
        self.0.get().copied()
    }

    #[cfg(feature = "admin")]
    pub(super) fn set(&self, address: SocketAddr) {
        // An app runs once.
        let _ = self.0.set(address);
    }
}
