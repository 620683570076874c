use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::differential::{Choices, ReadBy, any_record, check_record, check_some, ordinary_record};
use super::*;
use crate::event::{Envelope, NaiveTimes, scan};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// What a test of random records is given by the environment, else a seed that it prints.
fn seed() -> u64 {
    let seed = number("ONE_PASS_SEED").unwrap_or_else(rand::random);
    println!("ONE_PASS_SEED={seed}");
    seed
}

/// How many random records are read, unless a time is given.
fn wanted() -> u64 {
    number("ONE_PASS_RECORDS").unwrap_or(20_000)
}

#[test]
fn what_one_pass_reads_the_envelope_reads_as_the_same() {
    let mut random = SmallRng::seed_from_u64(seed());
    let until =
        number("ONE_PASS_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut records, mut in_one_pass, mut by_envelope) = (0_u64, 0_u64, 0_u64);
    let wanted = wanted();
    while until.map_or(records < wanted, |until| records % 1000 != 0 || Instant::now() < until) {
        let mut choices = [0; 64];
        random.fill_bytes(&mut choices);
        let record = any_record(&mut Choices::of(&choices));
        match check_some(&record, random.random_range(0..1000)) {
            ReadBy::OnePass => in_one_pass += 1,
            ReadBy::Envelope => by_envelope += 1,
            ReadBy::Nobody => {}
        }
        records += 1;
    }
    println!("{records} records, {in_one_pass} in one pass, {by_envelope} by the envelope alone");
    // So that nothing is compared by an accident of the generator.
    assert!(in_one_pass > records / 5, "{in_one_pass} of {records}");
    assert!(by_envelope > records / 500, "{by_envelope} of {records}");
}

#[test]
fn ordinary_records_are_read_in_one_pass() {
    let mut random = SmallRng::seed_from_u64(seed());
    for _ in 0..wanted() / 10 {
        let mut choices = [0; 32];
        random.fill_bytes(&mut choices);
        let record = ordinary_record(&mut Choices::of(&choices));
        let read = check_some(record.as_bytes(), random.random_range(0..1000));
        assert_eq!(read, ReadBy::OnePass, "{record}");
        let scanned = scan(record.as_bytes()).unwrap();
        assert!(is_sound(scanned, EnvelopeRules::default()), "{record}");
    }
}

// A type that goes on after an error has left its reader somewhere inside its data.
#[test]
fn a_failure_that_a_type_hides_is_not_read_in_one_pass() {
    for value in [
        "{\"eventType\":\"LOSSY\",\"data\":{\"text\":\"\u{1},\"number\":1}}",
        r#"{"eventType":"LOSSY","data":{"keys":{":1}}}"#,
        r#"{"eventType":"CARELESS","data":{"a":"b","userId":7}"#,
        r#"{"eventType":"CARELESS","data":{"a":1,}}"#,
        r#"{"eventType":"CARELESS","data":{"a":{"b":"c"}}"#,
    ] {
        assert!(Envelope::read(value.as_bytes()).is_err(), "{value}");
        check_record(value.as_bytes());
    }
}

#[test]
fn fields_that_count_as_absent_are_left_to_the_envelope() {
    let sound = |fields: &str, rules| {
        let value = format!(r#"{{"eventType":"EMPTY",{fields}}}"#);
        check_record(value.as_bytes());
        is_sound(scan(value.as_bytes()).unwrap(), rules)
    };
    let rules = EnvelopeRules::default();
    for ignored in [
        r#""eventId":"""#,
        r#""eventId":[]"#,
        r#""eventId":"null""#,
        r#""eventId":0"#,
        r#""eventId":"None""#,
        r#""event_id":"a""#,
        r#""occurred_at":"2026-01-31T08:00:00Z""#,
        r#""occuredAt":"2026-01-31T08:00:00Z""#,
        r#""user_id":7"#,
        r#""Version":2"#,
        r#""occurredAt":"2026-01-31""#,
        r#""occurredAt":{}"#,
        r#""occurredAt":7"#,
        r#""occurredAt":"2026-01-31T08:00:00""#,
    ] {
        assert!(!sound(ignored, rules), "{ignored}");
    }
    assert!(sound(r#""occurredAt":"2026-01-31T08:00:00""#, rules.naive_times(NaiveTimes::Utc)));
    for sound_all_the_same in [
        r#""eventId":"a","event_id":"b""#,
        r#""user_id":1,"userId":2"#,
        r#""event_id_of":"a","users":1,"versions":[],"dates":1,"origin":"x""#,
    ] {
        assert!(sound(sound_all_the_same, rules), "{sound_all_the_same}");
    }
    assert!(sound(r#""eventId":7,"occurredAt":1764307000,"userId":null,"x":1"#, rules));
}
