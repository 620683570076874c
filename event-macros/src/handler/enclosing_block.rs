//! Where the attribute stands: a macro sees its item alone, and what it expands to is no part of an
//! `impl`, which the compiler then says of a constant that the user never wrote.
//!
//! So the source is looked at. Of what is not indented, which seldom stands in a block, only as far back as the
//! last line that begins one.

use std::fs;

use proc_macro2::Span;

use super::model::Handler;
use crate::diagnostics::Diagnostics;

/// A block that no handler can stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EnclosingBlock {
    Impl,
    Trait,
    Extern,
}

/// Complains about a function that is no free one, and says whether it did.
pub(super) fn validate(handler: &Handler, diagnostics: &mut Diagnostics) -> bool {
    let is_method = handler.instance().is_some() || handler.signature.receiver().is_some();
    let Some(block) = enclosing_block().filter(|_| !is_method) else { return false };
    let name = handler.name();
    let (what, help) = match block {
        EnclosingBlock::Impl => (
            format!("`{name}` stands in an `impl`, but a handler is a free function"),
            format!(
                "write `async fn {name}` outside of the `impl`, and take a value as `State<..>`; or \
                 put the attribute on `impl EventHandler for ..`"
            ),
        ),
        EnclosingBlock::Trait => (
            format!("`{name}` stands in a trait, but a handler is a free function"),
            format!("write `async fn {name}` outside of the trait"),
        ),
        EnclosingBlock::Extern => (
            format!("`{name}` is declared in an `extern` block, but a handler has a body"),
            format!(
                "write `async fn {name}` outside of the block, and call the other function in it"
            ),
        ),
    };
    diagnostics.add(name, what, help);
    true
}

fn enclosing_block() -> Option<EnclosingBlock> {
    // Outside of the compiler, as in a test, there is no source.
    if !proc_macro::is_available() {
        return None;
    }
    let at = Span::call_site().unwrap();
    let source = fs::read_to_string(at.local_file()?).ok()?;
    let mut lines = source.split_inclusive('\n');
    let mut before: String = lines.by_ref().take(at.line().checked_sub(1)?).collect();
    before.extend(lines.next()?.chars().take(at.column() - 1));
    let is_indented = at.column() > 1;
    if !is_indented && block_at(before.get(last_head(&before)?..)?).is_none() {
        return None;
    }
    // From the beginning: what looks like a block may be a text.
    block_at(&before)
}

// Where the last line begins that begins a block which no handler can stand in.
fn last_head(source: &str) -> Option<usize> {
    let starts = source.rmatch_indices('\n').map(|(at, _)| at + 1).chain([0]);
    let heads = [
        "impl",
        "unsafe impl",
        "trait",
        "pub trait",
        "pub(crate) trait",
        "unsafe extern",
        "extern",
    ];
    starts.into_iter().find(|start| {
        let line = source.get(*start..).unwrap_or_default();
        heads.iter().any(|head| line.starts_with(head))
    })
}

// Where what follows `source` stands.
fn block_at(source: &str) -> Option<EnclosingBlock> {
    // What is before the `{` of each block that is open, and begins the one that comes.
    let (mut open, mut head) = (Vec::new(), String::new());
    let mut brackets = 0_usize;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or(first.len_utf8());
        let (token, after) = rest.split_at(length);
        rest = after;
        match token {
            "{" if brackets == 0 => open.push(std::mem::take(&mut head)),
            "}" if brackets == 0 => {
                open.pop();
                head.clear();
            }
            ";" if brackets == 0 => head.clear(),
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets = brackets.saturating_sub(1),
            // A text, a comment or what is in brackets is no word.
            token if brackets == 0 && token.len() == first.len_utf8() => head.push(first),
            _ => head.push(' '),
        }
    }
    let head = open.pop()?;
    let mut words = head.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let is = |word: &&str| ["fn", "impl", "trait", "extern", "mod", "const"].contains(word);
    match words.find(is)? {
        "impl" => Some(EnclosingBlock::Impl),
        "trait" => Some(EnclosingBlock::Trait),
        // The `extern` of a function is not a block.
        "extern" if !words.any(|word| word == "fn") => Some(EnclosingBlock::Extern),
        _ => None,
    }
}

// How long the comment, the text or the character is that begins here.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Some(text(rest, '"'));
    }
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let begin = 1 + hashes + 1;
            let end = rest[begin..].find(&close).map(|at| begin + at + close.len());
            return Some(end.unwrap_or(rest.len()));
        }
    }
    if let Some(character) = rest.strip_prefix('\'') {
        let first = character.chars().next()?;
        // A lifetime has no second quote.
        let is_character = first == '\\' || character[first.len_utf8()..].starts_with('\'');
        return is_character.then(|| text(rest, '\''));
    }
    None
}

fn text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut index) = (0_usize, 0);
    while index < rest.len() {
        match &rest.as_bytes()[index..] {
            [b'/', b'*', ..] => {
                depth += 1;
                index += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                index += 2;
                if depth == 0 {
                    return index;
                }
            }
            _ => index += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_begins_a_block_is_found() {
        for (source, head) in [
            ("impl S {\n", Some("impl S {\n")),
            (
                "fn a() {}\nimpl S {\n}\nunsafe impl T for S {\nfn b() {}\n",
                Some("unsafe impl T for S {\nfn b() {}\n"),
            ),
            ("fn a() {\n    impl S {}\n}\n", None),
            ("", None),
        ] {
            assert_eq!(last_head(source).map(|at| &source[at..]), head, "{source}");
        }
    }

    #[test]
    fn the_innermost_block_says_where_a_function_stands() {
        for (source, place) in [
            ("struct S;\nimpl S {\n", Some(EnclosingBlock::Impl)),
            ("impl<T: Into<[u8; 4]>> Trait<(u8, [T; 1])> for S<T> {\n", Some(EnclosingBlock::Impl)),
            (
                "unsafe impl S { fn a() { if true {} } const A: [u8; 2] = [1, 2];\n",
                Some(EnclosingBlock::Impl),
            ),
            ("pub(crate) unsafe trait T: Send where Self: Sized {\n", Some(EnclosingBlock::Trait)),
            ("unsafe extern \"C\" {\n", Some(EnclosingBlock::Extern)),
            ("extern \"C\" fn f() -> impl Send {\n", None),
            ("impl S { async fn f(x: impl Send) -> Result<(), ()> {\n", None),
            ("impl S {} // impl S {\n/* impl { /* { */ */ mod a {\n", None),
            (
                "mod a { const B: &str = \"impl {\"; const C: char = '{'; const D: u8 = b'{';\n",
                None,
            ),
            (
                "mod a { const B: &str = r#\"impl \" {\"#; fn f<'a>(b: &'a str) {} impl S {\n",
                Some(EnclosingBlock::Impl),
            ),
            ("const _: () = {\n", None),
            ("macro_rules! a { ($a:ident) => { impl $a {\n", Some(EnclosingBlock::Impl)),
            ("macro_rules! a { ($a:ident) => {\n", None),
            ("fn f() { match 1 { _ => {\n", None),
            ("", None),
            ("}}}", None),
            ("impl S { /*", Some(EnclosingBlock::Impl)),
        ] {
            assert_eq!(block_at(source), place, "{source}");
        }
    }
}
