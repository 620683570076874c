//! The implementations of a list.

use event_names::Kind;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::Path;
use syn::ext::IdentExt;

use super::{List, Listed};
use crate::quiet::quiet;

/// What the enum is to have. The variants are named by `Self`, because `Err` may be one of them.
pub(super) fn list(list: &List<'_>, root: &Path) -> TokenStream {
    let inherent = inherent(list);
    let conversions = conversions(list);
    let serde = serde(list);
    let (ident, names, has_foreign_names) = (list.ident(), &list.names, list.has_foreign_names);
    let role = list.role();
    let quiet = quiet();
    quote! {
        #inherent

        #quiet
        const _: () = {
            use #root::macro_support as __event;

            impl __event::#role for #ident {
                const NAMES: &'static [&'static str] = &[#(#names),*];
                const ALL: &'static [Self] = Self::ALL;
                const FOREIGN_NAMES: bool = #has_foreign_names;
            }
            #conversions
            #serde
        };
    }
}

fn inherent(list: &List<'_>) -> TokenStream {
    let (ident, visibility) = (list.ident(), &list.input.vis);
    let noun = list.kind.noun();
    let values = list.values().map(|variant| variant.ident);
    let arms = list.variants.iter().map(|variant| {
        let (ident, name) = (variant.ident, &variant.name);
        let fields = (!variant.is_unit).then(|| quote!({ .. }));
        quote!(Self::#ident #fields => #name)
    });
    let all_doc = format!("Every {noun} of the list, in the order of the variants.");
    let iter_doc = format!("Every {noun} of the list, one after the other.");
    let quiet = quiet();
    let name_doc = format!("The {noun}'s name.");
    quote! {
        #quiet
        impl #ident {
            #[doc = #all_doc]
            #visibility const ALL: &'static [Self] = &[#(Self::#values),*];

            #[doc = #iter_doc]
            #[allow(dead_code)]
            #visibility fn iter() -> ::core::slice::Iter<'static, Self> {
                Self::ALL.iter()
            }

            #[doc = #name_doc]
            #[must_use]
            #visibility const fn as_str(&self) -> &'static str {
                match *self { #(#arms),* }
            }
        }
    }
}

fn conversions(list: &List<'_>) -> TokenStream {
    let (ident, shown, role) = (list.ident(), list.shown(), list.role());
    let arms = list.values().map(|variant| {
        let (ident, name) = (variant.ident, &variant.name);
        quote!(#name => ::core::result::Result::Ok(Self::#ident),)
    });
    quote! {
        impl ::core::str::FromStr for #ident {
            type Err = __event::UnknownName;

            fn from_str(name: &str) -> ::core::result::Result<Self, __event::UnknownName> {
                match name {
                    #(#arms)*
                    _ => ::core::result::Result::Err(
                        __event::UnknownName::new(#shown, <Self as __event::#role>::NAMES, name)
                    ),
                }
            }
        }

        impl ::core::convert::TryFrom<&str> for #ident {
            type Error = __event::UnknownName;

            fn try_from(name: &str) -> ::core::result::Result<Self, __event::UnknownName> {
                ::core::str::FromStr::from_str(name)
            }
        }

        impl ::core::convert::AsRef<str> for #ident {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    }
}

fn serde(list: &List<'_>) -> TokenStream {
    let (ident, shown) = (list.ident(), list.shown());
    quote! {
        impl __event::Serialize for #ident {
            fn serialize<S: __event::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                __event::Serializer::serialize_str(serializer, self.as_str())
            }
        }

        impl<'de> __event::Deserialize<'de> for #ident {
            fn deserialize<D: __event::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                __event::deserialize_name(#shown, deserializer)
            }
        }
    }
}

impl<'i> List<'i> {
    fn ident(&self) -> &'i Ident {
        &self.input.ident
    }

    // The trait that makes an enum such a list.
    fn role(&self) -> TokenStream {
        match self.kind {
            Kind::Topic => quote!(Topics),
            Kind::Event => quote!(Events),
        }
    }

    fn shown(&self) -> String {
        self.input.ident.unraw().to_string()
    }

    // The variants that a name alone makes, and for each name only the first.
    fn values(&self) -> impl Iterator<Item = &Listed<'i>> {
        let variants = self.variants.iter().enumerate();
        let first = |(index, one): &(usize, &Listed<'_>)| {
            one.is_unit && !self.variants[..*index].iter().any(|other| other.name == one.name)
        };
        variants.filter(first).map(|(_, variant)| variant)
    }
}
