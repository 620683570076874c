//! The graph as a [Mermaid](https://mermaid.js.org/syntax/flowchart.html) flowchart.

use std::fmt::Write;

use super::Graph;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = "flowchart LR\n".to_owned();
    // Writing to a text cannot fail.
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "  {arguments}");
    };
    for (index, event) in graph.events.iter().enumerate() {
        let class = if event.handlers.is_empty() { ":::unhandled" } else { "" };
        line(format_args!("e{index}([\"{}\"]){class}", escaped(&event.label())));
    }
    for (index, handler) in graph.handlers.iter().enumerate() {
        line(format_args!("h{index}[\"{}\"]", escaped(&handler.label())));
    }
    if graph.has_unknown() {
        line(format_args!("any([\"any event\"])"));
    }
    for (index, event) in graph.events.iter().enumerate() {
        for handler in &event.handlers {
            line(format_args!("e{index} --> h{handler}"));
        }
    }
    for (index, handler) in graph.handlers.iter().enumerate() {
        match &handler.sends {
            None => line(format_args!("h{index} -.-> any")),
            Some(sends) => sends.iter().for_each(|event| {
                line(format_args!("h{index} --> e{event}"));
            }),
        }
    }
    line(format_args!("classDef unhandled stroke-dasharray: 5 5"));
    text
}

// Entities, as Mermaid writes them. Names that others chose may have any character.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_mermaid_would_read_is_escaped() {
        assert_eq!(escaped("a \"b\" #1 <i>"), "a #quot;b#quot; #35;1 #lt;i#gt;");
    }
}
