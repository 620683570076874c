//! The rules between what the attribute says about delivery, and the function.

use event_names::delivery::{CONCURRENCY, TIMEOUT};

use super::super::model::{Form, Handler};
use super::Delivery;
use crate::arguments::AttributeArgs;
use crate::diagnostics::Diagnostics;

/// Validates what does not fit together.
pub(crate) fn validate(
    delivery: &Delivery,
    args: &AttributeArgs,
    handler: &Handler,
    diagnostics: &mut Diagnostics,
) {
    let name = &handler.shown_name();
    blocking(delivery, args, handler, diagnostics);
    side_by_side(delivery, args, name, diagnostics);
    retry_topics(delivery, args, name, diagnostics);
}

// A limit that only stops to listen would let the function go on beside its own next attempt.
fn blocking(
    delivery: &Delivery,
    args: &AttributeArgs,
    handler: &Handler,
    diagnostics: &mut Diagnostics,
) {
    // Whether what is async or a value is to be `blocking` at all is not known.
    let is_plain = matches!(handler.form, Form::Function { .. });
    let is_plain = is_plain && handler.signature.asyncness.is_none();
    let (Some(_), Some(key), Some(_), true) =
        (args.flag("blocking"), args.key("timeout"), delivery.get(&TIMEOUT), is_plain)
    else {
        return;
    };
    let name = handler.shown_name();
    let what = format!("`{name}` is `blocking`, and nothing can cancel it after a `timeout`");
    let help = format!("{}; limit what the function itself waits for", args.removal(key));
    diagnostics.add(key, what, help);
}

fn side_by_side(
    delivery: &Delivery,
    args: &AttributeArgs,
    name: &str,
    diagnostics: &mut Diagnostics,
) {
    let Some(concurrency) = delivery.number(&CONCURRENCY).filter(|most| *most > 1) else {
        return;
    };
    // What `order` was meant to be is not known when it is wrong.
    let is_wrong = !args.lacks("order") && delivery.order().is_none();
    if is_wrong || delivery.order().is_some_and(|order| order.word != "partition") {
        return;
    }
    let what = format!(
        "`{name}` has `concurrency = {concurrency}`, but the records of a partition are handled one \
         after the other"
    );
    let help = format!(
        "write `order = key, concurrency = {concurrency}`, or `order = none` when no order is needed"
    );
    diagnostics.add(args.value("concurrency"), what, help);
}

fn retry_topics(
    delivery: &Delivery,
    args: &AttributeArgs,
    name: &str,
    diagnostics: &mut Diagnostics,
) {
    let Some((_, topics)) = delivery.topics() else { return };
    match delivery.order() {
        Some(order) if order.word == "none" => {}
        Some(order) => {
            let what = format!(
                "`{name}` has `order = {}`, but a record that is retried through a topic leaves \
                 its place",
                order.word
            );
            diagnostics.add(&order.ident, what, "write `order = none`, or remove `topics`");
        }
        None if !args.lacks("order") => {}
        None => {
            let what = format!(
                "`{name}` tries records again through topics, where they leave their place, and \
                 does not say `order = none`"
            );
            let help = format!("write `order = none, {}`", delivery.retry);
            diagnostics.add(topics, what, help);
        }
    }
}
