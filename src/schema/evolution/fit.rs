//! [`fit`]: whether what is stored can be read as what is declared, and how.
//!
//! Only that is carried out which keeps every value: fields and variants are found by their names, added ones have
//! defaults, and types may grow. Whatever else differs is an error that names the place and the line to write.

use std::collections::HashMap;

use super::{
    shape::spelled,
    transcoder::{Form, Source, Step, StepId, Transcoder},
};
use crate::{
    encoding::{EnumType, FieldType, IntegerType, Scope, StructType, Type},
    error::SchemaError,
};

/// The stored form of `None`.
const ENCODED_NONE: u8 = 0;
/// The elements of bytes.
const BYTE: Type = Type::Integer(IntegerType { is_signed: false, bits: 8 });

/// How stored values are read as values of the declared type.
#[derive(Debug)]
pub(super) enum Fit {
    /// As they are.
    Same,
    /// Through a transcoder.
    Transcoded(Transcoder),
}

/// Compares the stored type of a field with the declared one.
///
/// # Errors
///
/// The first difference that would lose or change a value.
pub(super) fn fit(table: &str, field: &str, stored: &Type, declared: &Type) -> Result<Fit, SchemaError> {
    let mut fitting = Fitting { table, field, path: field.to_owned(), steps: Vec::new(), met: HashMap::new() };
    let root = fitting.fit(Part { of: stored, scope: None }, Part { of: declared, scope: None })?;
    let transcoder = Transcoder::new(fitting.steps, root);
    Ok(if transcoder.is_identity() { Fit::Same } else { Fit::Transcoded(transcoder) })
}

/// What rows that were written before the field existed hold in it, by its type alone.
pub(super) fn default_of(of: &Type) -> Option<Vec<u8>> {
    matches!(of, Type::Optional(_)).then(|| vec![ENCODED_NONE])
}

/// A part of a type, and the structs that it stands in.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    of: &'a Type,
    scope: Option<&'a Scope<'a>>,
}

/// A struct, and the structs that it stands in.
type Within<'a> = (&'a StructType, Option<&'a Scope<'a>>);

impl<'a> Part<'a> {
    /// The struct that this is, or that it names.
    fn structure(self) -> Option<Within<'a>> {
        match self.of {
            Type::Struct(structure) => Some((structure, self.scope)),
            Type::Enclosing(levels) => Scope::enclosing(self.scope, *levels),
            _ => None,
        }
    }

    /// A type within this one.
    fn inner(self, of: &'a Type) -> Self {
        Self { of, ..self }
    }
}

struct Fitting<'a> {
    table: &'a str,
    /// The table's field.
    field: &'a str,
    /// Where in the field: `steps[].note`.
    path: String,
    steps: Vec<Step>,
    /// The pairs of structs that were met, stored and declared, by where their descriptions are.
    met: HashMap<(*const StructType, *const StructType), StepId>,
}

