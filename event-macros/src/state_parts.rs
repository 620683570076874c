//! `#[derive(StateParts)]`: a struct whose fields are states of their own.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Data, DeriveInput, Fields, Path, Type};

use crate::arguments::{Arguments, AttributeArgs, Keys};
use crate::diagnostics::Diagnostics;
use crate::quiet::quiet;
use crate::record;
use crate::tokens::{ends, see_through, text_of};

const ON_STRUCT: Keys = Keys { attribute: "#[state]", known: &[], flags: &[], lists: &[] };
const ON_FIELD: Keys = Keys { attribute: "#[state]", known: &[], flags: &["skip"], lists: &[] };

struct Part<'i> {
    member: TokenStream,
    ty: &'i Type,
}

/// The implementation of `StateParts`, or what is wrong.
pub(crate) fn derive_state_parts(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(see_through(item)) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut diagnostics = Diagnostics::default();
    let arguments = Arguments::of_attributes("state", &input.attrs);
    let root = AttributeArgs::parse(arguments, &ON_STRUCT, &mut diagnostics).root();
    let parts = parts(&input, &mut diagnostics);
    if diagnostics.is_empty() {
        let mut output = expand(&input, &parts, &root);
        output.extend(record::note(&root));
        output
    } else {
        diagnostics.into_compile_errors()
    }
}

fn parts<'i>(input: &'i DeriveInput, diagnostics: &mut Diagnostics) -> Vec<Part<'i>> {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        let what = format!("state `{name}` is generic, but a state is one type");
        diagnostics.add(&input.generics, what, "write the types themselves");
        return Vec::new();
    }
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) => return not_a_struct(name, data.enum_token, diagnostics),
        Data::Union(data) => return not_a_struct(name, data.union_token, diagnostics),
    };
    if matches!(fields, Fields::Unit) {
        let what = format!("state `{name}` has no parts");
        diagnostics.add(name, what, "remove `StateParts`; it is given whole with `.state(..)`");
    }
    let mut parts = Vec::<Part<'_>>::new();
    for (index, field) in fields.iter().enumerate() {
        let arguments = Arguments::of_attributes("state", &field.attrs);
        if AttributeArgs::parse(arguments, &ON_FIELD, diagnostics).flag("skip").is_some() {
            continue;
        }
        let member = match &field.ident {
            Some(ident) => ident.to_token_stream(),
            None => syn::Index::from(index).to_token_stream(),
        };
        let ty = text_of(field.ty.to_token_stream());
        if let Some(first) = parts.iter().find(|part| text_of(part.ty.to_token_stream()) == ty) {
            let what = format!(
                "`{member}` and `{}` are both `{ty}`, but a state is found by its type",
                first.member
            );
            let skip = match &field.ident {
                Some(ident) => format!("write `#[state(skip)]` above `{ident}`"),
                None => format!("write `#[state(skip)] {ty}`"),
            };
            let help = format!("{skip}, or give it a type of its own");
            diagnostics.add(&field.ty, what, help);
            continue;
        }
        parts.push(Part { member, ty: &field.ty });
    }
    parts
}

fn not_a_struct<'i>(
    name: &syn::Ident,
    keyword: impl ToTokens,
    diagnostics: &mut Diagnostics,
) -> Vec<Part<'i>> {
    let what = format!("the parts of a state are fields of a struct, but `{name}` is none");
    diagnostics.add(keyword, what, "remove `StateParts`; it is given whole with `.state(..)`");
    Vec::new()
}

fn expand(input: &DeriveInput, parts: &[Part<'_>], root: &Path) -> TokenStream {
    let name = &input.ident;
    let keys = parts.iter().map(|part| {
        let ty = part.ty;
        quote!(keys.push(#root::state::StateKey::of::<#ty>());)
    });
    let values = parts.iter().map(|part| {
        let (first, last) = ends(part.ty);
        let (member, ty) = (&part.member, part.ty);
        let open = quote_spanned!(first=> <);
        let clone = quote_spanned!(last=> #open #ty as ::core::clone::Clone>::clone);
        quote!(state.insert(#clone(&self.#member));)
    });
    let found = parts.iter().map(|part| {
        let (first, last) = ends(part.ty);
        let ty = part.ty;
        let open = quote_spanned!(first=> impl StateFoundByItsType);
        quote_spanned!(last=> #open<#ty> for #name {})
    });
    let quiet = quiet();
    quote! {
        // Implementations for one type conflict, whatever name it has in a field.
        #quiet
        const _: () = {
            #[allow(dead_code)]
            trait StateFoundByItsType<T> {}
            #(#found)*
        };

        #quiet
        impl #root::state::StateParts for #name {
            fn add_keys(keys: &mut #root::state::StateKeys) {
                keys.push(#root::state::StateKey::of::<Self>());
                #(#keys)*
            }

            fn put(self, state: &mut #root::state::StateMap) {
                #(#values)*
                state.insert(self);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(item: TokenStream) -> usize {
        derive_state_parts(item).to_string().matches("compile_error").count()
    }

    #[test]
    fn a_state_is_found_by_its_type() {
        assert_eq!(
            errors(quote!(
                struct A {
                    a: Pool,
                    b: Log,
                }
            )),
            0
        );
        assert_eq!(
            errors(quote!(
                struct A(Pool, #[state(skip)] Pool);
            )),
            0
        );
        assert_eq!(
            errors(quote!(
                struct A {
                    a: Pool,
                    b: Pool,
                }
            )),
            1
        );
        assert_eq!(
            errors(quote!(
                struct A {
                    #[state(skp)]
                    a: Pool,
                    b: Log,
                }
            )),
            1
        );
        for item in [
            quote!(
                enum A {
                    B,
                }
            ),
            quote!(
                struct A;
            ),
            quote!(
                struct A<T> {
                    a: T,
                }
            ),
        ] {
            assert_eq!(errors(item), 1);
        }
    }
}
