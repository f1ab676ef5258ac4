//! What is stored reads back as the same, bit by bit.

use std::time::Duration;

use proptest::prelude::*;
use tropism::__private::{decode_value, encode_value};

use super::*;

fn float() -> impl Strategy<Value = f64> {
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE / 2.0,
        f64::MAX,
    ]);
    prop_oneof![special, any::<u64>().prop_map(f64::from_bits)]
}

fn kind() -> impl Strategy<Value = Kind> {
    ".{0,5}".prop_map(|text| Kind::from(text.as_str())).boxed().prop_union(Just(Kind::Build).boxed())
}

fn step() -> impl Strategy<Value = Step> {
    let fields = (".{0,9}", any::<bool>(), float(), any::<Option<i64>>());
    let leaf = fields.prop_map(|(title, is_closed, weight, due_at)| Step {
        title,
        state: if is_closed { State::Closed } else { State::Open },
        weight,
        due_at: due_at.map(Timestamp::from_millis),
        parts: Vec::new(),
        next: None,
    });
    leaf.prop_recursive(4, 12, 3, move |inner| {
        (prop::collection::vec(inner.clone(), 0..3), prop::option::of(inner.clone()), inner)
            .prop_map(|(parts, next, step)| Step { parts, next: next.map(Box::new), ..step })
    })
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let floats = (any::<u32>().prop_map(f32::from_bits), float());
    let list = prop::collection::vec(any::<u32>().prop_map(f32::from_bits), 0..4);
    let nested = prop::option::of(prop::option::of(float()));
    (any::<(u8, u16, u32, u64, u128, usize)>(), any::<(i8, i16, i32, i64, i128, isize)>(), floats, list, nested)
        .prop_map(|(unsigned, signed, floats, list, nested)| Numbers { unsigned, signed, floats, list, nested })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        float().prop_map(Into::into),
        ".{0,5}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::btree_map(".{0,3}", inner, 0..3)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn others() -> impl Strategy<Value = Others> {
    let scalars = (
        any::<(bool, char, String, Vec<u8>, [u8; 4])>(),
        kind(),
        any::<bool>(),
        (any::<i64>(), any::<Duration>(), any::<Option<u64>>()),
    );
    let words = prop::collection::btree_map(".{0,5}", prop::collection::vec(kind(), 0..3), 0..4);
    let by_id = prop::collection::btree_map(any::<u64>().prop_map(Id::from_raw), float(), 0..4);
    let sets = any::<(HashMap<String, i32>, HashMap<u16, ()>, BTreeSet<i64>, HashSet<String>)>();
    (scalars, words, by_id, sets, json(), any::<Option<Option<Option<u8>>>>()).prop_map(
        |((plain, kind, is_closed, times), words, by_id, (counts, by_number, some, others), json, maybe)| {
            let ((flag, letter, text, bytes, digest), (at, wait, row)) = (plain, times);
            let (at, row) = (Timestamp::from_millis(at), row.map(Id::from_raw));
            let state = if is_closed { State::Closed } else { State::Open };
            Others {
                flag,
                letter,
                text,
                bytes,
                digest,
                kind,
                state,
                at,
                wait,
                row,
                words,
                counts,
                by_id,
                by_number,
                some,
                others,
                json,
                maybe,
            }
        },
    )
}

