//! Layers of a service under test, as on the app itself.

use super::TestApp;
use crate::middleware::Middleware;

impl TestApp {
    /// Adds a layer around every handler: an async function, or a [`Middleware`]. The first added is
    /// the outermost; the module [`middleware`](crate::middleware) has the order and an example.
    #[must_use]
    #[track_caller]
    pub fn layer(mut self, layer: impl Middleware + 'static) -> Self {
        self.layers.add(layer);
        self
    }

    /// Adds a layer around the handlers of `topic`, inside those of the app.
    #[must_use]
    #[track_caller]
    pub fn layer_topic(
        mut self,
        topic: impl Into<String>,
        layer: impl Middleware + 'static,
    ) -> Self {
        self.layers.add_to_topic(topic, layer);
        self
    }

    /// Adds a layer around the handler with this
    /// [id](crate::handler::HandlerRegistration::id), inside those of its topic.
    #[must_use]
    #[track_caller]
    pub fn layer_handler(
        mut self,
        id: impl Into<String>,
        layer: impl Middleware + 'static,
    ) -> Self {
        self.layers.add_to_handler(id, layer);
        self
    }
}
