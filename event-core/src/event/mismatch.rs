//! What is wrong with data that does not fit its type, for people: which field, what stands there, what
//! was expected, and which key is there in place of one that is missing.
//!
//! serde says what does not fit and where it stopped reading. Everything else is found by reading the
//! record again, which only an error asks for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::value::RawValue;

use super::ContractInfo;
use super::contract::same_letters;
use super::error_offset::{reason, tokens};
use super::excerpt::excerpt;
use super::path::{Located, locate};

// How much of a foreign text an error may repeat.
const EXCERPT_BYTES: usize = 64;
// How many keys are listed.
const KEYS: usize = 8;

/// What does not fit at `byte` of the record, where serde stopped.
pub(super) fn describe(
    record: &str,
    byte: usize,
    error: &serde_json::Error,
    contract: Option<&ContractInfo>,
) -> String {
    let reason = reason(error);
    let Located { path, begins } = locate(record, byte);
    let path = if path.is_empty() { "the value".to_owned() } else { format!("`{path}`") };
    if let Some(missing) = quoted_after(&reason, "missing field ") {
        let object = begins.and_then(|begins| record.get(begins..=byte)).unwrap_or_default();
        let contract = contract.filter(|_| path == "`data`");
        return format!("{path} has no `{missing}`; {}", in_its_place(&missing, object, contract));
    }
    match found_and_expected(&reason) {
        Some((found, expected)) => {
            let (path, byte) = match elsewhere(record, byte, begins, found) {
                None => (path, byte),
                Some(Some((path, byte))) => (format!("`{path}`"), byte),
                Some(None) => (format!("a value in {path}, or before it,"), record.len()),
            };
            let found = as_written(found, number_at(record, byte));
            format!("{path} is {found}, it must be {}", excerpt(what_is_expected(expected), 200))
        }
        None if reason == "expected value" => {
            let what = no_variant(record.get(byte..).unwrap_or_default());
            format!(
                "{path} {what}; an enum is the name of a variant, or an object with that name as its one key"
            )
        }
        None if reason == "trailing characters" => {
            format!("{path} is more than the array may have")
        }
        None if reason == "number out of range" && !number_at(record, byte).is_empty() => {
            let number = excerpt(number_at(record, byte), EXCERPT_BYTES);
            format!("{path} is the number `{number}`, which is out of range")
        }
        None => match reason.strip_prefix("data did not match any variant of untagged enum ") {
            Some(name) => {
                let name = excerpt(name, EXCERPT_BYTES);
                format!("{path} fits no variant of the untagged enum {name}")
            }
            None => format!("{path}: {}", excerpt(&reason, 4 * EXCERPT_BYTES)),
        },
    }
}

/// Where the value stands that was `found`, when it is not what stands at `byte`: serde keeps what is flattened, or
/// stands beside the tag of an enum, and reads it when all of it is there. `None` when it stands at `byte`, and
/// `Some(None)` when nobody can say where.
fn elsewhere(
    record: &str,
    byte: usize,
    begins: Option<usize>,
    found: &str,
) -> Option<Option<(String, usize)>> {
    let is_text = found.starts_with("string ");
    let is_number = ["integer ", "floating point "].iter().any(|kind| found.starts_with(kind));
    let stands_here = match record.as_bytes().get(byte)? {
        b'"' => !is_number,
        b'-' | b'0'..=b'9' => !is_text,
        b'}' | b']' => false,
        _ => !(is_text || is_number),
    };
    if stands_here {
        return None;
    }
    let written = match found.strip_prefix("string ") {
        Some(text) => text,
        None => found.split('`').nth(1).unwrap_or_default(),
    };
    let (text, from) = (record.as_bytes(), begins.unwrap_or(0));
    let all: Vec<_> = tokens(text).filter(|token| (from..byte).contains(&token.start)).collect();
    let is_value =
        |index: usize| all.get(index + 1).is_none_or(|next| record.get(next.clone()) != Some(":"));
    let same = all
        .iter()
        .enumerate()
        .filter(|(index, token)| record.get((*token).clone()) == Some(written) && is_value(*index));
    let places: Vec<_> = same.map(|(_, token)| token.start).collect();
    match places[..] {
        [place] => {
            let path = locate(record, place).path;
            Some(path.starts_with("data").then_some((path, place)))
        }
        _ => Some(None),
    }
}

