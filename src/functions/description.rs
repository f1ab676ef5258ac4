//! What a function says of itself: its kind, who may call it, its arguments.

use std::fmt;

use serde::{Serialize, Serializer};

/// Who may call a function by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// The host and other functions, and no client.
    Internal,
}

/// Who calls a function by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Somebody outside, who may call what is public.
    Client,
    /// The host itself, who may call everything.
    Host,
}

/// What a function may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FunctionKind {
    /// It reads.
    Query,
    /// It reads and writes in one transaction.
    Mutation,
    /// It talks to the outside.
    Action,
}

impl FunctionKind {
    /// In lower case: `query`, `mutation`, `action`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Action => "action",
        }
    }
}

impl Visibility {
    /// In lower case: `public`, `internal`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for FunctionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for FunctionKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Visibility {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a function says of itself, in words. [`FunctionDescription`](crate::FunctionDescription) adds the types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What it does.
    pub text: &'static str,
    /// Its arguments; `None` where they are not described. Where they are, a call by name may give no others.
    pub arguments: Option<&'static [ArgumentDescription]>,
    /// The type of its result, as the source has it.
    pub output: &'static str,
}

/// What is said of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgumentDescription {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its type as the source has it, for people. An `Option` may be left out.
    /// [`FunctionDescription::argument_type`](crate::FunctionDescription::argument_type) says what the type is made of.
    pub type_name: &'static str,
    /// What it means.
    pub text: &'static str,
    /// What it is where it is left out, as it is written in Rust.
    pub default: Option<&'static str>,
}
