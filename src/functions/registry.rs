//! The functions of a database, by name.

use std::{any::TypeId, collections::HashMap, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use super::{
    action::ActionContext,
    description::{ArgumentDescription, Caller, FunctionKind, Visibility},
    engine::Engine,
    environment::{Environment, Resource},
    errors::CallError,
    function::Function,
    json_subscription::JsonSubscription,
    stats::Stats,
};
use crate::{error::RegistrationError, time::Clock, transaction::WriteTx};

/// What is said of a registered function.
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
    /// The type of its result.
    pub output: &'static str,
}

impl FunctionDescription {
    pub(super) fn of<F: Function>(kind: FunctionKind) -> Self {
        let described = F::describe();
        let (name, visibility) = (F::NAME, F::VISIBILITY);
        Self { name, kind, visibility, text: described.text, arguments: described.arguments, output: described.output }
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
    pub(super) description: FunctionDescription,
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
            let name = entry.description.name;
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
        let mut descriptions: Vec<_> = self.entries.values().map(|entry| entry.description.clone()).collect();
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
                let (name, kind) = (entry.description.name, entry.description.kind);
                Err(CallError::WrongKind { name, kind, wanted: "query" })
            }
        }
    }

    fn callable(&self, name: &str, caller: Caller) -> Result<&Entry, CallError> {
        let unknown = || CallError::UnknownFunction { name: name.to_owned() };
        let entry = self.find(name).ok_or_else(unknown)?;
        match (entry.description.visibility, caller) {
            (Visibility::Internal, Caller::Client) => Err(CallError::Internal { name: entry.description.name }),
            (Visibility::Internal, Caller::Host) | (Visibility::Public, _) => Ok(entry),
        }
    }
}

impl Entry {
    /// What it is called and how it is run.
    pub(crate) fn runner(&self) -> (&'static str, Runner) {
        (self.description.name, self.runner)
    }
}

fn is_function_name(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    name.split_once(':').is_some_and(|(module, function)| is_word(module) && is_word(function))
}
