//! The parts of [`schema!`](crate::schema!) that write enums.

/// Writes one enum.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $enum:tt {
            $($(#[$variant_meta:meta])* $variant:ident = $text:tt $(was $was:literal)?),+ $(,)?
        }
        [$($dropped:literal)*]
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

            $crate::__schema_enum_serde! { $enum deserialize_variant }

            impl $crate::__private::Typed for $enum {
                fn describe(_: &mut $crate::__private::Describer) -> $crate::__private::Type {
                    const EARLIER: &[(&str, ::core::option::Option<&str>)] =
                        &[$(($text, $crate::__schema_option!($($was)?))),+];
                    $crate::__private::describe_variants::<Self>(EARLIER).dropping(&[$($dropped),*])
                }

                fn encode(&self, stored: &mut $crate::__private::StoredWriter) {
                    stored.counted(self.as_str().as_bytes());
                }

                fn decode(
                    stored: &mut $crate::__private::StoredReader<'_>,
                ) -> ::core::result::Result<Self, $crate::__private::DecodeError> {
                    $crate::__private::decode_variant(stored)
                }

                fn is_same(&self, other: &Self) -> bool {
                    self == other
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

/// Writes one open enum.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_open_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $enum:tt {
            $($(#[$variant_meta:meta])* $variant:ident = $text:tt $(was $was:literal)?),+ $(,)?
        }
        [$($dropped:literal)*]
    ) => {
        $(#[$meta])*
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[allow(unreachable_pub)]
        $vis enum $enum {
            $($(#[$variant_meta])* $variant,)+
            /// A text that is none of the others.
            Other(::std::string::String),
        }

        #[allow(dead_code, unreachable_pub)]
        impl $enum {
            /// Every variant that has a name, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text, which it is outside the program.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        #[allow(non_snake_case)]
        const _: () = {
            const __TROPISM_TEXTS: &[&str] = &[$($text),+];

            impl ::core::convert::From<&str> for $enum {
                fn from(text: &str) -> Self {
                    match text {
                        $($text => Self::$variant,)+
                        other => Self::Other(::std::borrow::ToOwned::to_owned(other)),
                    }
                }
            }

            impl ::core::convert::From<::std::string::String> for $enum {
                fn from(text: ::std::string::String) -> Self {
                    Self::from(text.as_str())
                }
            }

            impl ::core::str::FromStr for $enum {
                type Err = ::core::convert::Infallible;

                fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                    ::core::result::Result::Ok(Self::from(text))
                }
            }

            impl ::core::fmt::Display for $enum {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.pad(self.as_str())
                }
            }

            impl ::core::cmp::PartialEq for $enum {
                fn eq(&self, other: &Self) -> bool {
                    self.as_str() == other.as_str()
                }
            }

            impl ::core::cmp::Eq for $enum {}

            impl ::core::cmp::PartialOrd for $enum {
                fn partial_cmp(&self, other: &Self) -> ::core::option::Option<::core::cmp::Ordering> {
                    ::core::option::Option::Some(::core::cmp::Ord::cmp(self, other))
                }
            }

            impl ::core::cmp::Ord for $enum {
                fn cmp(&self, other: &Self) -> ::core::cmp::Ordering {
                    ::core::cmp::Ord::cmp(self.as_str(), other.as_str())
                }
            }

            impl ::core::hash::Hash for $enum {
                fn hash<H: ::core::hash::Hasher>(&self, state: &mut H) {
                    ::core::hash::Hash::hash(self.as_str(), state);
                }
            }

            $crate::__schema_enum_serde! { $enum deserialize_text }

            impl $crate::__private::Typed for $enum {
                fn describe(_: &mut $crate::__private::Describer) -> $crate::__private::Type {
                    const NAME: &str = $crate::__private::plain_name(::core::stringify!($enum));
                    const EARLIER: &[(&str, ::core::option::Option<&str>)] =
                        &[$(($text, $crate::__schema_option!($($was)?))),+];
                    let described = $crate::__private::EnumType::new(NAME, __TROPISM_TEXTS, true).with(EARLIER);
                    $crate::__private::Type::Enum(described).dropping(&[$($dropped),*])
                }

                fn encode(&self, stored: &mut $crate::__private::StoredWriter) {
                    stored.counted(self.as_str().as_bytes());
                }

                fn decode(
                    stored: &mut $crate::__private::StoredReader<'_>,
                ) -> ::core::result::Result<Self, $crate::__private::DecodeError> {
                    ::core::result::Result::Ok(Self::from(stored.text()?))
                }

                fn is_same(&self, other: &Self) -> bool {
                    self == other
                }
            }

            impl $crate::__private::KeyPart for $enum {
                fn encode_key(&self, key: &mut $crate::__private::KeyWriter) {
                    key.part(self.as_str());
                }
            }

            impl $crate::__private::KeyType for $enum {
                fn describe() -> ::std::string::String {
                    // The same keys as those of a `String`.
                    <::std::string::String as $crate::__private::KeyType>::describe()
                }
            }

            const _: fn() = || {
                $($crate::__private::demand_variant_text(
                    $crate::__private::Outcome::<{ $crate::__private::occurs_once(__TROPISM_TEXTS, $text) }>,
                    $text,
                );)+
            };
        };
    };
}

/// serde's traits of an enum: it is its text, and this function reads it.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_enum_serde {
    ($enum:tt $read:ident) => {
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
                $crate::__private::$read(deserializer)
            }
        }
    };
}
