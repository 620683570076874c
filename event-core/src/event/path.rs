//! The names of what stands at a byte of a record: `data.items[3].status`.
//!
//! Only errors ask for it, so that reading a sound record remembers nothing.

use std::fmt::Write;

use super::error_offset::text_len;
use super::excerpt::excerpt;

// How much of a path an error repeats.
const PATH_BYTES: usize = 200;

/// What stands at a byte of a JSON text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Located {
    /// The path from the outermost value, of which an error repeats so much.
    pub(super) path: String,
    /// Where the object or array begins that ends there.
    pub(super) begins: Option<usize>,
}

/// The path of what stands at `byte`.
pub(super) fn path_at(json: &str, byte: usize) -> String {
    locate(json, byte).path
}

/// Finds what stands at `byte`: a value, a key, or the object or array that ends there.
pub(super) fn locate(json: &str, byte: usize) -> Located {
    let (text, mut open, mut index) = (json.as_bytes(), Vec::new(), 0);
    while index < text.len() {
        let bytes = match text[index] {
            b'"' => text_len(&text[index..]),
            _ => 1,
        };
        let is_here = (index..index + bytes).contains(&byte);
        match text[index] {
            b'{' | b'[' if is_here => break,
            b'{' => open.push(Inside::object(index)),
            b'[' => open.push(Inside::Array { begins: index, item: 0 }),
            b'}' | b']' => {
                let closed = open.pop();
                if is_here {
                    let begins = closed.map(|closed| closed.begins());
                    return Located { path: path(json, &open), begins };
                }
            }
            b',' => match open.last_mut() {
                Some(Inside::Array { item, .. }) => *item += 1,
                Some(Inside::Object { key, has_value, .. }) => (*key, *has_value) = (None, false),
                None => {}
            },
            b':' => {
                if let Some(Inside::Object { has_value, .. }) = open.last_mut() {
                    *has_value = true;
                }
            }
            b'"' => {
                if let Some(Inside::Object { key, has_value: false, .. }) = open.last_mut() {
                    *key = Some((index, index + bytes));
                }
            }
            _ => {}
        }
        if is_here {
            break;
        }
        index += bytes;
    }
    Located { path: path(json, &open), begins: None }
}

// An object or array that the byte lies in.
enum Inside {
    Object { begins: usize, key: Option<(usize, usize)>, has_value: bool },
    Array { begins: usize, item: usize },
}

impl Inside {
    fn object(begins: usize) -> Self {
        Inside::Object { begins, key: None, has_value: false }
    }

    fn begins(&self) -> usize {
        match self {
            Inside::Object { begins, .. } | Inside::Array { begins, .. } => *begins,
        }
    }
}

fn path(json: &str, open: &[Inside]) -> String {
    let mut path = String::new();
    for inside in open {
        // Writing to a text cannot fail.
        let _ = match inside {
            Inside::Array { item, .. } => write!(path, "[{item}]"),
            Inside::Object { key: None, .. } => Ok(()),
            Inside::Object { key: Some((start, end)), .. } => {
                let key = json.get(*start..*end).unwrap_or_default();
                match key.strip_prefix('"').and_then(|key| key.strip_suffix('"')) {
                    Some(name) if is_plain(name) => {
                        let dot = if path.is_empty() { "" } else { "." };
                        write!(path, "{dot}{}", excerpt(name, 64))
                    }
                    _ => write!(path, "[{}]", excerpt(key, 64)),
                }
            }
        };
    }
    excerpt(&path, PATH_BYTES)
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_the_path_of_its_value() {
        let json = r#"{"a":1, "data": {"items":[{"x":[]},{"status":"op\"en","n":-7}],"":2,"b c":[true,{"d":null}]},"z":"}"}"#;
        for (found, path) in [
            ("1,", "a"),
            (r#"{"items"#, "data"),
            (r#""items"#, "data.items"),
            (r#"[{"x"#, "data.items"),
            (r#"{"x"#, "data.items[0]"),
            ("[]", "data.items[0].x"),
            (r#""op\"en"#, "data.items[1].status"),
            ("en\",", "data.items[1].status"),
            ("-7", "data.items[1].n"),
            ("2,", r#"data[""]"#),
            ("true", r#"data["b c"][0]"#),
            ("null", r#"data["b c"][1].d"#),
            (r#""}""#, "z"),
        ] {
            let byte = json.find(found).unwrap();
            assert_eq!(path_at(json, byte), path, "{found}");
        }
        assert_eq!(path_at("7", 0), "");
        assert_eq!(path_at("", 0), "");
        assert_eq!(path_at("{\"a\":", 99), "a");
    }

    #[test]
    fn an_end_says_where_its_object_begins() {
        let json = r#"{"data":{"items":[{"a":1},{"b":2}]}}"#;
        let end = json.find(r#"}]"#).unwrap();
        let begins = json.find(r#"{"b""#);
        assert_eq!(locate(json, end), Located { path: "data.items[1]".into(), begins });
        let items = Located { path: "data.items".into(), begins: json.find('[') };
        assert_eq!(locate(json, end + 1), items);
        assert_eq!(locate(json, end + 2), Located { path: "data".into(), begins: Some(8) });
        assert_eq!(locate(json, end + 3), Located { path: String::new(), begins: Some(0) });
    }

    #[test]
    fn a_path_in_an_error_is_capped_and_safe_to_print() {
        let json = format!(r#"{{"{}":{{"a\u001b":{{"x\n":1}}}}}}"#, "k".repeat(1000));
        let path = path_at(&json, json.find('1').unwrap());
        assert!(path.len() <= PATH_BYTES && !path.contains(char::is_control), "{path:?}");
    }
}
