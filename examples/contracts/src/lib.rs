//! The events that the example services share: `admin` records them, `roles` publishes them.
//!
//! A contract is the only place that knows an event's names; handlers and producers read them
//! from here. On the wire the fields are in camel case.

#![allow(missing_docs, reason = "a field of a contract is named by the wire")]

use event_core::Event;
use serde::{Deserialize, Serialize};

/// A user was created.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "user_events", name = "USER_CREATED", key = id)]
#[serde(rename_all = "camelCase")]
pub struct UserCreated {
    pub id: i64,
    pub user_name: String,
}

/// A claim was attached to a role.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_ADDED", key = role_id)]
#[serde(rename_all = "camelCase")]
pub struct ClaimAdded {
    pub id: i64,
    pub role_id: i64,
}

/// A claim was taken from a role.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "CLAIM_REMOVED", key = role_id)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRemoved {
    pub id: i64,
    pub role_id: i64,
}

/// A user was given a role.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_ADDED_TO_USER", key = user_id)]
#[serde(rename_all = "camelCase")]
pub struct RoleAddedToUser {
    pub role_id: i64,
    pub user_id: i64,
}

/// A user lost a role.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "role_events", name = "ROLE_REMOVED_FROM_USER", key = user_id)]
#[serde(rename_all = "camelCase")]
pub struct RoleRemovedFromUser {
    pub role_id: i64,
    pub user_id: i64,
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use event_core::Contract;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    fn has_form<T>(event: T, names: [&str; 2], key: &str, data: Value)
    where
        T: Contract + Serialize + DeserializeOwned + Debug + PartialEq,
    {
        assert_eq!([T::INFO.topic, T::INFO.name], names);
        assert_eq!(event.key().as_deref(), Some(key));
        assert_eq!(serde_json::to_value(&event).unwrap(), data);
        assert_eq!(serde_json::from_value::<T>(data).unwrap(), event);
    }

    // What other services read and write: a change here is a change for them.
    #[test]
    fn the_form_on_the_wire_stays() {
        has_form(
            UserCreated { id: 42, user_name: "support".into() },
            ["user_events", "USER_CREATED"],
            "42",
            json!({"id": 42, "userName": "support"}),
        );
        has_form(
            ClaimAdded { id: 7, role_id: 3 },
            ["role_events", "CLAIM_ADDED"],
            "3",
            json!({"id": 7, "roleId": 3}),
        );
        has_form(
            ClaimRemoved { id: 7, role_id: 3 },
            ["role_events", "CLAIM_REMOVED"],
            "3",
            json!({"id": 7, "roleId": 3}),
        );
        has_form(
            RoleAddedToUser { role_id: 3, user_id: 42 },
            ["role_events", "ROLE_ADDED_TO_USER"],
            "42",
            json!({"roleId": 3, "userId": 42}),
        );
        has_form(
            RoleRemovedFromUser { role_id: 3, user_id: 42 },
            ["role_events", "ROLE_REMOVED_FROM_USER"],
            "42",
            json!({"roleId": 3, "userId": 42}),
        );
    }
}
