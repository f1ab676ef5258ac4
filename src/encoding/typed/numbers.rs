//! Numbers, `bool`, `char` and points in time.

use std::time::Duration;

use super::Typed;
use crate::{
    encoding::{
        description::{Describer, FieldType, IntegerType, Type},
        stored::{DecodeError, StoredReader, StoredWriter},
    },
    time::Timestamp,
};

/// Integers, with what writes and reads them.
macro_rules! integers {
    ($($integer:ty as $wide:ty: $is_signed:literal, $bits:expr, $write:ident, $read:ident;)*) => { $(
        impl Typed for $integer {
            fn describe(_: &mut Describer) -> Type {
                Type::Integer(IntegerType { is_signed: $is_signed, bits: $bits })
            }

            #[inline]
            fn encode(&self, stored: &mut StoredWriter) {
                stored.$write(*self as $wide);
            }

            #[inline]
            fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
                Self::try_from(stored.$read()?).map_err(|_| out_of_range(stringify!($integer)))
            }

            #[inline]
            fn is_same(&self, other: &Self) -> bool {
                self == other
            }
        }
    )* };
}

integers! {
    u16 as u64: false, 16, number, number;
    u32 as u64: false, 32, number, number;
    u64 as u64: false, 64, number, number;
    usize as u64: false, 64, number, number;
    u128 as u128: false, 128, wide, wide;
    i16 as i64: true, 16, signed, signed;
    i32 as i64: true, 32, signed, signed;
    i64 as i64: true, 64, signed, signed;
    isize as i64: true, 64, signed, signed;
    i128 as i128: true, 128, signed_wide, signed_wide;
}

#[cold]
fn out_of_range(of: &str) -> DecodeError {
    DecodeError::new(format!("a number does not fit a {of}"))
}

impl Typed for u8 {
    fn describe(_: &mut Describer) -> Type {
        Type::Integer(IntegerType { is_signed: false, bits: 8 })
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.push(&[*self]);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        stored.byte()
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }

    fn describe_list(_: &mut Describer) -> Type {
        Type::Bytes
    }

    fn encode_all(values: &[Self], stored: &mut StoredWriter) {
        stored.push(values);
    }

    fn decode_all(count: usize, stored: &mut StoredReader<'_>) -> Result<Vec<Self>, DecodeError> {
        stored.take(count).map(<[u8]>::to_vec)
    }
}

impl Typed for i8 {
    fn describe(_: &mut Describer) -> Type {
        Type::Integer(IntegerType { is_signed: true, bits: 8 })
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.push(&self.to_le_bytes());
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        stored.array().map(Self::from_le_bytes)
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

macro_rules! floats {
    ($($float:ty: $of:ident;)*) => { $(
        impl Typed for $float {
            fn describe(_: &mut Describer) -> Type {
                Type::$of
            }

            fn encode(&self, stored: &mut StoredWriter) {
                stored.push(&self.to_le_bytes());
            }

            fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
                stored.array().map(Self::from_le_bytes)
            }

            fn is_same(&self, other: &Self) -> bool {
                self.to_bits() == other.to_bits()
            }
        }
    )* };
}

floats! {
    f32: F32;
    f64: F64;
}

impl Typed for bool {
    fn describe(_: &mut Describer) -> Type {
        Type::Bool
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.push(&[u8::from(*self)]);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        stored.flag()
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Typed for char {
    fn describe(_: &mut Describer) -> Type {
        Type::Char
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.number(u64::from(*self));
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let point = u32::try_from(stored.number()?).ok();
        point.and_then(Self::from_u32).ok_or_else(|| DecodeError::new("a number is not a character"))
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Typed for Timestamp {
    fn describe(_: &mut Describer) -> Type {
        Type::Timestamp
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.signed(self.as_millis());
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        stored.signed().map(Self::from_millis)
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

/// A struct of its seconds and nanoseconds, as serde has it.
impl Typed for Duration {
    fn describe(describer: &mut Describer) -> Type {
        describer.structure::<Self>("Duration", |describer| {
            vec![
                FieldType::new("secs", "secs", u64::describe(describer)),
                FieldType::new("nanos", "nanos", u32::describe(describer)),
            ]
        })
    }

    fn encode(&self, stored: &mut StoredWriter) {
        stored.structure(|stored| {
            stored.number(self.as_secs());
            stored.number(u64::from(self.subsec_nanos()));
        });
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        const NANOS_PER_SECOND: u32 = 1_000_000_000;
        let (seconds, nanos) = stored.structure(|stored| Ok((stored.number()?, u32::decode(stored)?)))?;
        if nanos >= NANOS_PER_SECOND {
            return Err(DecodeError::new("a duration has more nanoseconds than a second"));
        }
        Ok(Self::new(seconds, nanos))
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}
