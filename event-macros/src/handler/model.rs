//! What is known of the item under the attribute: a function, or an `impl EventHandler for` a type.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, FnArg, GenericArgument, GenericParam, Generics, Path, PathArguments, ReturnType,
    Signature, Token, Type, Visibility,
};

use crate::arguments::Given;
use crate::complaints::Complaints;
use crate::tokens::{find_word, keyword_of_other_item, replace_lifetimes, text_of};

/// What is to be a handler.
pub(crate) struct Handler {
    pub(crate) form: Form,
    pub(crate) signature: Signature,
    pub(crate) arguments: Vec<HandlerArgument>,
    pub(crate) has_body: bool,
    /// The return type, `()` when there is none written, for use outside of the function; `None` when
    /// it cannot be named there.
    pub(crate) returned: Option<TokenStream>,
}

/// How it is called.
pub(crate) enum Form {
    /// As a free function.
    Function { blocking: bool },
    /// As the method `handle` of the value of this type.
    Instance(Box<Type>),
}

/// One argument, `self` aside.
pub(crate) struct HandlerArgument {
    pub(crate) ty: Type,
    /// The type with the function's own lifetimes left to inference, for use outside of it.
    pub(crate) inferred: TokenStream,
    /// Its `#[cfg(..)]` attributes, which go wherever it goes.
    pub(crate) cfgs: Vec<Attribute>,
}

/// The item as it is emitted, and the handler in it.
pub(crate) struct Item {
    pub(crate) emitted: TokenStream,
    pub(crate) handler: Option<Handler>,
}

impl Item {
    /// Reads the item; complains when it cannot be a handler.
    pub(crate) fn read(item: TokenStream, given: &Given, complaints: &mut Complaints) -> Self {
        let Some(keyword) = keyword_of_other_item(item.clone()) else {
            let handler = function.parse2(item.clone());
            let handler = handler.map_err(|error| complaints.add_error(error)).ok();
            let handler = handler.map(|(signature, has_body)| {
                let form = Form::Function { blocking: given.means("blocking") };
                Handler::new(form, signature, has_body)
            });
            return Item { emitted: item, handler };
        };
        if keyword == "impl"
            && let Ok(block) = impl_block.parse2(item.clone())
        {
            let (emitted, handler) = block.into_handler(&keyword, complaints);
            return Item { emitted, handler };
        }
        let article = if keyword == "impl" || keyword == "enum" { "an" } else { "a" };
        let what = format!("`#[event_handler]` is for a function, this is {article} `{keyword}`");
        let help = if keyword == "impl" {
            "write `impl EventHandler for ..` with a method `handle`"
        } else {
            "write `#[event_handler(..)] async fn on_claim_added(event: Event<ClaimAdded>)`, and \
             share a value with it as `State<..>`"
        };
        complaints.add(keyword, what, help);
        Item { emitted: item, handler: None }
    }
}

// The body is not looked at: what is wrong there is the compiler's to say.
fn function(input: ParseStream<'_>) -> syn::Result<(Signature, bool)> {
    input.call(Attribute::parse_outer)?;
    input.parse::<Visibility>()?;
    let signature = input.parse::<Signature>()?;
    let has_body = input.peek(syn::token::Brace);
    input.parse::<TokenStream>()?;
    Ok((signature, has_body))
}

/// `impl EventHandler for Type { .. }`, its body as it stands.
struct ImplBlock {
    attributes: Vec<Attribute>,
    generics: Generics,
    ty: Type,
    body: Group,
}

fn impl_block(input: ParseStream<'_>) -> syn::Result<ImplBlock> {
    let attributes = input.call(Attribute::parse_outer)?;
    input.parse::<Token![impl]>()?;
    let generics = input.parse()?;
    let handler_trait = input.call(Path::parse_mod_style)?;
    if handler_trait.segments.last().is_none_or(|last| last.ident != "EventHandler") {
        return Err(input.error("another trait"));
    }
    input.parse::<Token![for]>()?;
    let ty = input.parse()?;
    let body = input.parse()?;
    input.parse::<TokenStream>()?;
    Ok(ImplBlock { attributes, generics, ty, body })
}

