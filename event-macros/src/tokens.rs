//! Looking into tokens without knowing their grammar.

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Path;

/// Where the keyword `word` stands, at any depth.
pub(crate) fn find_word(tokens: TokenStream, word: &str) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == word => Some(ident),
        TokenTree::Group(group) => find_word(group.stream(), word),
        _ => None,
    })
}

/// The keyword of an item that is no function, such as `struct`.
pub(crate) fn keyword_of_other_item(item: TokenStream) -> Option<Ident> {
    let others =
        ["struct", "enum", "union", "trait", "impl", "mod", "static", "type", "use", "macro_rules"];
    let mut is_const = None;
    // `fn` ends the search: before it are attributes, the visibility and qualifiers.
    for token in item {
        match token {
            TokenTree::Ident(word) if word == "fn" => return None,
            TokenTree::Ident(word) if word == "const" => is_const = Some(word),
            TokenTree::Ident(word) if others.iter().any(|other| word == other) => {
                return Some(word);
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' && is_const.is_some() => {
                return is_const;
            }
            _ => {}
        }
    }
    None
}

/// The same tokens with the lifetimes in `names` replaced by `with`.
pub(crate) fn replace_lifetimes(tokens: TokenStream, names: &[Ident], with: &str) -> TokenStream {
    let mut after_quote = false;
    let replace = |token| match token {
        TokenTree::Ident(ident) if after_quote && names.contains(&ident) => {
            after_quote = false;
            TokenTree::Ident(Ident::new(with, ident.span()))
        }
        TokenTree::Group(group) => {
            after_quote = false;
            let inner = replace_lifetimes(group.stream(), names, with);
            let mut replaced = Group::new(group.delimiter(), inner);
            replaced.set_span(group.span());
            TokenTree::Group(replaced)
        }
        token => {
            after_quote = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
            token
        }
    };
    tokens.into_iter().map(replace).collect()
}

/// The same tokens with `with` in place of each `word`, as if it had been written there.
pub(crate) fn replace_word(tokens: TokenStream, word: &str, with: &TokenStream) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(ident) if ident == word => moved(with, ident.span()),
        TokenTree::Group(group) => {
            let inner = replace_word(group.stream(), word, with);
            let mut replaced = Group::new(group.delimiter(), inner);
            replaced.set_span(group.span());
            TokenTree::Group(replaced).into()
        }
        token => token.into(),
    };
    tokens.into_iter().map(replace).collect()
}

/// The same tokens without the invisible brackets in which `macro_rules!` passes on a `$ty:ty`, a
/// `$key:expr` or a `$name:literal`, so that what is read is what was written.
///
/// They stay around what is more than a literal or a path with its arguments, because they say what
/// belongs together in `2 * $number`.
pub(crate) fn see_through(tokens: TokenStream) -> TokenStream {
    let see = |token: TokenTree| match token {
        TokenTree::Group(group) => within(&group, see_through),
        token => token.into(),
    };
    tokens.into_iter().map(see).collect()
}

/// The same of what stands before a body, which is left as it is.
pub(crate) fn see_through_head(tokens: TokenStream) -> TokenStream {
    let see = |token: TokenTree| match token {
        TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => {
            within(&group, see_through)
        }
        token => token.into(),
    };
    tokens.into_iter().map(see).collect()
}

fn within(group: &Group, see: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let inner = see(group.stream());
    let is_whole = |token| match token {
        TokenTree::Punct(punct) => [':', '<', '>', ',', '\'', '.'].contains(&punct.as_char()),
        TokenTree::Ident(word) => word != "dyn" && word != "impl",
        TokenTree::Literal(_) | TokenTree::Group(_) => true,
    };
    if group.delimiter() == Delimiter::None && inner.clone().into_iter().all(is_whole) {
        return inner;
    }
    let mut seen = Group::new(group.delimiter(), inner);
    seen.set_span(group.span());
    TokenTree::Group(seen).into()
}

