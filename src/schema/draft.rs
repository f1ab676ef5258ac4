//! Structs in the formats of serde, field by field: objects with names, sequences where a format has no names.
//!
//! What a derive would write, the macro and these functions do, so that the core does without one and a host may rename
//! the crate.

use std::{fmt, marker::PhantomData, slice};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess},
    forward_to_deserialize_any,
    ser::SerializeStruct,
};

/// A value whose fields are read one after the other, each absent until it appears.
pub trait Draft: Default {
    /// What it becomes.
    type Value;

    /// The fields' names.
    const NAMES: &'static [&'static str];

    /// Reads the field at this position of [`NAMES`](Self::NAMES), which must not have been read before.
    fn read<'de, A: MapAccess<'de>>(&mut self, position: usize, map: &mut A) -> Result<(), A::Error>;

    /// Reads all fields in their order, as far as the sequence goes.
    fn read_all<'de, A: SeqAccess<'de>>(&mut self, sequence: &mut A) -> Result<(), A::Error>;

    /// Gives absent fields their default; fails for one that has none.
    fn finish<E: de::Error>(self) -> Result<Self::Value, E>;
}

/// Reads the value of a field that may appear once.
pub fn read_once<'de, V: Deserialize<'de>, A: MapAccess<'de>>(
    field: &mut Option<V>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if field.is_some() {
        return Err(de::Error::duplicate_field(name));
    }
    *field = Some(map.next_value()?);
    Ok(())
}

/// What stands for an absent field without a default: `None` for an `Option`, else an error that names the field.
pub fn absent<'de, V: Deserialize<'de>, E: de::Error>(name: &'static str) -> Result<V, E> {
    V::deserialize(Absent { name, error: PhantomData })
}

/// A deserializer that has nothing to offer: it answers those who ask for an option, and no others.
struct Absent<E> {
    name: &'static str,
    error: PhantomData<E>,
}

impl<'de, E: de::Error> Deserializer<'de> for Absent<E> {
    type Error = E;

    fn deserialize_any<V: de::Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
        Err(E::missing_field(self.name))
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Appends fields to an object, each under the next name.
pub struct FieldSerializer<'a, S> {
    target: &'a mut S,
    names: slice::Iter<'static, &'static str>,
}

impl<'a, S: SerializeStruct> FieldSerializer<'a, S> {
    /// For an object that has been begun.
    pub(super) fn new(target: &'a mut S, names: &'static [&'static str]) -> Self {
        Self { target, names: names.iter() }
    }

    /// Appends the next field.
    pub fn field<V: Serialize>(&mut self, value: &V) -> Result<(), S::Error> {
        let name = self.names.next().expect("the macro names as many fields as it appends");
        self.target.serialize_field(name, value)
    }
}

/// Writes an object of named fields; `write` appends them.
pub fn serialize_named<S: Serializer>(
    what: &'static str,
    names: &'static [&'static str],
    serializer: S,
    write: impl FnOnce(&mut FieldSerializer<'_, S::SerializeStruct>) -> Result<(), S::Error>,
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct(what, names.len())?;
    write(&mut FieldSerializer::new(&mut object, names))?;
    object.end()
}

/// Reads an object of named fields; `what` and `name` say what was expected where there is something else.
pub fn deserialize_named<'de, F: Draft, D: Deserializer<'de>>(
    what: &'static str,
    name: &'static str,
    deserializer: D,
) -> Result<F::Value, D::Error> {
    deserializer.deserialize_struct(name, F::NAMES, DraftVisitor::<F> { what, name, draft: PhantomData })
}

/// Fills a draft from an object or a sequence.
struct DraftVisitor<F> {
    what: &'static str,
    name: &'static str,
    draft: PhantomData<F>,
}

impl<'de, F: Draft> de::Visitor<'de> for DraftVisitor<F> {
    type Value = F::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.what, self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<F::Value, A::Error> {
        let mut draft = F::default();
        while let Some(position) = map.next_key_seed(PositionOf(F::NAMES))? {
            match position {
                Some(position) => draft.read(position, &mut map)?,
                None => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }
        draft.finish()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<F::Value, A::Error> {
        let mut draft = F::default();
        draft.read_all(&mut sequence)?;
        draft.finish()
    }
}

/// Reads a name and finds its position; `None` for one that is not in the list.
struct PositionOf(&'static [&'static str]);

impl<'de> de::DeserializeSeed<'de> for PositionOf {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl de::Visitor<'_> for PositionOf {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|&known| known == name))
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|known| known.as_bytes() == name))
    }

    fn visit_u64<E: de::Error>(self, position: u64) -> Result<Option<usize>, E> {
        Ok(usize::try_from(position).ok().filter(|&position| position < self.0.len()))
    }
}
