//! What the words of a type say, as far as a macro can know it.
//!
//! A user's own type may have the name of one of ours. A bare name is taken for ours; a path only when
//! it begins with the framework, or else the compiler decides what it is.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{GenericArgument, Path, PathArguments, Type};

use crate::tokens::text_of;

/// The arguments of ours that have no payload.
const WITHOUT_PAYLOAD: [&str; 9] =
    ["Json", "RawEvent", "State", "Position", "Headers", "Key", "Attempt", "Producer", "Shutdown"];

/// The arguments of ours that are made from one record.
const OF_ONE_RECORD: [&str; 7] =
    ["Event", "Json", "RawEvent", "Key", "Position", "Headers", "Envelope"];

/// Whether an argument of this name may be one that has a contract.
pub(super) fn may_have_contract(name: &str) -> bool {
    !WITHOUT_PAYLOAD.contains(&name)
}

/// Whether a type of this name is an argument of ours.
pub(super) fn is_known_argument(name: &str) -> bool {
    ["Event", "Envelope", "Batch"].contains(&name) || WITHOUT_PAYLOAD.contains(&name)
}

/// Whether an argument of this name says something of one record.
pub(super) fn is_of_one_record(name: &str) -> bool {
    OF_ONE_RECORD.contains(&name)
}

/// What a batch is made of: `Event` of `Batch<ClaimAdded>`, `Json` of `Vec<Json<i64>>`. `None` for
/// what is not certain to be one.
pub(super) fn batch_name(ty: &Type, root: &Path) -> Option<String> {
    match ty {
        Type::Group(group) => batch_name(&group.elem, root),
        Type::Paren(paren) => batch_name(&paren.elem, root),
        Type::Path(path) if is_std(ty, "Vec") => {
            let item = first_type(&path.path)?;
            argument_name(item, root).filter(|name| is_of_one_record(name))
        }
        Type::Path(path) => {
            let is_batch = path.path.segments.last().is_some_and(|last| last.ident == "Batch");
            (is_batch && is_ours(&path.path, root)).then(|| "Event".to_owned())
        }
        _ => None,
    }
}

/// `X` of `Vec<X>`.
pub(super) fn first_type(path: &Path) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// `Event` of `event_core::Event<ClaimAdded>`, also inside of an `Option` or a `Result`; `None` for
/// what is not certain to be a name of the framework, which is called `root`.
pub(super) fn argument_name(ty: &Type, root: &Path) -> Option<String> {
    match ty {
        Type::Group(group) => argument_name(&group.elem, root),
        Type::Paren(paren) => argument_name(&paren.elem, root),
        Type::Path(path) => {
            let path = &path.path;
            let last = path.segments.last()?;
            if let Some(inner) = first_type(path)
                && (is_std(ty, "Option") || is_std(ty, "Result") || is_result(path, root))
            {
                return argument_name(inner, root);
            }
            is_ours(path, root).then(|| last.ident.unraw().to_string())
        }
        _ => None,
    }
}

fn is_result(path: &Path, root: &Path) -> bool {
    path.segments.last().is_some_and(|last| last.ident == "Result") && is_ours(path, root)
}

fn is_ours(path: &Path, root: &Path) -> bool {
    let words = |path: &Path| -> Vec<_> {
        path.segments.iter().map(|segment| text_of(segment.ident.to_token_stream())).collect()
    };
    let (path, root) = (words(path), words(root));
    // In a crate that is its own root, everything begins with it.
    let is_root_known = !["crate", "self", "super"].contains(&root[0].as_str());
    path.len() == 1 || path[0] == "event_core" || is_root_known && path.starts_with(&root)
}

/// Whether a type is the one of the standard library that has this name, bare or by its path.
pub(super) fn is_std(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if is_std_path(&path.path, name))
}

/// The same of a path.
pub(super) fn is_std_path(path: &Path, name: &str) -> bool {
    let first = path.segments.first().map(|first| first.ident.to_string());
    let is_std =
        path.segments.len() == 1 || matches!(first.as_deref(), Some("std" | "core" | "alloc"));
    is_std && path.segments.last().is_some_and(|last| last.ident == name)
}

/// The last word of a type's path.
pub(super) fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.unraw().to_string()),
        Type::Group(group) => type_name(&group.elem),
        Type::Paren(paren) => type_name(&paren.elem),
        _ => None,
    }
}
