//! Looking into tokens without knowing their grammar.

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
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

/// Where tokens begin and where they end. The compiler marks what lies between.
pub(crate) fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
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
    use quote::{format_ident, quote};

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
    fn only_the_named_lifetimes_are_replaced() {
        let tokens = quote!(Event<Claim<'a, 'static>, (a, &'a str)>);
        let replaced = replace_lifetimes(tokens, &[format_ident!("a")], "_");
        assert_eq!(text_of(replaced), "Event<Claim<'_, 'static>, (a, &'_ str)>");
    }
}
