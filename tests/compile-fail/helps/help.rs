//! The few forms that a help with code has. What else a help says is for a person to decide.
//!
//! | form | what it does to the source |
//! |---|---|
//! | write `X` | `X` takes the place of what is marked, up to the bounds of its own kind: an argument, a field, the head of an item |
//! | write `X` in place of `Y` | each `Y` in what is marked becomes `X`, or else in the item around it |
//! | write `X` above `name` | the attribute `X` is put above that field |
//! | add `X` to its arguments | `X` becomes the last argument of the function |
//! | remove `X` | `X` is taken out where the mark is, with its comma; the argument whose key it is; or what an attribute of the item lists |
//! | put `X` on `item` | the attribute `X` is put above that item |
//!
//! What follows behind a comma, a semicolon or an `or` is another way, which is not tried.

/// A help that can be applied.
#[derive(Debug)]
pub(crate) enum Instruction<'h> {
    Write(&'h str),
    WriteInPlace(&'h str, &'h str),
    WriteAbove(&'h str, &'h str),
    AddArgument(&'h str),
    Remove(&'h str),
    PutOn(&'h str, &'h str),
}

/// Reads a help.
pub(crate) fn instruction(help: &str) -> Option<Instruction<'_>> {
    if let Some((code, rest)) = after(help, "write ") {
        if let Some((old, rest)) = after(rest, " in place of ") {
            return is_end(rest).then_some(Instruction::WriteInPlace(code, old));
        }
        if let Some((name, rest)) = after(rest, " above ") {
            return is_end(rest).then_some(Instruction::WriteAbove(code, name));
        }
        return is_end(rest).then_some(Instruction::Write(code));
    }
    if let Some((code, rest)) = after(help, "remove ") {
        return is_end(rest).then_some(Instruction::Remove(code));
    }
    if let Some((code, rest)) = after(help, "add ") {
        let rest = rest.strip_prefix(" to its arguments")?;
        return is_end(rest).then_some(Instruction::AddArgument(code));
    }
    put_on(help)
}

/// Reads a note, which explains and may end with a help: `..; write ..`.
pub(crate) fn instruction_of_note(note: &str) -> Option<Instruction<'_>> {
    instruction(note).or_else(|| {
        let clauses = note.split("; ").skip(1);
        clauses.filter_map(instruction).next()
    })
}

// `put X on item`, and rustc's `consider adding X to your name type`.
fn put_on(help: &str) -> Option<Instruction<'_>> {
    let (attribute, rest) = after(help, "put ").or_else(|| {
        let (_, adding) = help.split_once("consider adding ")?;
        after(adding, "")
    })?;
    let (item, _) = after(rest, " on ").or_else(|| after(rest, " to your "))?;
    Some(Instruction::PutOn(attribute, item))
}

// The code in backticks that follows `words`, and the rest.
fn after<'h>(text: &'h str, words: &str) -> Option<(&'h str, &'h str)> {
    text.strip_prefix(words)?.strip_prefix('`')?.split_once('`')
}

// Whether a help is complete here, or only goes on with why, or with another way.
fn is_end(rest: &str) -> bool {
    rest.is_empty()
        || [" or ", ", or ", ", which ", "; ", " for "].iter().any(|next| rest.starts_with(next))
}
