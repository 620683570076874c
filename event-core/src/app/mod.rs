//! Puts a service together: settings, what is linked, what is provided, a broker.

mod admin_address;
mod checks;
#[cfg(feature = "cli")]
mod commands;
mod exit;
#[cfg(feature = "kafka")]
mod kafka;
mod lag_monitor;
mod provided;
mod run;
mod running;
mod settings;
mod shutdown;
mod tasks;
mod thread;
mod topic_sets;
mod topics;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

use crate::event::{GroupName, GroupNameError};
use crate::middleware::{Layers, Middleware};
use crate::observe::{Health, Observer};
use crate::outcome::Error;
use crate::processor::Control;
use crate::registry::{Registry, StartupReport};
use crate::router::EventRouter;
use crate::state::{StateKey, StateKeys, StateMap, StateParts};

pub use admin_address::AdminAddress;
pub(crate) use checks::check_settings;
#[cfg(feature = "cli")]
pub use commands::CommandContext;
#[cfg(feature = "cli")]
pub(crate) use commands::OwnCommand;
#[cfg(feature = "cli")]
pub(crate) use exit::print_error;
pub use exit::{ExitStatus, exit};
pub(crate) use exit::{end, exit_code};
#[cfg(feature = "cli")]
pub(crate) use kafka::{kafka_broker, or_report, print_warnings};
pub(crate) use provided::ProvidedStates;
#[cfg(feature = "testing")]
pub(crate) use provided::{provided, put_own};
#[cfg(feature = "cli")]
pub(crate) use settings::has_wrong_level;
pub use settings::{Origin, Settings, SettingsOverrides};
pub use shutdown::signals;
pub use tasks::AppContext;
#[cfg(feature = "cli")]
pub(crate) use thread::on_own_thread;
#[cfg(feature = "cli")]
pub(crate) use topics::topic_problems;

use tasks::Task;

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type StateFuture = BoxFuture<Result<PutState, Error>>;
type PutState = Box<dyn FnOnce(&mut StateMap) + Send>;

/// A service: every handler linked into the binary, with what they need.
///
/// ```no_run
/// use event_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Greeting(&'static str);
///
/// #[event_handler(topic = "user_events", event = "USER_CREATED")]
/// async fn greet(State(greeting): State<Greeting>) {
///     println!("{}", greeting.0);
/// }
///
/// #[event_core::main]
/// async fn main() -> Result {
///     EventApp::from_env("greeter")?.state(Greeting("hello")).main().await
/// }
/// ```
pub struct EventApp {
    service: String,
    made_at: &'static Location<'static>,
    pub(crate) version: String,
    state: StateMap,
    given: ProvidedStates,
    providers: Vec<Provider>,
    modules: Vec<String>,
    layers: Layers,
    pub(crate) samples: Vec<String>,
    pub(crate) after_dev: Vec<AfterDev>,
    observers: Vec<Arc<dyn Observer>>,
    tasks: Vec<Task>,
    #[cfg(feature = "cli")]
    pub(crate) commands: Vec<OwnCommand>,
    health: Health,
    control: Control,
    admin_address: AdminAddress,
}

struct Provider {
    keys: StateKeys,
    make: Box<dyn FnOnce() -> StateFuture + Send>,
}

pub(crate) type AfterDev =
    Box<dyn FnOnce(&StateMap) -> Option<BoxFuture<Result<(), Error>>> + Send>;

impl EventApp {
    /// A service called `service`, which is also its consumer group unless the settings name
    /// another. Settings are read when a command runs, so that all problems are reported together.
    ///
    /// # Errors
    ///
    /// [`GroupNameError`] when the name cannot be a consumer group's.
    #[track_caller]
    pub fn from_env(service: &str) -> Result<Self, GroupNameError> {
        GroupName::parse(service)?;
        Ok(EventApp {
            service: service.to_owned(),
            made_at: Location::caller(),
            version: crate::registry::binary_version().to_owned(),
            state: StateMap::new(),
            given: ProvidedStates::default(),
            providers: Vec::new(),
            modules: Vec::new(),
            layers: Layers::default(),
            samples: Vec::new(),
            after_dev: Vec::new(),
            observers: Vec::new(),
            tasks: Vec::new(),
            #[cfg(feature = "cli")]
            commands: Vec::new(),
            health: Health::default(),
            control: Control::default(),
            admin_address: AdminAddress::default(),
        })
    }

