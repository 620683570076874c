//! What a help changes where its error points.

use std::ops::Range;

use crate::apply::Edit;
use crate::help::Instruction;
use crate::pinned::Mark;
use crate::source::Source;

/// What an error marks.
pub(crate) struct Marked<'s> {
    source: &'s Source<'s>,
    /// The marked bytes, when they are on one line.
    bytes: Option<Range<usize>>,
    /// The marked tokens.
    tokens: Range<usize>,
    /// The first of them.
    first: usize,
}

impl<'s> Marked<'s> {
    pub(crate) fn of(source: &'s Source<'s>, mark: &Mark) -> Result<Self, String> {
        let mut lines = source.text.split_inclusive('\n');
        let before: usize = lines.by_ref().take(mark.line - 1).map(str::len).sum();
        let line = lines.next().ok_or("the mark is behind the end")?;
        let at = |column| before + line.char_indices().nth(column).map_or(line.len(), |(i, _)| i);
        let start = at(mark.column - 1);
        let bytes = mark.width.map(|width| start..at(mark.column - 1 + width));
        let tokens = source.at(&bytes.clone().unwrap_or(start..start + 1));
        Ok(Marked { source, bytes, first: tokens.start, tokens })
    }

    pub(crate) fn apply(&self, instruction: &Instruction<'_>) -> Result<Vec<Edit>, String> {
        match instruction {
            Instruction::Write(code) => self.write(code),
            Instruction::WriteInPlace(code, old) => self.write_in_place(code, &Source::new(old)),
            Instruction::WriteAbove(attribute, name) => {
                let field = self.field(Some(name)).ok_or("no such field around the mark")?;
                Ok(vec![self.above(&field, attribute)])
            }
            Instruction::Remove(code) => self.remove(&Source::new(code)),
            Instruction::AddArgument(code) => self.add_argument(code),
            Instruction::PutOn(attribute, item) => self.put_on(attribute, &Source::new(item)),
        }
    }

    fn write(&self, text: &str) -> Result<Vec<Edit>, String> {
        let code = Source::new(text);
        let all = 0..code.tokens.len();
        if code.is(0, "#") && code.behind_attributes(&all) == all.end {
            return self.write_attribute(&code);
        }
        if code.texts(all.clone()).any(|token| token == "..") {
            return Err(format!("not all of it is said: {text}"));
        }
        if code.is(0, "->") {
            return self.write_return_type(&code);
        }
        // `#[event_handler(..)] async fn ..` is both, and a field with its attribute is neither.
        if !code.items(None).is_empty() {
            return self.write_item(&code);
        }
        let content = code.content(&all);
        if code.is(0, "#") || code.is(content + 1, ":") {
            return self.write_field(&code);
        }
        if code.elements(None).iter().all(|element| self.is_argument(&code, element)) {
            return self.write_arguments(&code);
        }
        let bytes = self.bytes.clone().ok_or("the mark goes over several lines")?;
        Ok(vec![Edit { start: bytes.start, end: bytes.end, text: text.to_owned() }])
    }

    // Whether this is `key = ..`, or begins with the key of an argument around the mark.
    fn is_argument(&self, code: &Source<'_>, element: &Range<usize>) -> bool {
        let key = code.tokens[element.start].text;
        code.is(element.start + 1, "=")
            || (element.len() > 1 || self.tokens.len() > 1) && self.argument(key).is_some()
    }

