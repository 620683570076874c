//! Makes records, good ones and bad ones, of a sequence of choices.

const NAMES: &[&str] = &[
    "OWNED", "BORROWED", "EMPTY", "NESTED", "NUMBERS", "CHOICE", "BUFFERED", "LIST", "RAW",
    "LOSSY", "CARELESS", "GROWN", "UPCAST", "JSON",
];

/// Choices that bytes make; the first of each when there are no more.
pub(crate) struct Choices<'b>(&'b [u8]);

impl<'b> Choices<'b> {
    pub(crate) fn of(bytes: &'b [u8]) -> Self {
        Choices(bytes)
    }

    /// A number below `count`.
    fn below(&mut self, count: usize) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*first) % count.max(1)
    }

    /// Whether something that happens once in so many times does.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) + 1 == times
    }

    fn of_these<'t>(&mut self, these: &[&'t str]) -> &'t str {
        these[self.below(these.len())]
    }
}

/// A record as services write it.
pub(crate) fn ordinary_record(choices: &mut Choices<'_>) -> String {
    let name = NAMES[choices.below(NAMES.len())];
    let version = match name {
        "UPCAST" => 4,
        "GROWN" => 1 + choices.below(3),
        _ => 1,
    };
    let user = choices.of_these(&["null", "42", "\"ann\"", "-7", "\"é😀\""]);
    let mut fields = vec![
        format!(r#""userId":{user}"#),
        format!(r#""data":{}"#, choices.of_these(good_data(name))),
        r#""eventId":"018f4e9c-7b2a-7c3d-8e4f-5a6b7c8d9e0f""#.to_owned(),
        r#""occurredAt":"2026-01-31T08:00:00.123456Z""#.to_owned(),
    ];
    if version > 1 || choices.once_in(2) {
        fields.push(format!(r#""version":{version}"#));
    }
    if choices.once_in(4) {
        fields.push(r#""trace":{"id":[1,2,{"a":null}]}"#.to_owned());
    }
    let first = choices.below(fields.len());
    fields.rotate_left(first);
    if version == 1 {
        fields.truncate(1 + choices.below(fields.len()));
        if !fields.iter().any(|field| field.starts_with(r#""data""#)) {
            fields.push(format!(r#""data":{}"#, good_data(name)[0]));
        }
    }
    let space = choices.of_these(&["", "", " ", "\n    "]);
    let fields = fields.join(&format!(",{space}"));
    format!("{{{space}\"eventType\":{space}\"{name}\",{space}{fields}{space}}}")
}

fn good_data(name: &str) -> &'static [&'static str] {
    match name {
        "OWNED" => &[
            r#"{"id":7,"roleId":3,"note":"some words"}"#,
            r#"{"note": "слова 😀 {[", "new": [{}], "roleId": 0, "id": 18446744073709551615}"#,
        ],
        "BORROWED" => &[r#"{"id":7,"note":"some words"}"#, r#"{"note":"","id":0,"x":{"a":[]}}"#],
        "EMPTY" => &["{}", "null", r#"{"new":1}"#],
        "NESTED" => &[
            r#"{"part":{"a":1}}"#,
            r#"{"part":{"a":1,"next":{"a":2,"next":null}},"parts":[{"a":3},{"a":-4}],
                "by_name":{"x":{"a":5}},"by_number":{"-6":null},"pair":[7,true]}"#,
        ],
        "NUMBERS" => &[
            r#"{"byte":255,"signed":-9223372036854775808,"float":1e300,"letter":"x"}"#,
            r#"{"wide":340282366920938463463374607431768211455,"float":-0.5,"letter":"é"}"#,
        ],
        "CHOICE" => &[
            r#""Unit""#,
            r#"{"New":{"a":1}}"#,
            r#"{"Tuple":[1,2]}"#,
            r#"{"Named":{"part":{"a":1}}}"#,
        ],
        "BUFFERED" => &[
            r#"{"a":1}"#,
            r#"{"a":1,"next":{"a":2},"either":{"a":3},"any":[{"b":1.5}]}"#,
            r#"{"a":1,"either":"text"}"#,
        ],
        "LIST" => &["[]", "[1, 2, 3]", "null"],
        "RAW" => &[r#"{"raw":[1, {"a":"b"}],"kept":{}}"#, r#"{"raw":null}"#],
        "LOSSY" => &["{}", r#"{"number":1,"text":"x","list":[1,2],"keys":{"1":true,"2":false}}"#],
        "CARELESS" => &["{}", r#"{"a":1,"b":2}"#],
        "GROWN" | "UPCAST" => &[r#"{"id":1,"note":"x"}"#],
        _ => &[r#"{"id":1,"roleId":2,"note":"x"}"#, "null"],
    }
}

const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "-1",
    "-0",
    "1.0",
    "1e0",
    "1e400",
    "01",
    "4294967296",
    "18446744073709551616",
    "9223372036854775808",
    "\"\"",
    "\"x\"",
    "\" \"",
    "\"1\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "\"\\n\"",
    "\"é\"",
    "\"\u{feff}\"",
    "\"\u{200b}\"",
    "\"null\"",
    "\"undefined\"",
    "\"None\"",
    "\"-0\"",
    "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
    "\"2026-01-31 08:00:00 +0100\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"018F4E9C-7B2A-7C3D-8E4F-5A6B7C8D9E0F\"",
    "\"2026-01-31T08:00:00Z\"",
    "\"2026-01-31T08:00:00\"",
    "\"2026-01-31 08:00:00+01:00\"",
    "\"2026-01-31\"",
    "\"Sat, 31 Jan 2026 07:00:00 GMT\"",
    "1764307000",
    "1764307000412",
    "1764307000412.5",
    "20260131",
    "1e9",
    "[]",
    "{}",
    "[1,2]",
    "{\"a\":1}",
    "{\"a\":1,}",
    "[[]]",
    "NaN",
    "nul",
    "\"a",
    "{\"a\":b}",
    "{\"data\":{}}",
    "{\"eventType\":\"X\"}",
    "[1",
    "{\"\":1",
    "\"a\tb\"",
    "{\"number\":\"\u{1}, \"text\":\"\"}",
    "{\"keys\":{\":1,\"list\":[}}",
    "{\"a\":1,\"b\":{}}",
    "{\"number\":[1,\"x\"],\"list\":{\"a\":1}}",
    "{\"a\" 1}",
];

const KEYS: &[&str] = &[
    "data",
    "userId",
    "eventId",
    "occurredAt",
    "version",
    "eventType",
    "trace",
    "EventType",
    "",
    "data ",
    "\\u0064ata",
    "dat\\u0061",
    "user_id",
    "eventID",
    "occuredAt",
    "Version",
    "Data",
    "\\ud83d",
];

const INSERTED: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    " ",
    "\t",
    "\u{c}",
    "\u{a0}",
    "\0",
    "\n",
    "null",
    "-",
    ".5",
    "e9",
    "0",
    "//",
    "\\ud83d",
    "\u{feff}",
    "\"data\":",
    "\"version\":2,",
    ",\"a\":1",
    "}}",
    "{}",
    "é",
    "😀",
];

/// Any record: an ordinary one, one of odd fields, or what is left of one after some accidents.
pub(crate) fn any_record(choices: &mut Choices<'_>) -> Vec<u8> {
    let record = if choices.once_in(2) { ordinary_record(choices) } else { odd_record(choices) };
    let mut record = record.into_bytes();
    if choices.once_in(2) {
        for _ in 0..=choices.below(3) {
            damage(&mut record, choices);
        }
    }
    record
}

fn odd_record(choices: &mut Choices<'_>) -> String {
    let name = match choices.below(20) {
        0 => String::new(),
        1 => "N".repeat(240 + choices.below(20)),
        2 => "\\u0058".to_owned(),
        3 => "UNKNOWN é".to_owned(),
        4 => "x".repeat(3_000),
        _ => NAMES[choices.below(NAMES.len())].to_owned(),
    };
    let mut fields = vec![format!("\"eventType\"{}:{}\"{name}\"", white(choices), white(choices))];
    let data = match choices.below(3) {
        0 => choices.of_these(VALUES),
        _ => choices.of_these(good_data(&name)),
    };
    fields.push(format!("\"data\":{data}"));
    for _ in 0..choices.below(6) {
        let (key, value) = (choices.of_these(KEYS), odd_value(choices));
        fields.push(format!("\"{key}\"{}:{}{value}", white(choices), white(choices)));
    }
    // The name stays in front, most times.
    let from = usize::from(!choices.once_in(8));
    let turn = choices.below(fields.len() - from);
    fields[from..].rotate_left(turn);
    let (before, behind) = (white(choices), white(choices));
    let comma = format!("{},{}", white(choices), white(choices));
    format!("{before}{{{before}{}{behind}}}{behind}", fields.join(&comma))
}

fn odd_value(choices: &mut Choices<'_>) -> String {
    match choices.below(20) {
        0 => {
            let levels = choices.below(256);
            format!("{}{}", "[".repeat(levels), "]".repeat(levels))
        }
        1 => {
            let levels = choices.below(140);
            format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
        }
        2 => format!("[{}{{}}]", "{},".repeat(choices.below(200))),
        3 => format!("\"{}\"", "[{".repeat(choices.below(100))),
        _ => choices.of_these(VALUES).to_owned(),
    }
}

fn white(choices: &mut Choices<'_>) -> &'static str {
    choices.of_these(&["", "", "", "", "", "", " ", "\t", "\r\n", "  \n", "\u{c}", "\u{a0}"])
}

// One accident.
fn damage(record: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let at = (choices.below(256) * 256 + choices.below(256)) % (record.len() + 1);
    let end = (at + choices.below(40)).min(record.len());
    match choices.below(10) {
        0 => record.truncate(at),
        1 => drop(record.drain(at..end)),
        2 => {
            let again = record[at..end].to_vec();
            record.splice(at..at, again);
        }
        3 => {
            // Bytes that are no UTF-8 among them.
            let byte = u8::try_from(choices.below(256)).unwrap_or(0);
            record.splice(at..end.min(at + 1), [byte]);
        }
        4 => record.extend(choices.of_these(INSERTED).bytes()),
        5 => drop(record.splice(0..0, choices.of_these(INSERTED).bytes())),
        _ => drop(record.splice(at..at, choices.of_these(INSERTED).bytes())),
    }
}
