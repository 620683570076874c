//! Handlers whose events come back to them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Groups, StartupProblem};
use crate::handler::{HandlerRegistration, Selector};

/// Who gets an event: of each consumer group the handler that takes it, or else the catch-all.
struct Routes(Vec<BTreeMap<&'static str, Topic>>);

#[derive(Default)]
struct Topic {
    events: BTreeMap<&'static str, usize>,
    catch_all: Option<usize>,
}

/// One warning for each set of handlers that send events to one another in a circle. A handler that can
/// send anything is not followed.
pub(super) fn loops(groups: &Groups) -> Vec<StartupProblem> {
    let handlers: Vec<_> = groups.values().flatten().copied().collect();
    let routes = Routes::new(groups);
    let next: Vec<BTreeSet<usize>> = handlers.iter().map(|handler| routes.after(handler)).collect();
    let reached: Vec<_> = (0..handlers.len()).map(|from| reached(from, &next)).collect();
    let mut reported = BTreeSet::<usize>::new();
    let mut loops = Vec::new();
    for start in 0..handlers.len() {
        if !reached[start].contains(&start) || reported.contains(&start) {
            continue;
        }
        // Those on the way there and back.
        let circle: Vec<_> = reached[start]
            .iter()
            .copied()
            .filter(|other| reached[*other].contains(&start))
            .collect();
        reported.extend(&circle);
        let mut places = BTreeSet::new();
        let handlers = circle.iter().map(|index| handlers[*index]);
        // An attribute for each of several events makes as many registrations of one function.
        let handlers = handlers.filter(|h| places.insert((h.module, h.file, h.line))).collect();
        loops.push(StartupProblem::EventLoop { handlers });
    }
    loops
}

impl Routes {
    fn new(groups: &Groups) -> Self {
        let mut index = 0;
        let routes = groups.values().map(|handlers| {
            let mut topics = BTreeMap::<_, Topic>::new();
            for handler in handlers {
                let topic = topics.entry(handler.topic).or_default();
                match handler.selects {
                    Selector::CatchAll => topic.catch_all = Some(index),
                    Selector::Tombstones => {}
                    Selector::Event(_) | Selector::Contracts(_) => {
                        topic
                            .events
                            .extend(handler.selects.names().into_iter().map(|e| (e, index)));
                    }
                }
                index += 1;
            }
            topics
        });
        Routes(routes.collect())
    }

    fn after(&self, handler: &HandlerRegistration) -> BTreeSet<usize> {
        let sent = handler.sends().unwrap_or_default();
        let takers = sent.iter().flat_map(|contract| {
            self.0.iter().filter_map(|group| {
                let topic = group.get(contract.topic)?;
                topic.events.get(contract.name).copied().or(topic.catch_all)
            })
        });
        takers.collect()
    }
}

fn reached(from: usize, next: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut ahead: Vec<_> = next[from].iter().copied().collect();
    while let Some(handler) = ahead.pop() {
        if reached.insert(handler) {
            ahead.extend(&next[handler]);
        }
    }
    reached
}
