//! The part of [`schema!`](crate::schema!) that writes one table, once its `with` block has been read.

/// Writes the struct, its index constants, and the implementation of `Table`.
///
/// `($)` is a dollar sign, for the macros within: each looks a field up by its name. Names in here begin with
/// `__Tropism` where the user's types and expressions could meet them.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_table {
    (
        ($dollar:tt)
        {
            $(#[$meta:meta])* $vis:vis table $table:tt in $name:tt
            { $(
                $(#[$field_meta:meta])* $field_vis:vis $field:ident $(was $was:literal)? : $ty:ty $(= $default:expr)?
            ),* $(,)? }
        }
        { $({ [$(#[$index_meta:meta])*] $kind:ident $index:tt [$position:expr] $parts:tt $action:tt })* }
        { $({ $converted:tt : $old:ty => $convert:expr })* }
    ) => {
        $(#[$meta])*
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        #[allow(unreachable_pub)]
        $vis struct $table { $($(#[$field_meta])* pub $field: $ty,)* }

        #[allow(
            dead_code,
            non_camel_case_types,
            non_snake_case,
            non_upper_case_globals,
            unreachable_pub,
            unused_assignments,
            unused_macros,
            unused_mut,
            unused_variables
        )]
        const _: () = {
            macro_rules! __tropism_field_type {
                $(($field) => { $ty };)*
                ($dollar unknown:tt) => { $crate::__private::UnknownField };
            }
            macro_rules! __tropism_conversion {
                $(($converted) => {
                    ::core::option::Option::Some($crate::__private::Conversion {
                        from: ::core::stringify!($old),
                        convert: |stored| {
                            let convert: fn($old) -> __tropism_field_type!($converted) = $convert;
                            $crate::__private::encode_value(&convert($crate::__private::decode_value(stored)?))
                        },
                    })
                };)*
                ($dollar other:tt) => { ::core::option::Option::None };
            }

            impl $table {
                $($crate::__schema_index_constant! {
                    { $(#[$index_meta])* } $table $kind $index [$position] $parts
                })*

                #[doc = ::core::concat!("The rows of `", $name, "` in the order of their ids.")]
                pub const by_id: $crate::__private::Index<Self, ($crate::__private::Id<Self>,)> =
                    $crate::__private::Index::by_id();
            }

            $($crate::__schema_multi_constant! { { $(#[$index_meta])* } $table $kind $index [$position] $parts })*

            impl $crate::__private::Table for $table {
                const DEFINITION: &'static $crate::__private::TableDefinition = &$crate::__private::TableDefinition {
                    name: $name,
                    fields: &[$($crate::__private::FieldDefinition {
                        name: $crate::__private::plain_name(::core::stringify!($field)),
                        type_name: ::core::stringify!($ty),
                        of: $crate::__private::Type::of::<$ty>,
                        was: $crate::__schema_option!($($was)?),
                        default: $crate::__schema_option!($(|| {
                            let value: $ty = $default;
                            $crate::__private::encode_value(&value)
                        })?),
                        conversion: __tropism_conversion!($field),
                    }),*],
                    indexes: &[$($crate::__private::IndexDefinition {
                        name: $crate::__private::plain_name(::core::stringify!($index)),
                        kind: $crate::__schema_index_kind!($kind),
                        fields: $crate::__schema_index_fields!($parts),
                        key_types: || $crate::__private::key_types::<$table>($position),
                        reference: $crate::__schema_reference!($table [$position] $action),
                    }),*],
                };

                fn describe_fields(
                    describer: &mut $crate::__private::Describer,
                ) -> ::std::vec::Vec<$crate::__private::FieldType> {
                    $crate::__typed_fields!($($field $(was $was)? : $ty $(= $default)?,)*)(describer)
                }

                fn write_fields(
                    &self,
                    row: &mut $crate::__private::RowWriter,
                ) -> ::core::result::Result<(), $crate::__private::RowError> {
                    $(row.field::<$ty>($crate::__private::plain_name(::core::stringify!($field)), &self.$field)?;)*
                    ::core::result::Result::Ok(())
                }

                fn read_fields(
                    row: &mut $crate::__private::RowReader<'_>,
                ) -> ::core::result::Result<Self, $crate::__private::RowError> {
                    ::core::result::Result::Ok(Self {
                        $($field: row.field::<$ty>($crate::__private::plain_name(::core::stringify!($field)))?,)*
                    })
                }

                fn visit_index<V: $crate::__private::IndexVisitor<Self>>(index: usize, visitor: &mut V) {
                    $(if index == $position {
                        $crate::__schema_visit_index! { visitor $kind $parts $action }
                    })*
                }

                fn clear_reference(&mut self, index: usize) {
                    $(if index == $position {
                        $crate::__schema_clear_reference! { self $parts $action }
                    })*
                }
            }

            $crate::__typed_struct! { $table { $($field $(was $was)? : $ty $(= $default)?,)* } }

            const __TROPISM_FIELDS: &[&str] = &[$(::core::stringify!($field)),*];
            const __TROPISM_INDEXES: &[&str] = &[$(::core::stringify!($index)),*];
            const __TROPISM_CONVERTED: &[&str] = &[$(::core::stringify!($converted)),*];
            const _: fn(&$table) = |row| {
                $($crate::__schema_field_rules! { __TROPISM_FIELDS [$field_vis] $field: $ty })*
                $(
                    let $index = ();
                    $crate::__private::demand_own_index_name(
                        $crate::__private::Outcome::<
                            { $crate::__private::occurs_once(__TROPISM_INDEXES, ::core::stringify!($index)) }
                        >,
                        $index,
                    );
                )*
                $(
                    // Reports a field that does not exist.
                    let _ = &row.$converted;
                    let $converted = ();
                    $crate::__private::demand_single_conversion(
                        $crate::__private::Outcome::<
                            { $crate::__private::occurs_once(__TROPISM_CONVERTED, ::core::stringify!($converted)) }
                        >,
                        $converted,
                    );
                )*
            };
        };
    };
}

/// Reports what the grammar of a field lets through and its meaning does not. The errors point at the type.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_field_rules {
    ($fields:ident [$vis:vis] $field:ident : $ty:ty) => {
        $crate::__private::demand_public_field::<{ $crate::__private::is_public(::core::stringify!($vis)) }, $ty>();
        $crate::__private::demand_own_field_name::<
            { $crate::__private::occurs_once($fields, ::core::stringify!($field)) },
            $ty,
        >();
        $crate::__private::demand_own_json_name::<
            { $crate::__private::has_own_json_name($fields, ::core::stringify!($field)) },
            $ty,
        >();
    };
}

/// An optional piece of the grammar as an `Option`.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_option {
    () => {
        ::core::option::Option::None
    };
    ($value:expr) => {
        ::core::option::Option::Some($value)
    };
}

/// A field's JSON name, worked out while compiling.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_json_name {
    ($field:ident) => {{
        const NAME: &str = $crate::__private::plain_name(::core::stringify!($field));
        const CAMEL: [u8; $crate::__private::camel_case_len(NAME)] = $crate::__private::camel_case(NAME);
        $crate::__private::camel_case_text(&CAMEL)
    }};
}

/// The constant of an index that is no `multi`. (`by_id` is reported elsewhere.)
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_index_constant {
    ($meta:tt $table:tt $kind:ident by_id $position:tt $parts:tt) => {};
    ($meta:tt $table:tt multi $index:tt $position:tt $parts:tt) => {};
    ({ $(#[$meta:meta])* } $table:tt $kind:ident $index:tt [$position:expr] ($($part:tt)+)) => {
        $(#[$meta])*
        #[doc = ::core::concat!("The `", ::core::stringify!($kind), "` over (", ::core::stringify!($($part),+), ").")]
        pub const $index: $crate::__private::Index<$table, ($(__tropism_field_type!($part),)+)> =
            $crate::__private::Index::declared($position);
    };
}

/// The constant of a `multi` index. The alias makes an error about the field's type point at the field's name.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_multi_constant {
    ($meta:tt $table:tt multi by_id $position:tt $parts:tt) => {};
    ({ $(#[$meta:meta])* } $table:tt multi $index:tt [$position:expr] ($field:tt $($more:tt)*)) => {
        const _: () = {
            type $field = <__tropism_field_type!($field) as $crate::__private::MultiField>::Element;

            impl $table {
                $(#[$meta])*
                #[doc = ::core::concat!("The `multi` over the elements of `", ::core::stringify!($field), "`.")]
                pub const $index: $crate::__private::Index<$table, ($field,)> =
                    $crate::__private::Index::declared($position);
            }
        };
    };
    ($($other:tt)*) => {};
}

/// The kind of an index by the word it is declared with. (Another word is reported elsewhere.)
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_index_kind {
    (unique) => {
        $crate::__private::IndexKind::Unique
    };
    (multi) => {
        $crate::__private::IndexKind::Multi
    };
    ($other:ident) => {
        $crate::__private::IndexKind::Plain
    };
}

/// The names of an index's fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_index_fields {
    (($($part:tt)+)) => { &[$($crate::__private::plain_name(::core::stringify!($part))),+] };
}

/// The reference of an index that says `on delete`. (Other words than these are reported elsewhere.)
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_reference {
    (@some $table:tt [$position:expr] $on_delete:ident) => {
        ::core::option::Option::Some($crate::__private::Reference {
            target: || $crate::__private::reference_target::<$table>($position),
            on_delete: $crate::__private::OnDelete::$on_delete,
        })
    };
    ($table:tt $position:tt [cascade]) => { $crate::__schema_reference!(@some $table $position Cascade) };
    ($table:tt $position:tt [restrict]) => { $crate::__schema_reference!(@some $table $position Restrict) };
    ($table:tt $position:tt [set null]) => { $crate::__schema_reference!(@some $table $position SetNull) };
    ($table:tt $position:tt $other:tt) => { ::core::option::Option::None };
}

/// Shows a visitor the fields of one index.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_visit_index {
    (@show $visitor:ident $method:ident $field:tt) => {
        let $field: fn(&Self) -> &_ = |row| &row.$field;
        $visitor.$method($field);
    };
    ($visitor:ident multi ($field:tt $($more:tt)*) $action:tt) => {
        $crate::__schema_visit_index! { @show $visitor elements $field }
    };
    ($visitor:ident $kind:ident ($($part:tt)+) []) => {
        $($crate::__schema_visit_index! { @show $visitor part $part })+
    };
    ($visitor:ident $kind:ident ($first:tt $($more:tt)*) $action:tt) => {
        $crate::__schema_visit_index! { @show $visitor reference $first }
        $crate::__schema_visit_index! { $visitor $kind ($first $($more)*) [] }
    };
}

/// Sets the reference of an index that says `on delete set null` to `None`.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_clear_reference {
    ($row:ident ($field:tt $($more:tt)*) [set null]) => {
        let $field = &mut $row.$field;
        $crate::__private::clear_reference($field);
    };
    ($row:ident $parts:tt $other:tt) => {};
}
