//! What is known of the item under the attribute: a function, or an `impl EventHandler for` a type.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, FnArg, GenericArgument, GenericParam, Generics, Meta, Path, PathArguments,
    ReturnType, Signature, Token, Type, Visibility,
};

use super::type_names::{argument_name, batch_name, is_std, may_have_contract, type_name};
use crate::arguments::AttributeArgs;
use crate::diagnostics::Diagnostics;
use crate::tokens::{
    ends, find_word, keyword_of_other_item, replace_lifetimes, replace_word, see_through_head,
    text_of,
};

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
    /// The name of its type, when that is certain to be one of ours; of what is made, when it is an
    /// `Option` or a `Result`.
    pub(crate) name: Option<String>,
    /// Whether it is made of several records; the name is then that of one item.
    pub(crate) is_batch: bool,
    /// The type with the function's own lifetimes left to inference, for use outside of it.
    pub(crate) inferred: TokenStream,
    /// Its `#[cfg(..)]` attributes, which go wherever it goes.
    pub(crate) cfgs: Vec<Attribute>,
}

/// The item as it is emitted, and the handler in it.
pub(crate) struct Item {
    pub(crate) emitted: TokenStream,
    pub(crate) handler: Option<Handler>,
    /// What further attributes of this name on an `impl` say. The item that is emitted implements no
    /// trait any more, so that they could not read it.
    pub(crate) others: Vec<(Span, TokenStream)>,
}

impl Item {
    /// Reads the item; complains when it cannot be a handler.
    pub(crate) fn read(
        item: TokenStream,
        args: &AttributeArgs,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let Some(keyword) = keyword_of_other_item(item.clone()) else {
            let handler = function.parse2(see_through_head(item.clone()));
            let handler = handler.map_err(|error| diagnostics.add_error(error)).ok();
            let handler = handler.map(|(signature, has_body)| {
                let form = Form::Function { blocking: args.means("blocking") };
                Handler::new(form, signature, has_body, &args.root())
            });
            return Item { emitted: item, handler, others: Vec::new() };
        };
        if keyword == "impl"
            && let Ok(mut block) = impl_block.parse2(see_through_head(item.clone()))
        {
            let others = block.take_other_attributes();
            let (emitted, handler) = block.into_handler(&keyword, &args.root(), diagnostics);
            return Item { emitted, handler, others };
        }
        if keyword == "impl"
            && let Some(span) = unsafe_of_a_handler(item.clone())
        {
            let what = "the `impl` of a handler is `unsafe`, but `EventHandler` is a safe trait";
            diagnostics.add_at(span, what, "remove `unsafe`");
            return Item { emitted: TokenStream::new(), handler: None, others: Vec::new() };
        }
        let article = if keyword == "impl" || keyword == "enum" { "an" } else { "a" };
        let what = format!("`#[event_handler]` is for a function, this is {article} `{keyword}`");
        let help = if keyword == "impl" {
            "write `impl EventHandler for ..` with a method `handle`"
        } else {
            "write `#[event_handler(..)] async fn on_claim_added(event: Event<ClaimAdded>)`, and \
             share a value with it as `State<..>`"
        };
        diagnostics.add(keyword, what, help);
        Item { emitted: item, handler: None, others: Vec::new() }
    }
}

