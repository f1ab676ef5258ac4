//! Reading fields of a JSON payload by name, with errors that name the path.

use super::timestamp;
use serde_json::{Map, Value};

const LONGEST_QUOTE: usize = 60;

/// Why a payload is not the event that it was delivered as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// A field that the event cannot do without is not there.
    #[error(
        "`{path}` is missing, expected {expected}; check that the X-GitHub-Event header and the body belong together"
    )]
    Missing {
        /// Where in the payload, as a JSON path.
        path: String,
        /// What the field should hold.
        expected: &'static str,
    },
    /// A field holds JSON of another type.
    #[error(
        "`{path}` is {found}, expected {expected}; check that the X-GitHub-Event header and the body belong together"
    )]
    WrongType {
        /// Where in the payload, as a JSON path.
        path: String,
        /// What the field should hold.
        expected: &'static str,
        /// The JSON type that it holds.
        found: &'static str,
    },
    /// A field has the right JSON type, but a value that means nothing here.
    #[error(
        "`{path}` is {found:?}, expected {expected}; check that the body was kept unchanged, and if GitHub has \
         introduced this value since, give it a meaning here"
    )]
    InvalidValue {
        /// Where in the payload, as a JSON path.
        path: String,
        /// What the field should hold.
        expected: &'static str,
        /// What it holds, cut short if it is long.
        found: String,
    },
}

/// The repository that a payload is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryName {
    /// GitHub's number of it, which stays when it is renamed or transferred. Only payloads of other hosts lack it.
    pub id: Option<u64>,
    /// What it was called when the payload was made, as `owner/name`.
    pub full_name: String,
    /// When it last changed, in milliseconds since the epoch.
    pub updated_at: Option<i64>,
}

/// One object of the payload and the path that leads to it.
pub(super) struct Object<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    pub(super) fn root(payload: &'a Value) -> Result<Self, PayloadError> {
        Self::from_value(payload, "$".to_owned())
    }

    fn from_value(value: &'a Value, path: String) -> Result<Self, PayloadError> {
        match value {
            Value::Object(fields) => Ok(Self { path, fields }),
            other => Err(wrong_type(path, "an object", other)),
        }
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// The error for a field whose value is of the right type but means nothing.
    pub(super) fn invalid(&self, name: &str, expected: &'static str, found: &str) -> PayloadError {
        PayloadError::InvalidValue { path: self.path_of(name), expected, found: shorten(found) }
    }

    /// The error for a field that is not there.
    pub(super) fn missing(&self, name: &str, expected: &'static str) -> PayloadError {
        PayloadError::Missing { path: self.path_of(name), expected }
    }

    /// Null and absent are one: older payloads leave out what newer ones set to null.
    fn present(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn required<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&Self) -> Result<Option<T>, PayloadError>,
    ) -> Result<T, PayloadError> {
        match read(self)? {
            Some(value) => Ok(value),
            None if self.fields.contains_key(name) => {
                Err(PayloadError::WrongType { path: self.path_of(name), expected, found: "null" })
            }
            None => Err(self.missing(name, expected)),
        }
    }

    fn optional<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, PayloadError> {
        match self.present(name) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(wrong_type(self.path_of(name), expected, value)),
            },
        }
    }

    pub(super) fn object(&self, name: &str) -> Result<Self, PayloadError> {
        self.required(name, "an object", |object| object.optional_object(name))
    }

    pub(super) fn optional_object(&self, name: &str) -> Result<Option<Self>, PayloadError> {
        self.present(name).map(|value| Self::from_value(value, self.path_of(name))).transpose()
    }

    /// The objects of an array; none if there is no array.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Self>, PayloadError> {
        let Some(values) = self.optional(name, "an array of objects", Value::as_array)? else { return Ok(Vec::new()) };
        let numbered = values.iter().enumerate();
        numbered.map(|(index, value)| Self::from_value(value, format!("{}[{index}]", self.path_of(name)))).collect()
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, PayloadError> {
        self.required(name, "a string", |object| object.optional_text(name))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, PayloadError> {
        self.optional(name, "a string", Value::as_str)
    }

    /// A string to be kept, or nothing if it is absent or empty.
    pub(super) fn owned_text(&self, name: &str) -> Result<Option<String>, PayloadError> {
        Ok(self.optional_text(name)?.filter(|text| !text.is_empty()).map(str::to_owned))
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, PayloadError> {
        self.required(name, "a whole number", |object| object.optional_number(name))
    }

    pub(super) fn optional_number(&self, name: &str) -> Result<Option<u64>, PayloadError> {
        self.optional(name, "a whole number", Value::as_u64)
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, PayloadError> {
        self.optional(name, "true or false", Value::as_bool)
    }

    /// A time in milliseconds since the epoch.
    pub(super) fn time(&self, name: &str) -> Result<i64, PayloadError> {
        self.required(name, EXPECTED_TIME, |object| object.optional_time(name))
    }

    /// A time in milliseconds since the epoch; GitHub writes either RFC 3339 or seconds since the epoch.
    pub(super) fn optional_time(&self, name: &str) -> Result<Option<i64>, PayloadError> {
        let Some(value) = self.present(name) else { return Ok(None) };
        let time = match value {
            Value::String(text) => timestamp::parse_rfc3339(text),
            Value::Number(number) => number.as_i64().and_then(timestamp::from_seconds),
            other => return Err(wrong_type(self.path_of(name), EXPECTED_TIME, other)),
        };
        match (time, value) {
            (Some(time), _) => Ok(Some(time)),
            (None, Value::String(text)) => Err(self.invalid(name, EXPECTED_TIME, text)),
            (None, other) => Err(self.invalid(name, EXPECTED_TIME, &other.to_string())),
        }
    }

    /// The login of the user in a field; nothing if the account no longer exists.
    pub(super) fn login(&self, name: &str) -> Result<Option<String>, PayloadError> {
        match self.optional_object(name)? {
            Some(user) => Ok(Some(user.text("login")?.to_owned())),
            None => Ok(None),
        }
    }

    /// The text at the end of a path of objects; nothing if anything on the way is missing or something else.
    pub(super) fn text_at(&self, path: &[&str]) -> Option<&'a str> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.fields.get(*first)?, |value, name| value.get(name))?.as_str()
    }

    /// The repository that the payload is about.
    pub(super) fn repository(&self) -> Result<RepositoryName, PayloadError> {
        let repository = self.object("repository")?;
        let full_name = repository.text("full_name")?;
        match full_name.split_once('/') {
            Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => {
                let updated_at = repository.optional_time("updated_at").ok().flatten();
                Ok(RepositoryName {
                    id: repository.optional_number("id")?,
                    full_name: full_name.to_owned(),
                    updated_at,
                })
            }
            _ => Err(repository.invalid("full_name", "`owner/name`", full_name)),
        }
    }
}

const EXPECTED_TIME: &str = "a time by RFC 3339 or whole seconds since 1970";

fn wrong_type(path: String, expected: &'static str, value: &Value) -> PayloadError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_u64() => "a whole number",
        Value::Number(number) if number.is_i64() => "a negative number",
        Value::Number(_) => "a fractional number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    PayloadError::WrongType { path, expected, found }
}

/// Whoever wrote the payload chose the value, so an error must not repeat it at any length.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
