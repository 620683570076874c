//! What the build of a crate knows, noted where start-up finds it.
//!
//! The linker drops a crate that no code names, and its handlers with it, without a word. So the first
//! macro of ours in a crate notes which of the crates that the compiler is given for it register
//! something, and start-up compares them with those that are linked. Both are known by an id of their
//! build: a name would not do, since a package's library and binary share one, as two versions of a
//! crate do. The id of a crate that registers something stands in its metadata, as the name of a constant.

mod artifact;
mod invocation;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::Path;

use artifact::MARK;
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
        let mark = Ident::new(&format!("{MARK}{id}"), Span::call_site());
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
    let dependencies = dependencies().iter().filter(|dependency| dependency.name == name);
    let ids = dependencies.map(|dependency| &dependency.id);
    quote!(::core::option::Option::Some(&[#(#ids),*]))
}

/// A crate that registers something.
struct Dependency {
    /// What code calls the crate that it is linked with: itself, or one that has loaded it.
    name: String,
    /// What it calls itself.
    own_name: String,
    id: String,
}

fn dependencies() -> &'static [Dependency] {
    static DEPENDENCIES: OnceLock<Vec<Dependency>> = OnceLock::new();
    DEPENDENCIES.get_or_init(|| {
        let Some(Invocation { externs, directories, .. }) = Invocation::current() else {
            return Vec::new();
        };
        let registering = externs.iter().flat_map(|external| {
            let crates = artifact::registering(&external.path, directories).into_iter();
            let name = external.name.clone();
            crates.map(move |(own_name, id)| Dependency { name: name.clone(), own_name, id })
        });
        registering.collect()
    })
}

fn registration(invocation: &Invocation, root: &Path) -> TokenStream {
    let Invocation { crate_name, id, executable, sources, .. } = invocation;
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_else(|_| "unknown".to_owned());
    let dependencies = dependencies().iter().map(|Dependency { name, own_name, id }| {
        quote!(#root::macro_support::CrateDependency { name: #name, own_name: #own_name, id: #id })
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
                    sources: #sources,
                    dependencies: &[#(#dependencies),*],
                }
            }
        };
    }
}
