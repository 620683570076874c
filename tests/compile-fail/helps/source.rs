//! A program as tokens with their places, as much of its grammar as the helps speak of.

use std::ops::Range;

/// One token. Brackets are tokens of their own.
pub(crate) struct Token<'s> {
    pub(crate) text: &'s str,
    pub(crate) start: usize,
    /// The bracket that opens the group this token is in.
    pub(crate) parent: Option<usize>,
    /// Of a bracket, the other one.
    pub(crate) partner: Option<usize>,
}

/// A source. Ranges of it are of tokens unless they say bytes.
pub(crate) struct Source<'s> {
    pub(crate) text: &'s str,
    pub(crate) tokens: Vec<Token<'s>>,
}

/// What begins an item, its visibility aside.
const ITEM: [&str; 13] = [
    "fn", "struct", "enum", "union", "trait", "impl", "mod", "type", "static", "async", "unsafe",
    "extern", "const",
];
const NAMED: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "mod", "type", "static"];

impl<'s> Source<'s> {
    pub(crate) fn new(text: &'s str) -> Self {
        let mut tokens: Vec<Token<'s>> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut start = 0;
        while let Some(length) = token_length(&text[start..]) {
            let token = &text[start..start + length];
            if !token.starts_with(char::is_whitespace) && !token.starts_with("//") {
                let index = tokens.len();
                let closes = matches!(token, ")" | "]" | "}").then(|| open.pop()).flatten();
                let parent = open.last().copied();
                if matches!(token, "(" | "[" | "{") {
                    open.push(index);
                }
                if let Some(opening) = closes {
                    tokens[opening].partner = Some(index);
                }
                tokens.push(Token { text: token, start, parent, partner: closes });
            }
            start += length;
        }
        Source { text, tokens }
    }

    /// The tokens that the bytes touch.
    pub(crate) fn at(&self, bytes: &Range<usize>) -> Range<usize> {
        let first = self.tokens.partition_point(|t| t.start + t.text.len() <= bytes.start);
        let end = self.tokens.partition_point(|t| t.start < bytes.end).max(first);
        first..end
    }

    pub(crate) fn bytes(&self, tokens: &Range<usize>) -> Range<usize> {
        let end = |t: &Token<'_>| t.start + t.text.len();
        if tokens.is_empty() {
            let at = self.tokens.get(tokens.start).map_or(self.text.len(), |t| t.start);
            return at..at;
        }
        self.tokens[tokens.start].start..end(&self.tokens[tokens.end - 1])
    }

