//! What is known of the type under the derive.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Data, DeriveInput, Expr, Field, Fields, GenericParam, Lit, Meta};

use crate::diagnostics::Diagnostics;
use crate::tokens::text_of;

/// A type that is to be a contract.
pub(crate) struct ContractType<'i> {
    pub(crate) input: &'i DeriveInput,
    /// The named fields; `None` for an enum.
    pub(crate) fields: Option<Vec<&'i Field>>,
}

impl<'i> ContractType<'i> {
    /// Reads the type; complains about one that has no JSON object as its form.
    pub(crate) fn read(input: &'i DeriveInput, diagnostics: &mut Diagnostics) -> Option<Self> {
        let name = &input.ident;
        let before = diagnostics.count();
        for param in &input.generics.params {
            let ident = match param {
                GenericParam::Lifetime(_) => continue,
                GenericParam::Type(param) => &param.ident,
                GenericParam::Const(param) => &param.ident,
            };
            let what = format!("contract `{name}` is generic over `{ident}`, but has one shape");
            diagnostics.add(param, what, format!("write the type itself in place of `{ident}`"));
        }
        let fields = match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) => Some(fields.named.iter().collect()),
                Fields::Unit => {
                    let what =
                        format!("contract `{name}` is a unit struct, which is not an object");
                    diagnostics.add(name, what, format!("write `struct {name} {{}}`"));
                    None
                }
                Fields::Unnamed(fields) => {
                    let what =
                        format!("contract `{name}` is a tuple struct, its fields have no names");
                    let named = fields.unnamed.iter().map(|f| text_of(f.ty.to_token_stream()));
                    let named: Vec<_> = named
                        .enumerate()
                        .map(|(i, ty)| format!("{}: {ty}", field_name(i)))
                        .collect();
                    let help = format!("write `struct {name} {{ {} }}`", named.join(", "));
                    diagnostics.add(fields, what, help);
                    None
                }
            },
            Data::Enum(_) => None,
            Data::Union(data) => {
                let what = format!("contract `{name}` is a union");
                diagnostics.add(data.union_token, what, format!("write `struct {name} {{ .. }}`"));
                None
            }
        };
        (diagnostics.count() == before).then_some(ContractType { input, fields })
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.input.ident
    }

    /// The field called `name`.
    pub(crate) fn has_field(&self, name: &Ident) -> bool {
        self.fields.iter().flatten().any(|field| field.ident.as_ref() == Some(name))
    }

    /// The doc comment, trimmed.
    pub(crate) fn description(&self) -> String {
        let lines: Vec<_> = self.input.attrs.iter().filter_map(doc_line).collect();
        let lines = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

/// The name of a field without `r#`.
pub(crate) fn plain_name(field: &Field) -> String {
    use syn::ext::IdentExt;
    field.ident.as_ref().map(|ident| ident.unraw().to_string()).unwrap_or_default()
}

fn field_name(index: usize) -> String {
    ["id", "value"].get(index).map_or_else(|| format!("field{index}"), |name| (*name).to_owned())
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(literal) if pair.path.is_ident("doc") => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// The tokens of a type with every lifetime of the contract made `'static`.
pub(crate) fn make_static(tokens: TokenStream, input: &DeriveInput) -> TokenStream {
    let lifetimes: Vec<_> = input.generics.lifetimes().map(|l| l.lifetime.ident.clone()).collect();
    crate::tokens::replace_lifetimes(tokens, &lifetimes, "static")
}
