//! `#[event_handler]`: registers a function as the handler of one event.

mod batch;
mod attribute_rules;
mod delivery;
mod docs;
mod expand;
mod model;
mod enclosing_block;
mod returned;
mod run;
mod signature;
mod type_names;

use std::sync::LazyLock;

use proc_macro2::{Span, TokenStream};

use crate::arguments::{Arguments, AttributeArgs, Keys};
use crate::diagnostics::Diagnostics;
use crate::record;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut known = vec![
        ("topic", "\"role_events\""),
        ("event", "\"CLAIM_ADDED\""),
        ("id", "\"audit.claim_added\""),
        ("dead_letter", "\"role_events_dlq\""),
    ];
    known.extend(delivery::examples_in(""));
    known.push(("breaker", "off"));
    let mut lists = vec![("emits", "ClaimAdded")];
    lists.extend(delivery::LISTS.iter().map(|keys| (keys.attribute, keys.arguments())));
    Keys {
        attribute: "#[event_handler]",
        known: known.leak(),
        flags: &["blocking", "foreign_names"],
        lists: lists.leak(),
    }
});

/// The item, followed by its registration or by what is wrong.
pub(crate) fn event_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let args = AttributeArgs::parse(Arguments::read(arguments), &KEYS, &mut diagnostics);
    let item = model::Item::read(item, &args, &mut diagnostics);
    let handler = item.handler.as_ref();
    let here = Span::call_site();
    if let Some(handler) = handler
        && enclosing_block::validate(handler, &mut diagnostics)
    {
        // What else is wrong is said of the free function.
        return with_errors(item.emitted, diagnostics);
    }
    let mut attributes =
        vec![(attribute_rules::options(&args, handler, here, &mut diagnostics), args)];
    for (at, arguments) in item.others {
        let args = AttributeArgs::parse(Arguments::read(arguments), &KEYS, &mut diagnostics);
        attributes.push((attribute_rules::options(&args, handler, at, &mut diagnostics), args));
    }
    let Some(handler) = handler else { return with_errors(item.emitted, diagnostics) };
    signature::validate(handler, &mut diagnostics);
    returned::validate(handler, &mut diagnostics);
    for (options, args) in &attributes {
        batch::validate(handler, options, args, &mut diagnostics);
    }
    if !diagnostics.is_empty() {
        let mut output = with_errors(item.emitted, diagnostics);
        for (options, args) in &attributes {
            output.extend(expand::validated_alone(options, args));
        }
        return output;
    }
    let options = attributes.iter().map(|(options, _)| options);
    let mut output = docs::documented(item.emitted, handler, options);
    for (index, (options, args)) in attributes.iter().enumerate() {
        // The trait is implemented once, whatever it is registered for.
        let run = (index == 0).then(|| run::run(handler));
        output.extend(expand::registration(handler, options, run, &args.root()));
        output.extend(record::note_registering(&args.root()));
    }
    output
}

