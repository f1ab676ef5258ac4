//! [`Layouts`]: how rows of every layout are read as what is declared today.

use std::{fmt, sync::Arc};

/// How rows of every layout that was ever used map to the fields that are declared today.
#[derive(Debug)]
pub struct Layouts {
    /// The layout that rows are written in.
    pub(crate) current: u32,
    /// By layout number.
    pub(crate) plans: Vec<LayoutPlan>,
}

/// How rows of one layout are read.
#[derive(Debug)]
pub(crate) enum LayoutPlan {
    /// Field by field as they stand.
    Current,
    /// Where each declared field comes from.
    Mapped(Vec<FieldSource>),
    /// No row of this layout is left.
    Retired,
}

/// Where a declared field comes from, in a row of an earlier layout.
#[derive(Debug, Clone)]
pub(crate) enum FieldSource {
    /// From the stored field at this position.
    Stored(usize),
    /// From the stored field at this position, through a conversion.
    Converted(usize, Arc<dyn ConvertField>),
    /// From the default that was in force when the field was added.
    Default(Arc<[u8]>),
}

/// Turns stored values of a field's earlier type into stored values of its declared type.
pub(crate) trait ConvertField: fmt::Debug + Send + Sync {
    /// The value in the declared type, or why there is none.
    fn convert(&self, stored: &[u8]) -> Result<Vec<u8>, String>;
}
