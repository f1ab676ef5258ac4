//! The functions of a database, by name.

use std::{any::TypeId, collections::HashMap, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use super::{
    action::ActionContext,
    description::{ArgumentDescription, Caller, Description, FunctionKind, Visibility},
    engine::Engine,
    environment::{Environment, Resource},
    errors::CallError,
    function::Function,
    json_subscription::JsonSubscription,
    stats::Stats,
};
use crate::{encoding::Type, error::RegistrationError, time::Clock, transaction::WriteTx};

/// What is known of a registered function: [`Db::functions`](crate::Db::functions) lists all of them.
///
/// Types are there twice: as the source has them, for people, and by their structure ([`Type`]), for programs. The
/// result's structure is always known. That of the arguments is known for functions of
/// [`functions!`](crate::functions!); a [`Function`] written by hand reads its arguments with serde, which does not say
/// what it accepts.
///
/// ```
/// use tropism::{Type, prelude::*};
///
/// schema! { pub table Task in "tasks" { title: String } }
///
/// functions! {
///     pub module Board;
///     pub mutation AddTask in "tasks:add" { title: String, is_urgent: Option<bool> } -> Id<Task> |tx| {
///         tx.insert(Task { title })
///     }
/// }
///
/// let db = Db::builder().tables::<Task>().module(Board).in_memory()?;
/// let add = &db.functions()[0];
/// assert_eq!(add.output_type, &Type::Id("tasks".to_owned()));
/// assert_eq!(add.argument_type("isUrgent"), Some(&Type::Optional(Box::new(Type::Bool))));
/// # Ok::<(), tropism::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionDescription {
    /// Its name.
    pub name: &'static str,
    /// What it may do.
    pub kind: FunctionKind,
    /// Who may call it by name.
    pub visibility: Visibility,
    /// What it does.
    pub text: &'static str,
    /// Its arguments; `None` where they are not described.
    pub arguments: Option<&'static [ArgumentDescription]>,
    /// The struct of its arguments: a [`Type::Struct`]. `None` where serde reads them.
    pub arguments_type: Option<&'static Type>,
    /// The type of its result, as the source has it.
    pub output: &'static str,
    /// What the type of its result is made of.
    pub output_type: &'static Type,
}

impl FunctionDescription {
    pub(super) fn of<F: Function>(kind: FunctionKind) -> Self {
        let Description { text, arguments, output } = F::describe();
        Self {
            name: F::NAME,
            kind,
            visibility: F::VISIBILITY,
            text,
            arguments,
            arguments_type: F::arguments().of(),
            output,
            output_type: Type::of::<F::Output>(),
        }
    }

    /// What the type of one argument is made of, by its name in JSON. `None` if there is no such argument, or if serde
    /// reads the arguments.
    #[must_use]
    pub fn argument_type(&self, name: &str) -> Option<&'static Type> {
        let Some(Type::Struct(arguments)) = self.arguments_type else { return None };
        arguments.fields.iter().find(|field| field.json_name == name).map(|field| &field.of)
    }
}

impl Serialize for FunctionDescription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("FunctionDescription", 6)?;
        object.serialize_field("name", self.name)?;
        object.serialize_field("kind", &self.kind)?;
        object.serialize_field("visibility", &self.visibility)?;
        object.serialize_field("description", self.text)?;
        object.serialize_field("arguments", &self.arguments)?;
        object.serialize_field("output", self.output)?;
        object.end()
    }
}

impl Serialize for ArgumentDescription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("ArgumentDescription", 4)?;
        object.serialize_field("name", self.name)?;
        object.serialize_field("type", self.type_name)?;
        object.serialize_field("description", self.text)?;
        object.serialize_field("default", &self.default)?;
        object.end()
    }
}

/// A function without its type.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(super) name: &'static str,
    pub(super) kind: FunctionKind,
    pub(super) visibility: Visibility,
    /// Describes it. Most programs never ask, and defaults of arguments are the host's code.
    pub(super) describe: fn(FunctionKind) -> FunctionDescription,
    pub(super) type_name: &'static str,
    pub(super) type_id: TypeId,
    pub(super) runner: Runner,
}

