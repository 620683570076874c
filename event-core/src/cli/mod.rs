//! The commands inside the user's binary.
//!
//! They must be there and not in a tool of their own, because only that binary holds the handlers.

// A line on standard output.
macro_rules! say {
    () => { $crate::cli::output::line(format_args!("")) };
    ($($text:tt)+) => { $crate::cli::output::line(format_args!($($text)+)) };
}

// A line on standard error.
macro_rules! remark {
    ($($text:tt)+) => { $crate::app::print_error(format_args!($($text)+)) };
}

mod acls;
mod check;
mod contracts;
mod delivery;
mod dev;
mod dlq;
mod emit;
mod explain;
mod graph;
mod handlers;
mod known;
mod lag;
mod log;
mod output;
mod own;
mod pause;
mod replay;
mod seek;
mod stop;
mod table;
mod tail;
mod topics;
mod value;
mod when;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app::{
    CommandContext, EventApp, ExitStatus, OwnCommand, Settings, SettingsOverrides, kafka_broker,
    or_report, print_warnings, signals,
};
use crate::outcome::Error;
use crate::registry::StartupReport;

#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Flags {
    /// The settings file; default: `event.toml`
    #[arg(long, global = true, help_heading = "Settings", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Bootstrap addresses of the Kafka cluster, separated by commas
    #[arg(long, global = true, help_heading = "Settings", value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// The consumer group; default: the service's name
    #[arg(long, global = true, help_heading = "Settings")]
    group: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Join the consumer group and handle events until SIGTERM or ctrl-c
    Run,
    /// Run on an embedded broker, with sample events
    Dev(dev::DevArgs),
    /// Check handlers, contracts and settings; with `--online` the topics on the broker too
    Check(check::CheckArgs),
    /// List the handlers
    Handlers(handlers::HandlersArgs),
    /// List the contracts of events
    Contracts(contracts::ContractsArgs),
    /// Show how an event is routed, retried and dead-lettered, or dry-run one record
    Explain(explain::ExplainArgs),
    /// Print the graph of events and handlers
    Graph(graph::GraphArgs),
    /// Publish one event
    Emit(emit::EmitArgs),
    /// Pause a handler, or all handlers of a topic
    Pause(pause::SubjectArgs),
    /// Resume a paused handler or topic
    Resume(pause::SubjectArgs),
    /// List what is paused
    Paused,
    /// Print the records of topics, decoded
    Tail(tail::TailArgs),
    /// Print the lag of each consumer group
    Lag(lag::LagArgs),
    /// List, show, redrive or drop dead letters; `--group` selects the consumer group
    Dlq(dlq::DlqArgs),
    /// Reset the group's offsets; the service must be stopped
    Seek(seek::SeekArgs),
    /// Reprocess a range of a topic in this process; the group's offsets stay
    Replay(replay::ReplayArgs),
    /// List or create the topics that the service needs
    Topics(topics::TopicsArgs),
    /// Print the ACLs that the service or a command needs, as `kafka-acls` commands
    Acls(acls::AclsArgs),
}

impl EventApp {
    /// Adds a command of the program's own beside those of event-core: `run` gets its arguments and the settings,
    /// for which the flags under "Settings" hold as well, and what it returns is what the program ends with. It
    /// joins no group and makes no states. A name that exists is an error (exit code 2).
    ///
    /// ```no_run
    /// # use event_core::prelude::*;
    /// # async fn import(_: &str) -> Result { Ok(()) }
    /// # fn app() -> Result<EventApp> { Ok(
    /// EventApp::from_env("admin")?.command(
    ///     clap::Command::new("import").about("Import an audit log").arg(clap::arg!(<FILE>)),
    ///     |command| async move {
    ///         let file = command.arguments().get_one::<String>("FILE").map_or("-", String::as_str);
    ///         import(file).await
    ///     },
    /// )
    /// # ) }
    /// ```
    #[must_use]
    pub fn command<F, Fut>(mut self, command: clap::Command, run: F) -> Self
    where
        F: FnOnce(CommandContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.commands.push(OwnCommand::new(command, run));
        self
    }

    /// Parses the command line and runs the command: `run`, `dev`, `check`, `handlers`,
    /// `contracts`, `explain`, `graph`, `emit`, `tail`, `lag`, `dlq`, `seek`, `replay`, `topics`,
    /// `acls`, `pause`, `resume`, `paused`, or one added by [`EventApp::command`].
    ///
    /// # Errors
    ///
    /// What the command ended with; `#[event_core::main]` turns it into an exit code: 2 for a
    /// service that cannot start or a wrong command line, 1 for everything else, also when standard output
    /// cannot be written because a disk is full. A reader that goes away (`.. | head`) ends the command, which
    /// is no failure. It also ends the
    /// process while handlers still block threads, which `#[tokio::main]` does not: see
    /// [`EventApp::run_on`].
    pub async fn main(self) -> Result<(), Error> {
        self.main_from(std::env::args_os()).await
    }

