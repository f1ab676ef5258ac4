//! [`KeyPart`]: values as bytes that sort as the values do.
//!
//! Every form is self-delimiting: none is a prefix of another of the same type. So parts can be put one behind the
//! other, and the whole sorts as a tuple does. `docs/format.md` lists the forms.

use super::KeyWriter;
use crate::time::Timestamp;

/// A value that can be a part of an index key.
///
/// Guarantee: for values of one type, the bytes compare as the values do. Floats compare as numbers: −∞, …, 0, …, +∞, and
/// after them NaN. Both zeros are one key, and every NaN is one key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a part of an index key",
    note = "keys are integers, bool, floats, char, String, Vec<u8>, Option, Id, Timestamp, enums of `schema!`, and tuples"
)]
pub trait KeyPart {
    /// Appends the order-preserving form.
    fn encode_key(&self, key: &mut KeyWriter);
}

impl KeyWriter {
    /// Appends a value in its order-preserving form.
    pub fn part<P: KeyPart + ?Sized>(&mut self, part: &P) {
        part.encode_key(self);
    }
}

macro_rules! unsigned {
    ($($number:ty)*) => { $(
        impl KeyPart for $number {
            fn encode_key(&self, key: &mut KeyWriter) {
                key.push(&self.to_be_bytes());
            }
        }
    )* };
}

macro_rules! signed {
    ($($number:ty)*) => { $(
        impl KeyPart for $number {
            fn encode_key(&self, key: &mut KeyWriter) {
                // With the sign flipped, negative numbers sort before the others.
                key.push(&(*self ^ <$number>::MIN).to_be_bytes());
            }
        }
    )* };
}

macro_rules! float {
    ($($number:ty, $bits:ty);*) => { $(
        impl KeyPart for $number {
            fn encode_key(&self, key: &mut KeyWriter) {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                let bits = match *self {
                    zero if zero == 0.0 => 0,
                    number if number.is_nan() => !SIGN,
                    number => number.to_bits(),
                };
                // Larger magnitudes of negative numbers are smaller values, so all their bits are flipped.
                key.part(&if bits & SIGN == 0 { bits | SIGN } else { !bits });
            }
        }
    )* };
}

macro_rules! tuple {
    ($(($($part:ident)+))*) => { $(
        impl<$($part: KeyPart),+> KeyPart for ($($part,)+) {
            fn encode_key(&self, key: &mut KeyWriter) {
                #[allow(non_snake_case)]
                let ($($part,)+) = self;
                $(key.part($part);)+
            }
        }
    )* };
}

unsigned!(u8 u16 u32 u64 u128);
signed!(i8 i16 i32 i64 i128);
float!(f32, u32; f64, u64);
tuple!((A)(A B)(A B C)(A B C D)(A B C D E)(A B C D E F));

impl KeyPart for bool {
    fn encode_key(&self, key: &mut KeyWriter) {
        key.push(&[u8::from(*self)]);
    }
}

impl KeyPart for char {
    fn encode_key(&self, key: &mut KeyWriter) {
        key.part(&u32::from(*self));
    }
}

impl KeyPart for [u8] {
    fn encode_key(&self, key: &mut KeyWriter) {
        // Hardly any string has a zero, and `contains` looks at many bytes at a time.
        if self.contains(&0) {
            push_escaped(self, key);
        } else {
            key.push(self);
        }
        key.push(&[0, 0]);
    }
}

/// A zero is followed by 0xff, so that it sorts after the two zeros at the end.
fn push_escaped(bytes: &[u8], key: &mut KeyWriter) {
    for up_to_zero in bytes.split_inclusive(|byte| *byte == 0) {
        key.push(up_to_zero);
        if up_to_zero.last() == Some(&0) {
            key.push(&[0xff]);
        }
    }
}

impl KeyPart for Vec<u8> {
    fn encode_key(&self, key: &mut KeyWriter) {
        key.part(self.as_slice());
    }
}

impl KeyPart for str {
    fn encode_key(&self, key: &mut KeyWriter) {
        key.part(self.as_bytes());
    }
}

impl KeyPart for String {
    fn encode_key(&self, key: &mut KeyWriter) {
        key.part(self.as_bytes());
    }
}

impl KeyPart for Timestamp {
    fn encode_key(&self, key: &mut KeyWriter) {
        key.part(&self.as_millis());
    }
}

/// The timestamp that is these bytes of a key.
pub(crate) fn timestamp_of_part(part: [u8; 8]) -> Timestamp {
    Timestamp::from_millis(i64::from_be_bytes(part) ^ i64::MIN)
}

impl<P: KeyPart> KeyPart for Option<P> {
    fn encode_key(&self, key: &mut KeyWriter) {
        match self {
            None => key.push(&[0]),
            Some(part) => {
                key.push(&[1]);
                key.part(part);
            }
        }
    }
}

