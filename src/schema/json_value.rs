//! [`Json`]: a host's type of serde's in a field, an argument or a result.

mod exact;

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;

use self::exact::Exact;
use crate::encoding::{DecodeError, Describer, StoredReader, StoredWriter, Type, Typed, encode_value};

/// Arrays and objects within each other: what JSON's readers take.
const MAX_NESTED: usize = 120;

/// Any type of serde's as the type of a field, an argument or a result.
///
/// It is stored as JSON, by names. So it may use every attribute of serde's, and it evolves as JSON does: the database
/// does not look into it, and does not notice when the type changes.
///
/// A value that would not read back is refused when it is written: one with a NaN or an infinity in it, for instance,
/// for JSON has neither.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tropism::{Json, prelude::*};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// #[serde(tag = "kind", rename_all = "snake_case")]
/// enum Shape {
///     Circle { radius: f64 },
///     Square { side: f64 },
/// }
///
/// schema! { pub table Figure in "figures" { shape: Json<Shape> } }
///
/// let db = Db::builder().tables::<Figure>().in_memory()?;
/// let figure = db.write(|tx| tx.insert(Figure { shape: Json(Shape::Circle { radius: 2.0 }) }))?;
/// assert!(matches!(*db.read(|tx| tx.existing(figure))?.shape, Shape::Circle { .. }));
/// # Ok::<(), tropism::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T> Json<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Serialize> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Typed for Json<T> {
    fn describe(_: &mut Describer) -> Type {
        Type::Json
    }

    fn encode(&self, stored: &mut StoredWriter) {
        match exact_text(&self.0) {
            Ok(text) => stored.counted(text.as_bytes()),
            Err(reason) => stored.fail(&reason),
        }
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let value = serde_json::from_str(stored.text()?);
        value.map(Self).map_err(|error| DecodeError::new(error.to_string()))
    }

    fn is_same(&self, other: &Self) -> bool {
        let (one, other) = (encode_value(self), encode_value(other));
        one.is_ok() && one == other
    }
}

/// The text from which the value reads back, or why there is none.
pub(crate) fn exact_text<T: Serialize + DeserializeOwned>(value: &T) -> Result<String, String> {
    let json = json_of(value)?;
    let text = canonical_text(&json)?;
    let read: T = serde_json::from_str(&text).map_err(|error| format!("it would not read back: {error}"))?;
    let read = json_of(&read)?;
    if canonical_text(&read)? != text && without_order(&read) != without_order(&json) {
        return Err("it would read back as another value".to_owned());
    }
    Ok(text)
}

fn json_of<T: Serialize>(value: &T) -> Result<Value, String> {
    value.serialize(Exact(serde_json::value::Serializer)).map_err(|error| error.to_string())
}

/// The same with the elements of arrays in order: those of a hash set come out in another one each time.
fn without_order(json: &Value) -> Value {
    match json {
        Value::Array(elements) => {
            let mut elements: Vec<Value> = elements.iter().map(without_order).collect();
            elements.sort_by_cached_key(Value::to_string);
            Value::Array(elements)
        }
        Value::Object(entries) => entries.iter().map(|(name, value)| (name.clone(), without_order(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json.clone(),
    }
}

impl Typed for Value {
    fn describe(_: &mut Describer) -> Type {
        Type::Json
    }

    fn encode(&self, stored: &mut StoredWriter) {
        write_json(self, stored);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        serde_json::from_str(stored.text()?).map_err(|error| DecodeError::new(error.to_string()))
    }

    fn is_same(&self, other: &Self) -> bool {
        encode_value(self) == encode_value(other)
    }
}

/// Appends the stored form of JSON.
pub(super) fn write_json(json: &Value, stored: &mut StoredWriter) {
    match canonical_text(json) {
        Ok(text) => stored.counted(text.as_bytes()),
        Err(reason) => stored.fail(&reason),
    }
}

/// JSON as text without whitespace, the names of objects in order.
fn canonical_text(json: &Value) -> Result<String, String> {
    let mut text = String::new();
    append(json, MAX_NESTED, &mut text)?;
    Ok(text)
}

fn append(json: &Value, levels: usize, text: &mut String) -> Result<(), String> {
    if levels == 0 {
        return Err(format!("more than {MAX_NESTED} arrays and objects are within each other"));
    }
    match json {
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                text.push(if at == 0 { '[' } else { ',' });
                append(element, levels - 1, text)?;
            }
            text.push_str(if elements.is_empty() { "[]" } else { "]" });
        }
        Value::Object(entries) => {
            // The order of a map depends on a feature of serde_json's that any crate may enable.
            let mut entries: Vec<(&String, &Value)> = entries.iter().collect();
            entries.sort_unstable_by_key(|(name, _)| *name);
            for (at, (name, value)) in entries.iter().enumerate() {
                text.push(if at == 0 { '{' } else { ',' });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                append(value, levels - 1, text)?;
            }
            text.push_str(if entries.is_empty() { "{}" } else { "}" });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&json.to_string()),
    }
    Ok(())
}
