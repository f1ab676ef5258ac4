//! The three kinds of functions, as traits over a struct of arguments.

use std::fmt;

use serde::{Serialize, Serializer, de::DeserializeOwned};

use super::{action::ActionContext, errors::FunctionError};
use crate::transaction::{ReadTx, WriteTx};

/// What all functions have in common. The function is the struct of its arguments; in JSON they are an object.
///
/// [`functions!`](crate::functions!) writes it, and so can a host:
///
/// ```
/// use tropism::{Function, Query, prelude::*};
///
/// schema! { pub table Task in "tasks" { title: String } with { index by_title (title); } }
///
/// #[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct CountByTitle {
///     title: String,
/// }
///
/// impl Function for CountByTitle {
///     const NAME: &'static str = "tasks:countByTitle";
///     type Output = usize;
///     type Error = tropism::Error;
/// }
///
/// impl Query for CountByTitle {
///     fn run(&self, tx: &ReadTx) -> Result<usize, tropism::Error> {
///         tx.query(Task::by_title).eq(self.title.as_str()).count()
///     }
/// }
///
/// let db = Db::builder().tables::<Task>().in_memory()?;
/// assert_eq!(*db.query(CountByTitle { title: "Lift off".into() })?, 0);
/// # Ok::<(), tropism::Error>(())
/// ```
pub trait Function: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name: `module:function`. What is stored and scheduled knows the function by it, so it outlives the type.
    const NAME: &'static str;

    /// Who may call it by name. Unless a function says otherwise, only the host.
    const VISIBILITY: Visibility = Visibility::Internal;

    /// What it answers. A list query is best shared as a `Vec<Doc<T>>`.
    type Output: Serialize + Send + Sync + 'static;

    /// What it fails with: [`Error`](crate::Error), or a type of the application that is made from it.
    type Error: FunctionError;

    /// What is said of it, for those who list functions.
    fn describe() -> Description {
        Description { text: "", arguments: None, output: std::any::type_name::<Self::Output>() }
    }
}

/// A function that reads. It can be subscribed to, and sees the database and nothing else: not the time, randomness or
/// the outside world. What it needs of those is an argument.
pub trait Query: Function<Output: PartialEq> + PartialEq {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// Its own.
    fn run(&self, tx: &ReadTx) -> Result<Self::Output, Self::Error>;
}

/// A function that reads and writes in one transaction: all of it happens, or nothing.
pub trait Mutation: Function {
    /// Runs it. It may run more than once with the same arguments; only one run is committed.
    ///
    /// # Errors
    ///
    /// Its own; what it did is rolled back then.
    fn run(&self, tx: &mut WriteTx) -> Result<Self::Output, Self::Error>;
}

/// A function that talks to the outside. It has no transaction; what it calls through its context has one each.
pub trait Action: Function {
    /// Runs it.
    ///
    /// # Errors
    ///
    /// Its own; the mutations that it called stay.
    fn run(&self, context: &ActionContext) -> Result<Self::Output, Self::Error>;
}

/// Who may call a function by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// The host and other functions, and no client.
    Internal,
}

/// Who calls a function by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Somebody outside, who may call what is public.
    Client,
    /// The host itself, who may call everything.
    Host,
}

/// What a function may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FunctionKind {
    /// It reads.
    Query,
    /// It reads and writes in one transaction.
    Mutation,
    /// It talks to the outside.
    Action,
}

impl FunctionKind {
    /// In lower case: `query`, `mutation`, `action`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Action => "action",
        }
    }
}

impl Visibility {
    /// In lower case: `public`, `internal`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for FunctionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for FunctionKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Visibility {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What is said of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What it does.
    pub text: &'static str,
    /// Its arguments; `None` where they are not described. Where they are, a call by name may give no others.
    pub arguments: Option<&'static [ArgumentDescription]>,
    /// The type of its result.
    pub output: &'static str,
}

/// What is said of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgumentDescription {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its type in Rust; an `Option` may be left out.
    pub type_name: &'static str,
    /// What it means.
    pub text: &'static str,
    /// What it is where it is left out, as it is written in Rust.
    pub default: Option<&'static str>,
}