fn item() -> impl Strategy<Value = Item> {
    (step(), numbers(), others()).prop_map(|(step, numbers, others)| Item { step, numbers, others })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_stored_reads_back_as_the_same(item in item()) {
        let bytes = encode_value(&item).unwrap();
        let read: Item = decode_value(&bytes).unwrap();
        prop_assert!(read.is_same(&item), "{read:?}");
        prop_assert_eq!(encode_value(&read).unwrap(), bytes);
    }

    #[test]
    fn a_row_reads_back_as_the_same(item in item()) {
        let db = Db::builder().tables::<Item>().driven_by_hand().in_memory().unwrap();
        let id = db.write(|tx| tx.insert(item.clone())).unwrap();
        let read = db.read(|tx| tx.existing(id)).unwrap();
        prop_assert!(Item::is_same(&read, &item), "{:?}", read);
    }

    #[test]
    fn values_are_the_same_if_and_only_if_their_stored_forms_are_equal(one in item(), other in item()) {
        let equal = encode_value(&one).unwrap() == encode_value(&other).unwrap();
        prop_assert_eq!(one.is_same(&other), equal);
        let mixed = Item { step: one.step.clone(), ..other.clone() };
        let equal = encode_value(&mixed).unwrap() == encode_value(&other).unwrap();
        prop_assert_eq!(mixed.is_same(&other), equal);
        let floats = (one.numbers.floats, other.numbers.floats);
        let equal = encode_value(&floats.0).unwrap() == encode_value(&floats.1).unwrap();
        prop_assert_eq!(floats.0.is_same(&floats.1), equal);
    }

    #[test]
    fn what_is_written_as_json_reads_back_as_the_same(item in item()) {
        let text = serde_json::to_string(&item).unwrap();
        prop_assert!(serde_json::from_str::<Item>(&text).unwrap().is_same(&item), "{}", text);
        let json = serde_json::to_value(&item).unwrap();
        prop_assert!(serde_json::from_value::<Item>(json).unwrap().is_same(&item));
    }

    #[test]
    fn damaged_bytes_are_errors_or_other_values_and_never_panics(item in item(), at: usize, with: u8, cut: usize) {
        let mut bytes = encode_value(&item).unwrap();
        let at = at % bytes.len();
        bytes[at] = with;
        if let Ok(read) = decode_value::<Item>(&bytes) {
            drop(encode_value(&read));
        }
        bytes.truncate(cut % bytes.len());
        prop_assert!(decode_value::<Item>(&bytes).is_err());
    }
}

#[test]
fn equal_maps_and_sets_have_equal_stored_forms_whatever_their_order() {
    let map = || -> HashMap<String, u8> { (0..50).map(|number| (format!("key {number}"), number)).collect() };
    let set = || -> HashSet<u64> { (0..50).collect() };
    for _ in 0..5 {
        assert_eq!(encode_value(&(map(), set())), encode_value(&(map(), set())));
    }
    let ordered: BTreeMap<String, u8> = map().into_iter().collect();
    assert_eq!(encode_value(&ordered), encode_value(&map()));
}

fn nested(levels: usize) -> Step {
    (1..levels).fold(Step::default(), |step, _| Step { next: Some(Box::new(step)), ..Step::default() })
}

#[test]
fn a_type_may_contain_itself_to_a_limit_that_is_an_error_when_it_is_written() {
    let step = nested(100);
    assert!(stored(&step).is_same(&step));
    let error = encode_value(&nested(101)).unwrap_err();
    assert!(error.contains("structs"), "{error}");
    // Bytes that claim to go on for ever end at the limit as well.
    let endless = [0, 4, b'o', b'p', b'e', b'n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].repeat(1_000_000);
    assert!(decode_value::<Step>(&endless).is_err());
}

#[test]
fn counts_that_lie_reserve_no_memory_and_take_no_time() {
    for claimed in [u64::MAX, u64::from(u32::MAX), 30 << 20] {
        let count = encode_value(&claimed).unwrap();
        assert!(decode_value::<Vec<Numbers>>(&count).is_err());
        assert!(decode_value::<HashMap<String, String>>(&count).is_err());
        assert!(decode_value::<String>(&count).is_err());
        assert!(decode_value::<Vec<u8>>(&count).is_err());
    }
    assert!(decode_value::<Vec<()>>(&encode_value(&u64::MAX).unwrap()).is_err());
}

#[test]
fn a_nested_struct_that_changed_under_its_name_is_refused_when_the_database_opens() {
    mod first {
        use tropism::prelude::*;
        schema! {
            pub struct Place { x: i32, y: i32 }
            pub table Mark in "marks" { place: Place }
        }
    }
    mod second {
        use tropism::prelude::*;
        schema! {
            pub struct Place { y: i32, x: i32 }
            pub table Mark in "marks" { place: Place }
        }
    }
    let disk = tropism::disk::MemoryDisk::new();
    let db = Db::builder().tables::<first::Mark>().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(first::Mark { place: first::Place { x: 1, y: 2 } })).unwrap();
    db.close().unwrap();
    let refused = Db::builder().tables::<second::Mark>().open_on(disk).err().unwrap().to_string();
    assert!(refused.contains("marks") && refused.contains("place"), "{refused}");
}
