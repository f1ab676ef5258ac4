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
//! - `function.rs`: the traits, and what is said of a function.
//! - `macros.rs`: `functions!`.
//! - `engine.rs`: runs functions; `action.rs`: what an action reaches the database through.
//! - `registry.rs`: the functions of a database, by name; `module.rs`: how a host hands them over.
//! - `call.rs`: calls by name, with JSON; `json_subscription.rs`: subscriptions by name.
//! - `errors.rs`: errors of the application, and of calls by name.
//! - `stats.rs`: counts and times of calls.

mod action;
mod call;
mod engine;
mod errors;
mod function;
mod json_subscription;
mod macros;
mod module;
mod registry;
mod stats;

pub use self::{
    action::ActionContext,
    errors::{ApplicationError, CallError, FunctionError},
    function::{Action, ArgumentDescription, Caller, Description, Function, FunctionKind, Mutation, Query, Visibility},
    json_subscription::JsonSubscription,
    module::{Module, Registration},
    registry::FunctionDescription,
    stats::{FunctionStats, RecentCall, Stats, TimeStats},
};
pub(crate) use self::{
    action::Attempt,
    engine::Engine,
    registry::{Functions, Runner},
};
