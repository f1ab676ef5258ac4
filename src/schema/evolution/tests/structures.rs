//! Generated pairs of structures, with generated values: a change that loses nothing is carried out, every value of both
//! is kept bit by bit, and any other change is refused.

mod model;

use proptest::prelude::*;

use self::model::{Tape, bytes_of, changed, expected, structure, value};
use super::*;
use crate::schema::evolution::{
    fit::{Fit, fit},
    shape::stored_form,
};

/// As the catalog has it.
fn stored(of: &Type) -> Type {
    Type::from_bytes(&stored_form(of).to_bytes()).expect("it was just written")
}

fn transcoded(fit: &Fit, bytes: &[u8]) -> Result<Vec<u8>, String> {
    match fit {
        Fit::Same => Ok(bytes.to_vec()),
        Fit::Transcoded(transcoder) => transcoder.transcode(bytes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_two_structures_can_both_say_is_kept_and_what_would_be_lost_is_refused(
        choices in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut tape = Tape::new(&choices);
        let old = structure(&mut tape, 3);
        let (new, is_safe) = changed(&mut tape, &old);
        let fit = fit("rows", "field", &stored(&old), &new);
        prop_assert_eq!(fit.is_ok(), is_safe, "{:?} to {:?}: {:?}", old, new, fit);
        let Ok(fit) = fit else { return Ok(()) };
        for _ in 0..4 {
            let before = value(&mut tape, &old);
            let bytes = bytes_of(&old, &before);
            let after = expected(&old, &new, &before).map(|value| bytes_of(&new, &value));
            let found = transcoded(&fit, &bytes);
            match after {
                Some(after) => prop_assert_eq!(found, Ok(after), "{:?}: {:?} to {:?}", before, old, new),
                None => prop_assert!(found.is_err(), "{:?} was dropped, and became {:?}", before, found),
            }
        }
    }

    #[test]
    fn a_structure_fits_itself_without_a_change(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        let old = structure(&mut Tape::new(&choices), 4);
        prop_assert!(matches!(fit("rows", "field", &stored(&old), &old), Ok(Fit::Same)));
    }

    #[test]
    fn hostile_bytes_are_errors_or_other_values_and_never_panics(
        choices in prop::collection::vec(any::<u8>(), 0..200),
        bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut tape = Tape::new(&choices);
        let old = structure(&mut tape, 3);
        let (new, _) = changed(&mut tape, &old);
        if let Ok(fit) = fit("rows", "field", &stored(&old), &new) {
            drop(transcoded(&fit, &bytes));
        }
    }
}

#[test]
fn a_structure_that_contains_itself_is_followed_through_every_level() {
    crate::schema! {
        pub struct Old { number: u8, below: Option<Box<Old>>, beside: Vec<Old> }
        pub struct New { beside: Vec<New>, number: u32, below: Option<Box<New>>, added: char = 'x' }
    }
    let old = |number, below, beside| Old { number, below, beside };
    let new = |number, below, beside| New { beside, number, below, added: 'x' };
    let before = old(1, Some(Box::new(old(2, None, vec![old(3, None, vec![])]))), vec![old(255, None, vec![])]);
    let after = new(1, Some(Box::new(new(2, None, vec![new(3, None, vec![])]))), vec![new(255, None, vec![])]);
    let fit = fit("rows", "field", &stored(Type::of::<Old>()), Type::of::<New>()).expect("only a default was added");
    assert_eq!(transcoded(&fit, &encode_value(&before).expect("it encodes")), encode_value(&after));
}

#[test]
fn a_set_whose_elements_become_equal_is_an_error() {
    crate::schema! {
        #[derive(Eq, PartialOrd, Ord)]
        pub struct Old { a: u8, b: u8 }
        #[derive(Eq, PartialOrd, Ord)]
        pub struct New { a: u8 } with { dropped "b"; }
    }
    use std::collections::BTreeSet;
    let (old, new) = (Type::of::<BTreeSet<Old>>(), Type::of::<BTreeSet<New>>());
    let fit = fit("rows", "field", &stored(old), new).expect("it was dropped");
    let set = |values: [(u8, u8); 2]| encode_value(&BTreeSet::from(values.map(|(a, b)| Old { a, b }))).unwrap();
    assert!(transcoded(&fit, &set([(1, 2), (1, 3)])).is_err());
    assert_eq!(transcoded(&fit, &set([(1, 9), (2, 3)])), encode_value(&BTreeSet::from([New { a: 1 }, New { a: 2 }])));
}

#[test]
fn numbers_are_widened_to_their_very_value() {
    fn widened<F: crate::encoding::Typed, T: crate::encoding::Typed>(value: F) -> Result<T, String> {
        let fit = fit("rows", "field", Type::of::<F>(), Type::of::<T>()).map_err(|error| error.to_string())?;
        decode_value(&transcoded(&fit, &encode_value(&value)?)?)
    }
    assert_eq!(widened::<u8, u16>(255), Ok(255));
    assert_eq!(widened::<u8, i16>(255), Ok(255));
    assert_eq!(widened::<i8, i128>(-128), Ok(-128));
    assert_eq!(widened::<i32, i64>(i32::MIN), Ok(i64::from(i32::MIN)));
    assert_eq!(widened::<u64, u128>(u64::MAX), Ok(u128::from(u64::MAX)));
    assert_eq!(widened::<u64, i128>(u64::MAX), Ok(i128::from(u64::MAX)));
    assert_eq!(widened::<Vec<u8>, Vec<u64>>(vec![0, 251, 255]), Ok(vec![0, 251, 255]));
    assert_eq!(widened::<[u8; 2], Vec<u8>>([3, 255]), Ok(vec![3, 255]));
    assert_eq!(widened::<char, String>('ß'), Ok("ß".to_owned()));
    for bits in [0, 0x8000_0000, 1, 0x7f80_0000, 0xff80_0001, 0x7fc0_1234, 0x3dcc_cccd] {
        let wide = widened::<f32, f64>(f32::from_bits(bits)).expect("it is wider");
        assert_eq!((wide as f32).to_bits() | 0x0040_0000, bits | 0x0040_0000, "{bits:x}");
        assert_eq!(wide.is_nan(), f32::from_bits(bits).is_nan());
    }
    for refused in [widened::<u16, u8>(1).is_err(), widened::<i8, u64>(1).is_err(), widened::<u64, i64>(1).is_err()] {
        assert!(refused);
    }
}
