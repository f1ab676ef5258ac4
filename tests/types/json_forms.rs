//! JSON forms, and the errors of JSON that is none.

use serde_json::{Value, json};

use super::*;

fn error<T: serde::de::DeserializeOwned>(json: Value) -> String {
    serde_json::from_value::<T>(json).err().unwrap().to_string()
}

#[test]
fn an_error_names_the_path_what_was_expected_and_what_was_found() {
    for (json, expected) in [
        (json!(7), "expected an object (Step), found the number 7"),
        (json!(null), "expected an object (Step), found null"),
        (json!({}), "missing field `title`; expected a string"),
        (json!({ "title": null }), "`title`: expected a string, found null"),
        (
            json!({ "title": "a", "state": "shut" }),
            r#"`state`: expected one of ["open", "closed"], found the string "shut""#,
        ),
        (json!({ "title": "a", "weight": true }), "`weight`: expected a number, found true"),
        (json!({ "title": "a", "weight": null }), "`weight`: expected a number, found null"),
        (json!({ "title": "a", "dueAt": 1.5 }), "`dueAt`: expected a time in milliseconds, found the number 1.5"),
        (json!({ "title": "a", "due_at": 1 }), "unknown field `due_at`; there are "),
        (json!({ "title": "a", "parts": {} }), "`parts`: expected an array, found an object"),
        (
            json!({ "title": "a", "parts": [{ "title": "b" }, { "title": 3 }] }),
            "`parts[1].title`: expected a string, found the number 3",
        ),
        (json!({ "title": "a", "next": { "title": "b", "next": { "tite": "c" } } }), "unknown field `next.next.tite`"),
        (
            json!({ "title": "a", "next": { "title": "b", "next": [] } }),
            "`next.next`: expected an object (Step), found an array",
        ),
        (json!({ "title": "a", "next": {} }), "missing field `next.title`; expected a string"),
    ] {
        let found = error::<Step>(json);
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn integers_say_their_bounds() {
    schema! { pub struct Sizes { small: u8, signed: i16, pair: (u8, bool), digest: [u8; 2], wide: u128 } }
    let with = |name: &str, value: Value| {
        let mut json = json!({ "small": 1, "signed": 1, "pair": [1, true], "digest": [1, 2], "wide": 1 });
        json[name] = value;
        serde_json::from_value::<Sizes>(json).map_err(|error| error.to_string())
    };
    assert_eq!(
        with("small", json!(256)).unwrap_err(),
        "`small`: expected an integer from 0 to 255, found the number 256"
    );
    assert_eq!(
        with("small", json!(-1)).unwrap_err(),
        "`small`: expected an integer from 0 to 255, found the number -1"
    );
    assert_eq!(
        with("small", json!(1.0)).unwrap_err(),
        "`small`: expected an integer from 0 to 255, found the number 1.0"
    );
    assert!(with("signed", json!(-32_769)).unwrap_err().contains("from -32768 to 32767"));
    assert_eq!(with("pair", json!([1])).unwrap_err(), "`pair`: expected an array of 2, found an array of 1");
    assert_eq!(
        with("pair", json!([1, true, 2])).unwrap_err(),
        "`pair`: expected an array of 2, found an array of more than 2"
    );
    assert!(with("pair", json!([1, 2])).unwrap_err().starts_with("`pair[1]`: expected a boolean"));
    assert!(with("digest", json!([1, 2, 3])).unwrap_err().starts_with("`digest`: expected an array of 2"));
    assert_eq!(with("wide", json!(u128::MAX.to_string())).unwrap().wide, u128::MAX);
    assert!(with("wide", json!("340282366920938463463374607431768211456")).is_err());
}

#[test]
fn what_json_has_no_number_for_is_a_text() {
    let numbers = |floats, unsigned: u128, signed: i128| Numbers {
        unsigned: (1, 2, 3, u64::MAX, unsigned, 4),
        signed: (-1, -2, -3, i64::MIN, signed, -4),
        floats,
        list: vec![f32::NEG_INFINITY],
        nested: None,
    };
    let json = serde_json::to_value(numbers((f32::NAN, -0.0), u128::MAX, i128::MIN)).unwrap();
    assert_eq!(
        json,
        json!({
            "unsigned": [1, 2, 3, u64::MAX, u128::MAX.to_string(), 4],
            "signed": [-1, -2, -3, i64::MIN, i128::MIN.to_string(), -4],
            "floats": ["NaN", -0.0],
            "list": ["-Infinity"],
        })
    );
    let json = serde_json::to_value(numbers((0.5, -f64::NAN), 7, -7)).unwrap();
    assert_eq!((&json["unsigned"][4], &json["signed"][4]), (&json!(7), &json!(-7)));
    assert_eq!(json["floats"], json!([0.5, "NaN(fff8000000000000)"]));
    assert!(
        error::<Numbers>(json!({ "unsigned": [1, 2, 3, 4, 5, 6], "signed": [1, 2, 3, 4, 5, 6], "list": [],
        "floats": [1e300, 1] }))
        .starts_with("`floats[0]`: expected a number")
    );
}

#[test]
fn absent_null_and_a_value_are_told_apart() {
    schema! {
        pub struct Change { title: Option<String> = Some("untitled".into()), note: Option<String>, to: Option<Option<u8>> }
    }
    let read = |json: Value| serde_json::from_value::<Change>(json).unwrap();
    let absent = Change { title: Some("untitled".into()), note: None, to: None };
    assert_eq!(read(json!({})), absent);
    assert_eq!(
        read(json!({ "title": null, "note": null, "to": null })),
        Change { title: None, note: None, to: Some(None) }
    );
    assert_eq!(read(json!({ "to": 7 })), Change { to: Some(Some(7)), ..absent.clone() });
    assert_eq!(serde_json::to_value(&absent).unwrap(), json!({ "title": "untitled", "note": null }));
    let none = Change { title: None, note: None, to: Some(None) };
    assert_eq!(serde_json::to_value(&none).unwrap(), json!({ "title": null, "note": null, "to": null }));
}

#[test]
fn elements_that_may_be_null_themselves_are_wrapped_where_they_are_no_fields() {
    schema! { pub struct Lists { of: Vec<Option<Option<u8>>> } }
    let lists = Lists { of: vec![None, Some(None), Some(Some(3))] };
    let json = serde_json::to_value(&lists).unwrap();
    assert_eq!(json, json!({ "of": [null, [null], [3]] }));
    assert_eq!(serde_json::from_value::<Lists>(json).unwrap(), lists);
    assert!(error::<Lists>(json!({ "of": [3] })).starts_with("`of[0]`"));
}

#[test]
fn keys_of_maps_are_texts() {
    schema! { pub struct Maps { by_id: BTreeMap<Id<Item>, u8>, by_number: BTreeMap<i32, u8>, by_state: HashMap<Kind, u8> } }
    let id = Id::<Item>::from_raw(9);
    let maps = Maps { by_id: [(id, 1)].into(), by_number: [(-2, 3)].into(), by_state: [("lint".into(), 4)].into() };
    let json = serde_json::to_value(&maps).unwrap();
    assert_eq!(json, json!({ "byId": { (id.to_string()): 1 }, "byNumber": { "-2": 3 }, "byState": { "lint": 4 } }));
    assert_eq!(serde_json::from_value::<Maps>(json).unwrap(), maps);
    let wrong = json!({ "byId": { "tasks_1s": 1 }, "byNumber": {}, "byState": {} });
    assert!(error::<Maps>(wrong).starts_with(r#"`byId.tasks_1s`: expected an id of table "items", found the key"#));
}

#[test]
fn a_value_twice_in_a_set_or_a_key_twice_in_a_map_is_an_error() {
    schema! { pub struct Sets { of: BTreeSet<u8>, map: BTreeMap<String, u8> = BTreeMap::new() } }
    assert_eq!(error::<Sets>(json!({ "of": [1, 2, 1] })), "duplicate field `of[2]`");
    let twice = serde_json::from_str::<Sets>(r#"{ "of": [], "map": { "a": 1, "a": 2 } }"#).unwrap_err();
    assert!(twice.to_string().starts_with("duplicate field `map.a`"), "{twice}");
}