impl Fitting<'_> {
    fn fit(&mut self, stored: Part<'_>, declared: Part<'_>) -> Result<StepId, SchemaError> {
        if let (Some(stored), Some(declared)) = (stored.structure(), declared.structure()) {
            return self.structs(stored, declared);
        }
        let step = match (stored.of, declared.of) {
            (Type::Optional(of), Type::Optional(to)) => Step::Option(self.fit(stored.inner(of), declared.inner(to))?),
            (_, Type::Optional(to)) => Step::Some(self.fit(stored, declared.inner(to))?),
            (Type::List(of), Type::List(to)) => Step::List(self.within("[]", stored.inner(of), declared.inner(to))?),
            (Type::Bytes, Type::List(to)) => Step::List(self.within("[]", stored.inner(&BYTE), declared.inner(to))?),
            (Type::Array(of, count), Type::Array(to, declared_count)) if count == declared_count => {
                let of = self.within("[]", stored.inner(of), declared.inner(to))?;
                Step::Array { of, count: *count, becomes_list: false }
            }
            (Type::Array(of, count), Type::List(to)) => {
                let of = self.within("[]", stored.inner(of), declared.inner(to))?;
                Step::Array { of, count: *count, becomes_list: true }
            }
            (Type::Array(of, count), Type::Bytes) => {
                let of = self.within("[]", stored.inner(of), declared.inner(&BYTE))?;
                Step::Array { of, count: *count, becomes_list: true }
            }
            (Type::Set(of), Type::Set(to)) => Step::Set(self.within("[]", stored.inner(of), declared.inner(to))?),
            (Type::Map(key, value), Type::Map(to_key, to_value)) => Step::Map(
                self.within("[key]", stored.inner(key), declared.inner(to_key))?,
                self.within("[]", stored.inner(value), declared.inner(to_value))?,
            ),
            (Type::Tuple(of), Type::Tuple(to)) if of.len() == to.len() => {
                let parts = of.iter().zip(to).enumerate();
                let parts = parts.map(|(position, (of, to))| {
                    self.within(&format!(".{position}"), stored.inner(of), declared.inner(to))
                });
                Step::Tuple(parts.collect::<Result<_, _>>()?)
            }
            (Type::Enum(of), Type::Enum(to)) => self.enums(of, to)?,
            (of, to) => fit_plain(of, to).ok_or_else(|| self.changed(of, to))?,
        };
        Ok(self.add(step))
    }

    fn add(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// The same one place further in.
    fn within(&mut self, place: &str, stored: Part<'_>, declared: Part<'_>) -> Result<StepId, SchemaError> {
        let outer = self.path.len();
        self.path.push_str(place);
        let step = self.fit(stored, declared)?;
        self.path.truncate(outer);
        Ok(step)
    }

    fn structs(&mut self, stored: Within<'_>, declared: Within<'_>) -> Result<StepId, SchemaError> {
        let pair = (std::ptr::from_ref(stored.0), std::ptr::from_ref(declared.0));
        if let Some(step) = self.met.get(&pair) {
            return Ok(*step);
        }
        // The place is taken before the fields are looked at: they may lead back here.
        let step = self.add(Step::Tuple(Vec::new()));
        self.met.insert(pair, step);
        let (stored_scope, declared_scope) = (Scope::within(stored.0, stored.1), Scope::within(declared.0, declared.1));
        let (fields, declared_fields) = (&stored.0.fields, &declared.0.fields);
        let origins: Vec<Option<usize>> = declared_fields.iter().map(|field| origin(fields, field)).collect();
        let mut steps = Vec::with_capacity(fields.len());
        for (position, field) in fields.iter().enumerate() {
            let part = Part { of: &field.of, scope: Some(&stored_scope) };
            let target = origins.iter().position(|origin| *origin == Some(position));
            let target = match target.map(|target| &declared_fields[target]) {
                Some(target) => Part { of: &target.of, scope: Some(&declared_scope) },
                // Read for its length alone.
                None if declared.0.dropped.contains(&field.name) => part,
                None => return Err(self.undeclared(field, &declared.0.name)),
            };
            steps.push(self.within(&format!(".{}", field.name), part, target)?);
        }
        let sources = declared_fields.iter().zip(origins).map(|(field, origin)| match origin {
            Some(position) => Ok(Source::Stored(position)),
            None => self.default(field).map(Source::Default),
        });
        let declared = sources.collect::<Result<_, _>>()?;
        self.steps[step] = Step::Struct { stored: steps, declared };
        Ok(step)
    }

    fn enums(&self, stored: &EnumType, declared: &EnumType) -> Result<Step, SchemaError> {
        if stored.is_open && !declared.is_open {
            return Err(self.changed(&Type::Enum(stored.clone()), &Type::Enum(declared.clone())));
        }
        let (mut renamed, mut dropped) = (Vec::new(), Vec::new());
        for text in stored.variants.iter().filter(|text| !declared.variants.contains(text)) {
            let now = declared.renamed.iter().find(|(earlier, _)| earlier == text);
            match now {
                // A variant of the new name may be stored besides, and the two would become one.
                Some((_, now)) if !stored.variants.contains(now) => renamed.push((text.clone(), now.clone())),
                _ if declared.is_open => {}
                _ if declared.dropped.contains(text) => dropped.push(text.clone()),
                _ => {
                    let (table, field) = (self.table.to_owned(), self.path.clone());
                    let (enumeration, variant) = (declared.name.clone(), text.clone());
                    return Err(SchemaError::UndeclaredVariant { table, field, enumeration, variant });
                }
            }
        }
        Ok(Step::Enum { renamed, dropped, name: declared.name.clone() })
    }

    /// What structs that were stored before the field existed hold in it.
    fn default(&self, field: &FieldType) -> Result<Vec<u8>, SchemaError> {
        field.default.clone().or_else(|| default_of(&field.of)).ok_or_else(|| SchemaError::MissingDefault {
            table: self.table.to_owned(),
            field: format!("{}.{}", self.path, field.name),
            field_type: field.of.to_string(),
        })
    }

    fn undeclared(&self, field: &FieldType, structure: &str) -> SchemaError {
        SchemaError::UndeclaredField {
            table: self.table.to_owned(),
            field: format!("{}.{}", self.path, field.name),
            stored: field.of.to_string(),
            owner: format!("struct `{structure}`"),
        }
    }

    fn changed(&self, stored: &Type, declared: &Type) -> SchemaError {
        let (table, field) = (self.table.to_owned(), self.field.to_owned());
        let (stored, declared) = (spelled(stored), spelled(declared));
        if self.path == self.field {
            return SchemaError::ChangedType { table, field, stored, declared };
        }
        SchemaError::ChangedNestedType { table, field, path: self.path.clone(), stored, declared }
    }
}

