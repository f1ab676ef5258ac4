//! The part of [`schema!`](crate::schema!) that writes plain structs.

/// Writes one struct.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_struct {
    (
        $(#[$meta:meta])* $vis:vis struct $struct:ident
        { $(
            $(#[$field_meta:meta])* $field_vis:vis $field:ident $(was $was:literal)? : $ty:ty $(= $default:expr)?
        ),* $(,)? }
        [$($dropped:literal)*]
    ) => {
        $(#[$meta])*
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        #[allow(unreachable_pub)]
        $vis struct $struct { $($(#[$field_meta])* pub $field: $ty,)* }

        #[allow(dead_code, non_snake_case, non_upper_case_globals, unreachable_pub, unused_variables)]
        const _: () = {
            $crate::__typed_struct! { $struct { $($field $(was $was)? : $ty $(= $default)?,)* } dropped [$($dropped)*] }

            const __TROPISM_FIELDS: &[&str] = &[$(::core::stringify!($field)),*];
            const _: fn() = || {
                $($crate::__schema_field_rules! { __TROPISM_FIELDS [$field_vis] $field: $ty })*
            };
        };
    };
}
