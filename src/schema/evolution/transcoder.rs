//! [`Transcoder`]: stored values of one type to stored values of another, without either type in Rust.

use std::collections::HashSet;

use crate::encoding::{DecodeError, IntegerType, StoredReader, StoredWriter};

/// Turns the stored form of a value into its stored form in another type. `fit` makes it from two descriptions.
#[derive(Debug)]
pub(super) struct Transcoder {
    steps: Vec<Step>,
    root: StepId,
}

/// The position of a step among those of its transcoder: types that contain themselves lead back to earlier steps.
pub(super) type StepId = usize;

/// What is done with a value of some type.
#[derive(Debug)]
pub(super) enum Step {
    /// Its bytes stay.
    Copy(Form),
    /// It gets more bits.
    Integer { stored: IntegerType, declared: IntegerType },
    /// An `f32` becomes an `f64`.
    Float,
    /// A `char` becomes a text.
    CharToText,
    /// A variant may have another text now, or none.
    Enum { renamed: Vec<(String, String)>, dropped: Vec<String>, name: String },
    /// It becomes an option that holds it.
    Some(StepId),
    /// An option.
    Option(StepId),
    /// A list.
    List(StepId),
    /// An array, which may become a list.
    Array { of: StepId, count: u32, becomes_list: bool },
    /// A set.
    Set(StepId),
    /// A map: keys, values.
    Map(StepId, StepId),
    /// A tuple.
    Tuple(Vec<StepId>),
    /// A struct: its stored fields in their order, and where the declared ones come from.
    Struct { stored: Vec<StepId>, declared: Vec<Source> },
}

/// Where a declared field of a struct comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// From the stored field at this position.
    Stored(usize),
    /// From its default, in stored form.
    Default(Vec<u8>),
}

/// How long a value is whose bytes stay.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// So many bytes.
    Bytes(usize),
    /// A number in as few bytes as hold it.
    Number,
    /// Bytes with their count before them.
    Counted,
}

impl Transcoder {
    pub(super) fn new(steps: Vec<Step>, root: StepId) -> Self {
        Self { steps, root }
    }

    /// The same value in the other type.
    ///
    /// # Errors
    ///
    /// Bytes that are no value of the stored type, and values that the declared type cannot say.
    pub(super) fn transcode(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
        let (mut reader, mut writer) = (StoredReader::new(stored), StoredWriter::default());
        let read = self.step(self.root, &mut reader, &mut writer).and_then(|()| reader.end());
        read.map_err(|error| error.to_string())?;
        writer.finish()
    }

    /// Whether every value keeps its bytes. Steps that lead back to themselves do unless something else in them does not.
    pub(super) fn is_identity(&self) -> bool {
        let mut keep = vec![true; self.steps.len()];
        loop {
            let next: Vec<bool> = self.steps.iter().map(|step| step.keeps_bytes(&keep)).collect();
            if next == keep {
                return keep[self.root];
            }
            keep = next;
        }
    }

