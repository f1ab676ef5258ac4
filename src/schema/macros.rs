//! The [`schema!`](crate::schema!) macro: reads enums, tables and their `with` blocks one after the other.
//!
//! What an error must be able to point at is captured as `tt`: an `ident` or `literal` loses its place in the user's
//! file once it is an expression or a type.

/// Declares the tables of a database and the enums they use.
///
/// ```
/// use tropism::{Index, prelude::*};
///
/// schema! {
///     /// Where a task stands on the board.
///     #[derive(Default)]
///     pub enum Category { #[default] Backlog = "backlog", Todo = "todo", Done = "done" }
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
///     } with {
///         index by_project (project_id) on delete cascade;
///         index by_project_and_category (project_id, category);
///         multi by_label (labels);
///         convert priority: String => |old| old.parse().unwrap_or(0);
///     }
/// }
///
/// assert_eq!("todo".parse(), Ok(Category::Todo));
/// let by_category: Index<Task, (Id<Project>, Category)> = Task::by_project_and_category;
/// assert_eq!(by_category.name(), "by_project_and_category");
/// ```
///
/// **An enum** is a text to the outside (`as_str`, `Display`, `FromStr`, serde) and one byte in keys, in the order of
/// its variants; append new ones at the end, or the indexes over it are rebuilt. It derives `Clone`, `Copy`, `Debug`,
/// `PartialEq`, `Eq`, `PartialOrd`, `Ord` and `Hash`.
///
/// **A table** is a struct whose fields are all `pub`. It derives `Clone`, `Debug` and `PartialEq`, and writes itself as
/// a JSON object with camelCase names. A field is any type with these, serde's two traits, `Send` and `Sync`.
/// - `priority: u8 = 0` gives a default: to rows that were written before the field existed, and to JSON that lacks it.
/// - `title was "name": String` reads what earlier rows have as `name`.
///
/// **In the `with` block**, each statement ends in `;`:
/// - `index name (a, b)` keeps one entry per row, `unique name (a)` allows one row per key, `multi name (a)` over a
///   `Vec` keeps one entry per distinct element. Up to six fields. The constant `Table::name` is the index's
///   [`Index`](crate::Index); every table has `by_id`, over its ids.
/// - `on delete cascade`, `restrict` or `set null` after the fields makes the first one, an `Id<…>` or `Option<Id<…>>`,
///   a reference: it must point at a row that exists, and the words say what deleting that row does to this one.
/// - `convert field: Old => |old| …` turns stored values of an earlier type into the declared one, a `fn(Old) -> New`.
///
/// Docs and attributes are carried through, for enums, variants, tables, fields and indexes.
///
/// Tables may refer to each other in any order, and to those of another `schema!`. The compiler's recursion limit ends
/// one `schema!` at some hundred items: enums, tables, and the statements of the last `with` block.
#[macro_export]
macro_rules! schema {
    ($($items:tt)*) => { $crate::__schema_items! { [] $($items)* } };
}