fn with_errors(mut item: TokenStream, diagnostics: Diagnostics) -> TokenStream {
    item.extend(diagnostics.into_compile_errors());
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn errors(arguments: TokenStream, item: TokenStream) -> usize {
        let expanded = event_handler(arguments, item.clone()).to_string();
        assert!(expanded.contains(&item.to_string()), "the item was changed: {expanded}");
        let errors = expanded.matches("compile_error").count();
        let registered = ["__event :: handler (", "__event :: batch_handler ("];
        let registered = registered.iter().any(|call| expanded.contains(call));
        assert_eq!(errors == 0, registered, "{expanded}");
        errors
    }

    #[test]
    fn a_handler_is_emitted_and_registered() {
        let named = quote!(topic = "role_events", event = "CLAIM_ADDED");
        assert_eq!(
            errors(
                named.clone(),
                quote!(
                    async fn handle() {}
                )
            ),
            0
        );
        assert_eq!(
            errors(
                quote!(),
                quote!(
                    async fn handle(event: Event<Claim<'_>>) {}
                )
            ),
            0
        );
        assert_eq!(
            errors(
                quote!(topic = A, event = B),
                quote!(
                    async fn handle() {}
                )
            ),
            0
        );
        assert_eq!(
            errors(
                named,
                quote!(
                    pub(crate) async fn f<'a>(a: Json<&'a str>) -> R {
                        1
                    }
                )
            ),
            0
        );
    }

    #[test]
    fn one_mistake_is_one_error_and_the_item_stays() {
        let named = quote!(topic = "role_events", event = "CLAIM_ADDED");
        for item in [
            quote!(
                fn f() {}
            ),
            quote!(
                async unsafe fn f() {}
            ),
            quote!(
                extern "C" fn f() {}
            ),
            quote!(
                const fn f() {}
            ),
            quote!(
                async fn f(&self, _: &str) {}
            ),
            quote!(
                async fn f();
            ),
            quote!(
                async fn f<T>() {}
            ),
            quote!(
                async fn f<const N: usize>() {}
            ),
            quote!(
                async fn f(a: impl Send) {}
            ),
            quote!(
                async fn f(a: Json<impl Send>) {}
            ),
            quote!(
                async fn f(a: &AuditLog) {}
            ),
            quote!(
                async fn f(a: Json<i64>, b: Event<Claim>) {}
            ),
            quote!(
                struct F;
            ),
            quote!(
                pub enum F {}
            ),
            quote!(unsafe impl F { fn g() {} }),
            quote!(
                const F: i64 = 1;
            ),
            quote!(
                mod f {
                    fn g() {}
                }
            ),
        ] {
            assert_eq!(errors(named.clone(), item.clone()), 1, "{item}");
        }
    }

    #[test]
    fn what_the_compiler_validates_is_validated_beside_other_mistakes() {
        let expanded = |arguments| {
            let handler = quote!(
                async fn handle() {}
            );
            event_handler(arguments, handler).to_string()
        };
        let validated = expanded(quote!(topic = A, event = "B", id = " ", emits(C)));
        assert!(validated.contains("validate_topic (A , \"\" "), "{validated}");
        assert!(validated.contains("< C as __event :: Contract > :: INFO"), "{validated}");
        // The two are swapped, and that is one mistake.
        assert!(!expanded(quote!(topic = A, event = "role_events")).contains("validate_topic"));
        // The path of the framework is not certain.
        assert!(!expanded(quote!(topic = A, event = "B", crate)).contains("macro_support"));
        assert!(!expanded(quote!(topic = A, event = "B", crat = a::b)).contains("macro_support"));
    }

    #[test]
    fn mistakes_in_the_attribute_are_reported_together() {
        let item = quote!(
            async fn f(_: Json<i64>) {}
        );
        for (arguments, expected) in [
            (quote!(), 1),
            (quote!(topic = "role_events"), 1),
            (quote!(topc = "role_events", event = "A"), 1),
            (quote!(topic = "A_B", event = "a_b"), 1),
            (quote!(topic = "RoleEvents", event = "claimAdded"), 2),
            (quote!(topic = "RoleEvents", evnt = "A", colour = 5), 3),
            (quote!(topic = 5 event), 2),
        ] {
            assert_eq!(errors(arguments.clone(), item.clone()), expected, "{arguments}");
        }
    }

    #[test]
    fn one_mistake_about_delivery_is_one_error() {
        let named = quote!(topic = "role_events", event = "A");
        let item = quote!(
            async fn f(_: Json<i64>) {}
        );
        for wrong in [
            quote!(orde = key, concurrency = 8),
            quote!(order = kye, concurrency = 8),
            quote!(order = kye, retry(topics = ["1m"])),
            quote!(orde = none, retry(topics = ["1m"])),
            quote!(order = none, retry(topics = ["1m", "soon"])),
            quote!(order = none, retry(topic = ["1m"])),
            quote!(concurrency = 8, retry(attempts = 2)),
            quote!(breaker = off, breaker(failures = 1)),
            quote!(batch(max = 0, wait = "1s")),
            quote!(retry(jitter = full full)),
            quote!(retry),
            quote!(timeout = "10"),
            quote!(group = "a b"),
        ] {
            // Without a batch among the arguments `batch` is wrong by itself.
            let item = match wrong.to_string().contains("batch") {
                true => quote!(
                    async fn f(_: Vec<Json<i64>>) {}
                ),
                false => item.clone(),
            };
            assert_eq!(errors(quote!(#named, #wrong), item), 1, "{wrong}");
        }
        let both = quote!(#named, timeout = "10", retry(attempts = 0, jitter = half));
        assert_eq!(errors(both, item), 3);
    }

    #[test]
    fn a_batch_is_known_by_its_type() {
        let is_batch = |ty: TokenStream| {
            let named = quote!(topic = "role_events", event = "A");
            let expanded = event_handler(named, quote!(async fn f(_: #ty) {})).to_string();
            assert!(!expanded.contains("compile_error"), "{expanded}");
            expanded.contains("batch_handler (")
        };
        for batch in [
            quote!(Batch<A>),
            quote!(::event_core::Batch<A>),
            quote!(Vec<Event<A>>),
            quote!(std::vec::Vec<event_core::Json<A>>),
            quote!(Vec<RawEvent>),
            quote!(Vec<Option<Key<i64>>>),
        ] {
            assert!(is_batch(batch.clone()), "{batch}");
        }
        for not in [quote!(own::Batch<A>), quote!(own::Vec<Event<A>>), quote!(Event<Vec<A>>)] {
            assert!(!is_batch(not.clone()), "{not}");
        }
    }

    #[test]
    fn names_become_constants() {
        let arguments = quote!(topic = Topics::RoleEvents, event = names::CLAIM_ADDED);
        let expanded = event_handler(
            arguments,
            quote!(
                async fn f() {}
            ),
        )
        .to_string();
        let variant = "< Topics as __event :: Topics > :: NAMES [Topics :: RoleEvents as usize]";
        assert!(expanded.contains(variant), "{expanded}");
        assert!(expanded.contains("__EVENT : & str = names :: CLAIM_ADDED"), "{expanded}");
        assert!(expanded.contains("validate_event (__EVENT"), "{expanded}");
        assert!(!expanded.contains("validate_topic"), "{expanded}");
    }

    #[test]
    fn the_documentation_names_the_payload() {
        let handler = quote!(
            async fn f(a: own::Thing, b: Option<Event<Claim>>) {}
        );
        let expanded = event_handler(quote!(), handler).to_string();
        assert!(expanded.contains("the event in `Option<Event<Claim>>`"), "{expanded}");
    }

    #[test]
    fn only_what_is_certainly_ours_is_validated_by_its_name() {
        let two = |first: TokenStream, attribute: TokenStream| {
            errors(attribute, quote!(async fn f(a: #first, b: Event<Claim>) {}))
        };
        for ours in [quote!(Event<A>), quote!(::event_core::Event<A>), quote!(Option<Json<A>>)] {
            assert_eq!(two(ours, quote!()), 1);
        }
        for not in [quote!(own::Event<A>), quote!(own::Option<Event<A>>), quote!(a::b::Event<A>)] {
            assert_eq!(two(not, quote!()), 0);
        }
        assert_eq!(two(quote!(a::b::Event<A>), quote!(crate = a::b)), 1);
        assert_eq!(two(quote!(crate::Event<A>), quote!(crate = crate)), 0);
    }
}
