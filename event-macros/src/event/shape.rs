//! The shape of a contract: what two declarations of one event must agree on.
//!
//! It is that of the data on the wire, not of the Rust type: a field that is renamed in Rust alone
//! changes nothing, and one that serde's attributes rename is another. Comments, and what is not
//! read at all, are no part of it.

use quote::ToTokens;
use syn::{Data, DeriveInput, Field, Fields};

use super::model::make_static;
use super::wire::WireType;
use crate::tokens::text_of;

/// A hash of the wire names, types and necessity of the fields, or of an enum's variants. The same
/// for the same source in every build.
pub(super) fn shape(input: &DeriveInput, wire: &WireType) -> u64 {
    let mut text = wire.form.join("\n");
    match &input.data {
        Data::Enum(data) => {
            let read = data.variants.iter().filter_map(|variant| {
                let (name, within) = wire.variant(variant)?;
                let form = within.form.join(" ");
                Some(format!("\n{name} {form} {}", fields(&variant.fields, input, &within)))
            });
            // Their order decides only where the first that fits is read.
            let mut variants: Vec<_> = read.collect();
            if !wire.form.iter().any(|word| word.starts_with("untagged")) {
                variants.sort();
            }
            text += &variants.concat();
        }
        Data::Struct(data) => text += &fields(&data.fields, input, wire),
        // Refused elsewhere.
        Data::Union(_) => {}
    }
    fnv1a(text.as_bytes())
}

fn fields(fields: &Fields, input: &DeriveInput, wire: &WireType) -> String {
    let named = |field: &Field| {
        let read = wire.field(field)?;
        let name = match (&field.ident, read.flattened) {
            (_, true) => "..".to_owned(),
            (Some(_), false) => read.name,
            (None, false) => String::new(),
        };
        let needed = if read.required { "" } else { "?" };
        // What a lifetime is called, nobody sees on the wire.
        let ty = text_of(make_static(field.ty.to_token_stream(), input));
        Some(format!("\n  {name}{needed}: {ty}"))
    };
    let mut inside: Vec<_> = fields.iter().filter_map(named).collect();
    match fields {
        Fields::Named(_) => {
            // An object has no order.
            inside.sort();
            format!("{{{}}}", inside.concat())
        }
        Fields::Unnamed(_) => format!("({})", inside.concat()),
        Fields::Unit => String::new(),
    }
}

// The 64-bit FNV-1a hash: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_of(source: &str) -> u64 {
        let input = syn::parse_str(source).unwrap();
        shape(&input, &WireType::read(&input))
    }

    #[test]
    fn hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn what_is_the_same_on_the_wire_has_one_shape() {
        for (one, other) in [
            ("struct A { a: i64 }", "/// Doc.\nstruct B {\n /// Doc.\n a: i64, }"),
            ("struct A { a: Option<i64> }", "struct A { pub a: Option < i64 > }"),
            ("struct A { a_b: i64 }", r#"struct A { #[serde(rename = "a_b")] c: i64 }"#),
            (
                r#"#[serde(rename_all = "camelCase")] struct A { a_b: i64 }"#,
                r#"struct A { #[serde(rename = "aB")] a: i64 }"#,
            ),
            ("struct A { a: i64 }", "struct A { a: i64, #[serde(skip)] b: i64 }"),
            ("struct A { a: i64, b: i32 }", "struct A { b: i32, a: i64 }"),
            ("enum A { B, C }", "enum A { C, B }"),
            ("struct A<'a> { a: Cow<'a, str> }", "struct A<'b> { a: Cow<'b, str> }"),
            (
                "enum A { B { c: i64 }, D(i64) }",
                "enum A { #[doc = \"x\"] B { /** Doc. */ #[allow(dead_code)] c: i64 }, D(/** Doc. */ i64) }",
            ),
            (
                r#"#[serde(tag = "t", content = "c")] enum A { B }"#,
                r#"#[serde(content = "c")] #[serde(tag = "t")] enum A { B }"#,
            ),
            (
                r#"#[serde(rename_all = "snake_case")] enum A { BigB }"#,
                r#"enum A { #[serde(rename = "big_b")] B }"#,
            ),
            (
                r#"#[serde(rename_all_fields = "camelCase")] enum A { B { c_d: i64 } }"#,
                r#"enum A { #[serde(rename_all = "camelCase")] B { c_d: i64 } }"#,
            ),
        ] {
            assert_eq!(shape_of(one), shape_of(other), "{one} / {other}");
        }
    }

    #[test]
    fn what_differs_on_the_wire_differs_in_shape() {
        for (one, other) in [
            (
                "struct A { a_b: i64 }",
                r#"#[serde(rename_all = "camelCase")] struct A { a_b: i64 }"#,
            ),
            ("struct A { a: i64 }", r#"struct A { #[serde(rename = "b")] a: i64 }"#),
            ("struct A { a: i64 }", "struct A { a: i32 }"),
            ("struct A { a: i64 }", "struct A { #[serde(default)] a: i64 }"),
            ("struct A { a: i64, b: i64 }", "struct A { a: i64 }"),
            ("struct A { a: B }", "struct A { #[serde(flatten, default)] a: B }"),
            ("struct A { a: i64 }", r#"#[serde(tag = "t")] struct A { a: i64 }"#),
            ("struct A { a: i64 }", r#"#[serde(from = "i64")] struct A { a: i64 }"#),
            ("enum A { B }", "enum A { B, C }"),
            ("enum A { B }", "enum A { B {} }"),
            ("enum A { B(i64, i32) }", "enum A { B(i32, i64) }"),
            ("#[serde(untagged)] enum A { B, C }", "#[serde(untagged)] enum A { C, B }"),
            ("enum A { B { c: i64 } }", "enum A { B { c: i32 } }"),
            ("enum A { B { c: i64 } }", r#"enum A { B { #[serde(rename = "d")] c: i64 } }"#),
            ("enum A { B }", r#"enum A { #[serde(rename = "c")] B }"#),
            ("enum A { B }", r#"#[serde(rename_all = "lowercase")] enum A { B }"#),
            ("enum A { B }", r#"#[serde(tag = "t")] enum A { B }"#),
            (r#"#[serde(tag = "t")] enum A { B }"#, r#"#[serde(tag = "u")] enum A { B }"#),
            ("enum A { B(i64) }", "#[serde(untagged)] enum A { B(i64) }"),
            ("enum A { B(i64) }", "enum A { #[serde(untagged)] B(i64) }"),
        ] {
            assert_ne!(shape_of(one), shape_of(other), "{one} / {other}");
        }
    }

    #[test]
    fn variants_are_named_as_serde_names_them() {
        for (rule, name) in [
            ("lowercase", "bigb"),
            ("UPPERCASE", "BIGB"),
            ("PascalCase", "BigB"),
            ("camelCase", "bigB"),
            ("snake_case", "big_b"),
            ("SCREAMING_SNAKE_CASE", "BIG_B"),
            ("kebab-case", "big-b"),
            ("SCREAMING-KEBAB-CASE", "BIG-B"),
        ] {
            let renamed = format!("#[serde(rename_all = \"{rule}\")] enum A {{ BigB }}");
            let named = format!("enum A {{ #[serde(rename = \"{name}\")] BigB }}");
            assert_eq!(shape_of(&renamed), shape_of(&named), "{rule}");
        }
    }
}