// What is no variant of an enum.
fn no_variant(rest: &str) -> &'static str {
    let mut bytes = rest.bytes().filter(|byte| !byte.is_ascii_whitespace());
    match (bytes.next(), bytes.next()) {
        (Some(b'n'), _) => "is null",
        (Some(b'}' | b']'), Some(b',')) => "has another key beside it",
        (Some(b'}'), _) => "is an empty object",
        (Some(b'['), _) => "is an array",
        (Some(b't' | b'f'), _) => "is a bool",
        _ => "is no variant",
    }
}

// What serde expects, in the words of JSON.
fn what_is_expected(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "variant identifier" => "the name of a variant",
        "newtype variant" | "tuple variant" | "struct variant" => "a variant with its data",
        other => other,
    }
}

/// The first field of a contract that `data` lacks, for a type that cannot be decoded here.
pub(super) fn lacks(data: &str, contract: &ContractInfo) -> Option<String> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(data).unwrap_or_default();
    let mut required = contract.fields.iter().filter(|field| field.required);
    let missing = required.find(|field| !fields.contains_key(field.wire_name))?.wire_name;
    Some(format!("`data` has no `{missing}`; {}", in_its_place(missing, data, Some(contract))))
}

/// What to do about data of another version than the contract's, if that may be the reason.
pub(super) fn version_help(found: u32, contract: &ContractInfo) -> Option<String> {
    let ContractInfo { type_name, version, .. } = contract;
    (found < *version).then(|| {
        format!("; the record is of version {found}: `upcasts(..)` on {type_name} reads older data by the contract of its version, `#[serde(default)]` on a field does without it")
    })
}

// `invalid type: string "x", expected i64`, as its halves.
fn found_and_expected(reason: &str) -> Option<(&str, &str)> {
    let of =
        reason.strip_prefix("invalid type: ").or_else(|| reason.strip_prefix("invalid value: "));
    of?.rsplit_once(", expected ")
}

// The number that stands at a byte.
fn number_at(record: &str, byte: usize) -> &str {
    let rest = record.get(byte..).unwrap_or_default();
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
    let end = rest.find(|c| !is_of_number(c)).unwrap_or(rest.len());
    rest.get(..end)
        .filter(|number| number.contains(|c: char| c.is_ascii_digit()))
        .unwrap_or_default()
}

// A long number is another by the time that serde reports it.
fn as_written(found: &str, number: &str) -> String {
    let read = found.strip_prefix("integer `").or_else(|| found.strip_prefix("floating point `"));
    match read.and_then(|read| read.strip_suffix('`')) {
        Some(read) if !number.is_empty() && read != number => {
            format!("the number `{}`", excerpt(number, EXCERPT_BYTES))
        }
        _ => in_our_words(found),
    }
}

fn in_our_words(found: &str) -> String {
    match found {
        "map" => "an object".to_owned(),
        "sequence" => "an array".to_owned(),
        "null" | "unit value" => "null".to_owned(),
        "unit variant" => "the bare name of a variant".to_owned(),
        "newtype variant" | "tuple variant" | "struct variant" => "a variant with data".to_owned(),
        _ => format!("the {}", excerpt(found, EXCERPT_BYTES)),
    }
}

fn quoted_after(reason: &str, words: &str) -> Option<String> {
    let name = reason.strip_prefix(words)?.strip_prefix('`')?.split('`').next()?;
    Some(excerpt(name, EXCERPT_BYTES))
}

