//! Entries as a table for a terminal.

use crate::domain::AuditEntry;

const HEADINGS: [&str; 8] =
    ["TIME", "ACTION", "USER", "ENTITY", "DESCRIPTION", "SOURCE", "EVENT ID", "NEW VALUE"];

/// One line an entry under a line of headings; `-` where there is nothing.
#[must_use]
pub fn render(entries: &[AuditEntry]) -> String {
    let mut lines = vec![HEADINGS.map(String::from)];
    lines.extend(entries.iter().map(cells));
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    });
    let mut table = String::new();
    for line in &lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(widths) {
            row.push_str(&format!("{cell:width$}  "));
        }
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table
}

fn cells(entry: &AuditEntry) -> [String; HEADINGS.len()] {
    let optional = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), visible);
    [
        format!("{:.3}", entry.occurred_at),
        visible(&entry.action),
        optional(&entry.user_id),
        visible(&entry.entity_name),
        visible(&entry.description),
        visible(&entry.source),
        optional(&entry.event_id),
        visible(&entry.new_value),
    ]
}

// What came from elsewhere must not move the cursor.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            visible.extend(character.escape_default());
        } else {
            visible.push(character);
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: &str, user_id: Option<&str>) -> AuditEntry {
        AuditEntry {
            action: action.into(),
            user_id: user_id.map(Into::into),
            description: "Claim added with ID: 7 to Role ID: 3".into(),
            entity_name: "Roles".into(),
            new_value: "{}".into(),
            occurred_at: "2024-05-01T10:00:00Z".parse().unwrap(),
            event_id: None,
            source: "role_events/0@15".into(),
            dedupe_key: "k".into(),
        }
    }

    #[test]
    fn columns_are_aligned() {
        let table = render(&[entry("CLAIM_ADDED", Some("\u{f1}")), entry("A", None)]);
        let starts: Vec<_> = table.lines().map(|line| line.find("Roles")).collect();
        let [None, Some(first), Some(second)] = starts[..] else { panic!("{table}") };
        // The letter before it takes two bytes and one column.
        assert_eq!(first, second + 1, "{table}");
    }

    #[test]
    fn control_characters_are_shown() {
        let table = render(&[entry("A\x1b[2J\nB", None)]);
        assert!(table.contains(r"A\u{1b}[2J\nB"), "{table}");
        assert_eq!(table.lines().count(), 2);
    }
}
