//! What serde's attributes make of a contract on the wire.
//!
//! Only what documents and the shape need is read here: the names of the fields and variants, and
//! whether the fields must be there.
//! Decoding itself is serde's.

use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, DeriveInput, Field, LitStr, Type, Variant};

use super::model::plain_name;

/// One field as JSON has it.
pub(crate) struct WireField {
    pub(crate) name: String,
    pub(crate) required: bool,
    /// Whether its own fields stand in its place.
    pub(crate) flattened: bool,
}

/// What the attributes of the type say.
#[derive(Default)]
pub(crate) struct WireType {
    rename_all: Option<String>,
    rename_all_fields: Option<String>,
    has_default: bool,
    /// What else decides the form: how a variant is distinguished, or which other type is read.
    pub(crate) form: Vec<String>,
    /// Whether serde reads something else than an object with these fields.
    pub(crate) is_converted: bool,
}

impl WireType {
    pub(crate) fn read(input: &DeriveInput) -> Self {
        let mut wire = WireType::default();
        each_serde_word(&input.attrs, |word, value| {
            match word {
                "rename_all" => wire.rename_all = value.clone(),
                "rename_all_fields" => wire.rename_all_fields = value.clone(),
                "default" => wire.has_default = true,
                "transparent" | "from" | "try_from" | "remote" => wire.is_converted = true,
                _ => {}
            }
            if let "tag" | "content" | "untagged" | "transparent" | "from" | "try_from" = word {
                wire.form.push(format!("{word} = {}", value.unwrap_or_default()));
            }
        });
        wire.form.sort();
        wire
    }

    /// A variant on the wire: its name, and what its fields are; `None` when none is read as it.
    pub(crate) fn variant(&self, variant: &Variant) -> Option<(String, WireType)> {
        let (mut renamed, mut skipped) = (None, false);
        let mut fields =
            WireType { rename_all: self.rename_all_fields.clone(), ..WireType::default() };
        each_serde_word(&variant.attrs, |word, value| match word {
            "rename" => renamed = value,
            "rename_all" => fields.rename_all = value,
            "untagged" => fields.form.push(word.to_owned()),
            "skip" | "skip_deserializing" => skipped = true,
            _ => {}
        });
        let name = || self.renamed_variant(&variant.ident.unraw().to_string());
        (!skipped).then(|| (renamed.unwrap_or_else(name), fields))
    }

    /// The field on the wire; `None` when nothing is read into it.
    pub(crate) fn field(&self, field: &Field) -> Option<WireField> {
        let (mut renamed, mut optional, mut skipped) = (None, self.has_default, false);
        let mut flattened = false;
        each_serde_word(&field.attrs, |word, value| match word {
            "rename" => renamed = value,
            "default" => optional = true,
            "flatten" => flattened = true,
            "skip" | "skip_deserializing" => skipped = true,
            _ => {}
        });
        let name = renamed.unwrap_or_else(|| self.renamed(&plain_name(field)));
        let required = !optional && !flattened && !is_option(&field.ty);
        (!skipped).then_some(WireField { name, required, flattened })
    }

    // The same rules for a variant, which is upper camel case in Rust.
    fn renamed_variant(&self, name: &str) -> String {
        let snake = || {
            let mut snake = String::new();
            for (index, letter) in name.char_indices() {
                if index > 0 && letter.is_uppercase() {
                    snake.push('_');
                }
                snake.extend(letter.to_lowercase());
            }
            snake
        };
        match self.rename_all.as_deref() {
            Some("lowercase") => name.to_ascii_lowercase(),
            Some("UPPERCASE") => name.to_ascii_uppercase(),
            Some("camelCase") => {
                let mut chars = name.chars();
                let first = chars.next().into_iter().flat_map(char::to_lowercase);
                first.chain(chars).collect()
            }
            Some("snake_case") => snake(),
            Some("SCREAMING_SNAKE_CASE") => snake().to_ascii_uppercase(),
            Some("kebab-case") => snake().replace('_', "-"),
            Some("SCREAMING-KEBAB-CASE") => snake().to_ascii_uppercase().replace('_', "-"),
            _ => name.to_owned(),
        }
    }

