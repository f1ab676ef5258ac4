//! [`Environment`]: what functions find around them, whatever transaction they run in.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::Arc,
};

use super::{
    function::Function,
    stats::{Recorder, Stats},
};
use crate::{error::RegistrationError, panics::guarded, time::Clock};

/// A value that a host registered, with the name of its type.
pub(crate) type Resource = (&'static str, TypeId, Arc<dyn Any + Send + Sync>);

/// What functions find around them: the host's resources, and the figures that their calls are added to. Transactions
/// carry it.
pub(crate) struct Environment {
    /// The types of the registered functions, by name.
    functions: HashMap<&'static str, TypeId>,
    resources: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    pub(super) recorder: Recorder,
}

impl Environment {
    /// Refuses two resources of one type.
    pub(super) fn new(
        functions: HashMap<&'static str, TypeId>,
        resources: Vec<Resource>,
        recent_calls: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RegistrationError> {
        let mut by_type = HashMap::new();
        for (type_name, type_id, resource) in resources {
            if by_type.insert(type_id, resource).is_some() {
                return Err(RegistrationError::DuplicateResource { type_name });
            }
        }
        Ok(Self { functions, resources: by_type, recorder: Recorder::new(recent_calls, clock) })
    }

    /// Whether the function was registered under its name, and not another one.
    pub(crate) fn has<F: Function>(&self) -> bool {
        self.functions.get(F::NAME) == Some(&TypeId::of::<F>())
    }

    pub(super) fn resource<R: Any + Send + Sync>(&self) -> Option<&R> {
        self.resources.get(&TypeId::of::<R>())?.downcast_ref()
    }

    pub(super) fn stats(&self) -> Stats {
        self.recorder.snapshot()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // Their destructors are the host's. One that panics must not end what closes the database.
        for (_, resource) in self.resources.drain() {
            if let Err(message) = guarded(|| drop(resource)) {
                tracing::error!(target: "tropism", message, "a resource panicked when it was dropped");
            }
        }
    }
}
