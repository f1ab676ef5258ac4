//! The [`functions!`](crate::functions!) macro: structs of arguments that are functions.

/// Declares functions: each is a struct of its arguments that implements [`Query`](crate::Query),
/// [`Mutation`](crate::Mutation) or [`Action`](crate::Action). It only spares typing; see
/// [`Function`](crate::Function) for what it writes.
///
/// ```
/// use tropism::prelude::*;
///
/// schema! {
///     pub enum Category { Todo = "todo", Done = "done" }
///     pub table Task in "tasks" { title: String, category: Category } with { index by_category (category); }
/// }
///
/// #[derive(Debug, thiserror::Error, serde::Serialize)]
/// pub enum BoardError {
///     #[error("at most {limit} tasks may be open")]
///     TooMany { limit: usize },
///     #[error(transparent)]
///     Engine(#[from] tropism::Error),
/// }
///
/// functions! {
///     /// What the board can do.
///     pub module Board;
///
///     /// The tasks of one column.
///     pub query ListByCategory in "tasks:listByCategory" { category: Category } -> Vec<Doc<Task>> |tx| {
///         tx.query(Task::by_category).eq(category).collect()
///     }
///
///     /// Adds a task, if there are not too many.
///     pub mutation AddTask in "tasks:add" {
///         /// What is to be done.
///         title: String,
///         /// How many may be open.
///         limit: usize = 3,
///     } -> Result<Id<Task>, BoardError> = add_task;
///
///     /// Not for clients.
///     pub internal mutation Clear in "tasks:clear" {} -> () |tx| {
///         let tasks = tx.query(Task::by_id).collect()?;
///         tasks.iter().try_for_each(|task| tx.delete(task.id()))
///     }
/// }
///
/// /// A body of more than a few lines is a function, which the macro names.
/// fn add_task(tx: &mut WriteTx, arguments: &AddTask) -> Result<Id<Task>, BoardError> {
///     if tx.query(Task::by_category).eq(Category::Todo).count()? >= arguments.limit {
///         return Err(BoardError::TooMany { limit: arguments.limit });
///     }
///     Ok(tx.insert(Task { title: arguments.title.clone(), category: Category::Todo })?)
/// }
///
/// let db = Db::builder().tables::<Task>().module(Board).in_memory()?;
/// db.mutate(AddTask { title: "Lift off".into(), limit: 1 }).expect("the first");
/// let error = db.mutate(AddTask { title: "Land".into(), limit: 1 }).expect_err("the second");
/// assert!(matches!(error, BoardError::TooMany { limit: 1 }));
/// assert_eq!(db.query(ListByCategory { category: Category::Todo })?.len(), 1);
/// # Ok::<(), tropism::Error>(())
/// ```
///
/// - `pub` makes the struct and the function public; `pub internal` makes the function internal, so that no client can
///   call it by name; without `pub` both are internal.
/// - Arguments are fields, all `pub`, of types that are [`Typed`](crate::Typed), `Clone`, `Debug` and `PartialEq`. In
///   JSON they have camelCase names; one with a default, and an `Option`, may be left out.
/// - The result is a type, and then the error is [`Error`](crate::Error), or `Result<type, error>`.
/// - The body is a block, in which each argument is a variable, or the name of a function that takes the transaction
///   (or context) and the struct.
/// - `pub module Name;` at the beginning writes a [`Module`](crate::Module) of all functions in the macro.
#[macro_export]
macro_rules! functions {
    (
        $(#[doc = $doc:expr])* $vis:vis module $module:ident ; $($items:tt)*
    ) => {
        $crate::__functions! { { $(#[doc = $doc])* $vis $module } [] $($items)* }
    };
    ($($items:tt)*) => { $crate::__functions! { {} [] $($items)* } };
}

/// Reads the next function; `[…]` has those so far.
#[doc(hidden)]
#[macro_export]
macro_rules! __functions {
    ({} [$($function:tt)*]) => {};
    ({ $(#[doc = $doc:expr])* $vis:vis $module:ident } [$({ $kind:ident $name:ident })*]) => {
        $(#[doc = $doc])*
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::default::Default)]
        #[allow(unreachable_pub)]
        $vis struct $module;

        impl $crate::Module for $module {
            fn register(&self, registration: &mut $crate::Registration) {
                $(registration.$kind::<$name>();)*
            }
        }
    };
    (
        $module:tt [$($so_far:tt)*]
        $(#[doc = $doc:expr])* $vis:vis internal $kind:ident $name:ident in $text:literal
        { $($arguments:tt)* } -> $($rest:tt)*
    ) => {
        $crate::__function_body! {
            { $module [$($so_far)* { $kind $name }] }
            { [$(#[doc = $doc])*] [$vis] Internal $kind $name $text { $($arguments)* } }
            $($rest)*
        }
    };
    (
        $module:tt [$($so_far:tt)*]
        $(#[doc = $doc:expr])* pub $kind:ident $name:ident in $text:literal
        { $($arguments:tt)* } -> $($rest:tt)*
    ) => {
        $crate::__function_body! {
            { $module [$($so_far)* { $kind $name }] }
            { [$(#[doc = $doc])*] [pub] Public $kind $name $text { $($arguments)* } }
            $($rest)*
        }
    };
    (
        $module:tt [$($so_far:tt)*]
        $(#[doc = $doc:expr])* $vis:vis $kind:ident $name:ident in $text:literal
        { $($arguments:tt)* } -> $($rest:tt)*
    ) => {
        $crate::__function_body! {
            { $module [$($so_far)* { $kind $name }] }
            { [$(#[doc = $doc])*] [$vis] Internal $kind $name $text { $($arguments)* } }
            $($rest)*
        }
    };
    ($module:tt $so_far:tt $unexpected:tt $($rest:tt)*) => {
        ::core::compile_error! {
            "expected `pub query Name in \"module:name\" { argument: Type } -> Output |tx| { … }`, or the same with \
             `mutation` or `action`, with `= function;` in place of the body, with `internal` after `pub`"
        }
    };
}

/// Reads the result and the body, writes the function and goes on.
#[doc(hidden)]
#[macro_export]
macro_rules! __function_body {
    ({ $module:tt $so_far:tt } $head:tt Result<$output:ty, $error:ty> |$tx:pat_param| $body:block $($rest:tt)*) => {
        $crate::__function! { $head [$output] [$error] [block $tx, $body] }
        $crate::__functions! { $module $so_far $($rest)* }
    };
    ({ $module:tt $so_far:tt } $head:tt Result<$output:ty, $error:ty> = $path:path; $($rest:tt)*) => {
        $crate::__function! { $head [$output] [$error] [path $path] }
        $crate::__functions! { $module $so_far $($rest)* }
    };
    ({ $module:tt $so_far:tt } $head:tt $output:ty |$tx:pat_param| $body:block $($rest:tt)*) => {
        $crate::__function! { $head [$output] [$crate::Error] [block $tx, $body] }
        $crate::__functions! { $module $so_far $($rest)* }
    };
    ({ $module:tt $so_far:tt } $head:tt $output:ty = $path:path; $($rest:tt)*) => {
        $crate::__function! { $head [$output] [$crate::Error] [path $path] }
        $crate::__functions! { $module $so_far $($rest)* }
    };
}

/// Writes one function.
#[doc(hidden)]
#[macro_export]
macro_rules! __function {
    (
        {
            [$(#[doc = $doc:expr])*] [$vis:vis] $visibility:ident $kind:ident $name:ident $text:literal
            { $($(#[doc = $argument_doc:expr])* $argument:ident : $ty:ty $(= $default:expr)?),* $(,)? }
        }
        [$output:ty] [$error:ty] $body:tt
    ) => {
        $(#[doc = $doc])*
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        #[allow(missing_docs, unreachable_pub)]
        $vis struct $name { $($(#[doc = $argument_doc])* pub $argument: $ty,)* }

        #[allow(
            non_snake_case, unreachable_pub, unused_assignments, unused_mut, unused_variables, clippy::unit_arg
        )]
        const _: () = {
            $crate::__typed_struct! { $name { $($argument: $ty $(= $default)?,)* } }

            impl $crate::Function for $name {
                const NAME: &'static str = $text;
                const VISIBILITY: $crate::Visibility = $crate::Visibility::$visibility;

                type Output = $output;
                type Error = $error;

                fn arguments() -> $crate::__private::Arguments<Self> {
                    $crate::__private::Arguments::typed()
                }

                fn describe() -> $crate::Description {
                    const ARGUMENTS: &[$crate::ArgumentDescription] = &[$($crate::ArgumentDescription {
                        name: $crate::__schema_json_name!($argument),
                        type_name: ::core::stringify!($ty),
                        text: $crate::__private::trim_doc(::core::concat!($($argument_doc, "\n"),*)),
                        default: $crate::__schema_option!($(::core::stringify!($default))?),
                    }),*];
                    $crate::Description {
                        text: $crate::__private::trim_doc(::core::concat!($($doc, "\n"),*)),
                        arguments: ::core::option::Option::Some(ARGUMENTS),
                        output: ::core::stringify!($output),
                    }
                }
            }

            $crate::__function_run! { $kind $name ($($argument)*) [$output] [$error] $body }
        };
    };
}

/// Writes what runs the function.
#[doc(hidden)]
#[macro_export]
macro_rules! __function_run {
    (query $name:ident $arguments:tt $output:tt $error:tt $body:tt) => {
        $crate::__function_run! { @write Query (&$crate::ReadTx) $name $arguments $output $error $body }
    };
    (mutation $name:ident $arguments:tt $output:tt $error:tt $body:tt) => {
        $crate::__function_run! { @write Mutation (&mut $crate::WriteTx) $name $arguments $output $error $body }
    };
    (action $name:ident $arguments:tt $output:tt $error:tt $body:tt) => {
        $crate::__function_run! { @write Action (&$crate::ActionContext) $name $arguments $output $error $body }
    };
    ($other:ident $name:ident $arguments:tt $output:tt $error:tt $body:tt) => {
        ::core::compile_error! { "a function is a `query`, a `mutation` or an `action`" }
    };
    (
        @write $kind:ident ($tx_type:ty) $name:ident ($($argument:ident)*) [$output:ty] [$error:ty]
        [block $tx:pat_param, $body:block]
    ) => {
        impl $crate::$kind for $name {
            fn run(&self, $tx: $tx_type) -> ::core::result::Result<$output, $error> {
                let Self { $($argument),* } = ::core::clone::Clone::clone(self);
                $body
            }
        }
    };
    (
        @write $kind:ident ($tx_type:ty) $name:ident $arguments:tt [$output:ty] [$error:ty] [path $path:path]
    ) => {
        impl $crate::$kind for $name {
            fn run(&self, tx: $tx_type) -> ::core::result::Result<$output, $error> {
                $path(tx, self)
            }
        }
    };
}
