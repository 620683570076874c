use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::Path;

/// Why there is no broker, with the last lines of its log.
#[derive(Debug)]
pub struct StartError(String);

impl StartError {
    pub(crate) fn new(message: impl Into<String>) -> StartError {
        StartError(message.into())
    }
}

impl Display for StartError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Says which file an error of the file system is about.
pub(crate) trait Context<T> {
    fn context(self, what: &str, path: &Path) -> Result<T, StartError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: &str, path: &Path) -> Result<T, StartError> {
        self.map_err(|error| StartError::new(format!("{what} {}: {error}", path.display())))
    }
}
