//! The [`schema!`](crate::schema!) macro: reads enums, structs, tables and their `with` blocks one after the other.
//!
//! What an error must be able to point at is captured as `tt`: an `ident` or `literal` loses its place in the user's
//! file once it is an expression or a type.

/// Declares the tables of a database, and the enums and structs that fields, arguments and results use.
///
/// ```
/// use tropism::{Index, prelude::*};
///
/// schema! {
///     /// Where a task stands on the board.
///     #[derive(Default)]
///     pub enum Category { #[default] Backlog = "backlog", Todo = "todo", Done = "done" }
///
///     /// Where a report comes from. There may be others.
///     pub open enum Source { Ci = "ci", Webhook = "webhook" }
///
///     /// What a task is estimated at.
///     pub struct Estimate { hours: f64, by: Option<String>, is_rough was "rough": bool = true }
///
///     /// A software project.
///     pub table Project in "projects" { name: String, repository: Option<String> }
///
///     /// One piece of work.
///     pub table Task in "tasks" {
///         project_id: Id<Project>,
///         title was "name": String,
///         category: Category,
///         labels: Vec<String>,
///         priority: u8 = 0,
///         source: Option<Source>,
///         estimate: Option<Estimate>,
///     } with {
///         index by_project (project_id) on delete cascade;
///         index by_project_and_category (project_id, category);
///         multi by_label (labels);
///         convert priority: String => |old| old.parse().unwrap_or(0);
///     }
/// }
///
/// assert_eq!("todo".parse(), Ok(Category::Todo));
/// assert_eq!(Source::from("mail"), Source::Other("mail".to_owned()));
/// let by_category: Index<Task, (Id<Project>, Category)> = Task::by_project_and_category;
/// assert_eq!(by_category.name(), "by_project_and_category");
/// ```
///
/// # Enums
///
/// **An enum** is a text in rows and in JSON (`as_str`, `Display`, `FromStr`, serde). In keys it is one byte, in the
/// order of its variants: append new variants at the end, or the indexes over it are rebuilt. It has at most 256
/// variants. A text that is none of them is an error. It derives `Clone`, `Copy`, `Debug`, `PartialEq`, `Eq`,
/// `PartialOrd`, `Ord` and `Hash`.
///
/// **An open enum** is for values that somebody else decides. Its variant `Other(String)` holds every text that is none
/// of the others, so no such text is ever an error or lost. It is made from a text (`From`, `FromStr`), and two values
/// are equal if their texts are. In keys it is its text, so it sorts as text, and new variants may stand anywhere. It
/// implements `Clone`, `Debug`, `PartialEq`, `Eq`, `PartialOrd`, `Ord` and `Hash`, and is not `Copy`.
///
/// # Structs and tables
///
/// **A struct** is for values within rows, arguments and results. Its fields are all `pub`. It derives `Clone`, `Debug`
/// and `PartialEq`, and is a JSON object with camelCase names. A struct may contain itself, in a `Vec`, an
/// `Option<Box<…>>` or a map.
///
/// **A table** is a struct whose values are rows.
///
/// The fields of both:
/// - The type is [`Typed`](crate::Typed), `Clone`, `Debug` and `PartialEq`. Any type with serde's traits is one as
///   [`Json<T>`](crate::Json). Other types do not compile.
/// - `priority: u8 = 0` gives a default: to rows that were written before the field existed, and to JSON that lacks it,
///   for which it is computed once in a process.
/// - `title was "name": String` reads what earlier rows have as `name`.
///
/// # Indexes, references, conversions
///
/// **In the `with` block**, each statement ends in `;`:
/// - `index name (a, b)` keeps one entry per row, `unique name (a)` allows one row per key, `multi name (a)` over a
///   `Vec` keeps one entry per distinct element. The constant `Table::name` is the index's
///   [`Index`](crate::Index); every table has `by_id`, over its ids.
/// - `on delete cascade`, `restrict` or `set null` after the fields makes the first one, an `Id<…>` or `Option<Id<…>>`,
///   a reference: it must point at a row that exists, and the words say what deleting that row does to this one.
/// - `convert field: Old => |old| …` turns stored values of an earlier type into the declared one, a `fn(Old) -> New`.
/// - `dropped "note"` says that the field `note` of earlier rows is not declared any more, and that its values may go.
///
/// # Earlier rows
///
/// The database knows what it has stored, down to the fields of structs and the variants of enums, and compares that
/// with what is declared when it is opened. It carries out these changes:
/// - Fields are moved, added with a default or as an `Option`, and renamed with `was`, in tables and in structs.
/// - Variants are moved, added at any place, and renamed: `Done = "done" was "finished"`.
/// - A type grows: `u16` to `u32` or `i64`, `f32` to `f64`, `T` to `Option<T>`, `[T; N]` to `Vec<T>`, an enum to an
///   open one or to `String`, within options, lists, maps and tuples as well. Names of structs and enums do not matter.
///
/// Whatever else has changed is refused with an error that shows the line to write. Nothing is dropped in silence: a
/// field or variant that is stored and not declared needs `dropped`, also in the `with` block of a struct or an enum,
/// and a table is dropped with [`Builder::drop_table`](crate::Builder::drop_table). (A variant that is dropped must be
/// in no row any more.) So a program that is older than the database cannot lose what a newer one wrote.
///
/// ```
/// tropism::schema! {
///     pub enum State { Todo = "todo", Done = "done" was "finished" } with { dropped "stale"; }
///     pub struct Step { text: String, minutes: u32 = 5 } with { dropped "note"; }
///     pub table Task in "tasks" { title: String, state: State, steps: Vec<Step> } with { dropped "color", "size"; }
/// }
/// ```
///
/// Docs and attributes are carried through, for enums, variants, structs, tables, fields and indexes.
///
/// # Guarantees
///
/// - What is stored reads back equal, bit by bit for floats.
/// - Change is decided by the stored form and not by `==`: a patch that changes a bit is stored, and a result whose
///   stored form is equal is not delivered again.
/// - Equal arguments of a query are one live query, whatever the order in a map or a set.
/// - The stored form depends on the declared type alone, and the database holds a description of it. A type that
///   changed is noticed when the database opens, within nested structs and enums too, but not within a `Json<T>`.
///
/// # Limits
///
/// - The compiler's recursion limit ends one `schema!` at some hundred items: enums, structs, tables, and the statements
///   of the last `with` block. Several `schema!`s may refer to each other's items, in any order.
/// - An index has up to six fields, and a key with the row's id up to 4,096 bytes. A `Json<T>` cannot be a part of one.
/// - In keys 0.0 and −0.0 are one value, and every NaN is one value after all numbers.
/// - Structs may be 100 within each other.
#[macro_export]
macro_rules! schema {
    ($($items:tt)*) => { $crate::__schema_items! { [] $($items)* } };
}

