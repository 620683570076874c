//! A topic or event name in an attribute: a text, a constant or a variant of an enum.
//!
//! A text is judged here. A constant's value is known only to the compiler, so its judgement is
//! generated code: a call of a `const fn` that carries the span of the path.

use event_names::{Kind, Violation, advice, check, complaint, suggestion};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprPath, Lit, LitStr, Path};

use crate::complaints::Complaints;

/// Where a name comes from.
pub(crate) enum NameValue {
    /// A text, already judged.
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
        complaints: &mut Complaints,
    ) -> Option<Self> {
        match value {
            // A `$topic:literal` of a macro_rules macro arrives in an invisible group.
            Expr::Group(group) => Self::read(kind, key, &group.expr, complaints),
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(NameValue::Text(text.clone())),
                _ => refuse_value(kind, key, value, complaints),
            },
            Expr::Path(path) => Some(Self::from_path(path)),
            _ => refuse_value(kind, key, value, complaints),
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

    /// Where it stands.
    pub(crate) fn span(&self) -> Span {
        match self {
            NameValue::Text(text) => text.span(),
            NameValue::Const(path) => path.span(),
            NameValue::Variant { variant, .. } => variant.span(),
        }
    }

    /// A constant called `constant` with the value, unjudged.
    ///
    /// It is judged by a second one, [`judgement`](Self::judgement): were it one constant, everything
    /// that uses the name would be reported after it.
    pub(crate) fn constant(&self, kind: Kind, constant: &Ident, root: &Path) -> TokenStream {
        let value = self.expression(kind, root);
        quote!(const #constant: &'static str = #value;)
    }

    /// The value of `constant`, judged when only the compiler knows it.
    pub(crate) fn judgement(&self, kind: Kind, constant: &Ident, root: &Path) -> TokenStream {
        let judge = Ident::new(kind.noun(), self.span());
        match self {
            NameValue::Const(_) => {
                quote_spanned!(self.span()=> #root::macro_support::#judge(#constant))
            }
            NameValue::Text(_) | NameValue::Variant { .. } => quote!(#constant),
        }
    }

    fn expression(&self, kind: Kind, root: &Path) -> TokenStream {
        match self {
            NameValue::Text(text) => text.to_token_stream(),
            NameValue::Const(path) => path.to_token_stream(),
            NameValue::Variant { list, variant } => {
                let list_trait = match kind {
                    Kind::Topic => quote!(#root::event::Topics),
                    Kind::Event => quote!(#root::event::Events),
                };
                quote_spanned!(variant.span()=> <#list as #list_trait>::NAMES[#variant as usize])
            }
        }
    }
}

// Constants are written in capitals, so a word with small letters after a capital is a variant.
fn is_upper_camel(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.contains(|c: char| c.is_ascii_lowercase())
}

fn refuse_value(
    kind: Kind,
    key: &str,
    value: &Expr,
    complaints: &mut Complaints,
) -> Option<NameValue> {
    let what = format!("`{key}` is a text, a `const` or a variant of an enum");
    complaints.add(value, what, format!("write `{key} = \"{}\"`", kind.example()));
    None
}

/// Judges a text, and complains at `at` in the terms of `key`.
pub(crate) fn judge(
    kind: Kind,
    key: &str,
    name: &str,
    at: impl ToTokens,
    complaints: &mut Complaints,
) -> bool {
    let Err(violation) = check(kind, name) else { return true };
    let meant = suggestion(kind, name);
    let help = if matches!(violation, Violation::TooLong { .. }) || meant.is_empty() {
        advice(kind, name, violation).as_str().to_owned()
    } else {
        format!("write `{key} = \"{}\"`", meant.as_str())
    };
    complaints.add(at, complaint(kind, name, violation).as_str(), help);
    false
}

/// Judges a topic and an event that stand side by side: each by its rule, but two that are only
/// swapped get one complaint.
pub(crate) fn judge_pair(
    topic: Option<&NameValue>,
    (event_key, event): (&str, Option<&NameValue>),
    complaints: &mut Complaints,
) {
    if let (Some(NameValue::Text(topic)), Some(NameValue::Text(event))) = (topic, event)
        && check(Kind::Event, &topic.value()).is_ok()
        && check(Kind::Topic, &event.value()).is_ok()
    {
        let what = format!("topic {} and event {} are swapped", topic.token(), event.token());
        let (topic_value, event_value) = (event.token(), topic.token());
        let help = format!("write `topic = {topic_value}, {event_key} = {event_value}`");
        return complaints.add(topic, what, help);
    }
    if let Some(NameValue::Text(text)) = topic {
        judge(Kind::Topic, "topic", &text.value(), text, complaints);
    }
    if let Some(NameValue::Text(text)) = event {
        judge(Kind::Event, event_key, &text.value(), text, complaints);
    }
}
