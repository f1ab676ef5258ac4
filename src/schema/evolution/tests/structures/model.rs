//! What a change of structure means for a value, said once more, on values instead of bytes.

use crate::encoding::{EnumType, FieldType, IntegerType, StoredWriter, StructType, Type};

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Integer(i128),
    /// Bits.
    F32(u32),
    F64(u64),
    Char(char),
    Text(String),
    Optional(Option<Box<Value>>),
    Many(Vec<Value>),
    Pairs(Vec<(Value, Value)>),
    /// Any of these in its stored form.
    Stored(Vec<u8>),
}

/// Choices, one byte each; all zero at its end.
pub(super) struct Tape<'a> {
    rest: &'a [u8],
    names: u32,
}

impl<'a> Tape<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, names: 0 }
    }

    fn pick(&mut self, count: usize) -> usize {
        let Some((byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        usize::from(*byte) % count
    }

    fn happens(&mut self, one_in: usize) -> bool {
        self.pick(one_in) == one_in - 1
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | self.pick(256) as u64) >> self.pick(64)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("name_{}", self.names)
    }
}

/// Some type with so many levels at most.
pub(super) fn structure(tape: &mut Tape<'_>, levels: u32) -> Type {
    let leaves = 11;
    let boxed = |tape: &mut Tape<'_>| Box::new(structure(tape, levels - 1));
    match tape.pick(if levels == 0 { leaves } else { leaves + 8 }) {
        0 => Type::Bool,
        1 | 2 => Type::Integer(IntegerType { is_signed: tape.happens(2), bits: 8 << tape.pick(5) }),
        3 => Type::F32,
        4 => Type::F64,
        5 => Type::Char,
        6 => Type::Text,
        7 => Type::Timestamp,
        8 | 9 => enumeration(tape),
        10 => Type::Bytes,
        11 => Type::Optional(boxed(tape)),
        12 => match boxed(tape) {
            of if is_byte(&of) => Type::Bytes,
            of => Type::List(of),
        },
        13 => Type::Array(boxed(tape), tape.pick(3) as u32),
        14 => Type::Set(boxed(tape)),
        15 => Type::Map(boxed(tape), boxed(tape)),
        16 => Type::Tuple((0..tape.pick(4)).map(|_| structure(tape, levels - 1)).collect()),
        _ => {
            let field = |tape: &mut Tape<'_>| field(tape, levels - 1);
            let fields = (0..tape.pick(4)).map(|_| field(tape)).collect();
            Type::Struct(StructType { name: tape.name(), fields, dropped: Vec::new() })
        }
    }
}

fn is_byte(of: &Type) -> bool {
    *of == Type::Integer(IntegerType { is_signed: false, bits: 8 })
}

fn enumeration(tape: &mut Tape<'_>) -> Type {
    let variants: Vec<String> = (0..=tape.pick(3)).map(|_| tape.name()).collect();
    let variants: Vec<&str> = variants.iter().map(String::as_str).collect();
    Type::Enum(EnumType::new(&tape.name(), &variants, tape.happens(4)))
}

fn field(tape: &mut Tape<'_>, levels: u32) -> FieldType {
    let name = tape.name();
    FieldType::new(&name, &name, structure(tape, levels))
}

/// The type after some changes, and whether all of them lose nothing.
pub(super) fn changed(tape: &mut Tape<'_>, of: &Type) -> (Type, bool) {
    if tape.happens(12) {
        return widened(tape, of);
    }
    let boxed = |tape: &mut Tape<'_>, of: &Type| {
        let (of, is_safe) = changed(tape, of);
        (Box::new(of), is_safe)
    };
    match of {
        Type::Optional(of) => {
            let (of, is_safe) = boxed(tape, of);
            (Type::Optional(of), is_safe)
        }
        Type::List(of) => {
            let (of, is_safe) = boxed(tape, of);
            // A list of bytes is bytes.
            if is_byte(&of) { (Type::Bytes, is_safe) } else { (Type::List(of), is_safe) }
        }
        Type::Array(of, count) => {
            let (of, is_safe) = boxed(tape, of);
            match tape.pick(6) {
                5 if is_byte(&of) => (Type::Bytes, is_safe),
                5 => (Type::List(of), is_safe),
                4 => (Type::Array(of, *count + 1), false),
                _ => (Type::Array(of, *count), is_safe),
            }
        }
        Type::Set(of) => {
            let (of, is_safe) = boxed(tape, of);
            (Type::Set(of), is_safe)
        }
        Type::Map(key, value) => {
            let ((key, key_is_safe), (value, value_is_safe)) = (boxed(tape, key), boxed(tape, value));
            (Type::Map(key, value), key_is_safe && value_is_safe)
        }
        Type::Tuple(parts) => {
            let (parts, are_safe): (Vec<Type>, Vec<bool>) = parts.iter().map(|part| changed(tape, part)).unzip();
            (Type::Tuple(parts), are_safe.iter().all(|is_safe| *is_safe))
        }
        Type::Enum(of) => changed_enum(tape, of),
        Type::Struct(of) => changed_struct(tape, of),
        of => (of.clone(), true),
    }
}

