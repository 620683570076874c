//! The user's own commands beside ours.

use clap::ArgMatches;

use crate::app::{BoxFuture, ExitStatus};
use crate::outcome::Error;

/// A command of the user's program.
pub(crate) struct OwnCommand {
    pub(super) command: clap::Command,
    run: Box<dyn FnOnce(ArgMatches) -> BoxFuture<Result<(), Error>> + Send>,
}

impl OwnCommand {
    pub(crate) fn new<F, Fut>(command: clap::Command, run: F) -> Self
    where
        F: FnOnce(ArgMatches) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        OwnCommand { command, run: Box::new(move |arguments| Box::pin(run(arguments))) }
    }

    pub(super) async fn run(self, arguments: ArgMatches) -> Result<(), Error> {
        (self.run)(arguments).await
    }
}

/// Adds the user's commands to `all`. clap takes the first of two with one name, so that is an error.
pub(super) fn add(mut all: clap::Command, own: &[OwnCommand]) -> Result<clap::Command, ExitStatus> {
    for OwnCommand { command, .. } in own {
        let names = [command.get_name()].into_iter().chain(command.get_all_aliases());
        for name in names {
            if name == "help" || all.find_subcommand(name).is_some() {
                let message = format!(
                    "the app has a command `{name}` of its own, and there is one already: give `EventApp::command` another name"
                );
                return Err(ExitStatus { code: 2, message });
            }
        }
        all = all.subcommand(command.clone());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use clap::Command;

    use super::*;
    use crate::app::EventApp;

    async fn run_with(command: Command, line: &[&str]) -> (Result<(), Error>, Option<String>) {
        let (ran, has_run) = mpsc::channel();
        let app = EventApp::from_env("admin").unwrap().command(command, |arguments| async move {
            let file = arguments.get_one::<String>("FILE").cloned();
            ran.send(file.clone().unwrap_or_default()).unwrap();
            match file.as_deref() {
                Some("missing") => Err(Error::msg("no such file")),
                _ => Ok(()),
            }
        });
        let ended = app.main_from(line.iter().map(Into::into)).await;
        (ended, has_run.try_recv().ok())
    }

    fn import() -> Command {
        Command::new("import").about("Import an audit log").arg(clap::arg!([FILE]))
    }

    #[tokio::test]
    async fn a_command_of_the_app_gets_its_arguments_and_gives_its_result() {
        let (ended, file) = run_with(import(), &["admin", "import", "log.csv"]).await;
        ended.unwrap();
        assert_eq!(file.as_deref(), Some("log.csv"));
        let (ended, _) = run_with(import(), &["admin", "import", "missing"]).await;
        assert_eq!(ended.unwrap_err().to_string(), "no such file");
    }

    #[tokio::test]
    async fn a_wrong_line_and_a_name_that_exists_are_told_before_anything_runs() {
        let (ended, file) = run_with(import(), &["admin", "import", "a", "b"]).await;
        assert!(ended.unwrap_err().to_string().contains("unexpected argument 'b'"));
        assert_eq!(file, None);
        let (ended, _) = run_with(Command::new("replay"), &["admin", "check"]).await;
        let expected = "the app has a command `replay` of its own, and there is one already: give `EventApp::command` another name";
        assert_eq!(ended.unwrap_err().to_string(), expected);
    }
}
