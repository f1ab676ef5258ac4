//! Arguments and results in JSON.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{arguments::WrongArguments, description::ArgumentDescription, errors::CallError, function::Function};
use crate::{
    error::JsonError,
    schema::{self, NonFinite},
};

/// An error of a function, without its type.
pub(super) fn failed<F: Function>(error: F::Error) -> CallError {
    CallError::of(Arc::new(error))
}

/// The result in JSON.
pub(super) fn to_json<F: Function>(result: &F::Output) -> Result<Value, CallError> {
    schema::to_json(result).map_err(|error| no_result::<F>(&error))
}

/// The result as the text of JSON.
pub(super) fn to_text<F: Function>(result: &F::Output) -> Result<String, CallError> {
    schema::to_json_text(result, NonFinite::Text).map_err(|error| no_result::<F>(&error))
}

fn no_result<F: Function>(error: &JsonError) -> CallError {
    CallError::Result { function: F::NAME, reason: error.to_string() }
}

fn wrong<F: Function>(WrongArguments { field, reason }: WrongArguments) -> CallError {
    CallError::Arguments { function: F::NAME, field, reason }
}

/// Reads stored arguments. Names that the function no longer knows are ignored.
pub(super) fn parse_text<F: Function>(arguments: &str) -> Result<F, CallError> {
    F::arguments().read_stored(arguments).map_err(wrong::<F>)
}

/// Reads arguments that somebody gives: an object, `null` for none.
pub(super) fn parse<F: Function>(arguments: Value) -> Result<F, CallError> {
    let arguments = if arguments.is_null() { Value::Object(Map::new()) } else { arguments };
    if !arguments.is_object() {
        let reason = format!("an object was expected, and {} was given", schema::kind_of(&arguments));
        return Err(wrong::<F>(WrongArguments { field: String::new(), reason }));
    }
    F::arguments().read(&arguments).map_err(|mut error| {
        let top = error.field.split(['.', '[']).next().unwrap_or_default();
        let declared = expected(F::describe().arguments, top);
        if !declared.is_empty() {
            error.reason = format!("{}; the argument is declared as `{declared}`", error.reason);
        }
        wrong::<F>(error)
    })
}

fn expected(known: Option<&[ArgumentDescription]>, name: &str) -> &'static str {
    known.unwrap_or_default().iter().find(|argument| argument.name == name).map_or("", |argument| argument.type_name)
}

/// The text from which the arguments of a function read back, or why there is none.
pub(crate) fn store_arguments<F: Function>(function: &F) -> Result<String, String> {
    F::arguments().store(function)
}
