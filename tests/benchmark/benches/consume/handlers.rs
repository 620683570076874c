//! The contracts, and a module of handlers for each way of handling them.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use event_core::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::meter::{Counted, Meter};

/// A contract, its borrowing twin, and what reads them by hand.
macro_rules! contracts {
    ($($owned:ident $borrowed:ident $name:literal),* $(,)?) => {
        pub(crate) mod owned {
            use super::*;
            $(
                #[derive(Event, Serialize, Deserialize)]
                #[event(topic = "bench_events", name = $name, key = role_id)]
                #[serde(rename_all = "camelCase")]
                pub(crate) struct $owned {
                    pub(crate) id: u64,
                    pub(crate) role_id: u64,
                    pub(crate) note: String,
                }

                impl Counted for $owned {
                    fn value(&self) -> u64 {
                        self.id ^ self.role_id ^ self.note.len() as u64
                    }
                }
            )*
        }

        pub(crate) mod borrowed {
            use super::*;
            $(
                #[derive(Event, Serialize, Deserialize)]
                #[event(topic = "bench_events", name = $name)]
                #[serde(rename_all = "camelCase")]
                pub(crate) struct $borrowed<'a> {
                    pub(crate) id: u64,
                    pub(crate) role_id: u64,
                    #[serde(borrow)]
                    pub(crate) note: Cow<'a, str>,
                }

                impl Counted for $borrowed<'_> {
                    fn value(&self) -> u64 {
                        self.id ^ self.role_id ^ self.note.len() as u64
                    }
                }
            )*
        }

        /// The record as a loop by hand reads it: in one pass, when the name comes first.
        #[derive(Deserialize)]
        #[serde(tag = "eventType", content = "data")]
        pub(crate) enum AnyOwned {
            $(#[serde(rename = $name)] $owned(owned::$owned),)*
        }

        #[derive(Deserialize)]
        #[serde(tag = "eventType", content = "data")]
        pub(crate) enum AnyBorrowed<'a> {
            $(#[serde(rename = $name, borrow)] $borrowed(borrowed::$borrowed<'a>),)*
        }

        impl Counted for AnyOwned {
            fn value(&self) -> u64 {
                match self { $(AnyOwned::$owned(event) => event.value(),)* }
            }
        }

        impl Counted for AnyBorrowed<'_> {
            fn value(&self) -> u64 {
                match self { $(AnyBorrowed::$borrowed(event) => event.value(),)* }
            }
        }

        /// The same in two passes, as most people write it: the name first, then the data.
        pub(crate) fn in_two_passes(value: &[u8], borrowed: bool) -> u64 {
            let parts: Parts<'_> = serde_json::from_slice(value).unwrap();
            let data = parts.data.get();
            match (&*parts.event_type, borrowed) {
                $(
                    ($name, false) => serde_json::from_str::<owned::$owned>(data).unwrap().value(),
                    ($name, true) => {
                        serde_json::from_str::<borrowed::$borrowed<'_>>(data).unwrap().value()
                    }
                )*
                (name, _) => panic!("no type is called {name}"),
            }
        }

        /// What the types are called, in their order.
        pub(crate) const NAMES: &[&str] = &[$($name),*];

        handlers!(owned_all, Event, owned, (), $($owned)*);
    };
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// A module with a handler for each of these contracts.
macro_rules! handlers {
    ($module:ident, Event, $of:ident, $how:tt, $($contract:ident)*) => {
        pub(crate) mod $module {
            use super::*;
            $(
                #[allow(non_snake_case)]
                pub(crate) mod $contract {
                    use super::*;
                    #[event_handler $how]
                    async fn handle(event: Event<$of::$contract>, State(meter): State<Meter>) {
                        meter.count(&*event);
                    }
                }
            )*
        }
    };
    ($module:ident, Batch, $how:tt, $($contract:ident)*) => {
        pub(crate) mod $module {
            use super::*;
            $(
                #[allow(non_snake_case)]
                pub(crate) mod $contract {
                    use super::*;
                    #[event_handler $how]
                    async fn handle(events: Batch<owned::$contract>, State(meter): State<Meter>) {
                        for event in &events {
                            meter.count(&**event);
                        }
                    }
                }
            )*
        }
    };
}

contracts! {
    Type00 View00 "TYPE_00", Type01 View01 "TYPE_01", Type02 View02 "TYPE_02",
    Type03 View03 "TYPE_03", Type04 View04 "TYPE_04", Type05 View05 "TYPE_05",
    Type06 View06 "TYPE_06", Type07 View07 "TYPE_07", Type08 View08 "TYPE_08",
    Type09 View09 "TYPE_09", Type10 View10 "TYPE_10", Type11 View11 "TYPE_11",
    Type12 View12 "TYPE_12", Type13 View13 "TYPE_13", Type14 View14 "TYPE_14",
    Type15 View15 "TYPE_15", Type16 View16 "TYPE_16", Type17 View17 "TYPE_17",
    Type18 View18 "TYPE_18", Type19 View19 "TYPE_19", Type20 View20 "TYPE_20",
    Type21 View21 "TYPE_21", Type22 View22 "TYPE_22", Type23 View23 "TYPE_23",
    Type24 View24 "TYPE_24", Type25 View25 "TYPE_25", Type26 View26 "TYPE_26",
    Type27 View27 "TYPE_27", Type28 View28 "TYPE_28", Type29 View29 "TYPE_29",
}

