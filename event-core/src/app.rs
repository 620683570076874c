//! stub
/// stub
pub struct EventApp;
/// Turns what `main` returns into an exit code.
pub fn exit<T>(result: crate::Result<T>) -> std::process::ExitCode {
    match result {
        Ok(_) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e:?}");
            std::process::ExitCode::from(1)
        }
    }
}
