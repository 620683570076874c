//! The user's own commands among ours.

use crate::app::{ExitStatus, OwnCommand};

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

    use crate::app::EventApp;
    use crate::outcome::Error;

    async fn run_with(command: Command, line: &[&str]) -> (Result<(), Error>, Option<String>) {
        let (ran, has_run) = mpsc::channel();
        let app = EventApp::from_env("admin").unwrap().command(command, |context| async move {
            let file = context.arguments().get_one::<String>("FILE").cloned();
            let brokers = context.settings().brokers.clone();
            ran.send(format!("{} at {brokers}", file.clone().unwrap_or_default())).unwrap();
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
        let line = ["admin", "import", "--brokers", "staging:9092", "log.csv"];
        let (ended, ran) = run_with(import(), &line).await;
        ended.unwrap();
        assert_eq!(ran.as_deref(), Some("log.csv at staging:9092"));
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
