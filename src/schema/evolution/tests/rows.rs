use proptest::prelude::*;

use super::*;
use crate::{
    encoding::{RowReader, RowWriter, layout_of},
    time::Timestamp,
};

/// Fields are numbers or texts.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(u64),
    Text(String),
}

/// A field of the model: what it is called, whether it is a text, and whether rows may still hold it as a number.
#[derive(Debug, Clone)]
struct ModelField {
    name: &'static str,
    was: Option<&'static str>,
    is_text: bool,
    is_converting: bool,
}

/// What happens to a schema from one release to the next.
#[derive(Debug, Clone)]
enum Step {
    Add {
        at: usize,
        is_text: bool,
    },
    Remove {
        at: usize,
    },
    Rename {
        at: usize,
    },
    Rotate {
        by: usize,
    },
    Convert {
        at: usize,
    },
    Insert {
        number: u64,
    },
    /// Rewrites the rows as an opening does, but stops after some.
    Rewrite {
        rows: usize,
    },
}

/// A table whose rows are kept twice: as bytes of some layout, and as the values that they should read as.
struct World {
    catalog: Catalog,
    fields: Vec<ModelField>,
    dropped: Vec<&'static str>,
    rows: Vec<(Vec<u8>, Vec<Value>)>,
    names: usize,
}

impl World {
    fn new() -> Self {
        let mut world =
            Self { catalog: Catalog::default(), fields: Vec::new(), dropped: Vec::new(), rows: Vec::new(), names: 0 };
        world.evolve();
        world
    }

