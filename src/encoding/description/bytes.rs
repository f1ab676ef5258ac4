//! The stored form of descriptions themselves. `docs/format.md` has it.

use super::{EnumType, FieldType, IntegerType, StructType, Type};
use crate::encoding::stored::{DecodeError, StoredReader, StoredWriter};

const BOOL: u8 = 0;
const INTEGER: u8 = 1;
const F32: u8 = 2;
const F64: u8 = 3;
const CHAR: u8 = 4;
const TEXT: u8 = 5;
const BYTES: u8 = 6;
const TIMESTAMP: u8 = 7;
const ID: u8 = 8;
const JSON: u8 = 9;
const OPTION: u8 = 10;
const LIST: u8 = 11;
const ARRAY: u8 = 12;
const SET: u8 = 13;
const MAP: u8 = 14;
const TUPLE: u8 = 15;
const ENUM: u8 = 16;
const STRUCT: u8 = 17;
const ENCLOSING: u8 = 18;
/// How deep the description of a type may be.
const MAX_TYPE_DEPTH: u32 = 500;

impl Type {
    /// The stored form of the description itself.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut stored = StoredWriter::default();
        self.write(&mut stored);
        stored.finish().expect("a description is made of texts and numbers, which always have a stored form")
    }

    /// The description with this stored form.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut stored = StoredReader::new(bytes);
        let of = Self::read_within(&mut stored, MAX_TYPE_DEPTH)?;
        stored.end()?;
        Ok(of)
    }

    /// Appends the stored form of the description itself.
    fn write(&self, stored: &mut StoredWriter) {
        let mut tagged = |tag: u8, parts: &[&Type]| {
            stored.push(&[tag]);
            parts.iter().for_each(|part| part.write(stored));
        };
        match self {
            Self::Bool => tagged(BOOL, &[]),
            Self::F32 => tagged(F32, &[]),
            Self::F64 => tagged(F64, &[]),
            Self::Char => tagged(CHAR, &[]),
            Self::Text => tagged(TEXT, &[]),
            Self::Bytes => tagged(BYTES, &[]),
            Self::Timestamp => tagged(TIMESTAMP, &[]),
            Self::Json => tagged(JSON, &[]),
            Self::Optional(of) => tagged(OPTION, &[of]),
            Self::List(of) => tagged(LIST, &[of]),
            Self::Set(of) => tagged(SET, &[of]),
            Self::Map(key, value) => tagged(MAP, &[key, value]),
            Self::Integer(IntegerType { is_signed, bits }) => stored.push(&[INTEGER, u8::from(*is_signed), *bits]),
            Self::Id(table) => {
                stored.push(&[ID]);
                stored.counted(table.as_bytes());
            }
            Self::Array(of, count) => {
                stored.push(&[ARRAY]);
                stored.number(u64::from(*count));
                of.write(stored);
            }
            Self::Tuple(parts) => {
                stored.push(&[TUPLE]);
                stored.count(parts.len());
                parts.iter().for_each(|part| part.write(stored));
            }
            Self::Enum(EnumType { name, variants, is_open }) => {
                stored.push(&[ENUM, u8::from(*is_open)]);
                stored.counted(name.as_bytes());
                stored.count(variants.len());
                variants.iter().for_each(|text| stored.counted(text.as_bytes()));
            }
            Self::Struct(StructType { name, fields }) => {
                stored.push(&[STRUCT]);
                stored.counted(name.as_bytes());
                stored.count(fields.len());
                fields.iter().for_each(|field| field.write(stored));
            }
            Self::Enclosing(levels) => {
                stored.push(&[ENCLOSING]);
                stored.number(u64::from(*levels));
            }
        }
    }

    fn read_within(stored: &mut StoredReader<'_>, depth: u32) -> Result<Self, DecodeError> {
        let depth = depth.checked_sub(1).ok_or_else(|| DecodeError::new("the description of a type is too deep"))?;
        let boxed = |stored: &mut StoredReader<'_>| Self::read_within(stored, depth).map(Box::new);
        Ok(match stored.byte()? {
            BOOL => Self::Bool,
            F32 => Self::F32,
            F64 => Self::F64,
            CHAR => Self::Char,
            TEXT => Self::Text,
            BYTES => Self::Bytes,
            TIMESTAMP => Self::Timestamp,
            JSON => Self::Json,
            OPTION => Self::Optional(boxed(stored)?),
            LIST => Self::List(boxed(stored)?),
            SET => Self::Set(boxed(stored)?),
            MAP => Self::Map(boxed(stored)?, boxed(stored)?),
            INTEGER => Self::Integer(IntegerType::read(stored)?),
            ID => Self::Id(stored.text()?.to_owned()),
            ARRAY => {
                let count = small(stored)?;
                Self::Array(boxed(stored)?, count)
            }
            TUPLE => Self::Tuple(listed(stored, |stored| Self::read_within(stored, depth))?),
            ENUM => {
                let is_open = stored.flag()?;
                let name = stored.text()?.to_owned();
                let variants = listed(stored, |stored| stored.text().map(str::to_owned))?;
                Self::Enum(EnumType { name, variants, is_open })
            }
            STRUCT => {
                let name = stored.text()?.to_owned();
                Self::Struct(StructType { name, fields: listed(stored, |stored| FieldType::read(stored, depth))? })
            }
            ENCLOSING => Self::Enclosing(small(stored)?),
            other => return Err(DecodeError::new(format!("no description of a type begins with {other}"))),
        })
    }
}

