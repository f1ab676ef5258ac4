//! Functions that run in a transaction, as traits over a struct of arguments.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    arguments::Arguments,
    description::{Description, Visibility},
    errors::FunctionError,
};
use crate::{
    encoding::Typed,
    transaction::{ReadTx, WriteTx},
};

/// What all functions have in common. The function is the struct of its arguments; in JSON they are an object.
///
/// [`functions!`](crate::functions!) writes it, and so can a host. Then serde reads and writes the arguments. The engine
/// does not know what they are made of: [`Db::functions`](crate::Db::functions) lists no structure, unknown fields are
/// errors only if serde's attributes say so, and two calls share a live query if their JSON and `==` agree.
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
    type Output: Typed;

    /// What it fails with: [`Error`](crate::Error), or a type of the application that is made from it.
    type Error: FunctionError;

    /// How its arguments are read, stored and compared.
    #[doc(hidden)]
    fn arguments() -> Arguments<Self> {
        Arguments::of_serde()
    }

    /// Describes it, for those who list functions.
    fn describe() -> Description {
        Description { text: "", arguments: None, output: std::any::type_name::<Self::Output>() }
    }
}

/// A function that reads. It can be subscribed to, and sees the database and nothing else: not the time, randomness or
/// the outside world. What it needs of those is an argument.
pub trait Query: Function + PartialEq {
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