    /// The same with a command line of one's own, the program's name first.
    ///
    /// # Errors
    ///
    /// As for [`EventApp::main`].
    pub async fn main_from(
        self,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<(), Error> {
        output::finish(self.command_from(arguments).await)
    }

    async fn command_from(
        mut self,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<(), Error> {
        let command = Cli::command().name(self.service().to_owned());
        let command = command.version(self.version.clone());
        let mut own = std::mem::take(&mut self.commands);
        let mut matches = own::add(command, &own)?.try_get_matches_from(arguments);
        if let Ok(matches) = &mut matches
            && let Some((name, _)) = matches.subcommand()
            && let Some(index) = own.iter().position(|own| own.command.get_name() == name)
        {
            log::init("warn")?;
            let Flags { config, brokers, group } = Flags::from_arg_matches(matches)
                .map_err(|error| ExitStatus { code: 2, message: error.to_string() })?;
            let overrides = SettingsOverrides { config, brokers, group };
            let settings = Settings::load(self.service(), &overrides, std::env::vars_os());
            let settings = or_report(settings)?;
            let arguments = matches.remove_subcommand().map(|(_, arguments)| arguments);
            let arguments = arguments.unwrap_or_default();
            let context =
                CommandContext { service: self.service().to_owned(), arguments, settings };
            return own.swap_remove(index).run(context).await;
        }
        let cli = match matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
            Ok(cli) => cli,
            // Help and version are printed to standard output and are no failure.
            Err(error) if !error.use_stderr() => {
                output::note(error.print());
                return Ok(());
            }
            Err(error) => {
                let text = error.render();
                let text = match std::io::stderr().is_terminal() {
                    true => text.ansi().to_string(),
                    false => text.to_string(),
                };
                let message = text.trim_end().to_owned();
                return Err(ExitStatus { code: 2, message }.into());
            }
        };
        log::init(match cli.command {
            Command::Run => "info",
            // It prints by itself what happens to records.
            Command::Dev(_) | Command::Replay(_) => "warn,event_core=off",
            _ => "warn",
        })?;
        let Flags { config, brokers, group } = cli.flags;
        if let (Command::Dev(_), Some(brokers)) = (&cli.command, &brokers) {
            let message = format!("`dev` runs on a broker of its own; for {brokers} use `run`");
            return Err(ExitStatus { code: 2, message }.into());
        }
        let named_group = group.clone();
        // There it says which group of the service is meant, whose own group stays what it is.
        let group = group.filter(|group| match cli.command {
            Command::Dlq(_) => false,
            Command::Lag(_) | Command::Seek(_) | Command::Explain(_) => {
                !self.registry().handlers().iter().any(|h| h.options.group == Some(group.as_str()))
            }
            _ => true,
        });
        let overrides = SettingsOverrides { config, brokers, group };
        let settings = Settings::load(self.service(), &overrides, std::env::vars_os());
        match cli.command {
            Command::Run => self.run_command(settings).await,
            Command::Dev(arguments) => dev::run(self, settings, arguments).await,
            Command::Check(arguments) => check::run(&self, settings, &arguments).await,
            Command::Handlers(arguments) => handlers::run(&self.registry(), settings, &arguments),
            Command::Contracts(arguments) => contracts::run(&self.registry(), &arguments),
            Command::Explain(arguments) => {
                explain::run(self, &or_report(settings)?, named_group.as_deref(), arguments).await
            }
            Command::Graph(arguments) => {
                graph::run(&self.registry(), &arguments);
                Ok(())
            }
            Command::Emit(arguments) => emit::run(&self, &or_report(settings)?, arguments).await,
            Command::Pause(subject) => pause::pause(&or_report(settings)?, &subject),
            Command::Resume(subject) => pause::resume(&or_report(settings)?, &subject),
            Command::Paused => pause::paused(&or_report(settings)?),
            Command::Tail(arguments) => tail::run(&self, &or_report(settings)?, arguments).await,
            Command::Lag(arguments) => {
                lag::run(&self, &or_report(settings)?, named_group.as_deref(), &arguments).await
            }
            Command::Dlq(arguments) => {
                dlq::run(self, &or_report(settings)?, named_group, arguments).await
            }
            Command::Seek(arguments) => {
                seek::run(&self, &or_report(settings)?, named_group.as_deref(), &arguments).await
            }
            Command::Replay(arguments) => {
                let settings = self.settings_or_report(settings)?;
                replay::run(self, settings, arguments).await
            }
            Command::Topics(arguments) => {
                topics::run(&self, &or_report(settings)?, arguments).await
            }
            Command::Acls(arguments) => acls::run(&self, &or_report(settings)?, &arguments),
        }
    }

    async fn run_command(self, settings: Result<Settings, StartupReport>) -> Result<(), Error> {
        let settings = self.settings_or_report(settings)?;
        let broker = kafka_broker(self.service(), &settings)?;
        self.run_on(broker, settings, signals()).await
    }

    // What can be found wrong without a broker, that of the settings among it.
    fn report(
        &self,
        settings: Result<Settings, StartupReport>,
    ) -> (Option<Settings>, StartupReport) {
        match settings {
            Ok(settings) => {
                let report = self.check_with(&settings);
                (Some(settings), report)
            }
            Err(wrong) => {
                let mut report = self.check(self.service());
                report.add_problems(wrong.problems().iter().cloned());
                report.add_warnings(wrong.warnings().iter().cloned());
                report.add_problems(self.registry().check_named(&wrong.tables));
                (None, report)
            }
        }
    }

    // Wrong settings are reported together with what else is wrong.
    fn settings_or_report(
        &self,
        settings: Result<Settings, StartupReport>,
    ) -> Result<Settings, StartupReport> {
        let (settings, report) = self.report(settings);
        print_warnings(report.warnings());
        settings.ok_or(report)
    }
}
