//! Functions: transactions with a name, typed arguments, a visibility and a form in JSON.
//!
//! - A [`Query`] reads, and runs queries. A [`Mutation`] reads and writes in one transaction, and runs queries and
//!   mutations, of which one that fails is rolled back alone. An [`Action`] talks to the outside and runs all three,
//!   each call a transaction of its own.
//! - Equal queries with equal arguments are one live query, for all who subscribe and all who read once.
//! - An error of the application is typed and carries data. It rolls back, and arrives as what it is.
//! - By name, a function takes and answers JSON; an internal one is not for clients.
//! - Every call is measured.
//!
//! This floor knows transactions and live queries. It must not know when functions run: that is the scheduler's.
//!
//! - `description.rs`: what is said of a function; `errors.rs`: errors of the application, and of calls by name.
//! - `stats.rs`: counts and times of calls.
//! - `function.rs`: functions that run in a transaction, as traits.
//! - `environment.rs`: what functions find around them.
//! - `engine.rs`: runs functions; `action.rs`: actions, and what they reach the database through.
//! - `json.rs`, `json_subscription.rs`, `call.rs`: functions and subscriptions whose arguments and values are JSON.
//! - `registry.rs`: the functions of a database, by name; `module.rs`: how a host hands them over.
//! - `macros.rs`: `functions!`.

mod description;
mod errors;
mod arguments;
mod stats;

mod function;

mod environment;

mod engine;

mod action;

mod json;
mod json_subscription;

mod call;

mod registry;

mod module;

mod macros;

pub(crate) use self::{
    action::Attempt,
    engine::Engine,
    environment::Environment,
    json::store_arguments,
    registry::{Functions, Runner},
};
pub use self::{
    action::{Action, ActionContext},
    arguments::Arguments,
    description::{ArgumentDescription, Caller, Description, FunctionKind, Visibility},
    errors::{ApplicationError, CallError, FunctionError},
    function::{Function, Mutation, Query},
    json_subscription::JsonSubscription,
    module::{Module, Registration},
    registry::FunctionDescription,
    stats::{FunctionStats, RecentCall, Stats, TimeStats},
};
