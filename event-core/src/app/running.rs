//! The apps that run in this process.
//!
//! Each takes every handler that is linked unless it is told which. So two of them would handle every
//! event twice, once in the group of each.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::GroupName;
use crate::registry::{Place, StartupProblem};

static RUNNING: Mutex<Vec<Arc<RunsIn>>> = Mutex::new(Vec::new());

/// An app, and what it runs.
#[derive(Debug)]
pub(super) struct RunsIn {
    pub(super) service: String,
    /// Where the program makes it.
    pub(super) place: Place,
    /// Its handlers by id, each with its consumer group.
    pub(super) handlers: BTreeSet<(String, GroupName)>,
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
    let twice = |(id, group): &&(String, GroupName)| {
        let groups = one.handlers.iter().filter(|(own, _)| own == id);
        let mut groups = groups.map(|(_, group)| group);
        groups.any(|own| own != group || one.service != other.service)
    };
    let handlers: Vec<_> = other.handlers.iter().filter(twice).map(|(id, _)| id.clone()).collect();
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

    fn app(service: &str, handlers: &[&str]) -> RunsIn {
        let group = GroupName::parse(service).unwrap();
        RunsIn {
            service: service.to_owned(),
            place: Place { name: "EventApp", file: "src/main.rs", line: 7 },
            handlers: handlers.iter().map(|id| ((*id).to_owned(), group.clone())).collect(),
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
}
