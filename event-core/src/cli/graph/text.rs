//! The graph for people: each event, its handlers, and what they send.

use super::Graph;

pub(super) fn write(graph: &Graph) -> String {
    let mut lines = Vec::new();
    for event in &graph.events {
        lines.push(event.label());
        if event.handlers.is_empty() {
            lines.push("  handled by nobody here".to_owned());
        }
        for handler in event.handlers.iter().map(|index| &graph.handlers[*index]) {
            lines.push(format!("  handled by {}", handler.label()));
            match &handler.sends {
                None => lines.push("    sends any event".to_owned()),
                Some(sends) => {
                    let labels = sends.iter().map(|index| graph.events[*index].label());
                    lines.extend(labels.map(|label| format!("    sends {label}")));
                }
            }
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