// The `unsafe` of an `unsafe impl EventHandler`.
fn unsafe_of_a_handler(item: TokenStream) -> Option<Span> {
    let mut words = item.into_iter();
    let word = |word: &TokenTree, is: &str| matches!(word, TokenTree::Ident(one) if one == is);
    let found = words.find(|one| word(one, "unsafe") || word(one, "impl"))?;
    let is_handler = words.any(|one| word(&one, "EventHandler"));
    (word(&found, "unsafe") && is_handler).then(|| found.span())
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
    fn take_other_attributes(&mut self) -> Vec<(Span, TokenStream)> {
        let is_other = |attribute: &mut Attribute| {
            attribute.path().segments.last().is_some_and(|last| last.ident == "event_handler")
        };
        let others = self.attributes.extract_if(.., is_other);
        let read = others.map(|attribute| {
            let at = ends(attribute.path()).0;
            let arguments = match attribute.meta {
                Meta::List(list) => list.tokens,
                Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
            };
            (at, arguments)
        });
        read.collect()
    }

    // The methods become the type's own, because `handle` takes more than the trait's; the trait is
    // implemented by calling it.
    fn into_handler(
        self,
        keyword: &Ident,
        root: &Path,
        diagnostics: &mut Diagnostics,
    ) -> (TokenStream, Option<Handler>) {
        let ImplBlock { attributes, generics, mut ty, body } = self;
        if let Some(inner) = pointee(&ty) {
            let (shown, inner_shown) =
                (text_of(ty.to_token_stream()), text_of(inner.to_token_stream()));
            let what = format!(
                "the handler `{shown}` is a pointer, but a value is shared by all records as it is"
            );
            diagnostics.add(&ty, what, format!("write `{inner_shown}`"));
            // Methods of a pointer would be refused again.
            ty = inner.clone();
        }
        let (body, handle, others) = methods(&body);
        let emitted = quote!(#(#attributes)* #keyword #generics #ty #body);
        let shown = text_of(ty.to_token_stream());
        if !generics.params.is_empty() {
            let what = format!("the handler `{shown}` is generic, but its value is one state");
            diagnostics.add(&generics, what, "write the type itself in place of each parameter");
            return (emitted, None);
        }
        let Some((signature, has_body)) = handle else {
            let what = format!("`{shown}` has no method `handle`");
            if let [other] = &others[..] {
                diagnostics.add(other, format!("{what}, but `{other}`"), "write `handle`");
                return (emitted, None);
            }
            let help = "write `async fn handle(&self, event: Event<..>) -> Result { .. }`";
            diagnostics.add(&ty, what, help);
            return (emitted, None);
        };
        (emitted, Some(Handler::new(Form::Instance(Box::new(ty)), signature, has_body, root)))
    }
}

// The body with `handle` visible in the crate, as the method of a trait would be, and its signature;
// and the names of the other methods.
fn methods(body: &Group) -> (Group, Option<(Signature, bool)>, Vec<Ident>) {
    let mut rest = see_through_head(body.stream());
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
                other => other.to_token_stream(),
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

// `S` of `Arc<S>` and of `&S`.
fn pointee(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) => Some(&reference.elem),
        Type::Path(path) if ["Arc", "Box", "Rc"].iter().any(|name| is_std(ty, name)) => {
            match &path.path.segments.last()?.arguments {
                PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
                    GenericArgument::Type(inner) => Some(inner),
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    }
}

impl Handler {
    fn new(form: Form, signature: Signature, has_body: bool, root: &Path) -> Self {
        let lifetimes: Vec<_> = signature
            .generics
            .params
            .iter()
            .filter_map(|param| match param {
                GenericParam::Lifetime(lifetime) => Some(lifetime.lifetime.ident.clone()),
                GenericParam::Type(_) | GenericParam::Const(_) => None,
            })
            .collect();
        // Outside of the `impl` there is no `Self`.
        let named = |ty: &Type| {
            let ty = replace_lifetimes(ty.to_token_stream(), &lifetimes, "_");
            match &form {
                Form::Function { .. } => ty,
                Form::Instance(own) => replace_word(ty, "Self", &own.to_token_stream()),
            }
        };
        let argument = |argument: &FnArg| match argument {
            FnArg::Receiver(_) => None,
            FnArg::Typed(typed) => {
                let item = batch_name(&typed.ty, root);
                Some(HandlerArgument {
                    ty: (*typed.ty).clone(),
                    is_batch: item.is_some(),
                    name: item.or_else(|| argument_name(&typed.ty, root)),
                    inferred: named(&typed.ty),
                    cfgs: typed
                        .attrs
                        .iter()
                        .filter(|a| a.path().is_ident("cfg"))
                        .cloned()
                        .collect(),
                })
            }
        };
        let arguments = signature.inputs.iter().filter_map(argument).collect();
        let returned = match &signature.output {
            ReturnType::Default => Some(quote!(())),
            ReturnType::Type(_, ty) => {
                let ty = named(ty);
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

    /// The argument that takes several records, and its index.
    pub(crate) fn batch(&self) -> Option<(usize, &HandlerArgument)> {
        self.arguments.iter().enumerate().find(|(_, argument)| argument.is_batch)
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
    /// Whether its type may be one that has a contract. Types that this crate does not know may.
    pub(crate) fn may_have_contract(&self) -> bool {
        self.name.as_deref().is_none_or(may_have_contract)
    }

    /// The type as written.
    pub(crate) fn text(&self) -> String {
        text_of(self.ty.to_token_stream())
    }
}
