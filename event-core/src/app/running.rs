//! The apps that run in this process.
//!
//! Each takes every handler that is linked unless it names modules. So two of them would handle every
//! event twice, once in the group of each.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::GroupName;
use crate::registry::{SourceLocation, StartupProblem};

static RUNNING: Mutex<Vec<Arc<RunsIn>>> = Mutex::new(Vec::new());

/// An app, and what it runs.
#[derive(Debug)]
pub(super) struct RunsIn {
    pub(super) service: String,
    /// Where the program makes it.
    pub(super) place: SourceLocation,
    /// Its handlers, each with its consumer group.
    pub(super) handlers: BTreeSet<(RunHandler, GroupName)>,
}

/// A handler by where it stands: those of two crates may have one id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RunHandler {
    pub(super) module: &'static str,
    pub(super) name: &'static str,
    pub(super) line: u32,
    pub(super) id: String,
}

/// Keeps an app among those that run.
#[derive(Debug)]
pub(crate) struct Running(Arc<RunsIn>);

impl Running {
    /// Adds `app`, unless another one runs its handlers in another group. Instances of one service may
    /// share them.
    pub(super) fn add(app: RunsIn) -> Result<Self, StartupProblem> {
        let mut running = running();
        if let Some(problem) = running.iter().find_map(|other| shared(other, &app)) {
            return Err(problem);
        }
        let app = Arc::new(app);
        running.push(Arc::clone(&app));
        Ok(Running(app))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        running().retain(|app| !Arc::ptr_eq(app, &self.0));
    }
}

fn shared(one: &RunsIn, other: &RunsIn) -> Option<StartupProblem> {
    // In one group they share the work.
    let twice = |(handler, _): &&(RunHandler, GroupName)| {
        let groups = |app: &RunsIn| -> BTreeSet<_> {
            let same = app.handlers.iter().filter(|(own, _)| own == handler);
            same.map(|(_, group)| group.clone()).collect()
        };
        let own = groups(one);
        !own.is_empty() && own.is_disjoint(&groups(other))
    };
    let handlers = other.handlers.iter().filter(twice).map(|(handler, _)| handler.id.clone());
    let handlers: Vec<_> = handlers.collect();
    (!handlers.is_empty()).then(|| StartupProblem::SharedHandlers {
        services: vec![one.service.clone(), other.service.clone()],
        places: vec![one.place.clone(), other.place.clone()],
        handlers,
    })
}

fn running() -> MutexGuard<'static, Vec<Arc<RunsIn>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(module: &'static str, id: &str) -> RunHandler {
        RunHandler { module, name: "on_claim", line: 7, id: id.to_owned() }
    }

    fn app(service: &str, handlers: &[&str]) -> RunsIn {
        let group = GroupName::parse(service).unwrap();
        RunsIn {
            service: service.to_owned(),
            place: SourceLocation { name: "EventApp", file: "src/main.rs", line: 7 },
            handlers: handlers.iter().map(|id| (handler("shop", id), group.clone())).collect(),
        }
    }

    #[test]
    fn handlers_in_two_apps_are_a_problem_that_names_both() {
        let problem = shared(&app("billing", &["a", "b"]), &app("audit", &["b"])).unwrap();
        assert_eq!(
            problem.message(),
            "apps `billing` and `audit` run in one process, and each has the handler b: its events are handled by each"
        );
    }

    #[test]
    fn apps_with_handlers_of_their_own_and_instances_of_one_service_are_none() {
        assert!(shared(&app("billing", &["a"]), &app("audit", &["b"])).is_none());
        assert!(shared(&app("billing", &["a"]), &app("billing", &["a"])).is_none());
    }

    #[test]
    fn two_handlers_with_one_id_and_one_with_a_group_of_its_own_are_none() {
        let (billing, mut audit) = (app("billing", &["a"]), app("audit", &[]));
        let group = GroupName::parse("audit").unwrap();
        audit.handlers = [(handler("books", "a"), group)].into();
        assert!(shared(&billing, &audit).is_none());
        let group = GroupName::parse("mail").unwrap();
        let mails = |service| RunsIn {
            handlers: [(handler("shop", "mail"), group.clone())].into(),
            ..app(service, &[])
        };
        assert!(shared(&mails("billing"), &mails("audit")).is_none());
    }
}
