//! Tuples, arrays, options and boxes.

use super::Typed;
use crate::encoding::{
    description::{Describer, Type},
    stored::{DecodeError, StoredReader, StoredWriter},
};

impl<T: Typed> Typed for Option<T> {
    fn describe(describer: &mut Describer) -> Type {
        Type::Optional(Box::new(T::describe(describer)))
    }

    #[inline]
    fn encode(&self, stored: &mut StoredWriter) {
        match self {
            None => stored.push(&[0]),
            Some(value) => {
                stored.push(&[1]);
                value.encode(stored);
            }
        }
    }

    #[inline]
    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        Ok(if stored.flag()? { Some(T::decode(stored)?) } else { None })
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_same(other),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl<T: Typed> Typed for Box<T> {
    fn describe(describer: &mut Describer) -> Type {
        T::describe(describer)
    }

    fn encode(&self, stored: &mut StoredWriter) {
        T::encode(self, stored);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        T::decode(stored).map(Self::new)
    }

    fn is_same(&self, other: &Self) -> bool {
        T::is_same(self, other)
    }
}

impl<T: Typed, const N: usize> Typed for [T; N] {
    fn describe(describer: &mut Describer) -> Type {
        let count = u32::try_from(N).unwrap_or(u32::MAX);
        Type::Array(Box::new(T::describe(describer)), count)
    }

    fn encode(&self, stored: &mut StoredWriter) {
        T::encode_all(self, stored);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let read = T::decode_all(N, stored)?;
        read.try_into().map_err(|_| DecodeError::new("an array has another length"))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.iter().zip(other).all(|(one, other)| one.is_same(other))
    }
}

macro_rules! tuples {
    ($(($($part:ident $position:tt)*))*) => { $(
        impl<$($part: Typed),*> Typed for ($($part,)*) {
            #[allow(unused_variables)]
            fn describe(describer: &mut Describer) -> Type {
                Type::Tuple(vec![$($part::describe(describer)),*])
            }

            #[allow(unused_variables)]
            fn encode(&self, stored: &mut StoredWriter) {
                $(self.$position.encode(stored);)*
            }

            #[allow(unused_variables, clippy::unused_unit)]
            fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
                Ok(($($part::decode(stored)?,)*))
            }

            #[allow(unused_variables)]
            fn is_same(&self, other: &Self) -> bool {
                true $(&& self.$position.is_same(&other.$position))*
            }
        }
    )* };
}

tuples! {
    ()
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11)
}
