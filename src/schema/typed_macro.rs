//! What `schema!` and `functions!` write for every struct: what it is made of, its stored form, serde's traits.

/// Implements `Typed` and serde's traits for a struct with these fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __typed_struct {
    (
        $name:ident { $($field:ident $(was $was:literal)? : $ty:ty $(= $default:expr)?,)* }
        $(dropped [$($dropped:literal)*])?
    ) => {
        impl $crate::__private::Typed for $name {
            fn describe(describer: &mut $crate::__private::Describer) -> $crate::__private::Type {
                describer.structure::<Self>(
                    $crate::__private::plain_name(::core::stringify!($name)),
                    $crate::__typed_fields!($($field $(was $was)? : $ty $(= $default)?,)*),
                )
                $(.dropping(&[$($dropped),*]))?
            }

            fn encode(&self, stored: &mut $crate::__private::StoredWriter) {
                stored.structure(|stored| {
                    $(<$ty as $crate::__private::Typed>::encode(&self.$field, stored);)*
                });
            }

            fn decode(
                stored: &mut $crate::__private::StoredReader<'_>,
            ) -> ::core::result::Result<Self, $crate::__private::DecodeError> {
                stored.structure(|stored| ::core::result::Result::Ok(Self {
                    $($field: <$ty as $crate::__private::Typed>::decode(stored)?,)*
                }))
            }

            fn is_same(&self, other: &Self) -> bool {
                true $(&& <$ty as $crate::__private::Typed>::is_same(&self.$field, &other.$field))*
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error>
            where
                S: $crate::__private::serde::Serializer,
            {
                $crate::__private::serialize(self, serializer)
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D>(deserializer: D) -> ::core::result::Result<Self, D::Error>
            where
                D: $crate::__private::serde::Deserializer<'de>,
            {
                $crate::__private::deserialize(deserializer)
            }
        }
    };
}

/// A function that describes fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __typed_fields {
    ($($field:ident $(was $was:literal)? : $ty:ty $(= $default:expr)?,)*) => {
        |describer: &mut $crate::__private::Describer| ::std::vec![$(
            $crate::__private::FieldType::new(
                $crate::__private::plain_name(::core::stringify!($field)),
                $crate::__schema_json_name!($field),
                <$ty as $crate::__private::Typed>::describe(describer),
            )
            .with(
                $crate::__schema_option!($($was)?),
                $crate::__schema_option!($({
                    let value: $ty = $default;
                    $crate::__private::encode_value(&value)
                })?),
            )
        ),*]
    };
}