impl ImplBlock {
    // The methods become the type's own, because `handle` takes more than the trait's; the trait is
    // implemented by calling it.
    fn into_handler(
        self,
        keyword: &Ident,
        complaints: &mut Complaints,
    ) -> (TokenStream, Option<Handler>) {
        let ImplBlock { attributes, generics, ty, body } = self;
        let (body, handle, others) = methods(&body);
        let emitted = quote!(#(#attributes)* #keyword #generics #ty #body);
        let shown = text_of(ty.to_token_stream());
        if !generics.params.is_empty() {
            let what = format!("the handler `{shown}` is generic, but its value is one state");
            complaints.add(&generics, what, "write the type itself in place of each parameter");
            return (emitted, None);
        }
        let Some((signature, has_body)) = handle else {
            let what = format!("`{shown}` has no method `handle`");
            if let [other] = &others[..] {
                complaints.add(other, format!("{what}, but `{other}`"), "write `handle`");
                return (emitted, None);
            }
            let help = "write `async fn handle(&self, event: Event<..>) -> Result { .. }`";
            complaints.add(&ty, what, help);
            return (emitted, None);
        };
        (emitted, Some(Handler::new(Form::Instance(Box::new(ty)), signature, has_body)))
    }
}

// The body with `handle` visible in the crate, as the method of a trait would be, and its signature;
// and the names of the other methods.
fn methods(body: &Group) -> (Group, Option<(Signature, bool)>, Vec<Ident>) {
    let mut rest = body.stream();
    let mut written = TokenStream::new();
    let (mut handle, mut others) = (None, Vec::new());
    while !rest.is_empty() {
        let read = |input: ParseStream<'_>| {
            let attributes = input.call(Attribute::parse_outer)?;
            let visibility = input.parse::<Visibility>()?;
            let signature = input.parse::<Signature>()?;
            Ok(((attributes, visibility, signature), input.parse::<TokenStream>()?))
        };
        let method = read.parse2(rest.clone()).ok();
        others.extend(method.iter().map(|((_, _, signature), _)| signature.ident.clone()));
        if let Some(((attributes, visibility, signature), after)) = method
            && signature.ident == "handle"
        {
            others.pop();
            let visibility = match visibility {
                Visibility::Inherited => quote!(pub(crate)),
                given => given.to_token_stream(),
            };
            written.extend(quote!(#(#attributes)* #visibility #signature));
            let has_body = starts_with_brace(&after);
            handle = Some((signature, has_body));
            rest = after;
            continue;
        }
        // To the end of this item, which is a body or a semicolon.
        let mut tokens = rest.into_iter();
        for token in tokens.by_ref() {
            let ends = match &token {
                TokenTree::Group(group) => group.delimiter() == proc_macro2::Delimiter::Brace,
                TokenTree::Punct(punct) => punct.as_char() == ';',
                _ => false,
            };
            written.extend([token]);
            if ends {
                break;
            }
        }
        rest = tokens.collect();
    }
    let mut group = Group::new(body.delimiter(), written);
    group.set_span(body.span());
    (group, handle, others)
}

fn starts_with_brace(tokens: &TokenStream) -> bool {
    matches!(tokens.clone().into_iter().next(),
        Some(TokenTree::Group(group)) if group.delimiter() == proc_macro2::Delimiter::Brace)
}

impl Handler {
    fn new(form: Form, signature: Signature, has_body: bool) -> Self {
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
        let returned = match &signature.output {
            ReturnType::Default => Some(quote!(())),
            ReturnType::Type(_, ty) => {
                let ty = replace_lifetimes(ty.to_token_stream(), &lifetimes, "_");
                let nameless = ["impl", "Self"];
                nameless.iter().all(|word| find_word(ty.clone(), word).is_none()).then_some(ty)
            }
        };
        Handler { form, signature, arguments, has_body, returned }
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.signature.ident
    }

    /// The name by which a person knows it: that of the function or of the type.
    pub(crate) fn shown_name(&self) -> String {
        match &self.form {
            Form::Function { .. } => self.name().unraw().to_string(),
            Form::Instance(ty) => type_name(ty).unwrap_or_else(|| text_of(ty.to_token_stream())),
        }
    }

    /// The type whose value handles.
    pub(crate) fn instance(&self) -> Option<&Type> {
        match &self.form {
            Form::Function { .. } => None,
            Form::Instance(ty) => Some(ty),
        }
    }

    /// The type after `->`.
    pub(crate) fn output(&self) -> Option<&Type> {
        match &self.signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(ty),
        }
    }
}

/// The arguments of ours that have no payload.
const WITHOUT_PAYLOAD: [&str; 9] =
    ["Json", "RawEvent", "State", "Position", "Headers", "Key", "Attempt", "Producer", "Shutdown"];

impl HandlerArgument {
    /// `Event` of `event_core::Event<ClaimAdded>`, also inside of an `Option` or a `Result`.
    pub(crate) fn type_name(&self) -> Option<String> {
        made_type(&self.ty).and_then(type_name)
    }

    /// Whether its type may be one that has a contract. Types that this crate does not know may.
    pub(crate) fn may_have_contract(&self) -> bool {
        self.type_name().is_none_or(|name| !WITHOUT_PAYLOAD.contains(&name.as_str()))
    }

    /// The type as written.
    pub(crate) fn text(&self) -> String {
        text_of(self.ty.to_token_stream())
    }
}

/// Whether a type of this name is an argument of ours.
pub(crate) fn is_known_argument(name: &str) -> bool {
    name == "Event" || name == "Envelope" || WITHOUT_PAYLOAD.contains(&name)
}

// `X` of `Option<X>` and of `Result<X, E>`.
fn made_type(ty: &Type) -> Option<&Type> {
    let wraps = type_name(ty).is_some_and(|name| name == "Option" || name == "Result");
    match ty {
        Type::Path(path) if wraps => {
            let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments
            else {
                return Some(ty);
            };
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(inner) => made_type(inner),
                _ => None,
            })
        }
        _ => Some(ty),
    }
}

/// The last word of a type's path.
pub(crate) fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.unraw().to_string()),
        Type::Group(group) => type_name(&group.elem),
        Type::Paren(paren) => type_name(&paren.elem),
        _ => None,
    }
}