impl IntegerType {
    fn read(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let (is_signed, bits) = (stored.flag()?, stored.byte()?);
        if !matches!(bits, 8 | 16 | 32 | 64 | 128) {
            return Err(DecodeError::new(format!("no integer has {bits} bits")));
        }
        Ok(Self { is_signed, bits })
    }
}

impl FieldType {
    fn write(&self, stored: &mut StoredWriter) {
        let Self { name, json_name, was, default, of } = self;
        stored.counted(name.as_bytes());
        stored.counted(json_name.as_bytes());
        for part in [was.as_deref().map(str::as_bytes), default.as_deref()] {
            stored.push(&[u8::from(part.is_some())]);
            part.into_iter().for_each(|part| stored.counted(part));
        }
        of.write(stored);
    }

    fn read(stored: &mut StoredReader<'_>, depth: u32) -> Result<Self, DecodeError> {
        let (name, json_name) = (stored.text()?.to_owned(), stored.text()?.to_owned());
        let was = if stored.flag()? { Some(stored.text()?.to_owned()) } else { None };
        let default = if stored.flag()? { Some(stored.counted()?.to_vec()) } else { None };
        Ok(Self { name, json_name, was, default, of: Type::read_within(stored, depth)? })
    }
}

fn small(stored: &mut StoredReader<'_>) -> Result<u32, DecodeError> {
    u32::try_from(stored.number()?).map_err(|_| DecodeError::new("a count is too large"))
}

fn listed<'a, E>(
    stored: &mut StoredReader<'a>,
    mut read: impl FnMut(&mut StoredReader<'a>) -> Result<E, DecodeError>,
) -> Result<Vec<E>, DecodeError> {
    let count = stored.count()?;
    (0..count).map(|_| read(stored)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::every_kind, *};

    #[test]
    fn a_description_reads_back_from_its_stored_form() {
        let bytes = every_kind().to_bytes();
        assert_eq!(Type::from_bytes(&bytes), Ok(every_kind()));
        for end in 0..bytes.len() {
            assert!(Type::from_bytes(&bytes[..end]).is_err(), "cut off at {end}");
        }
    }

    #[test]
    fn a_description_that_is_endlessly_deep_is_an_error() {
        assert!(Type::from_bytes(&[OPTION; 1 << 20]).is_err());
    }
}
