//! A handler may stand wherever a function may.

#![deny(warnings)]
#![allow(dead_code)]

use event_core::prelude::*;

const _: () = {
    #[event_handler(topic = "role_events", event = "CLAIM_ADDED")]
    async fn in_a_const(_data: Json<i64>) {}
};

struct Roles;

impl Roles {
    const LIMIT: i64 = {
        #[event_handler(topic = "role_events", event = "CLAIM_REMOVED")]
        async fn in_a_const_of_a_type(_data: Json<i64>) {}
        7
    };

    fn limit(&self) -> i64 {
        #[event_handler(topic = "role_events", event = "CLAIM_COUNTED")]
        async fn in_a_method(_data: Json<i64>) {}
        Self::LIMIT
    }
}

mod inner {
    use event_core::prelude::*;

    // impl { is in a comment, and "impl {" in a text.
    const TEXT: &str = "impl Roles {";

    #[event_handler(topic = "role_events", event = "CLAIM_SEEN")]
    async fn in_a_module(_data: Json<i64>) {
        let _ = TEXT;
    }
}

fn main() {
    if Roles.limit() == 7 {
        #[event_handler(topic = "role_events", event = "CLAIM_TOLD")]
        async fn in_a_block(_data: Json<i64>) {}
    }
    let registry = event_core::registry::Registry::linked();
    assert_eq!(registry.handlers().len(), 5);
}
