//! How a host hands over its tables, functions and resources: alone, or as modules.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::Arc,
};

use super::{
    action::Action,
    call,
    description::FunctionKind,
    environment::Resource,
    function::{Function, Mutation, Query},
    registry::{Entry, FunctionDescription, Runner},
};
use crate::schema::{TableOps, Tables};

/// A part of an application: tables and functions that belong together, registered in one line.
///
/// ```
/// use tropism::{Module, Registration, prelude::*};
///
/// schema! { pub table Note in "notes" { text: String } }
///
/// functions! {
///     /// Adds a note.
///     pub mutation AddNote in "notes:add" { text: String } -> Id<Note> |tx| { tx.insert(Note { text }) }
/// }
///
/// struct Notes;
///
/// impl Module for Notes {
///     fn register(&self, registration: &mut Registration) {
///         registration.tables::<Note>().mutation::<AddNote>();
///     }
/// }
///
/// let db = Db::builder().module(Notes).in_memory()?;
/// let id = db.mutate(AddNote { text: "Lift off".into() })?;
/// # assert!(db.read(|tx| tx.get(id))?.is_some());
/// # Ok::<(), tropism::Error>(())
/// ```
///
/// `functions!` writes a module of its functions where it begins with `pub module Name;`.
pub trait Module {
    /// Hands over everything that belongs to the module.
    fn register(&self, registration: &mut Registration);
}

/// What modules have handed over so far.
///
/// What clashes (a table, a function, a cron, a resource that is there twice) is refused when the database opens.
#[derive(Default)]
pub struct Registration {
    pub(crate) tables: Vec<TableOps>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) resources: Vec<Resource>,
    /// What the floors above collect; this one does not look into it.
    pub(crate) others: Vec<Box<dyn Any + Send>>,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

impl Registration {
    /// Adds tables: one, or a tuple of them.
    pub fn tables<T: Tables>(&mut self) -> &mut Self {
        self.tables.extend(T::tables());
        self
    }

    /// Adds a query.
    pub fn query<Q: Query>(&mut self) -> &mut Self {
        let runner = Runner::Query { call: call::query::<Q>, subscribe: call::subscribe::<Q> };
        self.entry::<Q>(FunctionKind::Query, runner)
    }

    /// Adds a mutation.
    pub fn mutation<M: Mutation>(&mut self) -> &mut Self {
        let runner = Runner::Mutation { call: call::mutation::<M>, run: call::mutation_in::<M> };
        self.entry::<M>(FunctionKind::Mutation, runner)
    }

    /// Adds an action.
    pub fn action<A: Action>(&mut self) -> &mut Self {
        let runner = Runner::Action { call: call::action::<A>, run: call::action_in::<A> };
        self.entry::<A>(FunctionKind::Action, runner)
    }

    /// Adds what another module registers.
    pub fn module(&mut self, module: impl Module) -> &mut Self {
        module.register(self);
        self
    }

    /// Gives the functions a value that they find by its type: a client of some service, a limit, a secret.
    /// [`ActionContext::resource`](super::ActionContext::resource) and
    /// [`ReadTx::resource`](crate::ReadTx::resource) have it. A query's result must not depend on one that changes.
    pub fn resource<R: Any + Send + Sync>(&mut self, resource: R) -> &mut Self {
        self.resources.push((std::any::type_name::<R>(), TypeId::of::<R>(), Arc::new(resource)));
        self
    }

    fn entry<F: Function>(&mut self, kind: FunctionKind, runner: Runner) -> &mut Self {
        self.entries.push(Entry {
            name: F::NAME,
            kind,
            visibility: F::VISIBILITY,
            describe: FunctionDescription::of::<F>,
            type_name: std::any::type_name::<F>(),
            type_id: TypeId::of::<F>(),
            runner,
        });
        self
    }
}
