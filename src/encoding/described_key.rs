//! Key parts of stored values, by the description of their type alone.

use super::{
    description::{EnumType, IntegerType, Type},
    key::KeyWriter,
    stored::{DecodeError, StoredReader},
    typed::Typed,
};

/// Appends the key part of the stored value that comes next: the same bytes as
/// [`KeyPart::encode_key`](super::KeyPart::encode_key) of that value.
///
/// # Errors
///
/// Bytes that are no such value, and types that are no part of a key.
pub(crate) fn write_key_part(of: &Type, stored: &mut StoredReader<'_>, key: &mut KeyWriter) -> Result<(), DecodeError> {
    match of {
        Type::Bool => key.part(&stored.flag()?),
        Type::Integer(integer) => write_integer(*integer, stored, key)?,
        Type::F32 => key.part(&f32::from_le_bytes(stored.array()?)),
        Type::F64 => key.part(&f64::from_le_bytes(stored.array()?)),
        Type::Char => key.part(&char::decode(stored)?),
        Type::Text => key.part(stored.text()?),
        Type::Bytes => key.part(stored.counted()?),
        Type::Timestamp => key.part(&stored.signed()?),
        Type::Id(_) => key.part(&stored.number()?),
        Type::Enum(of) => write_variant(of, stored.text()?, key)?,
        Type::Optional(of) => {
            let is_some = stored.flag()?;
            key.part(&is_some);
            if is_some {
                write_key_part(of, stored, key)?;
            }
        }
        Type::Tuple(parts) => parts.iter().try_for_each(|part| write_key_part(part, stored, key))?,
        Type::Json
        | Type::List(_)
        | Type::Array(..)
        | Type::Set(_)
        | Type::Map(..)
        | Type::Struct(_)
        | Type::Enclosing(_) => return Err(DecodeError::new(format!("{of} is no part of a key"))),
    }
    Ok(())
}

fn write_integer(of: IntegerType, stored: &mut StoredReader<'_>, key: &mut KeyWriter) -> Result<(), DecodeError> {
    let out_of_range = || DecodeError::new(format!("a number does not fit a {of}"));
    let size_bytes = usize::from(of.bits / 8);
    let bytes = match (of.is_signed, of.bits) {
        (false, 8) => u128::from(stored.byte()?),
        (true, 8) => (i128::from(stored.array().map(i8::from_le_bytes)?) as u128) ^ 0x80,
        (false, _) => stored.wide()?,
        (true, bits) => {
            let number = stored.signed_wide()?;
            let unused_bits = u32::from(128 - bits);
            if number << unused_bits >> unused_bits != number {
                return Err(out_of_range());
            }
            // With the sign flipped, negative numbers sort before the others.
            number as u128 ^ 1 << (bits - 1)
        }
    };
    if !of.is_signed && size_bytes < 16 && bytes >> of.bits != 0 {
        return Err(out_of_range());
    }
    key.push(&bytes.to_be_bytes()[16 - size_bytes..]);
    Ok(())
}

fn write_variant(of: &EnumType, text: &str, key: &mut KeyWriter) -> Result<(), DecodeError> {
    if of.is_open {
        key.part(text);
        return Ok(());
    }
    let position = of.variants.iter().position(|variant| variant == text);
    let position = position.and_then(|position| u8::try_from(position).ok());
    key.part(&position.ok_or_else(|| DecodeError::new(format!("{text:?} is no variant of {}", of.name)))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        encoding::{KeyPart, encode_value},
        time::Timestamp,
    };

    fn is_the_typed_key<T: Typed + KeyPart>(value: T) {
        let mut typed = KeyWriter::new(7);
        typed.part(&value);
        let bytes = encode_value(&value).expect("it has a stored form");
        let mut described = KeyWriter::new(7);
        let mut stored = StoredReader::new(&bytes);
        write_key_part(Type::of::<T>(), &mut stored, &mut described).expect("it is of this type");
        assert_eq!(stored.end(), Ok(()));
        assert_eq!(described.finish().to_vec(), typed.finish().to_vec());
    }

    proptest! {
        #[test]
        fn the_described_key_is_the_typed_one(
            wide: u128,
            shift in 0u32..128,
            text: String,
            bytes: Vec<u8>,
            character: char,
            flag: bool,
        ) {
            let wide = wide >> shift;
            is_the_typed_key((wide as u8, wide as u16, wide as u32, wide as u64, wide));
            is_the_typed_key((wide as i8, wide as i16, wide as i32, wide as i64, wide as i128));
            is_the_typed_key((f32::from_bits(wide as u32), f64::from_bits(wide as u64)));
            is_the_typed_key((text.clone(), bytes, character, flag));
            is_the_typed_key(Some((Some(text), None::<u8>, Timestamp::from_millis(wide as i64))));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_its_type_is_no_key() {
        let of = |is_signed, bits| Type::Integer(IntegerType { is_signed, bits });
        let wide = encode_value(&40_000u32).expect("it has a stored form");
        for (of, fits) in [(of(false, 16), true), (of(true, 16), true), (of(true, 64), true)] {
            let written = write_key_part(&of, &mut StoredReader::new(&wide), &mut KeyWriter::new(7));
            assert_eq!(written.is_ok(), fits, "{of}");
        }
        let wide = encode_value(&70_000u32).expect("it has a stored form");
        for (of, fits) in [(of(false, 16), false), (of(true, 16), false), (of(false, 32), true), (of(true, 32), true)] {
            let written = write_key_part(&of, &mut StoredReader::new(&wide), &mut KeyWriter::new(7));
            assert_eq!(written.is_ok(), fits, "{of}");
        }
    }
}