    // serde's rules: <https://serde.rs/container-attrs.html#rename_all>.
    fn renamed(&self, name: &str) -> String {
        let capitalised = |word: &str| {
            let mut chars = word.chars();
            let first = chars.next().into_iter().flat_map(char::to_uppercase);
            first.chain(chars).collect::<String>()
        };
        let pascal = || name.split('_').map(capitalised).collect::<String>();
        match self.rename_all.as_deref() {
            Some("PascalCase") => pascal(),
            Some("camelCase") => {
                let pascal = pascal();
                let mut chars = pascal.chars();
                let first = chars.next().into_iter().flat_map(char::to_lowercase);
                first.chain(chars).collect()
            }
            Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_uppercase(),
            Some("kebab-case") => name.replace('_', "-"),
            Some("SCREAMING-KEBAB-CASE") => name.replace('_', "-").to_uppercase(),
            // In Rust fields are snake case already.
            _ => name.to_owned(),
        }
    }
}

// Each word of `#[serde(..)]` with its text; of `rename(deserialize = "..")` the text that is read.
fn each_serde_word(attributes: &[Attribute], mut note: impl FnMut(&str, Option<String>)) {
    for attribute in attributes.iter().filter(|a| a.path().is_ident("serde")) {
        // What is wrong in it is serde's to say.
        let _ = attribute.parse_nested_meta(|meta| {
            let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            let value = text_of_value(&meta);
            note(&word, value);
            Ok(())
        });
    }
}

fn text_of_value(meta: &ParseNestedMeta<'_>) -> Option<String> {
    if meta.input.peek(syn::token::Paren) {
        let mut read = None;
        let _ = meta.parse_nested_meta(|inner| {
            let text = inner.value().and_then(|value| value.parse::<LitStr>());
            if inner.path.is_ident("deserialize") {
                read = text.ok().map(|text| text.value());
            }
            Ok(())
        });
        return read;
    }
    if !meta.input.peek(syn::Token![=]) {
        return None;
    }
    let value = meta.value().ok()?;
    if let Ok(text) = value.parse::<LitStr>() {
        return Some(text.value());
    }
    value.parse::<syn::Expr>().ok();
    None
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|s| s.ident == "Option"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        let input: DeriveInput = syn::parse_str(source).unwrap();
        let wire = WireType::read(&input);
        let syn::Data::Struct(data) = &input.data else { panic!("no struct") };
        let fields = data.fields.iter().filter_map(|field| wire.field(field));
        fields.map(|f| format!("{}{}", f.name, if f.required { "" } else { "?" })).collect()
    }

    #[test]
    fn names_are_those_that_serde_reads() {
        for (rule, name) in [
            ("camelCase", "roleId"),
            ("PascalCase", "RoleId"),
            ("snake_case", "role_id"),
            ("lowercase", "role_id"),
            ("UPPERCASE", "ROLE_ID"),
            ("SCREAMING_SNAKE_CASE", "ROLE_ID"),
            ("kebab-case", "role-id"),
            ("SCREAMING-KEBAB-CASE", "ROLE-ID"),
        ] {
            let source = format!("#[serde(rename_all = \"{rule}\")] struct A {{ role_id: i64 }}");
            assert_eq!(names(&source), [name], "{rule}");
        }
        let source = r#"
            #[serde(deny_unknown_fields, rename_all(deserialize = "camelCase", serialize = "kebab-case"))]
            struct A {
                role_id: Option<i64>,
                #[serde(rename = "Name", bound = "x")] name: String,
                #[serde(rename(deserialize = "in", serialize = "out"))] both: i64,
                #[serde(default = "one")] count_of: i64,
                #[serde(skip)] hidden: i64,
                r#type: i64,
            }"#;
        assert_eq!(names(source), ["roleId?", "Name", "in", "countOf?", "type"]);
    }
}
