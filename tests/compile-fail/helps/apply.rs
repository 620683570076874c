//! Applies helps to a source, without knowing any case.

use crate::help::{instruction, instruction_of_note};
use crate::marked::Marked;
use crate::pinned::{Help, Line, Pinned};
use crate::source::Source;

/// One change, in bytes of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: String,
}

/// The source with a help of every error applied, or which help cannot be.
pub(crate) fn repair(text: &str, errors: &[Pinned]) -> Result<String, String> {
    let source = Source::new(text);
    let mut edits = Vec::new();
    for error in errors {
        edits.extend(edits_of(&source, error)?);
    }
    edits.sort();
    edits.dedup();
    if let Some(pair) = edits.windows(2).find(|pair| pair[0].end > pair[1].start) {
        return Err(format!("two helps change one place: {pair:?}"));
    }
    let mut repaired = text.to_owned();
    for edit in edits.iter().rev() {
        repaired.replace_range(edit.start..edit.end, &edit.text);
    }
    if repaired == text { Err("its help changes nothing".to_owned()) } else { Ok(repaired) }
}

fn edits_of(source: &Source<'_>, error: &Pinned) -> Result<Vec<Edit>, String> {
    let Some(first) = error.helps.first() else { return Err("no help".to_owned()) };
    // What our message says is the help; the compiler's own words count when it says nothing.
    if let Help::Words(words) = first {
        let instruction = instruction(words).ok_or_else(|| format!("in words: {words}"))?;
        return Marked::of(source, &error.mark)?.apply(&instruction);
    }
    for help in &error.helps {
        match help {
            Help::Lines(lines) => return Ok(whole_lines(source.text, lines)),
            Help::Note(note) => {
                if let Some(instruction) = instruction_of_note(note) {
                    return Marked::of(source, &error.mark)?.apply(&instruction);
                }
            }
            Help::Words(_) => {}
        }
    }
    let notes = error.helps.iter().filter_map(|help| match help {
        Help::Note(note) => Some(note.as_str()),
        _ => None,
    });
    Err(format!("in words: {}", notes.collect::<Vec<_>>().join(" / ")))
}

fn whole_lines(text: &str, lines: &[Line]) -> Vec<Edit> {
    let start = |line: usize| text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let edit = |at, lines, text| Edit { start: start(at), end: start(at + lines), text };
    let edits = lines.iter().map(|line| match line {
        Line::Insert { at, text } => edit(*at, 0, format!("{text}\n")),
        Line::Replace { at, text: new } => shortest(text, edit(*at, 1, format!("{new}\n"))),
        Line::Remove { at } => edit(*at, 1, String::new()),
    });
    edits.collect()
}

// Without what both begin and end with, so that another help may change the rest of the line.
fn shortest(text: &str, mut edit: Edit) -> Edit {
    let same = |a: char, b: char| if a == b { a.len_utf8() } else { 0 };
    let old = &text[edit.start..edit.end];
    let pairs = old.chars().zip(edit.text.chars());
    let before: usize = pairs.map(|(a, b)| same(a, b)).take_while(|length| *length > 0).sum();
    let (old, new) = (&old[before..], &edit.text[before..]);
    let pairs = old.chars().rev().zip(new.chars().rev());
    let behind: usize = pairs.map(|(a, b)| same(a, b)).take_while(|length| *length > 0).sum();
    edit.start += before;
    edit.end -= behind;
    edit.text = new[..new.len() - behind].to_owned();
    edit
}