/// Reads the next enum or table; `[…]` has the names of the tables so far.
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
    ([$($name:tt)*] $(#[$meta:meta])* $vis:vis enum $enum:tt { $($variants:tt)* } $($rest:tt)*) => {
        $crate::__schema_enum! { $(#[$meta])* $vis enum $enum { $($variants)* } }
        $crate::__schema_items! { [$($name)*] $($rest)* }
    };
    (
        [$($others:tt)*]
        $(#[$meta:meta])* $vis:vis table $table:tt in $name:tt { $($fields:tt)* } with { $($with:tt)* }
        $($rest:tt)*
    ) => {
        $crate::__schema_with! { { $(#[$meta])* $vis table $table in $name { $($fields)* } } [0] {} {} $($with)* }
        $crate::__schema_items! { [$($others)* $name] $($rest)* }
    };
    ([$($others:tt)*] $(#[$meta:meta])* $vis:vis table $table:tt in $name:tt { $($fields:tt)* } $($rest:tt)*) => {
        $crate::__schema_with! { { $(#[$meta])* $vis table $table in $name { $($fields)* } } [0] {} {} }
        $crate::__schema_items! { [$($others)* $name] $($rest)* }
    };
}

/// Writes one enum.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $enum:tt { $($(#[$variant_meta:meta])* $variant:ident = $text:tt),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(
            ::core::clone::Clone,
            ::core::marker::Copy,
            ::core::fmt::Debug,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::cmp::PartialOrd,
            ::core::cmp::Ord,
            ::core::hash::Hash,
        )]
        #[allow(unreachable_pub)]
        $vis enum $enum { $($(#[$variant_meta])* $variant,)+ }

        #[allow(dead_code, unreachable_pub)]
        impl $enum {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The variant's text, which it is outside the program.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        #[allow(non_snake_case)]
        const _: () = {
            impl $crate::__private::TextEnum for $enum {
                const NAME: &'static str = $crate::__private::plain_name(::core::stringify!($enum));
                const TEXTS: &'static [&'static str] = &[$($text),+];
                const VARIANTS: &'static [Self] = Self::ALL;
            }

            impl ::core::fmt::Display for $enum {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.pad(self.as_str())
                }
            }

            impl ::core::str::FromStr for $enum {
                type Err = $crate::__private::UnknownVariant;

                fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                    $crate::__private::parse_variant(text)
                }
            }

            impl $crate::__private::serde::Serialize for $enum {
                fn serialize<S>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error>
                where
                    S: $crate::__private::serde::Serializer,
                {
                    serializer.serialize_str(self.as_str())
                }
            }

            impl<'de> $crate::__private::serde::Deserialize<'de> for $enum {
                fn deserialize<D>(deserializer: D) -> ::core::result::Result<Self, D::Error>
                where
                    D: $crate::__private::serde::Deserializer<'de>,
                {
                    $crate::__private::deserialize_variant(deserializer)
                }
            }

            impl $crate::__private::KeyPart for $enum {
                fn encode_key(&self, key: &mut $crate::__private::KeyWriter) {
                    key.push(&[*self as u8]);
                }
            }

            impl $crate::__private::KeyType for $enum {
                fn describe() -> ::std::string::String {
                    $crate::__private::describe_enum(<Self as $crate::__private::TextEnum>::TEXTS)
                }
            }

            const _: fn() = || {
                const TEXTS: &[&str] = <$enum as $crate::__private::TextEnum>::TEXTS;
                $($crate::__private::demand_variant_text(
                    $crate::__private::Outcome::<{ $crate::__private::occurs_once(TEXTS, $text) }>,
                    $text,
                );)+
                let $enum = ();
                $crate::__private::demand_variant_count($crate::__private::Outcome::<{ TEXTS.len() <= 256 }>, $enum);
            };
        };
    };
}

/// Reads the next statement of a `with` block, then writes the table.
///
/// Before the statements stand the table, the position of the next index, the indexes and the conversions so far.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_with {
    ($table:tt $position:tt $indexes:tt $conversions:tt) => {
        $crate::__schema_table! { ($) $table $indexes $conversions }
    };
    (
        $table:tt $position:tt $indexes:tt { $($conversions:tt)* }
        convert $field:tt : $old:ty => $convert:expr ; $($rest:tt)*
    ) => {
        $crate::__schema_with! { $table $position $indexes { $($conversions)* { $field: $old => $convert } } $($rest)* }
    };
    (
        $table:tt [$($position:tt)+] { $($indexes:tt)* } $conversions:tt
        $(#[$meta:meta])* $kind:ident $name:tt ($($part:tt),+ $(,)?) $(on delete $action:ident $($null:ident)?)? ;
        $($rest:tt)*
    ) => {
        $crate::__schema_index_rules! { $kind $name ($($part)+) [$($action $($null)?)?] }
        $crate::__schema_with! {
            $table [$($position)+ + 1]
            { $($indexes)* { [$(#[$meta])*] $kind $name [$($position)+] ($($part)+) [$($action $($null)?)?] } }
            $conversions
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
