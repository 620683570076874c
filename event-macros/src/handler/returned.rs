//! The rules of what the function returns, as far as words say it: a `Result` is around everything,
//! and an `Emit` around each event.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type, TypePath};

use super::model::Handler;
use super::type_names::{is_std_path, type_name};
use crate::diagnostics::Diagnostics;
use crate::tokens::text_of;

/// Validates the return type.
pub(super) fn validate(handler: &Handler, diagnostics: &mut Diagnostics) {
    let Some(output) = handler.output() else { return };
    let meant = match handler.batch() {
        Some(_) => each_of_batch(output),
        None => one(output),
    };
    if let Some((written, what)) = meant {
        let name = handler.shown_name();
        let shown = text_of(output.to_token_stream());
        let what = format!("`{name}` returns `{shown}`, but {what}");
        diagnostics.add(output, what, format!("write `{written}`"));
    }
}

// What to write for the return type of one record, and why.
fn one(ty: &Type) -> Option<(String, &'static str)> {
    let (result, inner) = match as_result(ty) {
        Some((result, inner)) => (Some(result), inner?),
        None => (None, ty),
    };
    let mut meant = Meant::default();
    let value = meant.value(inner, false);
    let result = result.or(meant.result.clone());
    Some((result.map_or(value.clone(), |result| result.around(&value)), meant.why?))
}

// The same for a batch, where each item of a `Vec` is the outcome of a record.
fn each_of_batch(ty: &Type) -> Option<(String, &'static str)> {
    let (result, inner) = match as_result(ty) {
        Some((result, inner)) => (Some(result), inner?),
        None => (None, ty),
    };
    let (list, item) = holder(inner, &["Vec"])?;
    let (item, why) = one(item)?;
    let list = format!("{list}<{item}>");
    Some((result.map_or(list.clone(), |result| result.around(&list)), why))
}

// `Result` as it is written, and its error.
#[derive(Clone)]
struct WrittenResult {
    path: String,
    error: Option<String>,
}

impl WrittenResult {
    fn around(&self, value: &str) -> String {
        let error = self.error.as_ref().map_or(String::new(), |error| format!(", {error}"));
        format!("{}<{value}{error}>", self.path)
    }
}

#[derive(Default)]
struct Meant {
    result: Option<WrittenResult>,
    why: Option<&'static str>,
}

impl Meant {
    // The type without what belongs around it; `in_emit` when an `Emit` belongs around its events.
    fn value(&mut self, ty: &Type, in_emit: bool) -> String {
        if let Some((result, inner)) = as_result(ty) {
            self.why = Some("a `Result` belongs around everything else");
            self.result.get_or_insert(result);
            return inner.map_or("()".to_owned(), |inner| self.value(inner, in_emit));
        }
        if let Some((emit, inner)) = holder(ty, &["Emit"]) {
            let holds = as_result(inner).is_some() || holder(inner, &["Option", "Vec"]).is_some();
            if holds {
                self.why.get_or_insert("an `Emit` holds one event");
                return self.value(inner, true);
            }
            return format!("{emit}<{}>", text_of(inner.to_token_stream()));
        }
        if let Some((path, inner)) = holder(ty, &["Option", "Vec"]) {
            let value = self.value(inner, in_emit);
            // There is nothing in it to send, which only a `Result` leaves room for.
            let is_empty = ["()", "Outcome"].contains(&value.as_str()) && self.result.is_some();
            return if is_empty { value } else { format!("{path}<{value}>") };
        }
        if let Type::Tuple(tuple) = ty
            && tuple.elems.len() > 1
        {
            let values: Vec<_> = tuple.elems.iter().map(|ty| self.value(ty, in_emit)).collect();
            return format!("({})", values.join(", "));
        }
        let text = text_of(ty.to_token_stream());
        if in_emit { format!("Emit<{text}>") } else { text }
    }
}

