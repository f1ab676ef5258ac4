//! Why what a host registered does not fit together.

/// Why what a host registered does not fit together. Nothing was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// Two functions have one name.
    #[error("function {name:?} is registered by {first} and by {second}; rename one of them")]
    DuplicateFunction {
        /// The name.
        name: &'static str,
        /// The type of the first.
        first: &'static str,
        /// The type of the second.
        second: &'static str,
    },
    /// A function's name is not of the form that names have.
    #[error("function name {name:?} is not of the form `module:function` (letters, digits and `_` on both sides)")]
    FunctionName {
        /// The name.
        name: &'static str,
    },
    /// Two modules gave a resource of one type.
    #[error("resource {type_name} is registered twice; wrap one of them in a type of its own")]
    DuplicateResource {
        /// The type.
        type_name: &'static str,
    },
    /// Two crons have one name.
    #[error("cron {name:?} is registered twice; rename one of them")]
    DuplicateCron {
        /// The name.
        name: String,
    },
    /// A cron runs a function that is not registered.
    #[error("cron {cron:?} runs {function:?}, which is not registered")]
    UnknownCronFunction {
        /// The cron.
        cron: String,
        /// The function.
        function: &'static str,
    },
    /// A cron's schedule cannot be kept.
    #[error("cron {cron:?}: {reason}")]
    Schedule {
        /// The cron.
        cron: String,
        /// What is wrong with it.
        reason: String,
    },
}
