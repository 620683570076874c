//! The layers of an app, and which of them are around which handler.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::Middleware;
use crate::handler::HandlerRegistration;
use crate::registry::{SourceLocation, StartupProblem, nearest_name};

/// The layers of an app, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Layers(Vec<Layer>);

#[derive(Clone)]
struct Layer {
    target: Target,
    place: &'static Location<'static>,
    layer: Arc<dyn Middleware>,
    /// The function's path, or the type's.
    name: &'static str,
}

#[derive(Clone, Debug)]
enum Target {
    App,
    Topic(String),
    Handler(String),
}

impl Target {
    fn covers(&self, topic: &str, id: &str) -> bool {
        match self {
            Target::App => true,
            Target::Topic(of_topic) => of_topic == topic,
            Target::Handler(own) => own == id,
        }
    }

    /// How far inside: the app's layers are the outermost.
    fn depth(&self) -> u8 {
        match self {
            Target::App => 0,
            Target::Topic(_) => 1,
            Target::Handler(_) => 2,
        }
    }
}

impl Layers {
    /// Adds a layer around every handler.
    #[track_caller]
    pub fn add(&mut self, layer: impl Middleware + 'static) {
        self.push(Target::App, layer);
    }

    /// Adds a layer around the handlers of `topic`.
    #[track_caller]
    pub fn add_to_topic(&mut self, topic: impl Into<String>, layer: impl Middleware + 'static) {
        self.push(Target::Topic(topic.into()), layer);
    }

    /// Adds a layer around the handler with this [id](HandlerRegistration::id).
    #[track_caller]
    pub fn add_to_handler(&mut self, id: impl Into<String>, layer: impl Middleware + 'static) {
        self.push(Target::Handler(id.into()), layer);
    }

    #[track_caller]
    fn push<L: Middleware + 'static>(&mut self, target: Target, layer: L) {
        let name = std::any::type_name::<L>();
        self.0.push(Layer { target, place: Location::caller(), layer: Arc::new(layer), name });
    }

    /// The layers around a handler: those of the app, then of its topic, then its own.
    pub(crate) fn around(&self, topic: &str, id: &str) -> LayerStack {
        let mut layers: Vec<_> =
            self.0.iter().filter(|layer| layer.target.covers(topic, id)).collect();
        // Stable: those of one kind stay as they were added.
        layers.sort_by_key(|layer| layer.target.depth());
        LayerStack(layers.into_iter().map(|layer| (Arc::clone(&layer.layer), layer.name)).collect())
    }

    /// The layers that are around none of `handlers`, because of a name that is not there.
    #[must_use]
    pub fn problems(&self, handlers: &[&'static HandlerRegistration]) -> Vec<StartupProblem> {
        // Without handlers no name is there, which is a problem of its own.
        if handlers.is_empty() {
            return Vec::new();
        }
        let problems = self.0.iter().filter_map(|layer| {
            let (method, name, known): (_, _, BTreeSet<String>) = match &layer.target {
                Target::App => return None,
                Target::Topic(topic) => {
                    ("layer_topic", topic, handlers.iter().map(|h| h.topic.to_owned()).collect())
                }
                Target::Handler(id) => {
                    ("layer_handler", id, handlers.iter().map(|h| h.id()).collect())
                }
            };
            let place =
                SourceLocation { name: method, file: layer.place.file(), line: layer.place.line() };
            if known.contains(name) {
                let of_batch =
                    |h: &&&HandlerRegistration| h.call.takes_batches() && h.id() == *name;
                let handler = handlers.iter().find(of_batch).filter(|_| method == "layer_handler");
                return handler.map(|handler| StartupProblem::LayerOfBatch { place, handler });
            }
            Some(StartupProblem::UnknownLayerTarget {
                method,
                place,
                name: name.clone(),
                nearest: nearest_name(name, &known),
            })
        });
        problems.collect()
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({}:{})", self.target, self.place.file(), self.place.line())
    }
}

/// The layers around one handler, the outermost first. Cloning it shares them.
#[derive(Clone, Default)]
pub struct LayerStack(Arc<[(Arc<dyn Middleware>, &'static str)]>);

impl LayerStack {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&dyn Middleware> {
        self.0.get(index).map(|(layer, _)| &**layer)
    }

    /// Their names in code: the path of the function, or of the type. A closure has none of its own.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|(_, name)| *name)
    }
}

impl fmt::Debug for LayerStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayerStack({})", self.len())
    }
}
