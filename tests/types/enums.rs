//! Open and closed enums.

use serde_json::json;

use super::*;

schema! {
    pub table Run in "runs" { kind: Kind, state: State } with {
        index by_kind (kind);
        unique by_both (kind, state);
    }

    pub table Report in "reports" { kinds: Vec<Kind> } with { multi by_kind (kinds); }
}

#[test]
fn an_open_enum_keeps_a_text_that_it_does_not_know() {
    let kind: Kind = serde_json::from_value(json!("lint")).unwrap();
    assert_eq!(kind, Kind::Other("lint".to_owned()));
    assert_eq!((kind.as_str(), kind.to_string()), ("lint", "lint".to_owned()));
    assert_eq!(serde_json::to_value(&kind).unwrap(), json!("lint"));
    assert_eq!(stored(&kind), kind);
    assert_eq!("test".parse(), Ok(Kind::Test));
    assert_eq!(Kind::from("build".to_owned()), Kind::Build);
    assert_eq!(Kind::ALL, [Kind::Build, Kind::Test]);
}

#[test]
fn a_known_text_is_its_variant_however_it_was_made() {
    let odd = Kind::Other("build".to_owned());
    assert_eq!(odd, Kind::Build);
    assert!(odd.is_same(&Kind::Build));
    assert!(matches!(stored(&odd), Kind::Build));
    let hashed: HashSet<Kind> = [odd, Kind::Build].into();
    assert_eq!(hashed.len(), 1);
}

#[test]
fn rows_are_found_by_texts_that_are_not_known_in_the_order_of_the_texts() {
    let db = Db::builder().tables::<Run>().in_memory().unwrap();
    for kind in ["test", "lint", "build", "zip", ""] {
        db.write(|tx| tx.insert(Run { kind: kind.into(), state: State::Open })).unwrap();
    }
    let found = db.read(|tx| tx.query(Run::by_kind).eq(Kind::from("lint")).collect()).unwrap();
    assert_eq!(found.len(), 1);
    let all = db.read(|tx| tx.query(Run::by_kind).collect()).unwrap();
    assert_eq!(all.iter().map(|run| run.kind.as_str()).collect::<Vec<_>>(), ["", "build", "lint", "test", "zip"]);
    assert!(db.write(|tx| tx.insert(Run { kind: "zip".into(), state: State::Open })).is_err(), "it is there");
}

#[test]
fn elements_of_a_list_are_indexed_by_texts_that_are_not_known() {
    let db = Db::builder().tables::<Report>().in_memory().unwrap();
    db.write(|tx| tx.insert(Report { kinds: vec![Kind::Build, "lint".into(), "lint".into()] })).unwrap();
    assert_eq!(db.read(|tx| tx.query(Report::by_kind).eq(Kind::from("lint")).count()).unwrap(), 1);
}

#[test]
fn a_closed_enum_takes_no_other_text_and_stays_copy() {
    fn is_copy<T: Copy>() {}
    is_copy::<State>();
    assert!(serde_json::from_value::<State>(json!("shut")).is_err());
    let bytes = tropism::__private::encode_value(&"shut".to_owned()).unwrap();
    assert!(tropism::__private::decode_value::<State>(&bytes).is_err());
    assert_eq!(tropism::__private::decode_value::<Kind>(&bytes), Ok(Kind::from("shut")));
}

#[test]
fn a_field_may_become_open_or_gain_variants() {
    mod first {
        use tropism::prelude::*;
        schema! {
            pub enum Mood { Good = "good" }
            pub table Day in "days" { mood: Mood }
        }
    }
    mod second {
        use tropism::prelude::*;
        schema! {
            pub enum Mood { Bad = "bad", Good = "good" }
            pub table Day in "days" { mood: Mood }
        }
    }
    mod third {
        use tropism::prelude::*;
        schema! {
            pub enum Mood { Bad = "bad" }
            pub table Day in "days" { mood: Mood }
        }
    }
    mod fourth {
        use tropism::prelude::*;
        schema! {
            pub open enum Mood { Bad = "bad" }
            pub table Day in "days" { mood: Mood }
        }
    }
    let disk = tropism::disk::MemoryDisk::new();
    let db = Db::builder().tables::<first::Day>().open_on(disk.clone()).unwrap();
    let day = db.write(|tx| tx.insert(first::Day { mood: first::Mood::Good })).unwrap().as_u64();
    db.close().unwrap();
    let db = Db::builder().tables::<second::Day>().open_on(disk.clone()).unwrap();
    assert_eq!(db.read(|tx| tx.existing(Id::<second::Day>::from_raw(day))).unwrap().mood, second::Mood::Good);
    db.close().unwrap();
    let refused = Db::builder().tables::<third::Day>().open_on(disk.clone()).err().unwrap();
    assert!(refused.to_string().contains("days"), "a row holds a variant that is gone: {refused}");
    let db = Db::builder().tables::<fourth::Day>().open_on(disk).unwrap();
    assert_eq!(db.read(|tx| tx.existing(Id::<fourth::Day>::from_raw(day))).unwrap().mood.as_str(), "good");
}
