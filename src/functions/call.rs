//! Functions with arguments and results in JSON, whatever their types: what the registry keeps of each.

use std::sync::Arc;

use serde_json::Value;

use super::{
    action::{Action, ActionContext},
    engine::Engine,
    errors::CallError,
    function::{Mutation, Query},
    json::{failed, parse, parse_text, to_json, to_text},
    json_subscription::JsonSubscription,
};
use crate::transaction::WriteTx;

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
