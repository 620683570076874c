//! The graph in the [DOT language](https://graphviz.org/doc/info/lang.html) of Graphviz.

use std::fmt::Write;

use super::Graph;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = "digraph events {\n  rankdir=LR;\n".to_owned();
    // Writing to a text cannot fail.
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "  {arguments};");
    };
    for (index, event) in graph.events.iter().enumerate() {
        let style = if event.handlers.is_empty() { ", style=dashed" } else { "" };
        let label = escaped(&event.label());
        line(format_args!("e{index} [label=\"{label}\", shape=oval{style}]"));
    }
    for (index, handler) in graph.handlers.iter().enumerate() {
        line(format_args!("h{index} [label=\"{}\", shape=box]", escaped(&handler.label())));
    }
    if graph.has_unknown() {
        line(format_args!("any [label=\"any event\", shape=oval]"));
    }
    for (index, event) in graph.events.iter().enumerate() {
        for handler in &event.handlers {
            line(format_args!("e{index} -> h{handler}"));
        }
    }
    for (index, handler) in graph.handlers.iter().enumerate() {
        match &handler.sends {
            None => line(format_args!("h{index} -> any [style=dashed]")),
            Some(sends) => sends.iter().for_each(|event| {
                line(format_args!("h{index} -> e{event}"));
            }),
        }
    }
    text.push_str("}\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_graphviz_would_read_is_escaped() {
        assert_eq!(escaped(r#"a "b" \N"#), r#"a \"b\" \\N"#);
    }
}