/// The type, or another one that may hold more.
fn widened(tape: &mut Tape<'_>, of: &Type) -> (Type, bool) {
    match of {
        of if tape.happens(2) && !matches!(of, Type::Optional(_)) => (Type::Optional(Box::new(of.clone())), true),
        Type::Integer(from) => {
            let to = IntegerType { is_signed: tape.happens(2), bits: 8 << tape.pick(5) };
            let fits = *from == to || to.bits > from.bits && (to.is_signed || !from.is_signed);
            (Type::Integer(to), fits)
        }
        Type::F32 => (Type::F64, true),
        Type::F64 => (Type::F32, false),
        Type::Char => (Type::Text, true),
        Type::Text => (Type::Char, false),
        Type::Enum(_) => (Type::Text, true),
        Type::Timestamp => (Type::Integer(IntegerType { is_signed: true, bits: 64 }), false),
        of => (of.clone(), true),
    }
}

fn changed_enum(tape: &mut Tape<'_>, of: &EnumType) -> (Type, bool) {
    let mut now = EnumType { is_open: of.is_open || tape.happens(5), variants: Vec::new(), ..of.clone() };
    let mut is_safe = true;
    for text in &of.variants {
        if tape.happens(5) {
            now.variants.push(tape.name());
        }
        match tape.pick(10) {
            9 => {
                let renamed = tape.name();
                now.renamed.push((text.clone(), renamed.clone()));
                now.variants.push(renamed);
            }
            8 => now.dropped.push(text.clone()),
            7 => is_safe &= now.is_open,
            _ => now.variants.push(text.clone()),
        }
    }
    if of.is_open && tape.happens(8) {
        (now.is_open, is_safe) = (false, false);
    }
    let turn = tape.pick(now.variants.len().max(1));
    now.variants.rotate_left(turn);
    (Type::Enum(now), is_safe)
}

fn changed_struct(tape: &mut Tape<'_>, of: &StructType) -> (Type, bool) {
    let mut now = StructType { name: tape.name(), fields: Vec::new(), dropped: Vec::new() };
    let mut is_safe = true;
    for field in &of.fields {
        if tape.happens(5) {
            is_safe &= add_field(tape, &mut now);
        }
        let choice = tape.pick(12);
        if choice == 11 {
            now.dropped.push(field.name.clone());
            continue;
        }
        if choice == 10 {
            is_safe = false;
            continue;
        }
        let (inner, inner_is_safe) = changed(tape, &field.of);
        is_safe &= inner_is_safe;
        let name = if choice == 9 { tape.name() } else { field.name.clone() };
        let was = (choice == 9).then_some(field.name.as_str());
        now.fields.push(FieldType::new(&name, &name, inner).with(was, None));
    }
    let turn = tape.pick(now.fields.len().max(1));
    now.fields.rotate_left(turn);
    (Type::Struct(now), is_safe)
}

/// Adds a field, and answers whether earlier structs have a value for it.
fn add_field(tape: &mut Tape<'_>, structure: &mut StructType) -> bool {
    let added = field(tape, 1);
    let default = tape.happens(2).then(|| Ok(bytes_of(&added.of, &value(tape, &added.of))));
    let is_safe = default.is_some() || matches!(added.of, Type::Optional(_));
    structure.fields.push(added.with(None, default));
    is_safe
}

