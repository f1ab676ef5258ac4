//! Calls by name: arguments and results in JSON, whatever the function's types.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    action::ActionContext,
    engine::Engine,
    errors::CallError,
    function::{Action, Caller, Function, Mutation, Query, Visibility},
    json_subscription::JsonSubscription,
    registry::{Entry, Runner},
};
use crate::transaction::WriteTx;

impl Engine {
    /// Runs the function of this name.
    pub(crate) fn call(self: &Arc<Self>, name: &str, arguments: Value, caller: Caller) -> Result<Value, CallError> {
        match self.callable(name, caller)?.runner {
            Runner::Query { call, .. } | Runner::Mutation { call, .. } | Runner::Action { call, .. } => {
                call(self, arguments)
            }
        }
    }

    /// Subscribes to the query of this name.
    pub(crate) fn subscribe_by_name(
        &self,
        name: &str,
        arguments: Value,
        caller: Caller,
    ) -> Result<JsonSubscription, CallError> {
        let entry = self.callable(name, caller)?;
        match entry.runner {
            Runner::Query { subscribe, .. } => subscribe(self, arguments),
            Runner::Mutation { .. } | Runner::Action { .. } => {
                let (name, kind) = (entry.description.name, entry.description.kind);
                Err(CallError::WrongKind { name, kind, wanted: "query" })
            }
        }
    }

    fn callable(&self, name: &str, caller: Caller) -> Result<&Entry, CallError> {
        let unknown = || CallError::UnknownFunction { name: name.to_owned() };
        let entry = self.functions.find(name).ok_or_else(unknown)?;
        match (entry.description.visibility, caller) {
            (Visibility::Internal, Caller::Client) => Err(CallError::Internal { name: entry.description.name }),
            (Visibility::Internal, Caller::Host) | (Visibility::Public, _) => Ok(entry),
        }
    }
}

pub(super) fn query<Q: Query>(engine: &Arc<Engine>, arguments: Value) -> Result<Value, CallError> {
    let result = engine.query(parse::<Q>(arguments)?).map_err(failed::<Q>)?;
    to_json::<Q>(&result)
}

pub(super) fn subscribe<Q: Query>(engine: &Engine, arguments: Value) -> Result<JsonSubscription, CallError> {
    Ok(JsonSubscription::new::<Q>(engine.subscribe(parse::<Q>(arguments)?)?))
}

pub(super) fn mutation<M: Mutation>(engine: &Arc<Engine>, arguments: Value) -> Result<Value, CallError> {
    let mutation = parse::<M>(arguments)?;
    // Within the transaction: what the caller hears as a failure has not happened.
    engine.mutate_with::<M, _, _>(|tx| to_json::<M>(&mutation.run(tx).map_err(failed::<M>)?))
}

pub(super) fn action<A: Action>(engine: &Arc<Engine>, arguments: Value) -> Result<Value, CallError> {
    to_json::<A>(&engine.act(&parse::<A>(arguments)?).map_err(failed::<A>)?)
}

/// Runs a mutation as a part of a transaction; if it fails, what it did is rolled back.
pub(super) fn mutation_in<M: Mutation>(tx: &mut WriteTx, arguments: &str) -> Result<String, CallError> {
    let result = tx.run_mutation(parse_text::<M>(arguments)?).map_err(failed::<M>)?;
    to_text::<M>(&result)
}

pub(super) fn action_in<A: Action>(context: &ActionContext, arguments: &str) -> Result<String, CallError> {
    let action = parse_text::<A>(arguments)?;
    let result = context.engine().run_action(&action, context).map_err(failed::<A>)?;
    to_text::<A>(&result)
}

fn failed<F: Function>(error: F::Error) -> CallError {
    CallError::of(Arc::new(error))
}

/// The result in JSON.
pub(super) fn to_json<F: Function>(result: &F::Output) -> Result<Value, CallError> {
    serde_json::to_value(result).map_err(|error| no_result::<F>(&error))
}

fn to_text<F: Function>(result: &F::Output) -> Result<String, CallError> {
    serde_json::to_string(result).map_err(|error| no_result::<F>(&error))
}

fn no_result<F: Function>(error: &serde_json::Error) -> CallError {
    CallError::Result { function: F::NAME, reason: error.to_string() }
}

/// Reads stored arguments. Names that the function no longer knows are ignored.
fn parse_text<F: Function>(arguments: &str) -> Result<F, CallError> {
    let mut json = serde_json::Deserializer::from_str(arguments);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = path_text(error.path());
        CallError::Arguments { function: F::NAME, field, reason: error.inner().to_string() }
    })
}

/// Reads arguments that somebody gives: an object, `null` for none. Unknown names are refused where names are known.
fn parse<F: Function>(arguments: Value) -> Result<F, CallError> {
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

fn expected(known: Option<&[super::ArgumentDescription]>, name: &str) -> &'static str {
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