    /// Provides a value to the handlers that take `State<T>`. Two values of one type are a start-up
    /// problem, however they are provided.
    ///
    /// An [`EventProducer`](crate::EventProducer) on the service's own broker is there without it.
    #[must_use]
    #[track_caller]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.given.add("state", [StateKey::of::<T>()]);
        self.state.insert(value);
        self
    }

    /// Provides a value and each of its parts, see [`derive(StateParts)`](macro@crate::StateParts).
    #[must_use]
    #[track_caller]
    pub fn state_parts<T: StateParts>(mut self, value: T) -> Self {
        let mut keys = StateKeys::new();
        T::add_keys(&mut keys);
        self.given.add("state_parts", keys);
        value.put(&mut self.state);
        self
    }

    /// Provides a value that is made when the service starts, after everything else that start-up checks is
    /// found right: a migration in it does not run in a start that fails for another reason.
    ///
    /// `run`, [`EventApp::run_on`], `dev` (which prints it) and `replay` call `make`; `replay --dry-run`,
    /// `check`, `dlq` and the other commands that look at the service do not, nor does `TestApp`, which is
    /// given its states.
    ///
    /// ```no_run
    /// # use event_core::prelude::*;
    /// # #[derive(Clone)] struct Pool;
    /// # impl Pool { async fn connect() -> Result<Pool> { Ok(Pool) } }
    /// # fn app() -> Result<EventApp> { Ok(
    /// EventApp::from_env("admin")?.state_with(Pool::connect)
    /// # ) }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn state_with<T, E, F, Fut>(mut self, make: F) -> Self
    where
        T: Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.given.add("state_with", [StateKey::of::<T>()]);
        self.provider(vec![StateKey::of::<T>()], make, |value, state| state.insert(value))
    }

    /// The same for a value whose parts are states of their own.
    #[must_use]
    #[track_caller]
    pub fn state_parts_with<T, E, F, Fut>(mut self, make: F) -> Self
    where
        T: StateParts,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut keys = StateKeys::new();
        T::add_keys(&mut keys);
        self.given.add("state_parts_with", keys.iter().copied());
        self.provider(keys, make, T::put)
    }

    fn provider<T, E, F, Fut>(mut self, keys: StateKeys, make: F, put: fn(T, &mut StateMap)) -> Self
    where
        T: Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let make = move || -> StateFuture {
            let made = make();
            Box::pin(async move {
                let value = made.await.map_err(Error::from_boxed)?;
                Ok(Box::new(move |state: &mut StateMap| put(value, state)) as PutState)
            })
        };
        self.providers.push(Provider { keys, make: Box::new(make) });
        self
    }

    /// Takes only the handlers of `module` and the modules inside it; may be called several times.
    /// Without it, the app takes every handler that is linked, so a second app in the process with
    /// another name or group is a start-up problem.
    #[must_use]
    pub fn handlers_from(mut self, module: impl Into<String>) -> Self {
        self.modules.push(module.into());
        self
    }

    /// The version that dead letters carry and `--version` prints, in place of the version of the package
    /// with `main`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Events that `dev` publishes, one JSON object a line, as they stand. Empty lines and lines
    /// that begin with `#` are left out.
    #[must_use]
    pub fn samples(mut self, lines: impl Into<String>) -> Self {
        self.samples.push(lines.into());
        self
    }

    /// Runs `show` with the state `T` at the end of `dev`, to show what the samples did. Print with
    /// `write!` to standard output and `?`, because `println!` panics when its reader goes away.
    #[must_use]
    pub fn after_dev<T, E, F, Fut>(mut self, show: F) -> Self
    where
        T: Clone + Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
        F: FnOnce(T) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.after_dev.push(Box::new(move |state| {
            let shown = show(state.get::<T>()?.clone());
            Some(Box::pin(async move { shown.await.map_err(Error::from_boxed) }))
        }));
        self
    }

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

    /// Runs a task beside the handlers, such as an HTTP server; may be called several times. `run` and `dev`
    /// start it, after all start-up checks, on the runtime that handlers run on. It has the app's producer,
    /// states and health, and is notified when the service shuts down.
    ///
    /// The service drains tasks first, then handlers: on a shutdown each task gets half of the setting `drain`
    /// to return, and is aborted then; what is left of `drain` is for the handlers. A task that returns
    /// earlier, fails or panics ends the service with an error that names its place in the program.
    ///
    /// ```no_run
    /// # use event_core::prelude::*;
    /// # use event_core::app::AppContext;
    /// # mod axum {
    /// #     pub struct Serve;
    /// #     pub fn serve(_: tokio::net::TcpListener, _: ()) -> Serve { Serve }
    /// #     impl Serve {
    /// #         pub async fn with_graceful_shutdown(self, _: impl Future<Output = ()>) -> std::io::Result<()> { Ok(()) }
    /// #     }
    /// # }
    /// # fn router(_: event_core::EventProducer) {}
    /// async fn http(app: AppContext) -> Result {
    ///     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    ///     axum::serve(listener, router(app.producer())).with_graceful_shutdown(app.shutdown()).await?;
    ///     Ok(())
    /// }
    ///
    /// # fn app() -> Result<EventApp> { Ok(
    /// EventApp::from_env("roles")?.serve(http)
    /// # ) }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn serve<F, Fut>(mut self, task: F) -> Self
    where
        F: FnOnce(AppContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.tasks.push(Task::new(task, Location::caller()));
        self
    }

    /// Adds a listener to everything that happens.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// The health of the service once it runs: a handle to keep before the app is consumed.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Pauses and resumes handlers once the service runs: a handle to keep before the app is
    /// consumed.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Where health is served over HTTP once the service runs: a handle to keep before the app is
    /// consumed, for a port that the system chooses (`admin_port = 0`).
    #[must_use]
    pub fn admin_address(&self) -> AdminAddress {
        self.admin_address.clone()
    }

    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What is linked, as far as this app takes it.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::linked().only_modules(&self.modules)
    }

    /// The handlers of each consumer group with the layers around them; `default` is the group of
    /// those that name none.
    pub(crate) fn routers(&self, default: &GroupName) -> BTreeMap<GroupName, EventRouter> {
        let router = |handlers: Vec<_>| EventRouter::with_layers(&handlers, &self.layers);
        let groups = self.registry().groups(default).into_iter();
        groups.map(|(group, handlers)| (group, router(handlers))).collect()
    }

    /// All handlers in one table, whatever their groups are.
    #[cfg(feature = "cli")]
    pub(crate) fn router(&self) -> EventRouter {
        EventRouter::with_layers(self.registry().handlers(), &self.layers)
    }

    /// The states as far as they are there before the service starts.
    #[cfg(feature = "cli")]
    pub(crate) fn into_state(self) -> StateMap {
        self.state
    }

    /// Leaves out what runs beside the handlers.
    #[cfg(feature = "cli")]
    pub(crate) fn without_tasks(&mut self) {
        self.tasks.clear();
    }

    /// The types of the states that are made at the start.
    #[cfg(feature = "cli")]
    pub(crate) fn states_to_make(&self) -> Vec<&'static str> {
        let made = self.providers.iter().filter_map(|provider| provider.keys.first());
        made.map(StateKey::type_name).collect()
    }

    /// Everything that can be found wrong with the settings too, but without a broker.
    #[must_use]
    pub fn check_with(&self, settings: &Settings) -> StartupReport {
        let mut report = self.check(settings.group.as_str());
        report.add(check_settings(&self.registry(), settings));
        report
    }

    /// Everything that can be found wrong without settings and a broker.
    #[must_use]
    pub fn check(&self, group: &str) -> StartupReport {
        let later = self.providers.iter().flat_map(|provider| provider.keys.iter().copied());
        let registry = self.registry();
        let mut report = registry.check(group, &provided::provided(&self.state, later));
        report.add_problems(self.layers.problems(registry.handlers()));
        report.add_problems(self.given.problems());
        report.add_warnings(registry.check_program());
        report
    }
}

impl fmt::Debug for EventApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventApp")
            .field("service", &self.service)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
