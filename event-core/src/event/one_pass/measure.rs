//! What reading a record costs. Prints, and asserts nothing:
//!
//! ```text
//! cargo test --release -p event-core --lib one_pass::measure -- --ignored --nocapture
//! ```
//!
//! `ONE_PASS_ROWS=scan` prints the rows with that in their names alone.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Instant;

use event_core::Event as Contract;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{is_sound, objects};
use crate::event::{Envelope, EnvelopeRules, EventId, scan};
use crate::extract::Event;

#[derive(Contract, Deserialize)]
#[event(topic = "bench_events", name = "TYPE_00")]
#[serde(rename_all = "camelCase")]
#[expect(dead_code)]
struct Owned {
    id: u64,
    role_id: u64,
    note: String,
}

#[derive(Contract, Deserialize)]
#[event(topic = "bench_events", name = "TYPE_00")]
#[serde(rename_all = "camelCase")]
#[expect(dead_code)]
struct Borrowed<'a> {
    id: u64,
    role_id: u64,
    #[serde(borrow)]
    note: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(tag = "eventType", content = "data")]
#[expect(dead_code)]
enum ByHand<'a> {
    #[serde(rename = "TYPE_00")]
    Owned(Owned),
    #[serde(rename = "TYPE_01", borrow)]
    Borrowed(Borrowed<'a>),
}

fn record(name: &str, bytes: usize) -> String {
    let start = format!(
        r#"{{"eventType":"{name}","userId":42,"data":{{"id":1234567,"roleId":345,"note":""#
    );
    let words = "the role was given to a user who asked for it and may read all accounts, ";
    let note: String = words.chars().cycle().take(bytes - start.len() - 3).collect();
    format!("{start}{note}\"}}}}")
}

fn print<T>(what: &str, mut work: impl FnMut() -> T) {
    const TIMES: u32 = 1_000_000;
    if std::env::var("ONE_PASS_ROWS").is_ok_and(|rows| !what.contains(&rows)) {
        return;
    }
    // The best of some, because others use the machine too.
    let best = (0..7).map(|_| {
        let start = Instant::now();
        for _ in 0..TIMES {
            black_box(work());
        }
        start.elapsed() / (TIMES / 1000)
    });
    let best = best.min().unwrap_or_default();
    println!("{what:44} {:7.1} ns", best.as_nanos() as f64 / 1000.0);
}

#[test]
#[ignore = "prints figures"]
fn prints_what_a_record_costs() {
    let rules = EnvelopeRules::default();
    let written = r#"{"eventType":"TYPE_00","userId":42,"data":{"id":1234567,"roleId":345,"note":"some words of a user"},"eventId":"018f4e9c-7b2a-7c3d-8e4f-5a6b7c8d9e0f","occurredAt":"2026-01-31T08:00:00.123456Z","version":1}"#;
    print("an identity", || EventId::new(black_box("018f4e9c-7b2a-7c3d-8e4f-5a6b7c8d9e0f")));
    print("a time", || black_box("2026-01-31T08:00:00.123456Z").parse::<Timestamp>());
    for (what, value) in [
        ("136 bytes", record("TYPE_00", 136)),
        ("1 KiB", record("TYPE_00", 1024)),
        ("10 KiB", record("TYPE_00", 10_240)),
        ("with the identity and time that we write", written.to_owned()),
    ] {
        println!("{what}:");
        let other = value.replace("TYPE_00", "TYPE_01");
        let (value, other) = (value.as_bytes(), other.as_bytes());
        let scanned = scan(value).unwrap();
        print("  scan", || scan(black_box(value)));
        print("  scan, is_sound", || is_sound(scan(black_box(value)).unwrap(), rules));
        print("  read_scanned, owned", || {
            Event::<Owned>::read_scanned(black_box(scanned), rules).unwrap()
        });
        print("  read_scanned, borrowed", || {
            Event::<Borrowed<'_>>::read_scanned(black_box(scanned), rules).unwrap()
        });
        print("  scan, read_scanned, owned", || {
            Event::<Owned>::read_scanned(scan(black_box(value)).unwrap(), rules).unwrap()
        });
        print("  scan, read_scanned, borrowed", || {
            Event::<Borrowed<'_>>::read_scanned(scan(black_box(value)).unwrap(), rules).unwrap()
        });
        print("  serde's tagged enum, owned", || {
            serde_json::from_slice::<ByHand<'_>>(black_box(value)).unwrap()
        });
        print("  serde's tagged enum, borrowed", || {
            serde_json::from_slice::<ByHand<'_>>(black_box(other)).unwrap()
        });
        let at = scanned.text.find("{\"id").unwrap();
        let mut data =
            serde_json::Deserializer::from_str(&scanned.text[at..]).into_iter::<&RawValue>();
        let data = data.next().unwrap().unwrap().get();
        print("  the data alone, owned", || {
            Owned::deserialize(&mut serde_json::Deserializer::from_str(black_box(data))).unwrap()
        });
        print("  the data alone, borrowed", || {
            Borrowed::deserialize(&mut serde_json::Deserializer::from_str(black_box(data))).unwrap()
        });
        print("  the data alone as objects, owned", || {
            objects::read_start::<Owned>(black_box(data)).unwrap()
        });
        print("  the data alone as objects, borrowed", || {
            objects::read_start::<Borrowed<'_>>(black_box(data)).unwrap()
        });
        print("  envelope", || Envelope::read(black_box(value)).unwrap());
        print("  envelope, data, owned", || {
            Event::<Owned>::read(&Envelope::read(black_box(value)).unwrap()).unwrap()
        });
        print("  envelope, data, borrowed", || {
            Event::<Borrowed<'_>>::read(&Envelope::read(black_box(value)).unwrap()).unwrap()
        });
    }
}