    fn take_name(&mut self) -> &'static str {
        self.names += 1;
        format!("field_{}", self.names).leak()
    }

    fn definition(&self) -> &'static TableDefinition {
        let declared = |model: &ModelField| FieldDefinition {
            name: model.name,
            type_name: if model.is_text { "String" } else { "u64" },
            of: if model.is_text { Type::of::<String> } else { Type::of::<u64> },
            was: model.was,
            default: Some(if model.is_text { || encode_value(&"seven".to_owned()) } else { || encode_value(&7u64) }),
            conversion: model.is_converting.then_some(Conversion {
                from: "u64",
                of: Type::of::<u64>,
                convert: number_to_text,
            }),
        };
        dropping(self.dropped.clone().leak(), "items", self.fields.iter().map(declared).collect(), vec![])
    }

    fn evolve(&mut self) {
        let has_rows = !self.rows.is_empty();
        self.catalog = evolve(&self.catalog, &[self.definition()], &[], &mut |_| Ok(has_rows)).unwrap();
        self.catalog = Catalog::decode(&self.catalog.encode()).unwrap();
    }

    fn write(&self, values: &[Value]) -> Vec<u8> {
        let layout = self.catalog.tables[0].layouts.len() as u32 - 1;
        let mut row = RowWriter::new(layout, Timestamp::EPOCH);
        for value in values {
            match value {
                Value::Number(number) => row.field("field", number).unwrap(),
                Value::Text(text) => row.field("field", text).unwrap(),
            }
        }
        row.finish().to_vec()
    }

    fn read(&self, row: &[u8], layouts: &Layouts) -> Vec<Value> {
        let mut row = RowReader::new(row, layouts).unwrap();
        let read = |field: &ModelField| match field.is_text {
            true => Value::Text(row.field("field").unwrap()),
            false => Value::Number(row.field("field").unwrap()),
        };
        self.fields.iter().map(read).collect()
    }

    fn check(&self) {
        let layouts = layouts(&self.catalog.tables[0], self.definition());
        for (bytes, expected) in &self.rows {
            assert_eq!(&self.read(bytes, &layouts), expected);
        }
    }

    fn take(&mut self, step: Step) {
        let count = self.fields.len();
        match step {
            Step::Add { at, is_text } => {
                let name = self.take_name();
                let at = at % (count + 1);
                self.fields.insert(at, ModelField { name, was: None, is_text, is_converting: false });
                let default = if is_text { Value::Text("seven".to_owned()) } else { Value::Number(7) };
                self.rows.iter_mut().for_each(|(_, values)| values.insert(at, default.clone()));
            }
            Step::Remove { at } if count > 0 => {
                self.dropped.push(self.fields.remove(at % count).name);
                self.rows.iter_mut().for_each(|(_, values)| drop(values.remove(at % count)));
            }
            Step::Rename { at } if count > 0 => {
                let name = self.take_name();
                let field = &mut self.fields[at % count];
                (field.was, field.name) = (Some(field.name), name);
            }
            Step::Rotate { by } if count > 0 => {
                self.fields.rotate_left(by % count);
                self.rows.iter_mut().for_each(|(_, values)| values.rotate_left(by % count));
            }
            Step::Convert { at } if count > 0 && !self.fields[at % count].is_text => self.convert(at % count),
            Step::Insert { number } => {
                let value = |field: &ModelField| match field.is_text {
                    true => Value::Text(number.to_string()),
                    false => Value::Number(number),
                };
                let values: Vec<Value> = self.fields.iter().map(value).collect();
                self.rows.push((self.write(&values), values));
            }
            Step::Rewrite { rows } => self.rewrite(rows),
            Step::Remove { .. } | Step::Rename { .. } | Step::Rotate { .. } | Step::Convert { .. } => {}
        }
        self.evolve();
        self.check();
    }

    fn convert(&mut self, at: usize) {
        (self.fields[at].is_text, self.fields[at].is_converting) = (true, true);
        for (_, values) in &mut self.rows {
            if let Value::Number(number) = values[at] {
                values[at] = Value::Text(number.to_string());
            }
        }
    }

    fn rewrite(&mut self, rows: usize) {
        let layouts = layouts(&self.catalog.tables[0], self.definition());
        for position in 0..rows.min(self.rows.len()) {
            if layout_of(&self.rows[position].0) != Some(layouts.current) {
                let values = self.read(&self.rows[position].0, &layouts);
                self.rows[position].0 = self.write(&values);
            }
        }
        if rows >= self.rows.len() {
            let table = &mut self.catalog.tables[0];
            let earlier = table.layouts.len() - 1;
            table.layouts[..earlier].iter_mut().for_each(|layout| layout.is_live = false);
            table.is_rewriting = false;
            self.fields.iter_mut().for_each(|field| field.is_converting = false);
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0usize..8;
    let step = prop_oneof![
        3 => (at.clone(), any::<bool>()).prop_map(|(at, is_text)| Step::Add { at, is_text }),
        1 => at.clone().prop_map(|at| Step::Remove { at }),
        1 => at.clone().prop_map(|at| Step::Rename { at }),
        1 => at.clone().prop_map(|by| Step::Rotate { by }),
        2 => at.prop_map(|at| Step::Convert { at }),
        3 => any::<u64>().prop_map(|number| Step::Insert { number }),
        2 => (0usize..6).prop_map(|rows| Step::Rewrite { rows }),
    ];
    prop::collection::vec(step, 0..30)
}

proptest! {
    #[test]
    fn rows_of_any_age_read_as_what_is_declared(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
    }
}

fn fixed(fields: Vec<FieldDefinition>) -> &'static TableDefinition {
    table("items", fields, vec![])
}

#[test]
fn the_last_layout_is_read_as_it_stands_and_a_dead_one_not_at_all() {
    let stored = created(&[fixed(vec![field("a", "u64")])]);
    let declared = fixed(vec![field("a", "u64"), field("b", "u64")]);
    let catalog = without_rows(&stored, &[declared]).unwrap();
    let layouts = layouts(&catalog.tables[0], declared);
    assert_eq!(layouts.current, 1);
    assert!(matches!(layouts.plans[..], [LayoutPlan::Retired, LayoutPlan::Current]));
}

#[test]
fn an_earlier_layout_is_mapped_by_field_ids() {
    let stored = created(&[fixed(vec![field("a", "u64"), field("b", "u64")])]);
    let declared = fixed(vec![with_default("c", "u64"), converted("b", "String", "u64"), was("d", "a", "u64")]);
    let catalog = with_rows(&stored, &[declared]).unwrap();
    let layouts = layouts(&catalog.tables[0], declared);
    let LayoutPlan::Mapped(sources) = &layouts.plans[0] else { panic!("got {:?}", layouts.plans) };
    let [FieldSource::Default(default), FieldSource::Converted(1, _), FieldSource::Stored(0)] = &sources[..] else {
        panic!("got {sources:?}")
    };
    assert_eq!(**default, [7]);
}
