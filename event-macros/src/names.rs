//! A topic or event name in an attribute: a text, a constant or a variant of an enum.
//!
//! A text is validated here. A constant's value is known only to the compiler, so its validation is
//! generated code: a call of a `const fn` that carries the span of the path.

use event_names::{Kind, advice, check, check_foreign, diagnostic, meant, other_way};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ExprPath, Lit, LitStr, Path};

use crate::diagnostics::Diagnostics;
use crate::tokens::ends;

/// Which rule names follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Snake case, lower for topics and upper for events.
    Convention,
    /// What Kafka takes, with `foreign_names`.
    Foreign,
}

/// Where a name comes from.
pub(crate) enum NameValue {
    /// A text, validated by [`validate_pair`].
    Text(LitStr),
    /// The path of a `const`.
    Const(ExprPath),
    /// A variant, by the path of its enum and its own.
    Variant { list: Path, variant: Path },
}

impl NameValue {
    /// Reads what follows `key =`.
    pub(crate) fn read(
        kind: Kind,
        key: &str,
        value: &Expr,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        match value {
            // A `$topic:literal` of a macro_rules macro arrives in an invisible group.
            Expr::Group(group) => Self::read(kind, key, &group.expr, diagnostics),
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(NameValue::Text(text.clone())),
                _ => refuse_value(kind, key, value, diagnostics),
            },
            Expr::Path(path) => Some(Self::from_path(path)),
            _ => refuse_value(kind, key, value, diagnostics),
        }
    }

    fn from_path(path: &ExprPath) -> Self {
        let segments = &path.path.segments;
        let is_variant = segments.len() > 1
            && path.qself.is_none()
            && segments.last().is_some_and(|last| is_upper_camel(&last.ident.to_string()));
        if !is_variant {
            return NameValue::Const(path.clone());
        }
        let mut list = path.path.clone();
        list.segments.pop();
        list.segments.pop_punct();
        NameValue::Variant { list, variant: path.path.clone() }
    }

    /// Where it begins and ends.
    pub(crate) fn ends(&self) -> (Span, Span) {
        match self {
            NameValue::Text(text) => ends(text),
            NameValue::Const(path) => ends(path),
            NameValue::Variant { variant, .. } => ends(variant),
        }
    }

    /// An expression of the value, not validated when it is a constant, where `__event` stands for our
    /// `macro_support`.
    ///
    /// It is validated in a constant of its own: were it validated where it is used, everything that uses
    /// it would be reported once more.
    pub(crate) fn expression(&self, kind: Kind) -> TokenStream {
        match self {
            NameValue::Text(text) => text.to_token_stream(),
            NameValue::Const(path) => path.to_token_stream(),
            NameValue::Variant { list, variant } => {
                let (first, last) = ends(variant);
                let list_trait = list_trait(kind, last);
                let open = quote_spanned!(first=> <);
                quote_spanned!(last=> #open #list as __event::#list_trait>::NAMES[#variant as usize])
            }
        }
    }

    /// Whether the closed list that it is a variant of has names that others chose, as code: the
    /// list has validated them, so that what uses a variant need not say it again.
    pub(crate) fn is_of_foreign_list(&self, kind: Kind) -> Option<TokenStream> {
        let NameValue::Variant { list, variant } = self else { return None };
        let (first, last) = ends(variant);
        let list_trait = list_trait(kind, last);
        let open = quote_spanned!(first=> <);
        Some(quote_spanned!(last=> #open #list as __event::#list_trait>::FOREIGN_NAMES))
    }

    /// A constant that validates the value in `own`, beside the name in `other`, and compares it with
    /// that of the contract among the `arguments`. Its error marks the value.
    pub(crate) fn validated(
        &self,
        validate: &str,
        own: &TokenStream,
        other: &TokenStream,
        arguments: &TokenStream,
        owner: &str,
    ) -> TokenStream {
        let (first, last) = self.ends();
        let validate = Ident::new(validate, first);
        let call = quote_spanned!(first=> __event::#validate);
        let arguments = quote_spanned!(last=> (#own, #other, #arguments, #owner));
        quote!(const _: () = #call #arguments;)
    }

    /// The same where the attribute has other mistakes, beside `other`, the event of a topic or the
    /// topic of an event. Without a `validate` the rule is not certain.
    pub(crate) fn validated_alone(
        &self,
        kind: Kind,
        other: Option<&NameValue>,
        validate: Option<&str>,
    ) -> Option<TokenStream> {
        let own = self.expression(kind);
        let validate = match self {
            NameValue::Text(_) => return None,
            NameValue::Variant { .. } => return Some(quote!(const _: &str = #own;)),
            NameValue::Const(_) => validate?,
        };
        let other = match other {
            Some(other) if other.is_const() => other.expression(kind),
            // The two may be swapped, and then the text has been complained about.
            Some(NameValue::Text(text)) if check(kind, &text.value()).is_ok() => return None,
            _ => quote!(""),
        };
        Some(self.validated(validate, &own, &other, &quote!(&[]), ""))
    }

    /// Whether only the compiler knows the value.
    pub(crate) fn is_const(&self) -> bool {
        matches!(self, NameValue::Const(_))
    }
}

fn list_trait(kind: Kind, at: Span) -> Ident {
    match kind {
        Kind::Topic => Ident::new("Topics", at),
        Kind::Event => Ident::new("Events", at),
    }
}

// Constants are written in capitals, so a word with small letters after a capital is a variant.
pub(crate) fn is_upper_camel(word: &str) -> bool {
    word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase)
}

fn refuse_value(
    kind: Kind,
    key: &str,
    value: &Expr,
    diagnostics: &mut Diagnostics,
) -> Option<NameValue> {
    let what = format!("`{key}` is a text, a `const` or a variant of an enum");
    diagnostics.add(value, what, format!("write `{key} = \"{}\"`", kind.example()));
    None
}

/// Validates a text, and complains at `at` in the terms of `key`.
pub(crate) fn validate(
    kind: Kind,
    key: &str,
    name: &str,
    at: impl ToTokens,
    rule: Rule,
    diagnostics: &mut Diagnostics,
) -> bool {
    let validated = match rule {
        Rule::Convention => check(kind, name),
        Rule::Foreign => check_foreign(kind, name),
    };
    let Err(violation) = validated else { return true };
    let meant = meant(kind, name, violation);
    let help = if meant.is_empty() {
        advice(kind, name, violation).as_str().to_owned()
    } else {
        format!("write `{key} = \"{}\"`", meant.as_str())
    };
    let help = match rule {
        Rule::Convention => format!("{help}{}", other_way(kind, name, violation)),
        Rule::Foreign => help,
    };
    diagnostics.add(at, diagnostic(kind, name, violation).as_str(), help);
    false
}

/// Validates a topic and an event that stand side by side: each by its rule, but two that are only
/// swapped get one diagnostic.
pub(crate) fn validate_pair(
    topic: Option<&NameValue>,
    (event_key, event): (&str, Option<&NameValue>),
    rule: Rule,
    diagnostics: &mut Diagnostics,
) {
    if let (Some(NameValue::Text(topic)), Some(NameValue::Text(event))) = (topic, event)
        && rule == Rule::Convention
        && check(Kind::Event, &topic.value()).is_ok()
        && check(Kind::Topic, &event.value()).is_ok()
    {
        let (topic_value, event_value) = (topic.value(), event.value());
        let what = format!("topic `{topic_value}` and event `{event_value}` are swapped");
        let help = format!("write `topic = \"{event_value}\", {event_key} = \"{topic_value}\"`");
        return diagnostics.add(topic, what, help);
    }
    if let Some(NameValue::Text(text)) = topic {
        validate(Kind::Topic, "topic", &text.value(), text, rule, diagnostics);
    }
    if let Some(NameValue::Text(text)) = event {
        validate(Kind::Event, event_key, &text.value(), text, rule, diagnostics);
    }
}
