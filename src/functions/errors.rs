//! Errors of the application, with their data, and errors of calls by name.

use std::{any::Any, fmt, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use super::description::FunctionKind;
use crate::error::{Error, StorageError, TransactionError};

/// What a function may fail with: [`Error`], or any error type of the application that can be made from it and that
/// serialises. It arrives as what it is; where types do not reach, as its message and its data.
///
/// An error that has the engine's `NotFound` among its sources is "not found" to a network layer as well, as
/// [`CallError::status`] says.
///
/// ```
/// #[derive(Debug, thiserror::Error, serde::Serialize)]
/// enum BoardError {
///     #[error("the column takes at most {limit} tasks")]
///     ColumnFull { limit: usize },
///     #[error(transparent)]
///     Engine(#[from] tropism::Error),
/// }
/// ```
pub trait FunctionError: std::error::Error + Serialize + From<Error> + Send + Sync + 'static {}

impl<E: std::error::Error + Serialize + From<Error> + Send + Sync + 'static> FunctionError for E {}

/// An error of the application, its type erased: a message and data, and still downcastable.
#[derive(Clone)]
pub struct ApplicationError {
    data: Value,
    error: Arc<dyn std::error::Error + Send + Sync>,
    /// Whether it comes from a row that is not there.
    is_not_found: bool,
}

impl ApplicationError {
    pub(super) fn new<E: FunctionError>(error: Arc<E>) -> Self {
        let data = serde_json::to_value(&*error).unwrap_or(Value::Null);
        let is_not_found = std::iter::successors(error.source(), |error| error.source()).any(is_not_found);
        Self { data, error, is_not_found }
    }

    /// The error as data: what its `Serialize` says.
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// The error itself, if it is an `E`.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }
}

/// Whether an error is the engine's for a row that is not there.
fn is_not_found(error: &(dyn std::error::Error + 'static)) -> bool {
    let boxed = || error.downcast_ref::<Box<Error>>().map(AsRef::as_ref);
    let engine = error.downcast_ref::<Error>().or_else(boxed);
    let is_missing = |error: &TransactionError| matches!(error, TransactionError::NotFound { .. });
    matches!(engine, Some(Error::Transaction(error)) if is_missing(error))
        || error.downcast_ref::<TransactionError>().is_some_and(is_missing)
}

impl fmt::Display for ApplicationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl fmt::Debug for ApplicationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl std::error::Error for ApplicationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Why a call by name, or a job, has no result.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No function has that name.
    #[error("there is no function {name:?}; `functions()` lists those there are")]
    UnknownFunction {
        /// The name.
        name: String,
    },
    /// A client called an internal function.
    #[error("{name:?} is internal and not for clients")]
    Internal {
        /// The function.
        name: &'static str,
    },
    /// The function is of a kind that cannot be used in this way.
    #[error("{name:?} is a {kind}, and a {wanted} is wanted")]
    WrongKind {
        /// The function.
        name: &'static str,
        /// What it is.
        kind: FunctionKind,
        /// What it would have to be.
        wanted: &'static str,
    },
    /// The arguments are not the function's.
    #[error("arguments of {function:?}: {}{reason}", with_colon(.field))]
    Arguments {
        /// The function.
        function: &'static str,
        /// The path to the field at fault, such as `filter.labels[2]`; empty for the arguments as a whole.
        field: String,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// The function failed with an error of the application.
    #[error(transparent)]
    Application(ApplicationError),
    /// The function failed with an error of the engine.
    #[error(transparent)]
    Engine(#[from] Error),
    /// The function panicked.
    #[error("{function:?} panicked: {message}")]
    Panicked {
        /// The function.
        function: &'static str,
        /// The panic's message.
        message: String,
    },
    /// The result has no form in JSON.
    #[error("the result of {function:?} cannot be written as JSON: {reason}")]
    Result {
        /// The function.
        function: &'static str,
        /// Why.
        reason: String,
    },
}

fn with_colon(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("field {field:?}: ") }
}

impl CallError {
    /// What a function's own error becomes where its type does not reach.
    pub(super) fn of<E: FunctionError>(error: Arc<E>) -> Self {
        match (&*error as &dyn Any).downcast_ref::<Error>() {
            Some(engine) => Self::Engine(engine.clone()),
            None => Self::Application(ApplicationError::new(error)),
        }
    }

    /// A word for programs: `unknown_function`, `internal`, `wrong_kind`, `arguments`, `application`, `engine`,
    /// `panicked`, `result`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownFunction { .. } => "unknown_function",
            Self::Internal { .. } => "internal",
            Self::WrongKind { .. } => "wrong_kind",
            Self::Arguments { .. } => "arguments",
            Self::Application(_) => "application",
            Self::Engine(_) => "engine",
            Self::Panicked { .. } => "panicked",
            Self::Result { .. } => "result",
        }
    }

    /// The HTTP status that says the same, for a network layer: 404 for what is not there, 403 for what is not for
    /// clients, 400 for wrong arguments, 422 for an error of the application, 500 for the rest. An error of the
    /// application whose source is the engine's `NotFound` is 404.
    pub const fn status(&self) -> u16 {
        match self {
            Self::UnknownFunction { .. } | Self::Engine(Error::Transaction(TransactionError::NotFound { .. })) => 404,
            Self::Application(error) if error.is_not_found => 404,
            Self::Internal { .. } => 403,
            Self::WrongKind { .. } | Self::Arguments { .. } => 400,
            Self::Application(_) => 422,
            Self::Engine(_) | Self::Panicked { .. } | Self::Result { .. } => 500,
        }
    }

    /// The data of an error of the application; `Null` for others.
    pub fn data(&self) -> &Value {
        match self {
            Self::Application(error) => error.data(),
            _ => &Value::Null,
        }
    }
}

impl From<StorageError> for CallError {
    fn from(error: StorageError) -> Self {
        Self::Engine(error.into())
    }
}

/// As JSON: `code`, `message`, `data`.
impl Serialize for CallError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("CallError", 3)?;
        object.serialize_field("code", self.code())?;
        object.serialize_field("message", &self.to_string())?;
        object.serialize_field("data", self.data())?;
        object.end()
    }
}

/// As JSON: its message.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
