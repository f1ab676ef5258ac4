//! Arguments and results in JSON.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{description::ArgumentDescription, errors::CallError, function::Function};

/// An error of a function, without its type.
pub(super) fn failed<F: Function>(error: F::Error) -> CallError {
    CallError::of(Arc::new(error))
}

/// The result in JSON.
pub(super) fn to_json<F: Function>(result: &F::Output) -> Result<Value, CallError> {
    serde_json::to_value(result).map_err(|error| no_result::<F>(&error))
}

/// The result as the text of JSON.
pub(super) fn to_text<F: Function>(result: &F::Output) -> Result<String, CallError> {
    serde_json::to_string(result).map_err(|error| no_result::<F>(&error))
}

fn no_result<F: Function>(error: &serde_json::Error) -> CallError {
    CallError::Result { function: F::NAME, reason: error.to_string() }
}

/// Reads stored arguments. Names that the function no longer knows are ignored.
pub(super) fn parse_text<F: Function>(arguments: &str) -> Result<F, CallError> {
    let mut json = serde_json::Deserializer::from_str(arguments);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = path_text(error.path());
        CallError::Arguments { function: F::NAME, field, reason: error.inner().to_string() }
    })
}

/// Reads arguments that somebody gives: an object, `null` for none. Unknown names are refused where names are known.
pub(super) fn parse<F: Function>(arguments: Value) -> Result<F, CallError> {
    let wrong = |field: String, reason: String| CallError::Arguments { function: F::NAME, field, reason };
    let arguments = if arguments.is_null() { Value::Object(Map::new()) } else { arguments };
    let Some(given) = arguments.as_object() else {
        return Err(wrong(String::new(), format!("an object was expected, and {} was given", kind_of(&arguments))));
    };
    let known = F::describe().arguments;
    if let Some(known) = known
        && let Some(name) = given.keys().find(|name| !known.iter().any(|argument| argument.name == name.as_str()))
    {
        let names: Vec<_> = known.iter().map(|argument| argument.name).collect();
        return Err(wrong(name.clone(), format!("there is no such argument; there are {names:?}")));
    }
    let missing = |message: &str| {
        let names = known.unwrap_or_default().iter().map(|argument| argument.name);
        names.filter(|name| !given.contains_key(*name)).find(|name| message.contains(&format!("`{name}`")))
    };
    serde_path_to_error::deserialize(&arguments).map_err(|error| {
        let reason = error.inner().to_string();
        let path = path_text(error.path());
        match missing(&reason).filter(|_| path.is_empty()) {
            Some(name) => wrong(name.to_owned(), format!("{reason}; expected {}", expected(known, name))),
            None => {
                let top = path.split(['.', '[']).next().unwrap_or_default().to_owned();
                let of_type = expected(known, &top);
                wrong(path, if of_type.is_empty() { reason } else { format!("{reason}; expected {of_type}") })
            }
        }
    })
}

fn expected(known: Option<&[ArgumentDescription]>, name: &str) -> &'static str {
    known.unwrap_or_default().iter().find(|argument| argument.name == name).map_or("", |argument| argument.type_name)
}

fn path_text(path: &serde_path_to_error::Path) -> String {
    let text = path.to_string();
    if text == "." { String::new() } else { text }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