/// Where tokens begin and where they end. The compiler marks what lies between.
pub(crate) fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// A local name of ours that the user's code cannot mean, and that hides nothing of the user's.
///
/// A local variable, and `self` too, is found by the place where its name was written. What is quoted
/// with the span of a user's token would be looked for where that token was written, which is outside
/// of our function when a `macro_rules!` macro passes it on. So whatever is local has a span of ours.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The `self` of a method of ours under a name that is found `at` the user's tokens, and what binds
/// it. An error marks the user's tokens, as it does not where they stand beside a token of ours.
pub(crate) fn own_self(at: Span) -> (Ident, TokenStream) {
    let own = Ident::new("__self", at);
    (own.clone(), quote!(let #own = self;))
}

/// The path `root` as if it had been written at `at`, so that an error in a call of ours marks the
/// user's tokens and not the whole attribute.
pub(crate) fn root_at(root: &Path, at: Span) -> TokenStream {
    moved(&root.to_token_stream(), at)
}

/// The tokens with the span `at`. What is inside of brackets keeps its own.
pub(crate) fn moved(tokens: &TokenStream, at: Span) -> TokenStream {
    let move_to = |mut token: TokenTree| {
        // `$crate` means what it means by its span.
        if token.to_string() != "$crate" {
            token.set_span(at);
        }
        token
    };
    tokens.clone().into_iter().map(move_to).collect()
}

/// The tokens as a person writes them: `Vec<Cow<'a, str>>`. Unlike `to_string` it does not change
/// with the compiler, so it can be hashed.
pub(crate) fn text_of(tokens: TokenStream) -> String {
    let mut text = String::new();
    write_tokens(tokens, &mut text);
    text
}

fn write_tokens(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_tokens(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => write_punct(&punct, text),
            word => {
                if text.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"')) {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

fn write_punct(punct: &Punct, text: &mut String) {
    match punct.as_char() {
        ',' => text.push_str(", "),
        ';' => text.push_str("; "),
        // That of a path has another one beside it.
        ':' if punct.spacing() == Spacing::Alone && !text.ends_with(':') => text.push_str(": "),
        sign @ ('+' | '=') => {
            text.push(' ');
            text.push(sign);
            text.push(' ');
        }
        sign => text.push(sign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::format_ident;

    #[test]
    fn types_are_written_as_by_hand() {
        for (tokens, text) in [
            (quote!(Cow<'a, str>), "Cow<'a, str>"),
            (quote!(&'a mut [u8; 4]), "&'a mut[u8; 4]"),
            (quote!(<const N: usize, T: a::B>), "<const N: usize, T: a::B>"),
            (
                quote!(std::collections::HashMap<String, (i64, Box<dyn Fn() + Send>)>),
                "std::collections::HashMap<String, (i64, Box<dyn Fn() + Send>)>",
            ),
        ] {
            assert_eq!(text_of(tokens), text);
        }
    }

    #[test]
    fn invisible_brackets_are_seen_through_where_they_say_nothing() {
        let passed_on = |tokens| TokenTree::Group(Group::new(Delimiter::None, tokens));
        for (inner, is_seen_through) in [
            (quote!(Option<Vec<i64>>), true),
            (quote!(role.id), true),
            (quote!("role_events"), true),
            (quote!(a::B::C), true),
            (quote!(1 + 2), false),
            (quote!(dyn Error), false),
            (quote!(-1), false),
            (quote!(&'static str), false),
        ] {
            let passed = passed_on(inner.clone());
            let nested = quote!(#[event(key = #passed)] struct A { a: (#passed, i64) });
            let seen = quote!(#[event(key = #inner)] struct A { a: (#inner, i64) });
            let all = see_through(nested.clone());
            let has_group = |tokens: &TokenStream| invisible(tokens.clone());
            assert_eq!(!has_group(&all), is_seen_through, "{inner}");
            assert_eq!(all.to_string(), seen.to_string());
            // What is in braces is left as it is.
            assert!(has_group(&see_through_head(nested)), "{inner}");
        }
    }

    fn invisible(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => {
                group.delimiter() == Delimiter::None || invisible(group.stream())
            }
            _ => false,
        })
    }

    #[test]
    fn only_the_named_lifetimes_are_replaced() {
        let tokens = quote!(Event<Claim<'a, 'static>, (a, &'a str)>);
        let replaced = replace_lifetimes(tokens, &[format_ident!("a")], "_");
        assert_eq!(text_of(replaced), "Event<Claim<'_, 'static>, (a, &'_ str)>");
    }
}