/// Reads the next enum, struct or table; `[…]` has the names of the tables so far.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_items {
    ([$($name:tt)*]) => {
        const _: fn() = || {
            #[allow(dead_code)]
            const NAMES: &[&str] = &[$($name),*];
            $(
                $crate::__private::demand_table_name(
                    $crate::__private::Outcome::<{ $crate::__private::is_table_name($name) }>,
                    $name,
                );
                $crate::__private::demand_own_table_name(
                    $crate::__private::Outcome::<{ $crate::__private::occurs_once(NAMES, $name) }>,
                    $name,
                );
            )*
        };
    };
    (
        [$($name:tt)*]
        $(#[$meta:meta])* $vis:vis enum $enum:tt { $($variants:tt)* }
        with { $(dropped $($dropped:literal),+ $(,)? ;)* }
        $($rest:tt)*
    ) => {
        $crate::__schema_enum! { $(#[$meta])* $vis enum $enum { $($variants)* } [$($($dropped)+)*] }
        $crate::__schema_items! { [$($name)*] $($rest)* }
    };
    ([$($name:tt)*] $(#[$meta:meta])* $vis:vis enum $enum:tt { $($variants:tt)* } $($rest:tt)*) => {
        $crate::__schema_enum! { $(#[$meta])* $vis enum $enum { $($variants)* } [] }
        $crate::__schema_items! { [$($name)*] $($rest)* }
    };
    (
        [$($name:tt)*]
        $(#[$meta:meta])* $vis:vis open enum $enum:tt { $($variants:tt)* }
        with { $(dropped $($dropped:literal),+ $(,)? ;)* }
        $($rest:tt)*
    ) => {
        $crate::__schema_open_enum! { $(#[$meta])* $vis enum $enum { $($variants)* } [$($($dropped)+)*] }
        $crate::__schema_items! { [$($name)*] $($rest)* }
    };
    ([$($name:tt)*] $(#[$meta:meta])* $vis:vis open enum $enum:tt { $($variants:tt)* } $($rest:tt)*) => {
        $crate::__schema_open_enum! { $(#[$meta])* $vis enum $enum { $($variants)* } [] }
        $crate::__schema_items! { [$($name)*] $($rest)* }
    };
    (
        [$($name:tt)*]
        $(#[$meta:meta])* $vis:vis struct $struct:ident { $($fields:tt)* }
        with { $(dropped $($dropped:literal),+ $(,)? ;)* }
        $($rest:tt)*
    ) => {
        $crate::__schema_struct! { $(#[$meta])* $vis struct $struct { $($fields)* } [$($($dropped)+)*] }
        $crate::__schema_items! { [$($name)*] $($rest)* }
    };
    ([$($name:tt)*] $(#[$meta:meta])* $vis:vis struct $struct:ident { $($fields:tt)* } $($rest:tt)*) => {
        $crate::__schema_struct! { $(#[$meta])* $vis struct $struct { $($fields)* } [] }
        $crate::__schema_items! { [$($name)*] $($rest)* }
    };
    (
        [$($others:tt)*]
        $(#[$meta:meta])* $vis:vis table $table:tt in $name:tt { $($fields:tt)* } with { $($with:tt)* }
        $($rest:tt)*
    ) => {
        $crate::__schema_with! { { $(#[$meta])* $vis table $table in $name { $($fields)* } } [0] {} {} [] $($with)* }
        $crate::__schema_items! { [$($others)* $name] $($rest)* }
    };
    ([$($others:tt)*] $(#[$meta:meta])* $vis:vis table $table:tt in $name:tt { $($fields:tt)* } $($rest:tt)*) => {
        $crate::__schema_with! { { $(#[$meta])* $vis table $table in $name { $($fields)* } } [0] {} {} [] }
        $crate::__schema_items! { [$($others)* $name] $($rest)* }
    };
}

/// Reads the next statement of a `with` block, then writes the table.
///
/// Before the statements stand the table, the position of the next index, and the indexes, conversions and dropped
/// fields so far.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_with {
    ($table:tt $position:tt $indexes:tt $conversions:tt $dropped:tt) => {
        $crate::__schema_table! { ($) $table $indexes $conversions $dropped }
    };
    (
        $table:tt $position:tt $indexes:tt { $($conversions:tt)* } $dropped:tt
        convert $field:tt : $old:ty => $convert:expr ; $($rest:tt)*
    ) => {
        $crate::__schema_with! {
            $table $position $indexes { $($conversions)* { $field: $old => $convert } } $dropped $($rest)*
        }
    };
    (
        $table:tt $position:tt $indexes:tt $conversions:tt [$($dropped:tt)*]
        dropped $($field:literal),+ $(,)? ; $($rest:tt)*
    ) => {
        $crate::__schema_with! { $table $position $indexes $conversions [$($dropped)* $($field)+] $($rest)* }
    };
    (
        $table:tt [$($position:tt)+] { $($indexes:tt)* } $conversions:tt $dropped:tt
        $(#[$meta:meta])* $kind:ident $name:tt ($($part:tt),+ $(,)?) $(on delete $action:ident $($null:ident)?)? ;
        $($rest:tt)*
    ) => {
        $crate::__schema_index_rules! { $kind $name ($($part)+) [$($action $($null)?)?] }
        $crate::__schema_with! {
            $table [$($position)+ + 1]
            { $($indexes)* { [$(#[$meta])*] $kind $name [$($position)+] ($($part)+) [$($action $($null)?)?] } }
            $conversions
            $dropped
            $($rest)*
        }
    };
}

/// Reports what the grammar of an index lets through and its meaning does not.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_index_rules {
    (@broken $demand:ident $at:tt) => {
        #[allow(non_snake_case)]
        const _: fn() = || {
            let $at = ();
            $crate::__private::$demand($crate::__private::Outcome::<false>, $at);
        };
    };

    (@name by_id $name:tt) => { $crate::__schema_index_rules! { @broken demand_index_name $name } };
    (@name $other:tt $name:tt) => {};

    (@kind index $name:tt) => {};
    (@kind unique $name:tt) => {};
    (@kind multi $name:tt) => {};
    (@kind $other:ident $name:tt) => { $crate::__schema_index_rules! { @broken demand_index_kind $name } };

    (@parts multi $part:tt) => {};
    (@parts multi $part:tt $second:tt $($more:tt)*) => {
        $crate::__schema_index_rules! { @broken demand_multi_alone $second }
    };
    (@parts $kind:ident $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $seventh:tt $($more:tt)*) => {
        $crate::__schema_index_rules! { @broken demand_part_count $seventh }
    };
    (@parts $kind:ident $($part:tt)+) => {};

    (@action $kind:ident $name:tt) => {};
    (@action multi $name:tt $($action:ident)+) => {
        $crate::__schema_index_rules! { @broken demand_multi_reference $name }
    };
    (@action $kind:ident $name:tt cascade) => {};
    (@action $kind:ident $name:tt restrict) => {};
    (@action $kind:ident $name:tt set null) => {};
    (@action $kind:ident $name:tt $($other:ident)+) => {
        $crate::__schema_index_rules! { @broken demand_deletion $name }
    };

    ($kind:ident $name:tt ($($part:tt)+) [$($action:ident)*]) => {
        $crate::__schema_index_rules! { @name $name $name }
        $crate::__schema_index_rules! { @kind $kind $name }
        $crate::__schema_index_rules! { @parts $kind $($part)+ }
        $crate::__schema_index_rules! { @action $kind $name $($action)* }
    };
}
