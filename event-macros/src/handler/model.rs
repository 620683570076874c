//! What is known of the function under the attribute.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, FnArg, GenericParam, ReturnType, Signature, Type, Visibility};

use crate::complaints::Complaints;
use crate::tokens::{keyword_of_other_item, replace_lifetimes, text_of};

/// A function that is to be a handler.
pub(crate) struct Handler {
    pub(crate) signature: Signature,
    pub(crate) arguments: Vec<HandlerArgument>,
    pub(crate) has_body: bool,
}

/// One argument, `self` aside.
pub(crate) struct HandlerArgument {
    pub(crate) ty: Type,
    /// The type with the function's own lifetimes left to inference, for use outside of it.
    pub(crate) inferred: TokenStream,
    /// Its `#[cfg(..)]` attributes, which go wherever it goes.
    pub(crate) cfgs: Vec<Attribute>,
}

impl Handler {
    /// Reads the item; complains when it is no function.
    pub(crate) fn read(item: TokenStream, complaints: &mut Complaints) -> Option<Self> {
        // The body is not looked at: what is wrong there is the compiler's to say.
        let read = |input: ParseStream<'_>| {
            input.call(Attribute::parse_outer)?;
            input.parse::<Visibility>()?;
            let signature = input.parse::<Signature>()?;
            let has_body = input.peek(syn::token::Brace);
            input.parse::<TokenStream>()?;
            Ok(Self::new(signature, has_body))
        };
        if let Some(keyword) = keyword_of_other_item(item.clone()) {
            let article = if keyword == "impl" || keyword == "enum" { "an" } else { "a" };
            let what =
                format!("`#[event_handler]` is for a function, this is {article} `{keyword}`");
            let help = "write `#[event_handler(..)] async fn on_claim_added(event: \
                        Event<ClaimAdded>)`, and share a value with it as `State<..>`";
            complaints.add(keyword, what, help);
            return None;
        }
        read.parse2(item).map_err(|error| complaints.add_error(error)).ok()
    }

    fn new(signature: Signature, has_body: bool) -> Self {
        let lifetimes: Vec<_> = signature
            .generics
            .params
            .iter()
            .filter_map(|param| match param {
                GenericParam::Lifetime(lifetime) => Some(lifetime.lifetime.ident.clone()),
                GenericParam::Type(_) | GenericParam::Const(_) => None,
            })
            .collect();
        let argument = |argument: &FnArg| match argument {
            FnArg::Receiver(_) => None,
            FnArg::Typed(typed) => Some(HandlerArgument {
                ty: (*typed.ty).clone(),
                inferred: replace_lifetimes(typed.ty.to_token_stream(), &lifetimes, "_"),
                cfgs: typed.attrs.iter().filter(|a| a.path().is_ident("cfg")).cloned().collect(),
            }),
        };
        let arguments = signature.inputs.iter().filter_map(argument).collect();
        Handler { signature, arguments, has_body }
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.signature.ident
    }

    /// The type after `->`.
    pub(crate) fn output(&self) -> Option<&Type> {
        match &self.signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(ty),
        }
    }
}

impl HandlerArgument {
    /// `Event` of `event_core::Event<ClaimAdded>`.
    pub(crate) fn type_name(&self) -> Option<String> {
        type_name(&self.ty)
    }

    /// Whether its type may be one that has a contract. Types that this crate does not know may.
    pub(crate) fn may_have_contract(&self) -> bool {
        let known = ["Json", "RawEvent", "State", "Position"];
        self.type_name().is_none_or(|name| !known.contains(&name.as_str()))
    }

    /// The type as written.
    pub(crate) fn text(&self) -> String {
        text_of(self.ty.to_token_stream())
    }
}

/// The last word of a type's path.
pub(crate) fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Type::Group(group) => type_name(&group.elem),
        Type::Paren(paren) => type_name(&paren.elem),
        _ => None,
    }
}