    // The lists of arguments around the mark, in attributes.
    fn lists(&self) -> impl Iterator<Item = usize> + '_ {
        let groups = self.source.groups(self.first).into_iter().flatten();
        groups.filter(|group| {
            let around = self.source.groups(*group);
            let bracket = around.into_iter().flatten().find(|open| self.source.is(*open, "["));
            bracket.is_some_and(|open| open > 0 && self.source.is(open - 1, "#"))
                && self.source.is(*group, "(")
        })
    }

    fn argument(&self, key: &str) -> Option<Range<usize>> {
        let elements = self.lists().flat_map(|list| self.source.elements(Some(list)));
        elements.into_iter().find(|element| self.source.is(element.start, key))
    }

    // Each argument takes the place of the one with its key, or of the one that is marked.
    fn write_arguments(&self, code: &Source<'_>) -> Result<Vec<Edit>, String> {
        let mut edits = Vec::new();
        let mut homeless = Vec::new();
        for element in code.elements(None) {
            let text = code.text_of(&element);
            match self.argument(code.tokens[element.start].text) {
                Some(old) => edits.push(self.replace(&old, text)),
                None => homeless.push(text),
            }
        }
        if homeless.is_empty() {
            return Ok(edits);
        }
        // What comes with another argument belongs to `#[event(..)]`, not to an `upcasts(..)` in it.
        let list = if edits.is_empty() { self.lists().next() } else { self.lists().last() };
        let list = list.ok_or("no arguments of an attribute around the mark")?;
        let marked = self.source.element(Some(list), self.first);
        match marked.filter(|_| edits.is_empty()) {
            Some(marked) => edits.push(self.replace(&marked, &homeless.join(", "))),
            None => edits.push(self.append(list, &homeless.join(", "))),
        }
        Ok(edits)
    }

    fn append(&self, list: usize, text: &str) -> Edit {
        let inside = self.source.inside(Some(list));
        let at = self.source.tokens.get(inside.end).map_or(self.source.text.len(), |t| t.start);
        let comma =
            if inside.is_empty() || self.source.is(inside.end - 1, ",") { "" } else { ", " };
        Edit { start: at, end: at, text: format!("{comma}{text}") }
    }

    fn write_attribute(&self, code: &Source<'_>) -> Result<Vec<Edit>, String> {
        let wanted = 0..code.tokens.len();
        let name = code.attribute_name(&wanted);
        let Some(old) = self.attribute(name) else {
            // Where the help says no place it is the item that lacks the attribute.
            let item = self.source.item(self.first).ok_or("no item around the mark")?;
            let in_item =
                self.source.groups(self.first).len() > self.source.groups(item.start).len();
            let target = if in_item { self.field(None) } else { None };
            return Ok(vec![self.above(&target.unwrap_or(item), code.text)]);
        };
        let list = code.attribute_list(&wanted);
        let elements = code.elements(list);
        let is_rest = |element: &Range<usize>| code.text_of(element) == "..";
        // What is written already is only repeated for the reader.
        let there = self.source.elements(self.source.attribute_list(&old));
        let is_there = |element: &Range<usize>| {
            there.iter().any(|e| self.source.text_of(e) == code.text_of(element))
        };
        let more: Vec<_> = elements
            .iter()
            .filter(|e| !is_rest(e) && !is_there(e))
            .map(|e| code.text_of(e))
            .collect();
        if list.is_none() || !elements.iter().any(is_rest) {
            return Ok(vec![self.replace(&old, code.text)]);
        }
        Ok(vec![match self.source.attribute_list(&old) {
            Some(list) => self.append(list, &more.join(", ")),
            None => {
                let at = self.source.tokens[old.end - 1].start;
                Edit { start: at, end: at, text: format!("({})", more.join(", ")) }
            }
        }])
    }

    // The attribute that is marked, or stands on what is marked.
    fn attribute(&self, name: &str) -> Option<Range<usize>> {
        let field = self.field(None);
        let around = field.into_iter().chain(self.source.item(self.first));
        let attributes: Vec<_> = around.flat_map(|range| self.source.attributes(&range)).collect();
        let named = |a: &&Range<usize>| self.source.attribute_name(a) == name;
        let marked = attributes.iter().find(|a| a.contains(&self.first) && named(a));
        marked.or(attributes.iter().find(named)).cloned()
    }

    // The field, variant or argument of a function that is marked: the innermost with this name,
    // or else the innermost that has one.
    fn field(&self, name: Option<&str>) -> Option<Range<usize>> {
        let groups = self.source.groups(self.first).into_iter().flatten();
        let mut fields = groups
            .filter(|open| self.source.is(*open, "{") || self.source.is(*open, "("))
            .filter_map(|open| self.source.element(Some(open), self.first));
        fields.find(|field| {
            let content = self.source.content(field);
            match name {
                Some(name) => self.source.is(content, name),
                None => self.source.is(content + 1, ":") || content + 1 == field.end,
            }
        })
    }

    fn above(&self, range: &Range<usize>, attribute: &str) -> Edit {
        let at = self.source.behind_attributes(range);
        let at = self.source.tokens[at].start;
        Edit { start: at, end: at, text: format!("{attribute}\n") }
    }

    // `#[serde(borrow)] name: Cow<'a, str>`: what the field has besides stays.
    fn write_field(&self, code: &Source<'_>) -> Result<Vec<Edit>, String> {
        let all = 0..code.tokens.len();
        let content = code.content(&all);
        let name = code.tokens[content].text;
        let named = code.is(content + 1, ":");
        let innermost = || {
            let group = self.source.groups(self.first)[0];
            group.and_then(|open| self.source.element(Some(open), self.first))
        };
        let field = if named { self.field(Some(name)) } else { innermost() };
        let field = field.ok_or("no such field around the mark")?;
        let old = self.source.content(&field)..field.end;
        let mut edits = vec![self.replace(&old, code.text_of(&(content..all.end)))];
        let attributes = 0..code.behind_attributes(&all);
        if !attributes.is_empty() {
            edits.insert(0, self.above(&field, code.text_of(&attributes)));
        }
        Ok(merged(edits))
    }

    // The part of an item that the help says is written anew, from its beginning on.
    fn write_item(&self, code: &Source<'_>) -> Result<Vec<Edit>, String> {
        let all = 0..code.tokens.len();
        let item = self.source.item(self.first).ok_or("no item around the mark")?;
        let [Some(old), Some(new)] = [Parts::of(self.source, &item), Parts::of(code, &all)] else {
            return Err("the item around the mark has no name".to_owned());
        };
        let end = match (new.body, new.output, new.arguments) {
            (Some(_), _, _) => Some(item.end),
            (None, Some(_), _) => old.output.or(old.arguments),
            (None, None, Some(_)) => old.arguments,
            (None, None, None) => Some(old.name + 1),
        };
        let end = end.ok_or("the item around the mark has no such part")?;
        let start = self.source.content(&item);
        Ok(vec![self.replace(&(start..end), code.text_of(&(code.content(&all)..all.end)))])
    }

    fn write_return_type(&self, code: &Source<'_>) -> Result<Vec<Edit>, String> {
        let item = self.source.item(self.first).ok_or("no item around the mark")?;
        let parts = Parts::of(self.source, &item).ok_or("no function around the mark")?;
        let arguments = parts.arguments.ok_or("no function around the mark")?;
        let old = arguments..parts.output.unwrap_or(arguments);
        let text = if old.is_empty() { format!("{} ", code.text) } else { code.text.to_owned() };
        Ok(vec![self.replace(&old, &text)])
    }

    // `X` takes the place of each `Y` in what is marked, or else in the item around it.
    fn write_in_place(&self, text: &str, old: &Source<'_>) -> Result<Vec<Edit>, String> {
        let item = self.source.item(self.first).unwrap_or_default();
        let places = [self.marked(), item].map(|range| self.source.find_all(old, &range));
        let found = places.iter().find(|found| !found.is_empty());
        let found = found.ok_or("what to replace is not in the item that is marked")?;
        Ok(found.iter().map(|old| self.replace(old, text)).collect())
    }

    fn add_argument(&self, text: &str) -> Result<Vec<Edit>, String> {
        let item = self.source.item(self.first).ok_or("no item around the mark")?;
        let arguments = Parts::of(self.source, &item).and_then(|parts| parts.arguments);
        let close = arguments.ok_or("no function around the mark")? - 1;
        let open = self.source.tokens[close].partner.ok_or("no function around the mark")?;
        Ok(vec![self.append(open, text)])
    }

    fn marked(&self) -> Range<usize> {
        self.first..self.tokens.end.max(self.first + 1)
    }

    // It stands at the mark, is the key of the argument that is marked, or is in an attribute of the
    // item that is marked.
    fn remove(&self, code: &Source<'_>) -> Result<Vec<Edit>, String> {
        let found = self.source.find(code, &self.marked());
        let key = || if code.tokens.len() == 1 { self.argument(code.text) } else { None };
        let in_attribute = || {
            let item = self.source.item(self.first)?;
            let attributes = item.start..self.source.behind_attributes(&item);
            self.source.find_all(code, &attributes).pop()
        };
        let found = found.or_else(key).or_else(in_attribute);
        let found = found.ok_or("what to remove is not at the mark")?;
        let group = self.source.groups(found.start)[0];
        let mut bytes = self.source.bytes(&found);
        // A whole element goes with its comma.
        if self.source.elements(group).contains(&found) {
            if self.source.is(found.end, ",") {
                bytes.end = self.source.bytes(&(found.start..found.end + 1)).end;
            } else if found.start > 0 && self.source.is(found.start - 1, ",") {
                bytes.start = self.source.tokens[found.start - 1].start;
            }
        }
        Ok(vec![Edit { start: bytes.start, end: bytes.end, text: String::new() }])
    }

    // `item` is `enum Topics`, or the name alone.
    fn put_on(&self, attribute: &str, item: &Source<'_>) -> Result<Vec<Edit>, String> {
        let source = self.source;
        if !attribute.starts_with("#[") || attribute.contains("..") {
            return Err(format!("not all of it is said: {attribute}"));
        }
        let name = item.tokens.last().map_or("", |token| token.text);
        let is_it = |range: &&Range<usize>| {
            source.keyword(range).is_some_and(|keyword| source.is(keyword + 1, name))
        };
        let items = source.items(None);
        let found = items.iter().find(is_it).ok_or_else(|| format!("no item `{name}`"))?;
        Ok(vec![self.above(found, attribute)])
    }

    fn replace(&self, tokens: &Range<usize>, text: &str) -> Edit {
        let bytes = self.source.bytes(tokens);
        Edit { start: bytes.start, end: bytes.end, text: text.to_owned() }
    }
}

