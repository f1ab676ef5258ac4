//! Why JSON is not a value of the type that is read.

/// Why JSON is not a value of the type that is read.
///
/// A path leads from the value as a whole to the part that is wrong: `steps[2].dueAt`; it is empty for the whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A field is absent and has no default.
    #[error("missing field `{path}`; expected {expected}")]
    Missing {
        /// Where the field would be.
        path: String,
        /// What it would be.
        expected: String,
    },
    /// There is no such field.
    #[error("unknown field `{path}`; there are {known:?}")]
    Unknown {
        /// Where it is.
        path: String,
        /// The fields that there are.
        known: Vec<String>,
    },
    /// A field, a key of a map or an element of a set is there twice.
    #[error("duplicate field `{path}`")]
    Duplicate {
        /// Where the second one is.
        path: String,
    },
    /// A value is of another type.
    #[error("{}expected {expected}, found {found}", prefix(path))]
    Wrong {
        /// Where it is.
        path: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// It cannot be read or written at all.
    #[error("{reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("`{path}`: ") }
}

impl JsonError {
    /// Where the fault is; empty for the value as a whole.
    pub fn path(&self) -> &str {
        match self {
            Self::Missing { path, .. }
            | Self::Unknown { path, .. }
            | Self::Duplicate { path }
            | Self::Wrong { path, .. } => path,
            Self::Unreadable { .. } => "",
        }
    }
}
