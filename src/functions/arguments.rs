//! [`Arguments`]: how the arguments of a function are read, stored and compared.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    encoding::{Type, Typed, encode_value},
    error::JsonError,
    schema::{NonFinite, UnknownFields, exact_text, from_json, from_json_text, to_json_text},
};

/// Where arguments are wrong, and how.
pub(super) struct WrongArguments {
    /// The path of the field; empty for the arguments as a whole.
    pub(super) field: String,
    pub(super) reason: String,
}

/// How the arguments of `F` are read, stored and compared: by what they are made of, or, for a function that is written
/// by hand, by serde.
#[derive(Debug)]
pub struct Arguments<F> {
    /// What they are made of, where that is known.
    of: Option<fn() -> &'static Type>,
    read: fn(&Value) -> Result<F, WrongArguments>,
    read_stored: fn(&str) -> Result<F, WrongArguments>,
    store: fn(&F) -> Result<String, String>,
    identify: fn(&F) -> Option<Vec<u8>>,
    /// Whether arguments with equal identities are the same.
    is_identity: bool,
}

impl<F: Typed> Arguments<F> {
    /// By what they are made of.
    pub fn typed() -> Self {
        Self {
            of: Some(Type::of::<F>),
            read: |json| Ok(from_json(json, UnknownFields::Refuse)?),
            read_stored: |text| Ok(from_json_text(text, UnknownFields::Ignore)?),
            store: |arguments| {
                let text = to_json_text(arguments, NonFinite::Refuse).map_err(|error| error.to_string())?;
                let read: F = from_json_text(&text, UnknownFields::Refuse).map_err(|error| error.to_string())?;
                if read.is_same(arguments) { Ok(text) } else { Err("they would read back as others".to_owned()) }
            },
            identify: |arguments| encode_value(arguments).ok(),
            is_identity: true,
        }
    }
}

impl<F: Serialize + DeserializeOwned> Arguments<F> {
    /// By serde.
    pub(super) fn of_serde() -> Self {
        Self {
            of: None,
            read: |json| serde_path_to_error::deserialize(json).map_err(WrongArguments::of_serde),
            read_stored: |text| {
                let mut json = serde_json::Deserializer::from_str(text);
                serde_path_to_error::deserialize(&mut json).map_err(WrongArguments::of_serde)
            },
            store: exact_text,
            identify: |arguments| exact_text(arguments).ok().map(String::into_bytes),
            is_identity: false,
        }
    }
}

impl<F> Arguments<F> {
    /// What they are made of: a struct. `None` if only serde can tell.
    pub(super) fn of(&self) -> Option<&'static Type> {
        self.of.map(|of| of())
    }

    /// From what somebody gives. Unknown fields are errors where the fields are known.
    pub(super) fn read(&self, json: &Value) -> Result<F, WrongArguments> {
        (self.read)(json)
    }

    /// From what was stored. Fields that the function no longer knows are passed over.
    pub(super) fn read_stored(&self, text: &str) -> Result<F, WrongArguments> {
        (self.read_stored)(text)
    }

    /// The text from which the same arguments read back, or why there is none.
    pub(super) fn store(&self, arguments: &F) -> Result<String, String> {
        (self.store)(arguments)
    }

    /// Bytes that equal arguments have in common, and whether only they do; `None` for arguments that are equal to no
    /// others.
    pub(super) fn identify(&self, arguments: &F) -> Option<(Vec<u8>, bool)> {
        Some(((self.identify)(arguments)?, self.is_identity))
    }
}

impl WrongArguments {
    fn of_serde(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        Self { field: if path == "." { String::new() } else { path }, reason: error.inner().to_string() }
    }
}

impl From<JsonError> for WrongArguments {
    fn from(error: JsonError) -> Self {
        let reason = match &error {
            JsonError::Unknown { path, known } if !path.contains(['.', '[']) => {
                format!("there is no such argument; there are {known:?}")
            }
            JsonError::Missing { expected, .. } => format!("it is missing; expected {expected}"),
            JsonError::Wrong { expected, found, .. } => format!("expected {expected}, found {found}"),
            JsonError::Unknown { .. } | JsonError::Duplicate { .. } | JsonError::Unreadable { .. } => error.to_string(),
        };
        Self { field: error.path().to_owned(), reason }
    }
}
