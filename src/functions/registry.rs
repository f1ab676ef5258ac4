//! The functions of a database, by name, and what their host gave them.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::Arc,
};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use super::{
    action::ActionContext,
    engine::Engine,
    errors::CallError,
    function::{ArgumentDescription, Function, FunctionKind, Visibility},
    json_subscription::JsonSubscription,
    stats::{Recorder, Stats},
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

/// What a host gives its functions: a value of each type.
pub(super) type Resources = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// The functions of a database. Transactions carry it.
pub(crate) struct Functions {
    entries: HashMap<&'static str, Entry>,
    resources: Resources,
    pub(super) recorder: Recorder,
}

impl Functions {
    /// Checks names and takes the functions in.
    pub(crate) fn new(
        entries: Vec<Entry>,
        resources: Vec<(&'static str, TypeId, Arc<dyn Any + Send + Sync>)>,
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
        let mut by_type = Resources::new();
        for (type_name, type_id, resource) in resources {
            if by_type.insert(type_id, resource).is_some() {
                return Err(RegistrationError::DuplicateResource { type_name });
            }
        }
        Ok(Self { entries: by_name, resources: by_type, recorder: Recorder::new(recent_calls, clock) })
    }

    /// The function with this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Whether the function was registered under its name, and not another one.
    pub(crate) fn has<F: Function>(&self) -> bool {
        self.entries.get(F::NAME).is_some_and(|entry| entry.type_id == TypeId::of::<F>())
    }

    pub(super) fn resource<R: Any + Send + Sync>(&self) -> Option<&R> {
        self.resources.get(&TypeId::of::<R>())?.downcast_ref()
    }

    /// Every function, by name.
    pub(crate) fn descriptions(&self) -> Vec<FunctionDescription> {
        let mut descriptions: Vec<_> = self.entries.values().map(|entry| entry.description.clone()).collect();
        descriptions.sort_by_key(|description| description.name);
        descriptions
    }

    /// What they have done so far.
    pub(crate) fn stats(&self) -> Stats {
        self.recorder.snapshot()
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
