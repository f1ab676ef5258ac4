//! What is left of a type's description when only stored values matter.

use crate::encoding::{EnumType, FieldType, StructType, Type};

/// The type as the catalog keeps it: without what the program says of earlier versions.
pub(super) fn stored_form(of: &Type) -> Type {
    reduced(of, true)
}

/// Whether two types are made of the same things, whatever their structs and enums are called in Rust.
pub(super) fn is_same(one: &Type, other: &Type) -> bool {
    reduced(one, false) == reduced(other, false)
}

/// As a person would write it, with the fields or variants of what has a name.
pub(super) fn spelled(of: &Type) -> String {
    match of {
        Type::Struct(StructType { name, fields, .. }) => {
            let fields: Vec<String> = fields.iter().map(|field| format!("{}: {}", field.name, field.of)).collect();
            format!("{name} {{ {} }}", fields.join(", "))
        }
        Type::Enum(EnumType { name, variants, is_open, .. }) => {
            let open = if *is_open { "open " } else { "" };
            format!("{open}{name} {variants:?}")
        }
        of => of.to_string(),
    }
}

fn reduced(of: &Type, with_names: bool) -> Type {
    let boxed = |of: &Type| Box::new(reduced(of, with_names));
    let name = |name: &String| if with_names { name.clone() } else { String::new() };
    match of {
        Type::Optional(of) => Type::Optional(boxed(of)),
        Type::List(of) => Type::List(boxed(of)),
        Type::Array(of, count) => Type::Array(boxed(of), *count),
        Type::Set(of) => Type::Set(boxed(of)),
        Type::Map(key, value) => Type::Map(boxed(key), boxed(value)),
        Type::Tuple(parts) => Type::Tuple(parts.iter().map(|part| reduced(part, with_names)).collect()),
        Type::Enum(of) => {
            let (renamed, dropped) = (Vec::new(), Vec::new());
            Type::Enum(EnumType { name: name(&of.name), renamed, dropped, ..of.clone() })
        }
        Type::Struct(of) => {
            let field = |field: &FieldType| FieldType {
                name: field.name.clone(),
                json_name: field.json_name.clone(),
                was: None,
                default: None,
                of: reduced(&field.of, with_names),
            };
            let fields = of.fields.iter().map(field).collect();
            Type::Struct(StructType { name: name(&of.name), fields, dropped: Vec::new() })
        }
        plain => plain.clone(),
    }
}