/// The stored field that a declared one is: by its name, or else by its earlier one.
fn origin(stored: &[FieldType], declared: &FieldType) -> Option<usize> {
    let named = |name: &str| stored.iter().position(|field| field.name == name);
    named(&declared.name).or_else(|| named(declared.was.as_deref()?))
}

/// Types without others in them.
fn fit_plain(stored: &Type, declared: &Type) -> Option<Step> {
    let form = match (stored, declared) {
        (Type::Integer(stored), Type::Integer(declared)) if stored != declared => {
            let has_room = match (stored.is_signed, declared.is_signed) {
                (false, true) | (true, true) | (false, false) => stored.bits < declared.bits,
                (true, false) => false,
            };
            return has_room.then_some(Step::Integer { stored: *stored, declared: *declared });
        }
        (Type::F32, Type::F64) => return Some(Step::Float),
        (Type::Char, Type::Text) => return Some(Step::CharToText),
        (Type::Enum(_), Type::Text) | (Type::Text, Type::Enum(EnumType { is_open: true, .. })) => Form::Counted,
        (stored, declared) if stored == declared => form_of(stored)?,
        _ => return None,
    };
    Some(Step::Copy(form))
}

/// How long values of a type without others in it are.
fn form_of(of: &Type) -> Option<Form> {
    match of {
        Type::Bool | Type::Integer(IntegerType { bits: 8, .. }) => Some(Form::Bytes(1)),
        Type::F32 => Some(Form::Bytes(4)),
        Type::F64 => Some(Form::Bytes(8)),
        Type::Integer(_) | Type::Char | Type::Timestamp | Type::Id(_) => Some(Form::Number),
        Type::Text | Type::Bytes | Type::Json => Some(Form::Counted),
        Type::Optional(_)
        | Type::List(_)
        | Type::Array(..)
        | Type::Set(_)
        | Type::Map(..)
        | Type::Tuple(_)
        | Type::Enum(_)
        | Type::Struct(_)
        | Type::Enclosing(_) => None,
    }
}