/// How a function is run with arguments in JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Runner {
    Query {
        call: fn(&Arc<Engine>, Value) -> Result<Value, CallError>,
        subscribe: fn(&Engine, Value) -> Result<JsonSubscription, CallError>,
    },
    Mutation {
        call: fn(&Arc<Engine>, Value) -> Result<Value, CallError>,
        /// As a part of a transaction.
        run: fn(&mut WriteTx, &str) -> Result<String, CallError>,
    },
    Action {
        call: fn(&Arc<Engine>, Value) -> Result<Value, CallError>,
        /// As an attempt of a job.
        run: fn(&ActionContext, &str) -> Result<String, CallError>,
    },
}

/// The functions of a database.
pub(crate) struct Functions {
    entries: HashMap<&'static str, Entry>,
    environment: Arc<Environment>,
}

impl Functions {
    /// Checks names and takes the functions in.
    pub(crate) fn new(
        entries: Vec<Entry>,
        resources: Vec<Resource>,
        recent_calls: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RegistrationError> {
        let mut by_name: HashMap<&'static str, Entry> = HashMap::new();
        for entry in entries {
            let name = entry.name;
            if !is_function_name(name) {
                return Err(RegistrationError::FunctionName { name });
            }
            let second = entry.type_name;
            if let Some(first) = by_name.insert(name, entry) {
                return Err(RegistrationError::DuplicateFunction { name, first: first.type_name, second });
            }
        }
        let types = by_name.iter().map(|(name, entry)| (*name, entry.type_id)).collect();
        let environment = Arc::new(Environment::new(types, resources, recent_calls, clock)?);
        Ok(Self { entries: by_name, environment })
    }

    /// What transactions carry for them.
    pub(crate) fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// The function with this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Every function, by name.
    pub(crate) fn descriptions(&self) -> Vec<FunctionDescription> {
        let mut descriptions: Vec<_> = self.entries.values().map(|entry| (entry.describe)(entry.kind)).collect();
        descriptions.sort_by_key(|description| description.name);
        descriptions
    }

    /// What they have done so far.
    pub(crate) fn stats(&self) -> Stats {
        self.environment.stats()
    }

    /// Runs the function of this name.
    pub(crate) fn call(
        &self,
        engine: &Arc<Engine>,
        name: &str,
        arguments: Value,
        caller: Caller,
    ) -> Result<Value, CallError> {
        match self.callable(name, caller)?.runner {
            Runner::Query { call, .. } | Runner::Mutation { call, .. } | Runner::Action { call, .. } => {
                call(engine, arguments)
            }
        }
    }

    /// Subscribes to the query of this name.
    pub(crate) fn subscribe_by_name(
        &self,
        engine: &Engine,
        name: &str,
        arguments: Value,
        caller: Caller,
    ) -> Result<JsonSubscription, CallError> {
        let entry = self.callable(name, caller)?;
        match entry.runner {
            Runner::Query { subscribe, .. } => subscribe(engine, arguments),
            Runner::Mutation { .. } | Runner::Action { .. } => {
                let (name, kind) = (entry.name, entry.kind);
                Err(CallError::WrongKind { name, kind, wanted: "query" })
            }
        }
    }

    fn callable(&self, name: &str, caller: Caller) -> Result<&Entry, CallError> {
        let unknown = || CallError::UnknownFunction { name: name.to_owned() };
        let entry = self.find(name).ok_or_else(unknown)?;
        match (entry.visibility, caller) {
            (Visibility::Internal, Caller::Client) => Err(CallError::Internal { name: entry.name }),
            (Visibility::Internal, Caller::Host) | (Visibility::Public, _) => Ok(entry),
        }
    }
}

impl Entry {
    /// What it is called and how it is run.
    pub(crate) fn runner(&self) -> (&'static str, Runner) {
        (self.name, self.runner)
    }
}

fn is_function_name(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    name.split_once(':').is_some_and(|(module, function)| is_word(module) && is_word(function))
}