// `Result<T, E>` of the standard library, of the framework or of `anyhow`, with `T` if it is said.
fn as_result(ty: &Type) -> Option<(WrittenResult, Option<&Type>)> {
    let Type::Path(path) = ty else { return None };
    if type_name(ty)? != "Result" || !is_known(path) {
        return None;
    }
    let mut types = arguments(path);
    let inner = types.next();
    let error = types.next().map(|error| text_of(error.to_token_stream()));
    Some((WrittenResult { path: path_text(path), error }, inner))
}

// `X` of `Option<X>`, and the path before it.
fn holder<'t>(ty: &'t Type, names: &[&str]) -> Option<(String, &'t Type)> {
    let Type::Path(path) = ty else { return None };
    if !names.contains(&type_name(ty)?.as_str()) || !is_known(path) {
        return None;
    }
    let inner = arguments(path).next()?;
    Some((path_text(path), inner))
}

fn is_known(path: &TypePath) -> bool {
    let first = path.path.segments.first().map(|first| first.ident.to_string());
    let last = path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
    is_std_path(&path.path, &last)
        || matches!(first.as_deref(), Some("event_core" | "anyhow" | "eyre"))
}

fn arguments(path: &TypePath) -> impl Iterator<Item = &Type> {
    let arguments = path.path.segments.last().map(|last| &last.arguments);
    let arguments = match arguments {
        Some(PathArguments::AngleBracketed(arguments)) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn path_text(path: &TypePath) -> String {
    let text = text_of(path.path.to_token_stream());
    text.split('<').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_the_wrong_way_is_turned_round() {
        for (written, meant) in [
            ("Option<Result<Emit<A>>>", "Result<Option<Emit<A>>>"),
            ("Vec<Result<Emit<A>, E>>", "Result<Vec<Emit<A>>, E>"),
            (
                "Option<Vec<event_core::Result<Emit<A>>>>",
                "event_core::Result<Option<Vec<Emit<A>>>>",
            ),
            ("Result<Option<Result<Emit<A>, E>>, F>", "Result<Option<Emit<A>>, F>"),
            ("(Result<Emit<A>>, Emit<B>)", "Result<(Emit<A>, Emit<B>)>"),
            ("Option<anyhow::Result<()>>", "anyhow::Result<()>"),
            ("Option<Result>", "Result<()>"),
            ("Option<Result<Outcome>>", "Result<Outcome>"),
            ("Emit<Option<A>>", "Option<Emit<A>>"),
            ("Emit<Vec<A>>", "Vec<Emit<A>>"),
            ("Emit<Result<A, E>>", "Result<Emit<A>, E>"),
            ("Result<Emit<Vec<A>>>", "Result<Vec<Emit<A>>>"),
        ] {
            let ty = syn::parse_str(written).unwrap();
            assert_eq!(one(&ty).map(|(meant, _)| meant).as_deref(), Some(meant), "{written}");
        }
        for right in [
            "()",
            "Result",
            "Result<()>",
            "Result<Option<Emit<A>>, E>",
            "Option<(Emit<A>, Vec<Emit<B>>)>",
            "Result<Outcome>",
            "Option<()>",
            "Option<own::Result<A>>",
            "impl IntoOutcome",
        ] {
            assert!(one(&syn::parse_str(right).unwrap()).is_none(), "{right}");
        }
    }

    #[test]
    fn each_item_of_a_batch_has_a_result_of_its_own() {
        let meant = |written| each_of_batch(&syn::parse_str(written).unwrap()).map(|m| m.0);
        for right in ["()", "Result", "Vec<Result<(), E>>", "Result<Vec<Result<Emit<A>>>>"] {
            assert_eq!(meant(right), None, "{right}");
        }
        assert_eq!(
            meant("Vec<Option<Result<Emit<A>>>>").as_deref(),
            Some("Vec<Result<Option<Emit<A>>>>")
        );
        assert_eq!(
            meant("Result<Vec<Emit<Option<A>>>, E>").as_deref(),
            Some("Result<Vec<Option<Emit<A>>>, E>")
        );
    }
}
