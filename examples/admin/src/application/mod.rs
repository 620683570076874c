//! Which event becomes which entry: one function an event, and nothing else to edit.

mod claims;
mod roles;
mod users;

#[cfg(test)]
mod testing;
