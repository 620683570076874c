//! Where in the user's code a problem lies.

use std::fmt;
use std::panic::Location;

use crate::event::ContractInfo;
use crate::handler::HandlerRegistration;

/// Something of the user's that a problem is about, with where it is in the code.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SourceLocation {
    /// The function's or the type's name.
    pub name: &'static str,
    /// The file.
    pub file: &'static str,
    /// The line.
    pub line: u32,
}

impl From<&HandlerRegistration> for SourceLocation {
    fn from(handler: &HandlerRegistration) -> Self {
        SourceLocation { name: handler.name, file: handler.file, line: handler.line }
    }
}

impl SourceLocation {
    /// Where the program calls the method `name` of the app.
    pub(crate) fn of_call(name: &'static str, at: &'static Location<'static>) -> Self {
        SourceLocation { name, file: at.file(), line: at.line() }
    }
}

impl From<&ContractInfo> for SourceLocation {
    fn from(contract: &ContractInfo) -> Self {
        SourceLocation { name: contract.type_name, file: contract.file, line: contract.line }
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
