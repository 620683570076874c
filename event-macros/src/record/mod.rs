//! What the build of a crate knows, noted where start-up finds it.
//!
//! The linker drops a crate that no code names, and its handlers with it, without a word. So the first
//! macro of ours in a crate notes which of the crates that the compiler is given for it register
//! something, and start-up compares them with those that are linked. Both are known by an id of their
//! build: a name would not do, since a package's library and binary share one, as two versions of a
//! crate do. The id of a crate that registers something stands in its metadata, as the name of a constant,
//! with the event-core that it registers with: another one keeps a registry of its own.
//!
//! The crates are those of the compiler's arguments, and all behind them. What a crate's code names stands
//! in its metadata; what only its `Cargo.toml` lists stands in what cargo notes of each build. That is
//! complete when a program is compiled, so a program notes all, and a library what its dependencies name.

mod artifact;
mod graph;
mod invocation;
mod units;
mod walk;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::Path;
use syn::ext::IdentExt;

use artifact::Mark;
use graph::{Graph, Registering};
use invocation::Invocation;

use crate::quiet::quiet;

/// Notes the crate that is being compiled, once; for a macro that registers nothing.
pub(crate) fn note(root: &Path) -> Option<TokenStream> {
    static NOTED: AtomicBool = AtomicBool::new(false);
    let invocation = Invocation::current()?;
    (!NOTED.swap(true, Ordering::Relaxed)).then(|| registration(invocation, root))
}

/// The same for a macro that registers a handler or a contract: it leaves the crate's id too.
pub(crate) fn note_registering(root: &Path) -> Option<TokenStream> {
    static MARKED: AtomicBool = AtomicBool::new(false);
    let noted = note(root);
    let id = &Invocation::current()?.id;
    let mark = (!MARKED.swap(true, Ordering::Relaxed)).then(|| {
        let framework = framework(root);
        let framework = framework.as_deref().and_then(artifact::hash).map(str::to_owned);
        let mark = Mark { id: id.clone(), framework };
        let mark = Ident::new(&mark.constant(), Span::call_site());
        let quiet = quiet();
        quote!(#quiet const _: () = { const #mark: () = (); };)
    });
    Some(quote!(#noted #mark))
}

/// The ids of what registers something when the dependency that is called `name` in code is linked, as
/// code; `None` when nothing is known of the build.
pub(crate) fn ids_of(name: &str) -> TokenStream {
    // A crate that `extern crate .. as name` renamed is none of the compiler's arguments.
    let is_known = Invocation::current()
        .is_some_and(|invocation| invocation.externs.iter().any(|external| external.name == name));
    if !is_known {
        return quote!(::core::option::Option::None);
    }
    let of_name = |one: &&Registering| one.name == name && one.dependent.is_none();
    let ids = registering().iter().filter(of_name).map(|one| &one.mark.id);
    quote!(::core::option::Option::Some(&[#(#ids),*]))
}

fn graph() -> Option<&'static Graph<'static>> {
    static GRAPH: OnceLock<Option<Graph<'static>>> = OnceLock::new();
    GRAPH.get_or_init(|| Invocation::current().map(Graph::read)).as_ref()
}

fn registering() -> &'static [Registering] {
    static REGISTERING: OnceLock<Vec<Registering>> = OnceLock::new();
    REGISTERING.get_or_init(|| graph().map(Graph::registering).unwrap_or_default())
}

/// The file of the event-core that is at `root`, when it is known.
fn framework(root: &Path) -> Option<PathBuf> {
    let first = root.segments.first()?.ident.unraw().to_string();
    graph()?.framework(&first)
}

fn registration(invocation: &Invocation, root: &Path) -> TokenStream {
    let Invocation { crate_name, id, executable, .. } = invocation;
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_else(|_| "unknown".to_owned());
    let framework = framework(root);
    let dependencies = registering().iter().map(|one| {
        let Registering { name, own_name, dependent, mark } = one;
        let other = graph().and_then(|g| g.other(framework.as_deref(), mark.framework.as_deref()));
        let [dependent, other] = [dependent, &other].map(option);
        let id = &mark.id;
        quote! {
            #root::macro_support::CrateDependency {
                name: #name,
                own_name: #own_name,
                id: #id,
                dependent: #dependent,
                other_framework: #other,
            }
        }
    });
    let quiet = quiet();
    quote! {
        #quiet
        const _: () = {
            #root::macro_support::inventory::submit! {
                #root::macro_support::CrateRegistration {
                    name: #crate_name,
                    id: #id,
                    version: #version,
                    executable: #executable,
                    panic_aborts: ::core::cfg!(panic = "abort"),
                    dependencies: &[#(#dependencies),*],
                }
            }
        };
    }
}

fn option(text: &Option<String>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}