    fn step(&self, step: StepId, stored: &mut StoredReader<'_>, written: &mut StoredWriter) -> Result<(), DecodeError> {
        match &self.steps[step] {
            Step::Copy(form) => copy(*form, stored, written)?,
            Step::Integer { stored: from, declared } => widen(*from, *declared, stored, written)?,
            Step::Float => written.push(&widened(u32::from_le_bytes(stored.array()?)).to_le_bytes()),
            Step::CharToText => {
                let point = u32::try_from(stored.number()?).ok().and_then(char::from_u32);
                let character = point.ok_or_else(|| DecodeError::new("a number is not a character"))?;
                written.counted(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Step::Enum { renamed, dropped, name } => {
                let text = stored.text()?;
                if dropped.iter().any(|gone| gone == text) {
                    return Err(DecodeError::new(format!("it holds {text:?}, which {name} has dropped")));
                }
                let now = renamed.iter().find(|(earlier, _)| earlier == text).map_or(text, |(_, now)| now);
                written.counted(now.as_bytes());
            }
            Step::Some(of) => {
                written.push(&[1]);
                self.step(*of, stored, written)?;
            }
            Step::Option(of) => {
                let is_some = stored.flag()?;
                written.push(&[u8::from(is_some)]);
                if is_some {
                    self.step(*of, stored, written)?;
                }
            }
            Step::List(of) => {
                let count = stored.count()?;
                written.count(count);
                (0..count).try_for_each(|_| self.step(*of, stored, written))?;
            }
            Step::Array { of, count, becomes_list } => {
                if *becomes_list {
                    written.count(*count as usize);
                }
                (0..*count).try_for_each(|_| self.step(*of, stored, written))?;
            }
            Step::Set(of) => self.collection(*of, None, stored, written)?,
            Step::Map(key, value) => self.collection(*key, Some(*value), stored, written)?,
            Step::Tuple(parts) => parts.iter().try_for_each(|part| self.step(*part, stored, written))?,
            Step::Struct { stored: fields, declared } => {
                stored.structure(|stored| self.structure(fields, declared, stored, written))?;
            }
        }
        Ok(())
    }

    /// A set, or a map if there are values. Two elements, or keys, may have become equal.
    fn collection(
        &self,
        key: StepId,
        value: Option<StepId>,
        stored: &mut StoredReader<'_>,
        written: &mut StoredWriter,
    ) -> Result<(), DecodeError> {
        let (mut keys, mut elements) = (HashSet::new(), Vec::new());
        for _ in 0..stored.count()? {
            let mut element = written.part();
            self.step(key, stored, &mut element)?;
            if !keys.insert(element.written().to_vec()) {
                return Err(DecodeError::new("two elements of a set, or keys of a map, become equal"));
            }
            if let Some(value) = value {
                self.step(value, stored, &mut element)?;
            }
            elements.push(element);
        }
        written.sorted(elements.into_iter(), StoredWriter::append);
        Ok(())
    }

    fn structure(
        &self,
        fields: &[StepId],
        declared: &[Source],
        stored: &mut StoredReader<'_>,
        written: &mut StoredWriter,
    ) -> Result<(), DecodeError> {
        let mut parts = Vec::with_capacity(fields.len());
        for field in fields {
            let mut part = written.part_of_struct().ok_or_else(|| DecodeError::new("structs are too deep"))?;
            self.step(*field, stored, &mut part)?;
            parts.push(part.finish().map_err(DecodeError::new)?);
        }
        for source in declared {
            written.push(match source {
                Source::Stored(position) => &parts[*position],
                Source::Default(bytes) => bytes,
            });
        }
        Ok(())
    }
}

impl Step {
    /// Whether values keep their bytes, if those of the other steps do.
    fn keeps_bytes(&self, others: &[bool]) -> bool {
        match self {
            Self::Copy(_) => true,
            Self::Integer { stored, declared } => stored.bits > 8 && stored.is_signed == declared.is_signed,
            Self::Enum { renamed, dropped, .. } => renamed.is_empty() && dropped.is_empty(),
            Self::Float | Self::CharToText | Self::Some(_) => false,
            Self::Option(of) | Self::List(of) | Self::Set(of) => others[*of],
            Self::Array { of, becomes_list, .. } => !becomes_list && others[*of],
            Self::Map(key, value) => others[*key] && others[*value],
            Self::Tuple(parts) => parts.iter().all(|part| others[*part]),
            Self::Struct { stored, declared } => {
                let stays = |(position, source): (usize, &Source)| match source {
                    Source::Stored(from) => *from == position,
                    Source::Default(_) => false,
                };
                stored.len() == declared.len()
                    && declared.iter().enumerate().all(stays)
                    && stored.iter().all(|field| others[*field])
            }
        }
    }
}

fn copy(form: Form, stored: &mut StoredReader<'_>, written: &mut StoredWriter) -> Result<(), DecodeError> {
    match form {
        Form::Bytes(size_bytes) => written.push(stored.take(size_bytes)?),
        Form::Number => written.wide(stored.wide()?),
        Form::Counted => written.counted(stored.counted()?),
    }
    Ok(())
}

/// Integers of 8 bits are one byte; the others are numbers in as few bytes as hold them, whatever their width.
fn widen(
    from: IntegerType,
    declared: IntegerType,
    stored: &mut StoredReader<'_>,
    written: &mut StoredWriter,
) -> Result<(), DecodeError> {
    if from.is_signed {
        let number = match from.bits {
            8 => i128::from(i8::from_le_bytes(stored.array()?)),
            _ => stored.signed_wide()?,
        };
        written.signed_wide(number);
        return Ok(());
    }
    let number = match from.bits {
        8 => u128::from(stored.byte()?),
        _ => stored.wide()?,
    };
    if declared.is_signed {
        written.signed_wide(i128::try_from(number).map_err(|_| DecodeError::new("a number is too large"))?);
    } else {
        written.wide(number);
    }
    Ok(())
}

/// The bits of an `f32` as those of an `f64`. A NaN keeps its sign and its payload, which `as` does not promise.
fn widened(bits: u32) -> u64 {
    const DROPPED_BITS: u32 = f64::MANTISSA_DIGITS - f32::MANTISSA_DIGITS;
    let float = f32::from_bits(bits);
    if !float.is_nan() {
        return f64::from(float).to_bits();
    }
    let (sign, payload) = (bits >> 31, bits & ((1 << (f32::MANTISSA_DIGITS - 1)) - 1));
    u64::from(sign) << 63 | f64::INFINITY.to_bits() | u64::from(payload) << DROPPED_BITS
}