handlers!(owned_1, Event, owned, (), Type00);
handlers!(owned_3, Event, owned, (), Type00 Type01 Type02);
handlers!(by_key, Event, owned, (order = key, concurrency = 64), Type00 Type01 Type02);
handlers!(unordered, Event, owned, (order = none, concurrency = 64), Type00 Type01 Type02);
handlers!(batch_1, Batch, (batch(max = 500, wait = "20ms")), Type00);
handlers!(batch_3, Batch, (batch(max = 500, wait = "20ms")), Type00 Type01 Type02);
handlers!(
    batch_unordered, Batch, (batch(max = 500, wait = "20ms"), order = none, concurrency = 64),
    Type00 Type01 Type02
);
handlers!(group_a, Event, owned, (group = "a"), Type00 Type01 Type02);
handlers!(group_b, Event, owned, (group = "b"), Type00 Type01 Type02);
handlers!(group_c, Event, owned, (group = "c"), Type00 Type01 Type02);
handlers!(group_d, Event, owned, (group = "d"), Type00 Type01 Type02);

/// The groups of those above.
pub(crate) const GROUPS: &[&str] = &["a", "b", "c", "d"];

pub(crate) mod borrowed_3 {
    use super::*;

    #[event_handler]
    async fn first(event: Event<borrowed::View00<'_>>, State(meter): State<Meter>) {
        meter.count(&*event);
    }

    #[event_handler]
    async fn second(event: Event<borrowed::View01<'_>>, State(meter): State<Meter>) {
        meter.count(&*event);
    }

    #[event_handler]
    async fn third(event: Event<borrowed::View02<'_>>, State(meter): State<Meter>) {
        meter.count(&*event);
    }
}

/// 1 in 100 fails once, and 1 in 1000 for good.
fn fails(id: u64, attempt: Attempt) -> Result {
    match per_mille(id) {
        10 => Err(Error::msg("for good")),
        rest if rest < 10 && attempt.number == 1 => Err(Error::msg("once")),
        _ => Ok(()),
    }
}

/// A number below 1000, which goes with neither the key nor the type of a record.
fn per_mille(id: u64) -> u64 {
    (id.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32) % 1000
}

macro_rules! working {
    ($module:ident, $how:tt, |$event:ident, $attempt:ident, $meter:ident| $work:block) => {
        pub(crate) mod $module {
            use super::*;
            working!(@ first Type00, $how, |$event, $attempt, $meter| $work);
            working!(@ second Type01, $how, |$event, $attempt, $meter| $work);
            working!(@ third Type02, $how, |$event, $attempt, $meter| $work);
        }
    };
    (@ $name:ident $contract:ident, $how:tt, |$event:ident, $attempt:ident, $meter:ident| $work:block) => {
        #[event_handler $how]
        async fn $name(
            $event: Event<owned::$contract>,
            $attempt: Attempt,
            State($meter): State<Meter>,
        ) -> Result {
            $work
        }
    };
}

/// One that fails for good is done with its last attempt.
fn fail(event: &impl Counted, id: u64, attempt: Attempt, meter: &Meter) -> Result {
    let failed = fails(id, attempt);
    if failed.is_ok() || attempt.is_last() {
        meter.count(event);
    }
    failed
}

working!(
    failing,
    (retry(attempts = 2, backoff = "1ms..1ms"), breaker = off),
    |event, attempt, meter| { fail(&*event, event.id, attempt, &meter) }
);

working!(
    failing_by_key,
    (retry(attempts = 2, backoff = "1ms..1ms"), breaker = off, order = key, concurrency = 64),
    |event, attempt, meter| { fail(&*event, event.id, attempt, &meter) }
);

working!(
    failing_unordered,
    (retry(attempts = 2, backoff = "1ms..1ms"), breaker = off, order = none, concurrency = 64),
    |event, attempt, meter| { fail(&*event, event.id, attempt, &meter) }
);

working!(refusing, (breaker = off), |event, _attempt, meter| {
    meter.count(&*event);
    match per_mille(event.id) {
        0 => Err(Error::msg("for good").dead_letter()),
        _ => Ok(()),
    }
});

working!(waiting, (order = key, concurrency = 256), |event, _attempt, meter| {
    tokio::time::sleep(Duration::from_millis(1)).await;
    meter.count(&*event);
    Ok(())
});

working!(computing, (order = key, concurrency = 64), |event, _attempt, meter| {
    compute();
    meter.count(&*event);
    Ok(())
});

/// Keeps a core busy for 2 ms.
pub(crate) fn compute() {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2) {
        std::hint::spin_loop();
    }
}