// Which key the object has in place of the one that is missing.
fn in_its_place(missing: &str, object: &str, contract: Option<&ContractInfo>) -> String {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(object).unwrap_or_default();
    if fields.is_empty() {
        return "it is empty".to_owned();
    }
    if let Some(found) = fields.keys().find(|key| same_letters(key, missing)) {
        let found = excerpt(found, EXCERPT_BYTES);
        return spelt_otherwise(missing, &found, &fields, contract);
    }
    let is_known = |key: &str| {
        contract.is_some_and(|known| known.fields.iter().any(|field| field.wire_name == key))
    };
    let near = fields.keys().filter(|key| !is_known(key) && key.len() <= EXCERPT_BYTES);
    let near = near.map(|key| (strsim::damerau_levenshtein(key, missing), key)).min();
    if let Some((_, near)) = near.filter(|(distance, _)| *distance <= missing.len() / 3) {
        return format!("`{near}` is there in its place");
    }
    let mut there = String::from("it has ");
    for (index, key) in fields.keys().take(KEYS).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(there, "{comma}`{}`", excerpt(key, EXCERPT_BYTES));
    }
    if fields.len() > KEYS {
        let _ = write!(there, " and {} more", fields.len() - KEYS);
    }
    there
}

type Rename = (&'static str, fn(&str) -> String);

/// What serde's `rename_all` makes of the name of a field.
const RENAMES: [Rename; 5] = [
    ("camelCase", |name| {
        let pascal = pascal_case(name);
        let mut letters = pascal.chars();
        let first = letters.next().map(|first| first.to_ascii_lowercase());
        first.into_iter().chain(letters).collect()
    }),
    ("PascalCase", pascal_case),
    ("SCREAMING_SNAKE_CASE", |name| name.to_ascii_uppercase()),
    ("kebab-case", |name| name.replace('_', "-")),
    ("SCREAMING-KEBAB-CASE", |name| name.to_ascii_uppercase().replace('_', "-")),
];

fn pascal_case(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + rest
    });
    words.collect()
}

