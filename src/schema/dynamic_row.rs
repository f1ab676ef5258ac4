//! [`DynamicRow`]: a row known by what the catalog says of its table.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    catalog::CatalogTable,
    id_text::id_text,
    naming::json_name_of,
    value::{FieldValue, Value},
};
use crate::{
    encoding::{LayoutPlan, Layouts, RowReader, layout_of},
    error::RowError,
    time::Timestamp,
};

/// A row of any table, without the Rust type: its id, its creation time, and its fields as [`Value`]s.
///
/// The fields are those that the table has now. One that was added after the row was written has its default.
///
/// Its JSON form ([`to_json`](Self::to_json), or serde) is that of a [`Doc`](crate::Doc).
#[derive(Debug, Clone, PartialEq)]
pub struct DynamicRow {
    table: String,
    number: u64,
    created_at: Timestamp,
    fields: Vec<FieldValue>,
}

impl DynamicRow {
    /// The id as text.
    pub fn id(&self) -> String {
        id_text(&self.table, self.number)
    }

    /// The number of the id.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// When the row was inserted, by the clock of the database.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Every field, in the order in which the table has them.
    pub fn fields(&self) -> &[FieldValue] {
        &self.fields
    }

    /// The value of the field with this name, in Rust or in JSON.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let is_named = |field: &&FieldValue| field.name == name || field.json_name == name;
        self.fields.iter().find(is_named).map(|field| &field.value)
    }

    /// The JSON form: `_id`, `_creationTime` in milliseconds, then the fields in camelCase.
    pub fn to_json(&self) -> serde_json::Value {
        // Only a map with keys that JSON cannot have is refused, and no stored type has such keys.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Serialize for DynamicRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("_id", &self.id())?;
        object.serialize_entry("_creationTime", &self.created_at.as_millis())?;
        for field in &self.fields {
            if let Some(value) = field.in_json() {
                object.serialize_entry(&field.json_name, value)?;
            }
        }
        object.end()
    }
}

/// Reads rows of one table by its description.
#[derive(Debug)]
pub(crate) struct DynamicTable<'a> {
    table: &'a CatalogTable,
    /// Every layout as it stands.
    layouts: Layouts,
}

impl<'a> DynamicTable<'a> {
    /// For the rows of this table.
    pub(crate) fn new(table: &'a CatalogTable) -> Self {
        let plans = table.layouts.iter().map(|_| LayoutPlan::Current).collect();
        Self { table, layouts: Layouts { current: 0, plans } }
    }

    /// The row with this id.
    ///
    /// # Errors
    ///
    /// Bytes that are no row of the table.
    pub(crate) fn read(&self, number: u64, row: &[u8]) -> Result<DynamicRow, RowError> {
        self.read_fields(number, row).map_err(|error| match error {
            RowError::Decode { field, reason, .. } => {
                RowError::Decode { row: id_text(&self.table.name, number), field, reason }
            }
            RowError::Encode { .. } => error,
        })
    }

    fn read_fields(&self, number: u64, row: &[u8]) -> Result<DynamicRow, RowError> {
        let mut reader = RowReader::new(row, &self.layouts)?;
        let layout = layout_of(row).and_then(|layout| self.table.layouts.get(layout as usize));
        let layout = layout.unwrap_or_else(|| self.table.current_layout());
        let stored = layout.fields.iter().map(|field| reader.raw_field(&field.name)).collect::<Result<Vec<_>, _>>()?;
        let mut fields = Vec::with_capacity(self.table.current_layout().fields.len());
        for field in &self.table.current_layout().fields {
            let (of, bytes) = match layout.field(field.id) {
                Some((position, earlier)) => (&earlier.of, Some(stored[position].as_ref())),
                None => (&field.of, self.table.default_of(field.id)),
            };
            let decode_error =
                |reason: String| RowError::Decode { row: String::new(), field: field.name.clone(), reason };
            let bytes =
                bytes.ok_or_else(|| decode_error("the row has no such field, and there is no default".to_owned()))?;
            let value = Value::decode(of, bytes).map_err(|error| decode_error(error.to_string()))?;
            fields.push(FieldValue::new(field.name.clone(), json_name_of(&field.name), of, value));
        }
        Ok(DynamicRow { table: self.table.name.clone(), number, created_at: reader.created_at(), fields })
    }
}