    pub(crate) fn text_of(&self, tokens: &Range<usize>) -> &'s str {
        &self.text[self.bytes(tokens)]
    }

    pub(crate) fn texts(&self, tokens: Range<usize>) -> impl Iterator<Item = &'s str> + '_ {
        self.tokens[tokens].iter().map(|token| token.text)
    }

    pub(crate) fn is(&self, index: usize, text: &str) -> bool {
        self.tokens.get(index).is_some_and(|token| token.text == text)
    }

    /// The groups around a token, the innermost first; `None` is the whole file.
    pub(crate) fn groups(&self, mut index: usize) -> Vec<Option<usize>> {
        let mut groups = Vec::new();
        while let Some(parent) = self.tokens.get(index).and_then(|token| token.parent) {
            groups.push(Some(parent));
            index = parent;
        }
        groups.push(None);
        groups
    }

    /// What is in the group, between its brackets.
    pub(crate) fn inside(&self, group: Option<usize>) -> Range<usize> {
        match group {
            Some(open) => open + 1..self.tokens[open].partner.unwrap_or(self.tokens.len()),
            None => 0..self.tokens.len(),
        }
    }

    /// The elements of the list in a group: `topic = ".."`, `id: i64`.
    pub(crate) fn elements(&self, group: Option<usize>) -> Vec<Range<usize>> {
        let inside = self.inside(group);
        let (mut elements, mut start, mut angles) = (Vec::new(), inside.start, 0_usize);
        let mut index = inside.start;
        while index < inside.end {
            match self.tokens[index].text {
                "<" => angles += 1,
                ">" => angles = angles.saturating_sub(1),
                "," if angles == 0 => {
                    elements.push(start..index);
                    start = index + 1;
                }
                _ => {}
            }
            index = self.tokens[index].partner.filter(|p| *p > index).unwrap_or(index) + 1;
        }
        if start < inside.end {
            elements.push(start..inside.end);
        }
        elements
    }

    /// The element of the group that a token is in.
    pub(crate) fn element(&self, group: Option<usize>, index: usize) -> Option<Range<usize>> {
        self.elements(group).into_iter().find(|element| element.contains(&index))
    }

    /// Where an element or item begins behind its attributes.
    pub(crate) fn behind_attributes(&self, range: &Range<usize>) -> usize {
        let mut index = range.start;
        while index < range.end && self.is(index, "#") {
            index = self.tokens.get(index + 1).and_then(|t| t.partner).unwrap_or(index + 1) + 1;
        }
        index
    }

    /// Where it begins behind its visibility, too.
    pub(crate) fn content(&self, range: &Range<usize>) -> usize {
        let mut index = self.behind_attributes(range);
        if self.is(index, "pub") {
            index += 1;
            if self.is(index, "(") {
                index = self.tokens[index].partner.unwrap_or(index) + 1;
            }
        }
        index
    }

    /// The innermost item that a token is in, with its attributes.
    pub(crate) fn item(&self, index: usize) -> Option<Range<usize>> {
        self.groups(index).into_iter().find_map(|group| {
            let items = self.items(group);
            items.into_iter().find(|item| item.contains(&index))
        })
    }

    /// The items that stand directly in a group.
    pub(crate) fn items(&self, group: Option<usize>) -> Vec<Range<usize>> {
        let inside = self.inside(group);
        let (mut items, mut start) = (Vec::new(), inside.start);
        let mut index = inside.start;
        while index < inside.end {
            let close = self.tokens[index].partner.filter(|p| *p > index);
            let ends = self.is(index, ";") || self.is(index, "{");
            index = close.unwrap_or(index) + 1;
            if ends {
                items.push(start..index);
                start = index;
            }
        }
        items.push(start..inside.end);
        items.retain(|item| {
            let content = self.content(item);
            item.contains(&content) && ITEM.contains(&self.tokens[content].text)
        });
        items
    }

    /// The keyword of an item that has a name: that of `async fn handle` is `fn`.
    pub(crate) fn keyword(&self, item: &Range<usize>) -> Option<usize> {
        let content = self.content(item);
        (content..item.end).find(|&index| NAMED.contains(&self.tokens[index].text))
    }

    /// The attributes in front of an element or item.
    pub(crate) fn attributes(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let (mut attributes, end) = (Vec::new(), self.behind_attributes(range));
        let mut index = range.start;
        while index < end {
            let close = self.tokens[index + 1].partner.unwrap_or(index + 1);
            attributes.push(index..close + 1);
            index = close + 1;
        }
        attributes
    }

    /// The last word of an attribute's path: that of `#[event_core::main(..)]` is `main`.
    pub(crate) fn attribute_name(&self, attribute: &Range<usize>) -> &'s str {
        let mut path = attribute.start + 2;
        while self.is(path + 1, "::") {
            path += 2;
        }
        self.tokens.get(path).map_or("", |token| token.text)
    }

    /// The bracket that opens an attribute's list of arguments.
    pub(crate) fn attribute_list(&self, attribute: &Range<usize>) -> Option<usize> {
        (attribute.start + 2..attribute.end).find(|&index| self.is(index, "("))
    }

    /// Where these tokens stand, and touch `near`.
    pub(crate) fn find(&self, wanted: &Source<'_>, near: &Range<usize>) -> Option<Range<usize>> {
        let all = self.find_all(wanted, &(0..self.tokens.len()));
        all.into_iter().find(|range| range.start < near.end && near.start < range.end)
    }

    /// Everywhere that these tokens stand in `within`.
    pub(crate) fn find_all(&self, wanted: &Source<'_>, within: &Range<usize>) -> Vec<Range<usize>> {
        let length = wanted.tokens.len();
        let starts = within.start..(within.end + 1).saturating_sub(length);
        let ranges = starts.map(|start| start..start + length);
        let same = |range: &Range<usize>| self.texts(range.clone()).eq(wanted.texts(0..length));
        ranges.filter(same).collect()
    }
}

// How long the token, the space or the comment is that a text begins with.
fn token_length(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    let run = |is: fn(char) -> bool| text.find(|c: char| !is(c)).unwrap_or(text.len());
    let word: fn(char) -> bool = |c| c.is_alphanumeric() || c == '_';
    if first.is_whitespace() {
        return Some(run(char::is_whitespace));
    }
    if text.starts_with("//") {
        return Some(run(|c| c != '\n'));
    }
    if word(first) {
        return Some(run(word));
    }
    if first == '"' {
        return Some(quoted(text, '"'));
    }
    if first == '\'' {
        // A character ends with a quote, a lifetime does not.
        let end = quoted(text, '\'');
        let name = 1 + text[1..].find(|c: char| !word(c)).unwrap_or(text.len() - 1);
        return Some(if end == name + 1 || text[1..].starts_with('\\') { end } else { name });
    }
    let joined = ["..=", "->", "=>", "::", "..", "==", "<=", ">=", "!=", "&&", "||"];
    let joined = joined.iter().find(|joined| text.starts_with(**joined));
    Some(joined.map_or(first.len_utf8(), |joined| joined.len()))
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}