/// Some value of the type.
pub(super) fn value(tape: &mut Tape<'_>, of: &Type) -> Value {
    let many = |tape: &mut Tape<'_>, of: &Type, count: usize| (0..count).map(|_| value(tape, of)).collect::<Vec<_>>();
    match of {
        Type::Bool => Value::Flag(tape.happens(2)),
        Type::Integer(IntegerType { is_signed: false, bits }) => {
            let number = i128::from(tape.number());
            Value::Integer(if *bits >= 64 { number } else { number % (1 << bits) })
        }
        Type::Integer(IntegerType { is_signed: true, bits }) => Value::Integer(signed(tape, (*bits).min(64))),
        Type::Timestamp => Value::Integer(signed(tape, 64)),
        Type::F32 => Value::F32(tape.number() as u32),
        Type::F64 => Value::F64(tape.number()),
        Type::Char => Value::Char(char::from_u32(tape.number() as u32 % 0x2000).unwrap_or('?')),
        Type::Text => Value::Text(format!("text {}", tape.number())),
        Type::Enum(EnumType { variants, is_open, .. }) => match tape.pick(variants.len() + 1) {
            0 if *is_open || variants.is_empty() => Value::Text("another".to_owned()),
            position => Value::Text(variants[position.saturating_sub(1)].clone()),
        },
        Type::Bytes => Value::Many((0..tape.pick(4)).map(|_| Value::Integer(tape.pick(256) as i128)).collect()),
        Type::Optional(of) => Value::Optional(tape.happens(2).then(|| Box::new(value(tape, of)))),
        Type::List(of) => {
            let count = tape.pick(4);
            Value::Many(many(tape, of, count))
        }
        Type::Array(of, count) => Value::Many(many(tape, of, *count as usize)),
        Type::Set(of) => {
            let count = tape.pick(4);
            Value::Many(without_twins(many(tape, of, count), |value| bytes_of(of, value)))
        }
        Type::Map(key, to) => {
            let pairs = (0..tape.pick(4)).map(|_| (value(tape, key), value(tape, to))).collect();
            Value::Pairs(without_twins(pairs, |(one, _)| bytes_of(key, one)))
        }
        Type::Tuple(parts) => Value::Many(parts.iter().map(|part| value(tape, part)).collect()),
        Type::Struct(of) => Value::Many(of.fields.iter().map(|field| value(tape, &field.of)).collect()),
        Type::Id(_) | Type::Json | Type::Enclosing(_) => panic!("no structure has {of}"),
    }
}

fn signed(tape: &mut Tape<'_>, bits: u8) -> i128 {
    i128::from((tape.number() as i64) >> (64 - bits))
}

fn without_twins<E>(mut elements: Vec<E>, bytes: impl Fn(&E) -> Vec<u8>) -> Vec<E> {
    elements.sort_by_key(&bytes);
    elements.dedup_by_key(|element| bytes(element));
    elements
}

/// The stored form of a value.
pub(super) fn bytes_of(of: &Type, value: &Value) -> Vec<u8> {
    let mut stored = StoredWriter::default();
    write(&mut stored, of, value);
    stored.finish().expect("the values here are short and flat")
}

fn write(stored: &mut StoredWriter, of: &Type, value: &Value) {
    match (of, value) {
        (_, Value::Stored(bytes)) => stored.push(bytes),
        (Type::Bool, Value::Flag(flag)) => stored.push(&[u8::from(*flag)]),
        (Type::Integer(IntegerType { bits: 8, .. }), Value::Integer(number)) => stored.push(&[*number as u8]),
        (Type::Integer(IntegerType { is_signed: false, .. }), Value::Integer(number)) => stored.wide(*number as u128),
        (Type::Integer(_) | Type::Timestamp, Value::Integer(number)) => stored.signed_wide(*number),
        (Type::F32, Value::F32(bits)) => stored.push(&bits.to_le_bytes()),
        (Type::F64, Value::F64(bits)) => stored.push(&bits.to_le_bytes()),
        (Type::Char, Value::Char(character)) => stored.number(u64::from(u32::from(*character))),
        (Type::Text | Type::Enum(_), Value::Text(text)) => stored.counted(text.as_bytes()),
        (Type::Bytes, Value::Many(bytes)) => {
            stored.count(bytes.len());
            let byte = Type::Integer(IntegerType { is_signed: false, bits: 8 });
            bytes.iter().for_each(|value| write(stored, &byte, value));
        }
        (Type::Optional(_), Value::Optional(None)) => stored.push(&[0]),
        (Type::Optional(of), Value::Optional(Some(value))) => {
            stored.push(&[1]);
            write(stored, of, value);
        }
        (Type::List(of), Value::Many(values)) => {
            stored.count(values.len());
            values.iter().for_each(|value| write(stored, of, value));
        }
        (Type::Array(of, _), Value::Many(values)) => values.iter().for_each(|value| write(stored, of, value)),
        (Type::Set(of), Value::Many(values)) => stored.sorted(values.iter(), |stored, value| write(stored, of, value)),
        (Type::Map(key, to), Value::Pairs(pairs)) => stored.sorted(pairs.iter(), |stored, (one, value)| {
            write(stored, key, one);
            write(stored, to, value);
        }),
        (Type::Tuple(parts), Value::Many(values)) => {
            parts.iter().zip(values).for_each(|(part, value)| write(stored, part, value));
        }
        (Type::Struct(of), Value::Many(values)) => {
            of.fields.iter().zip(values).for_each(|(field, value)| write(stored, &field.of, value));
        }
        (of, value) => panic!("{value:?} is no {of}"),
    }
}

