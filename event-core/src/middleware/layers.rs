//! The layers of an app, and which of them are around which handler.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::Middleware;
use crate::handler::HandlerRegistration;
use crate::registry::StartupProblem;

/// The layers of an app, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Layers(Vec<Layer>);

#[derive(Clone)]
struct Layer {
    target: Target,
    place: &'static Location<'static>,
    layer: Arc<dyn Middleware>,
}

// In the order from the outside inwards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    App,
    Topic(String),
    Handler(String),
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
    fn push(&mut self, target: Target, layer: impl Middleware + 'static) {
        self.0.push(Layer { target, place: Location::caller(), layer: Arc::new(layer) });
    }

    /// The layers around a handler: those of the app, then of its topic, then its own.
    pub(crate) fn around(&self, topic: &str, id: &str) -> LayerStack {
        let [app, of_topic, own] =
            [Target::App, Target::Topic(topic.to_owned()), Target::Handler(id.to_owned())];
        let stack = [app, of_topic, own].into_iter().flat_map(|target| {
            let layers = self.0.iter().filter(move |layer| layer.target == target);
            layers.map(|layer| Arc::clone(&layer.layer))
        });
        let stack: Vec<_> = stack.collect();
        if stack.is_empty() { LayerStack::default() } else { LayerStack(stack.into()) }
    }

    /// The layers that are around none of `handlers`, because of a name that is not there.
    #[must_use]
    pub fn problems(&self, handlers: &[&'static HandlerRegistration]) -> Vec<StartupProblem> {
        // Without handlers no name is there, which is a problem of its own.
        if handlers.is_empty() {
            return Vec::new();
        }
        let problems = self.0.iter().filter_map(|layer| {
            let (method, name, mut known): (_, _, Vec<String>) = match &layer.target {
                Target::App => return None,
                Target::Topic(topic) => {
                    ("layer_topic", topic, handlers.iter().map(|h| h.topic.to_owned()).collect())
                }
                Target::Handler(id) => {
                    ("layer_handler", id, handlers.iter().map(|h| h.id()).collect())
                }
            };
            if known.contains(name) {
                return None;
            }
            known.sort_unstable();
            known.dedup();
            Some(StartupProblem::UnknownLayerTarget {
                method,
                place: layer.place.to_string(),
                name: name.clone(),
                nearest: nearest(name, known),
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
pub struct LayerStack(Arc<[Arc<dyn Middleware>]>);

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
        self.0.get(index).map(|layer| &**layer)
    }
}

impl fmt::Debug for LayerStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayerStack({})", self.len())
    }
}

// An id is a path, and who leaves out its beginning means the handler of that name.
fn nearest(name: &str, known: Vec<String>) -> Option<String> {
    known.into_iter().min_by_key(|id| {
        let last = id.rsplit("::").next() == Some(name);
        (!last, strsim::damerau_levenshtein(name, id))
    })
}
