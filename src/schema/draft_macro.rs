//! What `schema!` and `functions!` have in common: a struct whose fields are read by name, some of them absent.

/// Writes `__TropismDraft`, which reads the fields of a struct one after the other.
#[doc(hidden)]
#[macro_export]
macro_rules! __draft {
    ([$vis:vis] $target:tt [$names:expr] { $($field:ident: $ty:ty $(= $default:expr)?,)* }) => {
        #[derive(::core::default::Default)]
        $vis struct __TropismDraft { $($field: ::core::option::Option<$ty>,)* }

        impl $crate::__private::Draft for __TropismDraft {
            type Value = $target;

            const NAMES: &'static [&'static str] = $names;

            fn read<'de, A: $crate::__private::serde::de::MapAccess<'de>>(
                &mut self,
                position: usize,
                map: &mut A,
            ) -> ::core::result::Result<(), A::Error> {
                let mut next = 0;
                $(
                    if position == next {
                        return $crate::__private::read_once(&mut self.$field, Self::NAMES[position], map);
                    }
                    next += 1;
                )*
                ::core::unreachable!("positions are those of `NAMES`")
            }

            fn read_all<'de, A: $crate::__private::serde::de::SeqAccess<'de>>(
                &mut self,
                sequence: &mut A,
            ) -> ::core::result::Result<(), A::Error> {
                $(self.$field = sequence.next_element()?;)*
                ::core::result::Result::Ok(())
            }

            fn finish<__TropismError: $crate::__private::serde::de::Error>(
                self,
            ) -> ::core::result::Result<$target, __TropismError> {
                ::core::result::Result::Ok($target { $($field: {
                    match self.$field {
                        ::core::option::Option::Some(value) => value,
                        ::core::option::Option::None => $crate::__schema_absent_field!($field: $ty $(= $default)?),
                    }
                },)* })
            }
        }
    };
}
