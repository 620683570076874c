//! The cases whose help no machine can apply.

/// Their names, and why.
pub(crate) const IN_WORDS: &[(&str, &str)] = &[
    ("argument_event_of_no_contract", "only the author knows topic and name"),
    ("argument_impl_trait", "only the author knows the type"),
    ("argument_payload_without_event", "three types are offered, and only the author can choose"),
    ("argument_unsupported", "three types are offered, and only the author can choose"),
    (
        "bare_attribute_on_payload_without_event",
        "three types are offered, and only the author can choose",
    ),
    ("const_missing", "the compiler's own error, without a help"),
    ("const_of_another_type", "the compiler's own error, without a help"),
    ("consts_swapped", "what to exchange are names of the user's, which a const cannot see"),
    ("contract_generic", "only the author knows the type"),
    ("contract_key_of_strange_type", "only the author knows how the type becomes a text"),
    ("future_not_send", "the compiler's own error, without a help"),
    ("generic_over_const", "only the author knows the value"),
    ("generic_over_type", "only the author knows the type"),
    ("handler_on_associated_function", "the compiler's own error, without a help"),
    ("handler_on_impl", "the function is yet to be written"),
    ("handler_on_method", "the function moves to another place"),
    ("handler_on_struct", "the function is yet to be written"),
    ("link_missing_crate", "the compiler's own error, without a help"),
    ("link_text", "only the author knows the crate"),
    ("list_name_twice", "only the author knows the other name"),
    ("list_of_other_kind", "two ways are offered, and only the author can choose"),
    ("main_on_struct", "the function is yet to be written"),
    ("return_error_unsupported", "the compiler's own error, without a help"),
    ("several_mistakes", "one of the mistakes needs a type that only the author knows"),
    ("topic_empty", "only the author knows the name"),
    ("topic_of_250_bytes", "only the author knows what to leave out"),
];