// The commonest mismatch between services: the same field, spelt in another case. Which side is to
// change depends on how the other fields are spelt: one record of one wrong producer must not change a
// contract that other producers keep.
fn spelt_otherwise(
    missing: &str,
    found: &str,
    fields: &BTreeMap<Cow<'_, str>, &RawValue>,
    contract: Option<&ContractInfo>,
) -> String {
    let there = format!("`{found}` is there in its place");
    let both = format!("`#[serde(alias = \"{found}\")]` on the field reads both");
    let Some(contract) = contract else { return format!("{there}; {both}") };
    let (mut as_contract, mut otherwise, mut revealing) = (0, 0, 0);
    for field in contract.fields {
        if fields.contains_key(field.wire_name) {
            as_contract += 1;
            // A name of one word is spelt alike in every case.
            revealing += usize::from(field.name.trim_start_matches("r#").contains('_'));
        } else if fields.keys().any(|key| same_letters(key, field.wire_name)) {
            otherwise += 1;
        }
    }
    let ContractInfo { type_name, fields: known, .. } = contract;
    let counts = format!(
        "of the {} fields of {type_name} the record spells {as_contract} as the contract does and {otherwise} otherwise",
        known.len()
    );
    let is_renamed = known.iter().any(|field| field.name != field.wire_name);
    // Only what reads this very record is advised.
    let reads = |rename: &fn(&str) -> String| {
        let mut required = known.iter().filter(|field| field.required);
        rename(missing) == found
            && required
                .all(|field| fields.contains_key(&*rename(field.name.trim_start_matches("r#"))))
    };
    let remedy = RENAMES.iter().find(|(_, rename)| revealing == 0 && !is_renamed && reads(rename));
    let remedy = remedy.map(|(rule, _)| rule);
    let side = match remedy {
        None => format!("the record differs from the contract: fix its producer; {both}"),
        Some(remedy) => format!(
            "the contract has Rust's spelling; where every producer writes `{found}`, put `#[serde(rename_all = \"{remedy}\")]` on {type_name}; {both}"
        ),
    };
    format!("{there}; {counts}: {side}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::Event;
    use crate::event::Envelope;

    #[derive(Debug, Event, Deserialize)]
    #[event(topic = "invoice_events", name = "INVOICE_ISSUED")]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read")]
    struct InvoiceIssued {
        invoice_id: u64,
        customer_name: String,
        amount: f64,
    }

    #[derive(Debug, Event, Deserialize)]
    #[event(topic = "invoice_events", name = "INVOICE_PAID")]
    #[expect(dead_code, reason = "only read")]
    struct InvoicePaid {
        invoice_id: u64,
        amount: f64,
    }

    fn said<T>(data: &str) -> String
    where
        T: for<'de> crate::event::Payload<'de> + std::fmt::Debug,
    {
        let record = format!(r#"{{"eventType":"X","data":{data}}}"#).leak();
        let envelope = Envelope::read(record.as_bytes()).unwrap();
        let said = T::read(&envelope).unwrap_err().to_string();
        said.split_once(": ").unwrap().1.to_owned()
    }

    #[test]
    fn one_field_in_another_case_is_reported_for_the_producer() {
        assert_eq!(
            said::<InvoiceIssued>(r#"{"invoice_id":1,"customerName":"a","amount":2.5}"#),
            "`data` has no `invoiceId`; `invoice_id` is there in its place; of the 3 fields of InvoiceIssued the record spells 2 as the contract does and 1 otherwise: the record differs from the contract: fix its producer; `#[serde(alias = \"invoice_id\")]` on the field reads both"
        );
    }

    #[test]
    fn a_renamed_field_gets_no_help_to_rename_it_back() {
        for data in [r#"{"invoice_id":1}"#, r#"{"invoice_id":1,"customer_name":"a","amount":2.5}"#]
        {
            let said = said::<InvoiceIssued>(data);
            assert!(said.contains("fix its producer") && !said.contains("rename_all"), "{said}");
        }
    }

    #[test]
    fn a_contract_in_rusts_spelling_may_be_what_differs() {
        let said = said::<InvoicePaid>(r#"{"invoiceId":1,"amount":2.5}"#);
        let counts = "the record spells 1 as the contract does and 1 otherwise";
        let remedy = "where every producer writes `invoiceId`, put `#[serde(rename_all = \"camelCase\")]` on InvoicePaid; `#[serde(alias = \"invoiceId\")]`";
        assert!(said.contains(counts) && said.contains(remedy), "{said}");
    }

    #[test]
    fn a_rename_is_advised_only_where_it_reads_the_record() {
        for (data, rule) in [
            (r#"{"INVOICE_ID":1,"AMOUNT":2.5}"#, Some("SCREAMING_SNAKE_CASE")),
            (r#"{"InvoiceId":1,"Amount":2.5}"#, Some("PascalCase")),
            (r#"{"invoice-id":1,"amount":2.5}"#, Some("kebab-case")),
            (r#"{"INVOICE_ID":1,"amount":2.5}"#, None),
            (r#"{"InvoiceID":1,"amount":2.5}"#, None),
            (r#"{"invoiceID":1,"amount":2.5}"#, None),
            (r#"{"invoiceid":1,"amount":2.5}"#, None),
        ] {
            let said = said::<InvoicePaid>(data);
            match rule {
                Some(rule) => assert!(said.contains(&format!("rename_all = \"{rule}\"")), "{said}"),
                None => assert!(
                    said.contains("fix its producer") && !said.contains("rename_all"),
                    "{said}"
                ),
            }
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "type", rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read")]
    enum Tagged {
        Card { number: u32 },
        Cash,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    enum Named {
        Unit,
        New(i64),
        Struct { a: i64 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only read")]
    enum Untagged {
        Number(i64),
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        n: u8,
    }

    #[derive(Debug, Event, Deserialize)]
    #[event(topic = "invoice_events", name = "INVOICE_SHAPED")]
    #[expect(dead_code, reason = "only read")]
    struct Shaped {
        tagged: Option<Tagged>,
        named: Option<Named>,
        untagged: Option<Untagged>,
        pair: Option<(u8, u8)>,
        list: Option<Vec<u8>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Deep {
        deep: Inner,
    }

    #[derive(Debug, Event, Deserialize)]
    #[event(topic = "invoice_events", name = "INVOICE_FLAT")]
    #[expect(dead_code, reason = "only read")]
    struct Flat {
        #[serde(flatten)]
        flat: Deep,
    }

    #[test]
    fn what_serde_reads_late_is_told_where_it_stands() {
        for (data, reported) in [
            (
                r#"{"tagged":{"type":"card","number":"1"}}"#,
                "`data.tagged.number` is the string \"1\", it must be u32",
            ),
            (
                r#"{"tagged":{"number":-5,"type":"card"}}"#,
                "`data.tagged.number` is the integer `-5`, it must be u32",
            ),
            (
                r#"{"tagged":{"number":"1","other":"1","type":"card"}}"#,
                "a value in `data.tagged`, or before it, is the string \"1\", it must be u32",
            ),
            (r#"{"tagged":{"type":"card"}}"#, "`data.tagged` has no `number`; it has `type`"),
        ] {
            assert_eq!(said::<Shaped>(data), reported, "{data}");
        }
        assert_eq!(
            said::<Flat>(r#"{"deep":{"n":300}}"#),
            "`data.deep.n` is the integer `300`, it must be u8"
        );
    }

    #[test]
    fn what_is_no_variant_is_told_as_what_it_is() {
        let form = "; an enum is the name of a variant, or an object with that name as its one key";
        for (data, reported) in [
            (r#"{"named":{}}"#, format!("`data.named` is an empty object{form}")),
            (
                r#"{"named":{"Struct":{"a":1},"New":2}}"#,
                format!("`data.named.Struct` has another key beside it{form}"),
            ),
            (
                r#"{"named":"New"}"#,
                "`data.named` is the bare name of a variant, it must be a variant with its data"
                    .to_owned(),
            ),
            (
                r#"{"untagged":true}"#,
                "`data.untagged` fits no variant of the untagged enum Untagged".to_owned(),
            ),
            (r#"{"pair":[1,2,3]}"#, "`data.pair[2]` is more than the array may have".to_owned()),
            (r#"{"list":{}}"#, "`data.list` is an object, it must be an array".to_owned()),
            (
                r#"{"tagged":{"type":3}}"#,
                "`data.tagged.type` is the integer `3`, it must be the name of a variant"
                    .to_owned(),
            ),
        ] {
            assert_eq!(said::<Shaped>(data), reported, "{data}");
        }
    }

    #[test]
    fn a_number_is_told_as_it_is_written() {
        let id =
            |number: &str| said::<InvoicePaid>(&format!(r#"{{"invoice_id":{number},"amount":1}}"#));
        let long = "18446744073709551616123";
        assert_eq!(id(long), format!("`data.invoice_id` is the number `{long}`, it must be u64"));
        assert_eq!(id("1e400"), "`data.invoice_id` is the number `1e400`, which is out of range");
        assert_eq!(id("1.50"), "`data.invoice_id` is the number `1.50`, it must be u64");
        assert_eq!(id("-7"), "`data.invoice_id` is the integer `-7`, it must be u64");
    }

    #[test]
    fn the_key_in_place_of_a_missing_one_is_named_or_all_are() {
        let misspelt = said::<InvoicePaid>(r#"{"invoce_id":1,"amount":2.5}"#);
        assert_eq!(misspelt, "`data` has no `invoice_id`; `invoce_id` is there in its place");
        let other = said::<InvoicePaid>(r#"{"number":1,"amount":2.5}"#);
        assert_eq!(other, "`data` has no `invoice_id`; it has `amount`, `number`");
        assert_eq!(said::<InvoicePaid>("{}"), "`data` has no `invoice_id`; it is empty");
        let many: Vec<_> = (0..20).map(|n| format!("\"k{n}\":1")).collect();
        let many = said::<InvoicePaid>(&format!("{{{}}}", many.join(",")));
        assert!(many.ends_with(" and 12 more"), "{many}");
    }

    #[test]
    fn a_foreign_text_is_capped() {
        let said = said::<InvoicePaid>(&format!(r#"{{"invoice_id":"{}"}}"#, "x".repeat(100_000)));
        assert!(said.len() < 200, "{said}");
        assert!(said.ends_with(", it must be u64"), "{said}");
    }
}
