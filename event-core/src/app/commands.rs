//! The user's own commands beside ours.

use clap::ArgMatches;

use super::{BoxFuture, Settings, kafka_broker};
use crate::broker::Broker;
use crate::outcome::Error;
use crate::producer::EventProducer;

type Run = dyn FnOnce(CommandContext) -> BoxFuture<Result<(), Error>> + Send;

/// A command of the user's program.
pub(crate) struct OwnCommand {
    pub(crate) command: clap::Command,
    run: Box<Run>,
}

/// What a command of [`EventApp::command`](crate::EventApp::command) is given.
#[derive(Debug)]
pub struct CommandContext {
    pub(crate) service: String,
    pub(crate) arguments: ArgMatches,
    pub(crate) settings: Settings,
}

impl CommandContext {
    /// The arguments of the command.
    #[must_use]
    pub fn arguments(&self) -> &ArgMatches {
        &self.arguments
    }

    /// The settings of the service, with what `--config`, `--brokers` and `--group` say.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A producer on the brokers of the settings, which are reached with the first event.
    ///
    /// # Errors
    ///
    /// A [`StartupReport`](crate::registry::StartupReport) with what is wrong with the settings.
    pub fn producer(&self) -> Result<EventProducer, Error> {
        Ok(EventProducer::new(kafka_broker(&self.service, &self.settings)?.producer()?))
    }
}

impl OwnCommand {
    pub(crate) fn new<F, Fut>(command: clap::Command, run: F) -> Self
    where
        F: FnOnce(CommandContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        OwnCommand { command, run: Box::new(move |context| Box::pin(run(context))) }
    }

    pub(crate) async fn run(self, context: CommandContext) -> Result<(), Error> {
        (self.run)(context).await
    }
}