/// Where the parts of an item are; each is the token behind it.
struct Parts {
    /// The name itself.
    name: usize,
    arguments: Option<usize>,
    output: Option<usize>,
    body: Option<usize>,
}

impl Parts {
    fn of(source: &Source<'_>, item: &Range<usize>) -> Option<Self> {
        let name = source.keyword(item)? + 1;
        let group = source.tokens[item.start].parent;
        let mut own = (name + 1..item.end).filter(|&index| source.tokens[index].parent == group);
        let body = own.clone().find(|&index| source.is(index, "{") || source.is(index, ";"));
        let head_end = body.unwrap_or(item.end);
        let arguments = own.clone().take_while(|&i| i < head_end).find(|&i| source.is(i, "("));
        let arguments = arguments.and_then(|open| source.tokens[open].partner).map(|c| c + 1);
        let has_output = own.any(|index| index < head_end && source.is(index, "->"));
        Some(Parts {
            name,
            arguments,
            output: has_output.then_some(head_end),
            body: body.map(|_| item.end),
        })
    }
}

// Edits that begin at one place, as one.
fn merged(edits: Vec<Edit>) -> Vec<Edit> {
    let mut merged: Vec<Edit> = Vec::new();
    for edit in edits {
        match merged.last_mut() {
            Some(last) if last.end == edit.start => {
                last.end = edit.end;
                last.text.push_str(&edit.text);
            }
            _ => merged.push(edit),
        }
    }
    merged
}