/// What an added field holds.
fn default_of(field: &FieldType) -> Option<Vec<u8>> {
    field.default.clone().or_else(|| matches!(field.of, Type::Optional(_)).then(|| vec![0]))
}

/// What a value becomes; `None` if the declared type cannot say it.
pub(super) fn expected(of: &Type, to: &Type, value: &Value) -> Option<Value> {
    let byte = Type::Integer(IntegerType { is_signed: false, bits: 8 });
    let each = |of: &Type, to: &Type, values: &[Value]| -> Option<Vec<Value>> {
        values.iter().map(|value| expected(of, to, value)).collect()
    };
    Some(match (of, to, value) {
        (Type::Optional(of), Type::Optional(to), Value::Optional(value)) => match value {
            None => Value::Optional(None),
            Some(value) => Value::Optional(Some(Box::new(expected(of, to, value)?))),
        },
        (of, Type::Optional(to), value) => Value::Optional(Some(Box::new(expected(of, to, value)?))),
        (Type::F32, Type::F64, Value::F32(bits)) => Value::F64(double_of(*bits)),
        (Type::Char, Type::Text, Value::Char(character)) => Value::Text(character.to_string()),
        (Type::Enum(_), Type::Enum(to), Value::Text(text)) => {
            let renamed = to.renamed.iter().find(|(earlier, _)| earlier == text).map(|(_, now)| now);
            if !to.is_open && to.dropped.contains(text) {
                return None;
            }
            Value::Text(renamed.unwrap_or(text).clone())
        }
        (Type::Set(of), Type::Set(to), Value::Many(values)) => {
            let elements = each(of, to, values)?;
            let count = elements.len();
            let elements = without_twins(elements, |element| bytes_of(to, element));
            return (elements.len() == count).then_some(Value::Many(elements));
        }
        (Type::Map(key, of), Type::Map(to_key, to), Value::Pairs(pairs)) => {
            let pair = |(one, value): &(Value, Value)| Some((expected(key, to_key, one)?, expected(of, to, value)?));
            let pairs = pairs.iter().map(pair).collect::<Option<Vec<_>>>()?;
            let count = pairs.len();
            let pairs = without_twins(pairs, |(one, _)| bytes_of(to_key, one));
            return (pairs.len() == count).then_some(Value::Pairs(pairs));
        }
        (Type::List(of) | Type::Array(of, _), Type::List(to) | Type::Array(to, _), Value::Many(values)) => {
            Value::Many(each(of, to, values)?)
        }
        (Type::Array(of, _), Type::Bytes, Value::Many(values)) => Value::Many(each(of, &byte, values)?),
        (Type::Tuple(of), Type::Tuple(to), Value::Many(values)) => {
            let parts = of.iter().zip(to).zip(values);
            Value::Many(parts.map(|((of, to), value)| expected(of, to, value)).collect::<Option<_>>()?)
        }
        (Type::Struct(of), Type::Struct(to), Value::Many(values)) => {
            let field = |to: &FieldType| match of
                .fields
                .iter()
                .position(|field| field.name == to.name || to.was.as_ref() == Some(&field.name))
            {
                Some(position) => expected(&of.fields[position].of, &to.of, &values[position]),
                None => default_of(to).map(Value::Stored),
            };
            for (position, gone) in of.fields.iter().enumerate().filter(|(_, field)| to.dropped.contains(&field.name)) {
                expected(&gone.of, &gone.of, &values[position])?;
            }
            Value::Many(to.fields.iter().map(field).collect::<Option<_>>()?)
        }
        (_, _, value) => value.clone(),
    })
}

/// An `f64` has room for every `f32`, payloads of NaNs included.
fn double_of(bits: u32) -> u64 {
    let float = f32::from_bits(bits);
    if float.is_nan() {
        let (sign, payload) = (u64::from(bits >> 31), u64::from(bits & 0x007f_ffff));
        return sign << 63 | 0x7ff << 52 | payload << 29;
    }
    f64::from(float).to_bits()
}