impl<P: KeyPart + ?Sized> KeyPart for &P {
    fn encode_key(&self, key: &mut KeyWriter) {
        key.part(*self);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded<P: KeyPart + ?Sized>(part: &P) -> Vec<u8> {
        let mut key = KeyWriter::new(0);
        key.part(part);
        key.finish().local().to_vec()
    }

    fn keeps_order<P: KeyPart + PartialOrd>(a: &P, b: &P) {
        assert_eq!(Some(encoded(a).cmp(&encoded(b))), a.partial_cmp(b));
    }

    proptest! {
        #[test]
        fn numbers_keep_their_order(a: (u8, u64, u128, i8, i64, i128), b: (u8, u64, u128, i8, i64, i128)) {
            keeps_order(&a.0, &b.0);
            keeps_order(&a.1, &b.1);
            keeps_order(&a.2, &b.2);
            keeps_order(&a.3, &b.3);
            keeps_order(&a.4, &b.4);
            keeps_order(&a.5, &b.5);
            keeps_order(&(a.0 as u16, a.1 as u32, a.3 as i16), &(b.0 as u16, b.1 as u32, b.3 as i16));
            keeps_order(&(a.4 as i32), &(b.4 as i32));
        }

        #[test]
        fn floats_keep_their_order(a: u64, b: u64) {
            let (x, y) = (f64::from_bits(a), f64::from_bits(b));
            if let Some(order) = x.partial_cmp(&y) {
                prop_assert_eq!(encoded(&x).cmp(&encoded(&y)), order);
            }
            let (x, y) = (f32::from_bits(a as u32), f32::from_bits(b as u32));
            if let Some(order) = x.partial_cmp(&y) {
                prop_assert_eq!(encoded(&x).cmp(&encoded(&y)), order);
            }
        }

        #[test]
        fn strings_and_bytes_keep_their_order(
            a in prop::collection::vec(0u8..4, 0..6),
            b in prop::collection::vec(0u8..4, 0..6),
            s: String,
            t: String,
        ) {
            keeps_order(&a, &b);
            keeps_order(&s, &t);
            keeps_order(&(a.clone(), s.clone(), 1u8), &(b.clone(), t.clone(), 0u8));
            keeps_order(&(s, a), &(t, b));
        }

        #[test]
        fn no_key_is_a_prefix_of_another(
            a in prop::collection::vec(prop::sample::select(vec![0u8, 1, 255]), 0..6),
            b in prop::collection::vec(prop::sample::select(vec![0u8, 1, 255]), 0..6),
        ) {
            prop_assert_eq!(encoded(&a).starts_with(&encoded(&b)), a == b);
            let (a, b) = (Some((&a, 1u8)), Some((&b, 1u8)));
            prop_assert_eq!(encoded(&a).starts_with(&encoded(&b)), a == b);
        }

        #[test]
        fn options_bools_chars_and_times_keep_their_order(
            a: (Option<i32>, bool, char, i64),
            b: (Option<i32>, bool, char, i64),
        ) {
            keeps_order(&a.0, &b.0);
            keeps_order(&(a.1, a.0, a.2), &(b.1, b.0, b.2));
            keeps_order(&Timestamp::from_millis(a.3), &Timestamp::from_millis(b.3));
            keeps_order(&Some(a.0), &Some(b.0));
        }
    }

    #[test]
    fn both_zeros_are_one_key_and_every_nan_is_the_last_one() {
        assert_eq!(encoded(&-0.0f64), encoded(&0.0f64));
        assert_eq!(encoded(&-0.0f32), encoded(&0.0f32));
        for nan in [f64::NAN, -f64::NAN, f64::from_bits(0x7ff0_0000_0000_0001), f64::from_bits(u64::MAX)] {
            assert_eq!(encoded(&nan), [0xff; 8]);
        }
        for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(u32::MAX)] {
            assert_eq!(encoded(&nan), [0xff; 4]);
        }
        assert!(encoded(&f64::INFINITY) < encoded(&f64::NAN));
        assert!(encoded(&f32::INFINITY) < encoded(&f32::NAN));
    }

    #[test]
    fn the_forms_are_the_documented_ones() {
        assert_eq!(encoded("a\0b"), *b"a\0\xffb\0\0");
        assert_eq!(encoded(&(Some(1u16), None::<u8>)), [1, 0, 1, 0]);
        assert_eq!(encoded(&(-1i16, 1i16)), [0x7f, 0xff, 0x80, 0x01]);
        assert_eq!(encoded(&(-1.0f32, 1.0f32)), [0x40, 0x7f, 0xff, 0xff, 0xbf, 0x80, 0, 0]);
        assert_eq!(encoded(&(true, 'a', Timestamp::EPOCH)), [1, 0, 0, 0, b'a', 0x80, 0, 0, 0, 0, 0, 0, 0]);
    }
}
