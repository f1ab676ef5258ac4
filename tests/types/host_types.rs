//! A host's types of serde's, in `Json`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shape {
    Circle {
        radius: f64,
    },
    Polygon {
        corners: Vec<(i32, i32)>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loose {
    Number(i64),
    Text(String),
    Both {
        number: i64,
        #[serde(flatten)]
        rest: BTreeMap<String, serde_json::Value>,
    },
}

/// Is written, and never reads back as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forgetful {
    #[serde(skip_serializing)]
    text: String,
}

/// Equal to `==` where its text differs in case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Name(String);

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

schema! {
    pub table Figure in "figures" { shape: Json<Shape>, loose: Json<Loose>, tags: Json<HashSet<String>> }
    pub table Person in "people" { name: Json<Name> }
    pub table Memory in "memories" { text: Json<Forgetful>, number: Json<Option<f64>> }
    pub table Event in "events" { extra: serde_json::Value, more: Option<serde_json::Value> }
}

#[test]
fn a_type_may_use_every_attribute_of_serde() {
    let db = Db::builder().tables::<Figure>().in_memory().unwrap();
    let shapes =
        [Shape::Circle { radius: -0.0 }, Shape::Polygon { corners: vec![(1, -2)], name: None }, Shape::Nothing];
    let rest = || [("a".to_owned(), json!({ "b": [1, null] }))].into();
    let loose = [Loose::Number(-7), Loose::Text("x".into()), Loose::Both { number: 3, rest: rest() }];
    for (shape, loose) in shapes.into_iter().zip(loose) {
        let tags = (0..20).map(|number| number.to_string()).collect();
        let figure = Figure { shape: Json(shape), loose: Json(loose), tags: Json(tags) };
        let id = db.write(|tx| tx.insert(figure.clone())).unwrap();
        let read = db.read(|tx| tx.existing(id)).unwrap();
        assert_eq!(*read, figure);
        let json = serde_json::to_value(&read).unwrap();
        assert_eq!(json["shape"], serde_json::to_value(&figure.shape).unwrap(), "it is sent as serde has it");
        assert_eq!(serde_json::from_value::<Doc<Figure>>(json).unwrap(), read);
    }
}

#[test]
fn a_change_that_the_hosts_equality_does_not_see_is_stored() {
    let db = Db::builder().tables::<Person>().in_memory().unwrap();
    let person = db.write(|tx| tx.insert(Person { name: Json(Name("ada".into())) })).unwrap();
    db.write(|tx| tx.replace(person, Person { name: Json(Name("Ada".into())) })).unwrap();
    assert_eq!(db.read(|tx| tx.existing(person)).unwrap().name.0.0, "Ada");
}

#[test]
fn a_value_that_would_not_read_back_is_refused_and_named() {
    let db = Db::builder().tables::<Memory>().in_memory().unwrap();
    let insert = |text: &str, number| {
        let memory = Memory { text: Json(Forgetful { text: text.into() }), number: Json(number) };
        db.write(|tx| tx.insert(memory)).unwrap_err().to_string()
    };
    let error = insert("x", None);
    assert!(error.contains("\"text\"") && error.contains("would not read back"), "{error}");
    for number in [f64::NAN, f64::INFINITY] {
        assert!(tropism::__private::encode_value(&Json(Some(number))).unwrap_err().contains("JSON has no number"));
    }
    assert_eq!(db.read(|tx| tx.query(Memory::by_id).count()).unwrap(), 0);
}

#[test]
fn json_itself_is_a_type_and_null_is_told_from_absent() {
    let db = Db::builder().tables::<Event>().in_memory().unwrap();
    for (extra, more) in [
        (json!({ "b": 1, "a": [null, -0.0, u64::MAX, 1e300] }), None),
        (json!(null), Some(json!(null))),
        (json!("text"), Some(json!({}))),
    ] {
        let event = Event { extra, more };
        let id = db.write(|tx| tx.insert(event.clone())).unwrap();
        let read = db.read(|tx| tx.existing(id)).unwrap();
        assert!(Event::is_same(&read, &event), "{read:?}");
        let sent = serde_json::to_string(&read).unwrap();
        assert!(serde_json::from_str::<Doc<Event>>(&sent).unwrap().is_same(&read), "{sent}");
        db.write(|tx| tx.delete(id)).unwrap();
    }
}

#[test]
fn json_that_is_too_deep_to_be_read_is_refused_when_it_is_written() {
    let deep = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(stored(&deep(119)), deep(119));
    assert!(tropism::__private::encode_value(&deep(130)).is_err());
}
